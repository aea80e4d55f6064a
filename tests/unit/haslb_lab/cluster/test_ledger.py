"""What follows from what mobiles sent and home agents captured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from haslb_lab.cluster.ledger import (
    IN_FLIGHT,
    SECOND,
    Arrival,
    Ledger,
    Moved,
    Pause,
    first_rules,
    read_ledger,
    read_rules,
)
from haslb_lab.cluster.rule_record import NEW_MASTER, RULE, NewMaster, Rule
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


def taken_over(*masters: NewMaster) -> Ledger:
    came = ledger(*delivered(0, 10, 20, 50, 60, 70, 170))
    return replace(came, masters={1: masters, 2: masters})


def test_at_a_takeover_the_pause_is_that_at_the_moment_of_the_new_master() -> None:
    """A longer pause of a busy machine is none of the takeover's, and excuses no loss."""
    assert taken_over(NewMaster(30, 40, 2)).takeovers(0, 170) == {1: Pause(20, 50)}
    assert taken_over(NewMaster(15, 40, 2)).takeovers(0, 170) == {1: Pause(20, 50)}
    assert taken_over(NewMaster(55, 65, 2)).takeovers(0, 170) == {1: Pause(50, 60)}
    assert taken_over(NewMaster(5, 6, 1), NewMaster(30, 40, 2)).takeovers(0, 170) == {1: Pause(20, 50)}


def test_without_a_new_master_there_is_no_takeover() -> None:
    assert taken_over().takeovers(0, 170) == {}
    assert taken_over(NewMaster(30, 40, 2)).takeovers(60, 170) == {}


def test_each_switch_has_its_own_pause() -> None:
    came = ledger(*delivered(0, 10, 90), *delivered(0, 50, 90, mobile=SECOND_MOBILE))
    assert came.pauses(1, 90) == {1: Pause(10, 90), 2: Pause(0, 50)}


def test_a_request_that_arrives_again_is_counted() -> None:
    assert ledger(*delivered(1, 2)).twice == 0
    assert ledger(*delivered(1, 1, 1)).twice == 2
    assert ledger(*delivered(1), *delivered(1, agent="sami2")).twice == 1


def test_requests_of_a_pause_and_in_flight_before_it_are_excused() -> None:
    pause = {1: Pause(SECOND, 2 * SECOND)}
    in_flight, within, after = SECOND - IN_FLIGHT, SECOND + 1, 2 * SECOND + 1
    came = ledger(lost=((in_flight, FIRST), (within, FIRST), (after, FIRST)))
    assert came.lost([]) == 3
    assert came.lost([pause]) == 1
    assert ledger(lost=((in_flight - 1, FIRST),)).lost([pause]) == 1


def moved(rules: dict[int, int], *agents_of: tuple[int, str]) -> Moved:
    """Mobiles that came to these home agents one after the other; ``rules`` has the generations of their first rules
    for the first of them, in the order in which the switch got them."""
    arrivals = [Arrival(at, at, mobile, agent) for at, (mobile, agent) in enumerate(agents_of)]
    by_agent = {(mobile, "sami1"): Rule(each, each, mobile, b"") for mobile, each in rules.items()}
    return ledger(*arrivals).moved(by_agent)


#: Three mobiles begin, and then the second one comes to another home agent.
MOVE = ((1, "sami1"), (2, "sami1"), (3, "sami1"), (2, "sami2"))


def test_a_session_was_under_way_if_its_rule_was_never_there_and_all_later_rules_are_of_another_leader() -> None:
    assert moved({1: 1, 3: 2}, *MOVE) == Moved(under_way=[2], others=[])


def test_no_session_may_be_lost_whose_rule_the_switch_had() -> None:
    assert moved({1: 1, 2: 1, 3: 2}, *MOVE) == Moved(
        [], ["mobile 2 of sami1 came to sami2: the switch had its rule (generation 1)"]
    )


def test_no_session_may_be_lost_whose_leader_installed_the_rule_of_a_later_session() -> None:
    assert moved({1: 1, 3: 1}, *MOVE) == Moved(
        [],
        [
            "mobile 2 of sami1 came to sami2: the switch never had its rule, and next that of a later session, "
            "cookie 0x3, generation 1"
        ],
    )
    began_with_the_next_leader = ((1, "sami1"), (3, "sami1"), (4, "sami1"), (5, "sami1"), (4, "sami2"))
    assert len(moved({1: 1, 3: 2, 5: 2}, *began_with_the_next_leader).others) == 1


def test_a_session_that_began_earlier_counts_as_earlier_though_its_request_was_delivered_later() -> None:
    """The switch has forwarded the requests to one home agent before those to the other."""
    arrivals = [
        Arrival(0, 0, 1, "sami1"),
        Arrival(1, 2, 3, "sami1"),
        Arrival(2, 1, 2, "sami2"),
        Arrival(9, 9, 4, "sami1"),
    ]
    rules = {
        key: Rule(generation, generation, key[0], b"") for key, generation in [((1, "sami1"), 1), ((2, "sami2"), 1)]
    }
    rules[4, "sami1"] = Rule(2, 2, 4, b"")
    came = ledger(*arrivals, Arrival(10, 10, 3, "sami2")).moved(rules)
    assert came == Moved(under_way=[3], others=[])


def test_without_rules_of_other_sessions_nothing_shows_that_a_rule_was_under_way() -> None:
    for rules in ({1: 1}, {3: 2}, {}):
        assert moved(rules, *MOVE).under_way == []
        assert len(moved(rules, *MOVE).others) == 1


def test_several_sessions_may_be_under_way_and_one_that_the_next_leader_gives_the_same_home_agent_is_not_lost() -> None:
    came = moved(
        {1: 1, 5: 2, 3: 2},
        *((1, "sami1"), (2, "sami1"), (3, "sami1"), (4, "sami1"), (5, "sami1")),
        *((2, "sami2"), (3, "sami1"), (4, "sami2")),
    )
    assert came == Moved(under_way=[2, 4], others=[])


def test_the_sessions_of_each_switch_are_judged_by_its_own_rules() -> None:
    other = 2 * MAX_MOBILES
    came = moved({1: 1, other: 1, 3: 2}, (1, "sami1"), (2, "sami1"), (other, "sami1"), (3, "sami1"), (2, "sami2"))
    assert came == Moved(under_way=[2], others=[])


def test_the_first_rule_of_a_mobile_at_a_home_agent_counts() -> None:
    rules = [Rule(1, 1, 7, b"1"), Rule(2, 2, 7, b"2"), Rule(3, 3, 7, b"1"), Rule(3, 3, 8, b"1"), Rule(3, 3, 7, b"?")]
    found = first_rules(rules, {7: FIRST}, {b"1": "sami1", b"2": "sami2"})
    assert found == {(FIRST, "sami1"): rules[0], (FIRST, "sami2"): rules[1]}


def test_records_are_read_and_one_that_is_not_whole_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "pdsn1").write_bytes(SENT.pack(20, FIRST) + SENT.pack(10, FIRST + 1) + b"part")
    (tmp_path / "sami1").write_bytes(ARRIVED.pack(21, 20, FIRST) + b"part")
    (tmp_path / "haslb1").write_bytes(RULE.pack(1, 2, 3, b"abcdef") + b"part")
    (tmp_path / "masters").write_bytes(NEW_MASTER.pack(1, 2, 3) + b"part")
    assert list(read_rules(tmp_path / "haslb1")) == [Rule(1, 2, 3, b"abcdef")]
    read = read_ledger([tmp_path / "pdsn1"], {"sami1": tmp_path / "sami1"}, {1: tmp_path / "masters"})
    assert read.masters == {1: [NewMaster(1, 2, 3)]}
    assert read.sent == [(10, FIRST + 1), (20, FIRST)]
    assert read.arrivals == [Arrival(21, 20, FIRST, "sami1")]
