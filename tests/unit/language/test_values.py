"""The parsers of values. That all readers use them: tests/unit/configuration/test_values.py."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.language import values


@given(st.frozensets(st.integers(1, values.MAX_VLAN)))
def test_vlans_are_written_as_they_are_read(numbers: frozenset[int]) -> None:
    written = values.vlan_ranges(numbers)
    assert len(written) <= values.MAX_VLANS_LENGTH
    assert numbers == (values.vlans(written) if written else frozenset())


def test_neighbouring_vlans_are_written_as_a_range() -> None:
    """As IOS prints them."""
    assert values.vlan_ranges([1005, 1, 1003, 15, 1002, 1004]) == "1,15,1002-1005"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("FastEthernet3/15", ("FastEthernet", "3/15")),
        ("fastethernet 3/15", ("FastEthernet", "3/15")),
        ("Fa03/015", ("FastEthernet", "3/15")),
        ("g1/1", ("GigabitEthernet", "1/1")),
        ("te0/0/1", ("TenGigabitEthernet", "0/0/1")),
        ("e0", ("Ethernet", "0")),
        ("v15", ("Vlan", "15")),
        ("Vlan015", ("Vlan", "15")),
    ],
)
def test_an_interface_has_one_name_however_it_is_abbreviated(text: str, name: tuple[str, str]) -> None:
    assert values.interface_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "3/15", "Vlan", "Vlan1/2", "Vlan4095", "x3/15", "Fa", "Fa3/", "Fa3//15", "Fa-3/15"]
)
def test_what_names_no_interface_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        values.interface_name(text)


def test_a_vlan_is_not_a_port() -> None:
    with pytest.raises(ValueError):
        values.port_name("Vlan15")


def test_an_ethernet_address_is_six_bytes() -> None:
    assert values.mac_address("02:00:0a:00:00:FF") == bytes.fromhex("02000a0000ff")
    assert values.mac_address("0200.0a00.00fF") == bytes.fromhex("02000a0000ff")
    assert values.dotted_mac(bytes.fromhex("02000a0000ff")) == "0200.0a00.00ff"


@pytest.mark.parametrize("text", ["0200.0a00", "0200:0a00:00ff", "02.00.0a.00.00.ff", "02000a0000ff", "0200.0a00.00fg"])
def test_an_ethernet_address_is_written_in_one_of_two_ways(text: str) -> None:
    with pytest.raises(ValueError):
        values.mac_address(text)


@pytest.mark.parametrize("text", ["03:00:00:00:00:51", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"])
def test_an_ethernet_address_that_is_no_hosts_is_refused(text: str) -> None:
    """The group bit is set, or all bits are zero."""
    with pytest.raises(ValueError, match="a group or null address"):
        values.mac_address(text)


@pytest.mark.parametrize(
    ("text", "value"), [("0000000000000010", 16), ("10", 10), ("010", 10), ("1234567890123456", 0x1234567890123456)]
)
def test_a_datapath_id_of_16_digits_is_hexadecimal(text: str, value: int) -> None:
    """As switches print it; a shorter one is decimal."""
    assert values.datapath_id(text) == value


@pytest.mark.parametrize("text", ["", "-1", "0x10", "abc", str(1 << 64)])
def test_what_is_no_datapath_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        values.datapath_id(text)


def test_both_addresses_of_a_31_are_hosts() -> None:
    """RFC 3021 section 2.1."""
    assert values.interface_address("10.1.1.0/31") == IPv4Interface("10.1.1.0/31")
    assert values.interface_address("10.1.1.1/31") == IPv4Interface("10.1.1.1/31")
    with pytest.raises(ValueError, match=r"10\.1\.1\.0 is the network address of 10\.1\.1\.0/30"):
        values.interface_address("10.1.1.0/30")


def test_a_network_has_no_bits_outside_its_mask() -> None:
    assert values.network(IPv4Address("10.201.0.0"), 16) == IPv4Network("10.201.0.0/16")
    with pytest.raises(
        ValueError, match=r"10\.201\.1\.0 has bits outside the mask 255\.255\.0\.0; expected 10\.201\.0\.0"
    ):
        values.network(IPv4Address("10.201.1.0"), 16)
