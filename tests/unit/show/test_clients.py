"""``show ip slb clients`` and ``GET /api/v1/clients``: the busiest clients by what is asked for."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest
from web_bench import NOW, TOKEN, WebBench
from webob import Request as HttpRequest

from ryu_haslb.control.execution import execute
from ryu_haslb.slb.client_counts import MAX_CLIENTS
from ryu_haslb.slb.request import make_request
from ryu_haslb.web.route import Api
from ryu_haslb.web.site import Site

#: Requests and drops of each client; every request that is not dropped opens a session.
SENT = {"15.1.1.51": (3, 0), "15.1.1.52": (2, 0), "15.1.1.53": (9, 9), "15.1.1.54": (1, 1)}
BY_REQUESTS = ["15.1.1.53", "15.1.1.51", "15.1.1.52", "15.1.1.54"]
ORDERS = {
    "requests": BY_REQUESTS,
    "sessions": ["15.1.1.51", "15.1.1.52", "15.1.1.53", "15.1.1.54"],
    "drops": ["15.1.1.53", "15.1.1.54", "15.1.1.51", "15.1.1.52"],
}


@pytest.fixture(name="bench")
def with_four_clients() -> WebBench:
    bench = WebBench()
    server, identification = bench.balancer.virtual_servers["MIPSLB"], 0
    for client, (requests, drops) in SENT.items():
        address = IPv4Address(client).packed
        for _ in range(drops):
            bench.balancer.client_counts.record_unread(address)
        for _ in range(requests - drops):
            identification += 1
            nai = b"\x01user%d@isp.com" % identification
            bench.balancer.request(make_request(server, nai, address, 434, bytes(4), 600, 1, identification), NOW)
    return bench


def shown(bench: WebBench, command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads("".join(filter(None, execute(bench, command.split()).lines)))
    return found


def get(bench: WebBench, query: str) -> Any:
    answer = HttpRequest.blank(f"/api/v1/clients?{query}").get_response(Site(Api(bench), TOKEN, is_local=False))
    return json.loads(answer.body)


@pytest.mark.parametrize("order", ORDERS)
def test_the_busiest_are_the_first(bench: WebBench, order: str) -> None:
    rows = shown(bench, f"show ip slb clients {order} --json")
    assert [row["client"] for row in rows] == ORDERS[order]
    assert get(bench, f"order={order}") == rows
    for row in rows:
        requests, drops = SENT[row["client"]]
        assert (row["requests"], row["drops"], row["sessions"]) == (requests, drops, requests - drops)


def test_rows_come_in_pages(bench: WebBench) -> None:
    assert [row["client"] for row in shown(bench, "show ip slb clients limit 2 --json")] == BY_REQUESTS[:2]
    pages = [get(bench, f"limit=3&offset={offset}") for offset in (0, 3, 6)]
    assert [[row["client"] for row in page] for page in pages] == [BY_REQUESTS[:3], BY_REQUESTS[3:], []]


def test_clear_ip_slb_counters_clears_them_and_sessions_stay(bench: WebBench) -> None:
    bench.balancer.clear_counters()
    rows = shown(bench, "show ip slb clients sessions --json")
    assert [(row["client"], row["requests"], row["sessions"]) for row in rows] == [
        ("15.1.1.51", 0, 3),
        ("15.1.1.52", 0, 2),
    ]


def test_recovered_sessions_have_no_client_until_their_mobiles_come(bench: WebBench) -> None:
    server = bench.balancer.virtual_servers["MIPSLB"]
    bench.balancer.recover(server, 0x02_00_00_00_00_01, bench.balancer.farms["HAFARM"].reals[0], NOW)
    assert {row["client"] for row in shown(bench, "show ip slb clients sessions --json")} == SENT.keys()


def test_the_timers_bound_the_memory(bench: WebBench) -> None:
    for number in range(2 * MAX_CLIENTS):
        bench.balancer.client_counts.record_unread(number.to_bytes(4, "big"))
    bench.balancer.advance(NOW, 10)
    assert len(bench.balancer.client_counts.requests) <= MAX_CLIENTS
