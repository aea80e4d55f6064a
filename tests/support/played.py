"""Worlds of the simulator that have run for a while, and faults that many histories have."""

from __future__ import annotations

from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.world import World

CONTROLLER_CRASHES = [Fault(100.0, "controller is killed"), Fault(102.0, "controller starts")]
SWITCH_RESTARTS = [Fault(100.0, "switch restarts", (0,))]
SESSION_RULES_ARE_DELETED = [Fault(100.0, "flows are deleted", ("session rules",))]
CONNECTION_BREAKS = [
    Fault(100.0, "control connection breaks", (0, 0)),
    Fault(130.0, "control connection mends", (0, 0)),
]
HOME_AGENT_DIES = [Fault(100.0, "home agent dies", (1,))]


def run(world: World, seconds: float) -> None:
    """Let time pass."""
    world.clock.run_until(world.clock.now + seconds)


def world_after(parameters: Parameters, seconds: float) -> World:
    """A world that has started, and run for so long."""
    world = World(parameters)
    world.start()
    run(world, seconds)
    return world


def crash_controller(world: World) -> None:
    """Kill the controller, and start it anew in the same moment."""
    for what in ("controller is killed", "controller starts"):
        Fault(0.0, what).strike(world)
