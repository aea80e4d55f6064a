"""How fast a switch is, and how many rules it takes. Pure: the times come with the answers.

Each rate is measured in groups of 10, 20, 40 … messages with a barrier behind, until a group takes long enough for the
time to mean something. No group is much larger than the one before: many switches take some 1,000 rules at once and
further ones at a hundredth of that pace, or become slower with each rule. Rules have the shape of session rules, in
their table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from statistics import median
from typing import Callable, NamedTuple, Optional

from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions, session_match, session_rewrites
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, bundle
from ryu_haslb.switch_test.bench import (
    DESTINATION_ADDRESS,
    TEST_DESTINATION,
    TEST_PREFIX,
    TEST_SOURCE,
    Bench,
    datagram,
    rule,
)
from ryu_haslb.switch_test.cleanup import removal_timeout, remove_all, rules_of_the_test
from ryu_haslb.switch_test.exchange import Exchange, Script
from ryu_haslb.switch_test.trial import install, remove

#: Barriers whose time is taken.
BARRIERS = 20
#: Messages in the groups, and seconds after which a group is long enough.
GROUPS = tuple(10 << number for number in range(11))
MIN_MEASURED = 0.5
#: Seconds that a group may take. The one before it, of half its size, has taken less than half a second.
GROUP_TIMEOUT = 60.0
#: Rules in one bundle. The balancer's bundles have up to ten times as many in a storm, and mostly fewer.
BUNDLE_SIZE = 100
#: Rules that are added before each barrier when the table is filled.
FILL_GROUP = 250
#: The token of the number of rules that a table takes.
CAPACITY = "table_capacity"
#: Seconds in which the last packet-ins arrive.
_PACKET_IN_TIMEOUT = 2.0


class Measurement(NamedTuple):
    """``token`` names it in JSON, ``name`` in the table; ``note`` is what else was seen.

    ``is_full`` says that a table has no room for more.
    """

    token: str
    name: str
    value: Optional[float]
    unit: str
    note: str = ""
    is_full: bool = False


def barriers(bench: Bench) -> Script[list[Measurement]]:
    """The round trip of barriers, and how long behind the reply rules act, which was measured before."""
    trips = []
    for _each in range(BARRIERS):
        answer = yield Exchange()
        trips.append(answer.barrier * 1000)
    note = f"median of {BARRIERS}; the longest took {max(trips):.1f} ms"
    lag = None if bench.lag is None else round(bench.lag * 1000, 1)
    behind = "not measured" if lag is None else "from the barrier reply until rules act, the longest"
    return [
        Measurement("barrier_ms", "barrier", round(median(trips), 3), "ms", note),
        Measurement("rule_lag_ms", "rule lag", lag, "ms", behind),
    ]


def packet_rates(bench: Bench) -> Script[list[Measurement]]:
    """Packet-outs through the tables to a rule that drops, and packet-ins that each a packet-out causes."""
    if not bench.can_enter_tables:
        missing = "not measured: no packet can be sent through the tables"
        return [
            Measurement("packet_outs", "packet-outs", None, "a second", missing),
            Measurement("packet_ins", "packet-ins", None, "a second", missing),
        ]
    drop = rule(bench.cookie(), {}, apply_actions(b""))
    outs = yield from _packets(bench, drop, 0)
    punt = rule(bench.cookie(), {})
    ins = yield from _packets(bench, punt, 1)
    return [
        Measurement("packet_outs", "packet-outs", outs[0], "a second", outs[1]),
        Measurement("packet_ins", "packet-ins", ins[0], "a second", ins[1]),
    ]


def _packets(bench: Bench, entry: FlowMod, packet_ins: int) -> Script[tuple[Optional[float], str]]:
    """Packets a second that pass a rule, each of which causes so many packet-ins."""
    failure = yield from install([entry])
    if failure is not None:
        return None, failure.detail
    rate: Optional[float] = None
    note = ""
    for size in GROUPS:
        label = bench.label()
        frame = datagram(label)
        exchange = Exchange(
            lambda xid, frame=frame, size=size: [bench.enter(frame, xid)] * size,  # type: ignore[misc]
            wait=_PACKET_IN_TIMEOUT,
            limit=GROUP_TIMEOUT,
        )
        if packet_ins:
            exchange = Exchange(
                exchange.build,
                lambda each, label=label: each.kind == wire.OFPT_PACKET_IN and label in each.data,  # type: ignore[misc]
                lambda found, size=size: len(found) >= size,  # type: ignore[misc]
                wait=_PACKET_IN_TIMEOUT,
                limit=GROUP_TIMEOUT,
            )
        answer = yield exchange
        if answer.error is not None:
            note = f"{size} at once: {answer.error}"
            break
        arrived = len(answer.found) if packet_ins else size
        elapsed = max(answer.elapsed, 1e-6)
        rate = round(arrived / elapsed, 1)
        note = f"{size - arrived} of {size} were lost" if arrived < size else ""
        if elapsed >= MIN_MEASURED or arrived < size:
            break
    yield from remove([entry])
    return rate, note


def rule_rates(bench: Bench, has_bundles: bool) -> Script[list[Measurement]]:
    """Session rules a second, one by one and in bundles."""
    single, note = yield from _rules(bench, lambda rules, xid: [each.pack(xid) for each in rules])
    found = [Measurement("flow_mods", "flow-mods", single, "a second", note)]
    if has_bundles:
        bundled, note = yield from _rules(bench, _in_bundles)
        text = f"{BUNDLE_SIZE} in each bundle" + (f"; {note}" if note else "")
        found.append(Measurement("bundled_flow_mods", "flow-mods in bundles", bundled, "a second", text))
    return found


def _in_bundles(rules: Sequence[FlowMod], xid: int) -> list[bytes]:
    groups = [rules[begin : begin + BUNDLE_SIZE] for begin in range(0, len(rules), BUNDLE_SIZE)]
    return [bundle(xid, number, [each.pack(xid) for each in group]) for number, group in enumerate(groups, 1)]


def _rules(bench: Bench, build: Callable[[Sequence[FlowMod], int], list[bytes]]) -> Script[tuple[Optional[float], str]]:
    rate: Optional[float] = None
    note = ""
    for size in GROUPS:
        rules = [session_rule(bench, number) for number in range(size)]
        answer = yield Exchange(lambda xid, rules=rules: build(rules, xid), limit=GROUP_TIMEOUT)  # type: ignore[misc]
        yield from remove_all(removal_timeout(size))
        if answer.error is not None:
            note = f"{size} at once: {answer.error}"
            break
        elapsed = max(answer.elapsed, 1e-6)
        rate = round(size / elapsed, 1)
        if elapsed >= MIN_MEASURED:
            break
    return rate, note


def capacity(bench: Bench, limit: int, progress: Callable[[str], None]) -> Script[list[Measurement]]:
    """Session rules until the switch rejects one, and ``limit`` at most."""
    accepted = 0
    note = ""
    is_full = False
    for begin in count(0, FILL_GROUP):
        size = min(FILL_GROUP, limit - begin)
        if size <= 0:
            note = "the limit of --fill; the table may take more"
            break
        progress(f"filling the table: {accepted:,} rules")
        rules = [session_rule(bench, number) for number in range(begin, begin + size)]
        answer = yield Exchange(
            lambda xid, rules=rules: [each.pack(xid) for each in rules],  # type: ignore[misc]
            limit=GROUP_TIMEOUT,
        )
        accepted += size - min(answer.errors, size)
        if answer.error is not None:
            note, is_full = f"then {answer.error}", answer.error.is_table_full
            break
    progress("counting the rules of the table")
    try:
        reported = yield from rules_of_the_test(removal_timeout(accepted))
        if len(reported) != accepted:
            note += f"; {accepted:,} were accepted, {len(reported):,} are reported"
    except wire.MalformedMessage as error:
        note += f"; not counted: {error}"
    progress("emptying the table")
    yield from remove_all(removal_timeout(accepted))
    return [Measurement(CAPACITY, "session rules", float(accepted), "at most", note, is_full)]


def session_rule(bench: Bench, number: int) -> FlowMod:
    """A rule as that of a session, with an Ethernet source of the test."""
    tag = (TEST_PREFIX + (0x100000 + number).to_bytes(3, "big")).hex(":")
    ports = [port for port in sorted(bench.identity.ports) if port < wire.OFPP_MAX]
    actions = delivery_actions(
        session_rewrites(TEST_SOURCE, TEST_DESTINATION), ports[0] if ports else wire.OFPP_CONTROLLER, None
    )
    table = Table.SESSIONS if bench.identity.tables > Table.SESSIONS else Table.CLASSIFIER
    return rule(
        bench.cookie(),
        session_match(tag, DESTINATION_ADDRESS),
        apply_actions(actions),
        table=table,
        priority=SESSION_PRIORITY,
    )
