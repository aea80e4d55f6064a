"""Admission control: which requests of one switch are processed, and which are dropped because of an overload.

=========  ============================================================================================
load       requests that are admitted
=========  ============================================================================================
NORMAL     all
HIGH       those of known mobiles, and those of clients that other clients crowd out
FULL       none; the frames are not even read, which would cost a third of what it costs to serve them
=========  ============================================================================================

The load follows from the :mod:`.backlog`. A known mobile is one that has a session; it is served first. It has more to
lose: its binding may expire, or another home agent may be chosen for it. It also costs less: the switch has its session
rule already. A request that names a home agent does not make its mobile known: a flood can name one as well. A new
mobile loses only time. It retransmits after at least one second, and at growing intervals (RFC 5944, section 3.6.3), so
that a storm of new mobiles spreads by itself.

Each request that comes while the load is HIGH or FULL is counted for its client: :mod:`.clients` finds out which
clients exceed their fair share.
"""

from __future__ import annotations

from typing import Callable, Final, Optional

from ryu_haslb.openflow.overload.backlog import Backlog, Load
from ryu_haslb.openflow.overload.clients import Clients
from ryu_haslb.openflow.packets.frame import IPV4_DST, IPV4_SRC
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import Request

#: Seconds after a flow-stats reply within which the switch sends the barrier replies that have waited behind it.
_AFTER_READING_INTERVAL: Final = 0.2
#: Seconds after a takeover in which a delay is no overload: this member recovers what it has followed, the former
#: leader forgets its sessions, and the switch replaces the standing rules.
AFTER_TAKEOVER_INTERVAL: Final = 2.0
_ADDRESS_LENGTH: Final = 4
# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; this is for the request path.
_NORMAL: Final = Load.NORMAL
#: Drops that the client did not cause. They are not counted against its share.
_NOT_CAUSED_BY_CLIENT: Final = (DropReason.RECOVERY_PENDING, DropReason.RETURNED_BY_HOME_AGENT)

#: Reads the request in an untagged frame that had a tag of this VLAN (None: no tag), or returns why there is none.
RequestReader = Callable[[bytes, Optional[int]], Optional[DropReason]]


class Admission:
    """Admits the requests of one switch.

    ``load`` is what the last :meth:`update_load` has found, ``backlog`` that of the connection. ``read_request`` reads
    a request into ``request``.
    """

    def __init__(self, balancer: Balancer, request: Request, read_request: RequestReader) -> None:
        self.load = Load.NORMAL
        self.clients = Clients()
        self._balancer = balancer
        self._request = request
        self._read_request = read_request
        self.backlog = Backlog()
        self._excused_until = 0.0

    def on_reading(self, now: float) -> None:
        """The switch is replying to a flow-stats request for many rules. A short delay is then no overload."""
        self._excused_until = max(self._excused_until, now + _AFTER_READING_INTERVAL)

    def on_takeover(self, now: float) -> None:
        """This member of a cluster begins to serve the switch in the place of another one.

        A short delay is then no overload. Unconfirmed bytes count all the same.
        """
        self._excused_until = max(self._excused_until, now + AFTER_TAKEOVER_INTERVAL)

    def admit(self, frame: bytes, vlan: Optional[int]) -> Optional[DropReason]:
        """Read and admit the request in an untagged frame; or return the reason to drop it."""
        if self.load is not _NORMAL:
            return self._admit_under_load(frame, vlan)
        fault = self._read_request(frame, vlan)
        if fault is None:
            self.clients.admitted += 1
        return fault

    def reset(self, bytes_sent: int = 0) -> None:
        """Forget load and backlog: the switch is served from now on, after so many bytes, or no longer."""
        self.load = Load.NORMAL
        self.backlog = Backlog(bytes_sent)

    def update_load(self, channel: Channel, barrier: Optional[int], now: float) -> None:
        """Determine the load. ``barrier`` is a barrier request that was just sent; if None, one is sent when due."""
        if barrier is None and self.backlog.needs_barrier(channel.bytes_sent):
            barrier = channel.next_xid()
            channel.transmit(wire.barrier_request(barrier))
        if barrier is not None:
            self.backlog.record_barrier(barrier, channel.bytes_sent, now)
        self.load = self.backlog.load(channel.bytes_sent, now, now < self._excused_until)
        if self.load is not Load.NORMAL:
            self.clients.on_overload(now)

    def on_barrier_reply(self, xid: int, now: float) -> bool:
        """Handle a barrier reply. False when the barrier was not recorded here."""
        return self.backlog.on_barrier_reply(xid, now)

    def oldest_barrier_age(self, now: float) -> float:
        """Seconds since the oldest barrier request that has no reply yet; 0 when there is none."""
        return self.backlog.oldest_barrier_age(now)

    def _admit_under_load(self, frame: bytes, vlan: Optional[int]) -> Optional[DropReason]:
        if self.load is Load.FULL:
            self.record_dropped(frame)
            return DropReason.OVERLOAD
        fault = self._read_request(frame, vlan)
        if fault is not None:
            if fault not in _NOT_CAUSED_BY_CLIENT:
                self.record_dropped(frame)
            return fault
        request = self._request
        if not (self.clients.is_crowded_out(request.client) or self._balancer.has_session(request)):
            self.record_dropped(frame)
            return DropReason.OVERLOAD_NEW_MOBILE
        self.clients.record_request(request.client)
        self.clients.admitted += 1
        return None

    def record_dropped(self, frame: bytes) -> None:
        """Count an untagged frame that was dropped for its client."""
        client = frame[IPV4_SRC:IPV4_DST]
        if len(client) == _ADDRESS_LENGTH:  # else the frame is cut short, and no meter can match its client
            self.clients.record_dropped(client)
