"""One simulated ovsdb-server: its copy of the tables, its clients, and its locks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from simulation.clock import Clock

#: Seconds that a message takes between a member and a server.
DELAY = 0.0005
#: Seconds after which what could not pass is tried again.
HOLD_INTERVAL = 0.1

Row = dict[str, Any]
Tables = dict[str, dict[int, Row]]


@dataclass
class Operation:
    """A change of one row: ``columns`` is None for a deletion. Only an insertion changes a row that is not there."""

    table: str
    row: int
    columns: Optional[Row]
    is_insertion: bool = False


@dataclass
class Request:
    """A transaction as a server gets it. ``expected`` are the columns that it verifies, by table and row."""

    lock: Optional[str]
    expected: list[tuple[str, int, str, Any]]
    operations: list[Operation]
    reply: Callable[[str, str], None]


class Line:
    """One direction of a connection: what is sent arrives in order, later if nothing passes at the moment."""

    def __init__(self, clock: Clock, is_whole: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_whole = is_whole
        self._held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def send(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have the other end call a function."""
        if self._held or not self._is_whole():
            if not self._held:
                self._clock.after(HOLD_INTERVAL, self._release)
            self._held.append((function, arguments))
        else:
            self._clock.after(DELAY, function, *arguments)

    def _release(self) -> None:
        if not self._is_whole():
            self._clock.after(HOLD_INTERVAL, self._release)
            return
        held, self._held = self._held, []
        for function, arguments in held:
            function(*arguments)


class Session:
    """A client's connection, as its server has it; ``receive`` is what the client does with what it is sent."""

    def __init__(
        self, member: str, server: Server, lines: tuple[Line, Line], receive: Callable[[Session, str, Any], None]
    ) -> None:
        self.member = member
        self.server = server
        self.to_server, self.to_client = lines
        #: Whether the client's process has ended.
        self.is_dead = False
        self._receive = receive
        self.silent_since: Optional[float] = None
        self.patience = 0.0

    def deliver(self, kind: str, argument: Any) -> None:
        """Send something to the client."""
        self.to_client.send(self._receive, self, kind, argument)


class Server:
    """One ovsdb-server; ``group`` tells those that reach each other."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_up = True
        self.group = 0
        #: Whether it takes itself for the leader.
        self.is_leader = False
        self.tables: Tables = {}
        self.sessions: list[Session] = []
        #: Those that hold or want a lock, the holder first.
        self.locks: dict[str, list[Session]] = {}

    def holds(self, session: Session, lock: str) -> bool:
        """Whether a client has the lock."""
        queue = self.locks.get(lock, [])
        return bool(queue) and queue[0] is session
