"""The chapter's fifth example as a chassis description, with the files that it names."""

from __future__ import annotations

from pathlib import Path

SLB = """\
ip slb serverfarm FARM1
  nat server
  real 10.99.11.11
    inservice
  real 10.99.11.12
    inservice
ip slb vserver IPSECSLB
  virtual 15.1.1.10 udp 434 service ipmobile
  serverfarm FARM1
  inservice
crypto isakmp policy 1
  authentication pre-share
crypto isakmp key cisco address 15.1.1.51
crypto ipsec transform-set SET esp-aes esp-sha-hmac
crypto map l2tpmap 10 ipsec-isakmp
  set peer 15.1.1.51
  set transform-set SET
  match address 101
interface GigabitEthernet6/1
  switchport trunk allowed vlan 1,15,1002-1005
interface GigabitEthernet6/2
  switchport trunk allowed vlan 1,16,1002-1005
interface FastEthernet3/15
  crypto connect vlan 15
interface Vlan15
  ip address 15.1.1.15 255.0.0.0
  crypto map l2tpmap
access-list 101 permit ip host 15.1.1.10 host 15.1.1.51
"""
PDSN = """\
crypto isakmp policy 1
  authentication pre-share
crypto isakmp key cisco address 15.1.1.15
crypto ipsec transform-set SET esp-aes esp-sha-hmac
crypto map l2tpmap 10 ipsec-isakmp
  set peer 15.1.1.15
  set transform-set SET
  match address 101
interface FastEthernet1/0
  ip address 15.1.1.51 255.0.0.0
  crypto map l2tpmap
access-list 101 permit ip host 15.1.1.51 host 15.1.1.10
"""
HOME_AGENT = """\
interface Loopback1
  ip address 15.1.1.10 255.255.255.255
ip mobile home-agent dynamic-address 10.99.11.11
"""
CHASSIS = """\
balancer: {configuration: slb.ios, vlan: 99, address: 10.99.11.2/24}
chassis:
  SLB1-7600:
    supervisor: {switch: haslb1, datapath_id: 1}
    vlans:
      15: {interface: 15.1.1.15/8}
      16: {}
      20: {interface: 20.1.1.1/24}
      99: {interface: 10.99.11.1/24}
    line_cards:
      FastEthernet3/15: {vlan: 16, crypto_connect_vlan: 15}
      FastEthernet3/20: {vlan: 20}
      GigabitEthernet1/1: {trunk: "1,20,1002-1005"}
    ipsec_module:
      inside: {port: GigabitEthernet6/1, allowed_vlans: "1,15,1002-1005"}
      outside: {port: GigabitEthernet6/2, allowed_vlans: "1,16,1002-1005"}
    sami:
      5:
        vlan: 99
        home_agents:
          HA5-2: {address: 10.99.11.11/24, configuration: ha.ios}
          HA5-3: {address: 10.99.11.12/24, home_network: 10.77.0.0/16}
    routes:
      - {network: 172.16.0.0/12, next_hop: 20.1.1.2}
  HA-7600:
    supervisor: {switch: ha7600}
    vlans:
      20: {interface: 20.1.1.2/24}
      30: {interface: 30.1.1.1/24}
    line_cards:
      GigabitEthernet1/1: {trunk: "20"}
      GigabitEthernet1/2: {vlan: 30}
links:
  - [SLB1-7600 GigabitEthernet1/1, HA-7600 GigabitEthernet1/1]
pdsns:
  PDSN-7600:
    port: SLB1-7600 FastEthernet3/15
    address: 15.1.1.51/8
    home_agent: 15.1.1.10
    configuration: pdsn.ios
    mobiles: {mobile1: 1}
hosts:
  host1: {port: SLB1-7600 FastEthernet3/20, address: 20.1.1.200/24, gateway: 20.1.1.1}
"""


def write_chassis(folder: Path, description: str = CHASSIS) -> Path:
    """Write a description beside the files that the example names; return its path."""
    for name, text in {"slb.ios": SLB, "ha.ios": HOME_AGENT, "pdsn.ios": PDSN}.items():
        (folder / name).write_text(text)
    path = folder / "chassis.yaml"
    path.write_text(description, encoding="utf-8", errors="surrogatepass")
    return path
