"""Two members of a cluster at one switch: the standby takes over with every session, and reads nothing."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Callable, Optional

import pytest
from fake_switch import packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, StaticLocation, VirtualServer
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.connection import Connection
from ryu_haslb.openflow.pipeline import Purpose, Table
from ryu_haslb.openflow.recovery.follower import POLL_INTERVAL
from ryu_haslb.openflow.recovery.follower_states import FollowerState
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.roles.fencing import Leadership
from ryu_haslb.openflow.sessions.session_key import KEY_LENGTH
from ryu_haslb.openflow.sessions.session_rules import MAX_OUTSTANDING_BUNDLES
from ryu_haslb.openflow.sockets.channel import MessageHandler
from ryu_haslb.openflow.sockets.tls import PeerCertificate
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire_multipart import flow_stats_request
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from simulation.clock import Clock
from simulation.datapath import Capabilities
from simulation.switch import SimulatedSwitch

PORTS = (5, 6, 7)
REALS = [
    RealServer(
        IPv4Address("10.1.1.50") + port,
        in_service=True,
        locations=(StaticLocation(bytes([2, 0, 0, 0, 0, port]), port),),
    )
    for port in PORTS
]
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=tuple(REALS))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", idle=300, in_service=True)},
)


def last_output(actions: bytes) -> int:
    """The port of the action at the end."""
    return int.from_bytes(actions[-12:-8], "big")


class Member:
    """A member of a cluster, with its connection to the switch. ``sent`` are its messages since a test cleared it."""

    id = 1
    address = ("192.0.2.1", 40000)
    local_address = ("192.0.2.2", 6653)
    tables = 254
    certificate: Optional[PeerCertificate] = None
    close_reason = "connection lost"

    def __init__(self, network: Network, key: bytes) -> None:
        self._network = network
        self.handler: Optional[MessageHandler] = None
        self.on_handled: Optional[Callable[[], None]] = None
        self.sent: list[bytes] = []
        self.bytes_sent = self._xid = 0
        self.leadership = Leadership(lambda *_: None)
        self.balancer = Balancer(CONFIGURATION, key=key)
        self.switch = Switch(1, CONFIGURATION, self.balancer)
        self.switch.leadership = self.leadership
        self.received: list[bytes] = []
        self.link = network.switch.connect(self.received.append)
        self.link.receive(wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, 8, 0))
        clock = network.clock
        self.connection = Connection(self, self.switch, self.balancer, CONFIGURATION, lambda: clock.now)

    def port_names(self) -> dict[int, str]:
        return {}

    def next_xid(self) -> int:
        self._xid += 1
        return self._xid

    def transmit(self, message: bytes) -> None:
        self.sent.append(message)
        self.link.receive(message)

    def close(self) -> None:
        raise AssertionError("no connection is to be closed")

    def deliver(self, message: bytes) -> None:
        _, kind, _, xid = wire.HEADER.unpack_from(message)
        if self.handler is not None:
            self.handler(kind, xid, message)
        if self.on_handled is not None:
            self.on_handled()

    def lead(self, generation: int) -> None:
        self.leadership.is_leading, self.leadership.generation = True, generation
        self.connection.on_leadership_changed()

    def packet_in(self, mobile: str) -> bytes:
        """A request of a mobile, as the switch punts it."""
        nai = mobile.encode()
        payload = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), bytes(4), bytes(4), 1) + bytes([131, len(nai)]) + nai
        frame = Ether() / IP(src="15.1.1.51", dst="10.1.1.10") / UDP(sport=434, dport=434) / payload
        return packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(frame))

    def request(self, mobile: str) -> int:
        """The port that the request of a mobile is sent to, by packet-out or by its session's rule."""
        before = len(self.sent)
        self.deliver(self.packet_in(mobile))
        (out,) = (each for each in self.sent[before:] if each[1] == wire.OFPT_PACKET_OUT)
        port = last_output(out[24 : 24 + int.from_bytes(out[16:18], "big")])
        if port != wire.OFPP_TABLE:
            return port
        tag = int.from_bytes(out[32:38], "big")
        (flow,) = (each for each in self._network.switch.datapath.tables[1] if each.cookie >> COOKIE_MARK_BITS == tag)
        return last_output(flow.instructions)

    def read_sessions(self) -> bool:
        """Whether it has asked for session rules."""
        request = flow_stats_request(0, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)
        return request[8:] in {each[8:] for each in self.sent}


class Network:
    """The switch, its clock, and the members."""

    def __init__(self, flow_monitor: bool = True) -> None:
        self.clock = Clock()
        ports = dict.fromkeys(range(3, 9), "port")
        capabilities = Capabilities(flow_monitor=flow_monitor)
        self.switch = SimulatedSwitch(1, ports, self.clock, lambda *_: None, capabilities)
        self.members: list[Member] = []

    def join(self, key: bytes) -> Member:
        self.members.append(Member(self, key))
        return self.members[-1]

    def run(self, seconds: float) -> None:
        """Let time pass in ticks."""
        for _ in range(round(seconds * 50)):
            self.clock.run_until(self.clock.now + 0.02)
            for member in self.members:
                self.settle()
                for _, session in member.balancer.ending.take_stale_rules():
                    member.switch.rules.remove(session)
                member.connection.tick(self.clock.now)
        self.settle()

    def settle(self) -> None:
        """Deliver all messages of the switch."""
        while any(member.received for member in self.members):
            for member in self.members:
                while member.received:
                    member.deliver(member.received.pop(0))


class Led(Network):
    """The first member leads and has sessions; the second stands by."""

    def __init__(self, flow_monitor: bool = True) -> None:
        super().__init__(flow_monitor)
        self.leader, self.standby = self.join(b"1st secret"[:KEY_LENGTH]), self.join(b"2nd secret"[:KEY_LENGTH])
        self.leader.lead(1)
        self.run(0.2)
        self.homes = {f"mobile-{number}@isp.com": 0 for number in range(60)}
        for mobile in self.homes:
            self.homes[mobile] = self.leader.request(mobile)
        self.run(2.5)

    def kill_leader(self) -> None:
        """The leader is gone; the standby is MASTER as soon as the switch has answered."""
        self.members.remove(self.leader)
        self.leader.link.close()
        self.standby.sent.clear()
        self.standby.lead(2)
        self.settle()


def test_a_standby_follows_the_sessions_of_the_leader() -> None:
    led = Led()
    follower = led.standby.switch.follower
    assert follower is not None
    assert (led.leader.switch.role, led.standby.switch.role) == (Role.MASTER, Role.WAITING)
    assert (follower.sessions, follower.state) == (60, FollowerState.FOLLOWING)
    led.leader.request("another@isp.com")
    led.run(0.2)
    assert follower.sessions == 61
    led.leader.balancer.clear_sessions()
    led.run(0.2)
    assert follower.sessions == 0


def test_at_takeover_every_mobile_keeps_its_home_agent_and_nothing_is_read() -> None:
    led = Led()
    led.kill_leader()
    standby = led.standby
    assert standby.switch.role is Role.MASTER
    assert {mobile: standby.request(mobile) for mobile in reversed(list(led.homes))} == led.homes
    assert standby.request("new@isp.com") in PORTS
    assert standby.balancer.statistics.assignments == 1, "only the new mobile's"
    led.run(1)
    assert not standby.read_sessions()
    assert {session.rule_at for session in standby.balancer.sessions} == {1}


def test_a_session_that_no_mobile_asks_for_is_taken_over_as_well() -> None:
    led = Led()
    led.kill_leader()
    led.run(0.1)
    assert len(led.standby.balancer.sessions) == 60
    assert led.standby.switch.unrecovered.recovery.is_over
    assert sum(real.sessions for real in led.standby.balancer.reals()) == 60


def test_where_the_switch_has_no_flow_monitor_the_new_leader_reads_the_rules_once_more() -> None:
    led = Led(flow_monitor=False)
    led.run(POLL_INTERVAL)
    follower = led.standby.switch.follower
    assert follower is not None
    assert (follower.sessions, follower.state) == (60, FollowerState.POLLING)
    late = led.leader.request("late@isp.com")
    led.run(0.2)
    led.kill_leader()
    assert {mobile: led.standby.request(mobile) for mobile in reversed(list(led.homes))} == led.homes
    led.run(1)
    assert led.standby.read_sessions()
    led.standby.switch.path.table_output.is_usable = False
    assert led.standby.request("late@isp.com") == late


def test_a_former_leader_stands_by_and_follows() -> None:
    led = Led()
    led.leader.leadership.is_leading, led.leader.leadership.generation = False, 2
    led.standby.lead(2)
    led.run(2.5)
    follower = led.leader.switch.follower
    assert follower is not None
    assert (led.leader.switch.role, follower.sessions, follower.is_current) == (Role.WAITING, 60, True)
    assert led.standby.switch.follower is not None
    assert led.standby.switch.follower.state is FollowerState.OFF


def test_the_lead_may_change_again_and_again() -> None:
    led = Led()
    members = [led.leader, led.standby]
    for generation in range(2, 5):
        members.reverse()
        members[0].sent.clear()
        members[1].leadership.is_leading, members[1].leadership.generation = False, generation
        members[0].lead(generation)
        led.settle()
        assert {mobile: members[0].request(mobile) for mobile in reversed(list(led.homes))} == led.homes
        led.run(2.5)
        assert not members[0].read_sessions()
        for member in members:
            member.sent.clear()


def test_a_switch_without_a_session_table_is_not_followed() -> None:
    network = Network()
    standby = network.join(b"1st secret"[:KEY_LENGTH])
    standby.tables = 1
    network.run(2)
    assert standby.switch.follower is not None
    assert (standby.switch.role, standby.switch.follower.state) == (Role.WAITING, FollowerState.OFF)


def kinds_of(messages: list[bytes]) -> list[int]:
    """The types of all messages; what is transmitted at once may be several."""
    kinds = []
    sent, offset = b"".join(messages), 0
    while offset < len(sent):
        _, kind, length, _ = wire.HEADER.unpack_from(sent, offset)
        kinds.append(kind)
        offset += length
    return kinds


def test_while_the_leader_resigns_each_session_rule_precedes_its_request() -> None:
    """The switch may have its next leader at any moment: no request may pass without its rule."""
    led = Led()
    leader = led.leader
    for number in range(2 * MAX_OUTSTANDING_BUNDLES):  # more than the switch confirms: rules wait
        leader.request(f"busy-{number}@isp.com")
        leader.connection.flush(led.clock.now)
    assert leader.switch.rules.waiting
    leader.leadership.is_resigning = True
    leader.connection.on_leadership_changed()
    assert not leader.switch.rules.waiting
    leader.sent.clear()
    leader.request("late@isp.com")
    kinds = kinds_of(leader.sent)
    assert kinds.index(wire.OFPT_FLOW_MOD) < kinds.index(wire.OFPT_PACKET_OUT)
    leader.leadership.is_resigning = False
    leader.connection.on_leadership_changed()
    leader.sent.clear()
    leader.request("later@isp.com")
    assert kinds_of(leader.sent) == [wire.OFPT_PACKET_OUT]


def test_the_rules_of_requests_that_arrive_together_are_one_bundle_while_the_leader_resigns() -> None:
    """With a bundle for each the switch lags behind, and loses more requests when it gets its next leader."""
    led = Led()
    leader = led.leader
    leader.leadership.is_resigning = True
    leader.connection.on_leadership_changed()
    leader.sent.clear()
    assert leader.handler is not None and leader.on_handled is not None
    for number in range(3):
        message = leader.packet_in(f"late-{number}@isp.com")
        leader.handler(wire.OFPT_PACKET_IN, 0, message)
    assert leader.sent == []
    leader.on_handled()
    kinds = kinds_of(leader.sent)
    assert kinds[-3:] == [wire.OFPT_PACKET_OUT] * 3
    assert wire.OFPT_PACKET_OUT not in kinds[:-3]
    assert kinds.count(wire.OFPT_BARRIER_REQUEST) == 2, "one in front of the bundle, and one behind it"


@pytest.mark.parametrize("reason", ["tick", "succeeded"])
def test_what_is_held_back_leaves_with_the_next_flush_or_when_it_goes_on(reason: str) -> None:
    led = Led()
    leader = led.leader
    leader.leadership.is_resigning = True
    leader.connection.on_leadership_changed()
    leader.sent.clear()
    assert leader.handler is not None
    leader.handler(wire.OFPT_PACKET_IN, 0, leader.packet_in("late@isp.com"))
    if reason == "tick":
        leader.connection.flush(led.clock.now)
    else:
        leader.leadership.is_resigning = False
        leader.connection.on_leadership_changed()
    kinds = kinds_of(leader.sent)
    assert kinds.count(wire.OFPT_PACKET_OUT) == 1
    assert kinds.index(wire.OFPT_FLOW_MOD) < kinds.index(wire.OFPT_PACKET_OUT)


def resign(led: Led) -> list[bool]:
    """Have the leader resign; the result gets an entry when it is ready for that."""
    ready: list[bool] = []
    led.leader.leadership.on_ready = lambda: ready.append(True)
    led.leader.leadership.is_resigning = True
    led.leader.connection.on_leadership_changed()
    return ready


def test_a_leader_that_resigns_waits_until_its_switches_have_confirmed_their_rules() -> None:
    led = Led()
    leadership, ready = led.leader.leadership, resign(led)
    led.leader.connection.on_leadership_changed()
    assert (ready, len(leadership.awaited)) == ([], 1)
    led.settle()
    assert (ready, len(leadership.awaited)) == ([True], 0)


def test_a_switch_that_is_lost_is_not_waited_for() -> None:
    led = Led()
    ready = resign(led)
    led.leader.connection.leave()
    assert (ready, len(led.leader.leadership.awaited)) == ([True], 0)
