"""Snapshots of the balancer as plain values: what ``show``, ``--json`` and all else that reports are made from."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from ryu_haslb.mobile_ip.identity import Identity, IdentityKind
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import SessionState

Row = dict[str, Any]


def reals(balancer: Balancer) -> Iterator[Row]:
    """Every real server of every farm."""
    for real in balancer.reals():
        yield {
            "real": str(real.configuration.address),
            "farm": real.farm_name,
            "weight": real.weight,
            "state": real.state,
            "conns": real.sessions,
            "reachable": bool(real.reachable_from),
        }


def sessions(balancer: Balancer) -> Iterator[Row]:
    """Every live session; those that begin or end while this runs may or may not be among them."""
    for server in balancer.virtual_servers.values():
        for session in list(server.sessions.values()):
            yield {
                "vserver": server.name,
                "nai_hash": f"{session.cookie:016X}",
                "client": str(IPv4Address(session.client)),
                "real": str(session.real.configuration.address),
                "state": SessionState.ESTABLISHED.value,
                "client_port": session.client_port,
                "identity": str(Identity(IdentityKind(session.identity[0]), session.identity[1:])),
                "retries": session.retries,
            }


def statistics(balancer: Balancer) -> Iterator[Row]:
    """The balancer's counters, one row each."""
    counted = balancer.statistics
    for name in ("requests", "dispatched", "assignments", "retries", "reassignments", "deregistrations", "timeouts"):
        yield {"counter": name, "value": getattr(counted, name)}
    yield {"counter": "dropped", "value": counted.dropped}
    for reason, count in counted.drops.items():
        yield {"counter": f"dropped: {reason.value}", "value": count}
