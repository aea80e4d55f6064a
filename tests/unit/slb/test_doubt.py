"""Before a real server is failed the balancer looks whether it lives: docs/states.md, "Before a real server fails"."""

from __future__ import annotations

import pytest
from farm_builder import SWITCH, Bench

from ryu_haslb.slb.doubt import (
    MAX_RETRYING_MOBILES,
    MAX_SILENCE,
    MAX_WATCH_DELAY,
    MIN_SILENCE,
    RETRY_MEMORY,
    WATCH_INTERVAL,
    Doubt,
)
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.session import RETRANSMISSION_INTERVAL


def watching_bench(**real: int) -> Bench:
    """A farm of two whose switch can copy replies; A fails with one failure."""
    bench = Bench(
        1, 1, server={"idle": 300}, **{"faildetect_numconns": 1, "faildetect_numclients": 1, "reassign": 1, **real}
    )
    bench.balancer.failure_detection.copying_switches.add(SWITCH)
    return bench


def watch(bench: Bench) -> None:
    """The switch confirms the rules for all real servers that are to be watched."""
    for real in bench.reals:
        if real.is_watched:
            real.doubt.watched_from.setdefault(SWITCH, bench.now)


def health(bench: Bench) -> Health:
    """That of A."""
    return bench.reals[0].health


def retry(bench: Bench, mobile: str, times: int, pause: float = 1.0) -> None:
    for _ in range(times):
        bench.now += pause
        bench.request(mobile)
        watch(bench)


def reply_of(bench: Bench, number: int, mobile: str = "") -> None:
    bench.balancer.record_reply(bench.reals[number], bench.session(mobile) if mobile else None, bench.now)


@pytest.mark.parametrize(("numconns", "mobiles"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (255, 64)])
def test_retries_of_a_quarter_of_numconns_mobiles_begin_the_doubt(numconns: int, mobiles: int) -> None:
    doubt = Doubt()
    for number in range(mobiles):
        assert doubt.since is None
        doubt.record_retry(b"%d" % number, numconns, 10.0)
        doubt.record_retry(b"%d" % number, numconns, 11.0)
    assert doubt.since == 10.0


def test_a_silent_real_server_fails_when_replies_were_looked_for() -> None:
    """The vote is there after two retries. The request behind the first one was sent while replies were looked for."""
    bench = watching_bench()
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 2)
    assert bench.reals[0].consecutive_failures == 1
    assert health(bench) is Health.OPERATIONAL, "looked for during one second only"
    bench.wait(WATCH_INTERVAL)
    assert health(bench) is Health.FAILED


def test_a_real_server_that_was_asked_nothing_while_replies_were_looked_for_does_not_fail() -> None:
    bench = watching_bench()
    bench.request("anna@example.org")
    bench.now += 1.0
    bench.request("anna@example.org")
    bench.now += 1.0
    watch(bench)
    assert bench.letter(bench.request("anna@example.org")) == "A", "its reply was not looked for"
    assert bench.reals[0].consecutive_failures == 0
    bench.wait(30.0)
    assert health(bench) is Health.OPERATIONAL


@pytest.mark.parametrize(("reassign", "retries"), [(0, 2), (1, 2), (2, 3), (3, 4)])
def test_a_session_moves_as_without_looking_if_its_real_server_is_silent(reassign: int, retries: int) -> None:
    """With ``reassign 0`` one retransmission later: the first one begins to look."""
    bench = watching_bench(reassign=reassign, faildetect_numconns=255)
    bench.request("anna@example.org")
    letters = []
    for _ in range(retries):
        bench.now += 1.0
        letters.append(bench.letter(bench.request("anna@example.org")))
        watch(bench)
    assert "".join(letters) == "A" * (retries - 1) + "B"


@pytest.mark.parametrize(("looked_for", "letter"), [(0.1, "A"), (4.9, "A"), (5.1, "B")])
def test_a_session_moves_with_a_new_attempt_only_if_replies_were_looked_for(looked_for: float, letter: str) -> None:
    """docs/states.md, "Before a real server fails", 5: it shows nothing that none was seen in a moment."""
    bench = watching_bench(reassign=1, faildetect_numconns=255)
    bench.request("anna@example.org")
    bench.now += 2.0
    bench.request("anna@example.org")  # it has moved to another PDSN, and registers anew
    watch(bench)
    reply_of(bench, 0)
    bench.reals[0].doubt.watched_from.clear()
    bench.now += 20.0 - looked_for
    bench.reals[0].look_for_replies(bench.now)
    watch(bench)
    bench.now += looked_for
    assert bench.letter(bench.request("anna@example.org")) == letter


@pytest.mark.parametrize("replies_to", [1, 2])
def test_no_number_of_forged_requests_moves_a_mobile_whose_home_agent_answers_anybody(replies_to: int) -> None:
    """One home agent that no other client asks denies what is forged (code 131), or only some of it."""
    bench = watching_bench(reassign=3, faildetect_numconns=8)
    bench.request("anna@example.org")
    for number in range(100):
        bench.now += 1.0
        assert bench.letter(bench.request("anna@example.org", client="10.7.0.1")) == "A"
        if bench.reals[0].doubt.watched_from and number % replies_to == 0:
            reply_of(bench, 0)
        watch(bench)
    assert bench.reals[0].connection_failures == 0


@pytest.mark.parametrize(("answered", "letter"), [(True, "A"), (False, "B")])
def test_a_slow_retry_is_explained_by_any_reply_since_the_request_before(answered: bool, letter: str) -> None:
    """docs/states.md, "Before a real server fails", 5: also if that reply was seen more than 5 seconds before."""
    bench = watching_bench(reassign=2, faildetect_numconns=255)
    bench.request("anna@example.org")
    for pause in (4.0, 8.0):
        bench.now += pause
        assert bench.letter(bench.request("anna@example.org")) == "A"
        watch(bench)
    bench.now += 0.2
    if answered:
        reply_of(bench, 0)
    bench.now += 15.0
    assert bench.letter(bench.request("anna@example.org")) == letter


def test_a_session_moves_where_replies_cannot_be_copied() -> None:
    bench = watching_bench(reassign=1, faildetect_numconns=255)
    bench.balancer.failure_detection.copying_switches.clear()
    bench.request("anna@example.org")
    bench.now += 1.0
    bench.request("anna@example.org")
    bench.now += 1.0
    assert bench.letter(bench.request("anna@example.org")) == "B"


def test_a_reply_ends_the_doubt_and_forgets_every_vote() -> None:
    bench = watching_bench(faildetect_numconns=2)
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 2)
    assert bench.reals[0].is_watched
    assert bench.reals[0].consecutive_failures == 1
    reply_of(bench, 0)
    assert not bench.reals[0].is_watched
    assert bench.reals[0].consecutive_failures == 0
    assert bench.reals[0].doubt.replies_seen == 1


def test_a_real_server_that_answers_anybody_is_not_failed_by_requests() -> None:
    """However many mobiles and clients are made up: each reply forgets them all."""
    bench = watching_bench(faildetect_numconns=2)
    bench.reals[1].weight = 0
    for number in range(200):
        client = f"10.7.{number // 200}.{number % 200}"
        bench.request(f"made-up{number}@example.org", client=client)
        for _ in range(4):
            bench.now += 1.0
            bench.request(f"made-up{number}@example.org", client=client)
            watch(bench)
        if number % 2:
            reply_of(bench, 0)
        assert health(bench) is Health.OPERATIONAL


def test_the_retransmissions_of_a_bound_mobile_are_explained() -> None:
    bench = watching_bench(reassign=3)
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 3)
    reply_of(bench, 0, "anna@example.org")
    bench.now += 1.0
    assert bench.letter(bench.request("anna@example.org")) == "A"
    session = bench.session("anna@example.org")
    assert session is not None
    assert session.retries == 1


def test_a_mobile_whose_reply_was_seen_is_confirmed() -> None:
    """At the limit of sessions it makes room for no other."""
    bench = watching_bench()
    bench.request("anna@example.org")
    session = bench.session("anna@example.org")
    assert session is not None
    assert session.unconfirmed_in is not None
    reply_of(bench, 0, "anna@example.org")
    assert session.unconfirmed_in is None


def test_a_failed_real_server_returns_with_its_first_reply_and_keeps_its_sessions() -> None:
    bench = watching_bench(retry=0)
    for name in ("anna", "zoe", "bert", "yves"):
        bench.request(f"{name}@example.org")
    retry(bench, "anna@example.org", 2, pause=3.0)
    assert health(bench) is Health.FAILED
    reply_of(bench, 0)
    assert health(bench) is Health.OPERATIONAL
    assert not bench.reals[0].is_watched
    assert bench.letter(bench.request("bert@example.org")) == "A"


@pytest.mark.parametrize("before", [Health.READY_TO_TEST, Health.TESTING, Health.DEMOTED])
def test_a_reply_brings_back_a_real_server_in_any_state(before: Health) -> None:
    bench = watching_bench()
    bench.reals[0].health = before
    assert bench.reals[0].is_watched
    reply_of(bench, 0)
    assert health(bench) is Health.OPERATIONAL


def test_where_no_switch_can_copy_replies_requests_alone_decide() -> None:
    bench = watching_bench()
    bench.balancer.failure_detection.copying_switches.clear()
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 2)
    assert health(bench) is Health.FAILED


def test_a_switch_that_does_not_confirm_its_rules_is_not_waited_for_for_ever() -> None:
    bench = watching_bench()
    doubt = bench.reals[0].doubt
    doubt.record_retry(b"anna", 1, 100.0)
    doubt.unanswered_at = 101.0
    assert not doubt.allows_failure({SWITCH}, 100.0 + MAX_WATCH_DELAY - 1)
    assert doubt.allows_failure({SWITCH}, 100.0 + MAX_WATCH_DELAY)


def test_every_switch_has_to_look_for_replies() -> None:
    doubt = Doubt()
    doubt.record_retry(b"anna", 1, 100.0)
    doubt.watched_from = {1: 100.0}
    doubt.unanswered_at = 100.5
    assert doubt.allows_failure({1}, 102.0)
    assert not doubt.allows_failure({1, 2}, 102.0)
    doubt.watched_from[2] = 101.0
    assert not doubt.allows_failure({1, 2}, 104.0), "the request was sent before switch 2 looked for its reply"
    doubt.unanswered_at = 101.5
    assert doubt.allows_failure({1, 2}, 104.0)


def test_a_home_agent_that_is_asked_seldom_is_given_four_of_its_pauses() -> None:
    """Three seconds between two replies: twelve of silence. Without any reply in the last minute: 1.5 seconds."""
    doubt = Doubt()
    for at in (100.0, 103.0, 104.0):
        doubt.record_reply(at)
    doubt.record_retry(b"anna", 1, 105.0)
    doubt.watched_from = {1: 105.0}
    doubt.unanswered_at = 106.0
    longest = 3.0 * 0.95
    assert not doubt.allows_failure({1}, 105.0 + 4 * longest - 0.1)
    assert doubt.allows_failure({1}, 105.0 + 4 * longest + 0.1)
    doubt.record_reply(1000.0)
    doubt.watched_from = {1: 1100.0}
    doubt.unanswered_at = 1100.0
    assert doubt.allows_failure({1}, 1100.0 + WATCH_INTERVAL)


def test_the_silence_that_is_needed_has_limits() -> None:
    for pause, needed in ((0.01, MIN_SILENCE), (50.0, MAX_SILENCE)):
        doubt = Doubt()
        doubt.record_reply(100.0)
        doubt.record_reply(100.0 + pause)
        doubt.record_retry(b"anna", 1, 101.0 + pause)
        doubt.watched_from = {1: 101.0 + pause}
        doubt.unanswered_at = 102.0 + pause
        assert not doubt.allows_failure({1}, 101.0 + pause + needed - 0.1)
        assert doubt.allows_failure({1}, 101.0 + pause + needed + 0.1)


def test_a_real_server_in_doubt_gets_a_new_session_a_second_beside_its_share() -> None:
    """It cannot answer unasked: in turns of eight each of two is left alone for eight sessions."""
    bench = Bench(8, 8, faildetect_numconns=4)
    bench.balancer.failure_detection.copying_switches.add(SWITCH)
    assert bench.new_sessions(9) == "AAAAAAAAB"
    bench.reals[0].record_retry(b"anna", bench.now)
    watch(bench)
    bench.wait(0.1)
    assert bench.new_sessions(1, start=20) == "B", "a few mobiles that retry do not change the rotation"
    for mobile in (b"bert", b"carl", b"dora"):
        bench.reals[0].record_retry(mobile, bench.now)
    bench.wait(0.1)
    assert bench.new_sessions(4, start=9) == "ABBB"
    bench.wait(1.1)
    assert bench.new_sessions(2, start=13) == "AB"
    reply_of(bench, 0)
    bench.wait(1.1)
    assert bench.new_sessions(2, start=15) == "BB"


def test_real_servers_in_doubt_are_asked_in_turn() -> None:
    """Else one that answers and comes into doubt again would take every question from the other."""
    bench = Bench(8, 8, 8, faildetect_numconns=4)
    bench.balancer.failure_detection.copying_switches.add(SWITCH)
    letters = ""
    for number in range(6):
        for real in bench.reals[1:]:
            for mobile in (b"anna", b"bert", b"carl", b"dora"):
                real.record_retry(mobile, bench.now)
        watch(bench)
        bench.wait(1.1)
        letters += bench.new_sessions(1, start=number)
        bench.balancer.record_reply(bench.reals["ABC".index(letters[-1])], None, bench.now)
    assert letters in {"BCBCBC", "CBCBCB"}


def test_a_real_server_that_no_switch_looks_at_is_asked_nothing_beside_its_share() -> None:
    bench = Bench(8, 8, faildetect_numconns=4)
    assert bench.new_sessions(9) == "AAAAAAAAB"
    for mobile in (b"anna", b"bert", b"carl", b"dora"):
        bench.reals[0].record_retry(mobile, bench.now)
    bench.wait(1.1)
    assert bench.new_sessions(2, start=9) == "BB"


def test_old_retries_are_forgotten_and_the_doubt_with_them() -> None:
    bench = watching_bench()
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 1)
    assert bench.reals[0].is_watched
    bench.wait(RETRY_MEMORY + 1.0)
    assert not bench.reals[0].is_watched
    assert not bench.reals[0].doubt.retrying_mobiles


def test_the_memory_of_retries_is_limited() -> None:
    doubt = Doubt()
    for number in range(100_000):
        doubt.record_retry(b"%d" % number, 8, 1.0)
    assert len(doubt.retrying_mobiles) == MAX_RETRYING_MOBILES


def test_an_unretried_session_is_an_answer_where_no_reply_was_ever_seen() -> None:
    """Replies may take another path; then what mobiles do is all there is."""
    bench = watching_bench(faildetect_numconns=4, reassign=3)
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 1)
    assert bench.reals[0].is_watched
    bench.reals[1].weight = 0
    bench.request("carl@example.org")
    bench.wait(RETRANSMISSION_INTERVAL + 0.2)
    assert not bench.reals[0].is_watched


def test_an_unretried_session_is_no_answer_where_replies_are_seen() -> None:
    """Else a stranger keeps a dead home agent alive with a request every five seconds."""
    bench = watching_bench(faildetect_numconns=4, reassign=3)
    reply_of(bench, 0)
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 1)
    bench.reals[1].weight = 0
    for number in range(5):
        bench.now += 1.0
        bench.request(f"stranger{number}@example.org")
        bench.wait(RETRANSMISSION_INTERVAL + 0.2)
        assert bench.reals[0].is_watched


def test_a_test_that_passes_in_silence_shows_that_replies_take_another_path() -> None:
    bench = watching_bench()
    real = bench.reals[0]
    reply_of(bench, 0)
    real.take_over_health(Health.READY_TO_TEST, bench.now)
    assert bench.letter(bench.request("anna@example.org")) == "A"
    bench.wait(RETRANSMISSION_INTERVAL + 0.2)
    assert real.health is Health.OPERATIONAL
    assert not real.doubt.answers_visibly


def test_nothing_is_watched_without_failure_detection() -> None:
    bench = watching_bench(faildetect_inband=False)
    bench.request("anna@example.org")
    retry(bench, "anna@example.org", 10)
    assert not any(real.is_watched for real in bench.reals)
