"""VLANs: requests and home agents in different ones, on access ports and on trunks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Optional

import pytest
from bench import MACS, SECOND_SWITCH, Bench, PlainChassis, YamlLab
from mobile import CLIENT_MAC, as_dispatched, nai, registration, request
from mobile import frame as frame_of

from haslb_lab.chassis.one_switch import SWITCH

pytestmark = pytest.mark.lab

REALS = {"sami1": "10.1.1.51", "sami2": "10.1.1.52", "sami3": "10.1.1.53"}
ACCESS_VLAN, TRUNK_VLAN, VISITOR_VLAN = 30, 40, 50
CONFIGURATION = f"""\
datapaths: [1]
interfaces:
  Vlan{ACCESS_VLAN}: {{address: 10.1.1.50/31}}
  Vlan{TRUNK_VLAN}: {{address: 10.1.1.54/30}}
serverfarms:
  HAFARM:
    reals:
      - {{address: 10.1.1.51, weight: 1, inservice: true}}
      - {{address: 10.1.1.52, weight: 1, inservice: true}}
      - {{address: 10.1.1.53, weight: 1, inservice: true}}
vservers:
  MIPSLB: {{virtual: 10.1.1.10, serverfarm: HAFARM, idle: 300, inservice: true}}
"""


class TrunkLab(YamlLab):
    """The second switch is an ordinary one that is not balanced: access ports, and a trunk to ours."""

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Set the VLANs of all ports before the balancer comes."""
        for port, vlan in (
            (f"{SWITCH}-eth2", ACCESS_VLAN),
            (f"{SECOND_SWITCH}-eth1", VISITOR_VLAN),
            (f"{SECOND_SWITCH}-eth2", TRUNK_VLAN),
        ):
            subprocess.run(["ovs-vsctl", "set", "Port", port, f"tag={vlan}"], check=True)
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", SECOND_SWITCH, "actions=NORMAL"], check=True)
        super().connect_switch(SWITCH)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    topology = PlainChassis(reals=("sami1", "sami2"), second=("pdsn2", "sami3"))
    with Bench(TrunkLab(topology, CONFIGURATION), reals=REALS) as running:
        yield running


@pytest.mark.parametrize("node", REALS)
@pytest.mark.parametrize("vlan", [None, 0, 7, ACCESS_VLAN, TRUNK_VLAN, 4094])
def test_a_request_of_any_vlan_reaches_a_home_agent_of_any_other(bench: Bench, vlan: Optional[int], node: str) -> None:
    """sami1 is on an access port, sami2 untagged on a trunk, sami3 behind a trunk in a VLAN of its own. Each receives
    an untagged frame; a tag 0 (IEEE 802.1Q, priority) is no VLAN."""
    name = f"{vlan}-{node}@isp.com"
    for _ in range(2):
        sent = frame_of(request(nai(name), home_agent=REALS[node]), vlan=vlan)
        received = bench.exchange(sent)
        assert received == bench.only(node, as_dispatched(sent, MACS[node], bench.source()))
        bench.rule(name)


def test_a_rule_names_the_vlan_of_a_home_agent_behind_a_trunk(bench: Bench) -> None:
    """Its frames carry the tag on the trunk, and no other home agent's do."""
    for node, address in REALS.items():
        bench.deliver(frame_of(request(nai(f"rule-{node}@isp.com"), home_agent=address)))
    tagged = f"push_vlan:0x8100,set_field:{0x1000 | TRUNK_VLAN}->vlan_vid"
    assert {node: tagged in bench.rule(f"rule-{node}@isp.com").actions for node in REALS} == {
        "sami1": False,
        "sami2": False,
        "sami3": True,
    }


@pytest.mark.parametrize("node", REALS)
def test_a_request_may_leave_by_the_trunk_on_which_it_came(bench: Bench, node: str) -> None:
    """A PDSN and a home agent in two VLANs behind one trunk: the frame goes back out of its own port."""
    name = f"hairpin-{node}@isp.com"
    for _ in range(2):
        sent = frame_of(request(nai(name), home_agent=REALS[node]), mac=MACS["pdsn2"])
        assert bench.exchange(sent, node="pdsn2")[node] == [as_dispatched(sent, MACS[node], bench.source())]
        bench.rule(name)


def test_an_nai_is_one_mobile_in_all_vlans(bench: Bench) -> None:
    """A session does not depend on the VLAN of its requests."""
    first = bench.deliver(registration("vlans@isp.com", vlan=7))
    assert [bench.deliver(registration("vlans@isp.com", vlan=vlan)) for vlan in (8, None, 9)] == [first] * 3


def test_requests_of_every_vlan_there_is_disturb_nothing(bench: Bench) -> None:
    """A host on a trunk can send 4,094 tags. Afterwards sessions still get rules, and timers still run."""
    bench.exchange(*(registration(f"storm-{vlan}@isp.com", vlan=vlan) for vlan in range(1, 4095)))
    assert len(bench.sessions()) >= 4094
    bench.deliver(registration("after-the-storm@isp.com"))
    bench.rule("after-the-storm@isp.com")


def test_other_vlans_are_switched_as_before(bench: Bench) -> None:
    """A frame between hosts stays in its VLAN: sami1's access port does not see it."""
    frame = frame_of(b"x", mac=CLIENT_MAC, to="ff:ff:ff:ff:ff:ff", dst="10.1.1.255", udp={"dport": 9}, vlan=TRUNK_VLAN)
    received = bench.exchange(frame)
    assert (received["sami1"], [each[14:] for each in received["sami3"]]) == ([], [frame[18:]])
