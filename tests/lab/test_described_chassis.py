"""Chassis that are described in a file, brought up for real: other shapes than the chapter's."""

from __future__ import annotations

import subprocess
from collections import Counter
from functools import partial

import pytest
from bench import is_arp, wait_until
from described import SHAPES, bindings, conns, is_request, mac, ping, punted, register, running, statistics
from mobile import arp_request
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab
from haslb_lab.scenarios.dfp_pace import wait_between_measures

pytestmark = pytest.mark.lab

REDIRECT = 5
"""Type of the ICMP message by which a router says that another way is shorter (RFC 792)."""


def test_two_pdsns_share_one_virtual_server() -> None:
    """One farm has one rotation for all clients; and every node reaches every other through the MSFC."""
    with running(SHAPES / "two-pdsns.yaml") as (lab, description):
        assert register(lab, "PDSN1-7600", 1, 4) == {"10.1.1.51": 2, "10.1.1.52": 2}
        assert register(lab, "PDSN2-7600", 5, 4) == {"10.1.1.51": 2, "10.1.1.52": 2}
        assert conns(lab) == bindings(lab, description) == {"10.1.1.51": 4, "10.1.1.52": 4}
        clients = Counter(row["client"] for row in lab.query(CONTROLLER, "show ip slb sessions"))
        assert clients == {"15.1.1.51": 4, "15.1.1.52": 4}
        for target in ("10.1.1.51", "10.1.1.52", "15.1.1.51", "20.1.1.1"):
            ping(lab, "host1", target)
        assert "ttl=63" in ping(lab, "host1", "15.1.1.52"), "one router is between VLAN 20 and VLAN 15"


def test_the_msfc_routes_within_a_vlan_without_redirects() -> None:
    """The way to the other home agent's mobiles is the router that the description says, even where both are in one
    VLAN; and it answers for its addresses only in the VLANs where they are."""
    with (
        running(SHAPES / "two-pdsns.yaml") as (lab, _),
        lab.capture("HA1-7600") as here,
        lab.capture("HA2-7600") as there,
    ):
        lab.run("HA1-7600", ["ping", "-c1", "-W1", "10.202.0.9"], stdout=subprocess.DEVNULL).wait()
        there.wait_for(lambda frame: IP in Ether(frame) and Ether(frame)[IP].dst == "10.202.0.9")
        lab.send(
            "HA1-7600", [arp_request("15.1.1.15", sender="10.1.1.51"), arp_request("10.1.1.1", sender="10.1.1.51")]
        )
        here.wait_for(lambda frame: is_arp(frame) and Ether(frame).psrc == "10.1.1.1")
        frames = [Ether(frame) for frame in here.listen(0.2)]
        assert [frame for frame in frames if ICMP in frame and frame[ICMP].type == REDIRECT] == []
        assert [frame for frame in frames if ARP in frame and frame[ARP].psrc == "15.1.1.15"] == []


def test_a_broadcast_stays_in_its_vlan() -> None:
    """The VLANs of the chassis are real: a PDSN's question for an address is heard in its VLAN and in no other."""

    def is_the_question(frame: bytes) -> bool:
        return is_arp(frame) and bool(Ether(frame).pdst == "15.1.1.99")

    with (
        running(SHAPES / "two-pdsns.yaml") as (lab, _),
        lab.capture("PDSN2-7600") as same,
        lab.capture("host1") as other,
    ):
        lab.run("PDSN1-7600", ["ping", "-c1", "-W1", "15.1.1.99"], stdout=subprocess.DEVNULL).wait()
        same.wait_for(is_the_question)
        assert [frame for frame in other.listen(0.2) if is_the_question(frame)] == []


def test_a_sami_in_another_chassis_is_reached_through_its_router() -> None:
    """Direct mode (chapter, HA-SLB Operating Modes): home agents need not be adjacent. A request comes from the router
    of their chassis, to the home agent's own address; the reply and a deregistration do not meet the balancer."""
    with running(SHAPES / "remote-sami.yaml") as (lab, description):
        with lab.capture("HA5-2") as capture:
            assert register(lab, "PDSN-7600", 1, 4) == {"10.99.11.11": 2, "10.99.11.12": 2}
            request = Ether(capture.wait_for(is_request))
        assert (request[IP].src, request[IP].dst) == ("15.1.1.51", "10.99.11.11")
        assert request.src == mac(lab, "msfc2", "msfc2-vlan99")
        assert conns(lab) == bindings(lab, description) == {"10.99.11.11": 2, "10.99.11.12": 2}
        before = (statistics(lab)["requests"], punted(lab, "haslb1"))
        register(lab, "PDSN-7600", 1, 4, command="deregister")
        assert bindings(lab, description) == {"10.99.11.11": 0, "10.99.11.12": 0}
        assert (statistics(lab)["requests"], punted(lab, "haslb1")) == before


def test_an_ordinary_chassis_forwards_without_a_controller() -> None:
    """The other chassis' switch is not the balancer's: it has no rules of ours and no controller."""
    with running(SHAPES / "remote-sami.yaml") as (lab, _):
        controller = subprocess.run(
            ["ovs-vsctl", "get-controller", "ha7600"], capture_output=True, text=True, check=True
        )
        assert controller.stdout == ""
        assert [flow.actions for flow in lab.flows(switch="ha7600")] == ["NORMAL"]
        assert "ttl=62" in ping(lab, "PDSN-7600", "10.30.1.200"), "two routers are in between"


def test_a_home_agent_holds_two_virtual_addresses() -> None:
    """Dispatched mode: the requests of both virtual servers come to it as they were sent, each to its own address."""
    with running(SHAPES / "two-virtual-addresses.yaml") as (lab, description):
        with lab.capture("HA1-7600") as capture:
            assert register(lab, "PDSN1-7600", 1, 2) == {"10.1.1.51": 1, "10.1.1.52": 1}
            assert register(lab, "PDSN2-7600", 11, 2) == {"10.1.1.51": 1, "10.1.1.52": 1}
            requests = [Ether(frame) for frame in capture.listen(0.2) if is_request(frame)]
        assert [(each[IP].src, each[IP].dst) for each in requests] == [
            ("15.1.1.51", "10.1.1.10"),
            ("15.1.1.52", "10.1.1.20"),
        ]
        assert conns(lab) == bindings(lab, description) == {"10.1.1.51": 2, "10.1.1.52": 2}
        sessions = Counter(row["vserver"] for row in lab.query(CONTROLLER, "show ip slb sessions"))
        assert sessions == {"MIPSLB1": 2, "MIPSLB2": 2}


def test_two_pdsns_have_a_tunnel_each_to_one_ipsec_module() -> None:
    """An entry of the crypto map each (chapter, Direct Mode of Operation and Crypto Transform Mode is Tunnel); behind
    it three SAMIs in VLANs of their own, which report 25 by DFP: the first 75 sessions are 25 each."""
    with running(SHAPES / "two-pdsns-ipsec.yaml") as (lab, description):
        for pdsn in ("PDSN1-7600", "PDSN2-7600"):
            wait_until(partial(is_secure, lab, pdsn), f"{pdsn} has its security association")
        wait_until(lambda: len(lab.query(CONTROLLER, "show ip slb dfp weights")) == 3, "all agents have reported")
        wait_between_measures(description.home_agents)
        evenly = dict.fromkeys(("10.99.11.11", "10.99.12.11", "10.99.13.11"), 25)
        assert register(lab, "PDSN1-7600", 1, 75) == evenly
        register(lab, "PDSN2-7600", 101, 75)
        assert conns(lab) == bindings(lab, description)
        assert sum(conns(lab).values()) == 150
        assert min(decrypted(lab)["15.1.1.51"], decrypted(lab)["15.1.1.52"]) >= 75
        wait_until(
            lambda: sum(decrypted(lab).values()) == statistics(lab)["requests"],
            "no request came in but through a tunnel",
        )


def is_secure(lab: Lab, pdsn: str) -> bool:
    """Whether a PDSN has its security association, or gets it within seconds."""
    return lab.command(pdsn, "wait crypto sa 6") == "all security associations are up\n"


def decrypted(lab: Lab) -> dict[str, int]:
    """The packets that the module has decrypted, by the peer that they came from."""
    return {row["current_peer"]: row["decaps"] for row in lab.query(CONTROLLER, "show crypto ipsec sa")}
