"""The events of ``debug ip slb sessions ipmobile``: their rows, and the lines that the chapter prints for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address
from typing import Annotated, Optional, TypedDict, Union, final

from ryu_haslb.mobile_ip.identity import identity_of_key
from ryu_haslb.show.column_types import Address, AddressAndPort, AnyPort, Count, Values
from ryu_haslb.slb.session import Session, SessionEvent, SessionState

#: The number that the chapter prints in brackets behind the virtual address of an ipmobile service.
_SERVICE = 7


@final
class SessionEventRow(TypedDict):
    """An event of a session, and the session after it."""

    time: Annotated[float, Values(unit="seconds"), "Wall-clock time since 1970."]
    event: str
    state: Annotated[str, "State before the event."]
    new_state: Annotated[str, "State after the event."]
    vserver: str
    virtual: AddressAndPort
    real: Address
    nat: Annotated[str, Values(enum=("S", "none")), "S in direct mode, none in dispatched mode."]
    client: Address
    client_port: AnyPort
    nai: Annotated[Optional[str], "NAI or home address; null for a session recovered from the switch."]
    nai_length: Annotated[Count, Values(unit="bytes")]
    session_key: str


@final
class EventsLostRow(TypedDict):
    """Events that were not delivered because the reader was too slow."""

    left_out: Count


EventRow = Union[SessionEventRow, EventsLostRow]


def event_row(
    event: SessionEvent, before: SessionState, after: SessionState, session: Session, now: float
) -> SessionEventRow:
    """The row of one event; ``now`` is wall-clock time in seconds."""
    server = session.virtual_server
    identity = None if session.is_recovered else identity_of_key(session.identity)
    return {
        "time": now,
        "event": event.value,
        "state": before.value,
        "new_state": after.value,
        "vserver": server.name,
        "virtual": f"{server.configuration.address}:{server.configuration.port}",
        "real": str(session.real.configuration.address),
        "nat": "S" if server.farm.configuration.nat_server else "none",
        "client": str(IPv4Address(session.client)),
        "client_port": session.client_port,
        "nai": None if identity is None else str(identity),
        "nai_length": 0 if identity is None else len(identity.value),
        "session_key": f"{session.cookie:016X}",
    }


def as_text(row: EventRow) -> Iterator[str]:
    """The lines of one event, as the chapter prints them."""
    if "left_out" in row:
        yield f"{row['left_out']} events lost: they arrived faster than this client read them"
        return
    moment = datetime.fromtimestamp(row["time"])
    stamp = f"*{moment:%b} {moment.day:2} {moment:%H:%M:%S.%f}"[:-3]
    if row["event"] == SessionEvent.REQUEST.value:
        yield f"{stamp}: SLB_SESSION_IPMOBILE: client = {row['client']}, NAI:"
        yield f"{row['nai']}, length: {row['nai_length']}"
    yield f"{stamp}: SLB_SESSION_IPMOBILE: event= {row['event']}, state= {row['state']}"
    yield f"-> {row['new_state']}"
    yield f"{stamp}: SLB_SESSION: v_ip= {row['virtual']} ({_SERVICE:2}), real= {row['real']}, NAT= {row['nat']}"
    yield f"{stamp}: SLB_SESSION: client= {row['client']}:{row['client_port']} session_key= {row['session_key']}"
