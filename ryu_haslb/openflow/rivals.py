"""Which of two connections with one datapath id is the switch's. Pure.

Theory of operation
===================

A datapath id is a number that every host can send. So a further connection with the id of a connected switch is either
the switch itself, which has lost its other connection without a sign here (it has rebooted, or a cable was cut), or
another host. The older connection decides it::

    a further connection -> the older one is sent an echo request, and the further one waits
                    the older one answers                             -> the further one is closed
                    the older one is lost                             -> the further one is served
                    the older one does not answer for ECHO_TIMEOUT    -> the older one is closed, the further one served

A connection that waits has no handler: nothing is sent to it but answers to its echo requests, and nothing that it
sends has an effect. One connection waits for each id. A further one is closed at once, with two exceptions: it takes
the place of one from the same host, since that host may have lost that one as well, and one from the host that the
switch was first served from takes the place of one from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.channel import SwitchChannel

#: Seconds within which a connection must answer an echo request to keep its datapath id. A switch that is taking a
#: bundle of session rules answers after some tenths of a second.
ECHO_TIMEOUT = 5.0
#: Seconds between two calls of :meth:`Rivals.tick` that count at most. After a longer time the event loop was busy, and
#: the answer may wait in the socket.
_MAX_STEP = 0.5


@dataclass
class _Rivalry:
    """An older connection, the one that waits, and the seconds that the older one has left."""

    older: SwitchChannel
    waiting: SwitchChannel
    xid: int
    left: float = ECHO_TIMEOUT


class Rivals:
    """The connections that wait, by datapath id."""

    def __init__(self) -> None:
        self._rivalries: dict[int, _Rivalry] = {}
        self._ticked_at = 0.0

    def challenge(self, older: SwitchChannel, newer: SwitchChannel, is_preferred: bool) -> Optional[SwitchChannel]:
        """Let ``newer`` wait for the answer of ``older``; the connection that must be closed instead of it, if any.

        ``is_preferred``: it takes the place of one that waits already.
        """
        rivalry = self._rivalries.get(newer.id)
        if rivalry is None:
            xid = older.next_xid()
            self._rivalries[newer.id] = _Rivalry(older, newer, xid)
            older.transmit(wire.echo_request(xid))
            return None
        if not is_preferred and newer.address[0] != rivalry.waiting.address[0]:
            return newer
        replaced, rivalry.waiting = rivalry.waiting, newer
        return replaced

    def waiting(self, datapath_id: int) -> Optional[SwitchChannel]:
        """The connection that waits with this id."""
        rivalry = self._rivalries.get(datapath_id)
        return None if rivalry is None else rivalry.waiting

    def all_waiting(self) -> list[SwitchChannel]:
        """The connections that wait."""
        return [rivalry.waiting for rivalry in self._rivalries.values()]

    def on_echo_reply(self, transport: SwitchChannel, xid: int) -> Optional[SwitchChannel]:
        """An echo reply came; the connection that must be closed, if the reply keeps the id for an older one."""
        rivalry = self._rivalries.get(transport.id)
        if rivalry is None or rivalry.older is not transport or rivalry.xid != xid:
            return None
        return self._rivalries.pop(transport.id).waiting

    def take(self, datapath_id: int) -> Optional[SwitchChannel]:
        """The connection that waits with this id, and no longer does."""
        rivalry = self._rivalries.pop(datapath_id, None)
        return None if rivalry is None else rivalry.waiting

    def remove(self, transport: SwitchChannel) -> None:
        """A connection is lost or closed; nothing happens unless it waits."""
        if self.waiting(transport.id) is transport:
            del self._rivalries[transport.id]

    def tick(self, now: float) -> list[SwitchChannel]:
        """The older connections that have not answered in time. :meth:`take` returns what is served instead."""
        step = min(max(0.0, now - self._ticked_at), _MAX_STEP)
        self._ticked_at = now
        for rivalry in self._rivalries.values():
            rivalry.left -= step
        return [rivalry.older for rivalry in self._rivalries.values() if rivalry.left <= 0]
