"""What this balancer publishes while it leads, and takes over while it stands by: the wiring of each table."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Callable, Optional

from ryu_haslb.cluster.health_rows import HEALTH, Clocks, health_rows, take_over_health
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.neighbour_rows import LOST_NEIGHBOUR, NEIGHBOUR, Places, places_of, places_to_publish, rows_of
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.rows import Columns
from ryu_haslb.cluster.weight_rows import WEIGHT, weight_rows, weights_of
from ryu_haslb.dfp.configured_agents import DfpAgents
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.fleet.known_switches import FORGET_TIMEOUT
from ryu_haslb.slb.balancer import Balancer

#: Seconds for which a new leader uses the weights that agents have reported to the leader before it. An agent that is
#: not connected by then is lost, and its real servers have their static weights.
INHERITED_WEIGHT_TIMEOUT = 60.0


def real_clocks() -> Clocks:
    """This moment."""
    return Clocks(time.monotonic(), time.time())


class Sharing:
    """Connects switches, real servers and DFP agents with the tables of the cluster."""

    def __init__(
        self,
        member: Member,
        fleet: Fleet,
        balancer: Balancer,
        dfp: DfpAgents,
        clocks: Callable[[], Clocks] = real_clocks,
    ) -> None:
        self._member, self._fleet, self._balancer, self._dfp = member, fleet, balancer, dfp
        self._clocks = clocks
        self._began_at: Optional[float] = None
        self._has_health = self._has_weights = False
        self._health_rows: Collection[Columns] = ()
        self._weight_rows: Collection[Columns] = ()
        for publication in (
            Publication(NEIGHBOUR, self._neighbour_state, self._neighbours, self._on_neighbours),
            Publication(LOST_NEIGHBOUR, self._neighbour_state, self._lost_neighbours, self._on_lost_neighbours),
            Publication(HEALTH, self._health_state, self._health, self._on_health),
            Publication(WEIGHT, lambda: dfp.weights.changes, self._weights, self._on_weights),
        ):
            member.shared.add(publication)

    def on_configured(self) -> None:
        """Another configuration is in force: what the leader has published may be about what is new in it."""
        if not self._member.is_leading:
            self._on_health(self._health_rows)
            self._on_weights(self._weight_rows)

    def on_leadership_changed(self, now: float) -> None:
        """This member begins to lead, or stands by."""
        if self._member.is_leading and self._began_at is None:
            self._began_at = now
            self._dfp.weights.limit_inherited(now + INHERITED_WEIGHT_TIMEOUT)
        elif not self._member.is_leading and self._began_at is not None:
            self._began_at = None
            self._on_health(self._health_rows)  # not what it has judged while it was cut off

    def _neighbour_state(self) -> object:
        return {key: switch.adjacencies.changes for key, switch in self._fleet.switches.items()}

    def _neighbours(self, rows: Collection[Columns], now: float) -> Iterable[Columns]:
        found = {key: switch.adjacencies.found() for key, switch in self._fleet.switches.items()}
        return self._places_at(found, rows, now)

    def _lost_neighbours(self, rows: Collection[Columns], now: float) -> Iterable[Columns]:
        lost = {key: switch.adjacencies.lost() for key, switch in self._fleet.switches.items()}
        return self._places_at(lost, rows, now)

    def _places_at(self, met: Places, rows: Collection[Columns], now: float) -> Iterable[Columns]:
        """The rows with the places at the switches that were ``met``, and at others with those that are published."""
        published = places_of(rows)
        is_new = self._began_at is None or now - self._began_at < FORGET_TIMEOUT
        kept = published.keys() if is_new else self._fleet.configured & published.keys()
        return rows_of(places_to_publish(met, published, kept))

    def _on_neighbours(self, rows: Collection[Columns]) -> None:
        self._fleet.preload_neighbours(places_of(rows))

    def _on_lost_neighbours(self, rows: Collection[Columns]) -> None:
        self._fleet.preload_lost_neighbours(places_of(rows))

    def _health_state(self) -> object:
        return [(real.health, real.failed_at) for real in self._balancer.reals()]

    def _health(self, rows: Collection[Columns], now: float) -> Iterable[Columns]:
        return health_rows(self._balancer.reals(), rows, Clocks(now, self._clocks().wall))

    def _on_health(self, rows: Collection[Columns]) -> None:
        """A leader takes over the rows that it sees first, since it may lead before it sees any; later they are its
        own."""
        self._health_rows = rows
        is_leading = self._member.is_leading
        if not is_leading or not self._has_health:
            self._has_health = True
            take_over_health(self._balancer.reals(), rows, self._clocks(), is_complete=not is_leading)

    def _weights(self, _: Collection[Columns], now: float) -> Iterable[Columns]:
        return weight_rows(self._dfp.weights.rows())

    def _on_weights(self, rows: Collection[Columns]) -> None:
        self._weight_rows = rows
        is_leading, now = self._member.is_leading, self._clocks().monotonic
        if not is_leading or not self._has_weights:
            self._has_weights = True
            self._dfp.inherit_weights(weights_of(rows, now), now + INHERITED_WEIGHT_TIMEOUT if is_leading else None)
