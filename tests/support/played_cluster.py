"""A cluster in the simulator, and histories of it."""

from __future__ import annotations

from typing import Any

from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.world import World

CLUSTER = Parameters(
    seed=5, mobiles=40, controllers=2, is_cluster=True, switches=2, idle=60, lifetime=60, arrivals=150.0
)
#: A fault without its time.
Step = tuple[str, tuple[Any, ...]]
EVERY_SERVER = (0, 1, 2)


def history(*steps: Step, at: float = 80.0, pause: float = 30.0) -> list[Fault]:
    """These steps, one after the other."""
    return [Fault(at + number * pause, kind, arguments) for number, (kind, arguments) in enumerate(steps)]


def leaders(world: World) -> list[str]:
    """The members that lead, as far as they know."""
    return [each.name for each in world.members if each.is_running and each.member.is_leading]
