"""Switches that do what two OpenFlow 1.3 switches are known to do: CPqD's (BOFUSS, ofsoftswitch13) and Lagopus.

What is told of them here was read in their sources. Mobiles are served, and others can still talk.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from budget import seconds, some
from played import (
    CONNECTION_BREAKS,
    CONTROLLER_CRASHES,
    HOME_AGENT_DIES,
    SESSION_RULES_ARE_DELETED,
    SWITCH_RESTARTS,
    crash_controller,
    run,
    world_after,
)

from ryu_haslb.configuration.model import Datapath, ProbeKind, Switching
from ryu_haslb.openflow.capabilities.capabilities import Capability
from ryu_haslb.openflow.capabilities.known_makes import REPORTABLE_SESSION_RULES
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World

#: All statistics in one message, which its relay cannot read beyond 64 kB; cookies in requests and generations ignored,
#: tables of 4,096 rules; packets begin with metadata of all ones, and meters pass nothing in their first second.
CPQD: dict[str, Any] = {
    "normal": "ignored",
    "make": "Stanford University, Ericsson Research and CPqD Research",
    "tables": 64,
    "max_flows": 4096,
    "bundles": False,
    "flow_monitor": False,
    "habits": (
        ("flow_statistics_by_cookie", False),
        ("metadata", 0xFFFFFFFFFFFFFFFF),
        ("stepping_meters", True),
        ("checks_ports", True),
        ("wraps_statistics", True),
        ("relayed", True),
        ("masks_cover", False),
        ("overlaps_itself", True),
        ("checks_generation", False),
        ("buffers", True),
        ("obeys_miss_send_len", True),
    ),
}
#: A rule that is added again keeps its cookie and its age; the data plane runs behind the control plane; a role reply
#: repeats the generation of the request, and a new MASTER leaves the former one MASTER.
LAGOPUS: dict[str, Any] = {
    "normal": "ignored",
    "make": "Lagopus project",
    "tables": 255,
    "bundles": False,
    "flow_monitor": False,
    "habits": (
        ("masks_cover", False),
        ("overlaps_itself", True),
        ("keeps_replaced", True),
        ("strict_deletion_by_cookie", False),
        ("checks_ports", True),
        ("flow_mod_lag", 0.01),
        ("repeats_generation", True),
        ("demotes_master", False),
    ),
}
MAKES = pytest.mark.parametrize("make", [CPQD, LAGOPUS], ids=["CPqD", "Lagopus"])

MAKES_AND_MODES = [f"{make}-{mode}" for make, mode in product(["CPqD", "Lagopus"], ["dispatched", "direct"])]


def world(nat: bool = False, **further: Any) -> Parameters:
    return Parameters(seed=5, home_agents=3, mobiles=24, pdsns=2, lifetime=60, idle=60, stay=60.0, nat=nat, **further)


@pytest.mark.parametrize(("make", "nat"), some(product([CPQD, LAGOPUS], [False, True])), ids=some(MAKES_AND_MODES))
@pytest.mark.parametrize(
    "history",
    some(
        [
            [],
            CONTROLLER_CRASHES,
            SWITCH_RESTARTS,
            SESSION_RULES_ARE_DELETED,
            CONNECTION_BREAKS,
            HOME_AGENT_DIES,
        ]
    ),
    ids=str,
)
def test_mobiles_are_served_and_bystanders_talk(history: list[Fault], nat: bool, make: dict[str, Any]) -> None:
    assert simulate(world(nat, **make), history, seconds(250.0, least=180.0)).violation is None


@MAKES
def test_a_full_table_is_survived(make: dict[str, Any]) -> None:
    small = {**make, "max_flows": 80}
    parameters = replace(world(**small), mobiles=150)
    assert simulate(parameters, CONTROLLER_CRASHES, seconds(250.0, least=150.0)).violation is None


@pytest.mark.parametrize(
    ("make", "rules"), [(CPQD, REPORTABLE_SESSION_RULES), (LAGOPUS, 1000)], ids=["CPqD", "Lagopus"]
)
def test_sessions_survive_a_crash_and_rules_are_audited_when_there_are_a_thousand(
    make: dict[str, Any], rules: int, caplog: pytest.LogCaptureFixture
) -> None:
    """CPqD's switch has no more rules than it can report: else its relay would begin anew with each audit."""
    parameters = Parameters(seed=5, mobiles=1000, pdsns=8, arrivals=10.0, lifetime=600, idle=300, **make)
    running = world_after(parameters, 20.0)
    crash_controller(running)
    run(running, 10.0)
    assert len(running.controller.balancer.sessions) == rules
    for flow in list(running.switch.datapath.tables[1])[100:200]:
        running.switch.remove(1, flow, 2)
    run(running, 20.0)
    assert len(running.switch.datapath.tables[1]) == 1 + rules, "the audit has found the rules that others have deleted"
    assert len(running.controller.balancer.sessions) >= rules
    assert "has forgotten" not in caplog.text, "the relay of the one can read what it reports"


@MAKES
def test_two_balancers_do_not_take_the_switch_from_each_other(
    make: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The lease shows that the master lives, also where a rule that is added again keeps its age."""
    assert simulate(world(controllers=2, **make), [], 120.0).violation is None
    assert "another balancer has taken over" not in caplog.text


@MAKES
def test_the_rule_for_answers_to_probes_stays_for_as_long_as_it_is_sent_again(make: dict[str, Any]) -> None:
    """Else Lagopus removes it after a minute, since its age goes on: an answer is lost, which may fail a home agent."""
    parameters = world(probe=ProbeKind.PING, probe_interval=1, probe_faildetect=1, **make)
    running = World(replace(parameters, mobiles=3))
    running.start()
    for _ in range(150):
        run(running, 1.0)
        targets = running.controller.balancer.probing.targets
        assert not [each.failures for each in targets if each.failures]
    statistics = running.controller.balancer.statistics
    assert statistics.dropped == 0, "an answer that comes before its rule acts is no request"


def test_meters_that_pass_too_little_are_not_used() -> None:
    """CPqD's would drop what comes in the first second, and in each second of overload."""
    running = World(world(**CPQD))
    running.start()
    running.clock.run_until(running.clock.now + 5.0)
    assert not running.switch.datapath.meters
    assert running.controller.fleet.switches[1].capabilities.known[Capability.METERS] is False


@MAKES
def test_a_mode_that_is_configured_later_takes_effect(make: dict[str, Any]) -> None:
    """The rule that passes other packets is there already, and is rejected as one that overlaps with itself."""
    running = world_after(replace(world(**{**make, "make": "unknown"}), names_datapaths=True), 5.0)
    learn = {1: Datapath(1, switching=Switching.LEARN)}
    running.controller.configure(replace(running.controller.configuration, datapaths=learn))
    run(running, 5.0)
    (rule,) = [flow for flow in running.switch.datapath.tables[0] if flow.cookie == Purpose.PASS_OTHER.cookie]
    assert rule.goto == 3
