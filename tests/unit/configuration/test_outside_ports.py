"""Which ports of a switch lie outside of the IPsec module, by the configuration's three places that say so."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.model import Configuration, Port
from ryu_haslb.configuration.outside_ports import Sides, module_pairs, outside_ports, sides_of, stands_for

OTHERS = frozenset({1, 1002, 1003, 1004, 1005})
INSIDE = Port("GigabitEthernet", "6/1", allowed_vlans=OTHERS | {15})
OUTSIDE = Port("GigabitEthernet", "6/2", allowed_vlans=OTHERS | {16})
ACCESS = Port("FastEthernet", "3/15", crypto_connect_vlan=15)
CHAPTER = Configuration(ports=(INSIDE, OUTSIDE, ACCESS))


def test_in_the_chapter_these_are_the_pdsns_port_and_the_modules_outside_port() -> None:
    """Chapter 7, examples 5 and 6: what comes out of the inside port is decrypted, and for the balancer."""
    assert set(outside_ports(CHAPTER)) == {ACCESS, OUTSIDE}


def test_without_crypto_connect_there_is_no_outside() -> None:
    assert outside_ports(Configuration(ports=(INSIDE, OUTSIDE))) == ()


@pytest.mark.parametrize(
    "ports",
    [
        (INSIDE,),
        (INSIDE, Port("GigabitEthernet", "5/2", allowed_vlans=OTHERS | {16})),
        (INSIDE, Port("GigabitEthernet", "6/3", allowed_vlans=OTHERS | {16})),
        (INSIDE, Port("TenGigabitEthernet", "6/2", allowed_vlans=OTHERS | {16})),
        (INSIDE, Port("GigabitEthernet", "6/2")),
        (INSIDE, Port("GigabitEthernet", "6/2", allowed_vlans=OTHERS)),
        (INSIDE, Port("GigabitEthernet", "6/2", allowed_vlans=OTHERS | {15, 16})),
    ],
    ids=["alone", "another slot", "no neighbour", "another kind", "no trunk", "nothing instead", "both"],
)
def test_what_is_no_module_is_not_taken_for_one(ports: tuple[Port, ...]) -> None:
    """A trunk to another chassis, whose requests are the balancer's, must not be mistaken for the module."""
    assert module_pairs(ports, 15) == []


def test_two_inside_vlans_of_one_module_are_found_both() -> None:
    inside = Port("GigabitEthernet", "6/1", allowed_vlans=frozenset({15, 25}))
    outside = Port("GigabitEthernet", "6/2", allowed_vlans=frozenset({16, 26}))
    assert [module_pairs((inside, outside), vlan) for vlan in (15, 25)] == [[(inside, outside)]] * 2


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        ("fa3-15", True),
        ("haslb1-fa3-15", True),
        ("my-chassis-fa3-15", True),
        ("FA3-15", True),
        ("haslb1-fa3-1", False),
        ("haslb1-fa13-15", False),
        ("haslb1-fa3-155", False),
        ("xfa3-15", False),
        ("gi3-15", False),
        ("", False),
    ],
)
def test_a_switch_port_stands_for_a_configured_one_by_its_name(name: str, stands: bool) -> None:
    assert stands_for(name, ACCESS) == stands


def test_numbers_come_from_the_names_and_what_is_missing_is_named() -> None:
    names = {1: "haslb1-fa3-15", 2: "haslb1-fa3-16", 7: "haslb1-gi6-2", 8: "haslb1-gi6-1"}
    assert sides_of(CHAPTER, names) == (Sides(frozenset({1, 7}), {15: frozenset({2})}), [])
    assert sides_of(CHAPTER, {7: "gi6-2"}) == (Sides(frozenset({7})), ["FastEthernet3/15 (fa3-15)"])
