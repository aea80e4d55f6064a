"""The questions of probes on the wire: what is sent to a home agent, which answers are believed (RFC 792, RFC 5944)."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport, packet_in
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from ryu_haslb.configuration.model import Configuration, Probe, ProbeKind, RealServer, ServerFarm, VirtualServer
from ryu_haslb.mobile_ip.authentication import SecurityAssociation, verify_authentication
from ryu_haslb.mobile_ip.registration import RegistrationReply, RegistrationRequest, ReplyCode
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.flow_tables.pipeline import (
    PROBE_METER,
    Purpose,
    chassis_address,
    dispatch_address,
    dispatch_match,
)
from ryu_haslb.openflow.packets.probe_frames import PROBE_SPI, Ends, RequestOfProbe, echo_request, registration_request
from ryu_haslb.openflow.probes.questions import RULE_TIMEOUT
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.probing import Target, TargetState

VIRTUAL, SOURCE, REAL, CLIENT = "10.1.1.10", "10.1.1.9", "10.1.1.51", "15.1.1.51"
MAC, CHASSIS, PORT = "02:00:00:00:00:51", chassis_address(1).hex(":"), 7
ENDS = Ends(
    chassis_address(1), IPv4Address(SOURCE).packed, bytes.fromhex(MAC.replace(":", "")), IPv4Address(REAL).packed
)
ASKED = RequestOfProbe("haslb-probe@probe.invalid", 0x1122334455667788, bytes(range(1, 17)))
PUNT = Purpose.PUNT_PROBE_REPLY.cookie
KINDS = pytest.mark.parametrize("kind", ProbeKind)


class Probed:
    """A switch with two home agents, the first of which is found at a port, and a probe that asks it."""

    def __init__(
        self, kind: ProbeKind, nat_server: bool = False, source: Optional[str] = SOURCE, vlan: int = 0, **fake: bool
    ) -> None:
        self.now, self.vlan = 1000.0, vlan
        reals = tuple(RealServer(IPv4Address(REAL) + each, in_service=True) for each in range(2))
        probe = Probe("P", kind, 1, 3, None if source is None else IPv4Address(source))
        self.configuration = Configuration(
            {"F": ServerFarm("F", nat_server, reals=reals, probes=("P",))},
            {"V": VirtualServer("V", IPv4Address(VIRTUAL), "F", in_service=True)},
            probes={"P": probe},
        )
        self.balancer = Balancer(self.configuration)
        self.fleet = Fleet(self.configuration, self.balancer, lambda: self.now)
        self.fake = FakeSwitch(**fake)
        self.transport = FakeTransport(self.fake)
        self.frames: list[Ether] = []
        self.fleet.on_connected(self.transport)
        self.transport.answer()
        self.answer_poll()

    def answer_poll(self) -> None:
        arp = ARP(op=2, hwsrc=MAC, psrc=REAL, hwdst=CHASSIS)
        self.punt(Purpose.PUNT_ARP_REPLY, bytes(self.framed(Ether(src=MAC), arp)))

    def framed(self, ether: Ether, packet: Any) -> Any:
        return ether / Dot1Q(vlan=self.vlan) / packet if self.vlan else ether / packet

    @property
    def target(self) -> Target:
        return self.balancer.probing.targets[0]

    def health(self) -> Health:
        return self.target.real.health

    def punt(self, purpose: Purpose, frame: bytes, port: int = PORT) -> None:
        assert self.transport.deliver(packet_in(purpose.cookie, port, frame))

    def run(self, seconds: float = 1.0) -> list[Ether]:
        """Let time pass; the questions that were sent meanwhile, and the ARP requests before them."""
        self.frames = []
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            self.transport.sent.clear()
            self.fleet.tick(self.now)
            for message in list(self.transport.sent):
                self.note(bytes(message))
            self.transport.answer()
        return self.frames

    def note(self, message: bytes) -> None:
        if message[1] == wire.OFPT_PACKET_OUT:
            (length,) = struct.unpack_from("!H", message, 16)
            frame = Ether(message[24 + length :])
            if frame[Ether].src == CHASSIS and frame[Ether].dst == MAC:
                if ARP in frame and frame[ARP].psrc == "0.0.0.0":
                    self.answer_poll()
                else:
                    self.frames.append(frame)

    def question(self) -> Ether:
        return next(frame for _ in range(12) for frame in self.run(0.1) if IP in frame)

    def answer(self, question: Ether, **options: Any) -> None:
        """The home agent answers, or a stranger in its place."""
        port = options.pop("port", PORT)
        purpose = options.pop("purpose", Purpose.PUNT_PROBE_REPLY)
        self.punt(purpose, bytes(answer_to(question, self.vlan, **options)), port)

    @property
    def answers(self) -> int:
        return self.target.answers


def answer_to(  # noqa: PLR0913 - each test names the one that it needs
    question: Ether,
    vlan: int = 0,
    *,
    mac: str = MAC,
    source: str = REAL,
    destination: str = "",
    token: int = 0,
    code: int = ReplyCode.MOBILE_NODE_FAILED_AUTHENTICATION,
) -> Ether:
    """The answer to a question; ``token`` is added to what it must repeat."""
    internet = IP(src=source, dst=destination or question[IP].src)
    if ICMP in question:
        asked = question[ICMP]
        packet = internet / ICMP(type=0, id=asked.id, seq=asked.seq ^ token) / bytes(asked.payload)
    else:
        asked = RegistrationRequest.decode(bytes(question[UDP].payload))
        identification = asked.identification ^ token
        reply = RegistrationReply(code, asked.home_address, asked.home_agent, identification)
        packet = internet / UDP(sport=434, dport=question[UDP].sport) / reply.encode()
    ether = Ether(src=mac, dst=CHASSIS)
    return Ether(bytes(ether / Dot1Q(vlan=vlan) / packet if vlan else ether / packet))


def test_the_echo_request_is_what_a_host_answers() -> None:
    frame = Ether(echo_request(ENDS, bytes(range(16))))
    again = frame.copy()
    del again[IP].chksum, again[ICMP].chksum
    assert bytes(Ether(bytes(again))) == bytes(frame)
    assert (frame.src, frame.dst, frame[IP].src, frame[IP].dst) == (CHASSIS, MAC, SOURCE, REAL)
    assert (frame[ICMP].type, frame[ICMP].code, frame[ICMP].id, frame[ICMP].seq) == (8, 0, 0x0001, 0x0203)


def test_the_registration_request_makes_no_binding_and_has_an_spi_that_no_mobile_has() -> None:
    frame = Ether(registration_request(ENDS, (50000, 434), ASKED))
    again = frame.copy()
    del again[IP].chksum, again[UDP].chksum
    assert bytes(Ether(bytes(again))) == bytes(frame)
    payload = bytes(frame[UDP].payload)
    request = RegistrationRequest.decode(payload)
    assert (request.lifetime, request.home_address, request.nai) == (0, IPv4Address(0), b"haslb-probe@probe.invalid")
    assert (str(request.home_agent), str(request.care_of_address)) == (REAL, SOURCE)
    assert request.identification == 0x1122334455667788
    assert [extension.type for extension in request.extensions] == [131, 32]
    assert int.from_bytes(request.extensions[-1].data[:4], "big") == PROBE_SPI
    assert not verify_authentication(payload, SecurityAssociation(PROBE_SPI, b"cisco"))


@KINDS
@pytest.mark.parametrize("vlan", [0, 15])
def test_a_home_agent_that_answers_is_operational(kind: ProbeKind, vlan: int) -> None:
    probed = Probed(kind, vlan=vlan)
    for number in range(1, 4):
        probed.answer(probed.question())
        assert probed.answers == number
    assert (probed.target.state, probed.health()) == (TargetState.OPERATIONAL, Health.OPERATIONAL)
    assert probed.balancer.statistics.requests == 0


@KINDS
def test_a_home_agent_that_stops_answering_is_failed(kind: ProbeKind) -> None:
    probed = Probed(kind)
    probed.answer(probed.question())
    probed.run(6.0)
    assert probed.health() is Health.DEMOTED  # the other home agent was never found
    assert probed.target.state is TargetState.FAILED
    probed.answer(probed.question())
    assert probed.health() is Health.OPERATIONAL


@KINDS
@pytest.mark.parametrize(
    "forged",
    [
        {"token": 1},
        {"mac": "02:00:00:00:00:99"},
        {"port": 9},
        {"source": "10.1.1.52"},
        {"destination": VIRTUAL},
    ],
    ids=str,
)
def test_an_answer_of_a_stranger_is_not_believed(kind: ProbeKind, forged: dict[str, Any]) -> None:
    probed = Probed(kind)
    question = probed.question()
    probed.answer(question, **forged)
    assert probed.answers == 0
    probed.answer(question)
    assert probed.answers == 1
    probed.answer(question)  # a copy of it
    assert probed.answers == 1


@KINDS
def test_an_answer_in_another_vlan_is_not_believed(kind: ProbeKind) -> None:
    probed = Probed(kind, vlan=15)
    question = probed.question()
    probed.punt(Purpose.PUNT_PROBE_REPLY, bytes(answer_to(question, 16)))
    assert probed.answers == 0


def test_no_two_questions_are_alike() -> None:
    probed = Probed(ProbeKind.PING)
    asked = [bytes(probed.question()[ICMP])[4:] for _ in range(5)]
    assert len({each[:4] for each in asked}) == 5
    probed = Probed(ProbeKind.IPMOBILE)
    requests = [RegistrationRequest.decode(bytes(probed.question()[UDP].payload)) for _ in range(5)]
    assert len({each.identification & 0xFFFFFFFF for each in requests}) == 5


@KINDS
def test_the_home_agent_learns_by_arp_where_its_answer_goes(kind: ProbeKind) -> None:
    probed = Probed(kind)
    frames = probed.run(1.2)
    assert [ARP in frame for frame in frames[:2]] == [True, False]
    assert (frames[0][ARP].op, frames[0][ARP].psrc, frames[0][ARP].hwsrc) == (1, SOURCE, CHASSIS)
    assert frames[0][ARP].pdst == REAL
    asked = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=MAC, psrc=REAL, pdst=SOURCE)
    probed.transport.sent.clear()
    probed.punt(Purpose.PUNT_ARP_REQUEST, bytes(asked))
    assert probed.transport.sent
    assert any(flow.match.get("arp_tpa") == SOURCE for flow in probed.fake.flows)


@KINDS
def test_what_others_send_with_the_source_of_a_probe_is_dropped(kind: ProbeKind) -> None:
    """Else home agents would answer a stranger until the meter of answers is full. Our own switches are passed on."""
    probed = Probed(kind)
    rules = [flow for flow in probed.fake.flows if flow.match.get("ipv4_src") == SOURCE]
    dropped, passed = sorted(rules, key=lambda flow: flow.priority)
    assert dropped.cookie == Purpose.DROP_FORGED_PROBE.cookie
    assert passed.cookie == Purpose.PASS_DISPATCHED.cookie
    value, mask = passed.match["eth_src"]
    sent = bytes.fromhex(probed.question()[Ether].src.replace(":", ""))
    assert bytes(a & b for a, b in zip(sent, bytes.fromhex(mask.replace(":", "")))).hex(":") == value
    keyed = dispatch_match(b"secret")
    assert isinstance(keyed, tuple)
    assert keyed[0][:14] == dispatch_address(1, b"secret").hex(":")[:14]


def test_a_source_that_is_a_virtual_address_is_not_dropped() -> None:
    """In direct mode: another switch of ours replies to pings with it."""
    probed = Probed(ProbeKind.PING, nat_server=True, source=VIRTUAL)
    assert not [flow for flow in probed.fake.flows if flow.match.get("ipv4_src") == VIRTUAL]


@KINDS
def test_the_rule_for_answers_is_narrow_metered_and_ends_by_itself(kind: ProbeKind) -> None:
    probed = Probed(kind)
    probed.run(2.0)
    (flow,) = probed.fake.flows_for(PUNT)
    fields = dict(flow.match.items())
    assert (fields["in_port"], fields["eth_src"], fields["ipv4_src"], fields["ipv4_dst"]) == (PORT, MAC, REAL, SOURCE)
    assert fields["ip_proto"] == (1 if kind is ProbeKind.PING else 17)
    if kind is ProbeKind.IPMOBILE:
        assert fields["udp_src"] == 434
        assert fields["udp_dst"] >= 49152
    assert flow.hard_timeout == RULE_TIMEOUT
    assert probed.fake.meters[PROBE_METER] == 400
    probed.fake.lose(cookie=PUNT)
    probed.run(3.0)
    assert probed.fake.flows_for(PUNT)


def test_without_a_probe_there_is_no_meter_for_it() -> None:
    probed = Probed(ProbeKind.PING)
    assert PROBE_METER in probed.fake.meters
    farm = replace(probed.configuration.farms["F"], probes=())
    after = replace(probed.configuration, farms={"F": farm}, probes={})
    probed.balancer.configure(after)
    probed.fleet.configure(after)
    probed.transport.answer()
    assert PROBE_METER not in probed.fake.meters
    assert not [frame for frame in probed.run(3.0) if IP in frame]


@KINDS
def test_direct_mode_asks_from_the_virtual_address(kind: ProbeKind) -> None:
    probed = Probed(kind, nat_server=True, source=None)
    question = probed.question()
    assert question[IP].src == VIRTUAL
    probed.answer(question)
    assert probed.answers == 1


@pytest.mark.parametrize(
    ("kind", "purpose"),
    [
        (ProbeKind.PING, Purpose.PUNT_ECHO),
        *((kind, Purpose.PUNT_OTHER_TO_CHASSIS) for kind in ProbeKind),
        *((kind, Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE) for kind in ProbeKind),
    ],
)
def test_an_answer_counts_that_comes_before_the_rule_for_answers_acts(kind: ProbeKind, purpose: Purpose) -> None:
    """By the rule that is there for other packets to us: the switch carries out flow-mods behind the barrier reply."""
    probed = Probed(kind, nat_server=True, source=None)
    probed.answer(probed.question(), purpose=purpose)
    assert probed.answers == 1
    assert probed.balancer.statistics.requests == probed.balancer.statistics.dropped == 0


def test_dispatched_mode_without_a_source_asks_nothing() -> None:
    probed = Probed(ProbeKind.PING, source=None)
    assert not probed.run(5.0)
    assert probed.target.state is TargetState.NO_SOURCE
    assert probed.health() is Health.OPERATIONAL


def test_a_home_agents_own_ping_of_the_virtual_address_is_answered_all_the_same() -> None:
    probed = Probed(ProbeKind.PING, nat_server=True, source=None)
    probed.question()
    ping = Ether(src=MAC, dst=CHASSIS) / IP(src=REAL, dst=VIRTUAL) / ICMP(type=8, id=1, seq=1) / b"abcdefgh"
    probed.transport.sent.clear()
    probed.punt(Purpose.PUNT_PROBE_REPLY, bytes(ping))
    assert len(probed.transport.sent) == 1


def test_a_lost_switch_fails_no_home_agent() -> None:
    probed = Probed(ProbeKind.PING)
    probed.answer(probed.question())
    probed.fleet.on_disconnected(probed.transport)
    probed.run(30.0)
    assert probed.health() is Health.OPERATIONAL


@KINDS
def test_a_switch_that_rejects_the_rule_for_answers_fails_no_home_agent(
    kind: ProbeKind, caplog: pytest.LogCaptureFixture
) -> None:
    """A full table, for example: the answers do not come, although they are sent."""
    probed = Probed(kind)
    probed.answer(probed.question())
    full = wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL
    is_of_answers = PUNT.to_bytes(8, "big")
    probed.fake.rejects = lambda sent: full if sent[1] == wire.OFPT_FLOW_MOD and sent[8:16] == is_of_answers else None
    probed.fake.lose(cookie=PUNT)
    probed.run(30.0)
    assert probed.health() is Health.OPERATIONAL
    assert [each.getMessage() for each in caplog.records if "answers to probes" in each.getMessage()] == [
        "Switch 0000000000000001 rejected the rule for answers to probes of 10.1.1.51 (OFPFMFC_TABLE_FULL); probes "
        "there without an answer do not count as failures"
    ]
    probed.fake.rejects = lambda _: None
    probed.run(6.0)
    assert probed.health() is not Health.OPERATIONAL
