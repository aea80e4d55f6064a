"""Orphaned rules: session rules that no session has at this switch. Decides which of them are removed.

A rule that was read a moment ago may be gone by now, or its session may just have begun or ended. Therefore an orphaned
rule is removed only if a second look finds it as well. One that comes back after its removal is another balancer's:
from then on all orphaned rules are left in place.
"""

from __future__ import annotations

import logging
from typing import Protocol

from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

LOG = logging.getLogger(__name__)

#: Tags of suspected rules that are remembered until the second look, and tags of removed ones.
_MAX_SUSPECTED = 100_000
_MAX_REMEMBERED = 10_000


class Recovers(Protocol):
    """Decides about rules of sessions of the previous run."""

    def has_recovered(self, tag: int) -> bool:
        """Whether recovery has dealt with the rule of this tag; for tag 0, with all rules that it reads."""

    def adopt(self, row: FlowStats, now: float) -> bool:
        """Recover the session of a rule that recovery has not read. False if there is none to recover."""

    def end_adoption(self) -> None:
        """All rules have been read by now."""


class OrphanedRules:
    """The orphaned rules of one switch. ``removed`` counts those that the comparison under way has removed."""

    def __init__(self, datapath_id: int, rules: SessionRules, balancer: Balancer, recovery: Recovers) -> None:
        self.removed = 0
        self._datapath_id = datapath_id
        self._rules = rules
        self._balancer = balancer
        self._recovery = recovery
        self._suspected: set[int] = set()
        self._remembered: set[int] = set()
        self._is_contested = False

    def begin(self) -> None:
        """A comparison begins: nothing is suspected yet."""
        self.removed = 0
        self._suspected.clear()

    def look(self, rows: list[FlowStats], now: float) -> bool:
        """The switch has these rules, and no session has them here. Returns whether a second look at them is due.

        Rules that are about to change are left out. If recovery has not read a rule, its session is recovered instead.
        """
        outstanding = set(self._rules.outstanding_tags())
        was_suspected = False
        for row in rows:
            tag = row.cookie >> COOKIE_MARK_BITS
            session = self._balancer.sessions.by_tag(tag)
            is_ours = session is not None and session.rule_at == self._datapath_id
            if is_ours or tag in outstanding or self._rules.is_changing(tag) or not self._recovery.has_recovered(tag):
                continue
            if session is None and self._recovery.adopt(row, now):
                continue
            if tag in self._suspected:
                self._remove(row, tag)
            elif len(self._suspected) < _MAX_SUSPECTED:
                self._suspected.add(tag)
                was_suspected = True
        return was_suspected

    def end(self) -> None:
        """The comparison has ended."""
        if self.removed:
            LOG.info("Switch %016x: removed %d session rules without a session", self._datapath_id, self.removed)
        self._suspected.clear()

    def _remove(self, row: FlowStats, tag: int) -> None:
        address, port = row.field("ipv4_dst"), row.field("udp_dst")
        if address is None or port is None:
            return
        if tag in self._remembered and not self._is_contested:
            self._is_contested = True
            LOG.warning(
                "Switch %016x: session rules without a session come back after they were removed; they are left "
                "in place. Another balancer serves the switch: see that only one does",
                self._datapath_id,
            )
        if self._is_contested:
            return
        if len(self._remembered) < _MAX_REMEMBERED:
            self._remembered.add(tag)
        self.removed += 1
        self._rules.remove_rule(tag, address, int.from_bytes(port, "big"))
