"""The outcome of a trial, and the steps that trials are made of: install rules, send a packet through them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import Callable, NamedTuple, Optional

from ryu_haslb.openflow.wire import packet, wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_stats, flow_stats_request, has_more
from ryu_haslb.openflow.wire.packet import numbered_packet_out
from ryu_haslb.switch_test.bench import TEST_MARK, TEST_MARK_MASK, Bench, removal_of
from ryu_haslb.switch_test.exchange import Exchange, Message, Script

#: How often a packet is sent before it counts as one that does not arrive: a switch may drop one of many; and the same
#: while it is not known how long rules take to act.
ATTEMPTS, FIRST_ATTEMPTS = 3, 10
#: Seconds for a reply that may be long.
STATISTICS_TIMEOUT = 30.0
UNTRIED_TABLES = (
    "accepted; not tried, since no packet can be sent through the tables: needs output to TABLE, or --ports"
)


class Result(Enum):
    """What became of a trial. The value is the token in JSON."""

    WORKS = "works"
    ACCEPTED = "accepted"
    IGNORED = "ignored"
    REJECTED = "rejected"
    CLOSED = "closes_connection"
    MALFORMED = "malformed_reply"
    NOT_TRIED = "not_tried"

    @property
    def lacks(self) -> bool:
        """Whether the switch is unable to do it."""
        return self in (Result.IGNORED, Result.REJECTED, Result.CLOSED, Result.MALFORMED)


class Outcome(NamedTuple):
    """``detail`` is what was seen, in a few words."""

    result: Result
    detail: str = ""


WORKS = Outcome(Result.WORKS)
ACCEPTED = Outcome(Result.ACCEPTED, UNTRIED_TABLES)


def ignored(detail: str) -> Outcome:
    """The switch accepted it, and it has no effect, or a wrong one."""
    return Outcome(Result.IGNORED, detail)


def rejected(error: wire.Error) -> Outcome:
    """The switch answered with an error."""
    return Outcome(Result.REJECTED, str(error))


class Arrival(NamedTuple):
    """A packet-in: the cookie of the rule that sent it, its ingress port, and its frame."""

    cookie: int
    in_port: int
    frame: bytes


class Passage(NamedTuple):
    """What became of a packet: the packet-ins that it caused, and the outcome if that is known already."""

    arrivals: Sequence[Arrival]
    failure: Optional[Outcome] = None

    @property
    def cookies(self) -> set[int]:
        """The cookies of the rules that sent it to the controller."""
        return {each.cookie for each in self.arrivals}


def install(rules: Iterable[FlowMod]) -> Script[Optional[Outcome]]:
    """Add rules; the outcome if the switch rejects one."""
    answer = yield Exchange(lambda xid: [each.pack(xid) for each in rules])
    return None if answer.error is None else rejected(answer.error)


def remove(rules: Iterable[FlowMod]) -> Script[None]:
    """Remove rules of the test."""
    yield Exchange(lambda xid: removal_of(rules, xid))


def settle(bench: Bench) -> Script[None]:
    """Wait until packets miss a rule that the switch itself has removed."""
    if bench.settling_time:
        yield Exchange(wanted=lambda _: False, wait=bench.settling_time)


def emit(
    build: Callable[[int], bytes], label: bytes, expected: Collection[int] = (), attempts: int = ATTEMPTS
) -> Script[Passage]:
    """Send a packet that carries ``label`` until packet-ins of all ``expected`` cookies have it, a few times at most.

    Without ``expected`` any packet-in will do. A switch may send a packet by a rule that is gone already, for a moment,
    if it remembers what it has done with packets like this one.
    """

    def is_enough(found: Sequence[Message]) -> bool:
        return set(expected) <= {arrival.cookie for each in found for arrival in _arrival(each)}

    arrivals: list[Arrival] = []
    for _ in range(attempts):
        answer = yield Exchange(lambda xid: [build(xid)], lambda each: _carries(each, label), is_enough)
        if answer.error is not None:
            return Passage((), rejected(answer.error))
        arrivals = [arrival for each in answer.found for arrival in _arrival(each)]
        if arrivals and is_enough(answer.found):
            return Passage([each for each in arrivals if not expected or each.cookie in expected])
    return Passage(arrivals)


def through_rules(
    bench: Bench, rules: Sequence[FlowMod], frame: bytes, label: bytes, expected: Collection[int]
) -> Script[Passage]:
    """Install rules, send a packet through the tables until the ``expected`` cookies arrive, and remove the rules."""
    failure = yield from install(rules)
    if failure is not None:
        yield from remove(rules)
        return Passage((), failure)
    if bench.can_enter_tables:
        passage = yield from emit(lambda xid: bench.enter(frame, xid), label, expected)
    else:
        passage = Passage((), ACCEPTED)
    yield from remove(rules)
    return passage


def present(bench: Bench, rules: Sequence[FlowMod], frames: Sequence[bytes], label: bytes) -> Script[set[int]]:
    """The cookies of those rules that are in the tables: each sends one of these frames to CONTROLLER.

    All frames have this label. Where no packet can be sent, the switch is asked for its rules.

    Raises:
        MalformedMessage: no packet can be sent, and the switch does not report its rules.
    """
    if not bench.can_enter_tables:
        reported = yield from rules_with(0, TEST_MARK, TEST_MARK_MASK)
        return {each.cookie for each in reported}
    found: set[int] = set()
    for _ in range(ATTEMPTS):
        answer = yield Exchange(
            lambda xid: [bench.enter(each, xid) for each in frames],
            lambda each: _carries(each, label),
            lambda arrived: len(arrived) >= len(frames),
        )
        found = {arrival.cookie for message in answer.found for arrival in _arrival(message)}
        if len(found) >= len(rules):
            break
    return found


def reflected(actions: bytes, frame: bytes, label: bytes) -> Script[Passage]:
    """Send a packet-out with these actions and output to CONTROLLER."""
    to_controller = actions + wire.output(wire.OFPP_CONTROLLER)
    passage = yield from emit(lambda xid: numbered_packet_out(xid, to_controller, frame), label)
    return passage


def rules_with(table: int, cookie: int, mask: int, limit: float = STATISTICS_TIMEOUT) -> Script[list[FlowStats]]:
    """The rules that the switch reports for a cookie and its mask.

    Raises:
        MalformedMessage: the reply is malformed, rejected, or has no end.
    """
    parts = yield from multipart(lambda xid: flow_stats_request(xid, table, cookie, mask), limit)
    return [row for part in parts for row in flow_stats(part)]


def multipart(build: Callable[[int], bytes], limit: float = STATISTICS_TIMEOUT) -> Script[list[bytes]]:
    """The parts of the reply to a multipart request.

    Raises:
        MalformedMessage: the switch rejects the request, or its reply has no end.
    """
    answer = yield Exchange(
        lambda xid: [build(xid)],
        lambda each: each.kind == wire.OFPT_MULTIPART_REPLY and each.xid != 0,
        lambda found: not has_more(found[-1].data),
        wait=limit,
        limit=limit,
    )
    if answer.error is not None:
        raise wire.MalformedMessage(f"the request is rejected: {answer.error}")
    parts = [each.data for each in answer.found]
    if not parts or has_more(parts[-1]):
        raise wire.MalformedMessage(f"no complete reply within {limit:g} s")
    return parts


def has_cookie(message: Message, cookie: int) -> bool:
    """Whether a packet-in is that of a rule with this cookie."""
    return any(arrival.cookie == cookie for arrival in _arrival(message))


def _carries(message: Message, label: bytes) -> bool:
    return message.kind == wire.OFPT_PACKET_IN and label in message.data


def _arrival(message: Message) -> list[Arrival]:
    read = packet.read_packet_in(message.data)
    return [] if read is None else [Arrival(*read)]
