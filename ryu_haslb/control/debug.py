"""``debug ip slb sessions ipmobile``: session events as they happen."""

from __future__ import annotations

import time
from collections.abc import Iterator

import eventlet.queue

from ryu_haslb.show.session_events import EventRow, event_row
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import Session, SessionEvent, SessionState
from ryu_haslb.slb.session_filter import EVERY_SESSION, SessionFilter

#: Events that are queued for a client. Further ones are counted as lost until the client has read these.
MAX_QUEUED_EVENTS = 1000


def stream(balancer: Balancer, wanted: SessionFilter = EVERY_SESSION) -> Iterator[EventRow]:
    """Generate a row for each event of the selected sessions until the generator is closed.

    The balancer never waits for the client. Of a session that was recovered, events are selected by a mobile as soon as
    it has sent a request.
    """
    is_selected = wanted.predicate()
    queue: eventlet.queue.LightQueue = eventlet.queue.LightQueue(MAX_QUEUED_EVENTS)
    lost = 0

    def on_event(event: SessionEvent, before: SessionState, after: SessionState, session: Session) -> None:
        nonlocal lost
        if not is_selected(session):
            return
        if queue.full():
            lost += 1
        else:
            queue.put_nowait(event_row(event, before, after, session, time.time()))

    balancer.decision.listeners.append(on_event)
    try:
        while True:
            yield queue.get()
            if lost and queue.empty():
                yield {"left_out": lost}
                lost = 0
    finally:
        balancer.decision.listeners.remove(on_event)
