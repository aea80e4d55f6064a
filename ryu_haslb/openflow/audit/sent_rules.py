"""Rules as they were sent: which of them a report of the switch lacks, or shows with another effect.

Some switches report instructions in another form than they were sent in. So the effect of a rule counts only once the
switch has reported a rule of its kind (table, priority, cookie) as it was sent; until then only the number of rules
does. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Optional, Protocol

from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import effect_of

#: Table, priority and cookie.
Kind = tuple[int, int, int]
_Effects = Counter[tuple[Kind, Optional[frozenset[bytes]]]]


class Sender(Protocol):
    """Has rules on the switch that come and go. ``version`` changes whenever some are sent, confirmed or deleted."""

    version: int

    @property
    def is_settled(self) -> bool:
        """Whether the switch has confirmed all that was sent, so that it has ``sent`` and no others."""

    @property
    def sent(self) -> list[SentRule]:
        """The rules that the switch has confirmed."""

    def on_lost(self) -> None:
        """Others have deleted or changed some of them: send them again."""


class SentRules:
    """What is known of one connection: the kinds of rules that were reported as they were sent."""

    def __init__(self) -> None:
        self._verified: set[Kind] = set()

    def lost(self, sent: Iterable[SentRule], rows: Iterable[FlowStats]) -> int:
        """How many of these rules are not among the rows, or have another effect there."""
        wanted: _Effects = Counter((kind_of(rule), effect_of(rule.instructions)) for rule in sent)
        kinds = {kind for kind, _ in wanted}
        found: _Effects = Counter((kind_of(row), effect_of(row.instructions)) for row in rows if kind_of(row) in kinds)
        self._verified.update(kind for kind, _ in wanted.keys() & found.keys())
        return sum((self._comparable(wanted) - self._comparable(found)).values())

    def is_changed(self, row: FlowStats, sent: SentRule) -> bool:
        """Whether a row has another effect than the rule was sent with."""
        kind = row.table, row.priority, sent.cookie
        if effect_of(row.instructions) == effect_of(sent.instructions):
            self._verified.add(kind)
            return False
        return kind in self._verified

    def _comparable(self, effects: _Effects) -> _Effects:
        """These effects. Where the switch may report a rule in another form, only the number of rules counts."""
        found: _Effects = Counter()
        for (kind, effect), count in effects.items():
            found[kind, effect if kind in self._verified else None] += count
        return found


def kind_of(rule: SentRule | FlowStats) -> Kind:
    """The kind of a rule: those of one kind differ in their matches."""
    return rule.table, rule.priority, rule.cookie
