"""A stranger's chassis: other VLANs, another slot, two PDSNs with a key and a crypto map entry each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from ipsec_chassis import MODULE, IpsecLab, Tap
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q
from scapy.packet import Packet

pytestmark = pytest.mark.lab

PEERS = {"PDSN-A": "25.1.1.51", "PDSN-B": "25.1.1.52"}
VIRTUAL, GATEWAY = "25.1.2.10", "25.1.1.15"

DESCRIPTION = """\
balancer: {configuration: slb.ios}
chassis:
  ODD-7600:
    supervisor: {switch: odd1, datapath_id: 7}
    vlans:
      215: {interface: 25.1.1.15/16}
      316: {}
      499: {interface: 10.77.0.1/24}
    line_cards:
      FastEthernet9/1: {vlan: 316, crypto_connect_vlan: 215}
      GigabitEthernet2/48: {vlan: 316, crypto_connect_vlan: 215}
    ipsec_module:
      inside: {port: GigabitEthernet4/1, allowed_vlans: "1,215,1002-1005"}
      outside: {port: GigabitEthernet4/2, allowed_vlans: "1,316,1002-1005"}
    sami:
      7:
        vlan: 499
        home_agents:
          HA7-1: {address: 10.77.0.11/24}
pdsns:
  PDSN-A: {port: ODD-7600 FastEthernet9/1, interface: FastEthernet1/0, address: 25.1.1.51/16, home_agent: 25.1.2.10,
           configuration: pdsn-a.ios, gateway: 25.1.1.15}
  PDSN-B: {port: ODD-7600 GigabitEthernet2/48, interface: FastEthernet1/0, address: 25.1.1.52/16, home_agent: 25.1.2.10,
           configuration: pdsn-b.ios, gateway: 25.1.1.15}
"""

BALANCER = """\
ip slb serverfarm FARM1
  nat server
  real 10.77.0.11
    inservice
!
ip slb vserver TWO
  virtual 25.1.2.10 udp 434 service ipmobile
  serverfarm FARM1
  inservice
!
crypto isakmp policy 1
  authentication pre-share
  encryption aes 256
  hash sha256
  group 14
crypto isakmp key first address 25.1.1.51
crypto isakmp key second address 25.1.1.52
!
crypto ipsec transform-set STRONG esp-aes 256 esp-sha256-hmac
!
crypto map TWO 10 ipsec-isakmp
  set peer 25.1.1.51
  set transform-set STRONG
  match address 110
crypto map TWO 20 ipsec-isakmp
  set peer 25.1.1.52
  set transform-set STRONG
  match address 120
!
interface GigabitEthernet4/1
  switchport trunk allowed vlan 1,215,1002-1005
interface GigabitEthernet4/2
  switchport trunk allowed vlan 1,316,1002-1005
interface FastEthernet9/1
  crypto connect vlan 215
interface GigabitEthernet2/48
  crypto connect vlan 215
interface Vlan215
  ip address 25.1.1.15 255.255.0.0
  crypto map TWO
!
access-list 110 permit ip 25.1.2.0 0.0.0.255 host 25.1.1.51
access-list 110 permit ip host 25.1.3.10 host 25.1.1.51
access-list 120 permit ip 25.1.2.0 0.0.0.255 host 25.1.1.52
access-list 120 permit ip host 25.1.3.10 host 25.1.1.52
"""

PDSN = """\
crypto isakmp policy 1
  authentication pre-share
  encryption aes 256
  hash sha256
  group 14
crypto isakmp key {key} address 25.1.1.15
crypto ipsec transform-set STRONG esp-aes 256 esp-sha256-hmac
crypto map TWO 10 ipsec-isakmp
  set peer 25.1.1.15
  set transform-set STRONG
  match address 110
interface FastEthernet1/0
  ip address {address} 255.255.0.0
  crypto map TWO
access-list 110 permit ip host {address} 25.1.2.0 0.0.0.255
access-list 110 permit ip host {address} host 25.1.3.10
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[IpsecLab]:
    for (name, address), key in zip(PEERS.items(), ("first", "second")):
        (tmp_path / f"{name.lower()}.ios").write_text(PDSN.format(key=key, address=address))
    with IpsecLab(tmp_path, BALANCER, DESCRIPTION) as running:
        yield running


def test_each_peer_has_associations_of_its_own(lab: IpsecLab) -> None:
    """The access lists protect the network of the virtual address, and a host; no machine has an address of either.
    Each rule has associations of its own."""
    for node in (*PEERS, MODULE):
        lab.await_told(node, "all security associations are up\n")
    sent = []
    with lab.tap("outside") as out, lab.tap("inside") as inside:
        for number, node in enumerate(PEERS):
            outcome = lab.register(100 * number, 2 + number, node)
            assert outcome["registered"] == 2 + number
            sent.append(2 + number + outcome["retransmissions"])
        for number, address in zip(sent, PEERS.values()):
            arrived = inside.wait_for(partial(_is_request, source=address), number)
            assert {packet[Dot1Q].vlan for packet in arrived} == {215}
        _require_all_encrypted(out)
    rows = lab.query(MODULE, "show crypto ipsec sa")
    assert [(row["local_ident"].split("/")[0], row["current_peer"], row["decaps"]) for row in rows] == [
        ("25.1.2.0", "25.1.1.51", sent[0]),
        ("25.1.3.10", "25.1.1.51", 0),
        ("25.1.2.0", "25.1.1.52", sent[1]),
        ("25.1.3.10", "25.1.1.52", 0),
    ]
    assert all(len(row["associations"]) == 2 for row in rows)


def _is_request(packet: Packet, source: str) -> bool:
    return UDP in packet and (packet[IP].src, packet[IP].dst, packet[UDP].dport) == (source, VIRTUAL, 434)


def _require_all_encrypted(out: Tap) -> None:
    out.wait_for(lambda packet: UDP in packet and packet[UDP].sport == 434, 5)
    assert not [packet for packet in out.packets if IP in packet and packet[IP].dst == VIRTUAL]
    assert {packet[Dot1Q].vlan for packet in out.packets if Dot1Q in packet} == {316}
