"""Which of several connections with one datapath id is the switch's. Pure.

Theory of operation
===================

A datapath id is a number that every host can send. So a further connection with the id of a connected switch is either
the switch itself, which has lost its other connection without a sign here (it has rebooted, or a cable was cut), or
another host. The older connection decides it::

    a further connection -> the older one is sent an echo request, and the further one waits
                    the older one answers                             -> the further one is closed
                    the older one is lost                             -> the further one is served
                    the older one does not answer for ECHO_TIMEOUT    -> the older one is closed, the further one served
                    ... but has answered a barrier within that time   -> the further one is closed

A connection that waits has no handler: nothing is sent to it but an echo request and answers to its own, and nothing
else that it sends has an effect. Several may wait for one id. Those that have answered their echo request come first,
then those from the host that the switch was first served from, then the newest: that host may have lost an earlier one.

A served switch that falls silent without a rival is found by its barriers (:data:`.connection.BARRIER_TIMEOUT`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire import wire

#: Seconds within which a connection must answer an echo request to keep its datapath id. A switch that is taking a
#: bundle of session rules answers after some tenths of a second.
ECHO_TIMEOUT = 5.0
#: Connections that wait for one datapath id. Beyond it the oldest of those that would be served last is closed.
MAX_WAITING = 32
#: Seconds between two calls of :meth:`Rivals.tick` that count at most. After a longer time the event loop was busy, and
#: the answer may wait in the socket.
_MAX_STEP = 0.5


class _Asked:
    """A connection that was sent an echo request."""

    def __init__(self, transport: SwitchChannel, is_from_first_address: bool = True) -> None:
        self.transport = transport
        self.is_from_first_address = is_from_first_address
        self.has_answered = False
        self._xid = transport.next_xid()
        transport.transmit(wire.echo_request(self._xid))

    def on_echo_reply(self, transport: SwitchChannel, xid: int) -> None:
        self.has_answered = self.has_answered or (transport is self.transport and xid == self._xid)

    @property
    def rank(self) -> tuple[bool, bool]:
        return self.has_answered, self.is_from_first_address


@dataclass
class _Rivalry:
    """``waiting`` are the connections that wait for ``older`` to answer, the newest last. ``began_at`` is when it was
    asked, ``left`` the seconds that it still has."""

    older: _Asked
    began_at: float
    waiting: list[_Asked] = field(default_factory=list)
    left: float = ECHO_TIMEOUT


class Rivals:
    """The connections that wait, by datapath id."""

    def __init__(self) -> None:
        self._rivalries: dict[int, _Rivalry] = {}
        self._ticked_at = 0.0

    def challenge(
        self, older: SwitchChannel, newer: SwitchChannel, is_from_first_address: bool, now: float
    ) -> Optional[SwitchChannel]:
        """Let ``newer`` wait for the answer of ``older``; the connection that must be closed for it, if any.

        ``is_from_first_address``: it comes from the host that the switch was first served from.
        """
        rivalry = self._rivalries.get(newer.id)
        if rivalry is None:
            rivalry = self._rivalries[newer.id] = _Rivalry(_Asked(older), now)
        rivalry.waiting.append(_Asked(newer, is_from_first_address))
        if len(rivalry.waiting) <= MAX_WAITING:
            return None
        last = min(rivalry.waiting, key=lambda each: each.rank)
        rivalry.waiting.remove(last)
        return last.transport

    def on_echo_reply(self, transport: SwitchChannel, xid: int) -> bool:
        """An echo reply came; whether it keeps the datapath id for an older connection. The others must be closed."""
        rivalry = self._rivalries.get(transport.id)
        if rivalry is None:
            return False
        for asked in (rivalry.older, *rivalry.waiting):
            asked.on_echo_reply(transport, xid)
        return rivalry.older.has_answered

    def began_at(self, datapath_id: int) -> float:
        """When the older connection with this id was asked."""
        return self._rivalries[datapath_id].began_at

    def best(self, datapath_id: int) -> Optional[SwitchChannel]:
        """The connection that is to be served next with this id."""
        rivalry = self._rivalries.get(datapath_id)
        return max(reversed(rivalry.waiting), key=lambda each: each.rank).transport if rivalry is not None else None

    def end(self, datapath_id: int) -> list[SwitchChannel]:
        """The connections that waited with this id, and no longer do."""
        rivalry = self._rivalries.pop(datapath_id, None)
        return [] if rivalry is None else [each.transport for each in rivalry.waiting]

    def all_waiting(self) -> list[SwitchChannel]:
        """The connections that wait."""
        return [each.transport for rivalry in self._rivalries.values() for each in rivalry.waiting]

    def remove(self, transport: SwitchChannel) -> None:
        """A connection is lost or closed; nothing happens unless it waits."""
        rivalry = self._rivalries.get(transport.id)
        if rivalry is not None:
            rivalry.waiting = [each for each in rivalry.waiting if each.transport is not transport]
            if not rivalry.waiting:
                del self._rivalries[transport.id]

    def tick(self, now: float) -> list[SwitchChannel]:
        """The older connections that have not answered in time; :meth:`best` is served instead of each."""
        step = min(max(0.0, now - self._ticked_at), _MAX_STEP)
        self._ticked_at = now
        for rivalry in self._rivalries.values():
            rivalry.left -= step
        return [rivalry.older.transport for rivalry in self._rivalries.values() if rivalry.left <= 0]
