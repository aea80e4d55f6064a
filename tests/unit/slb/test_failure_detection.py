"""Sessions that do not succeed, and what they say of their real server (the chapter; IOS faildetect, retry)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from farm_builder import SWITCH, Bench, address

from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.farm import CLIENT_TIMEOUT
from ryu_haslb.slb.health import HEALTH_TRANSITIONS, Health
from ryu_haslb.slb.session import MAX_PAUSE, RETRANSMISSION_INTERVAL


def fail(bench: Bench, mobile: str, client: str = "15.1.1.51") -> None:
    """One connection failure: the mobile repeats its request until it is moved."""
    bench.request(mobile, client=client)
    for _ in range(bench.reals[0].configuration.reassign + 1):
        bench.now += 1.0
        bench.request(mobile, client=client)


def fail_at_a(bench: Bench, mobile: str, client: str = "15.1.1.51") -> None:
    """One connection failure at A, wherever its session was; nothing is answered in between."""
    session = bench.session(mobile)
    if session is not None:
        bench.balancer.clear_sessions()
    weight, bench.reals[1].weight = bench.reals[1].weight, 0
    bench.request(mobile, client=client)
    bench.reals[1].weight = weight
    for _ in range(bench.reals[0].configuration.reassign + 1):
        bench.now += 1.0
        bench.request(mobile, client=client)


def failed_bench(**real: int) -> Bench:
    """A is FAILED, B is well."""
    bench = Bench(1, 1, **{"faildetect_numconns": 1, "faildetect_numclients": 1, "reassign": 1, "retry": 60, **real})
    fail(bench, "anna@example.org")
    assert [real_server.health for real_server in bench.reals] == [Health.FAILED, Health.OPERATIONAL]
    return bench


def test_numconns_failures_of_numclients_clients_fail_the_real() -> None:
    bench = Bench(1, 1, faildetect_numconns=3, faildetect_numclients=2, reassign=0)
    bench.request("other@example.org", client="15.1.1.52")
    for number in range(9):
        fail_at_a(bench, f"user{number}@example.org")
    assert bench.reals[0].state == "OPERATIONAL", "one of two clients alone says nothing"
    fail_at_a(bench, "user9@example.org", client="15.1.1.52")
    assert bench.reals[0].state == "FAILED"


def test_where_fewer_clients_send_to_the_farm_all_of_them_are_enough() -> None:
    """One PDSN alone, ``numclients 2`` as it is by default: a silent home agent fails all the same."""
    bench = Bench(1, 1, faildetect_numconns=3, faildetect_numclients=2, reassign=0)
    for number in range(3):
        fail_at_a(bench, f"user{number}@example.org")
    assert bench.reals[0].state == "FAILED"


def test_a_client_that_has_sent_nothing_for_long_sends_no_more() -> None:
    bench = Bench(1, 1, faildetect_numconns=3, faildetect_numclients=2, reassign=0)
    bench.request("other@example.org", client="15.1.1.52")
    bench.wait(CLIENT_TIMEOUT + 1.0)
    for number in range(3):
        fail_at_a(bench, f"user{number}@example.org")
    assert bench.reals[0].state == "FAILED"


def test_a_mobile_has_one_vote_until_the_real_has_answered() -> None:
    bench = Bench(1, 1, faildetect_numconns=3, faildetect_numclients=1, reassign=0)
    for _ in range(9):
        fail_at_a(bench, "anna@example.org")
    assert bench.reals[0].connection_failures == 9
    assert bench.reals[0].consecutive_failures == 1
    for number in range(2):
        fail_at_a(bench, f"user{number}@example.org")
    assert bench.reals[0].state == "FAILED"


def test_the_last_real_that_can_serve_is_demoted_instead_of_failed() -> None:
    """It goes on serving; a session that is not retried shows that it works."""
    bench = Bench(1, 1, faildetect_numconns=2, faildetect_numclients=1, reassign=0, retry=60)
    bench.reals[1].in_service = False
    for number in range(2):
        fail_at_a(bench, f"user{number}@example.org")
    assert bench.reals[0].state == "DEMOTED"
    assert bench.new_sessions(3, start=10) == "AAA"
    bench.wait(RETRANSMISSION_INTERVAL + 0.3)
    assert bench.reals[0].state == "OPERATIONAL"


def test_a_demoted_real_rests_when_another_can_serve_again() -> None:
    bench = Bench(1, 1, faildetect_numconns=2, faildetect_numclients=1, reassign=0, retry=60, server={"idle": 300})
    bench.reals[1].reachable_from.clear()
    for number in range(2):
        fail_at_a(bench, f"user{number}@example.org")
    bench.reals[1].reachable_from.add(SWITCH)
    assert bench.letters("user1@example.org", "new@example.org") == "BB"
    bench.wait(0.2)
    assert bench.reals[0].state == "FAILED"
    bench.wait(60.0)
    assert bench.reals[0].state == "READY_TO_TEST"


def test_a_failed_real_serves_when_no_other_can() -> None:
    """The mobile would have been dropped. With ``retry 0`` it would be for ever."""
    bench = failed_bench(retry=0)
    bench.reals[1].reachable_from.clear()
    assert bench.letter(bench.request("bert@example.org")) == "A"
    assert bench.reals[0].state == "DEMOTED"
    bench.reals[0].in_service = False
    assert bench.request("carl@example.org").drop is DropReason.NO_REAL_AVAILABLE


def test_a_full_real_does_not_bring_a_failed_one_back() -> None:
    bench = failed_bench(retry=0, maxconns=2)
    bench.new_sessions(1)
    assert bench.reals[1].state == "MAXCONNS"
    assert bench.request("carl@example.org").drop is DropReason.NO_REAL_AVAILABLE


def test_of_two_failed_reals_each_gets_the_sessions_that_the_other_did_not_answer() -> None:
    bench = failed_bench(retry=0)
    fail(bench, "bert@example.org")
    assert bench.reals[1].state == "DEMOTED"
    assert bench.letters(*["carl@example.org"] * 3) == "BBA"


def test_a_success_in_between_starts_the_count_again() -> None:
    """The failures have to be consecutive."""
    bench = Bench(1, 0, faildetect_numconns=2, faildetect_numclients=1, reassign=3)
    fail(bench, "anna@example.org")
    bench.request("bert@example.org")
    bench.wait(RETRANSMISSION_INTERVAL + 0.3)
    assert bench.reals[0].consecutive_failures == 0


def test_no_session_goes_to_a_failed_real_and_those_there_move_when_they_retry() -> None:
    bench = Bench(1, 1, faildetect_numconns=1, faildetect_numclients=1, reassign=1)
    assert bench.letters("anna@example.org", "bert@example.org", "carl@example.org") == "ABA"
    bench.now += 1.0
    bench.letters(*["anna@example.org"] * 2)
    assert bench.reals[0].state == "FAILED"
    assert bench.letter(bench.request("carl@example.org")) == "B"
    assert bench.new_sessions(3) == "BBB"


def test_after_retry_seconds_the_next_session_tests_it_and_success_brings_it_back() -> None:
    bench = failed_bench(retry=60)
    bench.wait(59.8)
    assert bench.reals[0].state == "FAILED"
    bench.wait(0.3)
    assert bench.reals[0].state == "READY_TO_TEST"
    assert bench.new_sessions(3) == "ABB", "the next session tests it, and only that one"
    assert bench.reals[0].state == "TESTING"
    bench.wait(RETRANSMISSION_INTERVAL + 0.3)
    assert bench.reals[0].state == "OPERATIONAL"
    assert "A" in bench.new_sessions(2, start=10)


def test_a_test_that_is_retried_fails_the_real_again() -> None:
    bench = failed_bench(retry=60)
    bench.wait(60.1)
    assert bench.letters("test@example.org", "test@example.org") == "AB"
    assert bench.reals[0].state == "FAILED"
    bench.wait(59.0)
    assert bench.reals[0].state == "FAILED", "and it rests for as long again"


def test_retry_0_rests_for_ever() -> None:
    bench = failed_bench(retry=0)
    bench.wait(1000)
    assert bench.reals[0].state == "FAILED"


@pytest.mark.parametrize("seconds", [0.0, 60.1])
def test_a_dfp_weight_above_0_brings_a_failed_real_back_at_once(seconds: float) -> None:
    """ "... or if the real server sends a DFP message to HA-SLB."."""
    bench = failed_bench(retry=60)
    bench.wait(seconds)
    bench.reals[0].set_dfp_weight(0)
    bench.reals[0].record_dfp_report()
    assert bench.reals[0].health is not Health.OPERATIONAL
    bench.reals[0].set_dfp_weight(5)
    bench.reals[0].record_dfp_report()
    assert bench.reals[0].state == "OPERATIONAL"


def test_dfp_weight_0_throttles() -> None:
    bench = Bench(1, 1)
    bench.reals[0].set_dfp_weight(0)
    assert bench.reals[0].state == "DFP_THROTTLED"
    assert bench.new_sessions(2) == "BB"
    bench.reals[0].set_dfp_weight(None)
    assert bench.reals[0].weight == 1


def test_a_session_stays_at_a_real_that_is_throttled_full_or_out_of_service() -> None:
    bench = Bench(1, 1, maxconns=1)
    bench.request("anna@example.org")
    bench.reals[0].set_dfp_weight(0)
    assert bench.letter(bench.request("anna@example.org")) == "A"
    bench.reals[0].in_service = False
    assert bench.letter(bench.request("anna@example.org")) == "A"


def test_a_real_that_is_alone_is_demoted_and_never_taken_out() -> None:
    bench = Bench(1, faildetect_numconns=1, faildetect_numclients=1, reassign=1, retry=60)
    fail(bench, "anna@example.org")
    for _ in range(100):
        assert bench.reals[0].state == "DEMOTED"
        assert bench.letters("anna@example.org") == "A"
        bench.wait(1.0)


def test_a_session_left_at_a_failed_real_may_be_the_one_that_tests_it() -> None:
    bench = failed_bench(retry=60)
    bench.server.idle = 600
    carl = bench.request("carl@example.org", home_agent=address(1).packed).session
    assert bench.reals[0].sessions == 1
    bench.wait(60.1)
    assert bench.reals[0].state == "READY_TO_TEST"
    assert bench.request("carl@example.org") == (bench.reals[0], carl, None)
    assert bench.reals[0].state == "TESTING"
    assert bench.reals[0].sessions == 1
    bench.wait(RETRANSMISSION_INTERVAL + 0.3)
    assert bench.reals[0].state == "OPERATIONAL"


def test_requests_that_reach_nobody_are_no_failures() -> None:
    """A real that gets nothing cannot fail further, however often clients retry."""
    bench = Bench(1, server={"idle": 600}, faildetect_numconns=1, faildetect_numclients=1, reassign=1, retry=0)
    fail(bench, "anna@example.org")
    failures = bench.reals[0].connection_failures
    bench.reals[0].reachable_from.clear()
    for number in range(100):
        bench.now += 1.0
        bench.request("anna@example.org", client=f"15.1.2.{number}")
    assert bench.reals[0].connection_failures == failures
    assert len(bench.reals[0].failed_clients) <= 1


def test_retries_that_name_their_home_agent_count_as_well() -> None:
    bench = Bench(1, 1, reassign=3, faildetect_numconns=2, faildetect_numclients=1)
    for mobile in ("anna@example.org", "bert@example.org"):
        for _ in range(5):
            bench.now += 1.0
            assert bench.letter(bench.request(mobile, home_agent=address(1).packed)) == "A"
    assert bench.reals[0].state == "FAILED"


@pytest.mark.parametrize("ending", ["cleared", "moved"])
def test_a_test_session_that_goes_before_it_has_shown_anything_leaves_the_test_to_the_next(ending: str) -> None:
    bench = failed_bench(retry=60)
    bench.wait(60.1)
    assert bench.letters("test@example.org") == "A"
    if ending == "cleared":
        bench.balancer.clear_sessions()
    else:
        bench.reals[0].reachable_from.clear()
        assert bench.letters("test@example.org") == "B"
        bench.reals[0].reachable_from.add(SWITCH)
    assert bench.reals[0].state == "READY_TO_TEST"
    bench.wait(RETRANSMISSION_INTERVAL + 0.3)
    assert bench.reals[0].state == "READY_TO_TEST", "nothing that went before can pass a test"
    assert bench.letters("next@example.org") == "A"
    bench.wait(RETRANSMISSION_INTERVAL + 0.3)
    assert bench.reals[0].state == "OPERATIONAL"


def test_a_test_session_may_idle_out_before_its_test_is_over() -> None:
    bench = failed_bench(retry=60)
    bench.server.idle = 2
    bench.wait(60.1)
    bench.letters("test@example.org")
    bench.wait(3.0)
    assert not bench.balancer.sessions
    assert bench.reals[0].state == "TESTING"
    bench.wait(RETRANSMISSION_INTERVAL - 2.5)
    assert bench.reals[0].state == "OPERATIONAL"


def test_a_request_that_names_a_real_goes_there_even_if_that_has_failed() -> None:
    """Only that home agent can hold the binding: "The address of a real of the farm: that real"."""
    bench = failed_bench()
    assert bench.letter(bench.request("carl@example.org", home_agent=address(1).packed)) == "A"
    bench.reals[0].in_service = False
    assert bench.letter(bench.request("dora@example.org", home_agent=address(1).packed)) == "-"


def test_every_health_can_be_left_and_reached() -> None:
    assert {before for before, _ in HEALTH_TRANSITIONS} == set(Health)
    assert set(HEALTH_TRANSITIONS.values()) == set(Health)


def test_a_real_without_failure_detection_is_never_failed() -> None:
    """12.2(18)SXF: with `no faildetect inband` automatic failure detection is off, `faildetect numconns` is ignored."""
    bench = Bench(1, 1, faildetect_numconns=1, faildetect_numclients=1, reassign=1, faildetect_inband=False)
    for number in range(20):
        fail(bench, f"mobile{number}@example.org", client=f"15.1.1.{number + 1}")
    assert [real.state for real in bench.reals] == ["OPERATIONAL", "OPERATIONAL"]
    assert bench.balancer.statistics.reassignments >= 20, "a session still moves after its retries"
    assert sum(real.connection_failures for real in bench.reals) >= 20, "failures are counted, for show"


def test_switching_failure_detection_off_ends_a_failure() -> None:
    bench = failed_bench(retry=0)
    real = bench.reals[0]
    real.configure(replace(real.configuration, faildetect_inband=False))
    assert real.state == "OPERATIONAL"
    assert real.consecutive_failures == 0


def move_to_a_by_the_last_retransmission(bench: Bench) -> None:
    """A phone of two retries has no answer from B, and its last request moves it to A (``reassign 1``)."""
    weight, bench.reals[0].weight = bench.reals[0].weight, 0
    bench.request("bert@example.org")
    bench.reals[0].weight = weight
    for pause in (1.0, 2.0):
        bench.now += pause
        letter = bench.letter(bench.request("bert@example.org"))
    assert letter == "A"


def test_silence_behind_the_last_retransmission_of_an_attempt_is_no_answer() -> None:
    """RFC 5944 section 3.6.3: a phone that gives up falls silent as well, for 20 to 60 seconds."""
    bench = Bench(1, 1, server={"idle": 600}, faildetect_numconns=2, faildetect_numclients=1, reassign=1, retry=0)
    fail_at_a(bench, "anna@example.org")
    move_to_a_by_the_last_retransmission(bench)
    bench.wait(60.0)
    assert bench.reals[0].consecutive_failures == 1
    bench.wait(MAX_PAUSE)
    assert bench.reals[0].consecutive_failures == 0, "a mobile without an answer would have come back"


@pytest.mark.parametrize(("idle", "after"), [(600, Health.TESTING), (10, Health.READY_TO_TEST)])
def test_silence_behind_the_last_retransmission_of_an_attempt_passes_no_test(idle: int, after: Health) -> None:
    bench = failed_bench(retry=60)
    bench.server.idle = idle
    bench.wait(60.1)
    move_to_a_by_the_last_retransmission(bench)
    assert bench.reals[0].health is Health.TESTING
    bench.wait(60.0)
    assert bench.reals[0].health is after
    if after is Health.TESTING:
        bench.request("bert@example.org")
        bench.wait(RETRANSMISSION_INTERVAL + 0.3)
        assert bench.reals[0].state == "OPERATIONAL", "its next attempt was answered"
