"""Switches that come, are served, and fall silent; the connection is not real."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Any, Optional

import pytest

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3
from ryu_haslb.openflow import fleet, wire
from ryu_haslb.openflow.fleet import MOST_SILENCE, Fleet
from ryu_haslb.openflow.pipeline import FIRST_METER
from ryu_haslb.slb.balancer import Balancer

CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=(RealServer(IPv4Address("10.1.1.51"), in_service=True),))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)
_METER_MOD = 29
_METER_INSTRUCTION = struct.pack("!HHI", 6, 8, FIRST_METER)


class Switched(ofproto_protocol.ProtocolDesc):  # type: ignore[misc]
    """A switch at the other end of a connection; it answers when it is told to. ``meters`` says whether it has any."""

    id = 1
    address = ("10.0.0.1", 40000)

    def __init__(self, meters: bool = True) -> None:
        super().__init__(version=ofproto_v1_3.OFP_VERSION)
        self.handler: Optional[Any] = None
        self.bytes_sent = 0
        self.xid = 0
        self.closed = False
        self.rules = b""
        self._meters = meters
        self._unanswered: list[bytes] = []

    def port_names(self) -> dict[int, str]:
        return {}

    def transmit(self, message: bytes) -> None:
        self.bytes_sent += len(message)
        self._unanswered.append(message)

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def close(self) -> None:
        self.closed = True

    def answer(self) -> None:
        """Answer all that was sent, and what is sent because of that."""
        while self._unanswered:
            sent = self._unanswered.pop(0)
            self.rules += sent
            assert self.handler is not None
            while sent:
                _, kind, length, xid = wire.HEADER.unpack_from(sent)
                if kind == _METER_MOD and not self._meters:
                    self.handler(wire.OFPT_ERROR, xid, wire.HEADER.pack(4, wire.OFPT_ERROR, 12, xid) + b"\0\1\0\1")
                elif kind == wire.OFPT_BARRIER_REQUEST:
                    self.handler(wire.OFPT_BARRIER_REPLY, xid, b"")
                sent = sent[length:]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    time = [1000.0]
    monkeypatch.setattr(fleet.time, "monotonic", lambda: time[0])
    return time


@pytest.mark.parametrize("meters", [True, False])
def test_standing_rules_have_their_meter_where_the_switch_has_meters(now: list[float], meters: bool) -> None:
    """Issue "Make it fast": a meter on the punt rule; a switch without meters is served without."""
    switch = Switched(meters)
    Fleet(CONFIGURATION, Balancer(CONFIGURATION)).connected(switch)
    switch.answer()
    assert (_METER_INSTRUCTION in switch.rules) is meters
    assert b"\x80\x00\x20\x02\x01\xb2" in switch.rules, "UDP port 434"


def test_a_switch_that_answers_nothing_any_more_is_taken_for_dead(now: list[float]) -> None:
    """What would be sent to it would pile up, and it could not connect anew."""
    switch, served = Switched(), Fleet(CONFIGURATION, Balancer(CONFIGURATION))
    served.connected(switch)
    switch.answer()
    for _ in range(100):
        now[0] += 1
        served.tick(now[0])
        switch.answer()
    assert not switch.closed
    for _ in range(int(MOST_SILENCE) + 3):
        now[0] += 1
        served.tick(now[0])
    assert switch.closed
