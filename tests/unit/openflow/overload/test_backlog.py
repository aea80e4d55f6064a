"""How far behind a switch is (docs/states.md, "Overload")."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.overload.backlog import MAX_QUEUEING_DELAY, MAX_UNCONFIRMED_BYTES, Backlog, Load


def measured(seconds: float) -> Backlog:
    """A backlog with one round trip of this many seconds, which ended at time 50."""
    backlog = Backlog()
    backlog.record_barrier(1000, 0, 50.0 - seconds)
    assert backlog.on_barrier_reply(1000, 50.0)
    return backlog


def test_the_load_of_a_switch_that_replies_in_time_is_normal() -> None:
    backlog = Backlog()
    for xid in range(1, 100):
        now = xid * 0.005
        backlog.record_barrier(xid, xid * 1000, now)
        assert backlog.load(xid * 1000, now) is Load.NORMAL
        assert backlog.on_barrier_reply(xid, now + 0.002)
    assert backlog.oldest_barrier_age(10.0) == 0


def test_the_load_grows_with_the_age_of_the_oldest_barrier() -> None:
    backlog = measured(0.0)
    backlog.record_barrier(1, 100, 50.0)
    assert backlog.load(100, 50.0 + MAX_QUEUEING_DELAY * 0.9) is Load.NORMAL
    assert backlog.load(100, 50.0 + MAX_QUEUEING_DELAY * 1.1) is Load.HIGH
    assert backlog.load(100, 50.0 + MAX_QUEUEING_DELAY * 2.1) is Load.FULL
    assert backlog.load(100, 50.0 + MAX_QUEUEING_DELAY * 99) is Load.FULL


def test_the_shortest_round_trip_is_subtracted() -> None:
    """A flood fills the way back no matter what is admitted. To drop all requests for it would serve none."""
    backlog = measured(0.3)
    backlog.record_barrier(1, 100, 50.0)
    assert backlog.load(100, 50.35) is Load.NORMAL
    assert backlog.load(100, 50.45) is Load.HIGH


def test_the_shortest_round_trip_is_that_of_the_last_seconds() -> None:
    backlog = measured(0.3)
    for step in range(4):
        now = 50.1 + step
        backlog.record_barrier(step, step, now)
        assert backlog.on_barrier_reply(step, now + 0.002)
    backlog.record_barrier(9, 100, 60.0)
    assert backlog.load(100, 60.15) is Load.HIGH, "the flood is over"
    assert backlog.on_barrier_reply(9, 60.3)
    for step in range(10, 14):
        backlog.record_barrier(step, 100 + step, 51.0 + step)
        assert backlog.on_barrier_reply(step, 51.2 + step)
    backlog.record_barrier(20, 200, 70.0)
    assert backlog.load(200, 70.25) is Load.NORMAL, "another flood has begun"


def test_what_is_subtracted_has_a_limit() -> None:
    """The backlog of a switch that never replies in time must not look empty."""
    backlog = measured(30.0)
    backlog.record_barrier(1, 100, 50.0)
    assert backlog.load(100, 50.7) is Load.FULL


def test_unconfirmed_bytes_count_before_any_time_has_passed() -> None:
    """What is sent within one instant has no age yet; queues are bounded in bytes as well."""
    backlog = Backlog()
    assert backlog.load(MAX_UNCONFIRMED_BYTES - 1, 0.0) is Load.NORMAL
    assert backlog.load(MAX_UNCONFIRMED_BYTES, 0.0) is Load.HIGH
    assert backlog.load(2 * MAX_UNCONFIRMED_BYTES, 0.0) is Load.FULL


def test_a_barrier_reply_confirms_all_that_was_sent_before_the_barrier() -> None:
    backlog = Backlog()
    for xid in (1, 2, 3):
        backlog.record_barrier(xid, xid * MAX_UNCONFIRMED_BYTES, 0.0)
    assert backlog.on_barrier_reply(2, 0.0)
    assert backlog.load(3 * MAX_UNCONFIRMED_BYTES, MAX_QUEUEING_DELAY * 0.5) is Load.HIGH
    assert backlog.on_barrier_reply(3, 0.0)
    assert backlog.load(3 * MAX_UNCONFIRMED_BYTES, 9.0) is Load.NORMAL


def test_the_reply_to_another_barrier_confirms_nothing() -> None:
    backlog = Backlog()
    backlog.record_barrier(1, 100, 0.0)
    assert not backlog.on_barrier_reply(7, 0.5)
    assert backlog.oldest_barrier_age(1.0) == 1.0


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=300))
def test_outstanding_barriers_are_limited_and_every_reply_counts(steps: list[tuple[int, bool]]) -> None:
    """The memory of a backlog does not grow with what the switch leaves unanswered."""
    backlog, sent, xid = Backlog(), 0, 0
    unanswered: list[int] = []
    for number, (size, answered) in enumerate(steps):
        sent += size
        if backlog.needs_barrier(sent):
            xid += 1
            backlog.record_barrier(xid, sent, float(number))
            unanswered.append(xid)
        if answered and unanswered:
            assert backlog.on_barrier_reply(unanswered.pop(0), float(number))
        assert len(unanswered) <= 64
    for each in unanswered:
        assert backlog.on_barrier_reply(each, 1000.0)
    assert backlog.oldest_barrier_age(1e9) == 0


def test_all_requests_of_a_connection_are_those_before_and_behind_its_last_barrier() -> None:
    backlog = Backlog()
    for xid in (1, 2):
        backlog.requests += 5
        backlog.record_barrier(xid, 100 * xid, float(xid))
    backlog.requests += 1
    backlog.on_barrier_reply(1, 3.0)
    assert backlog.all_requests == 11


def test_no_more_requests_come_back_than_the_switch_was_sent() -> None:
    """A switch that returns what it was not sent lies (docs/security.md)."""
    backlog = Backlog()
    assert not backlog.record_return()
    backlog.requests += 2
    backlog.record_barrier(1, 100, 1.0)
    backlog.requests += 1
    assert [backlog.record_return() for _ in range(4)] == [True, True, True, False]
    assert backlog.unconfirmed_requests == 0
