"""Static ARP entries: a fixed Ethernet address, in a VLAN, or at a port that is named."""

from __future__ import annotations

from typing import Optional

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration, RealServer
from ryu_haslb.openflow.neighbours.discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.places import Location, PlaceState
from ryu_haslb.openflow.neighbours.static_arp import static_entries
from ryu_haslb.openflow.neighbours.table import Neighbours

FARM = "ip slb serverfarm F\n nat server\n real 10.1.1.51\n real 10.9.9.9\n"
VLAN = "interface Vlan15\n ip address 10.1.1.1 255.255.255.0\nip route 10.9.0.0 255.255.0.0 10.1.1.2\n"
TRUNK = "interface GigabitEthernet1/1\n switchport trunk allowed vlan 15,99\n"
MAC, ADDRESS = bytes.fromhex("001122334455"), bytes([10, 1, 1, 51])
PORTS = {4: "haslb1-gi1-1", 7: "haslb1-fa3-15"}


def read(*lines: str) -> Configuration:
    return read_configuration("\n".join([VLAN, FARM, TRUNK, *lines]), "slb.ios")[0]


def real(configuration: Configuration) -> RealServer:
    return configuration.farms["F"].reals[0]


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        ("FastEthernet3/15", Location(MAC, 7, None)),
        ("GigabitEthernet1/1", Location(MAC, 4, 15)),
        ("FastEthernet3/16", None),
        ("Vlan15", None),
        ("", None),
    ],
)
def test_a_named_port_locates_without_a_probe_and_a_trunk_gets_the_tag_of_the_vlan(
    interface: str, expected: Optional[Location]
) -> None:
    configuration = read(f"arp 10.1.1.51 0011.2233.4455 ARPA {interface}")
    discovery = NeighbourDiscovery(1, configuration)
    discovery.set_port_names(PORTS)
    assert discovery.location(real(configuration)) == expected
    state = PlaceState.UNKNOWN if expected is None else PlaceState.STATIC
    assert discovery.place(real(configuration)).state is state


def test_the_entry_of_a_next_hop_locates_the_reals_behind_it() -> None:
    configuration = read("arp 10.1.1.2 0011.2233.4455 ARPA FastEthernet3/15")
    discovery = NeighbourDiscovery(1, configuration)
    discovery.set_port_names(PORTS)
    behind = configuration.farms["F"].reals[1]
    assert discovery.location(behind) == Location(MAC, 7, None)
    assert discovery.location(real(configuration)) is None


def test_a_port_that_the_switch_lacks_is_remarked_and_found_when_it_comes() -> None:
    configuration = read("arp 10.1.1.51 0011.2233.4455 ARPA FastEthernet3/16")
    discovery = NeighbourDiscovery(1, configuration)
    (remark,) = discovery.set_port_names(PORTS)
    assert remark.startswith("has no port FastEthernet3/16 (fa3-16), which the arp entry of 10.1.1.51 names")
    assert discovery.set_port_names({**PORTS, 9: "haslb1-fa3-16"}) == ()
    assert discovery.location(real(configuration)) == Location(MAC, 9, None)


def test_without_a_port_only_the_fixed_ethernet_address_is_believed() -> None:
    configuration = read("arp 10.1.1.51 0011.2233.4455 ARPA")
    entries = static_entries(configuration, PORTS)
    neighbours = Neighbours(configuration, 1)
    neighbours.configure(configuration, entries.macs, entries.places)
    other = Location(b"\x02\0\0\0\0\x66", 9, 15)
    assert not neighbours.on_answer(ADDRESS, other, 0.0)
    neighbours.on_claim(ADDRESS, other, 0.0)
    assert neighbours.on_answer(ADDRESS, Location(MAC, 3, 15), 0.1)
    neighbours.on_claim(ADDRESS, other, 0.2)
    assert not neighbours.on_answer(ADDRESS, other, 0.3)
    assert neighbours.place(real(configuration)).state is PlaceState.LOCATED, "not even challenged"


def test_a_new_entry_forgets_a_place_with_another_ethernet_address() -> None:
    without, configuration = read(), read("arp 10.1.1.51 0011.2233.4455 ARPA")
    neighbours = Neighbours(without, 1)
    neighbours.on_answer(ADDRESS, Location(b"\x02\0\0\0\0\x66", 9, 15), 0.0)
    neighbours.configure(configuration, static_entries(configuration, PORTS).macs)
    assert neighbours.location(real(configuration)) is None


def test_a_vlan_of_several_that_hold_the_address_is_chosen_by_its_entry() -> None:
    wider = "interface Vlan20\n ip address 10.1.0.1 255.255.0.0\n"
    for line, vlans in (("", {15, 20}), ("arp 10.1.1.51 0011.2233.4455 ARPA Vlan20", {20})):
        discovery = NeighbourDiscovery(1, read(wider, line))
        assert discovery._vlans_of[ADDRESS] == vlans
