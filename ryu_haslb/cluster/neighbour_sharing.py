"""The neighbours that the leader has found, for the members that stand by."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Optional

from ryu_haslb.cluster.neighbour_rows import NEIGHBOUR, places_of, places_to_publish, rows_of
from ryu_haslb.cluster.rows import Columns
from ryu_haslb.cluster.shared_state import Publication, SharedState
from ryu_haslb.openflow.fleet import FORGET_TIMEOUT, Fleet


def share_neighbours(shared: SharedState, fleet: Fleet) -> None:
    """Publish what the switches of a fleet find while this member leads, and preload it while it stands by."""
    first: Optional[float] = None

    def wanted(rows: Collection[Columns], now: float) -> Iterable[Columns]:
        nonlocal first
        first = now if first is None else first
        published = places_of(rows)
        kept = published.keys() if now - first < FORGET_TIMEOUT else fleet.configured & published.keys()
        found = {datapath_id: switch.found_neighbours() for datapath_id, switch in fleet.switches.items()}
        return rows_of(places_to_publish(found, published, kept))

    shared.add(
        Publication(
            NEIGHBOUR,
            state=lambda: {key: switch.neighbour_changes for key, switch in fleet.switches.items()},
            wanted=wanted,
            on_rows=lambda rows: fleet.preload_neighbours(places_of(rows)),
        )
    )
