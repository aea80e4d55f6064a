"""``show ip slb sessions`` and ``show ip slb conns``: live sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from socket import inet_ntoa
from typing import Annotated, Optional, TypedDict

from ryu_haslb.mobile_ip.identity import identity_of_key
from ryu_haslb.show.column_types import Address, AddressAndPort, AnyPort, Count, DatapathId, Port, Seconds, Values
from ryu_haslb.show.report import Report, as_table, with_ports
from ryu_haslb.show.serverfarms import Nat, nat_of
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column
from ryu_haslb.slb.real import real_name
from ryu_haslb.slb.session import Session, SessionState
from ryu_haslb.slb.session_filter import EVERY_SESSION, Page, SessionFilter

#: Sessions that are taken from the table at once.
_SESSIONS_PER_SLICE = 1000
#: Sessions that a filter looks at before it pauses: as much work as a row.
_SESSIONS_PER_PAUSE = 20
MobileState = Annotated[str, Values(enum=tuple(state.value for state in SessionState))]


class SessionRow(TypedDict):
    """A live session: a mobile node and the home agent that it registers with."""

    vserver: str
    nai_hash: Annotated[str, Values(pattern="^[0-9A-F]{16}$"), "Session key; the cookie of the session's flow entry."]
    client: Annotated[Address, "Source address of the last request."]
    real: Address
    state: MobileState
    client_port: Annotated[AnyPort, "Source port of the last request."]
    real_port: Annotated[Port, "UDP port of the real server."]
    farm: Annotated[str, "Farm of the real server."]
    identity: Annotated[
        Optional[str],
        "NAI or home address; null for a session recovered from the switch until its mobile sends a request.",
    ]
    retries: Annotated[Count, "Retransmissions of the last request."]
    idle: Annotated[Seconds, "Time since the last request."]
    rule_at: Annotated[Optional[DatapathId], "The switch that has confirmed its rule; null while none has."]


class ConnRow(TypedDict):
    """A live session as a connection."""

    vserver: str
    protocol: str
    client: AddressAndPort
    real: AddressAndPort
    state: str
    nat: Nat


def sessions(
    sources: Sources, wanted: SessionFilter = EVERY_SESSION, page: Optional[Page] = None
) -> Iterator[Optional[SessionRow]]:
    """The live sessions that a filter selects. A session that begins or ends while this runs may be among them or not.

    None is a pause: the search for the next row goes on, and the caller may do other work first.
    """
    now = time.monotonic()
    limit = _SESSIONS_PER_SLICE if wanted == EVERY_SESSION else _SESSIONS_PER_PAUSE
    for found in sources.balancer.select(wanted, limit, page):
        if not found:
            yield None
        for session in found:
            yield session_row(session, now)


def session_row(session: Session, now: float) -> SessionRow:
    """The row of a session at ``now``, in seconds of the clock of its requests."""
    return {
        "vserver": session.virtual_server.name,
        "nai_hash": f"{session.cookie:016X}",
        "client": inet_ntoa(session.client),
        "real": inet_ntoa(session.real.packed_address),
        "state": SessionState.ESTABLISHED.value,
        "client_port": session.client_port,
        "real_port": session.real.port,
        "farm": session.real.farm_name,
        "identity": None if session.is_recovered else str(identity_of_key(session.identity)),
        "retries": session.retries,
        "idle": max(0.0, round(now - session.last_request, 1)),
        "rule_at": None if session.rule_at is None else f"{session.rule_at:016x}",
    }


def conns(sources: Sources, wanted: SessionFilter = EVERY_SESSION) -> Iterator[Optional[ConnRow]]:
    """The same sessions as connections from a client to a real server."""
    nat = {server.name: nat_of(server.farm) for server in sources.balancer.virtual_servers.values()}
    for session in sessions(sources, wanted):
        yield (
            None
            if session is None
            else {
                "vserver": session["vserver"],
                "protocol": "UDP",
                "client": f"{session['client']}:{session['client_port']}",
                "real": f"{session['real']}:{session['real_port']}",
                "state": session["state"].removeprefix("IPMOBILE_"),
                "nat": nat.get(session["vserver"], "none"),  # configured while this runs
            }
        )


def _session_details(rows: Iterator[Optional[SessionRow]]) -> Iterator[Optional[str]]:
    for row in rows:
        if row is None:
            yield None
            continue
        real = real_name(row["real"], row["real_port"])
        yield f"{row['vserver']}, NAI = {row['identity'] or 'unknown'}, NAI hash = {row['nai_hash']}"
        yield f"  client = {row['client']}:{row['client_port']}, real = {real}, farm = {row['farm']}"
        yield f"  state = {row['state']}, retries = {row['retries']}, idle = {row['idle']:.1f} s"
        yield f"  rule at = {row['rule_at'] or 'no switch'}"


SESSIONS = Report(
    sessions,
    with_ports(
        as_table(
            Column("vserver", "vserver", 16),
            Column("nai_hash", "NAI hash", 17),
            Column("client", "client", 16),
            Column("real", "real", 16),
            Column("state", "state", 15),
        ),
        "real_port",
    ),
)
SESSIONS_DETAIL = Report(sessions, _session_details)
CONNS = Report(
    conns,
    as_table(
        Column("vserver", "vserver", 16),
        Column("protocol", "prot", 5),
        Column("client", "client", 22),
        Column("real", "real", 22),
        Column("state", "state", 9),
        Column("nat", "nat", 7),
    ),
)
