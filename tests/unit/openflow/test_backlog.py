"""Issue "Make it fast", overload without harm: how far behind a switch is, and whom that keeps out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.backlog import MOST_BYTES, MOST_SECONDS, Backlog, Load


class Answered(Backlog):
    """A backlog whose switch has answered a barrier after so many seconds, at time 50."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.barrier(1000, 0, 50.0 - seconds)
        assert self.confirmed(1000, 50.0)


def test_a_switch_that_answers_in_time_takes_everything() -> None:
    backlog = Backlog()
    for xid in range(1, 100):
        now = xid * 0.005
        backlog.barrier(xid, xid * 1000, now)
        assert backlog.load(xid * 1000, now) is Load.NORMAL
        assert backlog.confirmed(xid, now + 0.002)
    assert backlog.age(10.0) == 0


def test_the_longer_an_answer_is_due_the_fewer_requests_are_let_in() -> None:
    backlog = Answered(0.0)
    backlog.barrier(1, 100, 50.0)
    assert backlog.load(100, 50.0 + MOST_SECONDS * 0.9) is Load.NORMAL
    assert backlog.load(100, 50.0 + MOST_SECONDS * 1.1) is Load.HIGH
    assert backlog.load(100, 50.0 + MOST_SECONDS * 2.1) is Load.FULL
    assert backlog.load(100, 50.0 + MOST_SECONDS * 99) is Load.FULL


def test_a_way_back_full_of_packet_ins_is_no_reason_to_stop_working() -> None:
    """A flood fills it whatever is let in. To drop everything because of it would serve nobody."""
    backlog = Answered(0.3)
    backlog.barrier(1, 100, 50.0)
    assert backlog.load(100, 50.35) is Load.NORMAL
    assert backlog.load(100, 50.45) is Load.HIGH


def test_the_quickest_answer_counts_for_a_moment_only() -> None:
    backlog = Answered(0.3)
    for step in range(4):
        now = 50.1 + step
        backlog.barrier(step, step, now)
        assert backlog.confirmed(step, now + 0.002)
    backlog.barrier(9, 100, 60.0)
    assert backlog.load(100, 60.15) is Load.HIGH, "the flood is over"
    assert backlog.confirmed(9, 60.3)
    for step in range(10, 14):
        backlog.barrier(step, 100 + step, 51.0 + step)
        assert backlog.confirmed(step, 51.2 + step)
    backlog.barrier(20, 200, 70.0)
    assert backlog.load(200, 70.25) is Load.NORMAL, "another one has come"


def test_a_switch_that_never_answers_is_not_waited_for() -> None:
    """What is taken off has a limit."""
    backlog = Answered(30.0)
    backlog.barrier(1, 100, 50.0)
    assert backlog.load(100, 50.7) is Load.FULL


def test_a_burst_counts_before_time_has_passed() -> None:
    """Queues are bounded in bytes as well: what is sent within a moment is no older than that moment."""
    backlog = Backlog()
    assert backlog.load(MOST_BYTES - 1, 0.0) is Load.NORMAL
    assert backlog.load(MOST_BYTES, 0.0) is Load.HIGH
    assert backlog.load(2 * MOST_BYTES, 0.0) is Load.FULL


def test_an_answer_covers_all_that_was_sent_before_it() -> None:
    backlog = Backlog()
    for xid in (1, 2, 3):
        backlog.barrier(xid, xid * MOST_BYTES, 0.0)
    assert backlog.confirmed(2, 0.0)
    assert backlog.load(3 * MOST_BYTES, MOST_SECONDS * 0.5) is Load.HIGH
    assert backlog.confirmed(3, 0.0)
    assert backlog.load(3 * MOST_BYTES, 9.0) is Load.NORMAL


def test_the_answer_to_somebody_elses_barrier_says_nothing() -> None:
    backlog = Backlog()
    backlog.barrier(1, 100, 0.0)
    assert not backlog.confirmed(7, 0.5)
    assert backlog.age(1.0) == 1.0


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=300))
def test_barriers_under_way_are_few_and_every_answer_counts(steps: list[tuple[int, bool]]) -> None:
    """Nothing here grows with what a switch leaves unanswered."""
    backlog, sent, xid = Backlog(), 0, 0
    unanswered: list[int] = []
    for number, (size, answered) in enumerate(steps):
        sent += size
        if backlog.is_due(sent):
            xid += 1
            backlog.barrier(xid, sent, float(number))
            unanswered.append(xid)
        if answered and unanswered:
            assert backlog.confirmed(unanswered.pop(0), float(number))
        assert len(unanswered) <= 64
    for each in unanswered:
        assert backlog.confirmed(each, 1000.0)
    assert backlog.age(1e9) == 0
