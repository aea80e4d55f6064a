"""What is seen on the wires of a simulated world, by which its invariants judge the balancer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

from simulation.clock import Clock
from simulation.mobile_ip import is_authentic
from simulation.mobiles import Mobile
from simulation.packet import untagged
from simulation.request_log import RequestLog

#: Seconds for which a request that the balancer has not dispatched is remembered, at least.
FORGET_INTERVAL = 60.0
#: Seconds within which a second request of a mobile retransmits the first one: less than its pause between attempts.
MAX_RETRANSMISSION_PAUSE = 5.0
#: The first bytes of the Ethernet addresses of nodes.
NODE_PREFIX = b"\x02\0"


def is_dispatched(frame: bytes) -> bool:
    """Whether the balancer has dispatched a frame: then its source is secret, and no node's (docs/flows.md)."""
    return frame[6:8] != NODE_PREFIX


@dataclass
class Counts:
    """What was seen on the wires. ``dispatched`` are requests that the switch sent to home agents for the balancer."""

    requests: int = 0
    dispatched: int = 0
    #: Requests that the switch sent to home agents more often than they came.
    repeated: int = 0
    #: Frames that bystanders have sent to each other, and those that arrived.
    bystanders_sent: int = 0
    bystanders_received: int = 0


class Vote(NamedTuple):
    """A mobile has given up on a home agent, with its last requests since ``began_at``; ``client`` is its PDSN."""

    at: float
    began_at: float
    home_agent: int
    nai: bytes
    client: str


class Witness:
    """Sees every request that enters a switch, leaves for a home agent, is lost, or is ignored.

    ``reassign`` is the number of unanswered requests beyond the first before a mobile's attempt counts as a vote.
    """

    def __init__(self, clock: Clock, reassign: int) -> None:
        self.counts = Counts()
        self.log = RequestLog(clock)
        #: The mobiles by NAI.
        self.mobiles: dict[bytes, Mobile] = {}
        self.votes: list[Vote] = []
        #: By home agent: the last request that it received and that was sent again in vain, and the retransmission.
        self.asked_in_vain: dict[int, tuple[float, float]] = {}
        #: When something happened last that the balancer cannot tell from an answer of a silent home agent: a mobile
        #: that registered was switched off, a stranger has sent requests, sessions were cleared.
        self.interrupted_at = 0.0
        #: When a request that one switch had dispatched last came to the balancer again at the next one.
        self.returned_at = 0.0
        self._clock = clock
        self._reassign = reassign
        self._undispatched: dict[bytes, int] = {}
        self._undispatched_before: dict[bytes, int] = {}

    def start(self) -> None:
        """Begin to forget what was dropped."""
        self._clock.after(FORGET_INTERVAL, self._forget_dropped)

    def on_request(self, payload: bytes, datapath_id: int) -> None:
        """A request for the virtual address enters a switch."""
        self.counts.requests += 1
        self._undispatched[payload] = self._undispatched.get(payload, 0) + 1
        if is_authentic(payload):  # others were forged
            self.log.on_request(datapath_id, payload)

    def on_dispatched(self, payload: bytes, mac: bytes) -> None:
        """A request leaves for the Ethernet address of a home agent. What was dropped is forgotten after a while."""
        self.counts.dispatched += 1
        self.log.on_dispatched(payload, mac)
        for requests in (self._undispatched, self._undispatched_before):
            left = requests.get(payload, 0)
            if left == 1:
                del requests[payload]
            elif left:
                requests[payload] = left - 1
            if left:
                return
        self.counts.repeated += 1

    def on_returned(self, payload: bytes) -> None:
        """A request that one switch has dispatched comes to the balancer again at the next, and to no home agent."""
        self.returned_at = self._clock.now
        self._undispatched[payload] = self._undispatched.get(payload, 0) + 1

    def on_ignored(self, number: int, frame: bytes) -> None:
        """A home agent has received a message and did not read it."""
        mobile = self.excuse(frame)
        if mobile is None or not is_dispatched(frame):
            return
        now = self._clock.now
        before, at = mobile.ignored[-1] if mobile.ignored else (number, now)
        if before == number and 0 < now - at < MAX_RETRANSMISSION_PAUSE:
            self.asked_in_vain[number] = at, now
        mobile.ignored.append((number, now))

    def on_transmitted(self, mobile: Mobile) -> None:
        """A mobile asks again. After more unanswered requests than ``reassign`` that is a vote (docs/states.md)."""
        needed = self._reassign + 1
        last = mobile.ignored[-needed:]
        if len(last) == needed and len({number for number, _ in last}) == 1 and last[0][1] > self.interrupted_at:
            self.votes.append(Vote(self._clock.now, last[0][1], last[0][0], mobile.nai, mobile.pdsn.name))
            mobile.ignored.clear()

    def interrupt(self) -> None:
        """Something has happened that the balancer cannot tell from an answer: votes may be forgotten."""
        self.interrupted_at = self._clock.now
        self.votes.clear()

    def excuse(self, frame: bytes) -> Optional[Mobile]:
        """A message is lost: its mobile may end up with two bindings (docs/states.md). Returns the mobile."""
        frame = untagged(frame)
        start = {b"\x01": 66, b"\x03": 62}.get(frame[42:43])
        if frame[12:14] != b"\x08\0" or start is None or len(frame) < start + 2:
            return None
        nai = frame[start + 2 : start + 2 + frame[start + 1]]
        mobile = self.mobiles.get(nai)
        if mobile is not None:
            mobile.excuse = "a message was lost"
        return mobile

    def _forget_dropped(self) -> None:
        self._undispatched_before, self._undispatched = self._undispatched, {}
        self._clock.after(FORGET_INTERVAL, self._forget_dropped)
