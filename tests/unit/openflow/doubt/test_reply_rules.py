"""The rules that copy replies of real servers in doubt: on the switch during a doubt only; and which copies count."""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport, packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from ryu_haslb.configuration.model import Configuration, RealServer, Route, ServerFarm, VirtualServer
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.fleet.connection import Connection
from ryu_haslb.openflow.flow_tables.pipeline import REPLY_METER, Purpose, chassis_address
from ryu_haslb.openflow.overload.meters import MAX_REPLY_RATE, UPDATE_INTERVAL
from ryu_haslb.openflow.packets.reply_frame import read_reply
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer as Real

VIRTUAL, CLIENT = "10.1.1.10", "15.1.1.51"
ADDRESSES = ("10.1.1.51", "10.1.1.52")
MACS = ("02:00:00:00:00:51", "02:00:00:00:00:52")
PORTS = (7, 8)
PASS, COPY = Purpose.PASS_REPLY.cookie, Purpose.COPY_REPLY.cookie


class Connected:
    """A served switch with two real servers, each at a port of its own."""

    def __init__(self, nat_server: bool = False, routes: tuple[Route, ...] = (), **fake: bool) -> None:
        self.now = 1000.0
        reals = tuple(
            RealServer(IPv4Address(each), in_service=True, port=5434 if nat_server else None) for each in ADDRESSES
        )
        self.configuration = Configuration(
            farms={"HAFARM": ServerFarm("HAFARM", nat_server, reals=reals)},
            virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address(VIRTUAL), "HAFARM", in_service=True)},
            routes=routes,
        )
        self.balancer = Balancer(self.configuration)
        self.fake = FakeSwitch(**fake)
        self.transport = FakeTransport(self.fake)
        self.switch = Switch(1, self.configuration, self.balancer)
        self.connection = Connection(self.transport, self.switch, self.balancer, self.configuration, lambda: self.now)
        self.transport.answer()
        self.reals: list[Real] = self.balancer.farms["HAFARM"].reals
        for number in range(2):
            self.find(number)

    def find(self, number: int, port: int = 0, vlan: int = 0, mac: str = "", address: str = "") -> None:
        mac = mac or MACS[number]
        arp = ARP(op=2, hwsrc=mac, psrc=address or ADDRESSES[number], hwdst=chassis_address(1))
        frame = Ether(src=mac) / Dot1Q(vlan=vlan) / arp if vlan else Ether(src=mac) / arp
        self.punt(Purpose.PUNT_ARP_REPLY, bytes(frame), port or PORTS[number])

    def punt(self, purpose: Purpose, frame: bytes, port: int) -> None:
        assert self.transport.deliver(packet_in(purpose.cookie, port, frame))

    def tick(self, seconds: float = 0.2) -> None:
        self.now += seconds
        self.connection.tick(self.now)
        self.transport.answer()

    def doubt(self, number: int = 0) -> None:
        """Two mobiles have retried there."""
        for mobile in (b"\x01anna", b"\x01bert"):
            self.reals[number].record_retry(mobile, self.now)
        self.tick()

    def reply(self, number: int = 0, port: int = 0, **options: Any) -> None:
        """The switch copies a reply."""
        self.punt(Purpose.COPY_REPLY, reply(number, **options), port or PORTS[number])

    def seen(self, number: int = 0) -> int:
        return self.reals[number].doubt.replies_seen

    @property
    def reply_flows(self) -> list[Any]:
        return [flow for flow in self.fake.flows if flow.cookie in (PASS, COPY)]

    def request(self, mobile: str, identification: int) -> None:
        nai = mobile.encode()
        fixed = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), bytes(4), bytes(4), identification)
        payload = fixed + bytes([131, len(nai)]) + nai
        frame = Ether(src="02:00:00:00:00:99") / IP(src=CLIENT, dst=VIRTUAL) / UDP(sport=434, dport=434) / payload
        self.punt(Purpose.PUNT_REQUEST, bytes(frame), 3)


def reply(  # noqa: PLR0913, PLR0917 - each test names the one that it needs
    number: int = 0,
    mac: str = "",
    source: str = "",
    sport: int = 434,
    vlan: int = 0,
    code: int = 0,
    nai: str = "anna",
    identification: int = 1,
    payload: Optional[bytes] = None,
    home_agent: str = "",
) -> bytes:
    """A home agent's reply on its way to the PDSN."""
    if payload is None:
        named = IPv4Address(home_agent or ADDRESSES[number]).packed
        payload = struct.pack("!BBH4s4sQ", 3, code, 600, bytes(4), named, identification)
        payload += bytes([131, len(nai)]) + nai.encode()
    ethernet = Ether(src=mac or MACS[number], dst="02:00:00:00:00:99")
    internet = IP(src=source or ADDRESSES[number], dst=CLIENT) / UDP(sport=sport, dport=434) / payload
    return bytes(ethernet / Dot1Q(vlan=vlan) / internet if vlan else ethernet / internet)


def test_without_a_doubt_nothing_is_on_the_switch() -> None:
    connected = Connected()
    for _ in range(20):
        connected.tick()
    assert not connected.reply_flows
    assert REPLY_METER not in connected.fake.meters


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_doubt_puts_the_rules_on_the_switch_and_its_end_takes_them_away(has_bundles: bool) -> None:
    connected = Connected(bundles=has_bundles)
    connected.doubt()
    passing, copying = connected.fake.flows_for(PASS), connected.fake.flows_for(COPY)
    assert [dict(flow.match.items())["ipv4_src"] for flow in passing] == [ADDRESSES[0], VIRTUAL]
    for flow in passing:
        fields = dict(flow.match.items())
        assert (fields["in_port"], fields["eth_src"], fields["udp_src"]) == (7, MACS[0], 434)
        assert fields["vlan_vid"] == ofproto_v1_3.OFPVID_NONE
        assert flow.table_id == 0
    assert [(flow.table_id, len(flow.instructions)) for flow in copying] == [(2, 2)]
    assert connected.fake.meters[REPLY_METER] == MAX_REPLY_RATE
    assert set(connected.reals[0].doubt.watched_from) == {1}
    connected.reply()
    assert connected.seen() == 1
    connected.tick()
    assert not connected.reply_flows
    connected.tick()
    assert REPLY_METER not in connected.fake.meters
    assert not connected.reals[0].doubt.watched_from


def test_in_direct_mode_replies_come_from_the_real_servers_address_and_port() -> None:
    connected = Connected(nat_server=True)
    connected.doubt()
    (flow,) = connected.fake.flows_for(PASS)
    fields = dict(flow.match.items())
    assert (fields["ipv4_src"], fields["udp_src"]) == (ADDRESSES[0], 5434)
    connected.reply(source=VIRTUAL, sport=5434)
    connected.reply(sport=434)
    assert connected.seen() == 0
    connected.reply(sport=5434)
    assert connected.seen() == 1


def test_a_second_doubt_adds_rules_and_keeps_the_first() -> None:
    connected = Connected()
    connected.doubt(0)
    since = connected.reals[0].doubt.watched_from[1]
    connected.tick(1.0)
    connected.doubt(1)
    assert len(connected.fake.flows_for(PASS)) == 4
    assert connected.reals[0].doubt.watched_from[1] == since
    connected.reply(0)
    connected.tick()
    assert {dict(flow.match.items())["in_port"] for flow in connected.fake.flows_for(PASS)} == {PORTS[1]}
    assert REPLY_METER in connected.fake.meters


def test_a_failed_real_server_stays_watched() -> None:
    connected = Connected()
    connected.reals[0].health = Health.FAILED
    connected.tick()
    assert connected.reply_flows
    connected.reply(source=VIRTUAL)
    assert connected.reals[0].health is Health.OPERATIONAL


def test_the_rules_follow_a_real_server_that_moves() -> None:
    connected = Connected()
    connected.doubt()
    connected.switch.on_port_changed(PORTS[0], False)
    connected.find(0, port=9, vlan=15)
    connected.tick()
    for flow in connected.fake.flows_for(PASS):
        fields = dict(flow.match.items())
        assert (fields["in_port"], fields["vlan_vid"]) == (9, 15 | ofproto_v1_3.OFPVID_PRESENT)
    connected.reply(port=7)
    connected.reply(port=9)
    assert connected.seen() == 0
    connected.reply(port=9, vlan=15)
    assert connected.seen() == 1


def test_new_standing_rules_take_the_rules_away_and_they_come_back() -> None:
    connected = Connected()
    connected.doubt()
    connected.connection._installation._is_sent_known = False  # so that all standing rules are replaced
    connected.connection.configure(connected.configuration)
    assert not connected.reals[0].doubt.watched_from
    connected.transport.answer()
    connected.tick()
    assert len(connected.reply_flows) == 3
    assert connected.reals[0].doubt.watched_from


def test_another_configuration_leaves_the_rules_where_they_are() -> None:
    connected = Connected()
    connected.doubt()
    watched_from = dict(connected.reals[0].doubt.watched_from)
    assert watched_from
    connected.connection.configure(replace(connected.configuration, virtual_servers={}))
    connected.transport.answer()
    connected.tick()
    assert len(connected.reply_flows) == 3
    assert connected.reals[0].doubt.watched_from == watched_from


@pytest.mark.parametrize("has_meters", [True, False])
def test_the_rules_go_when_the_doubt_ended_while_standing_rules_were_replaced(has_meters: bool) -> None:
    connected = Connected(meters=has_meters)
    connected.doubt()
    connected.connection._installation.upkeep.reply_rules.forget()
    connected.reply()
    connected.tick()
    assert not connected.reply_flows


def test_a_switch_that_rejects_the_rules_is_served_and_requests_alone_decide(caplog: pytest.LogCaptureFixture) -> None:
    connected = Connected()
    reason = ofproto_v1_3.OFPET_BAD_INSTRUCTION, ofproto_v1_3.OFPBIC_BAD_TABLE_ID
    connected.fake.rejects = lambda message: (
        reason if message[1] == wire.OFPT_FLOW_MOD and COPY.to_bytes(8, "big") in message else None
    )
    connected.doubt()
    for _ in range(50):
        connected.tick(1.0)
    assert not connected.balancer.failure_detection.copying_switches
    assert len([record for record in caplog.records if "copy replies" in record.message]) == 1
    assert connected.connection.is_serving


def test_a_full_table_is_tried_again() -> None:
    connected = Connected()
    full = ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL
    connected.fake.rejects = lambda message: (
        full if message[1] == wire.OFPT_FLOW_MOD and COPY.to_bytes(8, "big") in message else None
    )
    connected.doubt()
    assert not connected.balancer.failure_detection.copying_switches
    connected.fake.rejects = lambda _: None
    connected.tick(2.0)
    assert connected.balancer.failure_detection.copying_switches == {1}
    assert len(connected.reply_flows) == 3


def test_deleted_meters_are_added_again_with_the_rules() -> None:
    connected = Connected()
    connected.doubt()
    connected.tick(UPDATE_INTERVAL)
    connected.fake.lose(meter=REPLY_METER, cookie=COPY)
    for _ in range(4):
        connected.tick(UPDATE_INTERVAL)
    assert REPLY_METER in connected.fake.meters
    assert len(connected.reply_flows) == 3


def test_a_lost_connection_ends_the_watch() -> None:
    connected = Connected()
    connected.doubt()
    connected.connection.leave()
    assert not connected.balancer.failure_detection.copying_switches
    assert not connected.reals[0].doubt.watched_from


@pytest.mark.parametrize(
    "forged",
    [
        {"port": 3},
        {"port": 8},
        {"mac": "02:00:00:00:00:99"},
        {"mac": MACS[1]},
        {"vlan": 15},
        {"source": CLIENT},
        {"source": ADDRESSES[1]},
        {"sport": 435},
        {"payload": b""},
        {"payload": b"\x01" + bytes(23)},
        {"payload": b"\x03" + bytes(18)},
        {"payload": b"\x03" + bytes(19) + b"\x83\xff"},
    ],
    ids=str,
)
def test_a_reply_that_another_may_have_sent_keeps_nothing_alive(forged: dict[str, Any]) -> None:
    connected = Connected()
    connected.doubt()
    connected.reply(**forged)
    assert connected.seen() == 0
    assert connected.reals[0].is_watched


@pytest.mark.parametrize("code", [0, 1, 130, 131, 133])
def test_any_reply_shows_that_its_home_agent_lives(code: int) -> None:
    connected = Connected()
    connected.doubt()
    connected.reply(code=code, identification=99)
    assert connected.seen() == 1


def test_behind_a_router_a_reply_must_answer_a_request_that_was_sent() -> None:
    """RFC 5944 section 3.4: the Identification is that of the request."""
    route = Route(IPv4Network("10.1.1.0/24"), IPv4Address("192.0.2.1"))
    connected = Connected(routes=(route,))
    connected.find(0, address="192.0.2.1", mac="02:00:00:00:00:01")
    connected.request("anna", 0x1122334455667788)
    session = next(iter(connected.balancer.sessions))
    number = connected.reals.index(session.real)
    connected.doubt(number)
    at_router: dict[str, Any] = {"mac": "02:00:00:00:00:01", "port": PORTS[0]}
    connected.reply(number, **at_router, identification=1)
    connected.reply(number, **at_router, nai="zoe", identification=0x1122334455667788)
    assert connected.seen(number) == 0
    connected.reply(number, **at_router, identification=0x1122334455667788)
    assert connected.seen(number) == 1


def test_two_real_servers_with_one_ethernet_address_are_told_apart_by_the_request() -> None:
    connected = Connected()
    connected.switch.on_port_changed(PORTS[1], False)
    connected.find(1, port=PORTS[0], mac=MACS[0])
    connected.request("anna", 77)
    session = next(iter(connected.balancer.sessions))
    number = connected.reals.index(session.real)
    connected.doubt(0)
    connected.doubt(1)
    for each in range(2):
        connected.reply(each, port=PORTS[0], mac=MACS[0], source=VIRTUAL, identification=78)
    assert [connected.seen(each) for each in range(2)] == [0, 0]
    connected.reply(number, port=PORTS[0], mac=MACS[0], source=VIRTUAL, identification=77)
    assert [connected.seen(each) for each in range(2)] == [int(each == number) for each in range(2)]


def test_damaged_copies_raise_nothing_and_show_nothing_that_is_not_there() -> None:
    generator = random.Random(434)
    connected = Connected()
    connected.doubt()
    whole = reply()
    for _ in range(20_000):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            place = generator.randrange(len(damaged))
            if generator.random() < 0.3:
                del damaged[place:]
                break
            damaged[place] = generator.randrange(256)
        read = read_reply(bytes(damaged))
        assert read is None or damaged[42] == 3
        connected.punt(Purpose.COPY_REPLY, bytes(damaged), PORTS[0])
