"""Which meters the audit sets again (docs/flows.md, the audit)."""

from __future__ import annotations

import struct

from fake_switch import FakeTransport

from ryu_haslb.openflow.audit.meter_audit import COMPARE_INTERVAL, MAX_ATTEMPTS, MeterAudit, Repair
from ryu_haslb.openflow.wire import wire

METER, RATE, BURST = 7, 500, 50
WANTED = {METER: RATE}
_PACKETS = 1 << 1  # OFPMF_PKTPS
_DROP = 1  # OFPMBT_DROP


class _Switch:
    """A switch that reports what it is asked for."""

    def __init__(self) -> None:
        self._channel = FakeTransport()
        self._now = 0.0
        self.audit = MeterAudit(self._channel, 1)

    def compare(self, rate: int, burst: int = BURST, flags: int = _PACKETS) -> list[Repair]:
        """The meters to set again after a reply with this meter (OpenFlow 1.3.5, section 7.3.5.9)."""
        self._now += COMPARE_INTERVAL
        self.audit.tick(WANTED, self._now)
        row = struct.pack("!HHIHHIII", 24, flags, METER, _DROP, 16, rate, burst, 0)
        reply = struct.pack("!HHI", wire.OFPMP_METER_CONFIG, 0, 0) + row
        header = struct.pack("!BBHI", 4, wire.OFPT_MULTIPART_REPLY, 8 + len(reply), self._channel.xid)
        repairs = self.audit.on_reply(self._channel.xid, header + reply, WANTED)
        assert repairs is not None
        return repairs


def test_a_meter_that_is_changed_before_its_restoration_was_seen_is_set_again() -> None:
    switch = _Switch()
    assert switch.compare(RATE) == []
    for rate in (1, 2, 3, 4, 5):
        assert switch.compare(rate) == [Repair(METER, RATE, True)]
    assert switch.compare(RATE) == []


def test_a_changed_burst_is_a_change() -> None:
    """With a burst of one packet hardly any passes."""
    switch = _Switch()
    assert switch.compare(RATE) == []
    assert switch.compare(RATE, burst=1) == [Repair(METER, RATE, True)]
    assert switch.compare(RATE, flags=_PACKETS | 1) == [Repair(METER, RATE, True)]


def test_a_switch_that_reports_bursts_in_its_own_way_is_compared_with_itself() -> None:
    switch = _Switch()
    assert [switch.compare(RATE, burst=64) for _ in range(3)] == [[]] * 3


def test_a_switch_that_never_reports_the_rate_is_left_alone_after_some_attempts() -> None:
    """Some round rates; or others have changed it before the first comparison. It does not count as changed."""
    switch = _Switch()
    repairs = [switch.compare(512) for _ in range(MAX_ATTEMPTS + 2)]
    assert repairs == [[Repair(METER, RATE, False)]] * MAX_ATTEMPTS + [[]] * 2
