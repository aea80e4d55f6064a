"""Replay protection with timestamps (RFC 5944 section 5.7.1)."""

from __future__ import annotations

from ryu_haslb.mobile_ip.identification import (
    MAX_CLOCK_DIFFERENCE,
    ReplayGuard,
    mismatch_identification,
    seconds_between,
    timestamp,
)

NOON = 1_700_000_000.0
END_OF_ERA = 2_085_978_496.0  # 2036-02-07 06:28:16 UTC, when the seconds of NTP wrap


def test_the_identification_is_an_ntp_timestamp() -> None:
    """RFC 5905: 1970-01-01 is second 2208988800 of the NTP era."""
    assert timestamp(0.0) == 2_208_988_800 << 32
    assert timestamp(0.5) == (2_208_988_800 << 32) + 2**31
    assert timestamp(END_OF_ERA) == 0


def test_seconds_are_counted_across_the_wrap_of_2036() -> None:
    assert seconds_between(timestamp(END_OF_ERA - 2), timestamp(END_OF_ERA + 1)) == 3
    assert seconds_between(timestamp(END_OF_ERA + 1), timestamp(END_OF_ERA - 2)) == -3


def test_a_fresh_timestamp_is_admitted_once() -> None:
    guard = ReplayGuard()
    assert guard.admit("mobile", timestamp(NOON), timestamp(NOON))
    assert not guard.admit("mobile", timestamp(NOON), timestamp(NOON + 1))


def test_a_retransmission_with_a_later_timestamp_is_admitted_and_the_earlier_one_no_more() -> None:
    guard = ReplayGuard()
    assert guard.admit("mobile", timestamp(NOON + 1), timestamp(NOON + 1))
    assert guard.admit("mobile", timestamp(NOON + 1) + 1, timestamp(NOON + 1))
    assert not guard.admit("mobile", timestamp(NOON), timestamp(NOON + 1))


def test_clocks_may_differ_by_the_maximum_and_no_more() -> None:
    for error in (-MAX_CLOCK_DIFFERENCE, MAX_CLOCK_DIFFERENCE):
        assert ReplayGuard().admit("mobile", timestamp(NOON + error), timestamp(NOON))
        assert not ReplayGuard().admit("mobile", timestamp(NOON + error * 1.01), timestamp(NOON))


def test_mobiles_do_not_disturb_each_other() -> None:
    guard = ReplayGuard()
    assert guard.admit("one", timestamp(NOON + 1), timestamp(NOON))
    assert guard.admit("other", timestamp(NOON), timestamp(NOON))


def test_the_guard_remembers_only_what_could_still_be_accepted() -> None:
    guard = ReplayGuard()
    for number in range(1000):
        guard.admit(number, timestamp(NOON), timestamp(NOON))
    assert len(guard) == 1000
    assert not guard.admit(5, timestamp(NOON), timestamp(NOON + MAX_CLOCK_DIFFERENCE))
    assert guard.admit("late", timestamp(NOON + MAX_CLOCK_DIFFERENCE + 1), timestamp(NOON + MAX_CLOCK_DIFFERENCE + 1))
    assert len(guard) == 1
    assert not guard.admit(5, timestamp(NOON), timestamp(NOON + MAX_CLOCK_DIFFERENCE + 1))


def test_a_mismatch_reply_has_the_own_seconds_and_the_low_half_of_the_request() -> None:
    assert mismatch_identification(0xAAAAAAAA11111111, 0xBBBBBBBB22222222) == 0xAAAAAAAA22222222
