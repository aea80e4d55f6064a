"""The work that was sent to a switch and that it has not confirmed yet. The load follows from it (:mod:`.admission`).

About every 5 ms, a barrier request follows what was sent. Its reply passes through every queue of the round trip::

    our socket -> the switch's queue -> the work that was sent -> barrier reply -> queue of unread packet-ins -> us
    `------------ grows with the requests that are admitted ------'   `- grows with the requests that come -----'

The age of the oldest outstanding barrier is therefore the delay of the switch and of the controller together. A flood
of requests fills the queue of packet-ins, however few of them are admitted. The shortest round trip of the last seconds
is an estimate of that part and is subtracted: the rest is the queueing delay of the work that the switch was sent.
Within one round trip no delay can be measured, so bytes that no barrier reply has confirmed count as well.

The barriers also show which requests the switch has sent out. When a connection breaks, or the switch rejects our
messages because another balancer is master, it is unknown whether it has sent out the requests after the last confirmed
barrier.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final, NamedTuple, Optional

#: Queueing delay in seconds, and unconfirmed bytes, above which the load is HIGH. At twice as much it is FULL.
MAX_QUEUEING_DELAY = 0.1
MAX_UNCONFIRMED_BYTES = 1_000_000
#: Barriers that are outstanding at the same time. More of them would not make the measurement more exact.
_MAX_OUTSTANDING_BARRIERS: Final = 64
#: Seconds of a measuring window. The shortest round trip of the current window and of the one before is used.
_ROUND_TRIP_WINDOW: Final = 1.0
#: Seconds of round trip that are subtracted at most. Without a limit, the backlog of a switch that is always late would
#: look empty.
_MAX_SUBTRACTED_ROUND_TRIP: Final = 0.4


class Load(Enum):
    """How far behind a switch is. :mod:`.admission` defines which requests are admitted at each load."""

    NORMAL = 0
    HIGH = 1
    FULL = 2


# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; the load is asked for every 5 ms.
_NORMAL: Final = Load.NORMAL


class _Barrier(NamedTuple):
    """An outstanding barrier request: its transaction id, the bytes sent until then (with its own), when it was sent,
    and the requests that were sent between the one before it and this one."""

    xid: int
    bytes_sent: int
    sent_at: float
    requests: int


class Backlog:
    """The backlog of one connection. ``bytes_sent`` is always the number of bytes sent over it so far.

    What was sent before the backlog begins does not count: the switch may have been served over it before.
    ``requests`` counts the requests that were sent since the last barrier request. ``settled`` counts the requests that
    the switch has rejected or returned since the last barrier reply. The caller counts requests and rejections.
    ``round_trip`` is the seconds that the last barrier took, None before the first reply.
    """

    def __init__(self, bytes_sent: int = 0) -> None:
        self.requests = 0
        self._requests_before_barrier = 0
        self.settled = 0
        self._returned = 0
        self.round_trip: Optional[float] = None
        self._outstanding: deque[_Barrier] = deque()
        self._bytes_before_barrier = bytes_sent
        self._confirmed_bytes = bytes_sent
        self._shortest_round_trip = self._previous_shortest = _MAX_SUBTRACTED_ROUND_TRIP
        self._window_ends = 0.0

    def needs_barrier(self, bytes_sent: int) -> bool:
        """Whether a barrier request is due: bytes were sent after the last one, and not too many are outstanding."""
        return bytes_sent > self._bytes_before_barrier and len(self._outstanding) < _MAX_OUTSTANDING_BARRIERS

    def record_barrier(self, xid: int, bytes_sent: int, now: float) -> None:
        """Record that a barrier request was sent; ``bytes_sent`` includes it."""
        self._outstanding.append(_Barrier(xid, bytes_sent, now, self.requests))
        self._requests_before_barrier += self.requests
        self.requests = 0
        self._bytes_before_barrier = bytes_sent

    def on_barrier_reply(self, xid: int, now: float) -> bool:
        """Confirm the bytes that were sent before a barrier. False when the barrier was not recorded here."""
        if all(barrier.xid != xid for barrier in self._outstanding):
            return False
        self.settled = 0  # all rejections and returns until now were of requests before this barrier
        while True:
            barrier = self._outstanding.popleft()
            self._confirmed_bytes = barrier.bytes_sent
            if barrier.xid == xid:
                self.round_trip = now - barrier.sent_at
                self._record_round_trip(self.round_trip, now)
                return True

    def record_return(self) -> bool:
        """Record that a request has come back from the switch. False: no request was sent to it that could."""
        if self._returned >= self.all_requests:
            return False
        self._returned += 1
        self.settled += 1
        return True

    @property
    def all_requests(self) -> int:
        """Requests that were sent over the connection so far."""
        return self._requests_before_barrier + self.requests

    @property
    def unconfirmed_requests(self) -> int:
        """Requests that were sent and neither confirmed nor rejected nor returned."""
        return max(0, self.requests + sum(barrier.requests for barrier in self._outstanding) - self.settled)

    def oldest_barrier_age(self, now: float) -> float:
        """Seconds for which the oldest outstanding barrier has had no reply; 0 when none is outstanding."""
        return now - self._outstanding[0].sent_at if self._outstanding else 0.0

    def load(self, bytes_sent: int, now: float, is_delay_excused: bool = False) -> Load:
        """The load at this moment. With ``is_delay_excused`` (the switch answers a flow-stats request, for example)
        only unconfirmed bytes count."""
        unconfirmed = bytes_sent - self._confirmed_bytes
        if not self._outstanding and unconfirmed < MAX_UNCONFIRMED_BYTES:
            return _NORMAL
        round_trip = min(self._shortest_round_trip, self._previous_shortest)
        delay = 0.0 if is_delay_excused else self.oldest_barrier_age(now) - round_trip
        load = max(delay / MAX_QUEUEING_DELAY, unconfirmed / MAX_UNCONFIRMED_BYTES)
        if load < 1.0:
            return _NORMAL
        return Load.HIGH if load < 2.0 else Load.FULL

    def _record_round_trip(self, seconds: float, now: float) -> None:
        if now >= self._window_ends:
            self._previous_shortest = self._shortest_round_trip
            self._shortest_round_trip = _MAX_SUBTRACTED_ROUND_TRIP
            self._window_ends = now + _ROUND_TRIP_WINDOW
        self._shortest_round_trip = min(self._shortest_round_trip, seconds)
