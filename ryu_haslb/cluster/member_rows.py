"""The members of a cluster and its last switchovers, as rows of the database. Pure.

Each member has a row of its own, in which it counts on (``beat``). A member whose row has not changed for
:data:`ABSENCE_TIMEOUT` is absent. No clocks are compared, so that it does not matter whether they agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Optional

from ryu_haslb.cluster.election import MemberState
from ryu_haslb.cluster.rows import Columns, Kind, shown
from ryu_haslb.cluster.settings import MAX_NAME_LENGTH

MEMBER = Kind(
    "Member",
    ("name",),
    (
        "instance",
        "beat",
        "state",
        "generation",
        "resigning",
        "url",
        "version",
        "sessions",
        "switches",
        "lag",
        "revision",
        "refused",
    ),
)
SWITCHOVER = Kind("Switchover", ("generation",), ("member", "previous", "at", "reason", "duration"))
#: Seconds between two beats, from the last beat until a member is absent, and until the leader deletes its row.
BEAT_INTERVAL = 5.0
ABSENCE_TIMEOUT = 16.0
FORGET_TIMEOUT = 600.0
#: Members that are read.
MAX_MEMBERS = 32
#: Switchovers that are kept.
MAX_SWITCHOVERS = 16
#: Characters of a text of another member that are shown.
_MAX_SHOWN = 200
_STATES = {state.value for state in MemberState}


@dataclass(frozen=True)
class MemberInfo:
    """What a member says of itself. ``lag`` is in milliseconds; None while it follows nothing.

    ``switches`` is the number of switches that answer it, as :func:`.reach.counted` counts them. ``instance`` is
    another one after each start. ``resigning`` is the reason for which it lets another member lead, ``refused`` that
    for which it has not applied the configuration; both are empty otherwise.
    """

    name: str
    instance: str
    beat: int
    state: str
    generation: int
    resigning: str
    url: str
    version: str
    sessions: int
    switches: int
    lag: Optional[int]
    revision: int
    refused: str

    @property
    def is_leading(self) -> bool:
        """Whether it says that it serves the switches."""
        return self.state in (MemberState.LEADER.value, MemberState.ISOLATED.value)

    def row(self) -> Columns:
        """The row of the database."""
        columns: dict[str, Any] = {column: getattr(self, column) for column in MEMBER.columns}
        columns["lag"] = () if self.lag is None else (self.lag,)
        columns["refused"] = self.refused[:_MAX_SHOWN]
        return columns


@dataclass(frozen=True)
class Switchover:
    """Another member began to lead: when (ISO 8601, UTC), and why (a token).

    ``duration`` are the milliseconds from when the database gave it the lock until it served every switch that was
    connected; None if it did not serve all of them within some seconds.
    """

    generation: int
    member: str
    previous: str
    at: str
    reason: str
    duration: Optional[int]

    def row(self) -> Columns:
        """The row of the database."""
        columns: dict[str, Any] = {column: getattr(self, column) for column in SWITCHOVER.columns}
        columns["duration"] = () if self.duration is None else (self.duration,)
        return columns


class Members:
    """The members whose rows this member has read, and when the rows have changed last."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[MemberInfo, float]] = {}

    def on_rows(self, rows: Iterable[Columns], now: float) -> None:
        """The database shows these rows."""
        before, self._seen = self._seen, {}
        for row in rows:
            info = read_member(row)
            if info is not None and len(self._seen) < MAX_MEMBERS:
                known = before.get(info.name)
                is_same = known is not None and (known[0].instance, known[0].beat) == (info.instance, info.beat)
                self._seen[info.name] = info, known[1] if known is not None and is_same else now

    def present(self, now: float) -> list[MemberInfo]:
        """The members that are there, by name."""
        return [info for info, at in map(self._seen.__getitem__, sorted(self._seen)) if now - at < ABSENCE_TIMEOUT]

    def all(self) -> list[MemberInfo]:
        """All members that have a row, by name."""
        return [self._seen[name][0] for name in sorted(self._seen)]

    def get(self, name: str) -> Optional[MemberInfo]:
        """The member with this name."""
        found = self._seen.get(name)
        return None if found is None else found[0]

    def silent_for(self, name: str, now: float) -> float:
        """Seconds since a member has changed its row; 0 without one."""
        return now - self._seen[name][1] if name in self._seen else 0.0

    def rivals(self, name: str, since: float) -> Iterator[MemberInfo]:
        """The members other than this one that have said after a time that they lead."""
        for info, at in self._seen.values():
            if info.name != name and info.is_leading and at > since:
                yield info

    def former_leaders(self, leader: str, generation: int) -> set[str]:
        """The members whose rows say that they lead, while the database has another leader with a newer generation.

        They were killed, hang or are cut off, and cannot change their rows; switches reject what they send.
        """
        leading = [info for info, _ in self._seen.values() if info.is_leading]
        return {info.name for info in leading if info.name != leader and info.generation < generation}

    def is_forgotten(self, row: Columns, now: float) -> bool:
        """Whether a row is to be deleted: its member is absent for long, or it cannot be true."""
        found = self._seen.get(str(row["name"]))
        return found is None or now - found[1] >= FORGET_TIMEOUT


def read_member(row: Columns) -> Optional[MemberInfo]:
    """What a row says; None if it cannot be true."""
    name, state, lag = row["name"], row["state"], row["lag"]
    numbers = [row[column] for column in ("beat", "generation", "sessions", "switches", "revision")]
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME_LENGTH:
        return None
    if state not in _STATES or not all(isinstance(number, int) and number >= 0 for number in numbers):
        return None
    columns: dict[str, Any] = {**row, "lag": lag[0] if isinstance(lag, tuple) and lag else None}
    for column in ("instance", "resigning", "url", "version", "refused"):
        columns[column] = shown(row[column], _MAX_SHOWN)
    return MemberInfo(**{column: columns[column] for column in MEMBER.columns})


def read_switchovers(rows: Iterable[Columns]) -> list[Switchover]:
    """The last switchovers, the newest first."""
    found = []
    for row in rows:
        generation, duration = row["generation"], row["duration"]
        if isinstance(generation, int) and isinstance(duration, tuple):
            texts = {column: shown(row[column], _MAX_SHOWN) for column in ("member", "previous", "at", "reason")}
            found.append(Switchover(generation, duration=int(duration[0]) if duration else None, **texts))
    return sorted(found, key=lambda each: each.generation, reverse=True)[:MAX_SWITCHOVERS]


def switchovers_to_publish(published: Collection[Columns], latest: Optional[Switchover]) -> Iterator[Columns]:
    """The rows that the leader publishes: the last switchovers, and its own."""
    known = read_switchovers(published)
    if latest is not None:
        known = [latest, *(each for each in known if each.generation != latest.generation)]
    return (each.row() for each in known[:MAX_SWITCHOVERS])
