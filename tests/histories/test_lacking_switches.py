"""Switches that lack something, each thing alone and all together: mobiles are served, and others can still talk."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Optional

import pytest
from budget import seconds, some
from played import CONNECTION_BREAKS, CONTROLLER_CRASHES, HOME_AGENT_DIES, SWITCH_RESTARTS, run, world_after

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES, Capability
from ryu_haslb.openflow.capabilities.layout_choice import SwitchingSource
from simulation.capabilities import Capabilities
from simulation.faults import Fault
from simulation.packet import METADATA
from simulation.parameters import Parameters
from simulation.simulation import FIRST_ODD_SEED, random_run, simulate
from simulation.world import World

#: What a switch may lack, by the parameters of a world.
LACKS: dict[str, dict[str, Any]] = {
    "NORMAL, which it ignores": {"normal": "ignored", "make": "Lagopus project", "tables": 64},
    "NORMAL, which it rejects": {"normal": "refused", "tables": 64},
    "bundles": {"bundles": False},
    "meters": {"meters": False},
    "output to TABLE": {"output_to_table": False},
    "output to TABLE, which it ignores": {"ignores_table": True},
    "FLOOD": {"flood": False},
    "flow monitor": {"flow_monitor": False},
    "roles": {"roles": False},
    "the match of metadata, which it ignores": {"habits": (("ignored_matches", frozenset({METADATA})),)},
    "the match of metadata": {"habits": (("rejected_matches", frozenset({METADATA})),)},
    "all tables but one": {"tables": 1},
}
ALL = {name: value for each in LACKS.values() for name, value in each.items()} | {"normal": "refused", "tables": 1}


def world(nat: bool = False, **lacks: Any) -> Parameters:
    return Parameters(seed=5, home_agents=3, mobiles=24, pdsns=2, lifetime=60, idle=60, stay=60.0, nat=nat, **lacks)


@pytest.mark.parametrize("nat", [False, True], ids=["dispatched", "direct"])
@pytest.mark.parametrize("lacks", some([*LACKS.values(), ALL]), ids=some([*LACKS, "everything"]))
def test_mobiles_are_served_and_bystanders_talk(lacks: dict[str, Any], nat: bool) -> None:
    assert simulate(world(nat, **lacks), [], seconds(200.0, least=100.0)).violation is None


#: What is found out where no standby asks for the flow monitor.
FOUND_OUT: dict[str, set[Capability]] = {
    "NORMAL, which it ignores": {Capability.NORMAL},
    "NORMAL, which it rejects": {Capability.NORMAL},
    "bundles": {Capability.BUNDLES},
    "meters": {Capability.METERS},
    "output to TABLE": {Capability.TABLE_OUTPUT},
    "output to TABLE, which it ignores": {Capability.TABLE_OUTPUT},
    "FLOOD": {Capability.FLOOD},
    "flow monitor": set(),
    "roles": {Capability.ROLES},
    "the match of metadata, which it ignores": set(),
    "the match of metadata": {Capability.METADATA},
    "all tables but one": {Capability.SESSION_TABLE},
}
ALL_FOUND_OUT = set().union(*FOUND_OUT.values()) - {Capability.TABLE_OUTPUT}  # without a session rule it is not tried


@pytest.mark.parametrize(
    ("lacks", "found_out"),
    some([*((LACKS[name], found_out) for name, found_out in FOUND_OUT.items()), (ALL, ALL_FOUND_OUT)]),
    ids=some([*FOUND_OUT, "everything"]),
)
def test_what_a_switch_lacks_is_said_once_also_when_it_connects_again(
    lacks: dict[str, Any], found_out: set[Capability], caplog: pytest.LogCaptureFixture
) -> None:
    history = [Fault(at, f"control connection {what}", (0, 0)) for at, what in ((30.0, "breaks"), (32.0, "mends"))]
    assert simulate(world(**lacks), history, 60.0).violation is None
    lines = [each for each in caplog.messages if "lacks" in each]
    for capability, row in CAPABILITIES.items():
        expected = 1 if capability in found_out else 0
        assert len([line for line in lines if f"lacks {row.name}: {row.without}" in line]) == expected, lines
    assert len(lines) == len(found_out)


@pytest.mark.parametrize(
    "history",
    some(
        [
            CONTROLLER_CRASHES,
            SWITCH_RESTARTS,
            CONNECTION_BREAKS,
            HOME_AGENT_DIES,
        ]
    ),
    ids=lambda history: history[0].kind,
)
@pytest.mark.parametrize("lacks", [LACKS["NORMAL, which it rejects"], {**ALL, "tables": 64}], ids=["NORMAL", "most"])
def test_without_normal_faults_are_survived_as_with_it(history: list[Fault], lacks: dict[str, Any]) -> None:
    assert simulate(world(**lacks), history, seconds(300.0, least=180.0)).violation is None


@pytest.mark.parametrize(("normal", "switching"), [("ignored", Switching.LEARN), ("works", Switching.NORMAL)])
def test_a_switch_of_an_unknown_make_shows_by_its_counters_whether_it_forwards(
    normal: str, switching: Switching, caplog: pytest.LogCaptureFixture
) -> None:
    """docs/switches.md: no port sends what is output to NORMAL, be it of the balancer or of others."""
    running = world_after(world(normal=normal, tables=64), 30.0)
    served = running.controller.fleet.switches[running.switch.datapath_id]
    assert (served.layout.switching, served.switching_source) == (switching, SwitchingSource.COUNTERS)
    assert served.capabilities.known[Capability.NORMAL] is (normal == "works")
    assert caplog.text.count("accepts output to NORMAL and drops the packets") == (normal == "ignored")
    run(running, 30.0)
    assert running.controller.balancer.statistics.dispatched >= 24


@pytest.mark.parametrize(
    ("replaced", "source"),
    [(None, SwitchingSource.COUNTERS), ("rules", SwitchingSource.DEFAULT), ("make", SwitchingSource.DEFAULT)],
    ids=["the same switch", "another one without rules", "another make"],
)
def test_what_the_counters_have_shown_outlasts_the_balancer(
    replaced: Optional[str], source: SwitchingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/switches.md: the switch keeps it, and another switch with the same id has nothing of it."""
    running = world_after(world(normal="ignored", tables=64), 15.0)
    assert running.controller.fleet.switches[running.switch.datapath_id].layout.switching is Switching.LEARN
    running.controller.kill()
    run(running, 5.0)
    if replaced == "rules":
        running.switch.restart()
    elif replaced == "make":
        monkeypatch.setattr(running.switch, "capabilities", replace(running.switch.capabilities, make="another"))
    running.controller.start()
    run(running, 1.5)
    served = running.controller.fleet.switches[running.switch.datapath_id]
    learns = Switching.LEARN if source is SwitchingSource.COUNTERS else Switching.NORMAL
    assert (served.layout.switching, served.switching_source) == (learns, source)
    run(running, 15.0)
    assert served.switching_source is SwitchingSource.COUNTERS


def test_counters_that_count_nothing_show_nothing() -> None:
    running = World(world(normal="ignored", tables=64, habits=(("port_statistics", False),)))
    running.start()
    run(running, 30.0)
    served = running.controller.fleet.switches[running.switch.datapath_id]
    assert (served.layout.switching, served.switching_source) == (Switching.NORMAL, SwitchingSource.DEFAULT)


def test_a_switch_with_one_table_goes_through_a_restart_of_the_balancer_and_orphaned_rules() -> None:
    """It has no session rules: no session survives the restart, and nothing has to be removed."""
    history = [
        Fault(60.0, "orphaned rules", (7, 0)),
        Fault(100.0, "controller is killed"),
        Fault(102.0, "controller starts"),
    ]
    assert simulate(world(tables=1), history, 200.0).violation is None


def refuses_sessions(world_: Parameters) -> World:
    """A world whose switch takes no rule of table 1, though it reports room there."""
    running = World(world_)
    running.switch.datapath.limit_table(1, 0)
    running.start()
    return running


@pytest.mark.parametrize("lacks", [{}, {"bundles": False}, LACKS["NORMAL, which it rejects"]], ids=str)
def test_a_switch_that_takes_no_rule_of_table_1_is_served_by_packet_out_and_that_is_said_once(
    lacks: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    running = refuses_sessions(replace(world(**lacks), reports_features=False))
    run(running, 60.0)
    assert running.controller.serves(running.switch)
    assert running.controller.balancer.statistics.dispatched >= 24
    assert not running.controller.balancer.statistics.dropped
    assert not len(running.switch.datapath.tables[1])
    if "normal" in lacks:
        assert len(running.switch.datapath.tables[3]) > 2, "addresses are learned all the same"
    row = CAPABILITIES[Capability.SESSION_TABLE]
    assert caplog.text.count(f"lacks {row.name}: {row.without}") == 1
    assert caplog.text.count("has no room for a standing rule in table 1") == 1
    assert "is not served" not in caplog.text


#: What no random world has: a switch that lacks it cannot be served, or is served with a loss that the rules of
#: :mod:`simulation.invariants` do not know.
NEVER_DRAWN = {
    *("rejected_sets", "ignored_sets", "ignored_matches", "cookie_deletion", "max_packet_in"),
    *("accepts_in_port_controller", "corrects_checksums", "spoils_missing_checksums", "answers_barriers"),
    *("endless_multiparts", "rejects_barriers", "max_outputs"),
    # What switches do that take part of OpenFlow for granted, or leave it out (test_hardware_habits.py).
    *("silent", "meter_instruction", "matches_reserved_ports", "normal_error", "match_error", "reported_tables"),
    *("reports_masks", "rejected", "modifies", "deletes_from_all", "reports_all", "accepts_timeouts", "accepts_flags"),
    # What Open vSwitch 2.15 does, which tests of its meters have, and BOFUSS and Lagopus (test_known_makes.py).
    "full_meters",
    *("metadata", "stepping_meters", "relayed", "rejects_generations", "repeats_generation", "demotes_master"),
}


def test_random_worlds_have_all_habits_with_which_a_switch_is_served() -> None:
    worlds = [random_run(seed, 60.0, is_crowded=False)[0] for seed in range(FIRST_ODD_SEED, FIRST_ODD_SEED + 400)]
    drawn: dict[str, set[Any]] = {}
    for parameters in worlds:
        for field in fields(Capabilities):
            drawn.setdefault(field.name, set()).add(getattr(parameters.capabilities(), field.name))
    assert {name for name, values in drawn.items() if len(values) == 1} == NEVER_DRAWN


@pytest.mark.parametrize("match_error", [(4, 6), (5, 0)], ids=["bad field", "no reason"])
@pytest.mark.parametrize("flow_mod_rate", [0.0, 300.0])
def test_traffic_of_others_passes_at_a_switch_with_neither_bundles_nor_the_match_of_metadata(
    flow_mod_rate: float, match_error: tuple[int, int]
) -> None:
    """The rule for everything else is rejected before the others, which are sent once more without a bundle."""
    habits = (("rejected_matches", frozenset({METADATA})), ("match_error", match_error))
    parameters = Parameters(seed=1, mobiles=5, bundles=False, flow_mod_rate=flow_mod_rate, habits=habits)
    assert simulate(parameters, [Fault(30.0, "switch restarts", (0,))], 60.0).violation is None


def test_a_change_of_the_configuration_is_no_gap_at_a_switch_that_does_not_match_metadata(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It rejected the deletion of a rule with that match, and was not served for a second. Found with seed 2000009."""
    habits = (("rejected_matches", frozenset({METADATA})),)
    parameters = Parameters(seed=1, mobiles=60, idle=60, refresh=15.0, arrivals=10.0, habits=habits)
    history = [Fault(30.0 + number, "home agent is drained", (0, how)) for number, how in enumerate(("move", None))]
    assert simulate(parameters, history, 60.0).violation is None
    assert "is not served" not in caplog.text


SILENT = ("silent_multiparts", frozenset({0, 3, 8}))


@pytest.mark.parametrize("habits", [(SILENT,), (SILENT, ("counts", False))], ids=["counts", "is_told"])
@pytest.mark.parametrize("kinds", [("switch restarts",), ("controller is killed", "controller starts")])
def test_mobiles_are_served_at_a_switch_that_ignores_normal_and_does_not_say_who_made_it(
    habits: tuple[tuple[str, Any], ...], kinds: tuple[str, ...]
) -> None:
    """Its counters show it; of one that does not count, an operator has to say it. Found with seed 1000078."""
    parameters = Parameters(
        *(1, 3), pdsns=2, mobiles=60, idle=60, refresh=15.0, lifetime=600, arrivals=10.0, tables=64, habits=habits
    )
    parameters = replace(parameters, normal="ignored", make="CPqD", roles=False)
    history = [Fault(60.0 + 2 * number, kind) for number, kind in enumerate(kinds)]
    assert simulate(parameters, history, 110.0).violation is None
