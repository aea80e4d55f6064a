"""Extraneous rules: they bear our mark, and are none of those that we have sent. Pure.

``ovs-ofctl add-flow`` with a cookie of ours adds one, by mistake or by a script that copies rules: with another
priority, another match or in another table it stands beside our rules, and may win over them. So the audit removes what
it finds, each rule as the switch has reported it.

A rule is extraneous in three cases. No rule of ours has its cookie. No rule of ours with its cookie has its table and
priority. Or all of ours with its cookie, table and priority are there, and it has another match: this is never so at a
switch that reports matches in another form than they were sent in.

A rule that was read a moment ago may just have been sent or deleted. So it is removed when a second look finds it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Callable, Optional

from ryu_haslb.openflow.audit.sent_rules import Kind, kind_of
from ryu_haslb.openflow.flow_tables.pipeline import (
    LEARNED_PURPOSES,
    MEMORY_PURPOSES,
    PIPELINE,
    PURPOSE_MASK,
    REPLY_PURPOSES,
    STORM_PURPOSES,
    TEMPORARY_PURPOSES,
    Purpose,
)
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.neighbours.arp_storm_limit import MUTE_INTERVAL
from ryu_haslb.openflow.probes.questions import RULE_TIMEOUT
from ryu_haslb.openflow.roles import lease
from ryu_haslb.openflow.wire.multipart import FlowStats, options_of
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

#: Rules that one look removes, or remembers until the second one.
MAX_RULES = 1000
#: Rules that are remembered at most, over all looks of a comparison.
MAX_SUSPECTED = 10_000
#: The purposes of rules whose cookies have data.
_WITH_DATA = LEARNED_PURPOSES | MEMORY_PURPOSES
#: Seconds for which a temporary rule stays at most.
_MAX_TIME = {purpose: MUTE_INTERVAL if purpose in STORM_PURPOSES else RULE_TIMEOUT for purpose in TEMPORARY_PURPOSES}

_Key = tuple[Kind, bytes]


class Extraneous:
    """The extraneous rules of one switch; ``remove`` deletes them."""

    def __init__(self, remove: Callable[[list[FlowStats]], None]) -> None:
        self._removed = 0
        self._remove = remove
        self._suspected: set[_Key] = set()

    def begin(self) -> None:
        """Begin a comparison: nothing is suspected yet."""
        self._suspected.clear()

    def look(self, rows: Iterable[FlowStats], is_all: bool = False) -> bool:
        """Remove extraneous rules that an earlier look has found as well. Returns whether a second look is due.

        ``is_all``: they are all extraneous rules of their tables, and suspicions of others end.
        """
        rows = list(islice(rows, MAX_RULES))
        keys = {_key(row) for row in rows}
        found = [row for row in rows if _key(row) in self._suspected]
        new = keys - self._suspected if is_all or len(self._suspected) < MAX_SUSPECTED else set()
        self._suspected = new if is_all else self._suspected | new
        self._suspected -= {_key(row) for row in found}
        if found:
            self._removed += len(found)
            self._remove(found)
        return bool(new)

    def take_removed(self) -> int:
        """The number of rules that were removed since this was last called."""
        removed, self._removed = self._removed, 0
        return removed


def extraneous(rows: list[FlowStats], sent: Iterable[SentRule], are_settled: bool) -> list[FlowStats]:
    """The extraneous ones among rows that bear our mark, read with their options.

    ``sent`` are the rules that should be there. Unless ``are_settled``, those for replies and of clients may be others.
    """
    wanted: dict[Kind, set[frozenset[bytes]]] = {}
    for rule in sent:
        wanted.setdefault(kind_of(rule), set()).add(canonical_match(rule.match))
    reported: dict[Kind, set[frozenset[bytes]]] = {}
    for row in rows:
        reported.setdefault(kind_of(row), set()).add(canonical_match(row.match))
    incomplete = {kind for kind, matches in wanted.items() if not matches <= reported.get(kind, set())}
    has_lease = any(lease.is_lease(row) for row in rows)

    def is_extraneous(row: FlowStats) -> bool:
        if lease.has_cookie(row.cookie):
            return has_lease and not lease.is_lease(row)
        purpose = purpose_of(row.cookie)
        if purpose is None or not has_place_of(row, purpose):
            return True
        if purpose in TEMPORARY_PURPOSES:
            return not 0 < options_of(row).hard_timeout <= _MAX_TIME[purpose]
        kind = kind_of(row)
        is_of_client = row.priority != PIPELINE[purpose].priority
        may_be_on_its_way = not are_settled and (is_of_client or purpose in REPLY_PURPOSES)
        # PASS_OTHER: the switch may have taken it in another run, and forwards by it.
        if purpose in LEARNED_PURPOSES or may_be_on_its_way or (purpose is Purpose.PASS_OTHER and kind not in wanted):
            return False
        return kind not in incomplete and canonical_match(row.match) not in wanted.get(kind, ())

    return [row for row in rows if is_extraneous(row)]


def purpose_of(cookie: int) -> Optional[Purpose]:
    """The purpose of a rule with this cookie; None if we send no such cookie."""
    number = (cookie & PURPOSE_MASK) >> COOKIE_MARK_BITS
    if number not in Purpose._value2member_map_:
        return None
    purpose = Purpose(number)
    return purpose if cookie == purpose.cookie or purpose in _WITH_DATA else None


def has_place_of(row: FlowStats, purpose: Purpose) -> bool:
    """Whether rules of this purpose have this table and priority; those of a client precede the others by one."""
    entry = PIPELINE[purpose]
    return row.table == entry.table and 0 <= row.priority - entry.priority <= entry.metered


def _key(row: FlowStats) -> _Key:
    return kind_of(row), row.match
