"""The VLANs that a virtual server is served in: configured, or those of its clients."""

from __future__ import annotations

from typing import Optional

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.served_vlans import access_vlans, served_vlans
from ryu_haslb.configuration.yaml.reader import read_yaml

NETWORK = """\
interface Vlan15
 ip address 10.1.1.1 255.255.255.0
interface Vlan16
 ip address 15.1.1.1 255.255.255.0
 ip address 15.2.1.1 255.255.255.0 secondary
ip route 16.0.0.0 255.0.0.0 15.1.1.9
ip slb serverfarm F
 real 10.1.1.51
  inservice
ip slb vserver V
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm F
 inservice
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        (("client 15.1.1.0 255.255.255.0",), {16}),
        (("client 15.1.1.7 255.255.255.255", "client 10.1.1.7 255.255.255.255"), {15, 16}),
        (("client 15.2.1.0 255.255.255.0",), {16}),
        (("client 16.1.0.0 255.255.0.0",), {16}),
        (("client 15.1.0.0 255.255.0.0",), None),
        (("client 17.0.0.0 255.0.0.0",), None),
        (("client 0.0.0.0 0.0.0.0",), None),
        (("client 15.1.1.0 255.255.255.0 exclude",), None),
        (("client 15.1.1.0 255.255.255.0", "client 10.1.1.0 255.255.255.0 exclude"), {16}),
        (("client 15.1.1.0 255.255.255.0", "client vlan 20,30-31"), {20, 30, 31}),
        (("client vlan 20", "no client vlan"), None),
    ],
)
def test_the_vlans_are_configured_or_those_of_the_clients_if_all_of_them_are_known(
    lines: tuple[str, ...], expected: Optional[set[int]]
) -> None:
    configuration = read_configuration(NETWORK + "".join(f" {line}\n" for line in lines), "slb.ios")[0]
    assert served_vlans(configuration, configuration.virtual_servers["V"]) == expected


def test_both_forms_have_the_vlans_and_they_are_written_back() -> None:
    configuration = read_configuration(NETWORK + " client vlan 20,30-31\n", "slb.ios")[0]
    assert " client vlan 20,30-31\n" in write_configuration(configuration)
    text = """
serverfarms: {F: {reals: [{address: 10.1.1.51}]}}
vservers: {V: {virtual: 10.1.1.10, serverfarm: F, client_vlans: "20,30-31"}}
interfaces: {FastEthernet3/20: {access_vlan: 20}}
"""
    read = read_yaml(text, "slb.yaml")[0]
    assert read.virtual_servers["V"].vlans == frozenset({20, 30, 31})
    assert "interface FastEthernet3/20\n switchport access vlan 20\n" in write_configuration(read)


def test_the_vlan_of_an_access_port_is_that_of_each_port_of_the_switch_with_its_name() -> None:
    lines = "interface FastEthernet3/20\n switchport access vlan 20\ninterface GigabitEthernet1/1\n"
    configuration = read_configuration(NETWORK + lines, "slb.ios")[0]
    assert access_vlans(configuration, {4: "haslb1-fa3-20", 5: "haslb1-gi1-1", 6: "fa3-20"}) == {4: 20, 6: 20}
