"""Dispatched mode: what becomes of requests at the virtual address, and of everything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bench import MACS, PDSN, REALS, Bench, PlainChassis, farm, virtual_server
from mobile import (
    CLIENT_MAC,
    VIRTUAL,
    arp_request,
    as_dispatched,
    authentication,
    frame,
    long,
    nai,
    registration,
    request,
    short,
    vendor,
)
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm(zip(REALS.values(), (3, 1, 2))) + virtual_server()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def test_weights_3_1_2_give_a_a_a_b_c_c_and_round_again(bench: Bench) -> None:
    """The chapter's example, "Load Balancing in HA-SLB"."""
    bench.restart()
    order = [bench.deliver(registration(f"rotation-{number}@isp.com")) for number in range(12)]
    assert order == ["sami1", "sami1", "sami1", "sami2", "sami3", "sami3"] * 2


SHAPES = {
    "nai alone": nai("alone@isp.com"),
    "padding first": bytes(3) + nai("padded@isp.com"),
    "short first": short(137, b"anything") + nai("short@isp.com") + authentication(),
    "long first": long(36, 1, nai("decoy@isp.com") + bytes(20)) + nai("long@isp.com") + authentication(),
    "key request first": long(41, 7, nai("decoy@isp.com") * 20) + nai("keys@isp.com") + authentication(),
    "vendor first": vendor(nai("decoy@isp.com")) + nai("vendor@isp.com") + authentication(),
    "normal vendor first": short(134, b"\0\0\0\0\0\x09\0\x01") + nai("nvse@isp.com"),
    "longest nai": nai("n" * 247 + "@isp.com") + authentication(),
    "nai behind many": (bytes(1) + short(200, b"x" * 30) + long(43, 0, b"")) * 20 + nai("last@isp.com"),
    "skippable behind": nai("followed@isp.com") + authentication() + short(255, b"") + bytes(2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_but_ethernet_addresses_changes_on_the_way_to_a_home_agent(bench: Bench, shape: str) -> None:
    """The payload is like all of IP untouched, or the check of its authenticator fails (RFC 5944, 3.5.1)."""
    sent = frame(request(SHAPES[shape]))
    received = bench.exchange(sent)
    (node,) = (node for node in received if received[node])
    assert received[node] == [as_dispatched(sent, MACS[node], bench.source())]
    identity = next(part for part in reversed(SHAPES[shape].split(b"@isp.com")[:-1])).split(b"\x83")[-1][1:]
    assert f"{identity.decode()}@isp.com" in bench.sessions(), "the balancer reads another identity"


HEADERS: dict[str, dict[str, Any]] = {
    "any source port": {"port": 61234},
    "no udp checksum": {"udp": {"chksum": 0}},
    "type of service": {"tos": 0xB8},
    "last hop": {"ttl": 1},
    "do not fragment": {"flags": "DF", "id": 4711},
    "another client": {"src": "15.1.1.51"},
}


@pytest.mark.parametrize("header", HEADERS)
def test_ip_and_udp_headers_arrive_as_they_were_sent(bench: Bench, header: str) -> None:
    """The first request goes by packet-out, the second by the session's rule; both must keep every byte."""
    name = f"{header.replace(' ', '-')}@isp.com"
    for _ in range(2):
        sent = registration(name, **HEADERS[header])
        received = bench.exchange(sent)
        (node,) = (node for node in received if received[node])
        assert received[node] == [as_dispatched(sent, MACS[node], bench.source())]
        bench.rule(name)


def test_padding_behind_the_datagram_travels_along(bench: Bench) -> None:
    """Ethernet pads short frames, and a datagram may end before its packet does; neither is an error."""
    sent = registration("trailer@isp.com") + b"trailer of the frame"
    received = bench.exchange(sent)
    assert [each[14:] for frames in received.values() for each in frames] == [sent[14:]]


@pytest.mark.parametrize("home_agent", ["0.0.0.0", "255.255.255.255", VIRTUAL])
def test_a_request_for_any_home_agent_is_balanced(bench: Bench, home_agent: str) -> None:
    """RFC 4433 and the chapter: these three leave the choice to the balancer, so six sessions use every weight."""
    bench.restart()
    order = [bench.deliver(frame(request(nai(f"any-{number}@isp.com"), home_agent=home_agent))) for number in range(6)]
    assert order == ["sami1", "sami1", "sami1", "sami2", "sami3", "sami3"]


@pytest.mark.parametrize("node", REALS)
def test_a_request_that_names_a_real_server_goes_there(bench: Bench, node: str) -> None:
    """The request names its home agent, so the predictor does not choose one."""
    for number in range(3):
        sent = frame(request(nai(f"named-{node}-{number}@isp.com"), home_agent=REALS[node]))
        assert bench.deliver(sent) == node


@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", MACS["sami3"], "00:00:5e:00:53:ee"])
def test_a_request_is_intercepted_at_any_destination_mac(bench: Bench, to: str) -> None:
    """IP address and port decide: it is delivered to one home agent, once, even if it was broadcast."""
    assert bench.deliver(frame(request(nai(f"to-{to}@isp.com"), home_agent=REALS["sami2"]), to=to)) == "sami2"


def test_a_request_may_come_from_a_home_agents_own_port(bench: Bench) -> None:
    """On any port: also on the one where it has to leave again."""
    for node in REALS:
        sent = frame(request(nai(f"at-{node}@isp.com"), home_agent=REALS["sami1"]), mac="00:00:5e:00:53:66")
        assert bench.deliver(sent, node=node) == "sami1"


def test_a_request_that_names_a_stranger_is_dropped_and_counted(bench: Bench) -> None:
    """The virtual server dispatches only to home agents of its farm."""
    stranger = frame(request(nai("stranger@isp.com"), home_agent="10.1.1.99"))
    assert bench.counted(stranger) == {"requests": 1, "dropped": 1, "dropped_unknown_home_agent": 1}
    assert "stranger@isp.com" not in bench.sessions()


@pytest.mark.parametrize("kind", [0, 2, 3, 4, 16, 20, 255])
def test_a_message_that_is_no_request_is_dropped_and_counted(bench: Bench, kind: int) -> None:
    """Replies (3), revocations (7) and the rest go to home agents by their own addresses, never by the virtual one."""
    message = bytes([kind]) + request(nai("other@isp.com"))[1:]
    assert bench.counted(frame(message)) == {"requests": 1, "dropped": 1, "dropped_not_registration_request": 1}


def test_a_request_without_identity_is_dropped_and_counted(bench: Bench) -> None:
    """With neither NAI nor home address it identifies no mobile."""
    assert bench.counted(frame(request(authentication()))) == {
        "requests": 1,
        "dropped": 1,
        "dropped_no_identity": 1,
    }


def test_a_request_to_a_home_agents_own_address_is_only_switched(bench: Bench) -> None:
    """Steps 5 and 6 of the chapter's call flow: later requests go straight to the home agent."""
    sent = frame(request(nai("direct@isp.com")), dst=REALS["sami2"], to=MACS["sami2"])
    before = bench.statistics()
    assert bench.exchange(sent)["sami2"] == [sent]
    assert bench.moved_since(before) == {}


OTHERS = {
    "another port": IP(src="10.1.1.101", dst="10.1.1.51") / UDP(sport=434, dport=435) / b"x",
    "from port 434": IP(src="10.1.1.101", dst="10.1.1.51") / UDP(sport=434, dport=5000) / b"a reply",
    "ping": IP(src="10.1.1.101", dst="10.1.1.51") / ICMP() / b"ping",
    "tunnel": IP(src="10.1.1.101", dst="10.1.1.51") / IP(dst="10.9.9.9") / UDP(dport=434) / request(nai("in@tunnel")),
    "virtual address, another port": IP(src="10.1.1.101", dst=VIRTUAL) / UDP(sport=434, dport=435) / b"x",
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_traffic_is_switched_as_without_a_balancer(bench: Bench, other: str) -> None:
    """All other traffic is left alone: byte for byte, and uncounted."""
    sent = bytes(Ether(src=CLIENT_MAC, dst=MACS["sami1"]) / OTHERS[other])
    before = bench.statistics()
    assert bench.exchange(sent)["sami1"] == [sent]
    assert bench.moved_since(before) == {}


def test_hosts_find_each_other_through_the_switch(bench: Bench) -> None:
    """ARP between others passes, the real servers' included, which the balancer listens to."""
    with bench.lab.capture(PDSN) as capture:
        bench.send(arp_request(REALS["sami1"]))
        answer = Ether(capture.wait_for(lambda each: each[12:14] == b"\x08\x06" and each[21] == 2))
    assert (answer.hwsrc, answer.psrc, answer.hwdst) == (MACS["sami1"], REALS["sami1"], CLIENT_MAC)
