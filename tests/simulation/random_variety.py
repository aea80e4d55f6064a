"""What random worlds have beside their shape: switches that lack something, odd mobiles, much traffic.

Each is drawn apart, from the seed of the world: what is drawn elsewhere stays what it was.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from simulation.packet import METADATA
from simulation.parameters import CLIENT_VLAN, Parameters

#: The habits of switches that the balancer serves with no loss, by the names of
#: :class:`~simulation.capabilities.Capabilities`, and what each may be.
ODD_SWITCHES: dict[str, tuple[Any, ...]] = {
    "answers_echo": (False,),
    "buffers": (True,),
    "checks_generation": (False,),
    "checks_ports": (True,),
    "counts": (False,),
    "deletion_by_port": (False,),
    "error_data": (0, 8),
    "flow_mod_lag": (0.02, 0.4),
    "flow_statistics_by_cookie": (False,),
    "keeps_replaced": (True,),
    "masks_cover": (False,),
    "obeys_miss_send_len": (True,),
    "overlaps_itself": (True,),
    "port_statistics": (False,),
    "push_vlan": (False,),
    "reflects": (False,),
    "rejection_lag": (0.3,),
    "reports_deletions": (False,),
    "silent_multiparts": (frozenset({0, 3, 8, 9, 10, 11, 12}),),
    "strict_deletion_by_cookie": (False,),
    "wraps_statistics": (True,),
}

#: VLANs of home agents, beside that of their clients.
_HOME_AGENT_VLANS = (15, 16, 100)


def random_variety(parameters: Parameters) -> Parameters:
    """The same world with more in it."""
    return _with_traffic(_with_habits(_with_lacks(parameters)))


def _with_traffic(parameters: Parameters) -> Parameters:
    """The world with many mobiles that come to the virtual address all the time, in most: faults meet requests there.

    In the others mobiles wait, and sessions end.
    """
    random = Random(f"{parameters.seed} traffic")
    mobiles, refresh, stay = random.choice((200, 400, 800)), random.choice((15.0, 20.0)), random.choice((0.0, 300.0))
    if random.random() < 0.4:
        return parameters
    return replace(
        parameters,
        mobiles=mobiles,
        refresh=refresh,
        stay=stay,
        arrivals=min(60.0, parameters.arrivals),
        idle=max(60, parameters.idle),
        lifetime=max(600, parameters.lifetime),
        stats_delay=min(0.1, parameters.stats_delay),  # else thousands of rules are read for minutes
    )


def _with_lacks(parameters: Parameters) -> Parameters:
    """The world with switches that lack something (docs/switches.md); what is drawn elsewhere stays."""
    random = Random(f"{parameters.seed} lacks")
    normal, make = random.choice(
        (*(("works", "simulation"),) * 4, ("refused", "simulation"), ("ignored", "Lagopus project"))
    )
    tables = parameters.tables
    if normal != "works" and random.random() < 0.7:
        tables = 64  # else there is no room for a learning table
    return replace(
        parameters,
        normal=normal,
        make=make,
        tables=1 if random.random() < 0.1 else tables,
        flood=random.random() < 0.85,
        roles=random.random() < 0.8 or parameters.controllers > 1,
        habits=(
            *(("flow_removed", random.random() < 0.85), ("idle_timeouts", random.random() < 0.9)),
            ("rejected_matches", frozenset({METADATA} if random.random() < 0.15 else ())),
        ),
    )


def with_odd_switches(parameters: Parameters) -> Parameters:
    """The world with switches that have some of the habits of docs/switches.md, in most."""
    random = Random(f"{parameters.seed} odd switches")
    drawn = {name: random.choice(values) for name, values in ODD_SWITCHES.items() if random.random() < 0.2}
    timeout_step, stats_part = random.choice((1.0, 1.0, 1.0, 10.0)), random.choice((0, 0, 0, 300))
    parameters = _with_bad_reports(parameters)
    if random.random() < 0.4:
        return parameters
    if parameters.is_cluster:
        drawn.pop("checks_generation", None)  # without it nothing fences a member that was deposed
    return replace(
        parameters,
        habits=(*parameters.habits, *drawn.items()),
        timeout_step=timeout_step,
        stats_part=parameters.stats_part or stats_part,
    )


def with_vlans(parameters: Parameters) -> Parameters:
    """The world with VLANs: home agents in several of them, behind access ports and trunks.

    A balancer whose configuration has no ``interface Vlan`` finds home agents behind trunks by the VLANs of requests
    alone, and home agents at other switches not at all (docs/states.md, "The place of a home agent"). A learning table
    knows no access ports (docs/switches.md).
    """
    random = Random(f"{parameters.seed} vlans")
    has_interfaces = random.random() < 0.85 or parameters.switches > 1 or parameters.normal != "works"
    vlans = tuple(random.choice((CLIENT_VLAN, *_HOME_AGENT_VLANS)) for _ in range(parameters.home_agents))
    names_ports, names_client_vlan = random.random() < 0.5, random.random() < 0.3
    trunks = frozenset(port for port in parameters.node_ports if random.random() < 0.4)
    if parameters.normal != "works":
        trunks = frozenset(parameters.node_ports)
    elif not has_interfaces:
        trunks -= set(range(1, parameters.home_agents + 1))
    return replace(
        parameters,
        vlans=vlans,
        trunks=trunks,
        has_vlan_interfaces=has_interfaces,
        names_ports=names_ports,
        names_client_vlan=names_client_vlan,
    )


def _with_bad_reports(parameters: Parameters) -> Parameters:
    """The world with switches that report no rules, or not all, in some; a limit of rules cannot be kept there."""
    random = Random(f"{parameters.seed} reports")
    kind = random.choice(("good", "good", "good", "good", "good", "damaged", "none"))
    if kind == "good" or parameters.is_cluster:
        return parameters
    if kind == "none":
        return replace(parameters, habits=(*parameters.habits, ("flow_statistics", False)), max_rules=None)
    return replace(parameters, bad_stats=random.choice((2, 7)), stats_part=300, max_rules=None)


def _with_habits(parameters: Parameters) -> Parameters:
    """The world with mobiles that use nonces or deregister at the virtual address, and PDSNs that change ports."""
    random = Random(f"{parameters.seed} habits")
    return replace(
        parameters,
        nonces=random.random() < 0.5,
        changes_ports=random.random() < 0.3,
        virtual_servers=random.choice((1, 1, 2)),
        virtual_deregistrations=random.random() < 0.5,
    )
