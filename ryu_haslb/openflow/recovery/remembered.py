"""The sessions that a member of a cluster remembers of a switch that it does not serve, in case the switch loses them.

The switch is the session store, but it may lose its rules: it restarts, or no member is connected to it for long and it
has no ``fail_mode=secure``. A leader that lives has the sessions, and installs their rules again. If the leader is lost
as well, there are the members that followed the switch until its connection was lost, and the former leader::

    the connection of a switch that was followed ends -> the rules that were followed are remembered
    this member leads no more                         -> so are those of its sessions there
    the switch is followed again, and has our rules   -> forgotten: the leader has them as they are now
    a mobile comes to another switch                  -> its session is recovered there, and remembered no more
    this member serves the switch
        and it reports none of our standing rules     -> it has lost all: what is remembered is recovered, and installed
        and it reports some, or does not reply        -> forgotten: what is remembered and not there has ended
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.session_view import Budget, RuleTarget, SessionView
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.tag_keys import MAX_KEYS


class Recalled(NamedTuple):
    """What a switch has lost: the target of each session rule by its tag, all targets, and since when it is known."""

    rules: dict[int, RuleTarget]
    targets: list[RuleTarget]
    known_at: float


class RememberedSessions:
    """The session rules of one switch that are remembered. ``keys`` are those of their tags, the newest first."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self._view: Optional[SessionView] = None
        self._known_at = 0.0

    def __len__(self) -> int:
        return 0 if self._view is None else len(self._view.rules)

    def keep(self, followed: Followed, budget: Budget, now: float) -> None:
        """The connection of a switch has ended that was followed."""
        if followed.is_current and followed.keys:
            self.discard()
        self._add(followed.rules, followed.targets, followed.keys, budget, now)

    def keep_sessions(
        self,
        sessions: Iterable[Session],
        actions: Mapping[RealServer, bytes],
        keys: Iterable[bytes],
        budget: Budget,
        now: float,
    ) -> None:
        """This member serves the switch no longer, and forgets sessions. ``actions`` leads to their real servers."""
        targets: dict[tuple[bytes, bytes], RuleTarget] = {}
        rules = {}
        for session in sessions:
            if session.real in actions:
                key = session.virtual_server.packed_address, actions[session.real]
                rules[session.tag] = targets.get(key) or targets.setdefault(key, RuleTarget(*key))
        self._add(rules, targets.values(), keys, budget, now)

    def find(self, tag: int, since: float) -> Optional[RuleTarget]:
        """Where the rule with this tag led, if that was still known at this time."""
        return None if self._view is None or self._known_at < since else self._view.rules.get(tag)

    def forget(self, tag: int) -> None:
        """The rule with this tag is remembered no more: its session is recovered."""
        if self._view is not None:
            self._view.forget(tag)

    def recall(self) -> Recalled:
        """The switch has lost its rules. Returns what is known of them, and remembers it no more."""
        view = self._view
        recalled = Recalled({}, [], 0.0) if view is None else Recalled(view.rules, view.targets, self._known_at)
        self.discard()
        return recalled

    def discard(self) -> None:
        """Forget all: it is of no use any more."""
        if self._view is not None:
            self._view.end()
            self._view = None
            self.keys = []

    def _add(
        self,
        rules: Mapping[int, RuleTarget],
        targets: Iterable[RuleTarget],
        keys: Iterable[bytes],
        budget: Budget,
        now: float,
    ) -> None:
        if not rules:
            return
        if self._view is None or self._view.is_exceeded:
            self._view = SessionView(budget, is_remembered=True)
        self._view.add(rules, targets)
        self.keys = list(dict.fromkeys([*keys, *self.keys]))[:MAX_KEYS]
        self._known_at = now
