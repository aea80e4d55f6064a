"""Whether a switch forwards what is output to NORMAL, by its counters (docs/switches.md, "Without NORMAL")."""

from __future__ import annotations

import struct
from typing import Optional

import pytest

from ryu_haslb.openflow.capabilities.normal_check import (
    MAX_READINGS,
    MAX_WINDOWS,
    PACKETS,
    PROMPT_INTERVAL,
    READ_INTERVAL,
    SILENT_WINDOWS,
    NormalCheck,
)
from ryu_haslb.openflow.flow_tables.pipeline import CHASSIS_PREFIX, Purpose
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.features import OFPMP_PORT_STATS
from ryu_haslb.openflow.wire.ports import MAX_PORTS

PORTS = (1, 2, 3)


class Switch:
    """A switch with these counters, which a test changes, and the check of it.

    ``is_late``: it counts the first packets to ALL some seconds after it has sent them.
    """

    def __init__(
        self, counts: bool = True, all_forwards: int = len(PORTS), normal_forwards: int = 0, is_late: bool = True
    ) -> None:
        self.sent = dict.fromkeys(PORTS, 0)
        self.others = self.dispatched = self.xid = self.packets = self.bytes_sent = 0
        self.found: list[bool] = []
        self.xids: list[int] = []
        self.frames: set[bytes] = set()
        self.now, self.interval = 100.0, READ_INTERVAL
        self.is_late = is_late
        self._counts, self._outputs = counts, {wire.OFPP_ALL: all_forwards, wire.OFPP_NORMAL: normal_forwards}
        self.check = NormalCheck(self, 1, lambda: self.dispatched, self.found.append)

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def transmit(self, message: bytes) -> None:
        while message:
            _, kind, length, xid = wire.HEADER.unpack_from(message)
            if kind == wire.OFPT_PACKET_OUT:
                self.packets += 1
                (port,) = struct.unpack_from("!I", message, 28)
                self.frames.add(message[40:length])
                self._count(self._outputs[port] if port != wire.OFPP_ALL or not self.is_late else 0)
            else:
                self.xids.append(xid)
            message = message[length:]

    def read(self, sent: int = 0, others: int = 0, dispatched: int = 0) -> None:
        """So much happens until the counters are read; what is dispatched leaves by the first port."""
        self.now += self.interval
        self.check.tick(self.now)
        self.sent[PORTS[0]] += sent + dispatched
        self.others += others
        self.dispatched += dispatched
        ports, rules = self.xids[-2:]
        rows = b"".join(struct.pack("!I4x8xQ88x", port, count) for port, count in self.sent.items())
        row = struct.pack("!HBx8xH10xQQQHH4x", 56, 0, 0, Purpose.PASS_OTHER.cookie, self.others, 0, 1, 4)
        for xid, kind, body in ((ports, OFPMP_PORT_STATS, rows), (rules, wire.OFPMP_FLOW, row)):
            head = struct.pack("!BBHIHH4x", 4, wire.OFPT_MULTIPART_REPLY, 16 + len(body), xid, kind, 0)
            assert self.check.on_reply(xid, head + body)

    def begin(self) -> None:
        self.check.tick(self.now)
        self.read()
        if self.is_late:
            self.read()
            self.is_late = False
            self._count(self._outputs[wire.OFPP_ALL], PACKETS)

    def _count(self, ports: int, packets: int = 1) -> None:
        for each in PORTS[:ports]:
            self.sent[each] += packets * self._counts


@pytest.mark.parametrize(("others", "found"), [(6, [False]), (3, [])], ids=["ARP requests", "BPDUs"])
def test_a_switch_whose_ports_send_nothing_does_not_forward_if_others_send(others: int, found: list[bool]) -> None:
    switch = Switch()
    switch.begin()
    switch.read()
    for _ in range(MAX_READINGS * SILENT_WINDOWS):
        assert switch.found == []
        switch.read(others=others // MAX_READINGS)
    assert switch.found == found
    assert switch.packets == 2 * PACKETS


@pytest.mark.parametrize(("passing", "found"), [(0, [False]), (500, [])], ids=["replies are dropped", "replies pass"])
def test_requests_that_are_dispatched_meanwhile_count_neither_for_it_nor_against_it(
    passing: int, found: list[bool]
) -> None:
    """Home agents reply to each, and the replies are output to NORMAL."""
    switch = Switch()
    switch.begin()
    switch.read()
    for _ in range(MAX_READINGS * SILENT_WINDOWS):
        switch.sent[PORTS[1]] += passing
        switch.read(others=500, dispatched=500)
    assert switch.found == found


@pytest.mark.parametrize(
    ("others", "seconds"), [(4, 6.0), (1, 7.5), (0, None)], ids=["much traffic", "some traffic", "none"]
)
def test_prompt_counters_show_sooner_that_a_switch_does_not_forward(others: int, seconds: Optional[float]) -> None:
    """They have counted the packets to ALL half a second later, twice in a row."""
    switch = Switch(is_late=False)
    switch.interval = PROMPT_INTERVAL
    begun_at = switch.now
    switch.begin()
    while not switch.found and switch.now < begun_at + 60.0:
        switch.read(others=others)
    assert switch.found == ([] if seconds is None else [False])
    assert seconds is None or switch.now == begun_at + seconds
    assert switch.packets == 3 * PACKETS


def test_counters_that_were_updated_in_time_by_chance_are_not_prompt() -> None:
    """The second packets to ALL show it: the check takes as long as with others."""
    switch = Switch(is_late=False)
    switch.interval = PROMPT_INTERVAL
    switch.begin()
    switch.is_late = True
    switch.read(others=4)
    switch.read(others=4)
    asked = len(switch.xids)
    switch.check.tick(switch.now + PROMPT_INTERVAL)
    assert len(switch.xids) == asked


def test_requests_that_are_counted_anew_show_nothing() -> None:
    """They are with each mastership."""
    switch = Switch()
    switch.dispatched = 1000
    switch.begin()
    switch.read()
    switch.dispatched = 0
    switch.read()
    assert switch.found == []


def test_a_switch_that_drops_is_found_while_requests_leave_by_several_ports() -> None:
    switch = Switch()
    switch.begin()
    for _ in range(1 + MAX_READINGS * SILENT_WINDOWS):
        switch.sent[PORTS[1]] += 5
        switch.dispatched += 5
        switch.read(others=10, dispatched=5)
    assert switch.found == [False]


def test_a_switch_that_forwards_ours_forwards() -> None:
    switch = Switch(normal_forwards=1)
    switch.begin()
    switch.read()
    switch.read()
    assert switch.found == [True]


def test_ports_that_count_seconds_later_do_not_show_that_nothing_was_sent() -> None:
    """Hardware may update its counters every 10 s."""
    switch = Switch()
    switch.begin()
    for _ in range(5):
        for _ in range(4):
            switch.read(others=4)
        switch.read(sent=20, others=4)
    assert switch.found == []


def test_ports_that_have_sent_less_than_was_dispatched_show_nothing() -> None:
    """Their counters were cleared, or do not count yet what was dispatched."""
    switch = Switch()
    switch.sent[PORTS[0]] = 1 << 20
    switch.begin()
    switch.read()
    for _ in range(MAX_READINGS * MAX_WINDOWS):
        switch.read(sent=-30, others=4)
    assert switch.found == []


def test_a_switch_that_answers_no_request_for_counters_is_asked_no_more() -> None:
    switch = Switch()
    switch.begin()
    asked = len(switch.xids)
    for second in range(600):
        switch.check.tick(switch.now + second)
    assert len(switch.xids) == asked + 2


def test_no_neighbour_learns_our_address_from_a_packet_to_all() -> None:
    """It leaves by ports as well that a spanning tree blocks, and by which the switch receives no request."""
    switch = Switch()
    switch.begin()
    (frame,) = switch.frames
    assert frame[12:14] == b"\x88\xb5", "for experiments in a local network (IEEE 802.3, section 5.2)"
    assert not frame[6:12].startswith(CHASSIS_PREFIX)
    assert frame[:6] != frame[6:12]
    assert [each & 3 for each in (frame[0], frame[6])] == [2, 2], "local unicast addresses"


def test_a_reply_with_ever_more_ports_is_read_no_further() -> None:
    switch = Switch()
    switch.check.tick(switch.now)
    switch.check.tick(switch.now + READ_INTERVAL)
    xid, first, parts = switch.xids[-2], 0, 0
    while parts < 1000:
        rows = b"".join(struct.pack("!I4x8xQ88x", first + each, 0) for each in range(100))
        head = struct.pack("!BBHIHH4x", 4, wire.OFPT_MULTIPART_REPLY, 16 + len(rows), xid, OFPMP_PORT_STATS, 1)
        if not switch.check.on_reply(xid, head + rows):
            break
        first, parts = first + 100, parts + 1
    assert first - 100 <= MAX_PORTS < first


def test_one_that_does_not_forward_ours_and_forwards_what_others_send_is_left_alone() -> None:
    """A switch with VLANs need not forward what comes from the controller."""
    switch = Switch()
    switch.begin()
    for _ in range(1 + MAX_READINGS * MAX_WINDOWS):
        switch.read(sent=4, others=4)
    assert switch.found == []
    asked = len(switch.xids)
    switch.check.tick(switch.now + READ_INTERVAL)
    assert len(switch.xids) == asked, "it has an end"


@pytest.mark.parametrize("error", [None, "request", "packet"])
def test_counters_that_are_not_there_show_nothing(error: Optional[str]) -> None:
    switch = Switch(counts=False, is_late=False)
    switch.begin()
    if error is not None:
        assert switch.check.on_error(switch.xid if error == "packet" else switch.xids[-1]) is (error == "packet")
    else:
        for _ in range(1 + MAX_READINGS):  # the first one of counters that may be prompt
            switch.read(others=50)
    asked = len(switch.xids)
    switch.check.tick(switch.now + READ_INTERVAL)
    assert switch.found == []
    assert (len(switch.xids) == asked) is (error != "request")
