"""A switch as the application sees it: packet-ins go in, OpenFlow messages come out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

import pytest
from fake_switch import FakeSwitch, packet_in
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from statistics_replies import FlowRow
from wired_switch import MACS, OTHER, PORTS, REALS, VIRTUAL, Wired, goes_to

from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.arp_limit import MAX_HOST_RATE, MAX_PORT_RATE, MUTE_INTERVAL
from ryu_haslb.openflow.backlog import MAX_QUEUEING_DELAY, Load
from ryu_haslb.openflow.neighbour_discovery import MAX_LEARNED_VLANS
from ryu_haslb.openflow.neighbours import CHALLENGE_TIMEOUT
from ryu_haslb.openflow.pipeline import STORM_PURPOSES, Purpose, chassis_address, session_match
from ryu_haslb.openflow.wire_flow_mod import apply_actions, match
from ryu_haslb.slb.session import COOKIE_MARK, tag_of
from ryu_haslb.slb.statistics import DropReason


def test_the_first_request_is_forwarded_at_once_and_later_ones_by_the_session_rule() -> None:
    wired = Wired()
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert [goes_to(message) for message in wired.request("anna")] == [7], "the rule is not there yet"
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_a_frame_that_no_packet_out_can_carry_is_dropped() -> None:
    wired = Wired()
    assert wired.request("anna", padding=65_400) == []
    assert wired.drops(DropReason.OVERSIZED) == 1


@pytest.mark.parametrize(("nat_server", "looped"), [(False, True), (True, False)])
def test_a_request_that_a_home_agent_returns_is_dropped(nat_server: bool, looped: bool) -> None:
    """A home agent without the virtual address that forwards requests would make one circle until its TTL expires. In
    direct mode the Ethernet address may be that of a router with clients behind it."""
    wired = Wired(nat_server=nat_server)
    wired.request("anna")
    assert bool(wired.request("anna", source=MACS[0])) != looped
    assert wired.drops(DropReason.RETURNED_BY_HOME_AGENT) == looped
    assert wired.balancer.statistics.retries == (not looped)


def test_a_request_that_the_home_agent_which_it_names_returns_is_dropped() -> None:
    """It goes there whatever the session says, and would come back for ever."""
    wired = Wired()
    wired.request("anna")
    for mac, real in zip(MACS, REALS):
        assert not wired.request("anna", source=mac, home_agent=real.address.packed)
    assert wired.drops(DropReason.RETURNED_BY_HOME_AGENT) == 2


def rule_of(mobile: str) -> FlowRow:
    """The rule that leads a mobile to the second real server, as the previous run has left it."""
    before = Wired()
    before.request("bert")
    before.request("anna")
    delivery = before.sent[0][24:-1]
    actions = delivery[: int.from_bytes(before.sent[0][16:18], "big")]
    tag = tag_of(VIRTUAL.packed, b"\x01" + mobile.encode())
    return FlowRow(tag << 16 | COOKIE_MARK, match(session_match(tag, str(VIRTUAL))), apply_actions(actions))


def test_a_mobile_keeps_its_home_agent_even_if_that_answers_arp_late() -> None:
    """After a crash the rule on the switch leads there, whether the home agent has been found or not."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    assert [goes_to(message) for message in wired.request("anna")] == [8]
    assert not list(wired.balancer.sessions)
    assert [goes_to(message) for message in wired.request("carl")] == [7]
    wired.now += 200
    wired.tick()
    wired.find(1)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    assert wired.drops(DropReason.RECOVERY_PENDING) == 0


def test_a_mobile_whose_home_agent_never_comes_back_is_given_another() -> None:
    """It is retried as often as ``reassign`` allows, like any session; its rule is then replaced."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    reassign = REALS[1].reassign
    assert [goes_to(message) for _ in range(reassign + 1) for message in wired.request("anna")] == [8] * (reassign + 1)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched) == (reassign + 2, reassign + 2)


def test_a_rule_that_leads_to_no_real_server_of_the_farm_is_given_up_at_once() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.find(1, port=9)
    assert [goes_to(message) for message in wired.request("anna")] in ([7], [9])
    assert len(wired.balancer.sessions) == 1


def test_a_pending_rule_is_removed_when_its_session_could_no_longer_live() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.now += 299
    wired.settle()
    assert wired.switch.recovery.pending == 1
    wired.now += 2
    wired.sent.clear()
    wired.settle()
    (deletion,) = wired.transport.sent_of(wire.OFPT_FLOW_MOD)
    assert deletion[25] == wire.OFPFC_DELETE_STRICT
    assert wired.switch.recovery.is_over


def test_a_deregistration_reaches_the_home_agent_of_a_pending_session_and_ends_nothing() -> None:
    """Anybody can send one to the virtual address: the session is recovered all the same."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    assert [goes_to(message) for message in wired.request("anna", lifetime=0)] == [8]
    wired.find(1)
    wired.tick()
    assert len(wired.balancer.sessions) == 1


def test_while_rules_are_read_the_switch_itself_decides_whether_it_has_one() -> None:
    """A request is output to TABLE: its rule leads it to its home agent. Without one it returns as a session miss."""
    wired = Wired(answers=False)
    wired.find(0)
    wired.find(1)
    wired.return_probe()
    (returned,) = wired.request("anna")
    assert goes_to(returned) == wire.OFPP_TABLE
    assert not list(wired.balancer.sessions)
    assert wired.balancer.statistics.dispatched == 1
    frame = returned[24 + int.from_bytes(returned[16:18], "big") :]
    tag = tag_of(VIRTUAL.packed, b"\x01anna").to_bytes(6, "big")
    wired.sent.clear()
    wired.punt(Purpose.PUNT_SESSION_MISS, frame[:6] + tag + frame[12:], port=wire.OFPP_CONTROLLER)
    assert [goes_to(message) for message in wired.sent] == [7]
    assert len(wired.balancer.sessions) == 1
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched, statistics.assignments) == (1, 1, 1)
    assert [goes_to(message) for message in wired.request("anna")] == [7], "this session is known"


def test_while_rules_are_read_a_request_that_names_its_home_agent_goes_there() -> None:
    """Only that one can hold the binding."""
    wired = Wired(answers=False)
    wired.find(1)
    wired.return_probe()
    assert [goes_to(message) for message in wired.request("bert", home_agent=REALS[1].address.packed)] == [8]


def test_while_rules_are_read_a_switch_without_output_to_table_keeps_requests_waiting() -> None:
    """The balancer cannot know whether the mobile has a session. The foreign agent retransmits."""
    wired = Wired(answers=False)
    wired.find(0)
    assert wired.request("anna") == []
    assert wired.drops(DropReason.RECOVERY_PENDING) == 1


def test_a_new_configuration_keeps_probing_the_vlans_in_which_reals_were_found() -> None:
    wired = Wired()
    wired.replug(0, port=9, vlan=15)
    wired.switch.configure(wired.configuration)
    wired.sent.clear()
    wired.switch.on_port_changed(9, False)
    wired.switch.tick(wired.now + 6.0)
    assert any(wire.push_vlan(15) in message for message in wired.sent)


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
    wired.switch.set_sides(Sides(frozenset({4}), {15: Inside(frozenset({5}), frozenset({6}))}), [])
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


def test_requests_of_a_switch_that_cannot_output_to_table_are_forwarded_by_packet_out() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    returned = wired.request("anna")[0]
    assert wired.switch.on_error(0, wire.Error(2, 4, returned[:64]), wired.now)
    statistics = wired.balancer.statistics
    assert (statistics.dispatched, wired.drops(DropReason.REJECTED_BY_SWITCH)) == (1, 1)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert not wired.switch.on_error(0, wire.Error(2, 4, returned[:20]), wired.now)


def test_output_to_table_is_tried_before_a_request_depends_on_it() -> None:
    wired = Wired(answers=False)
    wired.find(0)
    wired.switch.recovery.reading.skip()
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [7], "not known yet"
    wired.return_probe()
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


@pytest.mark.parametrize("reason", [(2, 4), (1, 6)])
def test_a_switch_that_rejects_output_to_table_loses_no_request(reason: tuple[int, int]) -> None:
    """OFPBAC_BAD_OUT_PORT; OFPBRC_BAD_LEN stands for what else a switch may say."""
    fake = FakeSwitch()
    fake.rejects = lambda message: reason if wire.is_return_to_session(message) else None
    wired = Wired(fake=fake)
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    wired.settle()
    assert wired.balancer.statistics.dispatched == 2
    assert wired.balancer.statistics.dropped == 0


def test_a_switch_that_accepts_output_to_table_and_does_nothing_loses_no_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeSwitch(ignores_table=True)
    wired = Wired(fake=fake)
    wired.request("anna")
    for _ in range(10):
        wired.now += 1
        wired.settle()
    wired.find(0)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert caplog.text.count("did not return what was output to TABLE") == 1


def test_a_request_whose_packet_out_the_switch_rejects_is_no_dispatched_one() -> None:
    """OFPBAC_BAD_OUT_PORT: the home agent's port is gone."""
    wired = Wired()
    wired.fake.rejects = lambda message: (2, 4) if message[1] == wire.OFPT_PACKET_OUT else None
    wired.request("anna")
    wired.settle()
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched) == (1, 0)
    assert wired.drops(DropReason.REJECTED_BY_SWITCH) == 1


def test_a_rejected_arp_probe_is_no_request() -> None:
    wired = Wired()
    wired.request("anna")
    wired.sent.clear()
    wired.switch.tick(wired.now + 6.0)
    (probe, *_) = wired.transport.sent_of(wire.OFPT_PACKET_OUT)
    wired.switch.on_error(0, wire.Error(2, 4, probe[:64]), wired.now)
    assert wired.balancer.statistics.dispatched == 1


def test_a_request_that_misses_its_session_rule_is_forwarded_by_packet_out() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    returned = wired.request("anna")[0]
    tag = tag_of(VIRTUAL.packed, b"\x01anna").to_bytes(6, "big")
    frame = returned[24 + int.from_bytes(returned[16:18], "big") :]
    tagged = frame[:6] + tag + frame[12:]
    wired.sent.clear()
    wired.punt(Purpose.PUNT_SESSION_MISS, tagged, port=wire.OFPP_CONTROLLER)
    assert [goes_to(message) for message in wired.sent] == [7]
    wired.balancer.clear_sessions()
    wired.punt(Purpose.PUNT_SESSION_MISS, tagged, port=wire.OFPP_CONTROLLER)
    assert [goes_to(message) for message in wired.sent] == [7, 8], "its session has ended: it begins another"
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched, statistics.dropped) == (2, 2, 0)


def test_a_packet_out_that_is_punted_again_is_dropped() -> None:
    wired = Wired()
    wired.punt(Purpose.PUNT_FRAGMENT, bytes(60), port=wire.OFPP_CONTROLLER)
    assert wired.drops(DropReason.RETURNED_BY_SWITCH) == 1


def overloaded(wired: Wired, seconds: float) -> None:
    """The switch does not confirm what it was sent for this many seconds."""
    wired.request("last-before")
    wired.flush()
    wired.now += seconds
    wired.flush()


def test_at_high_load_mobiles_with_a_session_are_served_and_new_ones_are_dropped_and_counted() -> None:
    """A mobile with a session may lose its binding with the request; a new one retries."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 1.5)
    assert wired.request("bert") == []
    assert wired.drops(DropReason.OVERLOAD_NEW_MOBILE) == 1
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_at_high_load_a_mobile_is_not_known_because_it_names_a_home_agent() -> None:
    """Every sender may write one. Only a live session makes a mobile known."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 1.5)
    for real in REALS:
        assert wired.request("bert", home_agent=real.address.packed) == []
    assert wired.drops(DropReason.OVERLOAD_NEW_MOBILE) == len(REALS)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_a_switch_that_collects_its_rules_for_us_is_not_overloaded() -> None:
    """With a million rules each slice takes it some 0.3 s, in which it replies to no barrier; requests only wait."""
    wired = Wired(answers=False)
    wired.find(0)
    wired.return_probe()
    overloaded(wired, MAX_QUEUEING_DELAY * 4)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    assert wired.balancer.statistics.dropped == 0


def test_at_full_load_every_request_is_dropped_and_counted_and_arp_is_not() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 2.5)
    assert wired.request("anna") == []
    assert wired.drops(DropReason.OVERLOAD) == 1
    wired.replug(0, port=9)
    wired.settle()
    assert wire.output(9) in b"".join(wired.sent), "ARP was processed meanwhile, and the session's rule follows"


def test_all_mobiles_are_served_again_when_the_switch_has_caught_up() -> None:
    wired = Wired()
    overloaded(wired, MAX_QUEUEING_DELAY * 3)
    wired.confirm()
    wired.flush()
    assert [goes_to(message) for message in wired.request("bert")] == [8]


def test_a_request_that_is_dropped_for_overload_is_no_retry() -> None:
    """A request that reached no home agent is no failure of one (docs/states.md)."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 2.5)
    for _ in range(20):
        wired.request("anna")
    assert wired.balancer.statistics.retries == 0
    assert (
        wired.balancer.statistics.requests == wired.balancer.statistics.dispatched + wired.balancer.statistics.dropped
    )


def test_barriers_measure_the_load_of_requests_that_install_no_rule_too() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    wired.request("anna")
    wired.sent.clear()
    wired.flush()
    assert [message[1] for message in wired.sent] == [wire.OFPT_BARRIER_REQUEST]
    wired.flush()
    assert len(wired.sent) == 1, "nothing was sent since"


def test_a_new_connection_begins_without_load() -> None:
    wired = Wired()
    overloaded(wired, MAX_QUEUEING_DELAY * 3)
    wired.switch.disconnect()
    wired.connect()
    wired.flush()
    assert [goes_to(message) for message in wired.request("bert")] == [8]


def ping(wired: Wired, vlan: Optional[int] = None, address: str = str(VIRTUAL)) -> list[bytes]:
    """What is sent to the switch when a client pings an address."""
    ethernet = Ether(src=OTHER, dst=chassis_address(1).hex(":"))
    packet = IP(src="10.1.1.101", dst=address) / ICMP(id=1, seq=2) / b"data"
    frame = bytes(ethernet / packet) if vlan is None else bytes(ethernet / Dot1Q(vlan=vlan) / packet)
    wired.sent.clear()
    wired.switch.on_packet_in(packet_in(Purpose.PUNT_ECHO.cookie, 3, frame), wired.now)
    return wired.sent


def test_a_ping_of_the_virtual_address_is_answered_and_is_no_request() -> None:
    """RFC 1122 section 3.2.2.6. It goes back where it came from, with the VLAN tag that it had."""
    wired = Wired()
    (untagged,) = ping(wired)
    assert goes_to(untagged) == 3
    assert Ether(untagged[40:])[ICMP].type == 0
    (tagged,) = ping(wired, vlan=15)
    assert wire.push_vlan(15) + wire.output(3) in tagged
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dropped) == (0, 0)


def test_only_a_virtual_address_that_is_in_service_is_answered_for() -> None:
    wired = Wired()
    assert ping(wired, address="10.1.1.51") == []
    (server,) = wired.configuration.virtual_servers.values()
    changed = replace(wired.configuration, virtual_servers={"MIPSLB": replace(server, in_service=False)})
    wired.balancer.configure(changed)
    wired.switch.configure(changed)
    assert ping(wired) == []


def test_under_load_requests_come_before_pings() -> None:
    wired = Wired()
    wired.switch.admission.load = Load.HIGH
    assert ping(wired) == []


def test_a_claim_to_a_real_servers_address_is_refused_while_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 5227 section 2.4; both MAC addresses and ports, so that an operator finds the wrong one."""
    wired = Wired()
    for _ in range(5):
        wired.find(0, mac=OTHER, port=9)
        wired.now += 0.1
        wired.find(0)
        assert [goes_to(message) for message in wired.request("anna")] in ([7], [wire.OFPP_TABLE])
        wired.now += 2.0
    (line,) = [each for each in caplog.messages if "the claim of" in each]
    assert "10.1.1.51" in line
    assert f"is {MACS[0]} at port 7, untagged and answers there; the claim of {OTHER} at port 9, untagged" in line


def test_a_real_server_that_is_silent_loses_to_another_machine_that_answers() -> None:
    """A standby takes over the address of the active one."""
    wired = Wired()
    wired.find(0, mac=OTHER, port=9)
    wired.now += CHALLENGE_TIMEOUT
    wired.switch.tick(wired.now)
    wired.settle()
    wired.tick()
    assert [goes_to(message) for message in wired.request("anna")] == [9]


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
    assert {flow.hard_timeout for flow in wired.fake.flows if flow.cookie >> 16 in STORM_PURPOSES} == {MUTE_INTERVAL}
    dropped = [dict(flow.match.items()) for flow in wired.fake.flows_for(Purpose.DROP_ARP_STORM.cookie)]
    assert [fields.get("arp_tpa") for fields in dropped] == [None, str(VIRTUAL)]
    assert len(mods) == 3
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
    assert wire.output(PORTS[0]) in wired.switch._forwarding.actions[wired.balancer.farms["HAFARM"].reals[0]]
