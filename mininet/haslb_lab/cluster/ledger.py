"""What the mobiles of a cluster sent and where it arrived, and what follows from that. Pure but for the reading.

Times are nanoseconds of one clock, that of the machine on which senders and captures run.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from haslb_lab.cluster.traffic import ARRIVED, MAX_MOBILES, SENT

SECOND = 1_000_000_000

#: Nanoseconds before an interruption in which a new session's rule may still have been on its way to the switch.
#: It follows its request within 5 ms; the rest is for a busy machine. No session is lost that is older.
UNDER_WAY = SECOND // 10
#: Nanoseconds without service that another member needs at least to become MASTER.
MIN_INTERRUPTION = SECOND // 40


class Arrival(NamedTuple):
    """A request at a home agent."""

    at: int
    sent: int
    mobile: int
    agent: str


class Pause(NamedTuple):
    """A time without service at one switch: from the last request that was served before to the first one after."""

    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.begin) / SECOND


#: The pause of each switch in a time.
Pauses = Mapping[int, Pause]


def switch_of(mobile: int) -> int:
    """The number of the switch at which a mobile's PDSN is."""
    return mobile // MAX_MOBILES


def _is_within(sent: int, pause: Pause) -> bool:
    return pause.begin - UNDER_WAY <= sent <= pause.end


@dataclass(frozen=True)
class Ledger:
    """All requests: ``sent`` in the order of sending (time, mobile), ``arrivals`` in the order of arrival."""

    sent: Sequence[tuple[int, int]]
    arrivals: Sequence[Arrival]

    def pauses(self, begin: int, end: int) -> Pauses:
        """For each switch the longest pause between two arrivals of its requests, from ``begin`` to ``end``.

        It may have begun before ``begin``, and the part after the last arrival counts.
        """
        gaps = {switch: self._gaps(switch, begin, end) for switch in self._times_by_switch}
        return {
            switch: max(each, key=lambda pause: pause.seconds, default=Pause(begin, end))
            for switch, each in gaps.items()
        }

    def interruptions(self, begin: int, end: int) -> list[tuple[int, Pause]]:
        """All pauses from ``begin`` to ``end`` in which another member may have taken over, each with its switch."""
        return [
            (switch, pause)
            for switch in self._times_by_switch
            for pause in self._gaps(switch, begin, end)
            if pause.end - pause.begin >= MIN_INTERRUPTION
        ]

    def _gaps(self, switch: int, begin: int, end: int) -> list[Pause]:
        arrivals = self._times_by_switch[switch]
        first = max(bisect_left(arrivals, begin) - 1, 0)
        times = [*arrivals[first : bisect_right(arrivals, end)], end]
        return [Pause(before, after) for before, after in zip(times, times[1:])]

    @cached_property
    def _times_by_switch(self) -> dict[int, list[int]]:
        times: dict[int, list[int]] = {switch_of(mobile): [] for _, mobile in self.sent}
        for arrival in self.arrivals:
            times[switch_of(arrival.mobile)].append(arrival.at)
        return times

    @property
    def twice(self) -> int:
        """Requests that arrived more often than once."""
        counted = Counter((arrival.mobile, arrival.sent) for arrival in self.arrivals)
        return sum(count - 1 for count in counted.values())

    def lost(self, pauses: Sequence[Pauses]) -> int:
        """Requests that did not arrive, but for those that were sent in these pauses or shortly before (in flight)."""
        arrived = {(arrival.mobile, arrival.sent) for arrival in self.arrivals}
        return sum(
            not any(_is_within(sent, each[switch_of(mobile)]) for each in pauses)
            for sent, mobile in self.sent
            if (mobile, sent) not in arrived
        )

    def homes(self) -> dict[int, str]:
        """The home agent to which each mobile's last request went."""
        return {arrival.mobile: arrival.agent for arrival in self.arrivals}

    def moved(self, interruptions: Iterable[tuple[int, Pause]]) -> Moved:
        """The mobiles whose requests arrived at more than one home agent."""
        first: dict[int, Arrival] = {}
        moved: dict[int, Arrival] = {}
        for arrival in self.arrivals:
            before = first.setdefault(arrival.mobile, arrival)
            if before.agent != arrival.agent:
                moved.setdefault(arrival.mobile, before)
        begins = [(switch, pause.begin) for switch, pause in interruptions]
        under_way = {
            mobile
            for mobile, before in moved.items()
            if any(switch == switch_of(mobile) and 0 <= begin - before.at <= UNDER_WAY for switch, begin in begins)
        }
        return Moved(sorted(under_way), sorted(moved.keys() - under_way))


class Moved(NamedTuple):
    """Mobiles that came to another home agent: those whose rule was under way at an interruption, and others."""

    under_way: list[int]
    others: list[int]


def read_ledger(sent: Iterable[Path], arrived: Mapping[str, Path]) -> Ledger:
    """Read the files that senders and captures write; a record whose end is missing is left out."""
    requests = [record for path in sent for record in SENT.iter_unpack(_whole(path, SENT.size))]
    arrivals = [
        Arrival(at, sent_at, mobile, agent)
        for agent, path in arrived.items()
        for at, sent_at, mobile in ARRIVED.iter_unpack(_whole(path, ARRIVED.size))
    ]
    return Ledger(sorted(requests), sorted(arrivals))


def _whole(path: Path, size: int) -> bytes:
    content = path.read_bytes()
    return content[: len(content) // size * size]
