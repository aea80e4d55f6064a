"""Trials of packets: packet-in and packet-out, output to TABLE and to ports, set-field, VLAN tags. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Callable, Optional

from ryu_haslb.openflow.wire import packet, wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions
from ryu_haslb.openflow.wire.packet import numbered_packet_out
from ryu_haslb.switch_test.bench import TEST_PREFIX, UDP_FIELDS, Bench, datagram, rule, tagged
from ryu_haslb.switch_test.exchange import Script
from ryu_haslb.switch_test.trial import (
    FIRST_ATTEMPTS,
    WORKS,
    Outcome,
    Passage,
    Result,
    emit,
    ignored,
    install,
    reflected,
    remove,
)
from ryu_haslb.switch_test.trial import through_rules as through

#: Bytes of the packet that must arrive whole: more than a switch sends by default (128).
LARGE_PACKET = 1400
#: The VLAN of trials.
VLAN = 7
#: Where a datagram of the test has its checksums.
_CHECKSUMS = (24, 25, 40, 41)
#: Begin and end of its UDP checksum.
_UDP_CHECKSUM = 40, 42
#: The cookies in packet-ins that no rule has caused, and what is said of a switch that has them in others as well.
_NO_RULE = {0, 0xFFFFFFFFFFFFFFFF}
_NO_COOKIES = "packet-ins have not the cookie of their rule"
#: The tag that the trial of output to TABLE writes into the Ethernet source.
_TAG = int.from_bytes(TEST_PREFIX, "big") << 24 | 0x7A6
#: What a rule or a packet-out rewrites a field to.
NEW_VALUES = {
    "eth_src": TEST_PREFIX.hex(":") + ":00:05:05",
    "eth_dst": "0a:7e:57:00:06:06",
    "ipv4_dst": "203.0.113.77",
    "udp_dst": "4340",
}


def table_output(bench: Bench) -> Script[Outcome]:
    """A packet-out writes a tag and outputs to TABLE, as a request returns to its session; a rule matches the tag.

    The rule of the balancer that matches such packets first does so by their ingress port, CONTROLLER.
    """
    outcome = yield from _enter_tagged(bench, {})
    bench.has_table_output = outcome == WORKS
    if not bench.has_table_output:
        return outcome
    result, detail = yield from _enter_tagged(bench, {"in_port": wire.OFPP_CONTROLLER})
    bench.matches_controller = result is Result.WORKS
    return WORKS if bench.matches_controller else Outcome(result, f"with a match of in_port=CONTROLLER: {detail}")


def _enter_tagged(bench: Bench, fields: Mapping[str, wire.Value]) -> Script[Outcome]:
    """Whether a packet-out to TABLE meets a rule with these fields and the tag."""
    label = bench.label()
    tag = _TAG.to_bytes(6, "big").hex(":")
    entry = rule(bench.cookie(), {"eth_src": tag, **fields})
    failure = yield from install([entry])
    if failure is not None:
        return failure
    actions = packet.return_to_session(_TAG)
    passage = yield from emit(
        lambda xid: numbered_packet_out(xid, actions, datagram(label)), label, {entry.cookie}, FIRST_ATTEMPTS
    )
    yield from remove([entry])
    if passage.failure is not None:
        return passage.failure
    if entry.cookie in passage.cookies:
        return WORKS
    _note_cookies(bench, passage)
    return ignored(_NO_COOKIES if bench.lacks_cookies else "no packet came through the tables")


def _note_cookies(bench: Bench, passage: Passage) -> None:
    """A packet has met a rule of the test: have the packet-ins its cookie?"""
    bench.lacks_cookies = bool(passage.cookies) and passage.cookies <= _NO_RULE


def output(bench: Bench) -> Script[Outcome]:
    """A packet leaves at one end of the cable and comes in at the other, in both directions."""
    if bench.cable is None:
        return Outcome(Result.NOT_TRIED, "needs two ports that a cable connects: --ports A,B")
    entry = rule(bench.cookie(), {})
    failure = yield from install([entry])
    if failure is not None:
        return failure
    lost = ""
    for port, other in (bench.cable, bench.cable[::-1]):
        passage = yield from _over_cable(bench, port)
        _note_cookies(bench, passage)
        if passage.failure is not None:
            lost = passage.failure.detail
        elif other not in {each.in_port for each in passage.arrivals}:
            lost = f"what leaves at port {port} does not come in at port {other}; check the cable and the ports"
        if lost:
            break
    yield from remove([entry])
    if lost:
        return ignored(lost)
    bench.has_cable = not bench.lacks_cookies
    return WORKS


def _over_cable(bench: Bench, port: int) -> Script[Passage]:
    label = bench.label()
    passage = yield from emit(
        lambda xid: numbered_packet_out(xid, wire.output(port), datagram(label)), label, attempts=FIRST_ATTEMPTS
    )
    return passage


def packet_outs(bench: Bench) -> Script[Outcome]:
    """A packet-out to CONTROLLER returns. Comes behind the trials that find other ways."""
    label = bench.label()
    passage = yield from reflected(b"", datagram(label), label)
    bench.reflects = bool(passage.arrivals)
    if bench.reflects:
        return WORKS
    if bench.can_enter_tables:
        return Outcome(Result.WORKS, "but not to CONTROLLER, which the balancer does not need")
    return passage.failure or ignored("a packet-out to CONTROLLER does not return")


def packet_ins(bench: Bench) -> Script[Outcome]:
    """A large packet reaches the controller whole."""
    if bench.lacks_cookies:
        return ignored(_NO_COOKIES)
    label = bench.label()
    frame = datagram(label, LARGE_PACKET)
    entry = rule(bench.cookie(), {})
    passage = yield from through(bench, [entry], frame, label, {entry.cookie})
    if not bench.can_enter_tables and bench.reflects:
        passage = yield from reflected(b"", frame, label)
    if passage.failure is not None:
        return passage.failure
    if not passage.arrivals:
        return ignored("no packet came to the controller")
    arrival = passage.arrivals[0]
    if arrival.frame[: len(frame)] != frame:
        return ignored(f"{len(arrival.frame)} of {len(frame)} bytes arrived")
    whole = f"{len(frame)} bytes arrived whole"
    if not bench.can_enter_tables:
        return Outcome(Result.ACCEPTED, f"{whole}; not tried whether with the cookie of a rule")
    return Outcome(Result.WORKS, whole) if arrival.cookie == entry.cookie else ignored(_NO_COOKIES)


def set_field(name: str) -> Callable[[Bench], Script[Outcome]]:
    """The trial of set-field for one field."""
    value = NEW_VALUES[name]
    field: wire.Value = int(value) if value.isdigit() else value
    return rewriting(wire.set_field(name, field), lambda label: datagram(label, changed={name: value}))


def rewriting(actions: bytes, expected_of: Callable[[bytes], bytes]) -> Callable[[Bench], Script[Outcome]]:
    """The trial of actions that rewrite a packet: in a packet-out, and in a rule."""

    def trial(bench: Bench) -> Script[Outcome]:
        entered = yield from _by_rule(bench, actions, expected_of)
        if entered.result.lacks or not bench.reflects:
            return entered
        label = bench.label()
        passage = yield from reflected(actions, datagram(label), label)
        sent = _judge("in a packet-out", passage, datagram(label), expected_of(label))
        if entered.result is Result.ACCEPTED and sent.result is Result.WORKS:
            return Outcome(Result.WORKS, "in a packet-out; a rule is accepted, but was not tried")
        return sent

    return trial


def set_eth_dst(bench: Bench) -> Script[Outcome]:
    """The trial of set-field of eth_dst, on which later trials depend."""
    outcome = yield from set_field("eth_dst")(bench)
    bench.rewrites_eth_dst = outcome.result is Result.WORKS
    return outcome


def set_ipv4_dst(bench: Bench) -> Script[Outcome]:
    """The trial of set-field of ipv4_dst, also in a datagram without a UDP checksum (RFC 768)."""
    outcome = yield from set_field("ipv4_dst")(bench)
    if outcome != WORKS or not bench.can_enter_tables:
        return outcome
    label, new = bench.label(), NEW_VALUES["ipv4_dst"]
    frame = datagram(label)
    actions = wire.set_field("ipv4_dst", new) + wire.output(wire.OFPP_CONTROLLER)
    entry = rule(bench.cookie(), UDP_FIELDS, apply_actions(actions))
    begin, end = _UDP_CHECKSUM
    passage = yield from through(bench, [entry], frame[:begin] + bytes(2) + frame[end:], label, {entry.cookie})
    right = bytes(2), datagram(label, changed={"ipv4_dst": new})[begin:end]
    if all(each.frame[begin:end] in right for each in passage.arrivals):
        return outcome
    return Outcome(Result.WORKS, "but a UDP checksum of zero, which is none, becomes a wrong one")


push_vlan = rewriting(wire.push_vlan(VLAN), lambda label: tagged(datagram(label), VLAN))


def _by_rule(bench: Bench, actions: bytes, expected_of: Callable[[bytes], bytes]) -> Script[Outcome]:
    label = bench.label()
    instructions = apply_actions(actions + wire.output(wire.OFPP_CONTROLLER))
    entry = rule(bench.cookie(), UDP_FIELDS, instructions)
    passage = yield from through(bench, [entry], datagram(label), label, {entry.cookie})
    return _judge("in a rule", passage, datagram(label), expected_of(label))


def _judge(where: str, passage: Passage, original: bytes, expected: bytes) -> Outcome:
    if passage.failure is not None:
        result, detail = passage.failure
        return passage.failure if result is Result.ACCEPTED else Outcome(result, f"{where}: {detail}")
    if not passage.arrivals:
        return ignored(f"{where}: the packet is lost")
    found = _difference(passage.arrivals[0].frame, original, expected)
    return WORKS if found is None else ignored(f"{where}: {found}")


def _difference(frame: bytes, original: bytes, expected: bytes) -> Optional[str]:
    """How a frame differs from the one that is expected; None if it does not."""
    if frame[: len(expected)] == expected:  # a short frame may come padded
        return None
    if frame[: len(original)] == original:
        return "the packet is unchanged"
    differing = list(_differing_bytes(frame, expected))
    if set(differing) <= set(_CHECKSUMS):
        return "a checksum of the packet is wrong"
    return f"the packet is not as it should be from byte {differing[0]} on"


def _differing_bytes(frame: bytes, expected: bytes) -> Iterator[int]:
    for place in range(len(expected)):
        if frame[place : place + 1] != expected[place : place + 1]:
            yield place
