"""``debug ip slb sessions``: which events are shown."""

from __future__ import annotations

from ipaddress import IPv4Network

import eventlet
import pytest
from farm_builder import Bench

from ryu_haslb.control import debug
from ryu_haslb.show.session_events import EventRow
from ryu_haslb.slb.session_filter import EVERY_SESSION, SessionFilter


def shown(wanted: SessionFilter) -> list[tuple[str, str]]:
    """The events and mobiles that a client sees of one request each of Anna and Bert, and of their end; in order."""
    bench = Bench(1, server={"idle": 10})
    rows: list[EventRow] = []
    client = eventlet.spawn(lambda: rows.extend(iter(debug.stream(bench.balancer, wanted).__next__, None)))
    eventlet.sleep(0)
    bench.request("anna@isp", client="15.1.1.51")
    bench.request("bert@isp", client="16.1.1.51")
    bench.wait(11)
    for _ in range(10):
        eventlet.sleep(0)
    client.kill()
    assert bench.balancer.decision.listeners == [], "a client that has left costs nothing"
    return sorted((str(row.get("event")), str(row.get("nai"))) for row in rows)


@pytest.mark.parametrize(
    ("wanted", "mobiles"),
    [
        (EVERY_SESSION, ["anna@isp", "bert@isp"]),
        (SessionFilter(mobiles=[b"\x01bert@isp"]), ["bert@isp"]),
        (SessionFilter(client=IPv4Network("15.0.0.0/8")), ["anna@isp"]),
        (SessionFilter(vserver="OTHER"), []),
    ],
)
def test_the_events_of_the_selected_sessions_are_shown(wanted: SessionFilter, mobiles: list[str]) -> None:
    assert shown(wanted) == [
        *(("IPMOBILE_REQ_REQUEST", mobile) for mobile in mobiles),
        *(("IPMOBILE_TIMEOUT", mobile) for mobile in mobiles),
    ]
