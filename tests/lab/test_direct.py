"""Direct mode (``nat server``): the destination is rewritten, and home agents may be behind a router."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bench import MACS, Bench, PlainChassis, virtual_server
from mobile import VIRTUAL, as_directed, authentication, frame, nai, registration, request
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

ADJACENT, BEHIND = "10.1.1.51", "10.9.9.52"
OTHER_PORT = 5434
REALS = {"sami1": ADJACENT, "router": BEHIND}
CONFIGURATION = (
    "ip slb serverfarm HAFARM\nnat server\n"
    f"real {ADJACENT}\nweight 1\ninservice\nreal {BEHIND} {OTHER_PORT}\nweight 1\ninservice\n!\n"
    + virtual_server()
    + "interface Vlan1\nip address 10.1.1.1 255.255.255.0\n!\n"
    "ip route 10.0.0.0 255.0.0.0 10.1.1.99\nip route 10.9.9.0 255.255.255.0 10.1.1.1\n"
)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    topology = PlainChassis(reals=("sami1", "router"), loopback=None)
    with Bench(Lab(topology, CONFIGURATION), reals=REALS) as running:
        yield running


def expected(bench: Bench, node: str, sent: bytes) -> bytes:
    return as_directed(sent, MACS[node], bench.source(), REALS[node], OTHER_PORT if node == "router" else 434)


HEADERS: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "any source port": {"port": 61234},
    "type of service": {"tos": 0xB8},
    "no udp checksum": {"udp": {"chksum": 0}},
    "another client": {"src": "15.1.1.51"},
    "long": {"extensions": authentication() * 50},
    "odd length": {"extensions": b"\0"},
}


@pytest.mark.parametrize("node", REALS)
@pytest.mark.parametrize("header", HEADERS)
def test_only_the_destination_changes_and_checksums_are_right(bench: Bench, header: str, node: str) -> None:
    """Adjacent or behind the router of the most specific ``ip route``: client, port and payload arrive as sent. The
    first request goes by packet-out, the second by the session's rule."""
    fields = dict(HEADERS[header])
    name = f"{header.replace(' ', '-')}-{node}@isp.com"
    extensions = nai(name) + fields.pop("extensions", b"")
    for _ in range(2):
        sent = frame(request(extensions, home_agent=REALS[node]), **fields)
        received = bench.exchange(sent)
        assert received[node] == [expected(bench, node, sent)]
        assert sum(map(len, received.values())) == 1
        bench.rule(name)


def test_checksums_are_right_for_every_sum_of_the_payload(bench: Bench) -> None:
    """An incremental update goes wrong at the ends of the one's complement (RFC 1624): try many sums, and those next
    to zero in particular."""
    frames = []
    for number in range(200):
        sent = registration(f"sum-{number}@isp.com", port=1 + number * 311)
        frames.append(sent)
    received = bench.exchange(*frames)
    for node, came in received.items():
        for each in came:
            internet = Ether(each)[IP]
            given = internet.chksum, internet[UDP].chksum
            del internet.chksum, internet[UDP].chksum
            made = IP(bytes(internet))
            assert given == (made.chksum, made[UDP].chksum), f"at {node}"
    assert sum(map(len, received.values())) == len(frames)


def test_sessions_are_balanced_and_sticky_over_a_router(bench: Bench) -> None:
    """The farm's order holds; a session stays."""
    bench.restart()
    nodes = [bench.deliver(registration(f"mobile-{number}@isp.com")) for number in range(4)]
    assert nodes == ["sami1", "router", "sami1", "router"]
    assert [bench.deliver(registration(f"mobile-{number}@isp.com")) for number in range(4)] == nodes


def test_the_payload_still_says_the_virtual_address(bench: Bench) -> None:
    """The home agent field is under the mobile's authenticator: a balancer that rewrites it breaks the request."""
    sent = frame(request(nai("field@isp.com") + authentication(), home_agent=VIRTUAL))
    received = bench.exchange(sent)
    ((node, came),) = ((node, frames) for node, frames in received.items() if frames)
    assert came == [expected(bench, node, sent)]
    assert bytes(Ether(came[0])[UDP].payload) == bytes(Ether(sent)[UDP].payload)
