"""The examples of the chapter, word for word, and the rest of IOS that stands around them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from ryu_haslb.configuration.crypto_model import (
    AccessRule,
    Authentication,
    Crypto,
    CryptoMapEntry,
    IsakmpPolicy,
    PresharedKey,
    TransformSet,
)
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import (
    Configuration,
    DfpAgent,
    DfpManager,
    Port,
    RealServer,
    ServerFarm,
    VirtualServer,
    VlanInterface,
)
from ryu_haslb.language.diagnostics import ConfigurationError

CHAPTER = Path(__file__).parents[4] / "topologies" / "chapter"

DFP = DfpManager(agents=(DfpAgent(IPv4Address("10.1.1.51"), 500), DfpAgent(IPv4Address("10.1.1.52"), 500)))


def slb(farm: ServerFarm, name: str, address: str, idle: int = 10, **parts: object) -> Configuration:
    server = VirtualServer(name, IPv4Address(address), farm.name, idle=idle, in_service=True)
    return Configuration({farm.name: farm}, {name: server}, **parts)  # type: ignore[arg-type]


def farm(name: str, *addresses: str, weights: tuple[int, int] = (8, 8), nat_server: bool = False) -> ServerFarm:
    reals = tuple(RealServer(IPv4Address(each), weight=w, in_service=True) for each, w in zip(addresses, weights))
    return ServerFarm(name, nat_server, reals=reals)


def vlan15(address: str, network: str) -> tuple[VlanInterface, ...]:
    return (VlanInterface(15, IPv4Address(address), IPv4Network(network), "l2tpmap"),)


def crypto(peer: str, protected: tuple[str, str], *transforms: str, transport: bool = False) -> Crypto:
    """What all four printed configurations have in common."""
    local, remote = (IPv4Network(f"{address}/32") for address in protected)
    return Crypto(
        (IsakmpPolicy(1, Authentication.PRE_SHARE),),
        (PresharedKey("cisco", IPv4Network(f"{peer}/32")),),
        (TransformSet("esp-des-sha-transport", transforms, transport),),
        maps=(CryptoMapEntry("l2tpmap", 10, (IPv4Address(peer),), ("esp-des-sha-transport",), 101),),
        access_lists=((101, (AccessRule(True, local, remote),)),),
    )


def module() -> tuple[Port, ...]:
    others = frozenset({1, 1002, 1003, 1004, 1005})
    return (
        Port("GigabitEthernet", "6/1", allowed_vlans=others | {15}),
        Port("GigabitEthernet", "6/2", allowed_vlans=others | {16}),
        Port("FastEthernet", "3/15", crypto_connect_vlan=15),
    )


AH_AND_DES = ("ah-sha-hmac", "esp-des")
DES_AND_SHA = ("esp-des", "esp-sha-hmac")


HAS = ("10.1.1.51", "10.1.1.52")
SAMIS = ("10.99.11.11", "10.99.11.12")


@pytest.mark.parametrize(
    ("file", "meaning"),
    [
        ("1-dispatched-static.ios", slb(farm("HAFARM", *HAS, weights=(1, 1)), "MIPSLB", "10.1.1.10", 300)),
        ("2-dispatched-dfp.ios", slb(farm("HAFARM", *HAS), "MIPSLB", "10.1.1.10", 300, dfp=DFP)),
        (
            "3-direct-static.ios",
            slb(farm("HAFARM", *HAS, weights=(1, 1), nat_server=True), "MIPSLB", "10.1.1.10", 300),
        ),
        (
            "4-direct-dfp.ios",
            slb(farm("HAFARM", *HAS, weights=(8, 1), nat_server=True), "MIPSLB", "10.1.1.10", 300, dfp=DFP),
        ),
        (
            "5-direct-ipsec-tunnel.ios",
            slb(
                farm("FARM1", *SAMIS, nat_server=True),
                "IPSECSLB",
                "15.1.1.10",
                vlan_interfaces=vlan15("10.1.1.15", "10.0.0.0/8"),
                ports=module(),
                crypto=crypto("10.1.1.51", ("10.1.1.10", "10.1.1.51"), *AH_AND_DES),
            ),
        ),
        (
            "6-direct-ipsec-transport.ios",
            slb(
                farm("FARM1", *SAMIS, nat_server=True),
                "IPSECSLB",
                "10.1.1.10",
                vlan_interfaces=vlan15("15.1.1.15", "15.0.0.0/8"),
                ports=module(),
                crypto=crypto("10.1.1.51", ("15.1.1.10", "15.1.1.51"), *AH_AND_DES, transport=True),
            ),
        ),
    ],
)
def test_an_example_of_the_chapter_means_what_it_says(file: str, meaning: Configuration) -> None:
    """Chapter 7, HA-SLB Configuration Examples."""
    assert load(CHAPTER / file).configuration == meaning


@pytest.mark.parametrize(
    ("file", "protected", "transport"),
    [
        ("pdsn/5-direct-ipsec-tunnel.ios", ("10.1.1.51", "10.1.1.10"), False),
        ("pdsn/6-direct-ipsec-transport.ios", ("15.1.1.51", "15.1.1.10"), True),
    ],
)
def test_a_pdsn_of_the_chapter_means_what_it_says(file: str, protected: tuple[str, str], transport: bool) -> None:
    """Chapter 7, "The following commands configure IPSEC on PDSN"."""
    port = Port("FastEthernet", "1/0", IPv4Interface("10.1.1.51/8"), "l2tpmap")
    assert load(CHAPTER / file).configuration == Configuration(
        ports=(port,), crypto=crypto("10.1.1.15", protected, *DES_AND_SHA, transport=transport)
    )


def warnings(file: str) -> list[str]:
    return [f"{warning.line}: {warning.text}" for warning in load(CHAPTER / file).warnings]


def test_examples_without_mistakes_read_without_a_warning() -> None:
    assert warnings("2-dispatched-dfp.ios") == []
    assert warnings("4-direct-dfp.ios") == []


@pytest.mark.parametrize(("file", "line"), [("1-dispatched-static.ios", 9), ("3-direct-static.ios", 11)])
def test_the_scanning_mistake_is_repaired_and_remarked(file: str, line: int) -> None:
    message = "'ip slb vserver MIPS LB' is a scanning mistake and is read as 'ip slb vserver MIPSLB'"
    assert warnings(file) == [f"{line}: {message}"]


@pytest.mark.parametrize("line", ["ip slb vserver IPSEC SLB", "ip slb vserver MIPS LX", "ip slb serverfarm MIPS LB"])
def test_only_that_name_with_a_space_is_repaired(line: str) -> None:
    with pytest.raises(ConfigurationError, match="expected the end of the line"):
        read_configuration(line, "slb.ios")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "6-direct-ipsec-transport.ios",
            [
                "33: 'cdp' under 'interface GigabitEthernet6/1' is not implemented and is ignored",
                "41: 'cdp' under 'interface GigabitEthernet6/2' is not implemented and is ignored",
                "45: 'duplex', 'speed' under 'interface FastEthernet3/15' are not implemented and are ignored",
            ],
        ),
        (
            "pdsn/5-direct-ipsec-tunnel.ios",
            ["15: 'duplex' under 'interface FastEthernet1/0' is not implemented and is ignored"],
        ),
    ],
)
def test_what_is_not_implemented_is_named_once_for_each_block(file: str, expected: list[str]) -> None:
    """Examples 5 and 6 hold the whole IPsec configuration of both ends."""
    assert warnings(file) == expected


def test_a_heading_among_the_commands_is_remarked() -> None:
    assert warnings("5-direct-ipsec-tunnel.ios")[0] == "1: 'Configuration on SLB:' is a heading and is ignored"


@pytest.mark.parametrize("line", ["frobnicate", "crypto frobnicate", "ip frobnicate", "interface Frobnicate6/1"])
def test_nonsense_is_an_error_and_not_a_command_that_is_ignored(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"slb.ios:1: .*expected"):
        read_configuration(line, "slb.ios")


def test_nonsense_that_is_not_indented_below_an_ignored_command_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"slb.ios:2: 'frobnicate' is not a command under 'router'"):
        read_configuration("router ospf 1\nfrobnicate\n", "slb.ios")


@pytest.mark.parametrize(
    "below", [" 20 lines of a", "\tvariance 2", " ip address 192.0.2.90", "  router-id 1.1.1.1\n  x"]
)
@pytest.mark.parametrize("opening", ["router ospf 1", "flow exporter F", "aaa accounting exec default"])
def test_what_is_indented_below_an_ignored_command_belongs_to_it(opening: str, below: str) -> None:
    """As `show running-config` prints it: no list of all commands of IOS is complete."""
    _, diagnostics = read_configuration(f"{opening}\n{below}\n!\n", "slb.ios")
    assert [warning.line for warning in diagnostics] == [1]


def test_what_stands_beside_an_ignored_command_does_not_belong_to_it() -> None:
    farm = "ip slb serverfarm F\n failaction purge\n real 10.1.1.51\n  weigth 5\n  inservice\n"
    with pytest.raises(ConfigurationError, match=r"slb.ios:4: 'weigth' is not a command .*did you mean 'weight'"):
        read_configuration(farm, "slb.ios")


@pytest.mark.parametrize("ignored", ["service instance 10 ethernet\n  rewrite ingress", "track 1", "vlan 5", "mls qos"])
def test_an_ignored_command_within_a_block_does_not_end_it(ignored: str) -> None:
    """Although its word begins a command outside of every block as well."""
    text = f"interface Vlan15\n {ignored}\n ip address 10.1.1.15 255.255.255.0\n"
    configuration, _ = read_configuration(text, "slb.ios")
    assert [str(each.address) for each in configuration.vlan_interfaces] == ["10.1.1.15"]


@pytest.mark.parametrize(
    "opening", ["interface Port-channel1", "crypto map m 10 ipsec-manual", "router ospf 1", "line vty 0 4"]
)
@pytest.mark.parametrize(
    "command",
    ["ip slb serverfarm F", "ip route 20.0.0.0 255.0.0.0 10.1.1.1", "interface Vlan5\nip address 10.1.1.1 255.0.0.0"],
)
def test_an_ignored_block_swallows_no_command_that_is_implemented(opening: str, command: str) -> None:
    alone, _ = read_configuration(command, "slb.ios")
    after, _ = read_configuration(f"{opening}\n{command}", "slb.ios")
    assert after == alone != Configuration()


def test_a_supervisors_own_configuration_reads() -> None:
    text = (CHAPTER / "2-dispatched-dfp.ios").read_text()
    around = """\
service timestamps debug datetime msec
no service password-encryption
enable secret 5 $1$abcd
aaa new-model
ip subnet-zero
no ip domain-lookup
spanning-tree mode pvst
vlan 15
 name inside
interface Port-channel1
 no ip address
 switchport trunk encapsulation dot1q
interface Loopback0
 ip address 1.1.1.1 255.255.255.255
router ospf 1
 network 10.0.0.0 0.255.255.255 area 0
ip access-list extended OUTSIDE
 permit udp any any eq 434
 10 deny udp any any
line vty 0 4
 exec-timeout 0 0
 login
ip slb probe WEB http
 interval 5
"""
    expected, _ = read_configuration(text, "slb.ios")
    assert read_configuration(around + text + around + "end\n", "slb.ios")[0] == expected
