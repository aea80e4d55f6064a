"""What concerns all sessions is done in slices, between which requests are served. Steps are counted, not timed."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from wired_switch import REALS, Wired, goes_to

from ryu_haslb.openflow.sessions import reinstallation, session_rules, waiting_rules
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb import session_ending
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_ending import SessionEnding
from ryu_haslb.slb.session_table import SessionTable
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.world import World

STEP = 10
SESSIONS = 95


def run(world: World, seconds: float) -> None:
    """Let so many simulated seconds pass."""
    world.clock.run_until(world.clock.now + seconds)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (session_rules, waiting_rules, reinstallation):
        monkeypatch.setattr(module, "MAX_SESSIONS_PER_STEP", STEP)
    monkeypatch.setattr(session_ending, "FORGOTTEN_PER_STEP", STEP)


def with_sessions() -> Wired:
    """A switch that has the rules of all sessions."""
    wired = Wired()
    for number in range(SESSIONS):
        wired.request(f"user{number}")
    while not wired.switch.rules.is_idle:
        wired.settle()
    assert all(session.rule_at == 1 for session in wired.balancer.sessions)
    return wired


def steps_until_done(wired: Wired, longest: int = STEP) -> int:
    """Flush until nothing is to be installed again; no step may take more sessions than the longest one."""
    for steps in count():
        if not wired.switch.rules.is_reinstalling:
            return steps
        before = sum(session.rule_at is None for session in wired.balancer.sessions)
        wired.flush()
        after = sum(session.rule_at is None for session in wired.balancer.sessions)
        assert after - before <= longest
        wired.confirm()
    raise AssertionError


def test_rules_of_a_moved_real_server_are_replaced_in_slices_and_its_requests_go_there_at_once() -> None:
    wired = with_sessions()
    by_real = {session.identity: session.real for session in wired.balancer.sessions}
    wired.replug(0, port=9)
    for number in range(SESSIONS):  # of sessions whose turn has come, and of all others
        (message, *_) = wired.request(f"user{number}")
        (moved,) = wired.switch.rules.moved
        real = next(real for identity, real in by_real.items() if identity.endswith(b"user%d" % number))
        assert goes_to(message) == (9 if real is moved else wire.OFPP_TABLE)
    assert steps_until_done(wired) >= SESSIONS // STEP - 2
    assert not wired.switch.rules.moved
    wired.settle()
    for session in wired.balancer.sessions:
        (flow,) = wired.fake.flows_for(session.cookie)
        assert flow.instructions[0].actions[-1].port == (9 if session.real.packed_address[3] == 51 else 8)


def test_a_real_server_that_moves_while_another_ones_rules_are_replaced_has_its_turn_behind() -> None:
    wired = with_sessions()
    wired.replug(0, port=9)
    wired.flush()
    wired.replug(1, port=10)
    steps_until_done(wired)
    wired.settle()
    ports = {
        wired.fake.flows_for(session.cookie)[0].instructions[0].actions[-1].port for session in wired.balancer.sessions
    }
    assert ports == {9, 10}


def test_sessions_wait_in_slices_for_a_real_server_that_comes_back_to_its_farm() -> None:
    wired = with_sessions()
    farm = replace(wired.configuration.farms["HAFARM"], reals=REALS[1:])
    wired.configure(replace(wired.configuration, farms={"HAFARM": farm}))
    while wired.switch.rules.is_reinstalling or not wired.switch.rules.is_idle:
        wired.settle()
    lost = [session for session in wired.balancer.sessions if session.rule_at is None]
    assert len(lost) > 4 * STEP
    wired.configure(wired.configuration)
    wired.find(0)
    wired.flush()
    assert steps_until_done(wired) > len(lost) // STEP
    while not wired.switch.rules.is_idle:
        wired.settle()
    assert all(session.rule_at == 1 for session in lost)


def test_rules_that_a_full_table_left_out_are_sent_again_in_slices() -> None:
    wired = with_sessions()
    rules = wired.switch.rules
    for session in list(wired.balancer.sessions):
        session.rule_at = None
        rules.rejected.left_out[session] = None
    wired.flush()
    assert len(rules.rejected.left_out) == SESSIONS - STEP


def test_sessions_that_another_balancer_serves_are_forgotten_in_slices() -> None:
    wired = with_sessions()
    wired.balancer.ending.forget(1, wired.now)
    assert len(wired.balancer.sessions) == SESSIONS - STEP
    steps, before = 1, len(wired.balancer.sessions)
    while wired.balancer.advance(wired.now, 500):
        assert before - len(wired.balancer.sessions) <= STEP
        steps, before = steps + 1, len(wired.balancer.sessions)
    assert steps >= SESSIONS // STEP
    assert [real.sessions for real in wired.balancer.reals()] == [0, 0]
    assert not wired.balancer.ending.is_forgetting(1)


def test_sessions_whose_rule_waits_at_another_switch_stay_and_are_found_in_slices() -> None:
    wired = with_sessions()
    rules = wired.switch.rules
    for session in wired.balancer.sessions:
        session.rule_at = None
    waiting, left_out, sent, *_ = list(wired.balancer.sessions)
    rules.install(sent)
    rules.flush(wired.now)
    rules.install(waiting)
    rules.rejected.left_out[left_out] = None
    sizes = []

    def kept_of(sessions: list[Session]) -> set[Session]:
        sizes.append(len(sessions))
        return rules.awaiting_rule_among(sessions)

    wired.balancer.ending.forget(2, wired.now, kept_of)
    while wired.balancer.advance(wired.now, 500):
        pass
    assert set(wired.balancer.sessions) == {waiting, left_out, sent}
    assert max(sizes) <= STEP and sum(sizes) == SESSIONS


def test_sessions_that_begin_at_another_switch_meanwhile_are_not_forgotten() -> None:
    wired = with_sessions()
    wired.balancer.ending.forget(2, wired.now)
    wired.now += 1.0
    wired.request("late")
    while wired.balancer.advance(wired.now, 500):
        pass
    assert len(wired.balancer.sessions) == SESSIONS + 1


def test_a_switch_is_served_when_the_sessions_of_an_earlier_mastership_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(Parameters(seed=5, mobiles=100, controllers=2, idle=300, lifetime=60))
    world.start()
    run(world, 60.0)
    first, second = world.controllers
    Fault(0.0, "control connection breaks", (0,)).strike(world)
    run(world, 60.0)
    Fault(0.0, "control connection mends", (0,)).strike(world)
    while not first.balancer.ending.is_forgetting(1):
        run(world, 0.001)
    run(world, 1.0)
    assert len(first.balancer.sessions) == 0
    answers = [True, True, True]  # as with a table so large that it takes three ticks
    ending = first.balancer.ending
    monkeypatch.setattr(SessionEnding, "is_forgetting", lambda each, _: each is ending and answers and answers.pop())
    Fault(0.0, "controller is killed", (1,)).strike(world)
    while not first.serves(world.switch):
        run(world, 0.005)
    assert not answers
    run(world, 10.0)
    assert len(first.balancer.sessions) == world.parameters.mobiles, "they were recovered from the switch"
    assert not second.is_running


def test_no_step_looks_at_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under faults of all kinds, only slices of the table are asked for."""

    def refuse(_: SessionTable) -> None:
        raise AssertionError("a step that looks at all sessions takes long where there are a million")

    world = World(Parameters(seed=6, mobiles=60, idle=60, lifetime=60))
    monkeypatch.setattr(SessionTable, "__iter__", refuse)
    world.start()
    faults = ("flows are deleted", "orphaned rules", "actions are changed", "switch restarts", "home agent dies")
    arguments = (("session rules",), (3,), (), (), (0,))
    for number, (kind, rest) in enumerate(zip(faults, arguments)):
        world.clock.at(world.clock.now + 60.0 + 30.0 * number, Fault(0.0, kind, rest).strike, world)
    world.clock.run_until(world.clock.now + 300.0)


def test_the_audit_of_session_rules_is_no_overload() -> None:
    """A switch that reads a slice of a large table for us answers barriers late."""
    world = World(Parameters(seed=7, mobiles=60, idle=3000, lifetime=65535, stats_delay=3.0))
    world.start()
    world.clock.run_until(world.clock.now + 90.0)
    switch = world.controller.fleet.switches[1]
    Fault(0.0, "flows are deleted", ("session rules",)).strike(world)
    seen = set()
    for _ in range(200):
        world.clock.run_until(world.clock.now + 0.05)
        connection = world.controller.fleet._connections[1]
        if connection._installation.upkeep.audit.is_reading_sessions:
            seen.add(switch.admission._excused_until > world.clock.now)
    assert True in seen
