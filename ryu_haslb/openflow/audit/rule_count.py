"""Counts the session rules of one switch, and decides by that when they are compared. Pure.

::

    every 3 s   count the sessions that have a rule here, some with each tick; the caller asks the switch for the number
                of rules with our mark (aggregate statistics), or, if they are many, of all in the table (table
                statistics)
                -> the numbers agree                       -> nothing
                -> they do not                             -> compare
                -> rules are changing, so they cannot show -> compare, unless that took long the last time
    every 6 s   compare, even if the numbers agree: others may have changed the actions of rules. Less often where
                reading the rules takes the switch more than 20 ms, as the quickest of the last readings shows: a busy
                machine makes single ones longer. Before the first comparison 10 microseconds a rule are assumed, if the
                rules are those that were sent over this connection

Others may put rules of their own in the place of ours. That changes the number of those with our mark, but not the
number of all. To count those with our mark Open vSwitch visits each rule of the table; it knows the number of all.

A comparison that finds nothing explains a difference: others have rules in the table, and are counted from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Optional

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.wire.multipart import rule_count, rule_count_request, table_stats, table_stats_request
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

#: Seconds between two counts, for so many sessions: counting more takes longer, so it is done less often.
COUNT_INTERVAL = 3.0
_COUNTED_PER_SECOND = 100_000
#: Seconds between two comparisons without a difference, and the same as a multiple of the time in which the switch read
#: its rules for the last one: 0.3 % of its time.
COMPARE_INTERVAL = 6.0
_COMPARE_PAUSE = 300.0
#: Seconds that a switch is assumed to need for reading one rule, until a comparison has shown it.
_ASSUMED_READING = 1e-5
#: The pause after a slice of a comparison (:mod:`.session_audit`), as a multiple of what the slice took.
SLICE_PAUSE = 4.0
#: Comparisons that found nothing, of which the quickest reading counts.
_READINGS = 4
#: Seconds from a comparison that was a false alarm (a difference has caused it, and it has corrected nothing) to the
#: next one, as a multiple of what it took; and seconds between two comparisons while rules are changing all the time,
#: so that their number shows no difference.
_REPEAT_PAUSE = 10.0
_UNCERTAIN_PAUSE = 20.0
#: Sessions that one tick counts.
SESSIONS_PER_TICK = 2_000
#: Session rules up to which those with our mark are counted, and not all in the table: Open vSwitch takes 0.2 ms for
#: 5,000, and 22 ms for 100,000.
MAX_SELECTED = 5_000
#: Rules in the session table that no session has: PUNT_SESSION_MISS.
_STANDING_RULES = 1


class RuleCount:
    """The counts of one switch. ``reported`` is the number of rules that the switch has reported last."""

    def __init__(self, datapath_id: int, rules: SessionRules, sessions: SessionTable) -> None:
        self.reported = 0
        self._datapath_id = datapath_id
        self._rules = rules
        self._sessions = sessions
        self._count_at = self._compare_at = self._not_before = 0.0
        self._is_possible = self._can_select = self._selects = True
        self._to_count: Optional[Iterator[list[Session]]] = None
        self._counted = self._uncertain = 0
        self._offset = _STANDING_RULES
        self._difference: Optional[int] = None
        self._is_unexplained = self._has_corrected = False
        self._compared_at = self._took = 0.0
        self._has_compared, self._changes_before = False, rules.changes
        self._readings: deque[float] = deque(maxlen=_READINGS)

    def begin(self, now: float) -> None:
        """The standing rules are in place: count soon."""
        self._count_at = now + COUNT_INTERVAL
        self._compare_at = now + COMPARE_INTERVAL
        if not self._has_compared:
            self._compared_at = now

    def is_due(self, now: float) -> bool:
        """Whether it is time to count."""
        return self._is_possible and now >= self._count_at

    def is_comparison_due(self, now: float) -> bool:
        """Whether it is time to compare."""
        return now >= self._compare_at

    def count(self) -> bool:
        """Count some sessions that have a rule here. True when all are counted: the number of rules is needed next."""
        if self._to_count is None:
            self._to_count = self._sessions.slices(SESSIONS_PER_TICK)
            self._counted = 0
            self._uncertain = self._rules.uncertain - self._rules.changes
        sessions = next(self._to_count, [])
        self._counted += sum(session.rule_at == self._datapath_id for session in sessions)
        if len(sessions) == SESSIONS_PER_TICK:
            return False
        self._to_count = None
        self._rules.counted = self._counted
        return True

    def request(self, xid: int) -> bytes:
        """Ask for the number of rules in the session table: of those with our mark, unless they are many."""
        selects = self._can_select and self._counted <= MAX_SELECTED
        if selects != self._selects:
            self._selects, self._offset = selects, _STANDING_RULES
        if selects:
            return rule_count_request(xid, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)
        return table_stats_request(xid)

    def rules_in(self, message: bytes) -> Optional[int]:
        """The number of rules in a part of the reply; None if it is in another part.

        Raises:
            MalformedMessage: the message is cut short, or is another reply.
        """
        return rule_count(message) if self._selects else table_stats(message).get(Table.SESSIONS)

    def on_rules(self, count: int, now: float) -> bool:
        """The number of rules in the session table. Whether it agrees with that of the sessions.

        Rules that were changed meanwhile may be among them or not.
        """
        self.reported = count
        self._count_at = now + max(COUNT_INTERVAL, self._counted / _COUNTED_PER_SECOND)
        uncertain = self._uncertain + self._rules.changes + self._rules.waiting_rules.uncertain
        difference = count - self._counted
        agrees = abs(difference - self._offset) <= uncertain
        if agrees:
            self._difference = None
            if not self._has_compared and count - self._offset <= self._rules.changes - self._changes_before:
                self._put_off_first_comparison(count)
            if uncertain:
                self._compare_at = min(self._compare_at, self._compared_at + _UNCERTAIN_PAUSE * self._took)
        elif self._is_unexplained and difference == self._difference and not uncertain:
            self._offset = difference  # others have rules in this table
        else:
            self._difference = difference
            self._compare_at = max(now, self._not_before)
        self._is_unexplained = False
        return agrees

    def _put_off_first_comparison(self, count: int) -> None:
        """The switch has only rules that it was sent over this connection: those of a storm, if they are many."""
        reading = _ASSUMED_READING * count
        self._took = (1 + SLICE_PAUSE) * reading
        self._compare_at = self._compared_at + max(COMPARE_INTERVAL, _COMPARE_PAUSE * reading)

    def on_no_count(self, now: float) -> None:
        """The switch has sent no number of rules: from now on, ask for that of all rules in the table."""
        self._can_select = False
        self._count_at = now + COUNT_INTERVAL

    def on_rejected(self) -> None:
        """The switch rejects the request: do not ask it for this number again."""
        self._is_possible = self._selects

    def on_comparison(self) -> None:
        """A comparison begins: a count that is under way has no result."""
        self._to_count, self._has_corrected = None, False

    def on_corrected(self) -> None:
        """The comparison has found rules deleted or changed, or removed some without a session. Others may follow."""
        self._has_corrected = True

    def on_compared(self, began_at: float, now: float, reading: float, is_clean: bool, is_due_again: bool) -> None:
        """A comparison has ended. The switch was ``reading`` rules for so long.

        ``is_clean``: it has read all rules and found nothing. One that was given up explains no difference.
        """
        self._is_unexplained, self._has_compared = is_clean, True
        self._took, self._compared_at = now - began_at, now
        if is_clean:
            self._readings.append(reading)
        pause = max(COMPARE_INTERVAL, _COMPARE_PAUSE * min(self._readings, default=reading))
        self._compare_at = now if is_due_again else now + pause
        is_false_alarm = self._difference is not None and not self._has_corrected
        self._not_before = now + _REPEAT_PAUSE * self._took if is_false_alarm else now
        self._count_at = now + COUNT_INTERVAL
