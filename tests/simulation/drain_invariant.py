"""A drained home agent gets no new mobile: none without a session or a binding there (docs/configuration.md)."""

from __future__ import annotations

from typing import NamedTuple

from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds that a request may be under way to a home agent when its drain is seen.
UNDER_WAY = 5.0


class _Seen(NamedTuple):
    """A drain as it was seen first: when, at which balancer, and the NAIs that belong to the home agent."""

    at: float
    balancer: Balancer
    held: frozenset[bytes]


class DrainInvariant:
    """Watches the home agents that the acting balancer drains."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[int, _Seen] = {}

    def check(self) -> None:
        """Raises :class:`ViolationError`. While a balancer has sessions of which it has no NAI, nothing is judged."""
        world, balancer = self._world, self._world.controller.balancer
        for number, agent in enumerate(world.home_agents):
            real = next(iter(balancer.farms["HAFARM"].at(agent.address)), None)
            is_drained = real is not None and real.configuration.drain is not None
            if real is None or not is_drained or any(session.is_recovered for session in balancer.sessions):
                self._seen.pop(number, None)
                continue
            seen = self._seen.get(number)
            if seen is None or seen.balancer is not balancer or seen.at < world.disturbed_at:
                self._seen[number] = _Seen(world.clock.now, balancer, self._held_by(real, number))
                continue
            began = seen.at + UNDER_WAY
            new = [nai for nai, at in agent.newly_bound.items() if at > began and nai not in seen.held]
            if new:
                what = f"{agent.name} has bound {new[0].decode('latin-1')} since it is drained"
                raise ViolationError("a drained home agent gets no new mobile", what)

    def _held_by(self, real: RealServer, number: int) -> frozenset[bytes]:
        sessions = self._world.controller.balancer.sessions
        bound = self._world.home_agents[number].bindings
        return frozenset([*(each.identity[1:] for each in sessions if each.real is real), *bound])
