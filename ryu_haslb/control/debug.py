"""``debug ip slb sessions ipmobile``: session events as they happen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address

import eventlet.queue

from ryu_haslb.mobile_ip.identity import identity_of_key
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import Session, SessionEvent, SessionState

#: Lines that wait for a slow reader; those beyond are counted and left out.
MOST_WAITING = 1000
_PROTOCOL = 17


def stream(balancer: Balancer) -> Iterator[str]:
    """Lines until the reader goes away; the balancer never waits for the reader."""
    waiting: eventlet.queue.LightQueue = eventlet.queue.LightQueue(MOST_WAITING)
    left_out = 0

    def listen(event: SessionEvent, before: SessionState, session: Session) -> None:
        nonlocal left_out
        try:
            waiting.put_nowait(list(event_lines(event, before, session, time.time())))
        except eventlet.queue.Full:
            left_out += 1

    balancer.listeners.append(listen)
    try:
        while True:
            yield from waiting.get()
            if left_out and waiting.empty():
                yield f"{left_out} events left out: they came faster than they could be read"
                left_out = 0
    finally:
        balancer.listeners.remove(listen)


def event_lines(event: SessionEvent, before: SessionState, session: Session, now: float) -> Iterator[str]:
    """The lines of one event, as the chapter prints them; ``now`` is wall-clock time in seconds."""
    stamp = f"*{datetime.fromtimestamp(now):%b %d %H:%M:%S.%f}"[:-3]
    server = session.virtual_server
    client = IPv4Address(session.client)
    after = SessionState.INIT if event is SessionEvent.TIMEOUT else SessionState.ESTABLISHED
    if event is SessionEvent.REQUEST:
        identity = identity_of_key(session.identity)
        yield f"{stamp}: SLB_SESSION_IPMOBILE: client = {client}, NAI:"
        yield f"{identity}, length: {len(identity.value)}"
    yield f"{stamp}: SLB_SESSION_IPMOBILE: event= {event.value}, state= {before.value}"
    yield f"-> {after.value}"
    nat = "S" if server.farm.configuration.nat_server else "none"
    virtual = f"{server.configuration.address}:{server.configuration.port} ({_PROTOCOL})"
    yield f"{stamp}: SLB_SESSION: v_ip= {virtual}, real= {session.real.configuration.address}, NAT= {nat}"
    yield f"{stamp}: SLB_SESSION: client= {client}:{session.client_port} session_key= {session.cookie:016X}"
