"""What the acting balancer believes about its real servers, looked at once a second."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Drain
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from simulation.world import World

#: Seconds between two looks, and looks that are remembered.
LOOK_INTERVAL, MAX_LOOKS = 1.0, 60
_OVERLOAD = (DropReason.OVERLOAD, DropReason.OVERLOAD_NEW_MOBILE, DropReason.SESSION_LIMIT)


class Belief(NamedTuple):
    """What the balancer believes about one real server. ``failed_at`` tells two failures apart.

    ``disturbed_at`` is that of its home agent: between two looks its link may have been down, and it was unreachable.
    """

    health: Health
    reachable_from: frozenset[int]
    keeps_sessions: bool
    is_open: bool
    failed_at: float
    disturbed_at: float

    def may_serve(self, datapath_id: int) -> bool:
        """Whether new sessions of a switch may go there, as docs/states.md has it."""
        return self.is_open and self.health is Health.OPERATIONAL and datapath_id in self.reachable_from

    def is_lost_to(self, datapath_id: int) -> bool:
        """Whether a session must leave it with its next request at this switch."""
        has_failed = self.health in (Health.FAILED, Health.PROBE_FAILED)
        return has_failed or datapath_id not in self.reachable_from or not self.keeps_sessions


class Look(NamedTuple):
    """The beliefs of one moment, by address.

    ``reading`` are the switches whose rules of an earlier run are being read, ``recovering`` those, and others on which
    such rules are pending. ``overloads`` counts requests that the balancer has dropped for want of room, and what
    meters have dropped.
    """

    at: float
    balancer: Balancer
    served: frozenset[int]
    reading: frozenset[int]
    recovering: frozenset[int]
    beliefs: dict[bytes, Belief]
    overloads: int


class RealWatch:
    """The last looks. A belief counts where the look before and the one behind agree."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._agents = {each.address: each for each in world.home_agents}
        self._looks: deque[Optional[Look]] = deque(maxlen=MAX_LOOKS)
        #: The last pair that was asked for, if no look can be between the two.
        self._last: Optional[tuple[Look, Look]] = None
        world.clock.after(LOOK_INTERVAL, self._look)

    def around(self, at: float) -> Optional[tuple[Look, Look]]:
        """The looks before and behind a time; None where a balancer did not act all the time."""
        last = self._last
        if last is None or not last[0].at <= at < last[1].at - LOOK_INTERVAL / 10:
            last = self._find(at)
            is_adjacent = last is not None and last[1].at - last[0].at < 1.5 * LOOK_INTERVAL
            self._last = last if is_adjacent else None
        return last

    def _find(self, at: float) -> Optional[tuple[Look, Look]]:
        before = after = None
        for look in self._looks:
            if look is None:
                before = after = None
            elif look.at <= at:
                before, after = look, None
            elif after is None and look.at > at + LOOK_INTERVAL / 10:
                after = look
        if before is None or after is None or before.balancer is not after.balancer:
            return None
        return (before, after) if after.at - before.at < 2.5 * LOOK_INTERVAL else None

    def _look(self) -> None:
        world = self._world
        controller = world.controller
        self._looks.append(None)
        if controller.is_acting and not controller.is_retired:
            served = frozenset(each.datapath_id for each in world.switches if controller.serves(each))
            balancer = controller.balancer
            farm = balancer.farms["HAFARM"]
            beliefs = {
                real.packed_address: Belief(
                    real.health,
                    frozenset(real.reachable_from),
                    self._keeps_sessions(real),
                    real.in_service and real.weight > 0,
                    real.failed_at,
                    self._agents[real.packed_address].disturbed_at,
                )
                for real in farm.reals
            }
            recoveries = {each: controller.fleet.switches[each].unrecovered.recovery for each in served}
            reading = frozenset(each for each in served if not recoveries[each].is_complete)
            recovering = frozenset(each for each in served if not recoveries[each].is_over)
            overloads = self._overloads(balancer)
            self._looks[-1] = Look(world.clock.now, balancer, served, reading, recovering, beliefs, overloads)
        world.clock.after(LOOK_INTERVAL, self._look)

    def _keeps_sessions(self, real: RealServer) -> bool:
        """Whether the configuration has this real server, and its sessions may stay there."""
        configured = self._world.controller.configuration.farms["HAFARM"].reals
        drains = [each.drain for each in configured if each.address.packed == real.packed_address]
        return bool(drains) and Drain.MOVE not in drains

    def _overloads(self, balancer: Balancer) -> int:
        meters = [meter for switch in self._world.switches for meter in switch.datapath.meters.values()]
        drops = balancer.statistics.drops
        return sum(drops[each] for each in _OVERLOAD) + sum(each.dropped for each in meters)
