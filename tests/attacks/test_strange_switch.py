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
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(3600)
STRANGERS_ID = 0xBAD
HONEST = 6
#: Bytes of the log for all that a stranger says: some lines for each kind and each connection.
MAX_LOG = 100_000
#: VLAN tags of a frame, by their Ethertypes (IEEE 802.1Q, 802.1ad, and what was used before).
STACKS = ((b"\x81\0",), (b"\x88\xa8", b"\x81\0"), (b"\x81\0",) * 8, (b"\x91\0",), (b"\x92\0", b"\x91\0"))
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
            peer.shutdown(socket.SHUT_WR)  # the balancer hangs up when it has read all
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


def session_misses(cookies: list[int], name: str) -> Iterator[bytes]:
    """Requests that seem to come back from the rules of sessions, of others and of no session: none was sent to it."""
    tags = [cookie >> COOKIE_MARK_BITS for cookie in cookies]
    for tag, nai_, times in product((*tags, 0, tags[0] + 1), (name, "made-up@isp.com"), range(20)):
        request_ = registration(f"{times}-{nai_}" if times % 2 else nai_)
        returned = request_[:6] + (tag & (1 << 48) - 1).to_bytes(6, "big") + request_[12:]
        yield packet_in(Purpose.PUNT_SESSION_MISS.cookie, OFPP[times % len(OFPP)], returned)
        yield packet_in(Purpose.PUNT_SESSION_MISS.cookie, 0xFFFFFFFD, returned)


def strange_frames() -> Iterator[bytes]:
    """What a switch may see of other protocols, and has not been asked to send: LLDP, STP, IPv6, stacks of tags."""
    lldp = bytes.fromhex("0180c200000e 020000000001 88cc") + bytes.fromhex(
        "0207 04 020000000001 0403 05 3031 0602 0078 0000"
    )
    spanning = bytes.fromhex("0180c2000000 020000000001 0026 424203 0000000000") + bytes(33)
    whole = registration("tagged@isp.com")
    stacks = [whole[:12] + b"".join(tag + bytes([0, 7]) for tag in tags) + whole[12:] for tags in STACKS]
    ipv6 = (
        whole[:12]
        + b"\x86\xdd"
        + bytes([0x60, 0, 0, 0, 0, 8, 17, 64])
        + bytes(32)
        + bytes([1, 178, 1, 178, 0, 8, 0, 0])
    )
    options = whole[:14] + b"\x4f" + whole[15:34] + bytes([1] * 40) + whole[34:]
    fragments = [whole[:20] + place + whole[22:] for place in (b"\x20\0", b"\0\1", b"\x3f\xff")]
    jumbo = whole + bytes(9000 - len(whole))
    for each in (lldp, spanning, *stacks, ipv6, options, *fragments, jumbo, b"", bytes(13), bytes(60)):
        for purpose, port in product(Purpose, OFPP):
            yield packet_in(purpose.cookie, port, each)


def floods() -> Iterator[bytes]:
    """Echo requests of every size, errors, roles and settings that no one has asked for, again and again."""
    for number in range(400):
        xid, code = number % 97, number % 23
        yield message(wire.OFPT_ECHO_REQUEST, xid, bytes(60_000 if number % 40 == 0 else number))
        yield message(wire.OFPT_ECHO_REPLY, xid, bytes(8))
        yield error(message(wire.OFPT_FLOW_MOD, xid, bytes(60)), (number % 15, code))
        yield message(wire.OFPT_ERROR, xid, struct.pack("!HHIH", 0xFFFF, code, 0x4F4E4600, number) + b"\x1b[2J\n")
        yield message(wire.OFPT_ROLE_REPLY, xid, struct.pack("!I4xQ", code % 5, (1 << 64) - 1 - number))
        for experimenter in (0x4F4E4600, 0x2320, number):  # role status (EXT-191), bundles, flow monitor, and made up
            yield message(wire.OFPT_EXPERIMENTER, xid, struct.pack("!IIIBxxxQ", experimenter, 1911 + code, 2, code, 9))
        yield message(ofproto_v1_3.OFPT_GET_CONFIG_REPLY, xid, struct.pack("!HH", code, number))
        yield message(ofproto_v1_3.OFPT_GET_ASYNC_REPLY, xid, bytes([number & 0xFF] * 24))
        yield message(wire.OFPT_BARRIER_REPLY, xid)
        yield message(ofproto_v1_3.OFPT_QUEUE_GET_CONFIG_REPLY, xid, bytes(8 + code))


def all_kinds(cookies: list[int], name: str) -> dict[str, list[bytes]]:
    return {
        "session misses": list(session_misses(cookies, name)),
        "frames": list(strange_frames()),
        "floods": list(floods()),
        "flow removed": list(flow_removed(cookies)),
        "statistics": list(statistics(cookies)),
        "packets": list(packets_in(cookies, name)),
        "ports": list(port_status()),
        "samples": [each for xid in range(40) for each in samples(registration(name), xid)],
        "types": [message(kind, xid, bytes(size)) for kind in range(256) for xid in (0, 9) for size in (0, 8, 40)],
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("flow removed", "statistics", "packets", "session misses", "frames", "ports", "floods", "samples"),
        "types",
    ],
)
def test_what_a_strangers_switch_says_of_sessions_changes_none_of_another_switch(bench: Bench, kind: str) -> None:
    names = [f"honest-{number}@{kind.replace(' ', '-')}.example" for number in range(HONEST)]
    homes = {name: bench.deliver(registration(name)) for name in names}
    wait_until(lambda: all(bench.sessions()[name]["rule_at"] for name in names), "the sessions have their rules")
    before, lines = bench.sessions(), len(bench.lab.log(CONTROLLER))
    cookies = [int(before[name]["nai_hash"], 16) for name in names]
    said = all_kinds(cookies, names[0])[kind]
    at, connections = 0, 0
    while at < len(said):
        connections += 1
        with strangers_switch(bench) as peer, suppress(OSError):
            while at < len(said):
                at += 40
                peer.sendall(b"".join(said[at - 40 : at]))
    grown = len(bench.lab.log(CONTROLLER)) - lines
    print(f"{len(said)} messages over {connections} connections, {grown} bytes of log")
    assert grown < MAX_LOG
    counted = {row["counter"]: row["value"] for row in bench.lab.query(CONTROLLER, "show ip slb stats")}
    assert min(counted.values()) >= 0, counted
    after = bench.sessions()
    assert {name: (after[name]["real"], after[name]["rule_at"]) for name in names} == {
        name: (before[name]["real"], before[name]["rule_at"]) for name in names
    }
    assert all(bench.rule(name).cookie == cookie for name, cookie in zip(names, cookies))
    assert {name: bench.deliver(registration(name)) for name in names} == homes
    assert bench.controller.poll() is None
    assert "Traceback" not in bench.lab.log(CONTROLLER)
