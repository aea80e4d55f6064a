"""The doubt about a real server: before it is failed, the switches copy its replies to the balancer.

Requests prove nothing: a stranger can write requests that look like those of mobiles without a reply. Replies cannot be
written by subscribers, where the switches match the home agent's own port, Ethernet address and VLAN. Normally no reply
is copied, since each copy has a cost. So::

    retries of a quarter of ``numconns`` mobiles,
      or a session may soon move (``reassign``)   -> in doubt: each switch copies its replies to the balancer
      -> ``numconns`` mobiles retry               -> one new session a second goes there, regardless of the rotation
      -> a reply is seen                          -> no doubt: it lives, and all failures are forgotten
      -> ``numconns`` mobiles have failed there   -> FAILED, if replies were looked for and it was silent for long
                                                     enough, and a request that was sent meanwhile was retransmitted
      -> the retries are long over                -> no doubt

Long enough is :data:`WATCH_INTERVAL` if no reply was seen lately. A home agent that has answered within the last minute
may be asked seldom, and may discard forged requests in silence: it is given :data:`PAUSE_FACTOR` times the longest of
its recent pauses between two replies, at least :data:`MIN_SILENCE` and at most :data:`MAX_SILENCE`.

A switch that cannot copy replies is not waited for; there the requests alone decide. A failed real server stays
watched: its first reply brings it back.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from math import inf
from typing import Final, Optional

#: The part of ``numconns`` that is enough for a doubt: so many mobiles have retried, and one at least.
DOUBT_DIVISOR: Final = 4
#: Mobiles whose retries are remembered; ``numconns`` is 255 at most.
MAX_RETRYING_MOBILES: Final = 255
#: Seconds for which a retry counts toward a doubt: the longest pause between two attempts of most phones.
RETRY_MEMORY: Final = 60.0
#: Seconds for which replies are looked for before a real server fails. Home agents answer within milliseconds.
WATCH_INTERVAL: Final = 1.5
#: The same for a real server of which a reply was seen within the last :data:`REPLY_MEMORY` seconds.
MIN_SILENCE: Final = 5.0
MAX_SILENCE: Final = 30.0
REPLY_MEMORY: Final = 60.0
#: The silence that is long enough, as a multiple of the longest recent pause between two replies; and the part of that
#: pause that is left after each further reply.
PAUSE_FACTOR: Final = 4.0
_PAUSE_DECAY: Final = 0.95
#: Mobiles that have retried at a real server before it is asked, if ``numconns`` is less. Fewer retries may be lost
#: packets, and do not change the rotation.
MIN_ASKING_MOBILES: Final = 2
#: Seconds between two new sessions that a real server in doubt gets beside its share: it cannot answer unasked.
QUESTION_INTERVAL: Final = 1.0
#: Seconds of doubt after which a switch that has not confirmed its rules for replies is no longer waited for.
MAX_WATCH_DELAY: Final = 15.0


class Doubt:
    """What speaks against a real server beside its failures, and what was seen of it.

    ``since`` is when the doubt began (None: there is none). ``retrying_mobiles`` maps mobiles that have retried since
    the real server last answered to the time of their last retry. ``watched_from`` maps the datapath ids of the
    switches that copy its replies to the time since when they do. ``replies_seen`` counts replies, and
    ``answers_visibly`` says whether silence means something: a reply was seen before. ``unanswered_at`` is when the
    last request was sent that was retransmitted since.
    """

    __slots__ = (
        "_asked_at",
        "_longest_pause",
        "_looked_for_until",
        "_replied_at",
        "answers_visibly",
        "replies_seen",
        "retrying_mobiles",
        "since",
        "unanswered_at",
        "watched_from",
    )

    def __init__(self) -> None:
        self.since: Optional[float] = None
        self.unanswered_at = 0.0
        self.retrying_mobiles: dict[bytes, float] = {}
        self.watched_from: dict[int, float] = {}
        self.replies_seen = 0
        self.answers_visibly = False
        self._replied_at = self._asked_at = self._looked_for_until = -inf
        self._longest_pause = 0.0

    def record_retry(self, mobile: bytes, numconns: int, now: float) -> None:
        """A mobile has retried: enough of them begin the doubt."""
        retrying = self.retrying_mobiles
        if mobile in retrying or len(retrying) < MAX_RETRYING_MOBILES:
            retrying[mobile] = now
        if self.since is None and self._is_reasonable(numconns):
            self.since = now

    def look(self, now: float) -> None:
        """Look for replies: a session of this real server may soon move."""
        self._looked_for_until = now + RETRY_MEMORY
        if self.since is None:
            self.since = now

    def has_answered_since(self, since: float) -> bool:
        """Whether a reply to any mobile was seen since a time."""
        return self._replied_at >= since

    def is_watched_since(self, switches: AbstractSet[int], since: float) -> bool:
        """Whether all ``switches``, and one at least, have copied its replies since a time."""
        return bool(switches) and self._watched_since(switches) <= since

    def record_reply(self, now: float) -> None:
        """A reply was seen."""
        pause, self._replied_at = now - self._replied_at, now
        self._longest_pause *= _PAUSE_DECAY
        if pause <= REPLY_MEMORY:
            self._longest_pause = max(self._longest_pause, pause)
        self.replies_seen += 1
        self.answers_visibly = True

    def is_question_due(self, numconns: int, now: float) -> bool:
        """Whether it is to get a new session beside its share, to be asked at all while replies are looked for."""
        if self.since is None or not self.watched_from or now < self._asked_at + QUESTION_INTERVAL:
            return False
        if len(self.retrying_mobiles) < max(MIN_ASKING_MOBILES, numconns):
            return False
        self._asked_at = now
        return True

    def end(self) -> None:
        """The real server has answered."""
        self.retrying_mobiles.clear()
        self.since, self._looked_for_until = None, -inf

    def forget_old_retries(self, numconns: int, now: float) -> None:
        """Forget retries that are long over; the doubt ends with them."""
        for mobile in [each for each, last in self.retrying_mobiles.items() if last < now - RETRY_MEMORY]:
            del self.retrying_mobiles[mobile]
        if not self._is_reasonable(numconns) and now > self._looked_for_until:
            self.since = None

    def allows_failure(self, switches: AbstractSet[int], now: float) -> bool:
        """Whether replies were looked for long enough, also for those to a request that was retransmitted.

        ``switches`` are those that reach the real server and can copy its replies. Without any, the requests alone
        decide, and so they do when a switch does not confirm its rules in time.
        """
        if not switches or self.since is None:
            return True
        watched_since = self._watched_since(switches)
        if watched_since == inf:
            return now >= self.since + MAX_WATCH_DELAY
        silent_since = max(watched_since, self._replied_at)
        return self.unanswered_at >= silent_since and now >= silent_since + self._needed_silence(now)

    def is_silence_conclusive(self, switches: AbstractSet[int], since: float) -> bool:
        """Whether it has sent no reply since a time: replies were seen before, and all ``switches`` look for them."""
        return self.answers_visibly and self.is_watched_since(switches, since)

    def _needed_silence(self, now: float) -> float:
        """Seconds of silence that are long enough for this real server."""
        if self._replied_at < now - REPLY_MEMORY:
            return WATCH_INTERVAL
        return min(max(MIN_SILENCE, PAUSE_FACTOR * self._longest_pause), MAX_SILENCE)

    def _watched_since(self, switches: AbstractSet[int]) -> float:
        return max(self.watched_from.get(each, inf) for each in switches)

    def _is_reasonable(self, numconns: int) -> bool:
        return len(self.retrying_mobiles) >= -(-numconns // DOUBT_DIVISOR)
