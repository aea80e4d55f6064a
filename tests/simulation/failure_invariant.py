"""A home agent that serves is not taken out, and a silent one is failed (docs/states.md, "A real server")."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Optional

from ryu_haslb.slb.doubt import MAX_SILENCE, WATCH_INTERVAL
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from simulation.home_agent import Mood
from simulation.settling import CHECK_INTERVAL, SETTLE_TIME
from simulation.violation import ViolationError
from simulation.world import World


class FailureInvariant:
    """Watches which home agents fail. ``patience`` returns the seconds within which a mobile must be registered."""

    def __init__(self, world: World, patience: Callable[[], float]) -> None:
        self._world = world
        self._patience = patience
        #: By home agent: when it was last seen failed, demoted, or under test.
        self._failed_until: dict[int, float] = {}

    def check(self) -> None:
        """Raises :class:`ViolationError`."""
        self._no_home_agent_that_serves_is_taken_out()
        self._silent_home_agents_are_failed()

    def _no_home_agent_that_serves_is_taken_out(self) -> None:
        """One that answers any mobile is not failed by what strangers send; one that is failed returns when it answers.

        Where forged requests are discarded in silence and no other request comes, a home agent looks dead.
        """
        world = self._world
        for number, agent in enumerate(world.home_agents):
            reals = world.controller.balancer.farms["HAFARM"].at(agent.address)
            real = next((real for real in reals if real.health is Health.FAILED), None)
            if real is None or agent.mood is not Mood.WELL:
                continue
            disturbed = max(agent.unsettled_at, world.disturbed_at, world.weather_changed_at)
            well_before = real.failed_at - disturbed > self._patience()
            are_enough_ignored = len(agent.discarded_at) >= world.parameters.numconns
            may_look_dead = real.failed_at < world.stormed_until + self._patience() or are_enough_ignored
            looks_dead = may_look_dead and not (
                self._sees_replies(real) and agent.has_replied(real.failed_at - WATCH_INTERVAL, real.failed_at)
            )
            if well_before and world.weather.is_fair and world.cabling.is_link_up(number + 1) and not looks_dead:
                raise ViolationError("no home agent that serves is taken out", f"{agent.name} is FAILED and well")
            returned = agent.has_replied(max(real.failed_at, disturbed) + SETTLE_TIME, world.clock.now - 1.0)
            if returned and world.weather.is_fair and self._sees_replies(real):
                raise ViolationError("no home agent that serves is taken out", f"{agent.name} answers and stays FAILED")

    def _sees_replies(self, real: RealServer) -> bool:
        """Whether all switches have copied the replies of a real server since the last disturbance."""
        world = self._world
        begins = [real.doubt.watched_from.get(each) for each in real.reachable_from]
        since = max((inf if each is None else each for each in begins), default=inf)
        return max(since, world.plundered_at + SETTLE_TIME) < world.clock.now - SETTLE_TIME

    def _silent_home_agents_are_failed(self) -> None:
        """One that has left ``numconns`` mobiles without an answer is FAILED; the last of a farm is DEMOTED.

        Where switches copy replies, it fails only when a further mobile has asked twice in vain meanwhile.
        """
        world = self._world
        for number, agent in enumerate(world.home_agents):
            real = next(iter(world.controller.balancer.farms["HAFARM"].at(agent.address)), None)
            if real is None or real.health is not Health.OPERATIONAL:
                self._failed_until[number] = world.clock.now
                continue
            # Votes that began earlier may be forgotten. A failure between two checks shows in failed_at alone.
            failed_until = max(real.failed_at, self._failed_until.get(number, 0.0)) + CHECK_INTERVAL
            undisturbed_since = max(agent.unsettled_at, world.witness.interrupted_at, world.disturbed_at + SETTLE_TIME)
            voted_at = self._enough_votes_at(number, max(undisturbed_since, failed_until))
            if voted_at is None or not world.weather.is_fair or not world.cabling.is_link_up(number + 1):
                continue
            sent_at, repeated_at = world.witness.asked_in_vain.get(number, (0.0, 0.0))
            is_asked = sent_at > voted_at + MAX_SILENCE and repeated_at < world.clock.now - 1.0
            if agent.mood is Mood.HUNG and is_asked:
                silence = world.clock.now - voted_at
                what = f"{agent.name} has had enough votes against it for {silence:.0f} s and is OPERATIONAL"
                raise ViolationError("a silent home agent is failed", what)

    def _enough_votes_at(self, number: int, since: float) -> Optional[float]:
        """When the votes against a home agent that began after a time had become enough to fail it; None: not yet."""
        parameters = self._world.parameters
        needed_clients = min(parameters.numclients, len(self._world.pdsns))
        mobiles: set[bytes] = set()
        clients: set[str] = set()
        for vote in self._world.witness.votes:
            if vote.home_agent == number and vote.began_at > since:
                mobiles.add(vote.nai)
                clients.add(vote.client)
                if len(mobiles) >= parameters.numconns and len(clients) >= needed_clients:
                    return vote.at
        return None
