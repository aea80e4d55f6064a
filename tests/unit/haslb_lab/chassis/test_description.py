"""Reading a chassis description: its result, and that every error names the line and what is expected."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Callable, Optional

import pytest
from budget import examples
from chassis_example import CHASSIS, SLB, write_chassis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haslb_lab.chassis.description import Description, PortName
from haslb_lab.chassis.reader import read_description
from ryu_haslb.language.diagnostics import ConfigurationError

SHAPES = Path(__file__).parents[4] / "topologies" / "shapes"

Read = Callable[[str], Description]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write the text beside its configuration files and read it."""
    return lambda text: read_description(write_chassis(tmp_path, text))


def changed(old: str, new: str) -> str:
    """The example with one change, which must change it."""
    assert CHASSIS.count(old) == 1, f"{old!r} occurs {CHASSIS.count(old)} times"
    return CHASSIS.replace(old, new)


def test_the_chapters_chassis_is_read_as_it_is_printed(read: Read) -> None:
    """The chapter's fifth example: the names of ports, VLANs and modules are those of its configuration."""
    description = read(CHASSIS)
    chassis = description.chassis["SLB1-7600"]
    assert chassis.interfaces[15] == IPv4Interface("15.1.1.15/8")
    assert chassis.vlans[16].interface is None
    assert chassis.line_cards[PortName("FastEthernet", 3, 15)].crypto_connect_vlan == 15
    assert chassis.ipsec_module is not None
    assert chassis.ipsec_module.inside.allowed_vlans == (1, 15, 1002, 1003, 1004, 1005)
    assert [(each.name, each.slot, each.number) for each in chassis.home_agents] == [("HA5-2", 5, 1), ("HA5-3", 5, 2)]
    assert description.pdsns[0].home_agent == IPv4Address("15.1.1.10")
    assert description.prompts["controller"] == "SLB1-7600"


def test_a_supervisor_without_datapath_is_an_ordinary_switch(read: Read) -> None:
    """Only chassis with a datapath_id are the balancer's."""
    assert [each.name for each in read(CHASSIS).supervisors] == ["SLB1-7600"]


def test_home_networks_that_are_left_out_are_given_in_order(read: Read) -> None:
    """So that no two home agents hand out the same home address."""
    assert [each.home_network for each in read(CHASSIS).home_agents] == [
        IPv4Network("10.201.0.0/16"),
        IPv4Network("10.77.0.0/16"),
    ]


def test_a_port_may_be_abbreviated(read: Read) -> None:
    """As on IOS."""
    assert read(changed("port: SLB1-7600 FastEthernet3/20", "port: SLB1-7600 fa3/20")).hosts[0].attachment.port == (
        PortName("FastEthernet", 3, 20)
    )


@pytest.mark.parametrize(
    ("old", "new", "at", "text"),
    [
        ("vlan: 99, address: 10.99.11.2/24", "vlan: 99", None, "expected both of 'vlan' and 'address'"),
        ("slb.ios", "nowhere.ios", None, "there is no file 'nowhere.ios'"),
        (
            "switch: haslb1,",
            "switch: haslb-chassis,",
            "SLB1-7600:",
            "'haslb-chassis-sami5-1' is too long for an interface",
        ),
        ("switch: ha7600", "switch: haslb1", "HA-7600:", "the name 'haslb1' is already given in line 3"),
        ("datapath_id: 1", "datapath_id: 0", "SLB1-7600:", "datapath_id 0 of SLB1-7600 means none to Open vSwitch"),
        ("switch: haslb1, datapath_id: 1", "switch: haslb1", "", "no supervisor has a datapath_id"),
        (
            "{switch: ha7600}",
            "{switch: ha7600, datapath_id: 1}",
            "HA-7600:",
            "datapath_id 1 of HA-7600 is that of SLB1-7600",
        ),
        ("switch: ha7600", "swich: ha7600", None, "unknown key 'swich' of the supervisor"),
        ("15: {interface: 15.1.1.15/8}", "15: {interface: 15.1.1.15}", None, "an address with prefix length"),
        (
            "15: {interface: 15.1.1.15/8}",
            "15: {interface: 15.0.0.0/8}",
            None,
            "15.0.0.0 is the network address of 15.0.0.0/8",
        ),
        ("15: {interface: 15.1.1.15/8}", "4095: {interface: 15.1.1.15/8}", None, "a number from 1 to 4094, not '4095'"),
        (
            "      16: {}\n",
            "      16: {interface: 16.1.1.1/24}\n",
            "16: {interface: 16.1.1.1/24}",
            "VLAN 16 is outside of the IPsec module of SLB1-7600",
        ),
        ("FastEthernet3/20: {vlan: 20}", "FastEthernet3/20: {vlan: 21}", None, "is in VLAN 21, which SLB1-7600 does"),
        ("FastEthernet3/20: {vlan", "FastEthernet3: {vlan", None, "expected a port such as FastEthernet3/15"),
        ("FastEthernet3/20: {vlan", "Fa3/15: {vlan", None, "FastEthernet3/15 is already given in line 11"),
        ("FastEthernet3/20: {vlan: 20}", "FastEthernet3/20: {}", None, "expected one of 'vlan' and 'trunk'"),
        (
            "FastEthernet3/20: {vlan",
            "FastEthernet5/20: {vlan",
            "HA5-2: {address: 10.99.11.11/24, configu",
            "slot 5 of SLB1-7600 has a line card",
        ),
        (
            "FastEthernet3/20: {vlan",
            "FastEthernet6/20: {vlan",
            "inside: {port: GigabitEthernet6/1, allow",
            "slot 6 of SLB1-7600 has another card",
        ),
        (
            "crypto_connect_vlan: 15",
            "crypto_connect_vlan: 16",
            None,
            "crypto_connect_vlan 16 of FastEthernet3/15 has no",
        ),
        (
            "crypto_connect_vlan: 15",
            "crypto_connect_vlan: 20",
            "inside: {port: GigabitEthernet6/1, allow",
            "GigabitEthernet6/1 does not allow VLAN 20",
        ),
        ('"1,16,1002-1005"', '"1,15-16"', None, "GigabitEthernet6/2 allows VLAN 15, so that traffic could bypass"),
        ('"1,16,1002-1005"', '"1,1002-1005"', None, "GigabitEthernet6/2 does not allow VLAN 16"),
        ('"1,16,1002-1005"', '"1,16,"', None, "VLANs such as '1,15,1002-1005', not '1,16,'"),
        (
            "GigabitEthernet6/2",
            "GigabitEthernet7/2",
            "inside: {port: GigabitEthernet6/1, allow",
            "expected two ports of one slot",
        ),
        (
            "        vlan: 99\n",
            "        vlan: 98\n",
            "HA5-2: {address: 10.99.11.11/24, configu",
            "slot 5 is in VLAN 98, which SLB1-7600",
        ),
        ("      5:\n", "      14:\n", None, "a number from 1 to 13, not '14'"),
        ("HA5-2:", "HomeAgent-52:", None, "'HomeAgent-52' is too long for a node"),
        (
            "HA5-2:",
            "PDSN-7600:",
            "PDSN-7600:",
            "the name 'PDSN-7600' is already given in line 21",
        ),
        ("HA5-2: {address: 10.99.11.11", "HA5-2: {address: 10.99.12.11", None, "HA5-2 has 10.99.12.11/24, but VLAN 99"),
        (
            "HA5-2: {address: 10.99.11.11/24",
            "HA5-2: {address: 10.99.11.11/16",
            None,
            "10.99.11.0/24; expected an address",
        ),
        ("HA5-3: {address: 10.99.11.12", "HA5-3: {address: 10.99.11.11", None, "HA5-3 has the address of HA5-2"),
        (
            "10.99.11.12/24",
            "10.99.11.13/24",
            "balancer: {configuration: slb.ios, vlan:",
            "real 10.99.11.12 of farm FARM1 in slb.ios is not a home agent",
        ),
        ("configuration: ha.ios", "configuration: slb.ios", "", "slb.ios:1: "),
        ("configuration: ha.ios", "home_network: 10.99.0.0/16", None, "overlaps 10.99.11.0/24 of VLAN 99"),
        (
            "configuration: ha.ios",
            "home_network: 10.77.0.0/17",
            "HA5-3: {address: 10.99.11.12/24, home_ne",
            "overlaps 10.77.0.0/17 of HA5-2",
        ),
        (
            "configuration: ha.ios",
            "home_network: 10.201.1.0/16",
            None,
            "10.201.1.0 has bits outside the mask 255.255.0.0; expected 10.201.0.0",
        ),
        ("home_network: 10.77.0.0/16", "home_network: 10.77.0.0/31", None, "has no room for mobiles"),
        (
            "home_network: 10.77.0.0/16",
            "configuration: ha.ios",
            None,
            "dynamic-address 10.99.11.11, which HA5-3 does not",
        ),
        (
            "next_hop: 20.1.1.2",
            "next_hop: 20.1.1.3",
            None,
            "no node in the VLANs of SLB1-7600 has the address 20.1.1.3",
        ),
        ("20: {interface: 20.1.1.2/24}", "20: {interface: 20.1.2.2/24}", None, "overlaps or joins 20.1.1.0/24"),
        ("30: {interface: 30.1.1.1/24}", "30: {interface: 15.2.1.1/16}", None, "overlaps or joins 15.0.0.0/8"),
        (
            "30: {interface: 30.1.1.1/24}",
            "30: {interface: 169.254.1.1/16}",
            None,
            "overlaps 169.254.219.0/30, which carries OpenFlow",
        ),
        (
            '{trunk: "20"}',
            "{vlan: 20}",
            "- [SLB1-7600 GigabitEthernet1/1, HA-7600",
            "one end is a trunk and the other is not",
        ),
        (
            '{trunk: "20"}',
            '{trunk: "30"}',
            "- [SLB1-7600 GigabitEthernet1/1, HA-7600",
            "the trunks have no VLAN in common",
        ),
        ("HA-7600 GigabitEthernet1/1]", "HA-7600 GigabitEthernet1/3]", None, "HA-7600 has no line-card port Gigabit"),
        ("HA-7600 GigabitEthernet1/1]", "HA-760 GigabitEthernet1/1]", None, "did you mean 'HA-7600'?"),
        (", HA-7600 GigabitEthernet1/1]", "]", None, "expected a link's two ends"),
        ("SLB1-7600 FastEthernet3/20", "SLB1-7600 FastEthernet3/15", None, "is already used in line 37"),
        ("SLB1-7600 FastEthernet3/20", "SLB1-7600", None, "a chassis and its port, such as"),
        (
            "home_agent: 15.1.1.10",
            "home_agent: 15.1.1.11",
            "PDSN-7600:",
            "sends its requests to 15.1.1.11, which is not a virtual",
        ),
        ("home_agent: 15.1.1.10", "home_agent: 224.0.0.11", None, "an address such as 15.1.1.10, not '224.0.0.11'"),
        ("mobile1: 1", "mobile1: 1, mobile2: 1", "PDSN-7600:", "two mobiles of PDSN-7600 are the same user"),
        ("mobile1: 1", "mobile1: 0", None, "the user that mobile1 is, a number from 1, not '0'"),
        ("gateway: 20.1.1.1", "gateway: 20.1.1.7", None, "no node in VLAN 20 of SLB1-7600 has the address 20.1.1.7"),
        (
            "FastEthernet3/20: {vlan: 20}",
            "FastEthernet3/20: {vlan: 16}",
            None,
            "carries VLAN 16, which is outside of the IPsec module, past the module; expected access ports only",
        ),
        ('{trunk: "1,20,1002-1005"}', '{trunk: "16,20"}', None, "GigabitEthernet1/1 carries VLAN 16, which is outside"),
        (
            "FastEthernet3/15: {vlan: 16, crypto_connect_vlan: 15}",
            "FastEthernet3/15: {vlan: 16}",
            None,
            "has no crypto connect vlan here and crypto connect vlan 15 in slb.ios",
        ),
        (
            "FastEthernet3/20: {vlan: 20}",
            "FastEthernet3/20: {vlan: 16, crypto_connect_vlan: 15}",
            None,
            "has crypto connect vlan 15 here and no crypto connect vlan in slb.ios",
        ),
        ('"1,16,1002-1005"', '"1,16,1002-1004"', None, "expected 'switchport trunk allowed vlan 1,16,1002-1004' there"),
        ("15.1.1.15/8", "15.1.1.16/8", None, "has a crypto map and 15.1.1.15, which is not the address of SLB1-7600"),
        ("15.1.1.15/8", "15.1.1.15/9", None, "is in 15.0.0.0/8, and Vlan15 of SLB1-7600 is not; expected 15.1.1.15/9"),
        ("15.1.1.51/8", "15.1.1.52/8", "PDSN-7600:", "15.1.1.52/8 here and 15.1.1.51/8 at FastEthernet1/0 in pdsn.ios"),
        (
            "    configuration: pdsn.ios\n",
            "    configuration: pdsn.ios\n    interface: FastEthernet2/0\n",
            "PDSN-7600:",
            "FastEthernet2/0, which has no crypto map in pdsn.ios; expected 'interface: FastEthernet1/0'",
        ),
    ],
)
def test_an_error_names_its_line_and_what_was_expected(
    read: Read, old: str, new: str, at: Optional[str], text: str
) -> None:
    """One mistake each in the chapter's chassis. ``at`` is on the line that is named: the changed one (None), or the
    mistake is another file's or the whole file's (empty)."""
    with pytest.raises(ConfigurationError) as raised:
        read(changed(old, new))
    error = next((each for each in raised.value.errors if text in str(each)), None)
    assert error is not None, [str(each) for each in raised.value.errors]
    if at is None:
        assert error.line == CHASSIS[: CHASSIS.index(old)].count("\n") + 1
    elif at:
        assert at in changed(old, new).splitlines()[error.line - 1]


def test_all_mistakes_are_told_at_once(read: Read) -> None:
    """All errors are reported at once, so that they can be fixed together."""
    text = changed("15.1.1.15/8", "15.1.1.15").replace("vlan: 20}", "vlan: x}").replace("mobile1: 1", "mobile1: one")
    with pytest.raises(ConfigurationError) as raised:
        read(text)
    assert [error.line for error in raised.value.errors] == [6, 12, 41]


def test_two_links_between_the_same_vlans_are_a_loop(read: Read) -> None:
    """A broadcast would go round for ever: the switches know no spanning tree."""
    text = changed(
        "      FastEthernet3/20: {vlan: 20}\n", "      FastEthernet3/20: {vlan: 20}\n      Fa3/21: {vlan: 20}\n"
    )
    text = text.replace("GigabitEthernet1/2: {vlan: 30}", "GigabitEthernet1/2: {vlan: 20}")
    text = text.replace("links:\n", "links:\n  - [SLB1-7600 Fa3/21, HA-7600 Gi1/2]\n")
    with pytest.raises(ConfigurationError, match=r"a second path between VLAN 20 of SLB1-7600 and VLAN 20 of HA-7600"):
        read(text)


def test_a_dfp_manager_needs_a_place_among_its_agents(read: Read, tmp_path: Path) -> None:
    """Without ``vlan`` and ``address`` it could not reach them."""
    (tmp_path / "dfp.ios").write_text(f"{SLB}ip slb dfp\n agent 10.99.11.11 500\n")
    text = changed("configuration: slb.ios, vlan: 99, address: 10.99.11.2/24", "configuration: dfp.ios")
    with pytest.raises(ConfigurationError, match=r"the DFP manager of dfp\.ios has no address among its agents"):
        read(text)


@pytest.mark.parametrize("path", sorted(SHAPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shape_that_is_delivered_can_be_read(path: Path) -> None:
    """They are examples to start from."""
    assert read_description(path).supervisors


@pytest.mark.parametrize(
    "text", ["", "[]", "chassis", "{}", "chassis: {A: }", "balancer: *a", "\0", "a: &b [*b]", "- -"]
)
def test_what_is_no_description_is_an_error(read: Read, text: str) -> None:
    """And never a traceback."""
    with pytest.raises(ConfigurationError):
        read(text)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """With what was expected."""
    with pytest.raises(ConfigurationError, match="No such file or directory; expected a chassis description"):
        read_description(tmp_path / "nothing.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * 100_000)
    with pytest.raises(ConfigurationError, match="larger than 64 KiB"):
        read_description(tmp_path / "large.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_description(tmp_path / "binary.yaml")


ODD_WORDS = ("{}", "[]", "~", "0", "-1", "4094", "''", "0.0.0.0/0", "255.255.255.255/32")
WORDS = sorted({*re.findall(r"[\w./-]+", CHASSIS), *ODD_WORDS})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(300))
@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(WORDS) | st.text(max_size=6)), min_size=1, max_size=4),
    st.lists(st.integers(0, 45), max_size=3),
)
def test_a_damaged_description_is_read_or_refused(
    read: Read, replacements: list[tuple[int, str]], lost_lines: list[int]
) -> None:
    """Words exchanged for others, lines lost: errors name lines of the file, and nothing else is ever raised."""
    parts = re.split(r"([\w./-]+)", CHASSIS)
    for index, word in replacements:
        parts[(2 * index + 1) % (len(parts) - 1)] = word
    lines = [line for number, line in enumerate("".join(parts).splitlines()) if number not in lost_lines]
    try:
        read("\n".join(lines))
    except ConfigurationError as error:
        assert error.errors
        assert all(0 <= each.line <= len(lines) + 1 and each.text for each in error.errors)
