"""The adjacencies of one switch: the next hops of real servers, and the actions that lead to each.

ARP finds the next hops (:mod:`.discovery`), the actions follow from where they are (:mod:`.forwarding`).
After a start many are found at once, and to derive the actions of thousands takes milliseconds. So a change only marks
the actions as stale; they are updated before the next request is forwarded, or with the next tick.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Callable

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.openflow.flow_tables.pipeline import PROBE_PREFIX, chassis_address, dispatch_address
from ryu_haslb.openflow.neighbours.discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.forwarding import Forwarding
from ryu_haslb.openflow.neighbours.places import Location, Place
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer

LOG = logging.getLogger(__name__)

#: Is called at each update with the real servers whose actions have changed.
OnUpdated = Callable[[set[RealServer]], None]


class Adjacencies:
    """Where one switch sees the real servers, or the routers to them, and how it reaches them.

    ``changes`` is a number that grows with each change of :meth:`found` or :meth:`lost`, and with each update.
    """

    def __init__(
        self, datapath_id: int, configuration: Configuration, balancer: Balancer, on_updated: OnUpdated
    ) -> None:
        self.discovery = NeighbourDiscovery(datapath_id, configuration)
        self.forwarding = Forwarding(datapath_id)
        self.is_stale = False
        self.changes = 0
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._on_updated = on_updated
        self._remarks: list[str] = []

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before."""
        self.discovery.configure(configuration)
        self.update()

    def begin(self, key: bytes, now: float) -> None:
        """The switch is served over a new connection: neighbours may have moved. ``key`` is that of session tags."""
        self.forwarding.source = dispatch_address(self._datapath_id, key)
        self.update()
        self.discovery.probe_all()
        self.discovery.verify_preloaded(now)

    def end(self) -> None:
        """The switch is gone for good: it reaches no real server."""
        self.forwarding.update((), self.discovery.location, self.discovery.last_location)

    def update(self) -> None:
        """Locations or farms have changed: derive the actions anew."""
        self.is_stale = False
        self.changes += 1
        farms, discovery = self._balancer.farms.values(), self.discovery
        self._on_updated(self.forwarding.update(farms, discovery.location, discovery.last_location))

    def tick(self, channel: Channel, is_behind: bool, now: float) -> None:
        """Send the probes that are due. A switch that is behind proves no silence of a neighbour."""
        if self.discovery.probe_due(channel, now, is_behind):
            self.is_stale = True

    def place_of(self, real: RealServer) -> Place:
        """Where this switch sees a real server, or the router to it."""
        return self.discovery.place(real.configuration)

    def found(self) -> dict[bytes, Location]:
        """The next hops of real servers that ARP has located here, by address."""
        return self.discovery.found()

    def lost(self) -> dict[bytes, Location]:
        """Where next hops of real servers were that were lost here, by address."""
        return self.discovery.lost()

    def preload(self, places: Mapping[bytes, Location], lost: Mapping[bytes, Location]) -> None:
        """Another member of the cluster leads, and has located next hops, and ``lost`` others at these places.

        :meth:`begin` verifies those that were located.
        """
        if self.discovery.preload(places, lost):
            self.update()

    @property
    def sides(self) -> Sides:
        """How the switch's ports lie around the IPsec module."""
        return self.discovery.sides

    def set_sides(self, sides: Sides, remarks: list[str]) -> None:
        """Set :attr:`sides`, and log each remark about them that has not been logged yet."""
        for remark in remarks:
            if remark not in self._remarks:
                LOG.warning("Switch %016x %s", self._datapath_id, remark)
        self.discovery.sides, self._remarks = sides, remarks

    def set_port_names(self, names: Mapping[int, str]) -> tuple[str, ...]:
        """The switch has these ports, by their numbers. Returns remarks about ports that it lacks."""
        remarks = self.discovery.set_port_names(names)
        self.update()
        return remarks

    def on_port_changed(self, port: int, usable: bool) -> None:
        """A port came up, went down or was removed."""
        if self.discovery.on_port_changed(port, usable):
            self.update()

    def on_arp(self, channel: Channel, frame: bytes, port: int, addresses: Collection[bytes], now: float) -> None:
        """Reply to an ARP request for one of these addresses, on the ports where it is served; learn from all others.

        ``addresses`` is empty where the packet cannot be a request to us.
        """
        if not self.discovery.admits(frame, port, now):
            self.discovery.mute(channel, now)
        elif addresses and self.discovery.reply(channel, frame, port, addresses):
            return
        elif self.discovery.on_arp(frame, port, now):
            self.is_stale = True

    def is_own(self, mac: bytes) -> bool:
        """Whether the balancer itself sends with this Ethernet address."""
        return mac in (chassis_address(self._datapath_id), self.forwarding.source) or mac.startswith(PROBE_PREFIX)
