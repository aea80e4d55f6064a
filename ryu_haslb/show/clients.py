"""``show ip slb clients``: the busiest clients, which are PDSNs and other foreign agents. IOS has no such command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from socket import inet_ntoa
from typing import Annotated, Optional, TypedDict

from ryu_haslb.show.column_types import Address, Count
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column
from ryu_haslb.slb.client_counts import KEPT_CLIENTS, MAX_CLIENTS, busiest

#: Clients that are shown, unless another number is asked for.
DEFAULT_LIMIT = 20
#: Sessions that are looked at before other work has its turn.
_SESSIONS_PER_PAUSE = 1000


class Order(Enum):
    """What the busiest clients have most of. The value is the word of the command and of the API."""

    REQUESTS = "requests"
    SESSIONS = "sessions"
    DROPS = "drops"


class ClientRow(TypedDict):
    """A client: a source address of requests."""

    client: Address
    requests: Annotated[Count, "Packets to virtual addresses since the start, or since the counters were cleared."]
    drops: Annotated[
        Count, "Packets among them that the balancer dropped; what meters of switches dropped is not counted."
    ]
    sessions: Annotated[Count, "Live sessions whose last request came from it."]


def clients(
    sources: Sources, order: Order = Order.REQUESTS, limit: int = DEFAULT_LIMIT, offset: int = 0
) -> Iterator[Optional[ClientRow]]:
    """The busiest clients, the busiest first, without the first ``offset``. None is a pause."""
    sessions: Counter[bytes] = Counter()
    for found in sources.balancer.sessions.slices(_SESSIONS_PER_PAUSE):
        sessions.update(session.client for session in found if not session.is_recovered)  # else it is not known
        if len(sessions) > MAX_CLIENTS:  # many of them are forged
            sessions = Counter(dict(busiest(sessions, KEPT_CLIENTS)))
        yield None
    counts = sources.balancer.client_counts
    requests, dropped = counts.requests, counts.dropped
    known = {Order.REQUESTS: requests, Order.SESSIONS: sessions, Order.DROPS: dropped}[order]
    ranked = {client: known.get(client, 0) for client in requests.keys() | sessions.keys()}
    for client, _ in list(busiest(ranked, offset + limit))[offset:]:
        yield {
            "client": inet_ntoa(client),
            "requests": requests.get(client, 0),
            "drops": dropped.get(client, 0),
            "sessions": sessions[client],
        }


CLIENTS = Report(
    clients,
    as_table(
        Column("client", "client", 18),
        Column("requests", "requests", 12),
        Column("sessions", "sessions", 12),
        Column("drops", "drops", 12),
    ),
)
