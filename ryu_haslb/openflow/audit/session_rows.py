"""What a switch reports of its session rules, row by row, slice by slice. Pure.

::

    a session expects the rule             same actions -> it is there; others -> changed
    none has it here                       -> unexpected: orphaned, perhaps (:mod:`.orphaned_rules`)
    it has another priority or match       -> none of ours (:mod:`.extraneous`)
    no row is that of an expected session  -> missing
"""

from __future__ import annotations

from ryu_haslb.openflow.audit.session_matches import SessionMatches
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Purpose, Table
from ryu_haslb.openflow.flow_tables.session_rule import has_tag
from ryu_haslb.openflow.recovery.session_view import MAX_RULE_LENGTH
from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK

#: The number of the slice of rules with our mark and no tag; it is read first.
UNTAGGED = -1
#: Slices of which rules are installed again before the switch has reported one as it was sent.
_MAX_UNPROVEN_SLICES = 3
# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; rows are many.
_SESSIONS = Table.SESSIONS.value


class SessionRows:
    """The rows of one slice, and what was found out over the connection.

    ``unexpected`` are rules that no session has here, ``not_ours`` rules that no session can have. ``was_found``: a
    rule of a session was reported. ``ignores_cookies``: the switch reports more than it is asked for.
    """

    def __init__(self, datapath_id: int, rules: SessionRules, sessions: SessionTable) -> None:
        self.was_found = self.ignores_cookies = False
        self.unexpected: list[FlowStats] = []
        self.not_ours: list[FlowStats] = []
        self._datapath_id = datapath_id
        self._rules = rules
        self._sessions = sessions
        self._matches = SessionMatches()
        self._slice, self._low_bits = UNTAGGED, 0
        self._expected: dict[int, Session] = {}
        self._changed: list[Session] = []
        self._actions: dict[bytes, bytes] = {}
        self._had_our_actions = False
        self._unproven_slices = 0

    def begin(self, number: int, slices: int, expected: dict[int, Session]) -> None:
        """One of so many slices is about to be read. These sessions, by tag, should have their rules in it."""
        self.forget()
        self._slice, self._low_bits, self._expected = number, slices - 1, expected

    def forget(self) -> None:
        """Forget the rows of the slice."""
        self._expected, self._changed, self._actions = {}, [], {}
        self.unexpected, self.not_ours = [], []

    def count_unexpected(self) -> int:
        """The number of rules that are kept until the end of the slice."""
        return len(self.unexpected) + len(self.not_ours)

    def end(self) -> tuple[list[Session], list[Session]]:
        """The slice was read as a whole. Returns the sessions whose rules are missing, and those with changed ones."""
        self._unproven_slices += bool(self._changed) and not self._had_our_actions
        return list(self._expected.values()), self._changed

    def take(self, row: FlowStats) -> None:
        """Judge a row."""
        if row.table != _SESSIONS or row.cookie & COOKIE_MARK_MASK != COOKIE_MARK:
            return
        if not has_tag(row.cookie):
            self._on_untagged_row(row)
            return
        tag = row.cookie >> COOKIE_MARK_BITS
        if self._slice == UNTAGGED or (tag ^ self._slice) & self._low_bits:
            self.ignores_cookies = True  # some switches report the whole table each time
            return
        session = self._expected.get(tag)
        known = session or self._sessions.by_tag(tag)
        if row.priority != SESSION_PRIORITY or not self._matches.are_of(row, tag, known):
            self.not_ours.append(shortened(row))
            return
        if session is not None:
            del self._expected[tag]
        else:
            if known is None or known.rule_at != self._datapath_id:
                self.unexpected.append(shortened(row))
            return
        self.was_found = True
        actions = self._actions_of(row)
        if not self._rules.has_other_actions(session, actions):
            self._had_our_actions = True
        elif self._had_our_actions or not self._may_be_in_another_form(session, row):
            self._changed.append(session)

    def _actions_of(self, row: FlowStats) -> bytes:
        """The actions of a session's rule, which are the same for all rules of a real server."""
        actions = self._actions.get(row.instructions)
        if actions is None:
            actions = row.actions()
            if len(row.instructions) <= MAX_RULE_LENGTH:
                self._actions[row.instructions] = actions
        return actions

    def _on_untagged_row(self, row: FlowStats) -> None:
        """A rule with our mark and no tag. :mod:`.audit` compares those with the cookie of the standing rule."""
        if row.cookie != Purpose.PUNT_SESSION_MISS.cookie:
            self.not_ours.append(shortened(row))

    def _may_be_in_another_form(self, session: Session, row: FlowStats) -> bool:
        """Whether the switch may report actions in another form than they were sent in: with the same next hop."""
        was_tried = self._unproven_slices >= _MAX_UNPROVEN_SLICES
        return was_tried or self._rules.may_lead_to(session, row.instructions)


def shortened(row: FlowStats) -> FlowStats:
    """A row as it is kept until it is removed: without instructions that are longer than ours.

    A peer may report any number of rules, each of 65,000 bytes.
    """
    return row if len(row.instructions) <= MAX_RULE_LENGTH else row._replace(instructions=b"")
