"""Installs the rules of very many sessions again, in slices between which requests are served.

A switch that connects again may have lost its rules. When a real server has moved, the rules of its sessions lead to
its old place. Until its turn comes, a session counts as one with a rule. Sessions for whose real server no actions were
known when their rule was to be sent wait here, and come first. What others delete is found by :mod:`..audit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Callable, Optional

from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.shards import in_slices

#: Sessions whose rules one step has installed again: some 2 ms of work.
MAX_SESSIONS_PER_STEP = 5_000
#: Sessions that wait for their real server to be found. Those beyond it get their rule with their next request.
MAX_AWAITING = 200_000


class Reinstallation:
    """What is still to be installed again on one switch.

    ``moved`` are real servers whose installed rules may still lead to their old place. ``install`` is called with each
    session that has no rule, ``reinstall`` with sessions of which some have one on this switch.
    """

    def __init__(
        self,
        sessions: SessionTable,
        actions: Mapping[RealServer, bytes],
        install: Callable[[Session], None],
        reinstall: Callable[[Iterable[Session]], None],
    ) -> None:
        self.moved: set[RealServer] = set()
        self._sessions = sessions
        self._actions = actions
        self._install = install
        self._reinstall = reinstall
        self._steps: Optional[Iterator[int]] = None
        self._moved_meanwhile = False
        self._awaiting: dict[Session, None] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether rules of sessions that count as having one are still to be installed."""
        return self._steps is not None

    def begin(self, waiting: int) -> None:
        """The switch may have lost its rules: have all installed again."""
        self._steps = self._slices(None)
        self.advance(waiting)

    def on_moved(self, reals: AbstractSet[RealServer], waiting: int, is_connected: bool) -> None:
        """The actions of these real servers have changed: have the rules that lead to them replaced."""
        self.moved.update(reals)
        if not is_connected:
            return  # all rules are installed again when the switch connects
        if self._steps is None:
            self._steps = self._slices(self.moved)
            self.advance(waiting)
        else:
            self._moved_meanwhile = True

    def await_real(self, session: Session) -> None:
        """The real server of a session has not been found: install its rule when it is."""
        if len(self._awaiting) < MAX_AWAITING:
            self._awaiting[session] = None

    def advance(self, waiting: int) -> None:
        """Do the next step, unless many rules are ``waiting`` to be installed: a table of many rules grows slowly."""
        if self._steps is None or waiting > 4 * MAX_SESSIONS_PER_STEP or next(self._steps, None) is not None:
            return
        if self._moved_meanwhile:
            self._moved_meanwhile = False
            self._steps = self._slices(self.moved)
        else:
            self._steps = None
            self.moved.clear()

    def end(self) -> None:
        """The connection is lost. Which real servers have moved, and which sessions wait for theirs, stays known."""
        self._steps = None
        self._moved_meanwhile = False

    def forget(self) -> None:
        """Another balancer has changed the rules: nothing is to be installed."""
        self.end()
        self._awaiting.clear()
        self.moved.clear()

    def _slices(self, moved: Optional[AbstractSet[RealServer]]) -> Iterator[int]:
        """Have the rules of moved real servers installed again, or all rules (None): one slice with each step."""
        for sessions in in_slices([list(self._awaiting)], MAX_SESSIONS_PER_STEP):
            self._install_found(sessions)
            if len(sessions) == MAX_SESSIONS_PER_STEP:
                yield len(sessions)
        for sessions in self._sessions.slices(MAX_SESSIONS_PER_STEP):
            self._reinstall(sessions if moved is None else [each for each in sessions if each.real in moved])
            if len(sessions) == MAX_SESSIONS_PER_STEP:
                yield len(sessions)

    def _install_found(self, waiting: list[Session]) -> None:
        """Install the rules of those sessions whose real server has been found, and let the others wait on."""
        for session in waiting:
            if not session.is_live:
                self._awaiting.pop(session, None)
            elif session.real in self._actions:
                self._awaiting.pop(session, None)
                if session.rule_at is None:
                    self._install(session)
