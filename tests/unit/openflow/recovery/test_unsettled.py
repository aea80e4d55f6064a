"""Each rule that waits for a session takes one place of those that all switches share, and gives it back once."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from ryu_haslb.openflow.recovery.destinations import UNSERVED_TIMEOUT, Destinations
from ryu_haslb.openflow.recovery.remembered import Recalled
from ryu_haslb.openflow.recovery.session_view import RuleTarget
from ryu_haslb.openflow.recovery.unsettled import UnsettledRules
from ryu_haslb.slb.session_table import SessionTable

ADDRESS, LIMIT = b"\x0a\1\1\x0a", 5
TAGS = st.integers(1, 4)
ACTIONS = [bytes([number]) * 8 for number in range(3)]
#: Each is done with a tag, actions and a time.
Step = Callable[[UnsettledRules, int, bytes, float], object]


def await_real(rules: UnsettledRules, tag: int, actions: bytes, now: float) -> None:
    target = rules.target(ADDRESS, actions)
    if target is not None and not rules.is_confirmed(tag):
        rules.await_real(tag, target, now)


def contest(rules: UnsettledRules, tag: int, actions: bytes, now: float) -> None:
    rules.contest(tag, ADDRESS, actions, now)


def settle_due(rules: UnsettledRules, tag: int, actions: bytes, now: float) -> None:
    for due, _, _ in rules.take_due(5, now):
        rules.forget(due)


def list_all(rules: UnsettledRules, tag: int, actions: bytes, now: float) -> None:
    rules.list_followed(may_be_unread=tag % 2 == 0, now=now)
    rules.list_recalled()


STEPS: list[Step] = [
    await_real,
    contest,
    settle_due,
    list_all,
    lambda rules, tag, actions, now: rules.forget(tag),
    lambda rules, tag, actions, now: rules.give_up(tag),
    lambda rules, tag, actions, now: rules.pending_target(tag),
    lambda rules, tag, actions, now: rules.record_request(tag, 1, now) if tag in rules else None,
]
steps = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(STEPS),
        TAGS,
        st.sampled_from(ACTIONS),
        st.floats(0.0, UNSERVED_TIMEOUT),
    ),
    min_size=20,
    max_size=60,
)


@example(set(), set(), [(True, contest, 1, ACTIONS[0], 0.0), (True, await_real, 1, ACTIONS[0], 0.0)])
@given(st.sets(TAGS), st.sets(TAGS), steps)
def test_a_rule_takes_one_place_and_is_pending_or_contested(
    followed: set[int], lost: set[int], actions: list[tuple[bool, Step, int, bytes, float]]
) -> None:
    sessions, now = SessionTable(), 0.0
    sessions.limit.limit = LIMIT
    first, second = (UnsettledRules(sessions, Destinations()) for _ in range(2))
    targets = [RuleTarget(ADDRESS, each) for each in ACTIONS]
    first.follow({tag: targets[tag % 2] for tag in followed})
    first.recall(Recalled(dict.fromkeys(lost, targets[2]), targets[2:], 0.0), now)
    for is_first, step, tag, each, seconds in actions:
        now += seconds
        step(first if is_first else second, tag, each, now)
        for rules in (first, second):
            assert not rules.pending.keys() & rules.contested.keys()
        assert sessions.recovery_room.pending == len(first) + len(second)
    for rules in (first, second):
        for tag in [*rules.pending, *rules.contested]:
            rules.forget(tag)
        rules.end()
    assert (sessions.recovery_room.pending, sessions.recovery_room.targets) == (0, 0)


def test_a_contested_rule_without_requests_that_becomes_pending_waits_for_no_mobile() -> None:
    """When the switch times it out, its session has ended."""
    rules = UnsettledRules(SessionTable(), Destinations())
    contest(rules, 1, ACTIONS[0], 0.0)
    await_real(rules, 1, ACTIONS[0], 1.0)
    assert rules.on_timed_out(1, 2.0) is None
    assert len(rules) == 0


def test_a_contested_rule_waits_for_its_mobile_only_when_that_has_sent_a_request() -> None:
    """The switch times it out within the idle time after it was contested: requests may have gone elsewhere."""
    rules = UnsettledRules(SessionTable(), Destinations())
    contest(rules, 1, ACTIONS[0], 0.0)
    contest(rules, 2, ACTIONS[0], 0.0)
    rules.record_request(2, 1, 0.5)
    assert [rules.on_timed_out(tag, 1.0) is None for tag in (1, 2)] == [True, False]
    assert list(rules.contested) == [2]


def test_a_contested_rule_that_becomes_pending_has_forwarded_no_request_of_the_retries_that_reassign_allows() -> None:
    rules = UnsettledRules(SessionTable(), Destinations())
    contest(rules, 1, ACTIONS[0], 0.0)
    rules.record_request(1, 1, 0.5)
    await_real(rules, 1, ACTIONS[0], 1.0)
    assert rules.requests_of(1) == 0
    assert rules.on_timed_out(1, 2.0) is not None, "its mobile has sent a request"


def test_a_rule_that_the_switch_has_lost_stays_contested() -> None:
    """A mobile has come to another switch before this one has said which rules it has."""
    sessions = SessionTable()
    rules, target = UnsettledRules(sessions, Destinations()), RuleTarget(ADDRESS, ACTIONS[0])
    contest(rules, 1, ACTIONS[0], 0.0)
    rules.recall(Recalled({1: target, 2: target}, [target], 0.0), 0.0)
    assert (list(rules.pending), list(rules.contested)) == ([2], [1])
    rules.list_recalled()
    for tag in (1, 2):
        rules.forget(tag)
    assert (len(rules), sessions.recovery_room.pending) == (0, 0)


def test_rules_whose_mobiles_go_on_to_ask_delay_no_others_that_are_due() -> None:
    """Their home agent has not been found, and they have waited for the idle time; another one has just been found."""
    rules = UnsettledRules(SessionTable(), Destinations())
    for tag in range(1, 21):
        await_real(rules, tag, ACTIONS[0], 0.0)
        rules.record_request(tag, 1, 9.0)
    for tag in (21, 22):
        await_real(rules, tag, ACTIONS[1], 0.0)
    settled = []
    for _ in range(2):
        for tag, _, _ in rules.take_due(2, UNSERVED_TIMEOUT):
            rules.forget(tag)
            settled.append(tag)
    assert sorted(settled) == [21, 22]
    for _ in range(20):
        for tag, _, _ in rules.take_due(2, 9.0 + UNSERVED_TIMEOUT):
            rules.forget(tag)
    assert len(rules) == 0, "later each of the others has its turn"
