"""The last five minutes of every real server: its live sessions, and its share of the sessions assigned to its farm."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, Optional, TypedDict

from ryu_haslb.show.column_types import Address, Count, Port, Seconds, Values
from ryu_haslb.slb.real import RealServer

#: Seconds between two samples.
SAMPLE_INTERVAL = 5.0
#: Samples kept of each real server: five minutes, with :data:`SAMPLE_INTERVAL`.
MAX_SAMPLES = 60


class RealHistoryRow(TypedDict):
    """A real server over the last five minutes."""

    farm: str
    real: Address
    port: Port
    interval: Annotated[Seconds, "Time between two samples."]
    sessions: Annotated[list[Count], "Live sessions at each sample, oldest first."]
    assigned: Annotated[Count, "Sessions that began here or were moved here in this time."]
    share: Annotated[
        Optional[float],
        Values(minimum=0, maximum=1),
        "Fraction of the sessions that the farm was assigned in this time; null if it was assigned none.",
    ]


class History:
    """Samples of all real servers, at most :data:`MAX_SAMPLES` of each."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._due = 0.0

    def tick(self, reals: Iterable[RealServer], now: float) -> None:
        """Take a sample if one is due; ``now`` is in seconds of a monotonic clock."""
        if now < self._due:
            return
        self._due = now + SAMPLE_INTERVAL
        before, self._tracks = self._tracks, {}
        for real in reals:
            key = (real.farm_name, real.name)
            self._tracks[key] = track = before.get(key) or _Track(real)
            track.sample(real)

    def rows(self, reals: Iterable[RealServer]) -> Iterator[RealHistoryRow]:
        """A row for each real server, with the time since its last sample counted in."""
        assigned = {real: self._assigned(real) for real in reals}
        of_farm: dict[str, int] = {}
        for real, count in assigned.items():
            of_farm[real.farm_name] = of_farm.get(real.farm_name, 0) + count
        for real, count in assigned.items():
            track = self._tracks.get((real.farm_name, real.name))
            total = of_farm[real.farm_name]
            yield {
                "farm": real.farm_name,
                "real": str(real.configuration.address),
                "port": real.port,
                "interval": SAMPLE_INTERVAL,
                "sessions": list(track.sessions) if track else [],
                "assigned": count,
                "share": count / total if total else None,
            }

    def _assigned(self, real: RealServer) -> int:
        track = self._tracks.get((real.farm_name, real.name))
        return sum(track.assigned) + track.since(real) if track else 0


class _Track:
    """The samples of one real server: live sessions, and sessions assigned since the sample before."""

    def __init__(self, real: RealServer) -> None:
        self.sessions: deque[int] = deque(maxlen=MAX_SAMPLES)
        self.assigned: deque[int] = deque(maxlen=MAX_SAMPLES)
        self._total = real.total_sessions

    def sample(self, real: RealServer) -> None:
        self.sessions.append(real.sessions)
        self.assigned.append(self.since(real))
        self._total = real.total_sessions

    def since(self, real: RealServer) -> int:
        """Sessions assigned since the last sample. A total below the last one was cleared: all of it is new."""
        total = real.total_sessions
        return total - self._total if total >= self._total else total
