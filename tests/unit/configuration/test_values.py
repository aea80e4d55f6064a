"""A value is accepted or refused alike in IOS text, in the YAML form and in a chassis description.

Each test writes the value into a whole file for each reader. All readers must accept it, and read the same value, or
all must refuse it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Optional

import pytest
from chassis_example import CHASSIS, write_chassis

from haslb_lab.chassis.description import Description
from haslb_lab.chassis.reader import read_description
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.language.diagnostics import ConfigurationError

#: Reads the chapter's chassis with one change; returns None if an error is about the value.
Chassis = Callable[[str, str, str], Optional[Description]]


def ios(text: str) -> Optional[Configuration]:
    """The configuration of an IOS text; None if it is refused."""
    try:
        return read_configuration(text, "slb.ios")[0]
    except ConfigurationError as error:
        assert str(error).startswith("slb.ios:")
        return None


def yaml(text: str) -> Optional[Configuration]:
    """The configuration of a YAML text; None if it is refused."""
    try:
        return read_yaml(text, "slb.yaml")[0]
    except ConfigurationError as error:
        assert str(error).startswith("slb.yaml:")
        return None


@pytest.fixture
def chassis(tmp_path: Path) -> Chassis:
    def read(old: str, new: str, value: str) -> Optional[Description]:
        assert CHASSIS.count(old) == 1
        try:
            return read_description(write_chassis(tmp_path, CHASSIS.replace(old, new)))
        except ConfigurationError as error:
            about_the_value = [each for each in error.errors if f"not '{value}'" in each.text]
            assert all(each.line for each in about_the_value)
            if about_the_value:
                return None
            raise

    return read


ADDRESSES = [
    ("10.1.1.51", True),
    ("169.254.1.1", True),  # link-local: a host can have it (RFC 3927), and IOS accepts it
    ("192.0.2.1", True),
    ("0.0.0.0", False),
    ("0.1.2.3", False),  # "this network", RFC 6890
    ("127.0.0.1", False),
    ("224.0.0.1", False),
    ("240.0.0.1", False),
    ("255.255.255.255", False),
    ("10.1.1.051", False),  # 41 to a reader of octal numbers
    ("10.1.1", False),
    ("10.1.1.256", False),
]


@pytest.mark.parametrize(("address", "accepted"), ADDRESSES)
def test_a_host_address_is_judged_alike(chassis: Chassis, address: str, accepted: bool) -> None:
    """RFC 6890 says which addresses are no host's."""
    from_ios = ios(f"ip slb serverfarm F\n real {address}\n")
    from_yaml = yaml(f"serverfarms: {{F: {{reals: [{{address: {address}}}]}}}}")
    assert from_ios == from_yaml
    assert (from_ios is not None) is accepted
    assert _home_agent_is_accepted(chassis, address) is accepted


def _home_agent_is_accepted(chassis: Chassis, address: str) -> bool:
    """Whether the address may be that of the home agent to which a PDSN sends; none of these is in the example."""
    try:
        return chassis("home_agent: 15.1.1.10", f"home_agent: {address}", address) is not None
    except ConfigurationError as error:
        assert f"sends its requests to {address}, which is not a virtual" in str(error)
        return True


@pytest.mark.parametrize(
    ("interface", "accepted"),
    [
        ("15.1.1.15/8", True),
        ("15.0.0.0/8", False),  # the network's own address
        ("15.255.255.255/8", False),  # its broadcast address
        ("0.1.2.3/8", False),
        ("224.0.0.1/8", False),
        ("15.1.1.15/33", False),
        ("15.1.1.15/255.0.0.0", False),
        ("15.1.1.15", False),
        ("15.1.1.15/", False),
    ],
)
def test_an_interface_address_is_judged_alike(chassis: Chassis, interface: str, accepted: bool) -> None:
    address, _, length = interface.partition("/")
    masks = {"8": "255.0.0.0"}
    if length in masks:
        assert (ios(f"interface Vlan15\n ip address {address} {masks[length]}\n") is not None) is accepted
    assert (yaml(f"interfaces: {{Vlan15: {{address: {interface}}}}}") is not None) is accepted
    assert (chassis("interface: 15.1.1.15/8", f"interface: {interface}", interface) is not None) is accepted


@pytest.mark.parametrize(
    ("vlan", "accepted"),
    [("15", True), ("015", True), ("0", False), ("4095", False), ("-1", False), ("0x0f", False), ("15.0", False)],
)
def test_a_vlan_is_judged_alike(chassis: Chassis, vlan: str, accepted: bool) -> None:
    """Decimal even with leading zeros, as on IOS; a reader of YAML 1.1 would take ``015`` for 13."""
    module = "interface GigabitEthernet6/1\n switchport trunk allowed vlan 1,15\n"
    module += "interface GigabitEthernet6/2\n switchport trunk allowed vlan 1,16\n"
    module += "interface Vlan15\n ip address 15.1.1.15 255.0.0.0\n"
    from_ios = ios(f"{module}interface Fa3/15\n crypto connect vlan {vlan}\n")
    from_yaml = yaml(
        "interfaces:\n  GigabitEthernet6/1: {allowed_vlans: '1,15'}\n  GigabitEthernet6/2: {allowed_vlans: '1,16'}\n"
        f"  Vlan15: {{address: 15.1.1.15/8}}\n  Fa3/15: {{crypto_connect_vlan: {vlan}}}\n"
    )
    assert from_ios == from_yaml
    assert (from_ios is not None) is accepted
    described = chassis("crypto_connect_vlan: 15", f"crypto_connect_vlan: {vlan}", vlan)
    assert (described is not None) is accepted


@pytest.mark.parametrize(
    ("vlans", "accepted"),
    [
        ("1,15,1002-1005", True),
        ("01,0015,1002-1005", True),
        ("1, 15,1002-1005", False),  # IOS ends the list at the space
        ("1,15,", False),
        ("15-1", False),
        ("0,15", False),
        ("1-4095", False),
        ("", False),
    ],
)
def test_a_list_of_vlans_is_judged_alike(chassis: Chassis, vlans: str, accepted: bool) -> None:
    from_ios = ios(f"interface GigabitEthernet6/1\n switchport trunk allowed vlan {vlans}\n")
    from_yaml = yaml(f"interfaces: {{GigabitEthernet6/1: {{allowed_vlans: '{vlans}'}}}}")
    assert from_ios == from_yaml
    assert (from_ios is not None) is accepted
    described = chassis("1,15,1002-1005", vlans, vlans)
    assert (described is not None) is accepted


@pytest.mark.parametrize(
    ("port", "accepted"),
    [
        ("FastEthernet1/0", True),
        ("Fa1/0", True),
        ("f1/0", True),
        ("fa 01/00", True),
        ("FastEthernet0/1", True),
        ("FastEthernet1/2/3", True),
        ("Ethernet1", True),
        ("FastEthernet1/2/3/4", False),
        ("FastEthernet1/", False),
        ("FastEthernet", False),
        ("Serial6/1", False),
        ("FastEthernett1/0", False),
    ],
)
def test_a_port_is_judged_alike(chassis: Chassis, port: str, accepted: bool) -> None:
    """Any port that a router of IOS can have, its kind abbreviated or not."""
    from_ios = ios(f"interface {port}\n ip address 10.1.1.51 255.0.0.0\n")
    from_yaml = yaml(f"interfaces: {{{port}: {{address: 10.1.1.51/8}}}}")
    names = [[each.name for each in found.ports] if found is not None else [] for found in (from_ios, from_yaml)]
    assert names[0] == names[1]
    assert bool(names[0]) is accepted
    old = "    configuration: pdsn.ios\n"
    described = chassis(old, f"    interface: {port}\n", port)
    assert ([each.interface for each in described.pdsns] if described is not None else []) == names[0]


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ("FastEthernet0/1", "a 7600 has no port FastEthernet0/1; expected a port such as FastEthernet3/15: a slot"),
        ("FastEthernet1/2/3", "a 7600 has no port FastEthernet1/2/3; expected a port such as FastEthernet3/15: a slot"),
        (
            "FastEthernet3/97",
            "a 7600 has no port FastEthernet3/97; expected a port such as FastEthernet3/15: a slot from 1 to 13",
        ),
    ],
)
def test_which_ports_there_are_depends_on_the_chassis(tmp_path: Path, port: str, text: str) -> None:
    """The name is right, and a 7600 has no such port."""
    with pytest.raises(ConfigurationError, match=text):
        read_description(write_chassis(tmp_path, CHASSIS.replace("FastEthernet3/20: {vlan", f"{port}: {{vlan")))


@pytest.mark.parametrize(
    ("datapath", "value"),
    [("0000000000000010", 16), ("'0000000000000010'", 16), ("16", 16), ("-1", None), ("0x10", None), ("'16'", None)],
)
def test_a_datapath_id_is_judged_alike(chassis: Chassis, datapath: str, value: Optional[int]) -> None:
    found = yaml(f"datapaths: [{datapath}]")
    assert (list(found.datapaths) if found is not None else None) == ([value] if value is not None else None)
    described = chassis("datapath_id: 1", f"datapath_id: {datapath}", datapath.strip("'"))
    assert (described.supervisors[0].datapath_id if described is not None else None) == value
