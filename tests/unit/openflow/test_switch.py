"""A switch as the application sees it: packet-ins go in, OpenFlow messages come out."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport, packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from statistics_replies import FlowRow

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow import session_rules, wire
from ryu_haslb.openflow.backlog import MAX_QUEUEING_DELAY
from ryu_haslb.openflow.neighbour_discovery import MAX_LEARNED_VLANS
from ryu_haslb.openflow.pipeline import Purpose, chassis_address, session_match
from ryu_haslb.openflow.recovery import FLOW_STATS_TIMEOUT
from ryu_haslb.openflow.session_rules import MAX_OUTSTANDING_BUNDLES
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.openflow.wire_flow_mod import apply_actions, match
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import COOKIE_MARK, Session, tag_of
from ryu_haslb.slb.statistics import DropReason

VIRTUAL = IPv4Address("10.1.1.10")
REALS = tuple(RealServer(IPv4Address("10.1.1.50") + number, weight=1, in_service=True) for number in (1, 2))
MACS = ("02:00:00:00:00:51", "02:00:00:00:00:52")
PORTS = (7, 8)
OTHER = "02:00:00:00:00:99"


class Wired:
    """A switch with one farm, connected. ``sent`` is what was sent to it since a test has last cleared it."""

    def __init__(
        self,
        on_switch: Iterable[FlowRow] = (),
        nat_server: bool = False,
        found: bool = True,
        beside: Optional[Wired] = None,
    ) -> None:
        self.configuration = Configuration(
            farms={"HAFARM": ServerFarm("HAFARM", nat_server, reals=REALS)},
            virtual_servers={"MIPSLB": VirtualServer("MIPSLB", VIRTUAL, "HAFARM", idle=300, in_service=True)},
        )
        self.now = 100.0
        self.fake = FakeSwitch(1 if beside is None else 2)
        self.fake.flow_rows = list(on_switch)
        self.balancer: Balancer = Balancer(self.configuration) if beside is None else beside.balancer
        self.switch = Switch(self.fake.datapath_id, self.configuration, self.balancer)
        self.connect()
        self.confirm()
        if found:
            self.find(0)
            self.find(1)
        self.sent.clear()

    def connect(self) -> None:
        """Make a new connection; what the switch has not replied to over the old one is lost."""
        self.transport = FakeTransport(self.fake)
        self.transport.handler = self._on_message
        self.transactions = Transactions(self.transport)
        self.switch.connect(self.transactions, self.now)

    def _on_message(self, kind: int, xid: int, message: bytes) -> None:
        if kind == wire.OFPT_BARRIER_REPLY:
            self.switch.admission.on_barrier_reply(xid, self.now)
            self.transactions.on_barrier_reply(xid)
        elif kind == wire.OFPT_ERROR:
            assert self.transactions.on_error(xid, wire.read_error(message))
        else:
            assert kind == wire.OFPT_MULTIPART_REPLY
            assert self.switch.on_multipart_reply(xid, message, self.now)

    @property
    def sent(self) -> list[bytes]:
        return self.transport.sent

    def punt(self, purpose: Purpose, frame: bytes, port: int = 3) -> None:
        assert self.switch.on_packet_in(packet_in(purpose.cookie, port, frame), self.now)

    def find(self, number: int, port: int = 0, vlan: int = 0) -> None:
        arp = ARP(op=2, hwsrc=MACS[number], psrc=str(REALS[number].address), hwdst=chassis_address(1), pdst="0.0.0.0")
        head = Ether(src=MACS[number], dst=chassis_address(1))
        frame = head / Dot1Q(vlan=vlan) / arp if vlan else head / arp
        self.punt(Purpose.PUNT_ARP_REPLY, bytes(frame), port or PORTS[number])

    def request(self, mobile: str, source: str = OTHER, padding: int = 0, home_agent: bytes = bytes(4)) -> list[bytes]:
        """The messages that a request brings about."""
        nai = mobile.encode()
        payload = (
            struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), home_agent, bytes(4), 1) + bytes([131, len(nai)]) + nai
        )
        frame = Ether(src=source) / IP(src="15.1.1.51", dst=str(VIRTUAL)) / UDP(sport=434, dport=434) / payload
        self.sent.clear()
        self.punt(Purpose.PUNT_REQUEST, bytes(frame) + bytes(padding))
        return list(self.sent)

    def flush(self) -> None:
        """What the fleet does in short intervals."""
        self._remove_stale_rules()
        self.switch.flush(self.now)

    def tick(self) -> None:
        """What the fleet does in long intervals."""
        self._remove_stale_rules()
        self.switch.tick(self.now)

    def _remove_stale_rules(self) -> None:
        for datapath_id, session in self.balancer.take_stale_rules():
            assert datapath_id == self.switch.datapath_id
            self.switch.rules.remove(session)

    def settle(self) -> None:
        """Let the switch take the rules that wait, and confirm them."""
        self.tick()
        self.confirm()

    def confirm(self) -> None:
        """Let the switch reply to all that was sent so far."""
        self.transport.answer()

    def has_rule(self, session: Session) -> bool:
        """Whether the session's rule is in the switch's table."""
        return bool(self.fake.flows_for(session.cookie))

    def drops(self, reason: DropReason) -> int:
        return self.balancer.statistics.drops[reason]


def goes_to(message: bytes) -> int:
    """The port that the last action of a packet-out sends to."""
    actions_length = int.from_bytes(message[16:18], "big")
    assert message[1] == wire.OFPT_PACKET_OUT
    return int.from_bytes(message[24 + actions_length - 12 : 24 + actions_length - 8], "big")


def test_the_first_request_is_forwarded_at_once_and_later_ones_by_the_session_rule() -> None:
    wired = Wired()
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert [goes_to(message) for message in wired.request("anna")] == [7], "the rule is not there yet"
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_a_rule_whose_real_moves_before_it_is_confirmed_is_installed_again() -> None:
    wired = Wired()
    wired.request("anna")
    wired.tick()
    wired.find(0, port=9)
    wired.confirm()
    assert [goes_to(message) for message in wired.request("anna")] == [9]
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    assert wire.output(9) in b"".join(wired.sent) or wired.switch.rules.waiting == 0


def test_a_slow_switch_has_few_outstanding_bundles_and_gets_the_rest_later() -> None:
    wired = Wired()
    for number in range(10):
        wired.request(f"user{number}")
        wired.tick()
    assert wired.switch.rules.waiting == 10 - MAX_OUTSTANDING_BUNDLES
    wired.confirm()
    wired.settle()
    assert wired.switch.rules.waiting == 0


def test_sessions_whose_rules_are_rejected_continue_by_packet_out(caplog: pytest.LogCaptureFixture) -> None:
    table_full = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)
    wired = Wired()
    wired.fake.rejects = lambda message: table_full if message[1] == wire.OFPT_FLOW_MOD else None
    wired.request("anna")
    wired.request("bert")
    wired.settle()
    assert wired.switch.rules.errors == 1
    assert "rejected 2 session flows (OFPFMFC_TABLE_FULL); these sessions continue by packet-out" in caplog.text
    assert [goes_to(message) for message in wired.request("anna")] == [7]


def test_rules_are_installed_after_a_lost_connection() -> None:
    wired = Wired()
    for number in range(5):
        wired.request(f"user{number}")
        wired.tick()
    wired.switch.disconnect()
    wired.connect()
    wired.request("anna")
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


def test_a_request_whose_session_is_not_recovered_yet_goes_to_no_other_real() -> None:
    """After a crash a mobile keeps its home agent, even if that answers ARP late."""
    before = Wired()
    before.request("bert")
    before.request("anna")
    delivery = before.sent[0][24:-1]
    actions = delivery[: int.from_bytes(before.sent[0][16:18], "big")]
    tag = tag_of(VIRTUAL.packed, b"\x01anna")
    rule = FlowRow(tag << 16 | COOKIE_MARK, match(session_match(tag, str(VIRTUAL))), apply_actions(actions))

    wired = Wired(on_switch=[rule], found=False)
    wired.find(0)
    assert wired.request("anna") == []
    assert wired.drops(DropReason.RECOVERY_PENDING) == 1
    assert [goes_to(message) for message in wired.request("carl")] == [7]
    wired.find(1)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]

    forgotten = Wired(on_switch=[rule], found=False)
    forgotten.find(0)
    forgotten.now += FLOW_STATS_TIMEOUT
    forgotten.tick()
    assert [goes_to(message) for message in forgotten.request("anna")] == [7]


def test_a_new_configuration_keeps_probing_the_vlans_in_which_reals_were_found() -> None:
    wired = Wired()
    wired.find(0, vlan=15)
    wired.switch.configure(wired.configuration)
    wired.sent.clear()
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
    wired.find(0, port=6)
    assert [goes_to(message) for message in wired.request("anna")] == [6]


def test_forged_arp_replies_from_many_vlans_cause_no_flood_of_probes() -> None:
    wired = Wired()
    for vlan in range(1, 200):
        wired.find(0, vlan=vlan)
    wired.sent.clear()
    wired.switch.tick(wired.now + 10)
    probes = [message for message in wired.sent if message[1] == wire.OFPT_PACKET_OUT]
    assert len(probes) <= (MAX_LEARNED_VLANS + 1) * len(REALS)


def test_rules_of_sessions_that_ended_are_removed_from_a_slow_switch_too() -> None:
    """Those that are installed, those that are outstanding, and those that were never sent."""
    wired = Wired()
    for number in range(MAX_OUTSTANDING_BUNDLES + 1):
        wired.request(f"user{number}")
        wired.tick()
    ended = wired.balancer.clear_sessions()
    assert [wired.has_rule(session) for session in ended].count(True) == MAX_OUTSTANDING_BUNDLES
    wired.confirm()
    wired.settle()
    assert wired.switch.rules.waiting == 0
    for session in ended:
        assert not wired.has_rule(session)


def test_the_rule_of_a_session_that_timed_out_is_removed() -> None:
    """With many sessions, rules have no idle time-out."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    (session,) = wired.balancer.sessions
    assert wired.has_rule(session)
    wired.now += 301
    wired.balancer.advance(wired.now, 10)
    wired.flush()
    assert not wired.has_rule(session)


def test_a_mobile_that_moves_to_another_switch_leaves_no_rule_behind() -> None:
    here = Wired()
    there = Wired(beside=here)
    here.request("anna")
    here.settle()
    (session,) = here.balancer.sessions
    assert here.has_rule(session)
    there.request("anna")
    there.settle()
    here.flush()
    assert not here.has_rule(session)
    assert there.has_rule(session)
    assert session.rule_at == 2


def test_rules_have_an_idle_time_out_unless_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open vSwitch visits all rules that have a time-out whenever a rule is added: docs/performance.md."""
    monkeypatch.setattr(session_rules, "MAX_SESSIONS_WITH_IDLE_TIMEOUT", 1)
    wired = Wired()
    timeouts = []
    for mobile in ("anna", "bert"):
        wired.request(mobile)
        wired.sent.clear()
        wired.flush()
        (message,) = wired.transport.sent_of(wire.OFPT_FLOW_MOD)
        timeouts.append(int.from_bytes(message[26:28], "big"))
        wired.confirm()
    assert timeouts == [300, 0]


def test_a_bundle_that_was_outstanding_when_the_connection_was_lost_is_sent_again() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    (anna,) = wired.balancer.sessions
    wired.balancer.clear_sessions()
    wired.request("bert")
    wired.flush()
    wired.switch.disconnect()
    (bert,) = wired.balancer.sessions
    wired.connect()
    wired.sent.clear()
    wired.settle()
    assert not wired.has_rule(anna)
    assert bert.rule_at == 1


def test_a_switch_that_connects_again_before_its_connection_is_lost_gets_its_rules() -> None:
    wired = Wired()
    for number in range(MAX_OUTSTANDING_BUNDLES):
        wired.request(f"user{number}")
        wired.tick()
    wired.connect()
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_requests_of_a_switch_that_cannot_output_to_table_are_forwarded_by_packet_out() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    returned = wired.request("anna")[0]
    assert wired.switch.on_error(wire.Error(2, 4, returned[:64]))
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert not wired.switch.on_error(wire.Error(2, 4, returned[:30]))


def test_a_request_that_misses_its_session_rule_is_forwarded_by_packet_out_or_counted() -> None:
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
    statistics = wired.balancer.statistics
    assert statistics.requests == statistics.dispatched + statistics.dropped
    assert wired.drops(DropReason.REAL_UNREACHABLE) == 1


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


def test_at_high_load_a_mobile_that_names_its_home_agent_is_served() -> None:
    """It renews a binding. A binding may last longer than the session here, which ends after its idle time."""
    wired = Wired()
    overloaded(wired, MAX_QUEUEING_DELAY * 1.5)
    assert [goes_to(message) for message in wired.request("bert", home_agent=REALS[1].address.packed)] == [8]


def test_at_full_load_every_request_is_dropped_and_counted_and_arp_is_not() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 2.5)
    assert wired.request("anna") == []
    assert wired.drops(DropReason.OVERLOAD) == 1
    wired.find(0, port=9)
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
