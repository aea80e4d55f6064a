"""A stranger's switch beside a real one: it knows the cookies of the real one's sessions, and says what was not asked.

It is served as a switch of its own. What it says of rules, ports and packets is about itself: sessions of the real
switch stay where they are, and go on being served.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product

import pytest
from attacked import HARD_LIMIT, HELLO
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from fake_switch import FakeSwitch, error, message, packet_in
from mobile import arp_reply, frame, nai, registration, request
from nested_lengths import samples
from statistics_replies import FlowRow, flow_monitor_reply, flow_stats_reply, meter_stats_reply, table_stats_reply

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import Purpose

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(3600)
STRANGERS_ID = 0xBAD
HONEST = 6
OFPP = (0, 1, 2, 3, 4, 0xFFFFFF00, 0xFFFFFFF8, 0xFFFFFFFA, 0xFFFFFFFB, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


@contextmanager
def strangers_switch(bench: Bench) -> Iterator[socket.socket]:
    """A connection of a stranger that is served; a thread answers what the balancer asks."""
    peer = socket.create_connection((bench.lab.node(CONTROLLER).IP(), 6653), HARD_LIMIT)
    peer.settimeout(None)
    switch, served = FakeSwitch(STRANGERS_ID), threading.Event()

    def answer() -> None:
        with suppress(OSError):
            while data := peer.recv(1 << 16):
                for received, replies in switch.receive(data):
                    peer.sendall(b"".join(replies))
                    if received[1] == wire.OFPT_FLOW_MOD:
                        served.set()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        peer.sendall(HELLO)
        assert served.wait(HARD_LIMIT), "the stranger's switch is served"
        yield peer
    finally:
        with suppress(OSError):
            peer.shutdown(socket.SHUT_RDWR)
        thread.join()
        peer.close()


def flow_removed(cookies: list[int]) -> Iterator[bytes]:
    """For every reason, those of later versions as well, and every table."""
    match = struct.pack("!HH4x", 1, 4)
    for cookie, reason, table in product(cookies, range(7), (0, 1, 2, 255)):
        yield message(11, 0, struct.pack("!QHBBIIHHQQ", cookie, 50000, reason, table, 0, 0, 0, 0, 0, 0) + match)


def statistics(cookies: list[int]) -> Iterator[bytes]:
    """Replies with and without the transaction ids that the balancer may wait for, about rules and their end."""
    rows = [FlowRow(cookie) for cookie in cookies]
    for xid in (*range(60), 0xFFFFFFFF):
        yield flow_stats_reply(xid=xid)
        yield flow_stats_reply(*rows, xid=xid)
        yield flow_stats_reply(*rows, xid=xid, more=True)
        yield meter_stats_reply((1, [1 << 62]), (0xFFFFFFFF, []), xid=xid)
        yield table_stats_reply({0: 0, 1: 0, 2: 0xFFFFFFFF}, xid=xid)
        for event in range(7):
            yield flow_monitor_reply(*((event, row) for row in rows), xid=xid)
        yield message(wire.OFPT_BARRIER_REPLY, xid)
        yield message(wire.OFPT_ROLE_REPLY, xid, struct.pack("!I4xQ", xid % 5, xid << 30))
        for kind, code in product((1, 4, 5, 11, 12, 13, 0xFFFF), (0, 1, 6, 10)):
            yield error(message(wire.OFPT_FLOW_MOD, xid, struct.pack("!Q", cookies[0]) + bytes(60)), (kind, code))


def packets_in(cookies: list[int], name: str) -> Iterator[bytes]:
    """Requests and ARP with cookies of rules and of sessions, from ports that do not exist, buffered, and cut short."""
    frames = [
        registration(name),
        frame(request(nai(name), lifetime=0)),
        frame(request(nai(name), home_agent=REALS["sami1"], lifetime=0)),
        *(arp_reply("02:66:66:66:66:66", address, to="06:51:b7:00:00:00") for address in REALS.values()),
    ]
    for each, port in product(frames, OFPP):
        for cookie in (*(purpose.cookie for purpose in Purpose), *cookies[:2], 0, 0xFFFFFFFFFFFFFFFF):
            whole = packet_in(cookie, port, each)
            yield whole
            yield whole[:8] + struct.pack("!IH", 7, 0xFFFF) + whole[14:]  # in a buffer, and longer than what comes
            yield whole[:14] + b"\xff\xff" + whole[16:]  # of an unknown reason, and table


def port_status() -> Iterator[bytes]:
    """Each port goes, comes, changes, and takes the name of another."""
    for reason, number, name in product(range(4), OFPP, (b"eth0", b"haslb1-eth2", b"", b"\x1b[2J\n", b"\xff" * 16)):
        port = struct.pack("!I4x6s2x16s8I", number, bytes(6), name, 1, 1, *[0] * 6)
        yield message(wire.OFPT_PORT_STATUS, 0, bytes([reason]) + bytes(7) + port)


def all_kinds(cookies: list[int], name: str) -> dict[str, list[bytes]]:
    return {
        "flow removed": list(flow_removed(cookies)),
        "statistics": list(statistics(cookies)),
        "packets": list(packets_in(cookies, name)),
        "ports": list(port_status()),
        "samples": [each for xid in range(40) for each in samples(registration(name), xid)],
        "types": [message(kind, xid, bytes(size)) for kind in range(256) for xid in (0, 9) for size in (0, 8, 40)],
    }


@pytest.mark.parametrize("kind", ["flow removed", "statistics", "packets", "ports", "samples", "types"])
def test_what_a_strangers_switch_says_of_sessions_changes_none_of_another_switch(bench: Bench, kind: str) -> None:
    names = [f"honest-{number}@{kind.replace(' ', '-')}.example" for number in range(HONEST)]
    homes = {name: bench.deliver(registration(name)) for name in names}
    wait_until(lambda: all(bench.sessions()[name]["rule_at"] for name in names), "the sessions have their rules")
    before = bench.sessions()
    cookies = [int(before[name]["nai_hash"], 16) for name in names]
    said = all_kinds(cookies, names[0])[kind]
    at, connections = 0, 0
    while at < len(said):
        connections += 1
        with strangers_switch(bench) as peer, suppress(OSError):
            while at < len(said):
                at += 40
                peer.sendall(b"".join(said[at - 40 : at]))
    print(f"{len(said)} messages over {connections} connections")
    after = bench.sessions()
    assert {name: (after[name]["real"], after[name]["rule_at"]) for name in names} == {
        name: (before[name]["real"], before[name]["rule_at"]) for name in names
    }
    assert all(bench.rule(name).cookie == cookie for name, cookie in zip(names, cookies))
    assert {name: bench.deliver(registration(name)) for name in names} == homes
    assert bench.controller.poll() is None
    assert "Traceback" not in bench.lab.log(CONTROLLER)
