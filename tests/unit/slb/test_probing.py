"""Probes: whom they ask when, and what answers and silence mean (IOS SLB, ``ip slb probe``; docs/states.md)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Optional

import pytest

from ryu_haslb.configuration.model import (
    Configuration,
    Drain,
    Probe,
    ProbeKind,
    RealServer,
    ServerFarm,
    VirtualServer,
)
from ryu_haslb.configuration.probe_checks import MAX_PROBE_RATE
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.probing import MAX_PROBE_BURST, Outcome, Target, TargetState
from ryu_haslb.slb.real import RealServer as Real

PROBE = Probe("ALIVE", ProbeKind.IPMOBILE, 10, 3)
TICK = 0.1


def configuration(reals: int = 2, probes: tuple[Probe, ...] = (PROBE,), in_service: bool = True) -> Configuration:
    servers = tuple(RealServer(IPv4Address("10.1.0.1") + each, in_service=in_service) for each in range(reals))
    farm = ServerFarm("F", True, reals=servers, probes=tuple(each.name for each in probes))
    virtual = VirtualServer("V", IPv4Address("11.1.1.10"), "F", in_service=True)
    return Configuration({"F": farm}, {"V": virtual}, probes={each.name: each for each in probes})


class Asked:
    """A balancer whose questions are answered by those real servers that are not ``silent``."""

    def __init__(self, wanted: Optional[Configuration] = None) -> None:
        self.balancer = Balancer(wanted or configuration())
        self.now = 1000.0
        self.silent: set[Real] = set()
        self.is_lossy = False
        self.outcome = Outcome.ASKED
        self.asked: list[tuple[float, Target]] = []
        for real in self.reals:
            real.reachable_from.add(1)

    @property
    def reals(self) -> list[Real]:
        return self.balancer.farms["F"].reals

    @property
    def targets(self) -> list[Target]:
        return self.balancer.probing.targets

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            before = len(self.asked)
            self.balancer.probing.advance(self.now, self._ask, lambda _: self.is_lossy)
            self.balancer.advance(self.now, 100)
            for _, target in self.asked[before:]:
                if target.real not in self.silent and target.asked_at is not None:
                    self.balancer.probing.on_answer(target, self.now)

    def _ask(self, target: Target) -> Outcome:
        if self.outcome is Outcome.ASKED:
            self.asked.append((self.now, target))
            target.token = len(self.asked).to_bytes(4, "big")
        return self.outcome


def health_of(real: Real) -> Health:
    return real.health


def test_each_real_server_is_asked_once_an_interval_spread_over_it() -> None:
    asked = Asked()
    asked.run(40.0)
    first = [at for at, target in asked.asked if target.real is asked.reals[0]]
    second = [at for at, target in asked.asked if target.real is asked.reals[1]]
    assert [round(after - before) for before, after in zip(first, first[1:])] == [10, 10, 10]
    assert round(second[0] - first[0]) == 5


def test_a_real_server_that_leaves_faildetect_questions_unanswered_is_failed_and_an_answer_brings_it_back() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.run(20.0)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL
    asked.run(13.0)  # within faildetect x interval, and the time for the last answer
    assert asked.reals[0].state == "PROBE_FAILED"
    assert asked.targets[0].state is TargetState.FAILED
    assert asked.targets[0].outages == 1
    assert not asked.reals[0].accepts_sessions_from(1)
    asked.run(300.0)  # retry does not bring it back
    assert asked.reals[0].state == "PROBE_FAILED"
    asked.silent.clear()
    asked.run(10.0)
    assert asked.reals[0].state == "OPERATIONAL"
    assert asked.targets[0].past_outages > 300
    assert asked.targets[0].failed_since is None


def test_a_single_answer_makes_failures_begin_anew() -> None:
    asked = Asked()
    asked.run(20.0)
    for _ in range(5):
        asked.silent.add(asked.reals[0])
        asked.run(20.0)
        asked.silent.clear()
        asked.run(10.0)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL


def test_the_last_real_server_that_can_serve_is_demoted_and_fails_when_another_one_returns() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.update(asked.reals)
    asked.run(60.0)
    assert sorted(real.state for real in asked.reals) == ["DEMOTED", "PROBE_FAILED"]
    demoted = next(real for real in asked.reals if real.health is Health.DEMOTED)
    asked.silent = {demoted}
    asked.run(20.0)
    assert demoted.state == "PROBE_FAILED"
    asked.silent.clear()
    asked.run(20.0)
    assert {real.state for real in asked.reals} == {"OPERATIONAL"}


def test_a_probe_that_no_real_server_has_ever_answered_fails_none() -> None:
    asked = Asked()
    asked.silent.update(asked.reals)
    asked.run(120.0)
    assert {real.state for real in asked.reals} == {"OPERATIONAL"}
    assert {target.state for target in asked.targets} == {TargetState.UNPROVEN}
    assert list(asked.balancer.probing.unproven()) == [("F", "ALIVE")]
    asked.silent.discard(asked.reals[0])
    asked.run(20.0)
    assert [real.state for real in asked.reals] == ["OPERATIONAL", "PROBE_FAILED"]
    assert not list(asked.balancer.probing.unproven())


def test_a_home_agent_that_answers_mobiles_is_not_failed_by_a_probe() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    for _ in range(20):
        asked.run(10.0)
        assert health_of(asked.reals[0]) is Health.OPERATIONAL
        asked.balancer.record_reply(asked.reals[0], None, asked.now)
    asked.run(40.0)
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED
    assert asked.reals[0].is_watched
    asked.balancer.record_reply(asked.reals[0], None, asked.now)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL


def test_replies_are_looked_for_before_a_probe_fails_a_home_agent() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.run(10.0)
    assert not asked.reals[0].is_watched
    asked.run(6.0)
    assert asked.reals[0].is_watched
    assert health_of(asked.reals[0]) is Health.OPERATIONAL


def test_a_question_that_may_be_lost_on_our_side_shows_nothing() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.is_lossy = True
    asked.run(120.0)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL


def test_silence_shows_nothing_after_this_process_was_late() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.update(asked.reals)
    for _ in range(10):
        asked.run(1.0)
        asked.now += 10.0
    assert {real.health for real in asked.reals} == {Health.OPERATIONAL}


def test_an_unreachable_real_server_keeps_its_state() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.outcome = Outcome.UNREACHABLE
    asked.run(60.0)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL
    assert asked.targets[0].state is TargetState.UNREACHABLE


def test_a_real_server_that_requests_have_failed_is_not_brought_back_by_a_probe() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.reals[0].fail(asked.now, is_last=False)
    asked.run(30.0)
    assert health_of(asked.reals[0]) is Health.FAILED
    asked.silent.add(asked.reals[0])
    asked.run(40.0)
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED


def test_a_dfp_report_does_not_end_a_failure_that_a_probe_has_found() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.run(40.0)
    asked.reals[0].set_dfp_weight(100)
    asked.reals[0].record_dfp_report()
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED


def test_no_faildetect_inband_leaves_failures_to_the_probes() -> None:
    wanted = configuration()
    farm = wanted.farms["F"]
    quiet = replace(farm, reals=tuple(replace(real, faildetect_inband=False) for real in farm.reals))
    asked = Asked(replace(wanted, farms={"F": quiet}))
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.run(40.0)
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED
    asked.balancer.configure(replace(wanted, farms={"F": replace(quiet, predictor=farm.predictor)}))
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED


def test_two_probes_have_to_be_answered_both() -> None:
    other = Probe("PING", ProbeKind.PING, 1, 10)
    asked = Asked(configuration(probes=(PROBE, other)))
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.run(40.0)
    assert asked.reals[0].failed_probes == {"ALIVE", "PING"}
    asked.balancer.probing.on_answer(next(each for each in asked.targets if each.probe is other), asked.now)
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED
    asked.silent.clear()
    asked.run(10.0)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL


@pytest.mark.parametrize("change", ["no probe", "no inservice", "no real"])
def test_what_no_probe_asks_any_more_is_not_failed_by_one(change: str) -> None:
    asked = Asked()
    asked.run(20.0)
    failed = asked.reals[0]
    asked.silent.add(failed)
    asked.run(40.0)
    assert health_of(failed) is Health.PROBE_FAILED
    after = configuration(probes=() if change == "no probe" else (PROBE,), in_service=change != "no inservice")
    if change == "no real":
        farm = after.farms["F"]
        after = replace(after, farms={"F": replace(farm, reals=farm.reals[1:])})
    asked.balancer.configure(after)
    assert health_of(failed) is Health.OPERATIONAL
    asked.run(60.0)
    assert health_of(failed) is Health.OPERATIONAL


def test_a_drained_real_server_is_asked_as_before() -> None:
    wanted = configuration()
    farm = wanted.farms["F"]
    drained = replace(farm, reals=(replace(farm.reals[0], drain=Drain.STAY), farm.reals[1]))
    asked = Asked(replace(wanted, farms={"F": drained}))
    asked.run(20.0)
    assert asked.reals[0].state == "DRAINED"
    asked.silent.add(asked.reals[0])
    asked.run(40.0)
    assert asked.reals[0].state == "PROBE_FAILED"


def test_a_health_taken_over_from_another_member_ends_with_the_first_answer() -> None:
    asked = Asked()
    asked.reals[0].take_over_health(Health.PROBE_FAILED, 900.0)
    asked.silent.add(asked.reals[0])
    asked.run(30.0)
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED
    asked.silent.clear()
    asked.run(10.0)
    assert health_of(asked.reals[0]) is Health.OPERATIONAL


def test_another_interval_counts_at_once_and_what_is_known_stays() -> None:
    slow = replace(PROBE, interval=3600)
    asked = Asked(configuration(probes=(slow,)))
    asked.run(1.0)
    assert len(asked.asked) == 1
    asked.balancer.configure(configuration())
    asked.run(10.0)
    assert len(asked.asked) >= 3
    assert asked.targets[0].questions >= 2


def test_questions_are_bounded_over_all_real_servers_and_none_is_left_out() -> None:
    asked = Asked(configuration(reals=1000, probes=(Probe("P", ProbeKind.PING, 1, 10),)))
    asked.run(20.0)
    assert len(asked.asked) <= 20 * MAX_PROBE_RATE + MAX_PROBE_BURST
    counts = {target.questions for target in asked.targets}
    assert counts <= {3, 4, 5}


def test_configurations_leave_nothing_behind() -> None:
    asked = Asked()
    for number in range(200):
        asked.balancer.configure(configuration(probes=(replace(PROBE, nai=f"a{number}@example.org"),)))
        asked.run(0.5)
    probing = asked.balancer.probing
    assert max(len(probing._questions), len(probing._overdue), len(probing._awaited), len(probing._proven)) < 10


def test_two_configurations_between_two_timer_ticks_leave_no_real_server_unasked() -> None:
    asked = Asked()
    asked.balancer.configure(configuration())
    asked.run(11.0)
    assert {target.real for _, target in asked.asked} == set(asked.reals)
    asked.balancer.configure(configuration(reals=3))
    asked.balancer.configure(configuration(reals=3, probes=(replace(PROBE, faildetect=5),)))
    asked.reals[2].reachable_from.add(1)
    asked.run(11.0)
    assert [target.questions > 0 for target in asked.targets] == [True, True, True]


def test_a_question_that_another_one_replaces_is_awaited_no_more() -> None:
    asked = Asked(configuration(reals=1, probes=(replace(PROBE, interval=3600),)))
    asked.silent.add(asked.reals[0])
    asked.run(TICK)
    first = asked.targets[0].token
    asked.balancer.configure(configuration(reals=1))
    asked.run(TICK)
    assert len(asked.asked) == 2
    assert asked.balancer.probing.awaited(first) is None
    assert asked.balancer.probing.awaited(asked.targets[0].token) is asked.targets[0]


def test_silence_from_before_another_member_led_fails_no_real_server() -> None:
    asked = Asked()
    asked.run(20.0)
    asked.silent.add(asked.reals[0])
    asked.run(33.0)
    assert health_of(asked.reals[0]) is Health.PROBE_FAILED
    asked.outcome = Outcome.UNREACHABLE  # this member stands by: another one asks, and is answered
    asked.reals[0].take_over_health(Health.OPERATIONAL, 0.0)
    asked.run(600.0)
    assert asked.targets[0].past_outages < 60
    asked.outcome = Outcome.ASKED
    asked.run(20.0)  # a single answer is lost
    assert health_of(asked.reals[0]) is Health.OPERATIONAL
    asked.silent.clear()
    asked.run(10.0)
    assert asked.targets[0].past_outages < 60


def test_a_fault_while_a_real_server_is_asked_does_not_end_its_questions() -> None:
    asked = Asked()
    probing = asked.balancer.probing

    def fail(_: Target) -> Outcome:
        raise OSError("no buffer space")

    for seconds in (0.0, 5.0):
        with pytest.raises(OSError, match="no buffer space"):
            probing.advance(asked.now + seconds, fail, lambda _: False)
    asked.now += 5.0
    asked.run(11.0)
    assert {target.real for _, target in asked.asked} == set(asked.reals)
