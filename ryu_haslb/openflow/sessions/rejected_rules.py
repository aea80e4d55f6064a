"""The session rules that one switch has rejected, and when they are sent again.

::

    bundle rejected    -> its parts wait here, and are sent one after the other (:mod:`.rule_bundle`)
    a single deletion  -> the rule stays on the switch
    table full         -> the session waits at the end of the queue; no addition is sent before the end of a pause
    any other error    -> the rule is left out of all bundles, until it is sent again after a pause (:mod:`.backoff`)

A session whose rule is rejected continues by packet-out. When the table is full, no other rule fits either: all
additions wait for the end of the pause, deletions do not. Deletions that the switch confirms shorten the pause.

Some hardware confirms rules, and rejects them some time later. Its confirmation does not show that they fit: the next
attempt waits until no rejection can come any more (:data:`.transactions.LATE_REJECTION_TIMEOUT`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from ryu_haslb.openflow.delivery.backoff import MAX_RETRY_INTERVAL, Backoff
from ryu_haslb.openflow.delivery.transactions import LATE_REJECTION_TIMEOUT
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule
from ryu_haslb.openflow.sessions.install_queue import InstallQueue
from ryu_haslb.openflow.sessions.rule_bundle import Install, RuleBundle
from ryu_haslb.openflow.sessions.rule_room import RuleRoom
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

LOG = logging.getLogger(__name__)


class RejectedRules:
    """What one switch has rejected. ``errors`` counts how often it has rejected a rule, alone or for lack of room.

    ``left_out`` are the sessions whose rule was rejected by itself. ``parts`` are those of rejected bundles, the next
    one first. ``accepts_timeouts``: whether rules may have idle time-outs.
    """

    def __init__(self, datapath_id: int, queue: InstallQueue, room: RuleRoom) -> None:
        self.errors = 0
        self.accepts_timeouts = True
        self.left_out: dict[Session, None] = {}
        self.parts: list[RuleBundle] = []
        self._datapath_id = datapath_id
        self._queue = queue
        self._room = room
        self._is_full = False
        self._backoff = Backoff()
        self._rejected_at = 0.0
        #: Whether the switch rejects what it has confirmed, and until when it may do that with the last additions.
        self._rejects_late = False
        self._uncertain_until = 0.0

    @property
    def has_pause(self) -> bool:
        """Whether a rule was rejected, and the rules are not known to be in place again."""
        return bool(self.left_out) or self._backoff.is_failing

    def must_additions_wait(self, now: float) -> bool:
        """Whether additions wait because the flow table is full."""
        return self._is_full and (self._backoff.must_wait(now) or now < self._uncertain_until)

    def on_rejected(self, bundle: RuleBundle, error: wire.Error, had_timeouts: bool, now: float) -> None:
        """Divide a rejected bundle, or have it sent without time-outs. A single rule that is rejected stays out."""
        if error.is_about_timeout and had_timeouts:
            self.accepts_timeouts = False
            self.parts.append(bundle)
            return
        parts = bundle.divided()
        if parts:
            self.parts += parts
        elif bundle.removes:
            self._on_deletion_rejected(bundle.removes[0], error)
            self.parts += bundle.following()
        elif error.is_table_full:
            self._leave_out(list(bundle.every_install()), error, now)
        else:
            self._leave_out(bundle.installs, error, now)
            self.parts += bundle.following()

    def on_rejected_late(self, bundle: RuleBundle, error: wire.Error, now: float) -> bool:
        """The switch rejects a rule that it has confirmed. False: it does not say which; the bundle is in doubt."""
        tag = None if error.cookie is None else error.cookie >> COOKIE_MARK_BITS
        deletion = next((rule for rule in bundle.removes if rule.tag == tag), None)
        if deletion is not None:
            self._on_deletion_rejected(deletion, error)
            return True
        named = next((each for each in bundle.installs if each[0].tag == tag), None)
        rejected = bundle.installs if named is None else [named]
        here = [each for each in rejected if each[0].is_live and each[0].rule_at in {None, self._datapath_id}]
        for session, _ in here:
            session.rule_at = None
        if here:
            self._rejects_late = True
            self.accepts_timeouts &= not error.is_about_timeout
            self._leave_out(here, error, now)
        return named is not None

    def on_confirmed(self, bundle: RuleBundle, now: float) -> None:
        """The switch has carried out a bundle: its next part follows.

        If the table was full, it has taken additions, so that more may fit, or deletions, so that there may soon be
        room.
        """
        self.parts += bundle.following()
        if not self._is_full:
            return
        if bundle.installs and self._rejects_late:
            self._uncertain_until = now + LATE_REJECTION_TIMEOUT
        elif bundle.installs:
            self._is_full = False
            self._backoff.on_accepted()
        else:
            self._backoff.shorten_wait(now)

    def take_due(self, limit: int, now: float) -> Iterator[Session]:
        """Take up to ``limit`` sessions that were left out and whose pause is over."""
        if not self._backoff.must_wait(now):
            for session in list(islice(self.left_out, limit)):
                del self.left_out[session]
                yield session

    def end_if_accepted(self, now: float) -> None:
        """All rules are confirmed. If none was rejected for long, the switch accepts rules again."""
        if self._backoff.is_failing and now > self._rejected_at + MAX_RETRY_INTERVAL:
            self._is_full = False
            self._backoff.reset()
            self._room.forget_learned()
            LOG.info("Switch %016x: all session rules are in place again", self._datapath_id)

    def disconnect(self) -> list[RuleBundle]:
        """The connection is lost: all pauses end. Returns the parts that were not sent."""
        parts, self.parts = self.parts, []
        self._is_full = self._rejects_late = False
        self.accepts_timeouts = True
        self._backoff.reset()
        return parts

    def _on_deletion_rejected(self, rule: SessionRule, error: wire.Error) -> None:
        LOG.warning(
            "Switch %016x rejected the deletion of session rule %012x (%s); the rule stays there",
            *(self._datapath_id, rule.tag, error),
        )

    def _leave_out(self, installs: list[Install], error: wire.Error, now: float) -> None:
        """The switch has rejected these rules: they are sent again after a pause."""
        self.errors += 1
        for session, _ in installs:
            self._room.discard(session.tag)
            if error.is_table_full:
                self._queue.add(session, is_replaced=False)
            else:
                self.left_out[session] = None
                self._queue.discard(session)
        self._is_full = error.is_table_full
        if self._is_full:
            self._room.on_table_full()
        self._rejected_at = now
        if self._backoff.on_rejected(now):
            LOG.warning(
                "Switch %016x rejected %d session rules (%s); these sessions continue by packet-out, and the rules are "
                "sent again after pauses of 1 to %d s",
                *(self._datapath_id, len(installs), error, MAX_RETRY_INTERVAL),
            )
