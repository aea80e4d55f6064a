"""Histories in which others delete or change our rules and meters: all is restored within 10 s (docs/flows.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from budget import seconds, some
from played import run, world_after

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, PURPOSE_MASK, REPLY_METER, Purpose
from ryu_haslb.openflow.roles.lease import LEASE_COOKIE
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK
from simulation.faults import Fault
from simulation.flow_table import Flow, MalformedError
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.statistics import Statistics
from simulation.world import World

#: Mobiles that register once, with sessions that outlive the test: no request repairs what was deleted.
SILENT = Parameters(seed=1, mobiles=60, idle=3000, lifetime=65535)
#: Mobiles that register all the time.
BUSY = Parameters(seed=1, mobiles=60, idle=60, lifetime=40)
RESTORE_TIME = 10.0


def our_rules(world: World) -> set[tuple[int, int, object, bytes]]:
    """All rules with our mark: table, priority, match, instructions. The lease is left out: its holder renews it."""
    return {
        (number, flow.priority, flow.match.fields, flow.instructions)
        for number, table in enumerate(world.switch.datapath.tables)
        for flow in table
        if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK and flow.cookie & 0xFFFFFFFF != LEASE_COOKIE
    }


def spoil_and_have_restored(world: World, kind: str, *arguments: str) -> None:
    """Others spoil our rules by this kind of fault, and in time all are as before."""
    before = our_rules(world)
    Fault(0.0, kind, arguments).strike(world)
    assert our_rules(world) != before
    run(world, RESTORE_TIME)
    assert our_rules(world) == before


def settled(parameters: Parameters) -> World:
    return world_after(parameters, 60.0)


@pytest.mark.parametrize("what", some(["all", "table 0", "table 2", "meters"]))
def test_rules_that_copy_replies_are_restored_while_a_home_agent_is_in_doubt(what: str) -> None:
    """They are compared with the standing rules; a failed home agent is watched until it answers."""
    world = settled(BUSY)
    Fault(0.0, "home agent hangs", (0,)).strike(world)
    run(world, 90.0)
    before = our_rules(world)
    assert len([rule for rule in before if rule[0] == 2]) == 1
    assert REPLY_METER in world.switch.datapath.meters
    kind = "meters are deleted" if what == "meters" else "flows are deleted"
    Fault(0.0, kind, () if what == "meters" else (what,)).strike(world)
    standing = {rule for rule in before if rule[0] in (0, 2)}
    assert not standing <= our_rules(world)
    run(world, RESTORE_TIME)
    assert standing <= our_rules(world)
    assert REPLY_METER in world.switch.datapath.meters
    Fault(0.0, "home agent returns", (0, False)).strike(world)
    run(world, 90.0)
    assert not [rule for rule in our_rules(world) if rule[0] == 2]
    assert REPLY_METER not in world.switch.datapath.meters


@pytest.mark.parametrize("bundles", [True, False])
@pytest.mark.parametrize("what", ["all", "table 0", "table 1", "session rules"])
def test_deleted_rules_are_restored_and_logged_once(what: str, bundles: bool, caplog: pytest.LogCaptureFixture) -> None:
    world = settled(replace(SILENT, bundles=bundles))
    before = our_rules(world)
    assert len(before) > SILENT.mobiles
    Fault(0.0, "flows are deleted", (what,)).strike(world)
    deleted = len(before - our_rules(world))
    standing = len([rule for rule in before - our_rules(world) if rule[0] == 0 or rule[1] == 1])
    run(world, RESTORE_TIME)
    assert our_rules(world) == before
    text = f"{standing} standing and {deleted - standing} session rules were deleted or changed by another controller"
    assert caplog.text.count(text) == caplog.text.count("were deleted") == 1
    restored = world.controller.fleet.switches[1].restored
    assert (restored.incidents, restored.standing_rules, restored.session_rules) == (1, standing, deleted - standing)


def test_rules_without_idle_time_out_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """They send no flow-removed messages: their number tells."""
    monkeypatch.setattr("ryu_haslb.openflow.sessions.session_rules.MAX_SESSIONS_WITH_IDLE_TIMEOUT", 0)
    world = settled(SILENT)
    before = our_rules(world)
    Fault(0.0, "flows are deleted", ("session rules",)).strike(world)
    run(world, RESTORE_TIME)
    assert our_rules(world) == before


def test_a_large_table_is_compared_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ryu_haslb.openflow.sessions.session_rules.MAX_SESSIONS_WITH_IDLE_TIMEOUT", 0)
    for limit in ("MIN_SLICE_RULES", "MAX_SLICE_RULES"):
        monkeypatch.setattr(f"ryu_haslb.openflow.audit.session_audit.{limit}", 7)
    monkeypatch.setattr("ryu_haslb.openflow.audit.session_audit._SESSIONS_PER_TICK", 10)
    monkeypatch.setattr("ryu_haslb.openflow.audit.rule_count.SESSIONS_PER_TICK", 10)
    world = settled(SILENT)
    before = our_rules(world)
    Fault(0.0, "flows are deleted", ("session rules",)).strike(world)
    Fault(0.0, "orphaned rules", (5,)).strike(world)
    assert our_rules(world) != before
    run(world, RESTORE_TIME)
    assert our_rules(world) == before, "orphaned rules are removed by then, since their slices are looked at twice"
    for _ in range(4):  # slice after slice is empty, time after time
        Fault(0.0, "flows are deleted", ("table 1",)).strike(world)
        run(world, 3 * RESTORE_TIME)
        assert our_rules(world) == before


def test_rules_that_are_deleted_again_and_again_are_restored_again_and_again() -> None:
    world = settled(SILENT)
    before = our_rules(world)
    for number in range(40):
        Fault(0.0, "flows are deleted", ("session rules" if number % 4 else "all",)).strike(world)
        run(world, 0.3 * (number % 7))
    run(world, RESTORE_TIME)
    assert our_rules(world) == before


@pytest.mark.parametrize("what", some(["all", "table 0", "table 1", "session rules"]))
def test_mobiles_are_served_and_others_are_not_disturbed_when_rules_are_deleted(what: str) -> None:
    history = [Fault(100.0 + number * 30.0, "flows are deleted", (what,)) for number in range(5)]
    assert simulate(BUSY, history, seconds(400.0, least=280.0)).violation is None


def test_deleted_meters_are_restored_with_the_rules_that_use_them(caplog: pytest.LogCaptureFixture) -> None:
    """OpenFlow 1.3.5, section 6.5: the switch deletes the rules of a deleted meter with it."""
    world = settled(SILENT)
    spoil_and_have_restored(world, "meters are deleted")
    assert FIRST_METER in world.switch.datapath.meters
    assert "2 meters were deleted or changed by another controller or operator; restored" in caplog.text
    assert world.controller.fleet.switches[1].restored.meters == 2


@pytest.mark.parametrize("rate", [0, 7])
def test_changed_meters_are_restored(rate: int, caplog: pytest.LogCaptureFixture) -> None:
    """``ovs-ofctl mod-meter``: a rate of 0 lets no request pass."""
    world = settled(SILENT)
    before = {number: meter.rate for number, meter in world.switch.datapath.meters.items()}
    Fault(0.0, "meters are changed", (rate,)).strike(world)
    run(world, RESTORE_TIME)
    assert {number: meter.rate for number, meter in world.switch.datapath.meters.items()} == before
    assert caplog.text.count("2 meters were deleted or changed by another controller or operator; restored") == 1


def test_a_configuration_that_comes_right_after_the_deletion_of_the_meters_is_installed() -> None:
    """The standing rules name a meter that is not there: the switch rejects them, and they are sent again."""
    world = settled(SILENT)
    Fault(0.0, "meters are deleted").strike(world)
    world.controller.configure(world.parameters.configuration())
    run(world, RESTORE_TIME)
    assert FIRST_METER in world.switch.datapath.meters
    assert world.controller.fleet.switches[1].channel is not None
    assert len([rule for rule in our_rules(world) if rule[0] == 0]) > 5


def test_changed_actions_are_restored() -> None:
    world = settled(SILENT)
    run(world, 70.0)  # the session rules have been compared once
    before = our_rules(world)
    Fault(0.0, "actions are changed").strike(world)
    run(world, RESTORE_TIME)
    assert our_rules(world) == before


@pytest.mark.parametrize("seconds", [0.0, 70.0])  # before the first comparison of session rules, and after it
@pytest.mark.parametrize("what", ["session rules", "every session rule"])
def test_changed_actions_of_session_rules_alone_are_restored(what: str, seconds: float) -> None:
    """Their number is as before, and no standing rule shows that somebody was there."""
    world = settled(replace(SILENT, arrivals=2.0)) if seconds else World(replace(SILENT, arrivals=2.0))
    if not seconds:
        world.start()
        run(world, 8.0)
    before = our_rules(world)
    assert len([rule for rule in before if rule[0] == 1]) > SILENT.mobiles // 2
    Fault(0.0, "actions are changed", (0, what)).strike(world)
    assert our_rules(world) != before
    run(world, RESTORE_TIME)
    assert our_rules(world) >= before


@pytest.mark.parametrize("stats_delay", [0.0, 0.1])
def test_session_rules_that_others_replace_by_their_own_are_restored(stats_delay: float) -> None:
    """A flow-mod with the match and the priority of a rule replaces it without a flow-removed message (OpenFlow 1.3.5,
    section 6.4). A switch that takes its time to report rules is seldom asked for them all."""
    world = settled(replace(SILENT, stats_delay=stats_delay))
    run(world, 10.0)
    spoil_and_have_restored(world, "session rules are replaced")


@pytest.mark.parametrize("stays_on", [True, False])
def test_requests_are_not_dropped_for_long_by_rules_that_others_put_in_the_place_of_ours(stays_on: bool) -> None:
    """The switch takes 0.1 s to report rules. Where it rejects output to TABLE, no request goes by a rule."""
    parameters = replace(BUSY, stats_delay=0.1, output_to_table=stays_on, refresh=20.0)
    outcome = simulate(parameters, [Fault(70.0, "session rules are replaced")], 100.0)
    assert outcome.violation is None, outcome.violation


@pytest.mark.parametrize("how", ["ignored", "rejected", "malformed"])
def test_a_switch_that_does_not_count_the_rules_with_our_mark_is_asked_for_the_size_of_its_table(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ryu_haslb.openflow.sessions.session_rules.MAX_SESSIONS_WITH_IDLE_TIMEOUT", 0)

    def aggregate(_: Statistics, message: bytes) -> bytes:
        if how == "rejected":
            raise MalformedError(1, 2)  # OFPBRC_BAD_MULTIPART
        return message[:7]

    silent = frozenset({wire.OFPMP_AGGREGATE} if how == "ignored" else ())
    monkeypatch.setattr(Statistics, "_aggregate", aggregate)
    world = settled(replace(SILENT, stats_delay=0.1, habits=(("silent_multiparts", silent),)))
    run(world, 10.0)
    spoil_and_have_restored(world, "flows are deleted", "session rules")


def test_actions_that_are_changed_right_after_they_were_restored_are_restored_again() -> None:
    world = settled(SILENT)
    run(world, 70.0)
    before = our_rules(world)
    for _ in range(2):
        Fault(0.0, "actions are changed").strike(world)
        run(world, 4.0)  # restored, and not compared again yet
    run(world, RESTORE_TIME)
    assert our_rules(world) == before


def test_actions_that_are_changed_before_the_first_comparison_are_restored() -> None:
    """A configuration has brought new rules, which the switch has never reported."""
    world = settled(SILENT)
    run(world, 70.0)
    world.controller.configure(replace(world.parameters, virtual_servers=2).configuration())
    run(world, 1.0)
    spoil_and_have_restored(world, "actions are changed")


def test_rules_without_a_session_are_removed_and_those_of_sessions_stay(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = settled(SILENT)
    before = our_rules(world)
    Fault(0.0, "orphaned rules", (7,)).strike(world)
    assert len(our_rules(world)) == len(before) + 7
    run(world, 2 * RESTORE_TIME)
    assert our_rules(world) == before
    assert "removed 7 session rules without a session" in caplog.text


def test_rules_that_another_balancer_installs_again_and_again_are_left_to_it(caplog: pytest.LogCaptureFixture) -> None:
    world = settled(SILENT)
    for _ in range(20):
        Fault(0.0, "orphaned rules", (3,)).strike(world)
        run(world, RESTORE_TIME)
    assert caplog.text.count("Another balancer serves the switch") == 1
    ours = len(our_rules(world))
    run(world, 3 * RESTORE_TIME)
    assert len(our_rules(world)) == ours


def test_rules_of_others_are_no_reason_to_compare_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    world = settled(SILENT)
    table = world.switch.datapath.tables[1]
    ours = next(flow for flow in table if flow.cookie >> 32)
    in_port = b"\x80\0\0\4\0\0\0\x63"
    match = ours.match._replace(fields=((0, 99, None), *ours.match.fields), oxms=in_port + ours.match.oxms)
    table.put(replace(ours, match=match, cookie=0xF0E, idle_timeout=0, flags=0))
    run(world, 20.0)
    audit = world.controller.fleet.switches[1].rules
    sent = world.controller.transports[1].bytes_sent
    run(world, 50.0)
    assert any(flow.cookie == 0xF0E for flow in table)
    assert "deleted" not in caplog.text
    assert audit.waiting == 0
    assert world.controller.transports[1].bytes_sent - sent < 50_000


def test_a_rule_that_times_out_is_not_taken_for_a_deleted_one(caplog: pytest.LogCaptureFixture) -> None:
    assert simulate(replace(BUSY, lifetime=600), [], seconds(1200.0, least=400.0)).violation is None
    assert "were deleted" not in caplog.text


def test_rules_are_restored_behind_a_controller_that_restarts_in_between() -> None:
    history = [
        Fault(100.0, "controller is killed"),
        Fault(101.0, "flows are deleted", ("session rules",)),
        Fault(102.0, "controller starts"),
        Fault(103.0, "flows are deleted", ("all",)),
    ]
    assert simulate(BUSY, history, seconds(400.0, least=200.0)).violation is None


def test_a_switch_that_restarts_gets_its_session_rules_in_slices(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are no deletion by others, also where the last slice is sent long after the first."""
    monkeypatch.setattr("ryu_haslb.openflow.sessions.reinstallation.MAX_SESSIONS_PER_STEP", 2)
    monkeypatch.setattr("ryu_haslb.openflow.sessions.install_queue.MAX_WAITING_RULES", 4)
    world = settled(replace(SILENT, arrivals=0.1 * SILENT.mobiles))
    before = our_rules(world)
    Fault(0.0, "switch restarts").strike(world)
    run(world, RESTORE_TIME)
    assert our_rules(world) == before
    assert "were deleted" not in caplog.text


def test_a_deregistration_that_a_changed_rule_drops_leaves_a_binding() -> None:
    """The home agent keeps it until its lifetime ends (RFC 5944, section 3.8), and the mobile may get another one."""
    history = [Fault(60.0, "actions are changed", (0,))]
    history += [Fault(60.05, "power off", (number,)) for number in range(10)]
    history += [Fault(90.0 + number, "power on", (number,)) for number in range(10)]
    assert simulate(Parameters(seed=1, mobiles=10, arrivals=5.0), history, 130.0).violation is None


def test_another_balancer_takes_a_full_table_over() -> None:
    """Its standing rules take the place of those that are there; what no session has is removed then."""
    parameters = Parameters(seed=1, controllers=2, meters=False, max_flows=40, mobiles=10)
    history = [Fault(9.0, "orphaned rules", (60, 0, 0)), Fault(10.0, "control connection breaks", (0, 0))]
    assert simulate(parameters, history, 130.0).violation is None


def test_learned_addresses_whose_rules_lose_their_actions_are_reached_again() -> None:
    """A switch in learn mode. As long as others send there, such a rule would not time out."""
    parameters = replace(BUSY, normal="refused", tables=64)
    assert simulate(parameters, [Fault(60.0, "actions are changed", (0,))], 120.0).violation is None


def rules_of(world: World, purpose: Purpose) -> list[Flow]:
    return [
        flow for table in world.switch.datapath.tables for flow in table if flow.cookie & PURPOSE_MASK == purpose.cookie
    ]


def change(world: World, purpose: Purpose) -> None:
    """Another controller has the rules of a purpose send their packets to a port that is not there."""
    for flow in rules_of(world, purpose):
        flow.instructions, flow.actions = apply_actions(wire.output(999)), ((0, 999),)
        flow.goto = flow.meter = None


@pytest.mark.parametrize("purpose", [Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE])
def test_learned_addresses_are_learned_anew_when_nothing_but_their_own_rules_is_changed(
    purpose: Purpose, caplog: pytest.LogCaptureFixture
) -> None:
    """Standing rules, which are compared every 3 s, show nothing of it. Those of addresses are compared apart."""
    world = settled(replace(BUSY, normal="refused", tables=64))
    run(world, 10.0)
    change(world, purpose)
    changed = {flow.cookie for flow in rules_of(world, purpose)}
    assert changed
    run(world, 70.0)
    found = {flow.cookie for flow in rules_of(world, purpose)}
    assert found and not found & changed, "each address has new rules"
    assert "rules of learned addresses were changed by another controller or operator" in caplog.text
    assert "were deleted" not in caplog.text


def test_rules_of_learned_addresses_that_nobody_changes_stay(caplog: pytest.LogCaptureFixture) -> None:
    world = settled(replace(BUSY, normal="refused", tables=64))
    before = {flow.cookie for flow in world.switch.datapath.tables[3]}
    run(world, 130.0)
    assert before <= {flow.cookie for flow in world.switch.datapath.tables[3]}
    assert "were changed by" not in caplog.text


@pytest.mark.parametrize("purpose", [Purpose.PASS_REPLY, Purpose.COPY_REPLY])
def test_rules_for_replies_are_restored_when_nothing_but_their_actions_is_changed(purpose: Purpose) -> None:
    world = settled(BUSY)
    Fault(0.0, "home agent hangs", (0,)).strike(world)
    run(world, 90.0)
    before = our_rules(world)
    change(world, purpose)
    assert our_rules(world) != before
    run(world, RESTORE_TIME)
    assert {rule for rule in before if rule[0] in (0, 2)} <= our_rules(world)


def test_rules_for_replies_that_lose_their_actions_do_not_drop_the_replies() -> None:
    """The home agents leave their probes unanswered, so that the switch copies their replies."""
    parameters = replace(BUSY, denies=False, probe=ProbeKind.IPMOBILE, probe_interval=1)
    assert simulate(parameters, [Fault(60.0, "actions are changed", (0,))], 120.0).violation is None


def test_rules_do_not_time_out_while_all_are_compared_because_some_are_missing() -> None:
    """Meanwhile requests go by packet-out, and hit no rule. This switch does not say that rules have timed out."""
    history = [Fault(146.431, "control connection breaks", (0, 0))]
    parameters = Parameters(
        seed=372617590,
        is_cluster=True,
        controllers=2,
        home_agents=4,
        weights=(8, 4, 4, 1),
        mobiles=800,
        idle=60,
        numclients=1,
        retry=0,
        leastconns=True,
        lifetime=600,
        arrivals=30.0,
        stay=300.0,
        refresh=20.0,
        stats_delay=0.1,
        bundles=False,
        flood=False,
        habits=(("flow_removed", False),),
    )
    outcome = simulate(parameters, history, seconds=206.0)
    assert outcome.violation is None, outcome.violation


@pytest.mark.parametrize("is_deleted", [False, True])
def test_rules_of_recovered_sessions_that_time_out_without_a_sign_are_blamed_on_no_one(
    is_deleted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Their last packets came before the start: they time out before the sessions, and this switch does not say so.

    One that says why rules have left shows which ones others have deleted.
    """
    world = settled(replace(SILENT, idle=200, habits=(("flow_removed", is_deleted),)))
    Fault(0.0, "controller is killed").strike(world)
    run(world, 70.0)
    Fault(0.0, "controller starts").strike(world)
    run(world, 20.0)
    if is_deleted:
        Fault(0.0, "flows are deleted", ("session rules",)).strike(world)
    run(world, 100.0)
    assert len(world.controller.balancer.sessions) == SILENT.mobiles
    assert ("deleted or changed by another controller" in caplog.text) == is_deleted
