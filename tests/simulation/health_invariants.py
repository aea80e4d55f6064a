"""Real servers fail, are tested, return and are weighted as docs/states.md says: each change by itself."""

from __future__ import annotations

from math import inf
from typing import NamedTuple, Optional

from ryu_haslb.cluster.sharing import INHERITED_WEIGHT_TIMEOUT
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from simulation.dfp import MEASURE_INTERVAL
from simulation.home_agent import HomeAgent, Mood
from simulation.member import MemberController
from simulation.settling import CHECK_INTERVAL, SETTLE_TIME
from simulation.violation import ViolationError
from simulation.world import World

#: A reply within so many seconds before a failure shows that the home agent lives, but for the last moment: it may have
#: been under way. Replies were looked for in all that time (docs/states.md, "Before a real server fails").
LIVES_SINCE, UNDER_WAY = 1.0, 0.05
#: The same where it was asked seldom.
MIN_SILENCE, MAX_SILENCE, PAUSE_FACTOR, PAUSE_DECAY, REPLY_MEMORY = 5.0, 30.0, 4.0, 0.95, 60.0
#: Seconds until switches look for replies.
WATCH_INTERVAL = 1.5
#: Seconds that a test takes, with the request before it.
TEST_TIME = 20.0
_AWAITS_TEST = (Health.FAILED, Health.READY_TO_TEST, Health.TESTING)


class _Seen(NamedTuple):
    """A real server at the last check."""

    balancer: Balancer
    health: Health
    failed_at: float


class HealthInvariants:
    """Compares each real server of the acting balancer with what it was five seconds ago."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[int, _Seen] = {}

    def check(self) -> None:
        """Raises :class:`ViolationError`."""
        world = self._world
        if not world.controller.is_acting or world.controller.is_retired:
            self._seen.clear()
            return
        balancer = world.controller.balancer
        seen = dict(self._seen)
        for number, agent in enumerate(world.home_agents):
            real = next(iter(balancer.farms["HAFARM"].at(agent.address)), None)
            before = self._seen.pop(number, None)
            if real is None:
                continue
            self._seen[number] = _Seen(balancer, real.health, real.failed_at)
            self._it_is_tested_in_time(real, agent)
            self._it_has_its_weight(number, real)
            if before is not None and before.balancer is balancer and world.weather.is_fair:
                self._one_that_answers_is_not_failed(number, real, before)
                self._one_that_is_silent_does_not_return(real, agent, before)
                if real.health is Health.FAILED and before.health is Health.OPERATIONAL:
                    self._another_one_serves(number, seen)

    def _one_that_answers_is_not_failed(self, number: int, real: RealServer, before: _Seen) -> None:
        """Where its replies pass a switch that can copy them, and no fault has changed its rules."""
        world, agent = self._world, self._world.home_agents[number]
        is_failed = before.health is Health.OPERATIONAL and real.failed_at > before.failed_at
        may_be_probe = real.health is not Health.FAILED and world.parameters.probe is not None
        if (
            not is_failed
            or may_be_probe
            or not world.parameters.shows_replies
            or not world.cabling.is_link_up(number + 1)
        ):
            return
        disturbed = max(world.plundered_at, world.disturbed_at, world.weather_changed_at, world.trunk_changed_at)
        if max(disturbed, agent.unsettled_at) > real.failed_at - SETTLE_TIME:
            return
        silence = real.failed_at - max((at for at in agent.replied_at if at < real.failed_at - UNDER_WAY), default=-inf)
        needed = max(LIVES_SINCE, self._needed_silence(real, agent) - LIVES_SINCE)
        if silence < needed:
            what = f"{agent.name} has replied {silence:.2f} s before; {needed:.2f} s of silence are needed"
            raise ViolationError("a home agent that still replies is not failed", what)

    @staticmethod
    def _needed_silence(real: RealServer, agent: HomeAgent) -> float:
        """Four times the longest of the recent pauses between replies that were looked for."""
        since = real.doubt.since
        if since is None or not agent.has_replied(since + WATCH_INTERVAL, real.failed_at - UNDER_WAY):
            return 0.0
        seen = [at for at in agent.replied_at if since + WATCH_INTERVAL < at < real.failed_at]
        longest = 0.0
        for before, at in zip(seen, seen[1:]):
            pause = at - before
            longest = max(longest * PAUSE_DECAY, pause if pause <= REPLY_MEMORY else 0.0)
        return min(max(MIN_SILENCE, PAUSE_FACTOR * longest), MAX_SILENCE)

    def _one_that_is_silent_does_not_return(self, real: RealServer, agent: HomeAgent, before: _Seen) -> None:
        """No test succeeds there; only DFP may say otherwise."""
        world = self._world
        has_returned = before.health in _AWAITS_TEST and real.health is Health.OPERATIONAL
        since = max(agent.unsettled_at, world.witness.interrupted_at, world.disturbed_at, world.weather_changed_at)
        is_undisturbed = since < world.clock.now - CHECK_INTERVAL - TEST_TIME
        if has_returned and agent.mood is not Mood.WELL and is_undisturbed and not world.parameters.dfp:
            raise ViolationError("a silent home agent does not return", f"{agent.name} ({agent.mood.value})")

    def _another_one_serves(self, failed: int, seen: dict[int, _Seen]) -> None:
        """Where one has failed: the last one of a farm is demoted. ``seen`` are those of the last check, by number."""
        world = self._world
        for number, agent in enumerate(world.home_agents):
            before = seen.get(number)
            real = next(iter(world.controller.balancer.farms["HAFARM"].at(agent.address)), None)
            if number == failed or real is None or before is None:
                continue
            if Health.OPERATIONAL in (real.health, before.health) or real.failed_at != before.failed_at:
                return
        name = world.home_agents[failed].name
        raise ViolationError("the last home agent that serves is not failed", f"{name} is, and no other one serves")

    def _it_is_tested_in_time(self, real: RealServer, agent: HomeAgent) -> None:
        retry = real.configuration.retry
        if real.health is Health.FAILED and retry and self._world.clock.now > real.failed_at + retry + 1.0:
            silence = self._world.clock.now - real.failed_at
            raise ViolationError("a failed home agent is tested", f"{agent.name} has failed {silence:.0f} s ago")

    def _it_has_its_weight(self, number: int, real: RealServer) -> None:
        """That of its agent's last report, or its own where the agent has ended; none while it is drained."""
        world = self._world
        agent = world.dfp_agents[number]
        disturbed = max(world.disturbed_at, agent.home_agent.disturbed_at, world.weather_changed_at)
        if disturbed > world.clock.now - SETTLE_TIME - MEASURE_INTERVAL:
            return
        wanted = self._weights(number, real)
        if wanted is not None and real.weight not in wanted:
            what = f"{agent.home_agent.name} has weight {real.weight}, and not {' or '.join(map(str, wanted))}"
            raise ViolationError("a real server has the weight of its agent", what)

    def _weights(self, number: int, real: RealServer) -> Optional[tuple[int, ...]]:
        """What its weight may be; None: not known. A report may be under way."""
        world = self._world
        agent = world.dfp_agents[number]
        reals = world.controller.configuration.farms["HAFARM"].reals
        configured = next((each for each in reals if each.address == real.configuration.address), None)
        if configured is None:
            return None
        if configured.drain is not None:
            return (0,)
        if not world.parameters.dfp or not agent.is_running:
            return None if self._inherits_weights() else (configured.weight,)
        links = (
            each for each in world.controller.dfp.links if each.connection.agent.address == real.configuration.address
        )
        link = next(links, None)
        if link is None or not agent.is_reachable or not world.cabling.is_link_up(number + 1):
            return None
        return agent.weight, agent.weight_before

    def _inherits_weights(self) -> bool:
        """Whether a new leader still goes by what agents have reported to the one before (docs/cluster.md)."""
        controller, now = self._world.controller, self._world.clock.now
        lead = controller.member.lead if isinstance(controller, MemberController) else None
        return lead is not None and now < lead.at + INHERITED_WEIGHT_TIMEOUT + MEASURE_INTERVAL
