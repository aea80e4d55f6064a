"""ARP at a switch: what it answers, what it believes, and whom it mutes."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.l2 import ARP, Ether
from wired_switch import MACS, OTHER, PORTS, REALS, VIRTUAL, Wired, goes_to

from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.openflow.flow_tables.pipeline import STORM_PURPOSES, Purpose
from ryu_haslb.openflow.neighbours.arp_probing import (
    CHALLENGE_PROBE_INTERVAL,
    CHALLENGE_PROBES,
    CLAIM_INTERVAL,
    MAX_MOVES,
)
from ryu_haslb.openflow.neighbours.arp_storm_limit import MAX_HOST_RATE, MAX_PORT_RATE, MUTE_INTERVAL
from ryu_haslb.openflow.neighbours.discovery import MAX_LEARNED_VLANS
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.session import RETRANSMISSION_INTERVAL
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS


@pytest.mark.parametrize("purpose", [Purpose.PUNT_ARP_REQUEST, Purpose.PUNT_ARP_FROM_REAL])
def test_arp_for_the_virtual_address_is_answered_only_on_ports_where_it_is_served(purpose: Purpose) -> None:
    """An ARP packet of a home agent is punted from any port, so also from outside of the IPsec module."""
    wired = Wired()
    question = ARP(op=1, hwsrc=MACS[0], psrc=str(REALS[0].address), pdst=str(VIRTUAL))
    wired.punt(purpose, bytes(Ether(src=MACS[0], dst="ff:ff:ff:ff:ff:ff") / question), PORTS[0])
    assert bool(wired.sent) == (purpose is Purpose.PUNT_ARP_REQUEST)


@pytest.mark.parametrize("port", [4, 5])
def test_an_arp_packet_from_outside_of_the_ipsec_module_moves_no_home_agent(port: int) -> None:
    """Its sender would get in clear what the module has decrypted, back on the outside VLAN."""
    wired = Wired()
    wired.switch.adjacencies.set_sides(Sides(frozenset({4}), {15: Inside(frozenset({5}), frozenset({6}))}), [])
    wired.find(0, port=port)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    wired.replug(0, port=6)
    assert [goes_to(message) for message in wired.request("anna")] == [6]


def test_forged_arp_replies_from_many_vlans_cause_no_flood_of_probes() -> None:
    wired = Wired()
    for vlan in range(1, 200):
        wired.find(0, vlan=vlan)
    wired.sent.clear()
    wired.switch.tick(wired.now + 10)
    probes = [message for message in wired.sent if message[1] == wire.OFPT_PACKET_OUT]
    assert len(probes) <= (MAX_LEARNED_VLANS + 1) * len(REALS)


def test_a_claim_to_a_real_servers_address_is_refused_while_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 5227 section 2.4; both MAC addresses and ports, so that an operator finds the wrong one."""
    wired = Wired()
    for _ in range(5):
        wired.find(0, mac=OTHER, port=9)
        wired.now += 0.1
        wired.find(0)
        assert [goes_to(message) for message in wired.request("anna")] in ([7], [wire.OFPP_TABLE])
        wired.now += RETRANSMISSION_INTERVAL  # the next request is no retransmission
    (line,) = [each for each in caplog.messages if "the claim of" in each]
    assert "10.1.1.51" in line
    assert f"is {MACS[0]} at port 7, untagged and answers there; the claim of {OTHER} at port 9, untagged" in line


def test_a_real_server_that_is_silent_loses_to_another_machine_that_answers() -> None:
    """A standby takes over the address of the active one."""
    wired = Wired()
    wired.find(0, mac=OTHER, port=9)
    be_silent(wired)
    wired.settle()
    wired.tick()
    assert [goes_to(message) for message in wired.request("anna")] == [9]


def test_no_home_agent_is_given_up_while_the_switch_is_behind() -> None:
    """It has not carried out the probes: sessions would move although their home agent answers."""
    wired = Wired()
    wired.find(0, mac=OTHER, port=9)
    for _ in range(100):
        wired.switch.tick(wired.now)  # and no barrier is confirmed
        wired.now += CHALLENGE_PROBE_INTERVAL
    wired.confirm()
    wired.find(0)
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [7]


def test_two_machines_that_have_a_real_servers_address_in_turn_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    wired = Wired()
    for turn in range(2 * MAX_MOVES):
        mac, port = (MACS[0], 7) if turn % 2 else (OTHER, 9)
        wired.now += CLAIM_INTERVAL
        wired.find(0, mac=mac, port=port)
        be_silent(wired)
    (line,) = [each for each in caplog.messages if "flaps between" in each]
    assert "10.1.1.51" in line
    assert all(place in line for place in (f"{MACS[0]} at port 7, untagged", f"{OTHER} at port 9, untagged"))
    assert "Two machines may have the address" in line


def be_silent(wired: Wired) -> None:
    """Let the known place be silent for as long as a challenge lasts, while the switch answers."""
    for _ in range(CHALLENGE_PROBES):
        wired.settle()
        wired.now += CHALLENGE_PROBE_INTERVAL
    wired.switch.tick(wired.now)


def storm(wired: Wired, count: int, **fields: Any) -> None:
    """ARP requests for the virtual address, from one host at port 9 unless ``fields`` say otherwise."""
    question = ARP(op=1, hwsrc=OTHER, psrc="10.1.1.99", pdst=str(VIRTUAL))
    frame = bytes(Ether(src=OTHER, dst="ff:ff:ff:ff:ff:ff") / question)
    for _ in range(count):
        wired.punt(Purpose.PUNT_ARP_REQUEST, frame, **{"port": 9, **fields})


def test_a_host_that_sends_too_much_arp_is_muted_on_the_switch_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """Its ARP is switched as usual; the replies to it and the log are limited, and others are answered."""
    wired = Wired()
    storm(wired, 1000)
    replies, mods = wired.transport.sent_of(wire.OFPT_PACKET_OUT), wired.transport.sent_of(wire.OFPT_FLOW_MOD)
    assert len(replies) == MAX_HOST_RATE
    (passed,) = wired.fake.flows_for(Purpose.PASS_ARP_STORM.cookie)
    assert dict(passed.match.items()) == {"in_port": 9, "eth_src": OTHER, "eth_type": 0x0806}
    assert {flow.hard_timeout for flow in wired.fake.flows if flow.cookie >> COOKIE_MARK_BITS in STORM_PURPOSES} == {
        MUTE_INTERVAL
    }
    dropped = [dict(flow.match.items()) for flow in wired.fake.flows_for(Purpose.DROP_ARP_STORM.cookie)]
    assert [fields.get("arp_tpa") for fields in dropped] == [None, str(VIRTUAL)]
    assert len(mods) == 2 * 3, "each is deleted before, since some switches keep the age of a rule that is added again"
    assert len([line for line in caplog.messages if "ARP packets in a second" in line]) == 1
    wired.sent.clear()
    storm(wired, 1, port=3)
    assert [goes_to(message) for message in wired.sent] == [3]


def test_a_home_agent_at_a_muted_port_stays_where_it_is() -> None:
    """No answer of it can arrive. Neither silence nor a claim from elsewhere moves it."""
    wired = Wired()
    for number in range(MAX_PORT_RATE + 1):
        source = f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"
        arp = ARP(op=1, hwsrc=source, psrc="10.1.1.99", pdst=str(VIRTUAL))
        wired.punt(Purpose.PUNT_ARP_REQUEST, bytes(Ether(src=source) / arp), PORTS[0])
    wired.find(0, mac=OTHER, port=9)
    for _ in range(MUTE_INTERVAL * 5):
        wired.now += 0.2
        wired.switch.tick(wired.now)
    wired.confirm()
    wired.flush()
    assert wired.balancer.farms["HAFARM"].reals[0].reachable_from == {1}
    assert wire.output(PORTS[0]) in wired.switch.adjacencies.forwarding.actions[wired.balancer.farms["HAFARM"].reals[0]]
