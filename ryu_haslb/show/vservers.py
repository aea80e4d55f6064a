"""``show ip slb vservers``: virtual servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Optional, TypedDict

from ryu_haslb.show.column_types import AddressAndPort, Count, Seconds, Values
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column
from ryu_haslb.slb.farm import FARM_STATES

ServerState = Annotated[str, Values(enum=(*FARM_STATES, "OUTOFSERVICE"))]


class VirtualServerRow(TypedDict):
    """A virtual server."""

    vserver: str
    protocol: str
    virtual: AddressAndPort
    state: Annotated[ServerState, "OUTOFSERVICE by configuration, else that of its farm; see docs/states.md."]
    conns: Annotated[Count, "Live sessions."]
    farm: str
    idle: Annotated[Seconds, "Time without a Registration Request after which a session ends."]
    clients: Annotated[list[str], "Client networks that are allowed or excluded; an empty list allows all clients."]


def vservers(sources: Sources, name: Optional[str] = None) -> Iterator[VirtualServerRow]:
    """Every virtual server, or the one with this name."""
    for server in sources.balancer.virtual_servers.values():
        if name not in (None, server.name):
            continue
        configuration = server.configuration
        yield {
            "vserver": server.name,
            "protocol": "UDP",
            "virtual": f"{configuration.address}:{configuration.port}",
            "state": server.farm.state if configuration.in_service else "OUTOFSERVICE",
            "conns": sources.balancer.sessions.count_of(server),
            "farm": server.farm.name,
            "idle": server.idle,
            "clients": [
                f"{rule.network.network_address} {rule.network.netmask}" + (" exclude" if rule.exclude else "")
                for rule in configuration.clients
            ],
        }


def _vserver_details(rows: Iterator[VirtualServerRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row['vserver']}, state = {row['state']}, virtual = {row['virtual']} {row['protocol']}"
        yield f"  server farm = {row['farm']}, service = ipmobile, idle ipmobile request = {row['idle']}"
        yield f"  conns = {row['conns']}, clients = {', '.join(row['clients']) or 'any'}"


VSERVERS = Report(
    vservers,
    as_table(
        Column("vserver", "slb vserver", 17),
        Column("protocol", "prot", 6),
        Column("virtual", "virtual", 22),
        Column("state", "state", 15),
        Column("conns", "conns", 6),
    ),
)
VSERVERS_DETAIL = Report(vservers, _vserver_details)
