"""One simulated run: a world, what goes wrong in it, and what must always hold."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import NamedTuple, Optional

from ryu_haslb.cluster.hand_over import HAND_OVER_TIMEOUT
from ryu_haslb.cluster.member import RELEASE_TIMEOUT
from ryu_haslb.openflow.fleet.fleet import CONFIRMATION_TIMEOUT
from simulation.cluster_faults import mend
from simulation.cluster_invariants import ClusterInvariants
from simulation.faults import MOBILE_FAULTS, Fault
from simulation.health_invariants import HealthInvariants
from simulation.invariants import Invariants
from simulation.odd_faults import random_odd_faults, random_rivals, random_thefts
from simulation.ownership_invariants import OwnershipInvariants
from simulation.parameters import Parameters
from simulation.random_cluster import random_cluster, random_cluster_history
from simulation.random_history import random_crowd, random_history, random_parameters
from simulation.random_variety import random_variety, with_odd_switches, with_vlans
from simulation.request_invariants import RequestInvariants
from simulation.settling import CHECK_INTERVAL
from simulation.switch_faults import RULE_FAULTS
from simulation.table_invariants import TableInvariants
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds that a run goes on after the last mobile was switched off, beyond the idle time.
AFTERMATH = 30.0
#: Seconds after which a balancer that is being stopped has ended, and can be started again.
STOP_TIME = RELEASE_TIMEOUT + HAND_OVER_TIMEOUT + CONFIRMATION_TIMEOUT
#: Every so many seeds one stands for a cluster.
CLUSTER_PERIOD = 3
#: From this seed on, worlds have odd switches; those of the seeds before stay what they have always been.
FIRST_ODD_SEED = 1_000_000
#: From this seed on, worlds have another controller instead, which writes to our tables.
FIRST_RIVAL_SEED = 2_000_000
#: From this seed on, worlds have VLANs instead, and machines that steal the addresses of home agents.
FIRST_VLAN_SEED = 3_000_000


class Outcome(NamedTuple):
    """How a run ended. ``violation`` is None if everything held; ``at`` is when it did not, in seconds."""

    violation: Optional[ViolationError]
    at: float
    requests: int


def simulate(parameters: Parameters, history: Sequence[Fault], seconds: float) -> Outcome:
    """Run a world for so many simulated seconds, switch the mobiles off, and look what is left."""
    with _rare_collection(), _seeded_secrets(parameters.seed):
        return _simulate(parameters, history, seconds)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Collect cyclic garbage rarely: with the interpreter's own thresholds it takes a fifth of a run's time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _seeded_secrets(seed: int) -> Iterator[None]:
    """Have the secrets of the product, which no other machine may predict, follow from the seed."""
    before, os.urandom = os.urandom, Random(f"{seed} secrets").randbytes
    try:
        yield
    finally:
        os.urandom = before


def _simulate(parameters: Parameters, history: Sequence[Fault], seconds: float) -> Outcome:
    world = World(parameters)
    invariants = Invariants(world)
    others = (
        ClusterInvariants(world),
        TableInvariants(world),
        RequestInvariants(world),
        HealthInvariants(world),
        OwnershipInvariants(world),
    )
    start = world.clock.now
    world.start()
    for fault in history:
        world.clock.at(start + fault.at, fault.strike, world)
    try:
        while world.clock.now < start + seconds:
            world.clock.run_until(world.clock.now + CHECK_INTERVAL)
            invariants.check()
            for each in others:
                each.check()
        _end(world, invariants, history)
    except ViolationError as violation:
        return Outcome(violation, world.clock.now - start, world.counts.requests)
    return Outcome(None, world.clock.now - start, world.counts.requests)


def _end(world: World, invariants: Invariants, history: Sequence[Fault]) -> None:
    if all(fault.kind in MOBILE_FAULTS for fault in history):
        invariants.check_shares()
    if world.members:
        mend(world)
    if any(fault.kind == "controller is stopped" for fault in history):
        world.clock.run_until(world.clock.now + STOP_TIME)
    for controller in world.controllers:
        controller.start()
        for switch in world.switches:
            controller.mend(switch)
    # A session begins by a request of a storm, and is recovered when its home agent answers ARP.
    heard_at = max(agent.deaf_until for agent in world.home_agents)
    world.clock.run_until(max(world.clock.now, world.stormed_until, heard_at))
    for mobile in world.mobiles:
        mobile.is_off_for_good = True
        mobile.power_off()
    world.disturb()
    world.clock.run_until(world.clock.now + world.parameters.idle + AFTERMATH)
    invariants.check_end()
    invariants.check_growth()


def random_run(seed: int, seconds: float, is_crowded: bool = False) -> tuple[Parameters, list[Fault]]:
    """The world and the history that a seed stands for; every third one is that of a cluster.

    ``is_crowded``: a world and a history of the same shape, with many more mobiles, and switches that lack nothing.
    Nothing goes wrong after the end: what is left then is looked for as long as sessions live that were in use.
    """
    parameters, history = _random_run(seed, seconds, is_crowded)
    return parameters, sorted((fault for fault in history if fault.at < seconds), key=lambda fault: fault.at)


def _random_run(seed: int, seconds: float, is_crowded: bool) -> tuple[Parameters, list[Fault]]:
    random = Random(seed)
    is_cluster = seed % CLUSTER_PERIOD == 0
    parameters = random_parameters(random)
    if is_cluster:
        parameters = random_cluster(parameters, random)
    if not is_crowded:
        parameters = random_variety(parameters)
    if not is_crowded and FIRST_ODD_SEED <= seed < FIRST_RIVAL_SEED:
        parameters = with_odd_switches(parameters)
    if not is_crowded and seed >= FIRST_VLAN_SEED:
        parameters = with_vlans(parameters)
    history = (random_cluster_history if is_cluster else random_history)(parameters, seconds, random)
    if is_crowded:
        return random_crowd(parameters, Random(f"{seed} crowd")), history
    history += [Fault(*each) for each in random_odd_faults(parameters, seconds)]
    if FIRST_RIVAL_SEED <= seed < FIRST_VLAN_SEED:
        history += [Fault(*each) for each in random_rivals(parameters, seconds)]
    if seed >= FIRST_VLAN_SEED:
        history += [Fault(*each) for each in random_thefts(parameters, seconds)]
    if not parameters.reports_rules:
        history = [fault for fault in history if fault.kind not in RULE_FAULTS]
    return parameters, history
