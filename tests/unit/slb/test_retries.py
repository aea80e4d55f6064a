"""Which requests of a mobile are retries, and when they move its session (the chapter; RFC 5944 section 3.6.3)."""

from __future__ import annotations

import pytest
from farm_builder import SWITCH, Bench

from ryu_haslb.slb import abandoned_attempts
from ryu_haslb.slb.session import MAX_PAUSE


def test_more_retries_than_reassign_move_the_session_and_record_a_failure() -> None:
    """ "If the number of retries seen is greater than the configured "reassign" threshold"."""
    bench = Bench(1, 1, reassign=3)
    assert bench.letters(*["anna@example.org"] * 4) == "AAAA"
    assert bench.reals[0].connection_failures == 0
    bench.now += 1.0
    assert bench.letters(*["anna@example.org"] * 2) == "BB"
    assert [real.connection_failures for real in bench.reals] == [1, 0]
    assert [real.sessions for real in bench.reals] == [0, 1]
    assert bench.balancer.statistics.reassignments == 1


@pytest.mark.parametrize("seconds", [5.5, 7.0, 1800.0])
def test_a_mobile_that_registers_anew_does_not_retry(seconds: float) -> None:
    """What it asked before was answered, or it would have asked sooner: it stays where its binding is."""
    bench = Bench(1, 1, reassign=1, server={"idle": 3600})
    bench.request("anna@example.org")
    for _ in range(10):
        bench.now += seconds
        assert bench.letter(bench.request("anna@example.org")) == "A"
    assert bench.reals[0].connection_failures == 0


@pytest.mark.parametrize("idle", [10, 300])
@pytest.mark.parametrize("pause", [20.0, 60.0])
@pytest.mark.parametrize("retransmissions", [2, 3])
def test_attempts_that_were_abandoned_count_on_into_the_next(idle: int, pause: float, retransmissions: int) -> None:
    """Phones retry two or three times and begin anew later. By then the session may have ended (``idle`` 10)."""
    bench = Bench(1, 1, reassign=3, server={"idle": idle})
    assert set(bench.attempt("anna@example.org", retransmissions)) == {"A"}
    bench.wait(pause)
    assert "B" in bench.attempt("anna@example.org", retransmissions), "it moves in the second attempt at the latest"
    assert bench.reals[0].connection_failures == 1
    assert bench.balancer.statistics.reassignments == 1


@pytest.mark.parametrize("idle", [10, 300])
def test_a_request_that_names_its_home_agent_goes_there_after_retries_too(idle: int) -> None:
    """The mobile was bound there; its session may have ended by then (``idle`` 10)."""
    bench = Bench(1, 1, reassign=1, server={"idle": idle})
    assert bench.attempt("anna@example.org", retransmissions=1) == "AA"
    bench.wait(20.0)
    assert bench.letter(bench.request("anna@example.org", bench.reals[0].packed_address)) == "A"
    assert bench.balancer.statistics.reassignments == 0


def test_a_mobile_that_has_retried_at_the_home_agent_that_it_names_moves_with_its_next_attempt() -> None:
    """It gives up its binding, and names none. Seen in the world 34: it asked there once more."""
    bench = Bench(1, 1, reassign=1, server={"idle": 300})
    for seconds in (20.0, 1.0, 2.0):
        assert bench.letter(bench.request("anna@example.org", bench.reals[0].packed_address)) == "A"
        bench.wait(seconds)
    assert bench.letter(bench.request("anna@example.org", bench.reals[0].packed_address)) == "A"
    bench.wait(20.0)
    assert bench.letter(bench.request("anna@example.org")) == "B"


def test_an_attempt_without_retransmissions_was_answered_and_ends_the_count() -> None:
    bench = Bench(1, 1, reassign=3, server={"idle": 300})
    bench.attempt("anna@example.org")
    bench.wait(20.0)
    for _ in range(9):
        assert bench.attempt("anna@example.org", retransmissions=0) == "A"
        bench.wait(20.0)
    session = bench.session("anna@example.org")
    assert session is not None
    assert session.retries == 0


@pytest.mark.parametrize(("lifetime", "moves"), [(600, False), (1800, True)])
def test_a_mobile_that_comes_back_late_in_its_lifetime_was_bound(lifetime: int, moves: bool) -> None:
    """A lost request is no failure. A bound mobile renews from half of its lifetime on, at its home agent's address."""
    bench = Bench(1, 1, reassign=1, server={"idle": 3600})
    for _ in range(3):
        bench.request("anna@example.org", lifetime=lifetime)
        bench.wait(1.0)
        bench.request("anna@example.org", lifetime=lifetime)
        bench.wait(400.0)
    assert (bench.reals[0].connection_failures > 0) is moves


def test_what_is_remembered_of_abandoned_attempts_is_forgotten() -> None:
    bench = Bench(1, 1)
    for number in range(4):
        bench.attempt(f"user{number}@example.org")
    bench.wait(11.0)
    assert len(bench.balancer._abandoned.attempts) == 4
    bench.wait(MAX_PAUSE + 0.2)
    assert not bench.balancer._abandoned.attempts
    assert bench.letters("user1@example.org") == "A", "the predictor chooses"


def test_the_oldest_abandoned_attempts_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandoned_attempts, "MAX_ATTEMPTS", 3)
    bench = Bench(1)
    for number in range(5):
        bench.attempt(f"user{number}@example.org", retransmissions=1)
    bench.wait(11.0)
    assert [mobile for _, mobile in bench.balancer._abandoned.attempts] == [
        f"\x01user{number}@example.org".encode() for number in (2, 3, 4)
    ]


@pytest.mark.parametrize("gap", [0.0, 0.3, 0.9])
def test_repetitions_within_a_second_are_no_retries(gap: float) -> None:
    """RFC 5944 section 3.6.3: the first retransmission comes after one second at the earliest."""
    bench = Bench(1, 1, reassign=1, faildetect_numconns=1, faildetect_numclients=1)
    bench.request("anna@example.org")
    for _ in range(200):
        bench.now += gap / 200
        assert bench.letter(bench.request("anna@example.org")) == "A"
    assert bench.reals[0].connection_failures == 0


def test_repetitions_within_a_second_do_not_hide_retries() -> None:
    bench = Bench(1, 1, reassign=1)
    letters = ""
    for _ in range(30):
        letters += bench.letters("anna@example.org")
        bench.now += 0.1
    assert letters == "A" * 20 + "B" * 10


def test_copies_within_a_second_are_no_retries() -> None:
    """The network has repeated a request, or a stranger. They restart the idle time."""
    bench = Bench(1, 1, reassign=1, faildetect_numconns=1, faildetect_numclients=1)
    bench.request("anna@example.org")
    for _ in range(9):
        assert bench.letter(bench.copy("anna@example.org")) == "A"
    assert bench.reals[0].connection_failures == 0
    bench.wait(9.0)
    bench.copy("anna@example.org")
    bench.wait(9.0)
    assert bench.session("anna@example.org") is not None


@pytest.mark.parametrize("is_next_unchanged", [True, False])
@pytest.mark.parametrize("idle", [10, 300])
def test_a_mobile_that_uses_nonces_retransmits_unchanged(idle: int, is_next_unchanged: bool) -> None:
    """RFC 5944 section 3.6.3: its retransmissions bear the Identification of the first request."""
    bench = Bench(1, 1, reassign=3, server={"idle": idle})
    letters = ""
    for attempt in range(2):
        bench.identification += attempt == 0 or not is_next_unchanged
        for pause in (1.0, 2.0, 4.0):
            letters += bench.letter(bench.copy("anna@example.org"))
            bench.wait(pause)
        bench.wait(20.0)
    assert letters == "AAAABB", "it moves in the second attempt"


def test_a_mobile_whose_identification_never_changes_registers_anew_without_retries() -> None:
    bench = Bench(1, 1, reassign=1, server={"idle": 3600})
    for _ in range(9):
        assert bench.letter(bench.copy("anna@example.org")) == "A"
        bench.wait(300.0)
    assert bench.reals[0].connection_failures == 0


@pytest.mark.parametrize("first", [1.0, 3.0, 4.5])
def test_retries_that_come_later_each_time_are_retries(first: float) -> None:
    """RFC 5944 section 3.6.3: each time-out at least twice the one before."""
    bench = Bench(1, 1, reassign=3, server={"idle": 3600})
    letters = bench.letters("anna@example.org")
    for number in range(4):
        bench.wait(first * 2**number)
        letters += bench.letters("anna@example.org")
    assert letters == "AAAAB"


def test_a_session_with_nowhere_to_go_stays() -> None:
    bench = Bench(1, reassign=1)
    assert bench.letters(*["anna@example.org"] * 9) == "A" * 9
    assert bench.reals[0].connection_failures > 0


def test_the_rule_of_a_moved_session_is_stale_at_the_switch_that_has_it() -> None:
    bench = Bench(1, 1, reassign=0)
    session = bench.request("anna@example.org").session
    assert session is not None
    session.rule_at = SWITCH
    bench.now += 1.0
    bench.request("anna@example.org")
    assert session.rule_at is None
    assert bench.balancer.ending.take_stale_rules() == [(SWITCH, session)]
    assert not bench.balancer.ending.take_stale_rules()
