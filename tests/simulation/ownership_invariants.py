"""What is whose at a switch: rules of others stay, and a balancer that is retired leaves none of its own."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK
from simulation.settling import SETTLE_TIME
from simulation.switch import SimulatedSwitch
from simulation.violation import ViolationError
from simulation.world import World


class OwnershipInvariants:
    """Checks what each switch holds, also while no controller serves it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self) -> None:
        """Raises :class:`ViolationError`."""
        world = self._world
        for switch, flow, at in world.foreign_rules:
            is_there = any(each is flow for table in switch.datapath.tables_with_rules() for each in table[1])
            if not is_there and at > world.plundered_at:
                raise ViolationError("rules of others stay", f"that with cookie {flow.cookie:x} is gone")
        if self._is_retired():
            for switch in world.switches:
                for cookie in self._left(switch):
                    what = f"switch {switch.datapath_id} has one with cookie {cookie:016x}"
                    raise ViolationError("a balancer that is retired leaves no rule", what)

    def _is_retired(self) -> bool:
        """Whether the only balancer has been retired for a while, at switches that it reaches."""
        world = self._world
        controller = world.controller
        return (
            len(world.controllers) == 1
            and controller.is_running
            and controller.is_retired
            and world.clock.now > max(world.disturbed_at, world.plundered_at, world.orphaned_at) + SETTLE_TIME
            and all(switch.datapath_id in controller.transports for switch in world.switches)
            and world.parameters.normal == "works"
        )

    @staticmethod
    def _left(switch: SimulatedSwitch) -> Iterator[int]:
        for _, table in switch.datapath.tables_with_rules():
            for flow in table:
                if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK and flow.priority:  # NORMAL stays, with 0
                    yield flow.cookie
