"""``arp A.B.C.D MAC ARPA [INTERFACE]`` in both forms: read, written back, checked, offered by ``?``."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from ryu_haslb.configuration.ios.command_table import GLOBAL
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import StaticArp
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.language.grammar import expected

FARM = "interface Vlan15\n ip address 10.1.1.1 255.255.255.0\nip slb serverfarm F\n real 10.1.1.51\n  inservice\n"
MAC = bytes.fromhex("001122334455")


def entries(text: str) -> tuple[StaticArp, ...]:
    return read_configuration(FARM + text, "slb.ios")[0].arp


def warnings(text: str) -> list[str]:
    return [each.text for each in read_configuration(FARM + text, "slb.ios")[1] if "arp" in each.text]


@pytest.mark.parametrize(
    ("words", "interface"),
    [
        ("0011.2233.4455 ARPA", None),
        ("0011.2233.4455 arpa FastEthernet3/15", ("FastEthernet", "3/15")),
        ("00:11:22:33:44:55 ARPA fa3/15", ("FastEthernet", "3/15")),
        ("0011.2233.4455 ARPA Vlan15", ("Vlan", "15")),
    ],
)
def test_an_entry_is_read_and_written_as_on_ios(words: str, interface: tuple[str, str]) -> None:
    (entry,) = entries(f"arp 10.1.1.51 {words}\n")
    assert entry == StaticArp(IPv4Address("10.1.1.51"), MAC, interface)
    configuration = read_configuration(FARM + f"arp 10.1.1.51 {words}\n", "slb.ios")[0]
    end = " " + "".join(interface) if interface else ""
    assert f"arp 10.1.1.51 0011.2233.4455 ARPA{end}\n" in write_configuration(configuration)


def test_yaml_has_the_same_entries() -> None:
    text = """
interfaces: {Vlan15: {address: 10.1.1.1/24}}
serverfarms: {F: {reals: [{address: 10.1.1.51, inservice: true}]}}
arp:
  - {address: 10.1.1.51, mac: 0011.2233.4455, interface: FastEthernet3/15}
"""
    assert read_yaml(text, "slb.yaml")[0].arp == entries("arp 10.1.1.51 0011.2233.4455 ARPA FastEthernet3/15\n")
    with pytest.raises(ConfigurationError, match=r"slb.yaml:5: .*expected the Ethernet address of a host"):
        read_yaml(text.replace("0011.2233", "0111.2233"), "slb.yaml")


def test_an_entry_ends_the_block_of_an_interface_whose_own_arp_commands_are_ignored() -> None:
    """Both modes have commands that begin with ``arp``, and indentation means nothing."""
    assert len(entries("interface FastEthernet3/15\n arp timeout 300\narp 10.1.1.51 0011.2233.4455 ARPA\n")) == 1


def test_a_later_entry_replaces_an_earlier_one_and_no_arp_removes_it() -> None:
    (entry,) = entries("arp 10.1.1.51 0011.2233.4466 ARPA\narp 10.1.1.51 0011.2233.4455 ARPA\n")
    assert entry.mac == MAC
    for removal in ("no arp 10.1.1.51", "no arp 10.1.1.51 0011.2233.4455", "no arp 10.1.1.51 0011.2233.4455 ARPA"):
        assert entries(f"arp 10.1.1.51 0011.2233.4455 ARPA\n{removal}\n") == ()
    kept = "arp 10.1.1.51 0011.2233.4455 ARPA\nno arp 10.1.1.51 0011.2233.4466\n"
    assert len(entries(kept)) == 1
    assert warnings(kept) == ["there is no arp entry 10.1.1.51 0011.2233.4466 to remove"]


def test_commands_edit_an_existing_configuration() -> None:
    base = read_configuration(FARM + "arp 10.1.1.51 0011.2233.4455 ARPA\n", "slb.ios")[0]
    assert read_configuration("no arp 10.1.1.51\n", "more", base)[0].arp == ()
    assert read_configuration("hostname SLB\n", "more", base)[0].arp == base.arp


def test_an_entry_without_effect_is_warned_about() -> None:
    """A whole running-config may have entries of other hosts."""
    assert warnings("arp 10.1.1.99 0011.2233.4455 ARPA\n") == [
        "arp 10.1.1.99 is the address of no real server and of no next hop to one; the entry is ignored"
    ]
    route = "ip slb serverfarm G\n nat server\n real 10.9.9.9\nip route 10.9.0.0 255.255.0.0 10.1.1.2\n"
    assert warnings(route + "arp 10.1.1.2 0011.2233.4455 ARPA\n") == []


def test_an_entry_in_a_vlan_that_does_not_hold_the_address_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"arp 10.1.1.51 is in no network of interface Vlan20"):
        entries("arp 10.1.1.51 0011.2233.4455 ARPA Vlan20\n")


@pytest.mark.parametrize(
    "line",
    [
        "arp 10.1.1.51",
        "arp 10.1.1.51 ARPA",
        "arp 10.1.1.51 ffff.ffff.ffff ARPA",
        "arp 10.1.1.51 0111.2233.4455 ARPA",
        "arp 10.1.1.51 0000.0000.0000 ARPA",
        "arp 10.1.1.51 0011.2233 ARPA",
        "arp 224.0.0.1 0011.2233.4455 ARPA",
        "arp 10.1.1.51 0011.2233.4455 ARPA Loopback0",
        "arp 10.1.1.51 0011.2233.4455 ARPA Vlan4095",
        "arp 10.1.1.51 0011.2233.4455 SNAP",
    ],
)
def test_a_wrong_entry_is_an_error(line: str) -> None:
    with pytest.raises(ConfigurationError):
        entries(line + "\n")


def test_an_alias_is_read_with_a_warning() -> None:
    """On IOS the router answers ARP for the address as well."""
    configuration, warnings = read_configuration("arp 10.1.1.51 0011.2233.4455 ARPA Vlan15 alias\n", "slb.ios")
    assert [entry.interface for entry in configuration.arp] == [("Vlan", "15")]
    assert str(warnings[0]) == "slb.ios:1: 'alias' is not implemented: ARP for 10.1.1.51 is left to its owner"


def test_help_offers_each_word() -> None:
    def offered(*words: str) -> list[str]:
        return [each.word for each in expected(GLOBAL, words)]

    assert "arp" in offered()
    assert offered("arp") == ["A.B.C.D"]
    assert offered("arp", "10.1.1.51") == ["H.H.H"]
    assert offered("arp", "10.1.1.51", "0011.2233.4455") == ["arpa"]
    assert offered("arp", "10.1.1.51", "0011.2233.4455", "arpa") == ["INTERFACE", "alias", "<cr>"]
