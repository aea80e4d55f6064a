"""``debug ip slb sessions ipmobile``: session events as they happen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address

import eventlet.queue

from ryu_haslb.mobile_ip.identity import identity_of_key
from ryu_haslb.show.snapshot import Row
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import Session, SessionEvent, SessionState

#: Events that wait for a slow reader; those beyond are counted and left out.
MOST_WAITING = 1000
#: What the chapter prints in brackets behind the virtual address of an ipmobile service, whatever IOS means by it.
_SERVICE = 7


def stream(balancer: Balancer) -> Iterator[Row]:
    """A row for each event until the reader goes away; the balancer never waits for the reader."""
    waiting: eventlet.queue.LightQueue = eventlet.queue.LightQueue(MOST_WAITING)
    left_out = 0

    def listen(event: SessionEvent, before: SessionState, after: SessionState, session: Session) -> None:
        nonlocal left_out
        if waiting.full():
            left_out += 1
        else:
            waiting.put_nowait(event_row(event, before, after, session, time.time()))

    balancer.listeners.append(listen)
    try:
        while True:
            yield waiting.get()
            if left_out and waiting.empty():
                yield {"left_out": left_out}
                left_out = 0
    finally:
        balancer.listeners.remove(listen)


def event_row(event: SessionEvent, before: SessionState, after: SessionState, session: Session, now: float) -> Row:
    """One event; ``now`` is wall-clock time in seconds. ``nai`` is None while nobody knows whose session it is."""
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


def as_text(row: Row) -> Iterator[str]:
    """The lines of one event, as the chapter prints them."""
    if "left_out" in row:
        yield f"{row['left_out']} events left out: they came faster than they could be read"
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
