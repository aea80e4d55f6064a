"""A chassis that was described from the documents alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import wait_until
from described import address_of, bindings, conns, ping, register, running

from haslb_lab.chassis.description import Description
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

STRANGER = """\
balancer:
  configuration: balancer.ios
chassis:
  Router-7613:
    supervisor: {switch: sup720, datapath_id: 7600}
    vlans:
      7: {interface: 172.20.7.1/26}
      101: {interface: 172.21.1.254/24}
      777: {interface: 192.168.77.1/25}
      2048: {interface: 172.21.2.254/24}
      4094: {interface: 172.21.3.254/24}
    line_cards:
      Gi9/1: {vlan: 7}
      Gi9/48: {vlan: 777}
      TenGigabitEthernet13/0: {vlan: 7}
    sami:
      1: {vlan: 101, home_agents: {home-a: {address: 172.21.1.1/24}}}
      4:
        vlan: 2048
        home_agents:
          home-b: {address: 172.21.2.1/24, home_network: 198.18.0.0/16}
          home-c: {address: 172.21.2.2/24, home_network: 198.19.0.0/24}
      12: {vlan: 4094, home_agents: {home-d: {address: 172.21.3.1/24}}}
pdsns:
  fa-north: {port: Router-7613 Gi9/1, address: 172.20.7.10/26, home_agent: 203.0.113.9, mobiles: {phone: 3}}
  fa-south:
    port: Router-7613 Te13/0
    address: 172.20.7.11/26
    home_agent: 203.0.113.9
    mobiles: {tablet: 30}
    reverse_tunnel: true
hosts:
  server: {port: Router-7613 Gi9/48, address: 192.168.77.100/25}
"""
STRANGERS_BALANCER = """\
ip slb serverfarm STRANGE
  nat server
  real 172.21.1.1
    weight 3
    inservice
  real 172.21.2.1
    weight 1
    inservice
  real 172.21.2.2
    weight 1
    inservice
  real 172.21.3.1
    weight 2
    inservice
!
ip slb vserver FARAWAY
  virtual 203.0.113.9 udp 434 service ipmobile
  serverfarm STRANGE
  idle ipmobile request 100
  inservice
"""


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Description]]:
    """Three SAMI slots, two PDSNs, other VLANs, and a virtual address that is in no network."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "chassis.yaml").write_text(STRANGER)
    (folder / "balancer.ios").write_text(STRANGERS_BALANCER)
    with running(folder / "chassis.yaml") as (lab, description):
        yield lab, description


def test_a_strangers_chassis_balances_by_its_weights(stranger: tuple[Lab, Description]) -> None:
    """Weighted round robin over three SAMI slots (chapter, Load Balancing in HA-SLB), from both PDSNs."""
    lab, description = stranger
    north = register(lab, "fa-north", 1, 14)
    south = register(lab, "fa-south", 21, 14)
    assert north == south == {"172.21.1.1": 6, "172.21.2.1": 2, "172.21.2.2": 2, "172.21.3.1": 4}
    assert conns(lab) == bindings(lab, description) == {real: 2 * count for real, count in north.items()}


@pytest.mark.parametrize(("pdsn", "mobile", "user"), [("fa-north", "phone", 3), ("fa-south", "tablet", 30)])
def test_a_strangers_mobile_reaches_the_host_from_its_home_network(
    stranger: tuple[Lab, Description], pdsn: str, mobile: str, user: int
) -> None:
    """Through the tunnel of its binding, in both directions, at any home agent."""
    lab, _ = stranger
    register(lab, pdsn, user, 1)
    wait_until(lambda: address_of(lab, mobile), f"{mobile} has its home address")
    home = address_of(lab, mobile)
    ping(lab, mobile, "192.168.77.100")
    ping(lab, "server", str(home))
