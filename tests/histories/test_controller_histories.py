"""Histories of a balancer that stops, is retired, or starts again: what the switch and the mobiles see of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from budget import seconds, some
from played import run, world_after

from ryu_haslb.openflow.flow_tables.pipeline import PURPOSE_MASK, Purpose
from ryu_haslb.openflow.recovery import rule_reading
from ryu_haslb.openflow.roles import mastership
from ryu_haslb.openflow.roles.mastership import Mastership
from ryu_haslb.openflow.wire.flow_mod import FlowMod, match
from ryu_haslb.openflow.wire.role import is_newer
from ryu_haslb.openflow.wire.wire import OFPFC_DELETE
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from simulation.faults import Fault
from simulation.flow_mods import FlowMods
from simulation.mutant_worlds import WORLDS
from simulation.openflow import ROLE_SLAVE
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World

PARAMETERS = Parameters(seed=5, mobiles=60, lifetime=60, idle=300)


def real_of_each_session(world: World) -> dict[int, bytes]:
    return {session.tag: session.real.packed_address for session in world.controller.balancer.sessions}


def rules(world: World) -> list[int]:
    """The cookies of all rules with our mark."""
    flows = [flow for table in world.switch.datapath.tables for flow in table]
    return [flow.cookie for flow in flows if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK]


@pytest.mark.parametrize("rules_deleted", [0, 1, 3])
def test_the_log_says_that_the_key_of_tags_is_lost(rules_deleted: int, caplog: pytest.LogCaptureFixture) -> None:
    """Its sessions are recovered, and no request finds them (docs/security.md, the tag of an NAI)."""
    world = world_after(Parameters(seed=5, mobiles=20, idle=300, refresh=15.0, arrivals=5.0), 30.0)
    world.controller.kill()
    key = [flow for flow in world.switch.datapath.tables[0] if flow.cookie & PURPOSE_MASK == Purpose.TAG_KEY.cookie]
    for flow in key[:rules_deleted]:
        deletion = FlowMod(OFPFC_DELETE, 0, flow.cookie, match=match({}))._replace(cookie_mask=2**64 - 1)
        FlowMods(world.switch).execute(deletion.pack(1))
    world.controller.start()
    run(world, 60.0)
    found = [each.getMessage() for each in caplog.records if "has lost the key" in each.getMessage()]
    assert len(found) == (rules_deleted > 0)
    assert all("of the 20 sessions that were found" in each for each in found)
    assert len(world.controller.balancer.sessions) == 20 * (1 + (rules_deleted > 0)), "each mobile has a new one"


@pytest.mark.parametrize("bundles", [True, False])
def test_a_restart_under_load_loses_no_session(bundles: bool) -> None:
    """SIGTERM leaves sessions and rules where they are; the next start recovers them, even those of this moment."""
    world = World(Parameters(seed=5, mobiles=300, arrivals=10.0, idle=300, bundles=bundles))
    world.start()
    run(world, 7.0)  # in the midst of the first registrations
    world.controller.stop()
    run(world, 0.02)
    before = real_of_each_session(world)
    run(world, 2.0)
    assert not world.controller.is_running
    assert len(before) > 100
    world.controller.start()
    run(world, 3.0)
    after = real_of_each_session(world)
    assert {tag: after.get(tag) for tag in before} == before
    run(world, 60.0)
    assert all(mobile.is_bound for mobile in world.mobiles)


@pytest.mark.parametrize(
    ("how", "away"),
    some(product(["controller is stopped", "controller is killed", "controller is retired"], [1.0, 100.0])),
)
def test_traffic_of_others_passes_while_a_balancer_is_away(how: str, away: float) -> None:
    history = [Fault(100.0, how), Fault(100.0 + away, "controller starts")]
    assert simulate(PARAMETERS, history, seconds(400.0, least=250.0)).violation is None


def test_only_the_rule_that_switches_other_traffic_stays_when_a_balancer_is_retired() -> None:
    world = world_after(PARAMETERS, 60.0)
    assert len(rules(world)) > 60
    world.controller.retire()
    run(world, 1.0)
    assert rules(world) == [Purpose.PASS_OTHER.cookie]
    assert world.switch.datapath.meters == {}
    before = world.counts.bystanders_received
    run(world, 20.0)
    assert world.counts.bystanders_received == before + 40


TWO = Parameters(seed=5, mobiles=60, lifetime=60, idle=300, controllers=2)


@pytest.mark.parametrize(
    ("how", "back", "number"),
    some(
        [
            ("controller is killed", "controller starts", 0),
            ("controller is stopped", "controller starts", 1),
            ("controller is stopped", "controller starts", 0),
            ("control connection breaks", "control connection mends", 0),
            ("control connection breaks", "control connection mends", 1),
            ("controller is killed", "controller starts", 1),
        ]
    ),
)
def test_of_two_balancers_one_acts_and_the_other_takes_over(how: str, back: str, number: int) -> None:
    """Each request is dispatched once, and every mobile is served."""
    history = [Fault(100.0, how, (number,)), Fault(160.0, back, (number,))]
    assert simulate(TWO, history, seconds(300.0, least=200.0)).violation is None


@pytest.mark.parametrize("nat", [False, True])
def test_a_session_leaves_a_home_agent_whose_link_went_down_while_no_balancer_ran(nat: bool) -> None:
    """Its rule is pending, since its home agent is not found. Found with the cluster world 2088 of 150 s."""
    parameters = replace(PARAMETERS, home_agents=3, pdsns=2, refresh=15.0, lifetime=600, arrivals=10.0, nat=nat)
    history = [
        Fault(40.0, "controller is killed"),
        Fault(40.1, "link", (2, False)),
        Fault(40.5, "controller starts"),
    ]
    assert simulate(parameters, history, 75.0).violation is None


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_balancer_that_takes_over_has_every_session(how: str) -> None:
    world = world_after(TWO, 100.0)
    before, ended = real_of_each_session(world), world.controller
    assert len(before) == 60
    getattr(ended, how)()
    run(world, 10.0)
    assert world.controller is not ended
    assert real_of_each_session(world) == before


@pytest.mark.parametrize("seed", some([1, 2, 3]))
def test_a_balancer_that_starts_beside_another_one_keeps_no_session_from_its_end(seed: int) -> None:
    """The other one ends sessions by its own clock, since their rules count no packets without output to TABLE."""
    parameters = replace(TWO, seed=seed, mobiles=40, idle=10, stay=60.0, output_to_table=False)
    history = [Fault(100.0, "controller is killed")]
    for at in range(150, 350, 40):
        history += [Fault(at, "controller starts"), Fault(at + 20.0, "controller is killed")]
    assert simulate(parameters, history, 400.0).violation is None


@pytest.mark.parametrize("numbers", [(0,), (0, 1)], ids=["one", "a second one beside it"])
def test_a_balancer_that_recovers_sessions_with_another_home_agent_is_found(
    numbers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invariant can fail; a second balancer that starts later does not hide it."""
    recover = SessionTable.recover
    monkeypatch.setattr(
        SessionTable,
        "recover",
        lambda table, server, tag, _, now: recover(table, server, tag, server.farm.reals[0], now),
    )
    history = [Fault(100.0, "controller is killed", (number,)) for number in numbers]
    history += [Fault(101.0 + number, "controller starts", (number,)) for number in numbers]
    outcome = simulate(replace(TWO, controllers=len(numbers)), history, 120.0)
    assert outcome.violation is not None
    assert outcome.violation.rule == "sessions survive a restart"


def test_a_balancer_that_comes_back_with_old_sessions_after_another_one_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes no generation for newer, and its sessions have moved meanwhile (OpenFlow 1.3.5, section 6.3.6)."""
    world = next(each for each in WORLDS if each[0].controllers == 2)
    assert simulate(*world).violation is None
    monkeypatch.setattr(mastership, "is_newer", lambda generation, than: is_newer(than, generation))
    violation = simulate(*world).violation
    assert violation is not None
    assert violation.rule == "sessions survive a restart"


@pytest.mark.parametrize("lost", [("actions are changed", (0,)), ("flows are deleted", ("all", 0))])
def test_a_retired_balancer_restores_what_others_took_meanwhile_when_it_is_configured(
    lost: tuple[str, tuple[object, ...]],
) -> None:
    """Its rule for other traffic as well: until then no balancer looks after the switch."""
    history = [
        Fault(60.0, "controller is retired", (0,)),
        Fault(80.0, *lost),
        Fault(109.7, "configuration", ((1, 8), frozenset())),  # just before a check
    ]
    assert simulate(PARAMETERS, history, 150.0).violation is None


def test_a_mobile_that_returns_after_its_session_has_ended_may_get_another_home_agent() -> None:
    """The session ended after the restart, by its idle time: the mobile's next one is another session."""
    parameters = Parameters(seed=4, home_agents=2, mobiles=40, idle=20, stay=10.0, arrivals=100.0)
    history = [Fault(100.0, "controller is killed", (0,)), Fault(101.0, "controller starts", (0,))]
    assert simulate(parameters, history, 130.0).violation is None


def test_a_session_that_outlives_its_rule_has_not_ended() -> None:
    """The invariant still expects its home agent: where no output to TABLE is, requests do not renew a rule."""
    world = world_after(replace(PARAMETERS, idle=60), 60.0)
    world.note_restart(world.controller)
    lasting, idle = list(world.controller.balancer.sessions)[:2]
    idle.last_request = world.clock.now - 60.0
    for flow in [flow for flow in world.switch.datapath.tables[1] if flow.cookie in {lasting.cookie, idle.cookie}]:
        world.switch.expired(flow)
    assert world.restarts.expired == {lasting.tag, idle.tag}
    assert world.restarts.ended == {idle.tag}


def test_a_session_whose_home_agent_is_not_found_after_a_start_survives_the_next_one() -> None:
    """For longer than the idle time. Its rule is pending, no request hits it, and the switch times it out."""
    world = world_after(replace(PARAMETERS, mobiles=20, idle=70), 50.0)
    before = real_of_each_session(world)
    assert before
    for number, _ in enumerate(world.home_agents, 1):
        Fault(0.0, "link", (number, False)).strike(world)
    for mobile in world.mobiles:
        mobile.reset()
    for away in (150.0, 0.0):
        world.controller.kill()
        world.controller.start()
        run(world, away)
    for number, _ in enumerate(world.home_agents, 1):
        Fault(0.0, "link", (number, True)).strike(world)
    run(world, 10.0)
    after = real_of_each_session(world)
    assert {tag: after.get(tag) for tag in before} == before


def test_two_balancers_without_roles_are_found() -> None:
    """The invariant can fail: without the fence, every request is dispatched twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mastership, "ask", lambda mastership, _: mastership._serve_unfenced("is told to have none"))
        outcome = simulate(TWO, [], 60.0)
    assert outcome.violation is not None
    assert outcome.violation.rule == "each request is dispatched once"


@pytest.mark.parametrize("how", ["control connection breaks", "switch restarts", "another balancer is master"])
def test_requests_that_were_lost_in_a_breaking_connection_do_not_count_as_dispatched(how: str) -> None:
    """What was on its way is lost, or rejected (OFPBRC_IS_SLAVE); no barrier reply has confirmed it."""
    world = world_after(Parameters(seed=5, mobiles=400, arrivals=20.0, idle=300), 4.0)
    statistics = world.controller.balancer.statistics
    for _ in range(5):
        while statistics.dispatched <= world.counts.dispatched:
            run(world, 0.0001)
        # A request is on its way to the switch.
        if how == "another balancer is master":
            world.switch.connections[0].role = ROLE_SLAVE
            run(world, 0.001)
            world.controller.transports[1].close()
        else:
            Fault(0.0, how).strike(world)
        assert statistics.dispatched <= world.counts.dispatched
        assert statistics.requests == statistics.dispatched + statistics.dropped
        world.controller.mend(world.switch)
        run(world, 2.0)
    assert statistics.drops[DropReason.UNCONFIRMED] >= 5


def test_rules_that_recovery_did_not_read_are_recovered_by_the_audit_and_not_removed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The switch takes longer for each part of its answer than recovery waits for."""
    monkeypatch.setattr(rule_reading, "REPLY_TIMEOUT", 0.5)
    world = world_after(Parameters(seed=5, mobiles=60, idle=300, lifetime=65535, stats_delay=1.0), 60.0)
    before = real_of_each_session(world)
    world.controller.kill()
    run(world, 1.0)
    world.controller.start()
    for _ in range(60):
        run(world, 1.0)
        assert len([each for each in rules(world) if each >> 32]) >= len(before)
    assert "sent no part of its session rules" in caplog.text
    assert real_of_each_session(world) == before
    run(world, 400.0)
    assert not [flow for flow in world.switch.datapath.tables[1] if flow.cookie >> COOKIE_MARK_BITS > 0xFFFF]
    assert len(world.controller.balancer.sessions) == 0
