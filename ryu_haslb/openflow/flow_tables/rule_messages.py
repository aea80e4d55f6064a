"""Standing rules, and those of the learning table, as OpenFlow messages. :mod:`.session_rule` has those of sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Optional

from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import (
    LEARNED_PURPOSES,
    MEMORY_PURPOSES,
    PIPELINE,
    PURPOSE_MASK,
    REPLY_PURPOSES,
    STAYING_PURPOSES,
    TEMPORARY_PURPOSES,
    Purpose,
    Rule,
    Table,
)
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, goto_table, match, match_fields, match_of, meter
from ryu_haslb.openflow.wire.multipart import FlowStats

_EXACT_COOKIE: Final = 0xFFFFFFFFFFFFFFFF
#: The purposes of rules whose end the switch need not report.
_UNREPORTED: Final = REPLY_PURPOSES | TEMPORARY_PURPOSES | {Purpose.LEARN_NOTHING}

_DEFAULT: Final = Layout()


def replacement(rules: Iterable[Rule], metered: bool, xid: int, layout: Layout = _DEFAULT) -> list[bytes]:
    """Messages that put these rules in the place of those of a previous run, all but the rule PASS_OTHER."""
    return standing_removal(xid, layout) + restoration(rules, metered, xid, layout)


def additions(rules: Iterable[Rule], xid: int) -> list[bytes]:
    """Messages that add these rules, those of a client with a meter of its own, to those that are there."""
    return [_add(rule, True, _DEFAULT, xid) for rule in rules]


def changes(
    added: Iterable[Rule], removed: Iterable[Rule], metered: bool, xid: int, layout: Layout = _DEFAULT
) -> list[bytes]:
    """Messages that remove rules, and add others. The switch need not report that they are gone."""
    return [deletion(rule, xid) for rule in removed] + [_add(rule, metered, layout, xid) for rule in added]


def difference(
    before: Iterable[Rule], rules: Iterable[Rule], metered: bool, xid: int, layout: Layout = _DEFAULT
) -> list[bytes]:
    """Messages that put these rules in the place of those ``before``, all but the rule PASS_OTHER: what they share
    stays."""
    return changes(_without(rules, before), _without(before, rules), metered, xid, layout)


def reversal(
    rejected: Iterable[Rule], rules: Iterable[Rule], metered: bool, xid: int, layout: Layout = _DEFAULT
) -> list[bytes]:
    """Messages that put these rules in the place of those that were ``rejected``, or of some of them."""
    rules = list(rules)
    return changes((), _without(rejected, rules), metered, xid, layout) + restoration(rules, metered, xid, layout)


def no_messages(rules: Iterable[Rule], metered: bool, xid: int, layout: Layout) -> list[bytes]:
    """No messages: the rules are there."""
    return []


def temporary(rules: Iterable[Rule], seconds: int, layout: Layout, xid: int, *, metered: bool = False) -> list[bytes]:
    """Messages that add these rules for some seconds; if they are there, their time begins anew.

    Some switches (Lagopus) keep the age of a rule that is added again: it is deleted before.
    """
    return [
        message
        for rule in layout.fit(rules)
        for message in (deletion(rule, xid), _add(rule, metered, layout, xid, hard_timeout=seconds))
    ]


def restoration(rules: Iterable[Rule], metered: bool, xid: int, layout: Layout = _DEFAULT) -> list[bytes]:
    """Messages that add the missing ones of these rules, except PASS_OTHER. Rules that are there stay."""
    return [_add(rule, metered, layout, xid) for rule in rules if rule.purpose is not Purpose.PASS_OTHER]


def table_miss(rules: Iterable[Rule], xid: int, layout: Layout = _DEFAULT) -> list[bytes]:
    """The message that adds PASS_OTHER. A switch that has a table-miss rule rejects it: OFPFF_CHECK_OVERLAP."""
    flags = wire.OFPFF_CHECK_OVERLAP
    return [_add(rule, False, layout, xid, flags=flags) for rule in rules if rule.purpose is Purpose.PASS_OTHER]


def table_miss_update(rules: Iterable[Rule], xid: int, layout: Layout = _DEFAULT) -> list[bytes]:
    """The message that gives PASS_OTHER the actions of this layout, if it is there.

    Some switches (CPqD, Lagopus) take the rule itself for one that overlaps with it, and reject :func:`table_miss`.
    """
    return [
        FlowMod(
            *(wire.OFPFC_MODIFY_STRICT, rule.table, rule.cookie, _EXACT_COOKIE, rule.priority),
            match=match(rule.match),
            instructions=layout.instructions(rule.action),
        ).pack(xid)
        for rule in rules
        if rule.purpose is Purpose.PASS_OTHER
    ]


def standing_removal(xid: int, layout: Layout = _DEFAULT) -> list[bytes]:
    """Messages that delete our standing rules, all but those that the switch needs to forward at all.

    Each names its table: some switches (older ones of CPqD's) reject a deletion from all tables.
    """
    has_table = layout.support.has_table
    purposes = [each for each in Purpose if each not in STAYING_PURPOSES and has_table(PIPELINE[each].table)]
    with_data = MEMORY_PURPOSES | LEARNED_PURPOSES
    return [
        (
            _with_data(purpose)
            if purpose in with_data
            else FlowMod(wire.OFPFC_DELETE, PIPELINE[purpose].table, purpose.cookie, _EXACT_COOKIE)
        ).pack(xid)
        for purpose in purposes
    ]


def learned_removal(xid: int, number: int, slices: int, port: Optional[int] = None) -> list[bytes]:
    """Messages that delete what leads to learned addresses, and known sources: one of so many slices, by the low bits
    of the numbers in their cookies. ``slices`` is a power of two. With ``port``, only what was learned there.
    """
    to, at = (
        _with_data(Purpose.FORWARD_LEARNED, number, slices - 1),
        _with_data(Purpose.KNOWN_SOURCE, number, slices - 1),
    )
    if port is not None:
        to, at = to._replace(out_port=port), at._replace(match=match({"in_port": port}))
    return [to.pack(xid), at.pack(xid)]


def _with_data(purpose: Purpose, data: int = 0, mask: int = 0) -> FlowMod:
    """The message that deletes the rules of a purpose whose cookies have data, those with this under the mask.

    Without a whole cookie the switch visits each rule of a table: only the table in question is named.
    """
    cookie, cookie_mask = data << 32 | purpose.cookie, mask << 32 | PURPOSE_MASK
    return FlowMod(wire.OFPFC_DELETE, PIPELINE[purpose].table, cookie, cookie_mask)


def learned_instructions(purpose: Purpose, port: int) -> bytes:
    """What a rule of the learning table does with packets to an address at this port, or with those that it sends."""
    if purpose is Purpose.FORWARD_LEARNED:
        return apply_actions(wire.output(port)) + goto_table(Table.SOURCES)
    return apply_actions(b"")


def learned_addition(rule: Rule, port: int, idle_timeout: int, xid: int) -> bytes:
    """The message that adds a rule of the learning table. The switch reports when its time is over."""
    return FlowMod(
        *(wire.OFPFC_ADD, rule.table, rule.cookie, 0, rule.priority, idle_timeout),
        flags=wire.OFPFF_SEND_FLOW_REM if idle_timeout else 0,
        match=match(rule.match),
        instructions=learned_instructions(rule.purpose, port),
    ).pack(xid)


class SentRule(NamedTuple):
    """A rule as it is sent, for the audit. A rule with another ``match`` is another one.

    The match has its packed fields, without the header.
    """

    table: int
    priority: int
    cookie: int
    instructions: bytes
    match: bytes = b""


def as_sent(rule: Rule, metered: bool, layout: Layout = _DEFAULT) -> SentRule:
    """A rule as the messages above send it."""
    instructions = _instructions(rule, metered, layout)
    return SentRule(rule.table.value, rule.priority, rule.cookie, instructions, match_fields(rule.match))


def reported_removal(rows: Iterable[FlowStats], xid: int) -> list[bytes]:
    """Messages that delete these rules, and no others: each as the switch has reported it."""
    return [
        FlowMod(
            *(wire.OFPFC_DELETE_STRICT, row.table, row.cookie, _EXACT_COOKIE, row.priority), match=match_of(row.match)
        ).pack(xid)
        for row in rows
    ]


def _identity(rule: Rule) -> tuple[int, int, tuple[tuple[str, wire.Value], ...]]:
    """The cookie, priority and match by which standing rules differ."""
    return rule.cookie, rule.priority, tuple(rule.match.items())


def _without(rules: Iterable[Rule], others: Iterable[Rule]) -> list[Rule]:
    """The rules that are not among the others, except PASS_OTHER."""
    present = {_identity(rule) for rule in others}
    return [rule for rule in rules if rule.purpose is not Purpose.PASS_OTHER and _identity(rule) not in present]


def _instructions(rule: Rule, metered: bool, layout: Layout) -> bytes:
    instructions = layout.instructions(rule.action)
    return instructions if rule.meter is None or not metered else meter(rule.meter) + instructions


def deletion(rule: Rule, xid: int) -> bytes:
    """The message that deletes one rule of ours, and no other."""
    return FlowMod(
        wire.OFPFC_DELETE_STRICT, rule.table, rule.cookie, _EXACT_COOKIE, rule.priority, match=match(rule.match)
    ).pack(xid)


def _add(  # noqa: PLR0913 - what differs between additions
    rule: Rule, metered: bool, layout: Layout, xid: int, *, flags: int = 0, hard_timeout: int = 0
) -> bytes:
    return FlowMod(
        command=wire.OFPFC_ADD,
        table=rule.table,
        cookie=rule.cookie,
        priority=rule.priority,
        flags=_flags(rule, flags) if layout.support.has_flags else 0,
        match=match(rule.match),
        instructions=_instructions(rule, metered, layout),
        hard_timeout=hard_timeout,
    ).pack(xid)


def _flags(rule: Rule, further: int) -> int:
    return further if rule.purpose in _UNREPORTED else further | wire.OFPFF_SEND_FLOW_REM
