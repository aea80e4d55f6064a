"""Attacks with packets that no client sends: a mobile's request in each of them moves nothing and is counted by name.

The mobile is bound. Each packet would move it if it were read: it is a retry, and there are more than ``reassign``.
"""

from __future__ import annotations

from typing import Any

import pytest
from mobile import authentication, frame, nai, request
from scapy.layers.inet import IPOption_LSRR, IPOption_NOP
from wired_switch import MACS, REALS, VIRTUAL, Wired

from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import make_request
from ryu_haslb.slb.session import Session

VICTIM = "victim@isp.com"
COPIES = 50
IMPOSSIBLE: dict[str, tuple[dict[str, Any], DropReason]] = {
    "this network": ({"src": "0.0.0.7"}, DropReason.MARTIAN_SOURCE),
    "loopback": ({"src": "127.0.0.1"}, DropReason.MARTIAN_SOURCE),
    "multicast": ({"src": "224.0.0.11"}, DropReason.MARTIAN_SOURCE),
    "reserved": ({"src": "240.1.1.1"}, DropReason.MARTIAN_SOURCE),
    "broadcast": ({"src": "255.255.255.255"}, DropReason.MARTIAN_SOURCE),
    "land": ({"src": str(VIRTUAL)}, DropReason.MARTIAN_SOURCE),
    "a home agent's address from elsewhere": ({"src": str(REALS[0].address)}, DropReason.MARTIAN_SOURCE),
    "one home agent in the name of another": (
        {"src": str(REALS[0].address), "mac": MACS[1]},
        DropReason.MARTIAN_SOURCE,
    ),
    "group source": ({"mac": "03:00:00:00:00:01"}, DropReason.MARTIAN_SOURCE),
    "ttl 0": ({"ttl": 0}, DropReason.TTL_EXPIRED),
    "ip checksum": ({"chksum": 0xBAD}, DropReason.BAD_IP_CHECKSUM),
    "udp checksum": ({"udp": {"chksum": 0xBAD}}, DropReason.BAD_UDP_CHECKSUM),
    "source port 0": ({"port": 0}, DropReason.SOURCE_PORT_ZERO),
    "options": ({"options": [IPOption_NOP()] * 4}, DropReason.IP_OPTIONS),
    "source route": ({"options": [IPOption_LSRR(routers=["10.1.1.1"])]}, DropReason.IP_OPTIONS),
    "fragment": ({"flags": "MF"}, DropReason.FRAGMENT),
    "longer than the packet": ({"udp": {"len": 2000}}, DropReason.TRUNCATED),
    "longer than the frame": ({"len": 1200}, DropReason.TRUNCATED),
}


def request_frame(**fields: Any) -> bytes:
    return frame(request(nai(VICTIM) + authentication()), **fields)


def session(wired: Wired) -> Session | None:
    server = wired.balancer.virtual_servers["MIPSLB"]
    identity = b"\x01" + VICTIM.encode()
    return wired.balancer.sessions.find(make_request(server, identity, bytes(4), 434, bytes(4), 600, 1, 0))


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_packet_that_no_client_sends_moves_nothing_and_is_counted_by_name(case: str) -> None:
    fields, reason = IMPOSSIBLE[case]
    wired = Wired()
    wired.punt(Purpose.PUNT_REQUEST, request_frame())
    victim = session(wired)
    assert victim is not None
    before = (victim.real, victim.retries, victim.last_request, victim.client)
    wired.sent.clear()
    for _ in range(COPIES):
        wired.now += 2.0
        wired.punt(Purpose.PUNT_REQUEST, request_frame(**fields))
        wired.punt(Purpose.PUNT_REQUEST_TO_CHASSIS, request_frame(**fields))
    assert session(wired) is victim
    assert (victim.real, victim.retries, victim.last_request, victim.client) == before
    assert wired.drops(reason) == 2 * COPIES
    assert not wired.transport.sent_of(wire.OFPT_PACKET_OUT)
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched) == (2 * COPIES + 1, 1)


def test_a_home_agent_may_be_a_foreign_agent_as_well() -> None:
    """Its address is a client's where it comes from the home agent itself; a request to the other one is served."""
    wired = Wired()
    own = request(nai(VICTIM) + authentication(), home_agent=str(REALS[1].address))
    wired.punt(Purpose.PUNT_REQUEST, frame(own, src=str(REALS[0].address), mac=MACS[0]))
    assert wired.balancer.statistics.dispatched == 1
