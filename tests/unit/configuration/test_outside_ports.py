"""Which ports of a switch lie outside of the IPsec module, by the configuration's three places that say so."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from ryu_haslb.configuration.crypto_model import AccessRule, Crypto, CryptoMapEntry
from ryu_haslb.configuration.model import Configuration, Port, VirtualServer, VlanInterface
from ryu_haslb.configuration.outside_ports import (
    Inside,
    Sides,
    module_pairs,
    outside_ports,
    protected_addresses,
    sides_of,
)

OTHERS = frozenset({1, 1002, 1003, 1004, 1005})
INSIDE = Port("GigabitEthernet", "6/1", allowed_vlans=OTHERS | {15})
OUTSIDE = Port("GigabitEthernet", "6/2", allowed_vlans=OTHERS | {16})
ACCESS = Port("FastEthernet", "3/15", crypto_connect_vlan=15)
VLAN = VlanInterface(15, IPv4Address("15.1.1.15"), IPv4Network("15.0.0.0/8"), "l2tpmap")
VIRTUAL, CLIENT = IPv4Network("15.1.1.10"), IPv4Network("15.1.1.51")
CHAPTER = Configuration(
    virtual_servers={"V": VirtualServer("V", IPv4Address("15.1.1.10"), "F", in_service=True)},
    ports=(INSIDE, OUTSIDE, ACCESS),
    vlan_interfaces=(VLAN,),
    crypto=Crypto(
        maps=(CryptoMapEntry("l2tpmap", 10, (IPv4Address("15.1.1.51"),), ("SET",), 101),),
        access_lists=((101, (AccessRule(True, VIRTUAL, CLIENT),)),),
    ),
)
NO_INSIDE = (
    "has no inside port of the IPsec module, GigabitEthernet6/1 (gi6-1); of the requests to 15.1.1.10, which crypto "
    "map l2tpmap protects, it accepts "
)
NO_ACCESS = "has no port FastEthernet3/15 (fa3-15), which the configuration places outside of the IPsec module"


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
    sides, _ = sides_of(CHAPTER, {1: name})
    assert sides.outside == ({1} if stands else set())


def test_numbers_come_from_the_names() -> None:
    names = {1: "haslb1-fa3-15", 2: "haslb1-fa3-16", 5: "haslb1-vlan15", 7: "haslb1-gi6-2", 8: "haslb1-gi6-1"}
    sides = Sides(frozenset({1, 7}), {15: Inside(frozenset({8}), frozenset({5}))})
    assert sides_of(CHAPTER, names) == (sides, [])
    assert [port for port in names if sides.leads_outside(port)] == [1, 7, 8]


@pytest.mark.parametrize(
    ("names", "remarks"),
    [
        ({1: "fa3-15", 7: "gi6-2", 8: "gi6-1"}, []),
        ({7: "gi6-2", 8: "gi6-1"}, [NO_ACCESS]),
        ({1: "fa3-15", 7: "gi6-2", 5: "vlan15"}, [NO_INSIDE + "only those that Vlan15 routes"]),
        ({1: "fa3-15", 7: "gi6-2", 5: "vlan16"}, [NO_INSIDE + "none"]),
    ],
)
def test_what_a_switch_lacks_is_named_and_what_that_means(names: dict[int, str], remarks: list[str]) -> None:
    assert sides_of(CHAPTER, names)[1] == remarks


def test_the_virtual_addresses_on_our_side_of_the_access_list_are_protected() -> None:
    """With the network on the other side. One that is out of service has no requests to accept."""
    (found,) = protected_addresses(CHAPTER)
    assert found == (IPv4Address("15.1.1.10"), CLIENT, VLAN)
    assert list(protected_addresses(replace(CHAPTER, vlan_interfaces=(replace(VLAN, crypto_map=None),)))) == []
    server = CHAPTER.virtual_servers["V"]
    for other in (replace(server, in_service=False), replace(server, address=IPv4Address("15.1.1.51"))):
        assert list(protected_addresses(replace(CHAPTER, virtual_servers={"V": other}))) == []


def test_a_module_that_the_configuration_does_not_name_has_no_inside() -> None:
    """Then the address stays closed, and the log says so."""
    sides, (remark,) = sides_of(replace(CHAPTER, ports=()), {8: "gi6-1"})
    assert sides.inside == {15: Inside()}
    assert remark.startswith("has no inside port of the IPsec module, that the configuration names; of the requests to")
