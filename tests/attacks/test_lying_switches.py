"""Attacks by peers that begin as a switch does and then lie: in every type, every length, every state.

``HASLB_ATTACK_SECONDS`` says for how long random lies are told (5 by default), ``HASLB_ATTACK_SEED`` which ones; a
failure names its seed.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import ExitStack
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Optional

import pytest
from attacked import HELLO, Switch, features, message, started
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from fake_switch import HEADER, FakeSwitch
from lied_to import LIARS, SECONDS, lied_to, listed
from mobile import registration
from process_size import Trend, descriptors, resident, threads
from statistics_replies import FlowRow, flow_stats_reply, meter_stats_reply, table_stats_reply

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER
from ryu_haslb.openflow.wire import flow_mod, wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions
from ryu_haslb.openflow.wire.ports import MAX_PORTS
from ryu_haslb.openflow.wire.wire import output
from ryu_haslb.slb.session import RETRANSMISSION_INTERVAL
from ryu_haslb.slb.session_tag import COOKIE_MARK_MASK, cookie_of

#: Mobiles that have registered before the liars come.
HONEST = [f"honest-{number}@isp.com" for number in range(6)]
#: Sessions, so that those of liars do not count as growth; bytes of the log of an hour.
MAX_SESSIONS, MAX_LOG = 4000, 4 << 20
#: Bytes by which a process may grow that is lied to: what the allocator keeps, and what is remembered of strangers.
MAX_GROWTH = 24 << 20
#: The same for the parts of one reply, and the bytes that are sent of them.
MAX_GROWTH_OF_REPLY, REPLY_SIZE = 8 << 20, 24 << 20
#: Bytes of a message without an end. Another limit was 16 MB.
MESSAGE_SIZE = 15 << 20


@pytest.mark.lab
def test_lies_beside_a_real_switch_change_nothing_for_it() -> None:
    """Open vSwitch stays served, and its mobiles stay at their home agents."""
    configuration = farm((address, 1) for address in REALS.values()) + virtual_server(65535)
    with Bench(Lab(PlainChassis(), f"{configuration}\nip slb entries conn 1000 {MAX_SESSIONS}\n")) as bench:
        address, process = bench.lab.node(CONTROLLER).IP(), bench.controller.pid
        homes = {name: REALS[bench.deliver(registration(name))] for name in HONEST}
        to_confirm, confirmed_at = list(HONEST), time.monotonic() + 2 * RETRANSMISSION_INTERVAL
        before, open_before, running_before = resident(process), descriptors(process), threads(process)
        end, delays, trend = time.monotonic() + SECONDS, [0.0], Trend(process)
        with lied_to(address, 6653, end):
            for number in count():
                assert bench.deliver(registration(f"new-{number}@isp.com")) in REALS
                if to_confirm and time.monotonic() > confirmed_at:
                    name = to_confirm.pop()  # it registers anew, and its session makes room for none of a long run
                    assert REALS[bench.deliver(registration(name))] == homes[name]
                asked = time.monotonic()
                sessions = listed(bench)
                delays.append(time.monotonic() - asked)
                assert {name: sessions[name]["real"] for name in homes} == homes
                trend.note(sessions=len(sessions), log=len(bench.lab.log(CONTROLLER)))
                if time.monotonic() > end:
                    break
        assert bench.controller.poll() is None
        assert "Traceback" not in bench.lab.log(CONTROLLER)
        growth = resident(process) - before
        print(f"{growth >> 10} KiB more memory, {descriptors(process) - open_before} more descriptors")
        delays.sort()
        median = delays[len(delays) // 2]
        print(f"{number + 1} rounds; all sessions were listed within {median:.3f} s, at most {delays[-1]:.3f} s")
        assert growth < MAX_GROWTH
        assert threads(process) == running_before
        assert len(bench.lab.log(CONTROLLER)) < MAX_LOG
        wait_until(lambda: descriptors(process) <= open_before + LIARS, "the connections of liars are closed")


def test_lies_without_a_switch_keep_the_first_one_from_nothing(tmp_path: Path) -> None:
    with started(tmp_path) as controller:
        end = time.monotonic() + SECONDS
        with lied_to("127.0.0.1", controller.port, end):
            while time.monotonic() < end:
                with Switch(controller, 2, "127.0.0.2") as switch:
                    switch.await_served()
        controller.require_alive()
        wait_until(lambda: descriptors(controller.process.pid) < 40, "the connections of liars are closed")


def test_ports_without_an_end_take_neither_time_nor_memory(tmp_path: Path) -> None:
    """Thousands of ports, of which each change was followed at once, kept the event loop busy for 20 s."""
    ports = [struct.pack("!I4x6s2x16s8I", number, bytes(6), b"fa3-15", *[0] * 8) for number in range(1, MAX_PORTS + 1)]
    parts = [b"".join(ports[begin : begin + 512]) for begin in range(0, MAX_PORTS, 512)]
    with started(tmp_path) as controller, ExitStack() as stack:
        before = resident(controller.process.pid)
        for number in range(8):
            peer = stack.enter_context(controller.connect(HELLO + features(100 + number)))
            for part in parts:
                more = struct.pack("!HH4x", wire.OFPMP_PORT_DESC, part is not parts[-1])
                peer.sendall(message(wire.OFPT_MULTIPART_REPLY, more + part))
            controller.require_served(peer)
            peer.sendall(b"".join(message(wire.OFPT_PORT_STATUS, b"\2" + bytes(7) + port) for port in ports[:1000]))
        with Switch(controller, 1) as switch:
            switch.await_served()
        assert resident(controller.process.pid) - before < MAX_GROWTH
        controller.require_alive()


def of_rules(request: bytes, xid: int, _: int) -> bytes:
    """A part of a flow statistics reply: rules that bear our mark."""
    return _rules(int.from_bytes(request[32:40], "big"), request[16], xid)


@lru_cache(maxsize=1)
def _rules(cookie: int, table: int, xid: int) -> bytes:
    return flow_stats_reply(*(FlowRow(cookie | each << 20, table=table) for each in range(1000)), xid=xid, more=True)


def of_long_rules(request: bytes, xid: int, number: int) -> bytes:
    """The same with one rule of 64,000 bytes, which no other has."""
    match = flow_mod.match({"eth_type": 0x0800, "ipv4_dst": "10.1.1.10"})
    row = FlowRow(int.from_bytes(request[32:40], "big") | number << 20, match, table=request[16])
    return flow_stats_reply(row._replace(instructions=apply_actions(output(number) * 4000)), xid=xid, more=True)


def of_meters(_: bytes, xid: int, number: int) -> bytes:
    return meter_stats_reply(
        *((FIRST_METER + 1 + number * 1000 + each, [0]) for each in range(1000)), xid=xid, more=True
    )


def of_meter_rates(_: bytes, xid: int, number: int) -> bytes:
    rows = (struct.pack("!HHIHHII4x", 24, 1, number * 2000 + each, 1, 16, 100, 10) for each in range(2000))
    body = struct.pack("!HH4x", wire.OFPMP_METER_CONFIG, wire.OFPMPF_REPLY_MORE) + b"".join(rows)
    return HEADER.pack(4, wire.OFPT_MULTIPART_REPLY, HEADER.size + len(body), xid) + body


#: What the balancer asks for: the multipart type, and the table and the mask of the cookie if that is rules.
REQUESTS = {
    "lease": (wire.OFPMP_FLOW, 0, 0xFFFFFFFF, of_rules),
    "keys of tags": (wire.OFPMP_FLOW, 0, COOKIE_MARK_MASK, of_rules),
    "standing rules": (wire.OFPMP_FLOW, 2, COOKIE_MARK_MASK, of_rules),
    "sessions to recover": (wire.OFPMP_FLOW, 1, COOKIE_MARK_MASK, of_rules),
    "sessions to audit": (wire.OFPMP_FLOW, 1, COOKIE_MARK_MASK | 1 << 57, of_rules),
    "keys of tags, long": (wire.OFPMP_FLOW, 0, COOKIE_MARK_MASK, of_long_rules),
    "standing rules, long": (wire.OFPMP_FLOW, 2, COOKIE_MARK_MASK, of_long_rules),
    "sessions to recover, long": (wire.OFPMP_FLOW, 1, COOKIE_MARK_MASK, of_long_rules),
    "sessions to audit, long": (wire.OFPMP_FLOW, 1, COOKIE_MARK_MASK | 1 << 57, of_long_rules),
    "meters": (wire.OFPMP_METER, None, None, of_meters),
    "rates of meters": (wire.OFPMP_METER_CONFIG, None, None, of_meter_rates),
}


@pytest.mark.parametrize("asked", REQUESTS)
def test_a_reply_without_an_end_takes_no_memory(tmp_path: Path, asked: str) -> None:
    """The flag OFPMPF_REPLY_MORE promises a further part, and a further one (OpenFlow 1.3.5, section 7.3.5)."""
    kind, table, mask, part = REQUESTS[asked]
    with started(tmp_path) as controller, controller.connect(HELLO) as peer:
        switch = FakeSwitch(0x300)
        request = awaited(peer, switch, kind, table, mask)
        xid, before, sent = int.from_bytes(request[4:8], "big"), resident(controller.process.pid), 0
        for number in count():
            lie = part(request, xid, number)
            peer.sendall(lie)
            sent += len(lie)
            if sent > REPLY_SIZE:
                break
            answer(peer, switch)
        assert controller.survives(peer, b"")
        assert resident(controller.process.pid) - before < MAX_GROWTH_OF_REPLY
        controller.require_alive()


def test_a_reply_without_an_end_in_one_message_takes_no_memory(tmp_path: Path) -> None:
    """Its length field has wrapped, as of CPqD's switch, so only its rows show where it ends."""
    kind, table, mask, _ = REQUESTS["sessions to recover"]
    with started(tmp_path) as controller, controller.connect(HELLO) as peer:
        request = awaited(peer, FakeSwitch(0x300), kind, table, mask)
        whole = flow_stats_reply(*(FlowRow(each << 20, table=1) for each in range(1000)), xid=0)
        before = resident(controller.process.pid)
        peer.sendall(whole[:2] + struct.pack("!H", 40) + request[4:8] + whole[8:])
        for _ in range(MESSAGE_SIZE // len(whole)):
            peer.sendall(whole[16:])
        with Switch(controller, 1, "127.0.0.2") as switch:
            switch.await_served()
        assert resident(controller.process.pid) - before < MAX_GROWTH_OF_REPLY
        controller.require_alive()


@pytest.mark.parametrize("count", [600, 1000, 5000])
def test_a_reply_in_one_message_is_read_to_its_end_and_what_follows_as_well(tmp_path: Path, count: int) -> None:
    kind, table, mask, _ = REQUESTS["sessions to recover"]
    match = flow_mod.match({"eth_type": 0x0800, "ipv4_dst": "10.1.1.10"})
    row = FlowRow(0, match, apply_actions(output(3)))
    with started(tmp_path) as controller, controller.connect(HELLO) as peer:
        switch = FakeSwitch(0x300)
        request = awaited(peer, switch, kind, table, mask)
        head = flow_stats_reply(xid=int.from_bytes(request[4:8], "big"))
        rows = b"".join(flow_stats_reply(row._replace(cookie=cookie_of(number)))[16:] for number in range(1, count + 1))
        reply = head[:2] + struct.pack("!H", 16 + len(rows) & 0xFFFF) + head[4:] + rows
        for begin in range(0, len(reply), 10_007):
            peer.sendall(reply[begin : begin + 10_007])
        assert controller.survives(peer, b"")
        controller.await_line(f"{count} rules wait for their real servers")


def answer(peer: socket.socket, switch: FakeSwitch) -> None:
    """Answer what the balancer has sent: a switch without barrier replies is disconnected."""
    while select.select([peer], [], [], 0)[0]:
        data = peer.recv(1 << 16)
        assert data, "the balancer hung up"
        for _, replies in switch.receive(data):
            peer.sendall(b"".join(replies))


def awaited(peer: socket.socket, switch: FakeSwitch, kind: int, table: Optional[int], mask: Optional[int]) -> bytes:
    """Answer what the balancer sends until it asks for this. The table of sessions has rules that it does not know."""
    while True:
        data = peer.recv(1 << 16)
        assert data, "the balancer hung up"
        for request, replies in switch.receive(data):
            asks_for = int.from_bytes(request[8:10], "big") if request[1] == wire.OFPT_MULTIPART_REQUEST else None
            if asks_for == kind and (mask is None or (request[16], request[40:48]) == (table, mask.to_bytes(8, "big"))):
                return request
            if asks_for == wire.OFPMP_TABLE:
                peer.sendall(table_stats_reply({0: 9, 1: 9}, xid=int.from_bytes(request[4:8], "big")))
            else:
                peer.sendall(b"".join(replies))
