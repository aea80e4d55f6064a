"""After any sequence of events: sessions move by the rules only, and the counters add up."""

from __future__ import annotations

from collections import Counter

from budget import examples
from farm_builder import ANY, SWITCH, Bench, address
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import MIN_RETRANSMISSION_INTERVAL, Session

MOBILES = st.sampled_from([f"user{number}@example.org" for number in range(6)])
CLIENTS = st.sampled_from(["15.1.1.51", "15.1.1.52"])
REALS = st.integers(0, 2)


class Farm(RuleBasedStateMachine):
    """Requests, failures, weight changes and clock steps in any sequence, over three real servers."""

    @initialize(
        weights=st.lists(st.integers(0, 4), min_size=3, max_size=3),
        reassign=st.integers(0, 2),
        numconns=st.integers(1, 3),
        maxconns=st.none() | st.integers(1, 4),
    )
    def set_up(self, weights: list[int], reassign: int, numconns: int, maxconns: int | None) -> None:
        self.bench = Bench(
            *weights,
            reassign=reassign,
            faildetect_numconns=numconns,
            faildetect_numclients=1,
            retry=30,
            maxconns=maxconns,
        )

    @rule(mobile=MOBILES, client=CLIENTS, lifetime=st.sampled_from([600, 600, 600, 0]), named=st.none() | REALS)
    def request(self, mobile: str, client: str, lifetime: int, named: int | None) -> None:
        field = ANY if named is None else address(named + 1).packed
        before = self.live(mobile)
        held_by = before.real if before else None
        retries = before.retries if before else 0
        health = held_by.health if held_by else None
        farm = self.bench.server.farm
        is_kept = held_by is not None and SWITCH in held_by.reachable_from and farm.keeps(held_by)
        waited = self.bench.now - before.last_attempt if before else 0
        testing = before is not None and held_by is not None and self.test_of(held_by) is before
        attempt = self.bench.balancer._abandoned.attempts.get((self.bench.server, b"\x01" + mobile.encode()))
        verdict = self.bench.request(mobile, field, lifetime, client)
        after = self.bench.session(mobile)
        elsewhere = named is not None and held_by is not None and self.bench.reals[named] is not held_by
        if before is not None and held_by is not None:
            assert after is before, "a session that lives is never replaced"
            if after.real is not held_by:
                assert lifetime, "a deregistration may be forged"
                assert not (elsewhere and is_kept), "so may a request for another home agent"
                has_given_up = waited >= MIN_RETRANSMISSION_INTERVAL and retries + 1 > held_by.configuration.reassign
                is_lost = SWITCH not in held_by.reachable_from
                assert health is not Health.OPERATIONAL or testing or has_given_up or is_lost, "moved without a reason"
        if named is not None and verdict.real is not None:
            assert verdict.real is self.bench.reals[named]
            was_at = attempt.real if attempt is not None else held_by
            assert verdict.real.in_service or verdict.real is was_at
        if before is None and named is None and verdict.real is not None:
            if attempt is None or verdict.real is not attempt.real or (lifetime and not attempt.is_displaced):
                self.check_new(verdict.real, attempt is not None)
            elif lifetime:  # a deregistration goes to where the binding is
                assert attempt.real.health in (Health.OPERATIONAL, Health.DEMOTED), (
                    "where its session would have stayed"
                )

    @staticmethod
    def check_new(real: RealServer, resumes: bool) -> None:
        assert real.weight > 0
        assert real.in_service
        assert real.health in (Health.OPERATIONAL, Health.TESTING, Health.DEMOTED) or resumes

    @rule(which=REALS, weight=st.none() | st.integers(0, 5))
    def dfp(self, which: int, weight: int | None) -> None:
        self.bench.reals[which].set_dfp_weight(weight)
        self.bench.reals[which].record_dfp_report()
        if weight:
            assert self.bench.reals[which].health is Health.OPERATIONAL

    @rule(which=REALS)
    def toggle_service(self, which: int) -> None:
        self.bench.reals[which].in_service ^= True

    @rule(which=REALS)
    def toggle_reach(self, which: int) -> None:
        self.bench.reals[which].reachable_from ^= {SWITCH}

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.2, 10.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.bench.now += seconds
        while self.bench.balancer.advance(self.bench.now, 2):
            pass

    @precondition(lambda self: hasattr(self, "bench"))
    @invariant()
    def counters_add_up(self) -> None:
        statistics = self.bench.balancer.statistics
        assert statistics.requests == statistics.dispatched + statistics.dropped
        held = Counter(session.real for session in self.bench.balancer.sessions)
        for real in self.bench.reals:
            assert real.sessions == held[real]
        for session in self.bench.balancer.sessions:
            assert self.bench.balancer.sessions.by_tag(session.tag) is session

    @precondition(lambda self: hasattr(self, "bench"))
    @invariant()
    def tests_have_a_session(self) -> None:
        for real in self.bench.reals:
            assert (real.health is Health.TESTING) == (self.test_of(real) is not None)
            test = self.test_of(real)
            assert test is None or self.bench.balancer.sessions.by_tag(test.tag) is test

    @precondition(lambda self: hasattr(self, "bench"))
    @invariant()
    def the_first_real_server_that_is_ready_gets_the_next_session(self) -> None:
        """A farm searches its real servers only if one of them is ready: it must know of each."""
        ready = [real for real in self.bench.reals if real.awaits_test_from(SWITCH)]
        assert not ready or self.bench.server.farm.choose(SWITCH) is ready[0]

    def test_of(self, real: RealServer) -> Session | None:
        return self.bench.balancer.failure_detection.test_of(real)

    def live(self, mobile: str) -> Session | None:
        session = self.bench.session(mobile)
        return session if session is not None and session.deadline > self.bench.now else None


TestFarm = Farm.TestCase
TestFarm.settings = settings(max_examples=examples(150), stateful_step_count=40)
