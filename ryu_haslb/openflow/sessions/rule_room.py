"""How many session rules one switch has room for, and whose rule is removed when a known mobile needs room. Pure.

Hardware has room for some thousand rules. The limit of session rules is, in this order::

    configured   ``max-rules`` of the switch's ``ip slb datapath``
    reported     the size of the session table, as the switch gives it in its table features
    statistics   the rules that it can report, if they are fewer (:func:`.known_makes.reportable`)
    table full   the rules that are there when the switch rejects one for lack of room (OFPFMFC_TABLE_FULL); one further
                 rule is tried after each pause (:mod:`.backoff`), then two, four and so on as long as they fit

Rules are counted only where there is a limit: a software switch has room for a million. When the limit is reached,
further sessions continue by packet-out. A known mobile (:mod:`ryu_haslb.slb.session_limit`) has more to lose than one
that has not shown that it exists: its session takes the place of one that is not confirmed. Each step looks at some
sessions for that, in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice
from typing import Optional

from ryu_haslb.openflow.sessions.rule_bundle import Install, RuleBundle
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_table import SessionTable

#: A table of this size is as good as unlimited: its rules are not counted.
MAX_COUNTED = 500_000
#: Sessions that one step counts, or among which it looks for those that may lose their rule.
SESSIONS_PER_STEP = 1_000
#: Seconds between two looks through all sessions.
LOOK_INTERVAL = 1.0
#: The part of the limit below which the number of rules must fall before the log reports the limit again.
_ANNOUNCE_AGAIN = 0.9


class LimitSource(Enum):
    """Where a limit comes from. The value is the token of ``show``, metrics and JSON, ``text`` that of the log."""

    NONE = "none"
    CONFIGURED = "configured"
    REPORTED = "reported"
    STATISTICS = "statistics"
    TABLE_FULL = "table_full"

    @property
    def text(self) -> str:
        """The source in a sentence."""
        return _TEXTS[self]


_TEXTS = {
    LimitSource.NONE: "no limit",
    LimitSource.CONFIGURED: "the limit of the configuration",
    LimitSource.REPORTED: "the size of its table",
    LimitSource.STATISTICS: "it cannot report more",
    LimitSource.TABLE_FULL: "it rejected more",
}


class RuleRoom:
    """The room for session rules of one switch.

    ``configured``, ``reported`` and ``reportable`` are limits as their sources give them, None if they give none.
    ``held`` are the tags of rules that are on the switch, or on their way to it; None as long as they are not counted.
    ``leaving`` are those whose deletion is on its way. ``is_uncertain``: rules of an earlier run, or of another
    balancer, are being read or wait for their real servers, and are not among them yet. Until that is over no rule is
    added where there is a limit. Rules that were not read before reading was given up do not count: a switch may never
    report them.
    """

    def __init__(self, datapath_id: int, sessions: SessionTable) -> None:
        self.configured: Optional[int] = None
        self.reported: Optional[int] = None
        self.reportable: Optional[int] = None
        self.held: Optional[set[int]] = None
        self.leaving: set[int] = set()
        self.is_uncertain = False
        self._is_announced = False
        self._learned: Optional[int] = None
        self._is_learning = False
        self._trial = 1
        self._datapath_id = datapath_id
        self._sessions = sessions
        self._census: Optional[Iterator[list[Session]]] = None
        self._hand: Iterator[list[Session]] = iter(())
        self._look_at = 0.0

    @property
    def limit(self) -> Optional[int]:
        """The limit of session rules; None where there is none."""
        told = [each for each in (self.reported, self.reportable) if each is not None]
        given = min(told, default=None) if self.configured is None else self.configured
        if given is not None and given >= MAX_COUNTED:
            given = None
        return self._learned if given is None or (self._learned is not None and self._learned < given) else given

    @property
    def source(self) -> LimitSource:
        """Where :attr:`limit` comes from."""
        limit = self.limit
        if limit is None:
            return LimitSource.NONE
        if limit == self.configured:
            return LimitSource.CONFIGURED
        if limit == self.reported and self.configured is None:
            return LimitSource.REPORTED
        if limit == self.reportable and self.configured is None:
            return LimitSource.STATISTICS
        return LimitSource.TABLE_FULL

    def advance(self) -> None:
        """Count the rules of some more sessions, if they are to be counted and are not yet."""
        if self.limit is None and not self._is_learning:
            self.held = self._census = None
            return
        if self.held is None:
            self.held, self._census = set(), self._sessions.slices(SESSIONS_PER_STEP)
        if self.limit is not None and len(self.held) < _ANNOUNCE_AGAIN * self.limit:
            self._is_announced = False
        if self._census is None:
            return
        some: list[Session] = next(self._census, [])
        self.held.update(session.tag for session in some if session.rule_at == self._datapath_id)
        if len(some) < SESSIONS_PER_STEP:
            self._census = None
            if self._is_learning:
                self._is_learning, self._learned = False, len(self.held)

    @property
    def is_counting(self) -> bool:
        """Whether rules are still to be counted, by :meth:`advance`, before any is added."""
        has_limit = self.limit is not None or self._is_learning
        return has_limit and (self.held is None or self._census is not None)

    def free(self) -> Optional[int]:
        """How many rules may be added now; None: any number."""
        limit = self.limit
        if self.is_counting or (self.is_uncertain and limit is not None):
            return 0
        if limit is None or self.held is None:
            return None
        free = limit - len(self.held)
        return max(free, self._trial) if self.source is LimitSource.TABLE_FULL else max(free, 0)

    def stays(self, tag: int) -> bool:
        """Whether the switch has a rule with this tag, and no deletion of it is on its way: a new one needs no room."""
        return self.held is not None and tag in self.held and tag not in self.leaving

    def may_have(self, tag: int) -> bool:
        """Whether the switch may have a rule with this tag: it is counted, or not all are."""
        return self.held is None or self._census is not None or self.stays(tag)

    def on_sent(self, bundle: RuleBundle) -> None:
        """A bundle is on its way."""
        self.leaving.update(rule.tag for rule in bundle.removes)

    def on_concluded(self, bundle: RuleBundle) -> None:
        """The switch has carried out a bundle, or rejected it."""
        self.leaving.difference_update(rule.tag for rule in bundle.removes)

    def add(self, tag: int) -> None:
        """A rule with this tag was found on the switch."""
        if self.held is not None:
            self.held.add(tag)

    def add_installs(self, installs: Iterable[Install]) -> None:
        """The rules of these sessions are about to be sent to the switch."""
        if self.held is not None:
            self.held.update(session.tag for session, _ in installs)

    def discard(self, tag: int) -> None:
        """The rule with this tag has left the switch, or was rejected."""
        if self.held is not None:
            self.held.discard(tag)

    def on_table_full(self) -> None:
        """The switch has rejected a rule for lack of room; the caller has discarded its tag."""
        self._trial = 1
        if self.held is None or self._census is not None:
            self._is_learning = True
        else:
            self._learned = len(self.held)

    def on_confirmed(self, bundle: RuleBundle) -> None:
        """The switch has carried out a bundle. If it takes more than when it rejected rules, still more may fit."""
        if self.held is None:
            return
        self.held.difference_update(rule.tag for rule in bundle.removes)
        self.add_installs(bundle.installs)
        if self._learned is not None and len(self.held) > self._learned:
            self._learned = len(self.held)
            self._trial = min(2 * self._trial, SESSIONS_PER_STEP)

    def forget_learned(self) -> None:
        """No rule was rejected for long: only the other limits count."""
        self._learned, self._is_learning = None, False

    def forget(self) -> None:
        """Other rules may be on the switch: count them anew."""
        self.held = self._census = None
        self.forget_learned()

    def replaceable(self, count: int, now: float) -> list[Session]:
        """Up to ``count`` sessions that have a rule here and are not confirmed; fewer if it takes longer to find them.

        Only some sessions are looked at with each call.
        """
        some = next(self._hand, None)
        if some is None:
            if now < self._look_at:
                return []
            self._hand, self._look_at = self._sessions.slices(SESSIONS_PER_STEP), now + LOOK_INTERVAL
            some = next(self._hand, None) or []
        found = (
            session
            for session in some
            if session.rule_at == self._datapath_id and session.unconfirmed_in is not None and session.is_live
        )
        return list(islice(found, count))

    def must_announce(self) -> bool:
        """Whether the log should report that the limit is reached: once, until the number of rules has fallen."""
        must_announce, self._is_announced = not self._is_announced, True
        return must_announce
