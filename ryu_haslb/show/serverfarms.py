"""``show ip slb serverfarms``: server farms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Optional, TypedDict

from ryu_haslb.show.column_types import Count, Values
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column
from ryu_haslb.slb.farm import ServerFarm

Nat = Annotated[str, Values(enum=("SERVER", "none"))]


class ServerFarmRow(TypedDict):
    """A server farm."""

    farm: str
    predictor: Annotated[str, "Predictor, by which a new session gets its real server."]
    nat: Annotated[Nat, "SERVER in direct mode, none in dispatched mode."]
    reals: Annotated[Count, "Number of real servers."]
    bind_id: Annotated[Count, "Bind id that DFP agents know the farm by; always 0."]
    vservers: Annotated[list[str], "Names of the virtual servers that use it."]
    real_servers: Annotated[list[str], "Of each real server: name, weight in force, state, live sessions."]


def serverfarms(sources: Sources, name: Optional[str] = None) -> Iterator[ServerFarmRow]:
    """Every farm, or the one with this name."""
    servers = sources.balancer.virtual_servers.values()
    for farm in sources.balancer.farms.values():
        if name in (None, farm.name):
            yield {
                "farm": farm.name,
                "predictor": farm.configuration.predictor.value.upper(),
                "nat": nat_of(farm),
                "reals": len(farm.reals),
                "bind_id": 0,
                "vservers": [server.name for server in servers if server.farm is farm],
                "real_servers": [
                    f"{real.name}, weight = {real.weight}, {real.state}, conns = {real.sessions}" for real in farm.reals
                ],
            }


def nat_of(farm: ServerFarm) -> str:
    return "SERVER" if farm.configuration.nat_server else "none"


def _serverfarm_details(rows: Iterator[ServerFarmRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row['farm']}, type = server farm, predictor = {row['predictor']}, nat = {row['nat']}"
        yield f"  virtual servers = {', '.join(row['vservers']) or 'none'}, bind id = {row['bind_id']}"
        yield f"  real servers = {row['reals']}"
        for real in row["real_servers"]:
            yield f"    {real}"


SERVERFARMS = Report(
    serverfarms,
    as_table(
        Column("farm", "server farm", 17),
        Column("predictor", "predictor", 13),
        Column("nat", "nat", 8),
        Column("reals", "reals", 8),
        Column("bind_id", "bind id", 8),
    ),
)
SERVERFARMS_DETAIL = Report(serverfarms, _serverfarm_details)
