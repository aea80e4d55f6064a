"""Probes judge home agents rightly (docs/states.md, "Probes"): one that answers is not failed, a silent one is."""

from __future__ import annotations

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.probing import Target
from simulation.home_agent import HomeAgent, Mood
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds that ARP and the balancer have after a disturbance, beside the questions of the probe.
SETTLE_TIME = 40.0


class ProbeInvariant:
    """Watches the home agents that the acting balancer probes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began_at = world.clock.now

    def check(self) -> None:
        """Raises :class:`ViolationError`."""
        world = self._world
        if world.parameters.probe is None or not world.weather.is_fair or world.parameters.stats_delay:
            return
        for target in world.controller.balancer.probing.targets:
            number = next(
                each for each, agent in enumerate(world.home_agents) if agent.address == target.real.packed_address
            )
            if world.cabling.is_link_up(number + 1) and self._is_undisturbed(world.home_agents[number], target):
                self._check(world.home_agents[number], target)

    def _check(self, agent: HomeAgent, target: Target) -> None:
        health, kind = target.real.health, target.probe.kind
        answers = agent.mood is Mood.WELL and (kind is ProbeKind.PING or agent.denies)
        answers |= agent.mood is Mood.HUNG and kind is ProbeKind.PING
        what = f"{agent.name} is {health.value} ({agent.mood.value}, probe {kind.value} is {target.state.value})"
        if answers and (health is Health.PROBE_FAILED or target.real.failed_probes):
            raise ViolationError("no home agent that answers its probe is failed by it", what)
        is_asked = self._is_asked(target)
        if answers and is_asked and not target.has_answered:
            raise ViolationError("a home agent that answers its probe is seen to", what)
        is_silent = agent.mood is not Mood.WELL and not answers
        if is_silent and is_asked and target.is_proven and health is Health.OPERATIONAL:
            raise ViolationError("a home agent that leaves its probe unanswered is failed", what)

    def _is_asked(self, target: Target) -> bool:
        """Whether every switch that reaches the real server is served, and has time for questions."""
        world = self._world
        return (
            bool(target.real.reachable_from)
            and all(map(world.controller.is_connected, world.switches))
            and world.stormed_until + self._needed(target) < world.clock.now
            and not world.parameters.flow_mod_rate
        )

    def _is_undisturbed(self, agent: HomeAgent, target: Target) -> bool:
        world = self._world
        disturbed = max(
            *(agent.unsettled_at, agent.deaf_until, world.disturbed_at, world.weather_changed_at, world.plundered_at),
            *(world.trunk_changed_at, world.faulted_at, self._began_at),
        )
        return world.clock.now > disturbed + self._needed(target)

    @staticmethod
    def _needed(target: Target) -> float:
        return SETTLE_TIME + (target.probe.faildetect + 2) * target.probe.interval
