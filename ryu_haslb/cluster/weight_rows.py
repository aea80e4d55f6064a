"""The weights that DFP agents have reported to the leader, as rows of the database. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address
from itertools import islice
from typing import Optional

from ryu_haslb.cluster.rows import Columns, Kind
from ryu_haslb.dfp.weight_table import AgentAddress, Server, WeightRow

WEIGHT = Kind("Dfp_Weight", ("agent", "agent_port", "address", "port", "protocol", "bind_id"), ("weight",))
#: Rows that are published, and that are read.
MAX_WEIGHTS = 4096
#: The largest value of each number.
_LIMITS = {"agent_port": 65535, "port": 65535, "protocol": 255, "bind_id": 65535, "weight": 65535}


def weight_rows(weights: Iterable[WeightRow]) -> Iterator[Columns]:
    """The rows to publish."""
    for server, weight, agent in ((each.server, each.weight, each.agent) for each in islice(weights, MAX_WEIGHTS)):
        yield {
            "agent": str(agent.address),
            "agent_port": agent.port,
            "address": str(server.address),
            "port": server.port,
            "protocol": server.protocol,
            "bind_id": server.bind_id,
            "weight": weight,
        }


def weights_of(rows: Iterable[Columns], now: float) -> list[WeightRow]:
    """The weights that the rows say; those that cannot be true are left out, and those beyond the limit."""
    read = (_read(row, now) for row in islice(rows, MAX_WEIGHTS))
    return [row for row in read if row is not None]


def _read(row: Columns, now: float) -> Optional[WeightRow]:
    numbers = {}
    for column, limit in _LIMITS.items():
        number = row[column]
        if not isinstance(number, int) or not 0 <= number <= limit:
            return None
        numbers[column] = number
    try:
        agent = AgentAddress(IPv4Address(row["agent"]), numbers["agent_port"])
        address = IPv4Address(row["address"])
    except (AddressValueError, ValueError):
        return None
    server = Server(address, numbers["port"], numbers["protocol"], numbers["bind_id"])
    return WeightRow(server, numbers["weight"], agent, now)
