"""Which requests were in flight when a switch got another master. Pure.

The requests of one PDSN pass the switch and the leader in the order in which they were sent. From the moment when the
switch has its new master, it rejects what the former leader still sends. So a lost request was *in flight* if it was
sent before that moment, and after the last request that the former leader served: it was on its way to the former
leader, or back. A request that was sent later than that moment, or that was lost although the former leader served one
that was sent after it, was not in flight.

The moment is known to be between two times (:mod:`.rule_record`). Of the moments between them the one counts that
explains most losses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from haslb_lab.cluster.ledger import SECOND, Arrival, Ledger, switch_of
from haslb_lab.cluster.rule_record import NewMaster

#: Nanoseconds of arrivals before a new master in which the last request of the former leader is looked for.
_LOOKED_BACK = 2 * SECOND


class HandOver(NamedTuple):
    """A switch got another master. ``lost`` requests were in flight; the first of them was sent so long before."""

    switch: int
    generation: int
    at: int
    lost: Sequence[int]

    @property
    def seconds(self) -> float:
        """The time that the oldest request in flight had been on its way."""
        return (self.at - self.lost[0]) / SECOND if self.lost else 0.0


@dataclass(frozen=True)
class Phase:
    """What became of the requests that were sent in a time.

    ``lost`` requests did not arrive. ``in_flight`` of them were in flight at a hand-over, for ``longest_in_flight``
    seconds at most. Of the requests that arrived 99 % took at most ``usual`` seconds, and all at most ``slowest``.
    """

    requests: int
    lost: int
    in_flight: int
    longest_in_flight: float
    usual: float
    slowest: float

    @property
    def lost_otherwise(self) -> int:
        """Requests that were lost without being in flight at a hand-over."""
        return self.lost - self.in_flight


class Losses:
    """The requests of a ledger that did not arrive, by the switches of their PDSNs, and why."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        arrived = {(arrival.mobile, arrival.sent) for arrival in ledger.arrivals}
        self._lost: dict[int, list[int]] = {}
        self._arrivals: dict[int, list[Arrival]] = {}
        for sent, mobile in ledger.sent:
            lost = self._lost.setdefault(switch_of(mobile), [])
            if (mobile, sent) not in arrived:
                lost.append(sent)
        for arrival in ledger.arrivals:
            self._arrivals.setdefault(switch_of(arrival.mobile), []).append(arrival)

    def phase(self, begin: int, end: int) -> Phase:
        """What became of the requests that were sent from one time to another."""
        took = sorted((each.at - each.sent) / SECOND for each in self._ledger.arrivals if begin <= each.sent < end)
        over = list(self._hand_overs(begin, end))
        return Phase(
            requests=sum(begin <= sent < end for sent, _ in self._ledger.sent),
            lost=sum(bisect_left(lost, end) - bisect_left(lost, begin) for lost in self._lost.values()),
            in_flight=sum(begin <= sent < end for each in over for sent in each.lost),
            longest_in_flight=max((each.seconds for each in over), default=0.0),
            usual=took[len(took) * 99 // 100] if took else 0.0,
            slowest=took[-1] if took else 0.0,
        )

    def _hand_overs(self, begin: int, end: int) -> Iterator[HandOver]:
        masters: Mapping[int, Sequence[NewMaster]] = self._ledger.masters
        for switch in masters.keys() & self._lost.keys():
            for master in masters[switch]:
                if begin <= master.begin < end:
                    yield self.hand_over(switch, master)

    def hand_over(self, switch: int, master: NewMaster) -> HandOver:
        """What was in flight when the switch got this master."""
        lost, arrivals = self._lost[switch], self._arrivals.get(switch, [])
        times = [each.at for each in arrivals]
        last_served, found = 0, HandOver(switch, master.generation, master.end, ())
        for place in range(bisect_left(times, master.begin - _LOOKED_BACK), len(arrivals) + 1):
            at = min(arrivals[place].at if place < len(arrivals) else master.end, master.end)
            if at >= master.begin:  # the former leader has served all before this place
                in_flight = lost[bisect_right(lost, last_served) : bisect_right(lost, at)] if last_served else []
                if len(in_flight) > len(found.lost):
                    found = found._replace(at=at, lost=in_flight)
            if place == len(arrivals) or arrivals[place].at >= master.end:
                break
            last_served = max(last_served, arrivals[place].sent)
        return found
