"""``debug ip slb sessions ipmobile``: session events as they happen."""

from __future__ import annotations

import time
from collections.abc import Iterator

import eventlet.queue

from ryu_haslb.show.session_events import EventRow, event_row
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import Session, SessionEvent, SessionState

#: Events that wait for a slow reader; those beyond are counted and left out.
MOST_WAITING = 1000


def stream(balancer: Balancer) -> Iterator[EventRow]:
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
