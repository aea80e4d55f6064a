"""What follows from what mobiles sent and home agents captured."""

from __future__ import annotations

from pathlib import Path

from haslb_lab.cluster.ledger import MIN_INTERRUPTION, SECOND, UNDER_WAY, Arrival, Ledger, Moved, Pause, read_ledger
from haslb_lab.cluster.traffic import ARRIVED, MAX_MOBILES, SENT

FIRST, SECOND_MOBILE = MAX_MOBILES, 2 * MAX_MOBILES


def delivered(*times: int, mobile: int = FIRST, agent: str = "sami1") -> list[Arrival]:
    """Requests that arrived when they were sent."""
    return [Arrival(time, time, mobile, agent) for time in times]


def ledger(*arrivals: Arrival, lost: tuple[tuple[int, int], ...] = ()) -> Ledger:
    sent = [(arrival.sent, arrival.mobile) for arrival in arrivals]
    return Ledger(sorted([*sent, *lost]), sorted(arrivals))


def test_a_pause_is_from_the_last_arrival_before_to_the_first_one_after() -> None:
    came = ledger(*delivered(0, 10, 20, 90, 100))
    assert came.pauses(21, 100) == {1: Pause(20, 90)}
    assert came.pauses(0, 15) == {1: Pause(0, 10)}


def test_a_service_that_does_not_return_is_a_pause_until_the_end() -> None:
    assert ledger(*delivered(0, 10)).pauses(5, 1000) == {1: Pause(10, 1000)}
    assert ledger(lost=((5, FIRST),)).pauses(0, 1000) == {1: Pause(0, 1000)}, "nothing has ever arrived"


def test_each_switch_has_its_own_pause() -> None:
    came = ledger(*delivered(0, 10, 90), *delivered(0, 50, 90, mobile=SECOND_MOBILE))
    assert came.pauses(1, 90) == {1: Pause(10, 90), 2: Pause(0, 50)}


def test_a_request_that_arrives_again_is_counted() -> None:
    assert ledger(*delivered(1, 2)).twice == 0
    assert ledger(*delivered(1, 1, 1)).twice == 2
    assert ledger(*delivered(1), *delivered(1, agent="sami2")).twice == 1


def test_requests_of_a_pause_and_in_flight_before_it_are_excused() -> None:
    pause = {1: Pause(SECOND, 2 * SECOND)}
    in_flight, within, after = SECOND - UNDER_WAY, SECOND + 1, 2 * SECOND + 1
    came = ledger(lost=((in_flight, FIRST), (within, FIRST), (after, FIRST)))
    assert came.lost([]) == 3
    assert came.lost([pause]) == 1
    assert ledger(lost=((in_flight - 1, FIRST),)).lost([pause]) == 1


def test_a_mobile_may_move_only_if_its_first_request_came_right_before_an_interruption() -> None:
    interruption = (1, Pause(SECOND, 2 * SECOND))
    old, late = SECOND - UNDER_WAY - 1, SECOND - 1
    after = 3 * SECOND
    came = ledger(
        *delivered(old, mobile=FIRST),
        *delivered(after, mobile=FIRST, agent="sami2"),
        *delivered(late, mobile=FIRST + 1),
        *delivered(after, mobile=FIRST + 1, agent="sami2"),
        *delivered(old, after, mobile=FIRST + 2),
    )
    assert came.moved([interruption]) == Moved(under_way=[FIRST + 1], others=[FIRST])
    assert came.moved([]) == came.moved([(2, interruption[1])]) == Moved(under_way=[], others=[FIRST, FIRST + 1])
    assert came.homes() == {FIRST: "sami2", FIRST + 1: "sami2", FIRST + 2: "sami1"}


def test_every_pause_that_is_long_enough_for_a_takeover_is_an_interruption() -> None:
    came = ledger(
        *delivered(0, MIN_INTERRUPTION - 1, 2 * MIN_INTERRUPTION, 9 * MIN_INTERRUPTION, 10 * MIN_INTERRUPTION - 1)
    )
    end = 10 * MIN_INTERRUPTION
    long = Pause(2 * MIN_INTERRUPTION, 9 * MIN_INTERRUPTION)
    assert came.interruptions(0, end) == [(1, Pause(MIN_INTERRUPTION - 1, 2 * MIN_INTERRUPTION)), (1, long)]


def test_records_are_read_and_one_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "pdsn1").write_bytes(SENT.pack(20, FIRST) + SENT.pack(10, FIRST + 1) + b"part")
    (tmp_path / "sami1").write_bytes(ARRIVED.pack(21, 20, FIRST) + b"part")
    read = read_ledger([tmp_path / "pdsn1"], {"sami1": tmp_path / "sami1"})
    assert read.sent == [(10, FIRST + 1), (20, FIRST)]
    assert read.arrivals == [Arrival(21, 20, FIRST, "sami1")]
