"""Which requests one switch's connection lets in: all, unless switch and controller are behind.

A mobile that is known loses more by a lost request than one that waits for its first: its binding may run out, or it
may come to another home agent. It also costs less, for it needs no rule. So known mobiles go first. The others try
again after a second or more, each time later (RFC 5944, section 3.6.3), which spreads a storm by itself.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.backlog import Backlog, Load
from ryu_haslb.openflow.clients import Clients
from ryu_haslb.openflow.transactions import Channel
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.request import Request

_ADDRESS = 4


class Admission:
    """Decides for one switch. ``load`` is what its backlog allows, as of the last :meth:`follow`."""

    def __init__(self, balancer: Balancer) -> None:
        self.load = Load.NORMAL
        self.clients = Clients()
        self._balancer = balancer
        self._backlog = Backlog()

    def restart(self) -> None:
        """The connection is a new one, or gone."""
        self.load = Load.NORMAL
        self._backlog = Backlog()

    def follow(self, channel: Channel, barrier: Optional[int], now: float) -> None:
        """See how far behind the switch is. ``barrier`` was just sent; if there is none, one is sent when due."""
        if barrier is None and self._backlog.is_due(channel.bytes_sent):
            barrier = channel.next_xid()
            channel.transmit(wire.barrier_request(barrier))
        if barrier is not None:
            self._backlog.barrier(barrier, channel.bytes_sent, now)
        self.load = self._backlog.load(channel.bytes_sent, now)
        if self.load is not Load.NORMAL:
            self.clients.overloaded(now)

    def confirmed(self, xid: int, now: float) -> bool:
        """A barrier reply. False when it answers a barrier that is not from here."""
        return self._backlog.confirmed(xid, now)

    def silent_for(self, now: float) -> float:
        """Seconds that the switch has left a barrier without an answer."""
        return self._backlog.age(now)

    def shuts_out(self, client: bytes) -> bool:
        """Whether nobody's request is let in; asked before the request is read."""
        if self.load is Load.FULL:
            self.useless(client)
            return True
        return False

    def useless(self, client: bytes) -> None:
        """What this client sent came to nothing. It is shorter than an address if the frame is."""
        if self.load is not Load.NORMAL and len(client) == _ADDRESS:
            self.clients.saw(client)
            self.clients.shed += 1

    def turns_away(self, request: Request) -> bool:
        """Whether a request that could be read is not let in."""
        if self.load is not Load.NORMAL:
            if not (self.clients.spares(request.client) or self._balancer.has_binding(request)):
                self.useless(request.client)
                return True
            self.clients.saw(request.client)
        self.clients.let_in += 1
        return False
