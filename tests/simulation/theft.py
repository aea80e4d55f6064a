"""A home agent's address is stolen for a while, and what may follow from that (docs/security.md)."""

from __future__ import annotations

from math import inf

from simulation.parameters import BYSTANDERS
from simulation.settling import SETTLE_TIME
from simulation.thief import Thief
from simulation.world import World

#: Seconds between two claims of a thief, and between two looks whether it may succeed.
CLAIM_INTERVAL, LOOK_INTERVAL = 5.0, 1.0
#: Seconds until a home agent is found again whose thief is gone.
RETURN_TIMEOUT = 15.0


class Theft:
    """A thief behind the port of another node.

    It gets requests only where it is in the VLAN of a home agent that does not answer ARP, or if the balancer looks for
    that anew meanwhile. While that may be so, the home agent counts as robbed.
    """

    def __init__(self, world: World, port: int, number: int) -> None:
        self._world = world
        self._port = port
        self._agent, self._agent_port = world.home_agents[number], number + 1
        #: Whether its answers are believed at all.
        self._is_beside = world.parameters.may_claim(port, self._agent_port)
        self._thief = Thief(self._agent.address, world.cabling.inlet(port), world.excuse)
        self._began_at, self._ends_at = world.clock.now, inf
        self._may_succeed = self._is_beside and self._is_silent()

    def begin(self, seconds: float) -> None:
        """Steal the address for so long."""
        self._ends_at = self._began_at + seconds
        self._world.cabling.add_thief(self._port, self._thief)
        self._claim()
        self._look()
        self._world.clock.after(seconds, self._end)

    def _end(self) -> None:
        self._thief.is_there = False

    def _claim(self) -> None:
        if self._world.clock.now < self._ends_at:
            self._agent.claimed_at = self._world.clock.now
            self._thief.claim()
            self._world.clock.after(CLAIM_INTERVAL, self._claim)

    def _look(self) -> None:
        """Note that the home agent is robbed, as long as it may be, and for a while behind."""
        world, agent = self._world, self._agent
        changed_at = max(
            *(agent.disturbed_at, world.disturbed_at, world.plundered_at),
            *(world.trunk_changed_at, world.weather_changed_at),
        )
        self._may_succeed |= self._is_beside and changed_at > self._began_at - SETTLE_TIME
        if self._may_succeed:
            agent.robbed_at = world.clock.now
        if world.clock.now < self._ends_at + RETURN_TIMEOUT:
            world.clock.after(LOOK_INTERVAL, self._look)
        elif self._may_succeed:
            agent.disturbed_at = world.clock.now

    def _is_silent(self) -> bool:
        """Whether the home agent answers no ARP now, at some switch."""
        world, agent = self._world, self._agent
        return (
            agent.answers_no_arp(world.clock.now)
            or not world.cabling.is_link_up(self._agent_port)
            or not world.cabling.is_joined(*BYSTANDERS)
            or not world.weather.is_fair
        )
