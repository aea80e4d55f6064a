"""Snapshots of the balancer as plain values: what ``show``, ``--json`` and all else that reports are made from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from ipaddress import IPv4Address
from typing import Any, NamedTuple

from ryu_haslb.dfp.weight_table import WeightTable
from ryu_haslb.mobile_ip.identity import identity_of_key
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import SessionState

Row = dict[str, Any]
_PROTOCOLS = {0: "any", 6: "TCP", 17: "UDP"}


class Sources(NamedTuple):
    """What a running application can be asked about."""

    balancer: Balancer
    weights: WeightTable


def reals(sources: Sources) -> Iterator[Row]:
    """Every real server of every farm."""
    for real in sources.balancer.reals():
        yield {
            "real": str(real.configuration.address),
            "farm": real.farm_name,
            "weight": real.weight,
            "state": real.state,
            "conns": real.sessions,
            "reachable": bool(real.reachable_from),
        }


def sessions(sources: Sources) -> Iterator[Row]:
    """Every live session; those that begin or end while this runs may or may not be among them."""
    for server in sources.balancer.virtual_servers.values():
        for session in list(server.sessions.values()):
            yield {
                "vserver": server.name,
                "nai_hash": f"{session.cookie:016X}",
                "client": str(IPv4Address(session.client)),
                "real": str(session.real.configuration.address),
                "state": SessionState.ESTABLISHED.value,
                "client_port": session.client_port,
                "identity": None if session.is_adopted else str(identity_of_key(session.identity)),
                "retries": session.retries,
            }


def dfp_weights(sources: Sources) -> Iterator[Row]:
    """Every weight that an agent has set and that is in force."""
    started = time.time() - time.monotonic()
    for row in sources.weights.rows():
        yield {
            "real": str(row.server.address),
            "protocol": _PROTOCOLS.get(row.server.protocol, str(row.server.protocol)),
            "port": row.server.port,
            "bind_id": row.server.bind_id,
            "weight": row.weight,
            "agent": str(row.agent),
            "set_at": datetime.fromtimestamp(started + row.set_at, timezone.utc).isoformat(timespec="seconds"),
        }


def statistics(sources: Sources) -> Iterator[Row]:
    """The balancer's counters, one row each."""
    counted = sources.balancer.statistics
    for name in ("requests", "dispatched", "assignments", "retries", "reassignments", "deregistrations", "timeouts"):
        yield {"counter": name, "value": getattr(counted, name)}
    yield {"counter": "dropped", "value": counted.dropped}
    for reason, count in counted.drops.items():
        yield {"counter": f"dropped: {reason.value}", "value": count}
