"""Trials of rules: matches, tables, cookies, statistics, time-outs and reports of removal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, goto_table, match
from ryu_haslb.openflow.wire.wire import Value
from ryu_haslb.switch_test.bench import (
    DESTINATION_ADDRESS,
    EXACT_COOKIE,
    PORT,
    PRIORITY,
    SOURCE_ADDRESS,
    TEST_DESTINATION,
    TEST_MARK,
    TEST_MARK_MASK,
    TEST_PREFIX,
    TEST_SOURCE,
    TEST_SOURCES,
    TO_CONTROLLER,
    UDP_FIELDS,
    Bench,
    arp_request,
    datagram,
    rule,
    tagged,
)
from ryu_haslb.switch_test.exchange import BARRIER_TIMEOUT, Exchange, Message, Script
from ryu_haslb.switch_test.trial import (
    ACCEPTED,
    WORKS,
    Outcome,
    Result,
    ignored,
    install,
    present,
    remove,
    rules_with,
    settle,
)
from ryu_haslb.switch_test.trial import through_rules as through

#: Seconds of an idle time-out, and within which a rule that has one must be gone: some switches look every 10 s.
IDLE_TIMEOUT, MAX_IDLE = 1, 13.0
#: Seconds within which the removal of a rule is reported.
_REPORT_TIMEOUT = 3.0
_VLAN = 7
_ARP: Mapping[str, Value] = {"eth_type": wire.ETHERTYPE_ARP}
#: Output to CONTROLLER up to the port; what follows, a limit of bytes, a switch may report otherwise.
_TO_CONTROLLER = wire.output(wire.OFPP_CONTROLLER)[:8]
_ELSEWHERE = "198.51.100.99"
_MASK = "ff:ff:ff:00:00:00"


class _Case(NamedTuple):
    """A field: what the packet of the trial has, and what it has not."""

    name: str
    hit: Mapping[str, Value]
    miss: Mapping[str, Value]
    is_arp: bool = False


_METADATA = _Case("metadata", {"metadata": 0}, {"metadata": 1})
_CASES = (
    _Case("eth_dst", {"eth_dst": TEST_DESTINATION}, {"eth_dst": "0a:7e:57:00:00:03"}),
    _Case("eth_dst with a mask", {"eth_dst": ("0a:7e:57:00:00:00", _MASK)}, {"eth_dst": ("0a:7e:58:00:00:00", _MASK)}),
    _Case("eth_src with a mask", {"eth_src": TEST_SOURCES}, {"eth_src": ("0e:7e:57:01:00:00", "ff:ff:ff:ff:00:00")}),
    _Case("eth_type", {"eth_type": wire.ETHERTYPE_IPV4}, {"eth_type": wire.ETHERTYPE_ARP}),
    _Case("ip_proto", UDP_FIELDS, {**UDP_FIELDS, "ip_proto": 6}),
    _Case("ipv4_src", {**UDP_FIELDS, "ipv4_src": SOURCE_ADDRESS}, {**UDP_FIELDS, "ipv4_src": _ELSEWHERE}),
    _Case("ipv4_dst", {**UDP_FIELDS, "ipv4_dst": DESTINATION_ADDRESS}, {**UDP_FIELDS, "ipv4_dst": _ELSEWHERE}),
    _Case("udp_dst", {**UDP_FIELDS, "udp_dst": PORT}, {**UDP_FIELDS, "udp_dst": PORT + 1}),
    _Case("arp_op", {**_ARP, "arp_op": 1}, {**_ARP, "arp_op": 2}, True),
    _Case("arp_spa", {**_ARP, "arp_spa": SOURCE_ADDRESS}, {**_ARP, "arp_spa": _ELSEWHERE}, True),
    _Case("arp_tpa", {**_ARP, "arp_tpa": DESTINATION_ADDRESS}, {**_ARP, "arp_tpa": _ELSEWHERE}, True),
)


def matches(bench: Bench) -> Script[Outcome]:
    """Each field that the standing rules match."""
    can_match = bench.matches_controller or bench.in_port != wire.OFPP_CONTROLLER
    hit: Mapping[str, Value] = {"in_port": bench.in_port} if can_match else {}
    in_port = _Case("in_port", hit, {"in_port": bench.other_port})
    failures: list[str] = []
    result = Result.WORKS
    for case in (in_port, *_CASES):
        label = bench.label()
        frame = arp_request(label) if case.is_arp else datagram(label)
        outcome = yield from _compare(bench, case, frame, label)
        if outcome.result is not Result.WORKS:
            result = outcome.result if result in (Result.WORKS, Result.ACCEPTED) else result
        if outcome.result.lacks:
            failures.append(f"{case.name}: {outcome.detail}")
    if failures:
        return Outcome(result, "; ".join(failures))
    return ACCEPTED if result is Result.ACCEPTED else Outcome(Result.WORKS, f"{len(_CASES) + 1} matches")


def metadata_match(bench: Bench) -> Script[Outcome]:
    """Metadata is 0 in table 0."""
    label = bench.label()
    return (yield from _compare(bench, _METADATA, datagram(label), label))


def vlan_match(bench: Bench) -> Script[Outcome]:
    """Tagged and untagged frames are told apart, and VLANs from each other."""
    label = bench.label()
    case = _Case("vlan_vid", {"vlan_vid": _VLAN | wire.OFPVID_PRESENT}, {"vlan_vid": wire.OFPVID_NONE})
    outcome = yield from _compare(bench, case, tagged(datagram(label), _VLAN), label)
    if outcome.result is not Result.WORKS:
        return outcome
    label = bench.label()
    untagged = _Case("vlan_vid", {"vlan_vid": wire.OFPVID_NONE}, {"vlan_vid": _VLAN | wire.OFPVID_PRESENT})
    outcome = yield from _compare(bench, untagged, datagram(label), label)
    return outcome


def _compare(bench: Bench, case: _Case, frame: bytes, label: bytes) -> Script[Outcome]:
    """A rule that does not match the frame has the higher priority than one that does."""
    hit = rule(bench.cookie(), case.hit, priority=PRIORITY - 1)
    miss = rule(bench.cookie(), case.miss, priority=PRIORITY)
    passage = yield from through(bench, [miss, hit], frame, label, {hit.cookie})
    if passage.failure is not None:
        return passage.failure
    if hit.cookie in passage.cookies:
        return WORKS
    return ignored("a rule matches that should not" if passage.arrivals else "no rule matches")


def session_table(bench: Bench) -> Script[Outcome]:
    """A rule of table 0 continues in table 1."""
    if bench.identity.tables <= Table.SESSIONS:
        return Outcome(Result.REJECTED, f"the switch reports {bench.identity.tables} table")
    first = rule(bench.cookie(), {}, goto_table(Table.SESSIONS))
    second = rule(bench.cookie(), {}, table=Table.SESSIONS)
    outcome = yield from _chain(bench, [second, first], {second.cookie})
    return outcome


def learning_tables(bench: Bench) -> Script[Outcome]:
    """A rule outputs and continues in another table: 0, 3, 4."""
    if bench.identity.tables <= Table.SOURCES:
        return Outcome(Result.REJECTED, f"the switch reports {bench.identity.tables} tables")
    first = rule(bench.cookie(), {}, goto_table(Table.DESTINATIONS))
    second = rule(bench.cookie(), {}, TO_CONTROLLER + goto_table(Table.SOURCES), table=Table.DESTINATIONS)
    third = rule(bench.cookie(), {}, table=Table.SOURCES)
    outcome = yield from _chain(bench, [third, second, first], {second.cookie, third.cookie})
    return outcome


def _chain(bench: Bench, rules: Sequence[FlowMod], expected: set[int]) -> Script[Outcome]:
    label = bench.label()
    passage = yield from through(bench, rules, datagram(label), label, expected)
    if passage.failure is not None:
        return passage.failure
    return WORKS if expected <= passage.cookies else ignored("a packet does not go on in the next table")


def flow_statistics(bench: Bench) -> Script[Outcome]:
    """Rules are reported by cookie, with their matches and actions, as sessions are recovered."""
    rules = [numbered_rule(bench, number) for number in range(3)]
    failure = yield from install(rules)
    if failure is not None:
        return failure
    marked = yield from rules_with(0, TEST_MARK, TEST_MARK_MASK)
    one = yield from rules_with(0, rules[1].cookie, EXACT_COOKIE)
    yield from remove(rules)
    if {each.cookie for each in rules} - {each.cookie for each in marked}:
        return ignored(f"{len(marked)} of {len(rules)} rules are reported")
    if rules[1].cookie not in {each.cookie for each in one}:
        return ignored("a rule is not reported by its cookie")
    reported = next(each for each in one if each.cookie == rules[1].cookie)
    wanted = bytes.fromhex(source_of(1).replace(":", ""))
    if reported.field("eth_src") != wanted or reported.actions()[:8] != _TO_CONTROLLER:
        return ignored("a rule is reported with another match, or other actions")
    if len(one) > 1:
        return Outcome(Result.WORKS, "all rules of a table each time: the cookie of the request is ignored")
    return WORKS


def cookie_deletion(bench: Bench) -> Script[Outcome]:
    """One of two rules is deleted by its cookie. The match of the deletion covers both, without a mask."""
    kept = rule(bench.cookie(), {"eth_type": wire.ETHERTYPE_IPV4})
    deleted = rule(bench.cookie(), {"eth_type": wire.ETHERTYPE_ARP})
    failure = yield from install([kept, deleted])
    if failure is not None:
        return failure
    covering = match({"eth_src": TEST_SOURCE})
    order = FlowMod(wire.OFPFC_DELETE, 0, deleted.cookie, EXACT_COOKIE, match=covering)
    answer = yield Exchange(lambda xid: [order.pack(xid)])
    label = bench.label()
    left = yield from present(bench, [kept, deleted], [datagram(label), arp_request(label)], label)
    yield from remove([kept, deleted])
    if answer.error is not None:
        return Outcome(Result.REJECTED, str(answer.error))
    if deleted.cookie in left:
        return ignored("the rule is still there")
    return WORKS if kept.cookie in left else ignored("rules with other cookies are deleted as well")


def flow_removed(bench: Bench) -> Script[Outcome]:
    """The switch reports that a rule was deleted."""
    entry = rule(bench.cookie(), {}, flags=wire.OFPFF_SEND_FLOW_REM)
    failure = yield from install([entry])
    if failure is not None:
        return failure
    answer = yield Exchange(
        lambda xid: [FlowMod(wire.OFPFC_DELETE_STRICT, 0, 0, 0, PRIORITY, match=entry.match).pack(xid)],
        lambda each: _reports(each, entry.cookie),
        wait=_REPORT_TIMEOUT,
    )
    return WORKS if answer.found else ignored("the end of a rule is not reported")


def idle_timeout(bench: Bench) -> Script[Outcome]:
    """A rule that no packet uses leaves the table."""
    entry = numbered_rule(bench, 0, IDLE_TIMEOUT, wire.OFPFF_SEND_FLOW_REM)
    answer = yield Exchange(
        lambda xid: [entry.pack(xid)],
        lambda each: _reports(each, entry.cookie),
        wait=MAX_IDLE,
        limit=MAX_IDLE + BARRIER_TIMEOUT,
    )
    if answer.error is not None:
        return Outcome(Result.REJECTED, str(answer.error))
    yield from settle(bench)
    left = yield from present_by_source(bench, [entry])
    yield from remove([entry])
    if entry.cookie in left:
        return ignored(f"a rule with {IDLE_TIMEOUT} s is there after {answer.elapsed or MAX_IDLE:.1f} s")
    if answer.found:
        return Outcome(Result.WORKS, f"{IDLE_TIMEOUT} s took {answer.elapsed:.1f} s")
    return Outcome(Result.WORKS, f"within {MAX_IDLE:g} s, not reported")


def _reports(message: Message, cookie: int) -> bool:
    return message.kind == wire.OFPT_FLOW_REMOVED and wire.read_flow_removed(message.data)[0] == cookie


def present_by_source(bench: Bench, rules: Sequence[FlowMod]) -> Script[set[int]]:
    """The cookies of the rules that are in the tables; ``rules`` are the first ones of :func:`numbered_rule`."""
    label = bench.label()
    frames = [datagram(label, changed={"eth_src": source_of(number)}) for number in range(len(rules))]
    found = yield from present(bench, rules, frames, label)
    return found


def source_of(number: int) -> str:
    """The Ethernet source that :func:`numbered_rule` matches."""
    return (TEST_PREFIX + (0x100 + number).to_bytes(3, "big")).hex(":")


def numbered_rule(bench: Bench, number: int, idle_timeout: int = 0, flags: int = 0) -> FlowMod:
    """A rule with an Ethernet source of its own, which sends to CONTROLLER."""
    fields: Mapping[str, Value] = {"eth_src": source_of(number)}
    return rule(bench.cookie(), fields, idle_timeout=idle_timeout, flags=flags)
