"""The simulated switch beside Open vSwitch: the same OpenFlow messages to both, and the same answers from both.

No frame leaves the switches: packets come by packet-out and go by packet-in.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from haslb_lab.runner import preflight
from ryu_haslb.engine import ofproto_parser, ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from simulation.clock import Clock
from simulation.datapath import Capabilities
from simulation.switch import SimulatedSwitch

pytestmark = pytest.mark.lab

BRIDGE = "haslbtwin"
DATAPATH_ID = 0x7716
FLOW_LIMIT = 8
#: Seconds within which Open vSwitch answers, or does not hang.
ANSWER_TIMEOUT = 10.0
MARK = 0x51B7
TAG = "02:11:22:33:44:55"

ofp: Any = ofproto_v1_3
parser: Any = ofproto_v1_3_parser
PROTOCOL = ofproto_protocol.ProtocolDesc(version=ofp.OFP_VERSION)
_HEADER = struct.Struct("!BBHI")
_BUNDLE = struct.Struct("!BBHIIIIHH")

FRAME = bytes(
    Ether(src="02:00:00:00:00:01", dst="02:51:b7:00:00:01")
    / IP(src="15.1.1.51", dst="10.1.1.10")
    / UDP(sport=434, dport=434)
    / (bytes([1, 0, 2, 88]) + bytes(20))
)
ARP_FRAME = bytes.fromhex(
    "ffffffffffff0200000000010806000108000604000102000000000101010165000000000000 0a01010a".replace(" ", "")
)

#: The frame that ends what is played.
END_FRAME = bytes(12) + b"\x88\xb5" + bytes(46)

#: What a switch answered, without what only one of the two can know.
Answer = tuple[Any, ...]


def message(built: Any, xid: int) -> bytes:
    """The bytes of a message of the engine."""
    built.set_xid(xid)
    built.serialize()
    return bytes(built.buf)


def bundle(xid: int, messages: list[bytes]) -> bytes:
    """Messages in a bundle that is opened and committed (ONF EXT-230)."""

    def control(kind: int) -> bytes:
        return _BUNDLE.pack(4, ofp.OFPT_EXPERIMENTER, 24, xid, 0x4F4E4600, 2300, 7, kind, 3)

    parts = [control(0)]
    for each in messages:
        head = _BUNDLE.pack(4, ofp.OFPT_EXPERIMENTER, 24 + len(each), xid, 0x4F4E4600, 2301, 7, 0, 3)
        parts.append(head + each)
    return b"".join([*parts, control(4)])


class Player:
    """Sends messages to a switch and reads its answers; the end of the answers is a barrier's."""

    def __init__(self) -> None:
        self.xid = 1000

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def receive(self) -> bytes:
        """The next whole message."""
        raise NotImplementedError

    def play(self, data: bytes) -> list[Answer]:
        """What the switch answers to these messages.

        A packet-out of our own comes last: a switch may confirm a barrier before it sends a packet-in, but not send
        this packet-in, or the error for a slave, before an older one.
        """
        self.xid += 1
        self.send(data + packet_out(to_controller(), frame=END_FRAME, xid=self.xid))
        answers: list[Answer] = []
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < deadline:
            received = self.receive()
            _, kind, _, xid = _HEADER.unpack_from(received)
            if received.endswith(END_FRAME) or (kind == ofp.OFPT_ERROR and xid == self.xid):
                return answers
            if kind == ofp.OFPT_ECHO_REQUEST:
                self.send(_HEADER.pack(4, ofp.OFPT_ECHO_REPLY, len(received), xid) + received[8:])
            elif kind not in (ofp.OFPT_HELLO, ofp.OFPT_PORT_STATUS):
                answers.append(answer(received))
        raise TimeoutError(f"the switch does not come to an end: {answers}")


class OpenVSwitch(Player):
    """A bridge of Open vSwitch in user space, which listens for its controller on loopback."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT)
        self._pending = b""
        self.send(_HEADER.pack(4, ofp.OFPT_HELLO, 8, 1))
        # A controller that has connected to the switch gets no packet-ins and no reports of
        # removed rules before it has asked for them.
        self.send(message(parser.OFPSetConfig(PROTOCOL, ofp.OFPC_FRAG_NORMAL, ofp.OFPCML_NO_BUFFER), 2))
        self.send(message(parser.OFPSetAsync(PROTOCOL, [7, 0], [7, 0], [15, 0]), 3))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self) -> bytes:
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < deadline:
            if len(self._pending) >= 8:
                (length,) = struct.unpack_from("!H", self._pending, 2)
                if len(self._pending) >= length:
                    whole, self._pending = self._pending[:length], self._pending[length:]
                    return whole
            data = self._socket.recv(1 << 16)
            assert data, "Open vSwitch has closed the connection"
            self._pending += data
        raise TimeoutError("Open vSwitch does not answer")

    def close(self) -> None:
        self._socket.close()


class Simulated(Player):
    """The simulated switch."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        capabilities = Capabilities(tables=254, max_flows=FLOW_LIMIT)
        self.switch = SimulatedSwitch(DATAPATH_ID, {}, self.clock, lambda port, frame: None, capabilities)
        self._answers: list[bytes] = []
        self._connection = self.switch.connect(self._answers.append)

    def send(self, data: bytes) -> None:
        self._connection.receive(data)

    def receive(self) -> bytes:
        return self._answers.pop(0)


def answer(received: bytes) -> Answer:
    """An answer as values that both switches must have in common."""
    version, kind, length, xid = _HEADER.unpack_from(received)
    if kind == ofp.OFPT_ERROR:
        return ("error", xid, *struct.unpack_from("!HH", received, 8))
    if kind == ofp.OFPT_EXPERIMENTER:
        return ("bundle", xid, *struct.unpack_from("!IIIH", received, 8))
    parsed = ofproto_parser.msg(PROTOCOL, version, kind, length, xid, bytearray(received))
    readers: dict[int, Callable[[Any], Answer]] = {
        ofp.OFPT_PACKET_IN: _packet_in,
        ofp.OFPT_FLOW_REMOVED: _flow_removed,
        ofp.OFPT_ROLE_REPLY: lambda each: ("role", xid, each.role, each.generation_id),
        ofp.OFPT_MULTIPART_REPLY: lambda each: ("multipart", xid, each.type, sorted(map(_row, each.body))),
    }
    return readers[kind](parsed)


def _packet_in(parsed: Any) -> Answer:
    return ("packet-in", parsed.reason, parsed.table_id, parsed.cookie, parsed.match["in_port"], parsed.data)


def _flow_removed(parsed: Any) -> Answer:
    head = (parsed.cookie, parsed.priority, parsed.reason, parsed.table_id, parsed.idle_timeout)
    return ("flow removed", *head, parsed.hard_timeout, parsed.packet_count, sorted(parsed.match.items()))


def _row(each: Any) -> Any:
    """A row of flow or meter statistics."""
    if isinstance(each, parser.OFPMeterStats):
        return each.meter_id, [band.packet_band_count for band in each.band_stats]
    instructions = [repr(instruction.to_jsondict()) for instruction in each.instructions]
    head = (each.table_id, each.priority, each.cookie, each.idle_timeout, each.hard_timeout, each.flags)
    return (*head, each.packet_count, each.byte_count, sorted(map(str, each.match.items())), instructions)


@pytest.fixture(scope="module")
def bridge() -> Iterator[int]:
    """A bridge of its own, and the port of the loopback at which it listens."""
    preflight.check_machine()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    make = f"add-br {BRIDGE} -- set Bridge {BRIDGE} datapath_type=netdev fail_mode=secure"
    make += f" protocols=OpenFlow13 other-config:datapath-id={DATAPATH_ID:016x}"
    make += f" -- set-controller {BRIDGE} ptcp:{port}:127.0.0.1 -- --id=@t create Flow_Table flow_limit={FLOW_LIMIT}"
    make += f" overflow_policy=refuse -- set Bridge {BRIDGE} flow_tables:1=@t"
    subprocess.run(["ovs-vsctl", "--if-exists", "del-br", BRIDGE], check=True)
    subprocess.run(["ovs-vsctl", *make.split()], check=True)
    yield port
    subprocess.run(["ovs-vsctl", "--if-exists", "del-br", BRIDGE], check=True)


@pytest.fixture
def play(bridge: int) -> Iterator[Callable[..., list[Answer]]]:
    """Play messages to both switches, which are empty at first; their common answers."""
    real, simulated = OpenVSwitch(bridge), Simulated()
    wipe = flow_mod(ofp.OFPFC_DELETE, table=ofp.OFPTT_ALL) + message(
        parser.OFPMeterMod(PROTOCOL, ofp.OFPMC_DELETE, 0, ofp.OFPM_ALL, []), 1
    )

    def play_both(*messages: bytes) -> list[Answer]:
        answers = simulated.play(b"".join(messages))
        assert real.play(b"".join(messages)) == answers
        return answers

    real.play(wipe)
    yield play_both
    real.play(wipe)
    real.close()


def flow_mod(command: int, table: int = 0, actions: Any = (), xid: int = 5, meter: int = 0, **options: Any) -> bytes:
    """A flow-mod; ``options`` are the engine's, ``match`` as a dictionary."""
    match = parser.OFPMatch(**options.pop("match", {}))
    instructions = [parser.OFPInstructionMeter(meter)] if meter else []
    if actions:
        instructions.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, list(actions)))
    if "goto" in options:
        instructions.append(parser.OFPInstructionGotoTable(options.pop("goto")))
    options.setdefault("out_port", ofp.OFPP_ANY)
    options.setdefault("out_group", ofp.OFPG_ANY)
    built = parser.OFPFlowMod(
        PROTOCOL, table_id=table, command=command, match=match, instructions=instructions, **options
    )
    return message(built, xid)


def packet_out(*actions: Any, frame: bytes = FRAME, xid: int = 6) -> bytes:
    return message(parser.OFPPacketOut(PROTOCOL, ofp.OFP_NO_BUFFER, ofp.OFPP_CONTROLLER, list(actions), frame), xid)


def flow_stats(table: int = ofp.OFPTT_ALL, cookie: int = 0, mask: int = 0, match: Any = None) -> bytes:
    request = parser.OFPFlowStatsRequest(
        PROTOCOL, 0, table, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie, mask, parser.OFPMatch(**match or {})
    )
    return message(request, 9)


def to_controller() -> Any:
    return parser.OFPActionOutput(ofp.OFPP_CONTROLLER, ofp.OFPCML_NO_BUFFER)


def to_table() -> Any:
    return parser.OFPActionOutput(ofp.OFPP_TABLE)


REQUEST = {"eth_type": 0x0800, "ip_proto": 17, "ipv4_dst": "10.1.1.10", "udp_dst": 434}
SESSION = {**REQUEST, "eth_src": TAG}


def session_rule(command: int = 0, **options: Any) -> bytes:
    rewrite = [parser.OFPActionSetField(eth_dst="02:00:0a:01:01:33"), parser.OFPActionSetField(ipv4_dst="10.1.1.51")]
    defaults = {"table": 1, "priority": 50000, "cookie": 0x1122330051B7, "match": SESSION}
    return flow_mod(command, actions=[*rewrite, to_controller()], **{**defaults, **options})


def classifier() -> bytes:
    match = {**REQUEST, "in_port": ofp.OFPP_CONTROLLER}
    return flow_mod(0, priority=50040, cookie=3 << 16 | MARK, match=match, goto=1)


def return_to_session() -> bytes:
    return packet_out(parser.OFPActionSetField(eth_src=TAG), to_table())


def test_a_returned_request_runs_through_the_tables_and_is_rewritten_with_right_checksums(play: Any) -> None:
    (packet_in,) = play(classifier(), session_rule(), return_to_session())
    frame = Ether(packet_in[-1])
    assert (frame.src, frame.dst, frame[IP].dst) == (TAG, "02:00:0a:01:01:33", "10.1.1.51")
    assert bytes(frame) == bytes(rebuilt(frame)), "checksums are those that Scapy computes"


def rebuilt(frame: Any) -> Any:
    copy = frame.copy()
    del copy[IP].chksum, copy[UDP].chksum
    return copy


def test_counters_and_flow_statistics(play: Any) -> None:
    play(classifier(), session_rule(), return_to_session(), return_to_session())
    (statistics,) = play(flow_stats())
    assert [each[6] for each in statistics[-1]] == [2, 2]
    assert play(flow_stats(table=1, cookie=MARK, mask=0xFFFF))[0][-1]
    assert not play(flow_stats(cookie=0xFFFF, mask=0xFFFF))[0][-1]
    assert play(flow_stats(match=REQUEST))[0][-1]


def test_a_packet_without_a_matching_rule_is_dropped(play: Any) -> None:
    assert play(classifier(), return_to_session()) == []


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({}, True),
        ({"eth_src": "02:00:00:00:00:01"}, True),
        ({"eth_src": ("02:00:00:00:00:00", "ff:ff:ff:00:00:00")}, True),
        ({"eth_src": ("02:51:b7:00:00:00", "ff:ff:ff:00:00:00")}, False),
        ({"eth_dst": "02:51:b7:00:00:01"}, True),
        ({"metadata": 0}, True),
        ({"in_port": ofp.OFPP_CONTROLLER}, True),
        ({"in_port": 3}, False),
        ({"eth_type": 0x0806}, False),
        ({"eth_type": 0x0800, "ipv4_src": ("15.1.0.0", "255.255.0.0")}, True),
        ({"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 434}, True),
        ({"eth_type": 0x0800, "ip_proto": 17, "udp_src": 435}, False),
        ({"vlan_vid": 0}, True),
        ({"vlan_vid": 0x1000 | 5}, False),
    ],
)
def test_matches(play: Any, match: dict[str, Any], hit: bool) -> None:
    answers = play(flow_mod(0, priority=7, match=match, actions=[to_controller()]), packet_out(to_table()))
    assert bool(answers) is hit


@pytest.mark.parametrize(
    ("match", "hit"),
    [({"arp_op": 1}, True), ({"arp_op": 2}, False), ({"arp_tpa": "10.1.1.10"}, True), ({"arp_spa": "1.1.1.1"}, False)],
)
def test_matches_of_arp(play: Any, match: dict[str, Any], hit: bool) -> None:
    rule = flow_mod(0, priority=7, match={"eth_type": 0x0806, **match}, actions=[to_controller()])
    assert bool(play(rule, packet_out(to_table(), frame=ARP_FRAME))) is hit


def test_the_higher_priority_wins_and_an_equal_rule_is_replaced(play: Any) -> None:
    low = flow_mod(0, priority=5, cookie=1, match=REQUEST, actions=[to_controller()])
    high = flow_mod(0, priority=6, cookie=2, actions=[to_controller()])
    assert [each[3] for each in play(low, high, packet_out(to_table()))] == [2]
    replaced = flow_mod(0, priority=6, cookie=3, actions=[to_controller()])
    assert [each[3] for each in play(replaced, packet_out(to_table()))] == [3]
    assert len(play(flow_stats())[0][-1]) == 2


def test_a_rule_with_check_overlap_is_refused_beside_one_of_its_priority(play: Any) -> None:
    first = flow_mod(0, priority=5, match=REQUEST)
    overlapping = flow_mod(0, priority=5, match={"eth_src": TAG}, flags=ofp.OFPFF_CHECK_OVERLAP)
    apart = flow_mod(0, priority=5, match={"eth_type": 0x0806}, flags=ofp.OFPFF_CHECK_OVERLAP)
    assert [each[0] for each in play(first, overlapping, apart)] == ["error"]


def test_deletion_strict_and_not(play: Any) -> None:
    rules = [session_rule(match={**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"}) for number in range(4)]
    play(classifier(), *rules)
    play(session_rule(ofp.OFPFC_DELETE_STRICT, match={**SESSION, "eth_src": "02:00:00:00:00:01"}))
    play(session_rule(ofp.OFPFC_DELETE_STRICT, match={**SESSION, "eth_src": "02:00:00:00:00:02"}, priority=1))
    assert len(play(flow_stats(table=1))[0][-1]) == 3
    play(flow_mod(ofp.OFPFC_DELETE, table=ofp.OFPTT_ALL, cookie=3 << 16 | MARK, cookie_mask=0xFFFFFFFF))
    assert len(play(flow_stats())[0][-1]) == 3
    play(flow_mod(ofp.OFPFC_DELETE, table=1, match={"eth_type": 0x0800}))
    assert play(flow_stats())[0][-1] == []


def test_a_deleted_rule_is_reported_where_it_asks_for_that(bridge: int) -> None:
    """Open vSwitch reports when its threads have let go of the rule, perhaps behind later answers."""
    real, simulated = OpenVSwitch(bridge), Simulated()
    rule, deletion = session_rule(flags=ofp.OFPFF_SEND_FLOW_REM), session_rule(ofp.OFPFC_DELETE_STRICT)
    (expected,) = simulated.play(rule + deletion)
    assert (real.play(rule + deletion) or [answer(real.receive())]) == [expected]
    real.close()


def test_modification_keeps_counters_and_cookie(play: Any) -> None:
    play(classifier(), session_rule(), return_to_session())
    play(flow_mod(ofp.OFPFC_MODIFY_STRICT, table=1, priority=50000, match=SESSION, actions=[to_controller()]))
    (packet_in,) = play(return_to_session())
    assert Ether(packet_in[-1])[IP].dst == "10.1.1.10"
    (statistics,) = play(flow_stats(table=1))
    assert statistics[-1][0][6] == 2


def test_a_full_table_refuses_rules_but_takes_equal_ones(play: Any) -> None:
    rules = [session_rule(match={**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"}) for number in range(FLOW_LIMIT)]
    assert play(*rules) == []
    (refusal,) = play(session_rule(match={**SESSION, "eth_src": "02:00:00:00:00:aa"}))
    assert refusal[2:] == (ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
    assert play(rules[0]) == []


def test_a_bundle_is_carried_out_whole(play: Any) -> None:
    play(classifier())
    answers = play(bundle(20, [session_rule(xid=20), classifier_with(20)]))
    assert [each[0] for each in answers] == ["bundle", "bundle"]
    assert len(play(flow_stats())[0][-1]) == 2


def classifier_with(xid: int) -> bytes:
    return flow_mod(
        0, xid=xid, priority=50040, cookie=3 << 16 | MARK, match={**REQUEST, "in_port": ofp.OFPP_CONTROLLER}, goto=1
    )


def test_a_bundle_with_a_refused_message_changes_nothing(play: Any) -> None:
    rules = [
        session_rule(xid=21, match={**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"})
        for number in range(FLOW_LIMIT + 1)
    ]
    play(session_rule(match={**SESSION, "eth_src": "02:00:00:00:00:ee"}))
    deletion = session_rule(ofp.OFPFC_DELETE_STRICT, xid=21, match={**SESSION, "eth_src": "02:00:00:00:00:ee"})
    answers = play(bundle(21, [deletion, *rules]))
    assert answers[0][0] == "bundle"
    assert answers[1] == ("error", 21, ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
    assert len(play(flow_stats(table=1))[0][-1]) == 1


@pytest.mark.parametrize("output", [ofp.OFPP_FLOOD, ofp.OFPP_NORMAL, 77])
def test_rules_with_these_outputs_are_accepted(play: Any, output: int) -> None:
    assert play(flow_mod(0, priority=3, actions=[parser.OFPActionOutput(output)])) == []


def test_meters(play: Any) -> None:
    def meter_mod(command: int, rate: int = 10) -> bytes:
        bands = [parser.OFPMeterBandDrop(rate=rate, burst_size=rate)]
        return message(parser.OFPMeterMod(PROTOCOL, command, ofp.OFPMF_PKTPS | ofp.OFPMF_BURST, MARK, bands), 30)

    unknown = play(flow_mod(0, priority=3, meter=MARK, actions=[to_controller()]))
    assert unknown[0][0] == "error"
    assert play(meter_mod(ofp.OFPMC_MODIFY))[0][0] == "error"
    assert play(meter_mod(ofp.OFPMC_ADD)) == []
    assert play(meter_mod(ofp.OFPMC_ADD))[0][0] == "error"
    assert play(meter_mod(ofp.OFPMC_MODIFY, 20)) == []
    play(flow_mod(0, priority=3, meter=MARK, actions=[to_controller()]))
    assert len(play(packet_out(to_table()))) == 1
    statistics = play(message(parser.OFPMeterStatsRequest(PROTOCOL, 0, ofp.OFPM_ALL), 31))
    assert statistics[0][-1] == [(MARK, [0])]
    play(meter_mod(ofp.OFPMC_DELETE))
    assert play(flow_stats())[0][-1] == [], "its rules go with a meter (OpenFlow 1.3.5, section 6.5)"


def role(kind: int, generation: int) -> bytes:
    return message(parser.OFPRoleRequest(PROTOCOL, kind, generation), 40)


def test_a_slave_changes_nothing_and_an_old_generation_is_refused(play: Any) -> None:
    play(role(ofp.OFPCR_ROLE_MASTER, 7))
    assert play(role(ofp.OFPCR_ROLE_SLAVE, 6))[0][2:] == (ofp.OFPET_ROLE_REQUEST_FAILED, ofp.OFPRRFC_STALE)
    assert play(role(ofp.OFPCR_ROLE_SLAVE, 8))[0][2] == ofp.OFPCR_ROLE_SLAVE
    assert play(session_rule())[0][2:] == (ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_IS_SLAVE)
    assert play(role(ofp.OFPCR_ROLE_NOCHANGE, 0))[0][2] == ofp.OFPCR_ROLE_SLAVE
    assert play(role(ofp.OFPCR_ROLE_MASTER, 9))[0][2] == ofp.OFPCR_ROLE_MASTER


def test_idle_rules_run_out_and_say_so(bridge: int) -> None:
    """Each switch on its own clock; the reports are the same."""
    rule = session_rule(idle_timeout=1, flags=ofp.OFPFF_SEND_FLOW_REM)
    real, simulated = OpenVSwitch(bridge), Simulated()
    assert real.play(rule) == simulated.play(rule) == []
    simulated.clock.run_until(simulated.clock.now + 2)
    simulated.switch.expire()
    assert answer(real.receive()) == answer(simulated.receive())
    real.close()
