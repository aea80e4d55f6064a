"""What must hold for each single request, so that a fault shows at once and not when a mobile has waited for minutes.

A request is judged a moment after it came, by what was seen on the wires and by what the acting balancer believed about
its real servers just before and just after (:mod:`simulation.real_watch`). Not judged are requests

* that name a home agent, or end a binding: they go where the binding is;
* that came while something was disturbed, by a fault or a stranger, or not yet settled (``world.disturb``,
  ``world.interrupt``, ``world.plundered_at``, the weather, a storm);
* that came while the balancer dropped others for want of room, or a meter did.
"""

from __future__ import annotations

from math import inf
from typing import Optional

from ryu_haslb.openflow.recovery.recovery import Status
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.session_tag import tag_of
from simulation.mobiles import MAX_BACKOFF, RETRY_TIME
from simulation.parameters import VIRTUALS
from simulation.real_watch import Look, RealWatch
from simulation.request_log import Entry
from simulation.settling import SETTLE_TIME
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds after which a request is judged.
JUDGED_AFTER = 3.0
#: Seconds between a mobile's request and the balancer's reading of it, at most, and how late a session may end.
DELAY, MAX_LATE = 0.1, 0.4
#: Seconds within which a further request is a premature repetition (docs/states.md, "No evidence").
PREMATURE = 0.95
#: Seconds within which a request that names no home agent goes on with an attempt that was retransmitted, also if half
#: of its lifetime is shorter (docs/states.md, "Abandoned attempts").
MAX_PAUSE = 120.0
#: Seconds after which nothing looks for replies any more.
LOOK_MEMORY = 55.0
#: Seconds after a reply of a home agent within which no session leaves it (docs/states.md, "Before a real server
#: fails").
MIN_SILENCE = 5.0
#: Seconds after which a home agent that answers no ARP is no longer reachable, at most (docs/states.md).
ARP_TIME = 2 * SETTLE_TIME
#: The same for one that has said that it is at another Ethernet address: the old one may be asked meanwhile.
MOVE_TIME = 2.0
#: Seconds until switches look for replies of a home agent.
LOOK_TIME = 0.5


class Place:
    """Where the requests of one mobile go. ``in_vain`` counts those that its home agent has not answered, in a row.

    ``pause`` is the longest time between two of these. ``retries`` counts what looks like a retransmission to one
    who sees no replies (docs/states.md, "Retry" and "Abandoned attempts"), and ``waited`` is the time before the last
    request, if that looked like one.
    """

    __slots__ = ("at", "home_agent", "in_vain", "last_at", "pause", "retries", "since", "waited", "waits_since")

    def __init__(self, home_agent: bytes, at: float, before: Optional[Place]) -> None:
        self.home_agent = home_agent
        #: When the session began here, when its last request came, and when the last one of any kind did.
        self.since = self.at = self.last_at = at
        self.in_vain = self.retries = 0
        self.pause = self.waited = 0.0
        if before is not None and before.looks_like_retry(at - before.at):
            self.waited = at - before.at  # it goes on to retransmit where it is now
        self.waits_since = inf

    def record(self, entry: Entry) -> None:
        """A further request was sent here."""
        waited = entry.at - self.at
        if entry.is_answered:
            self.in_vain, self.pause, self.waits_since = 0, 0.0, inf
        elif not self.in_vain or waited >= PREMATURE:
            self.pause = max(self.pause, waited) if self.in_vain else 0.0
            self.in_vain += 1
            self.waits_since = min(self.waits_since, entry.at)
        if waited >= PREMATURE:
            self.retries = self.retries + 1 if self.counts_as_retry(entry) else 0
            self.waited = waited if self.looks_like_retry(waited) else 0.0
        self.at = entry.at

    def counts_as_retry(self, entry: Entry) -> bool:
        """Whether a request looks like a retransmission, or like the first one behind an attempt that was given up."""
        waited = entry.at - self.at
        is_abandoned = self.retries and self.waited and entry.named is None
        return self.looks_like_retry(waited) or bool(is_abandoned and waited <= max(MAX_PAUSE, entry.lifetime / 2))

    def looks_like_retry(self, waited: float) -> bool:
        """Whether a request that comes so many seconds after the last one looks like its retransmission."""
        return PREMATURE <= waited < max(RETRY_TIME, MAX_BACKOFF * self.waited)


class RequestInvariants:
    """Judges the requests of a world's own mobiles."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began_at = world.clock.now
        self._watch = RealWatch(world)
        self._places: dict[bytes, Place] = {}
        #: The mobiles without a place whose last request named its home agent and was not answered.
        self._unplaced: set[bytes] = set()
        #: The home agents, and their ports, by address.
        self._agents = {each.address: each for each in world.home_agents}
        self._ports = {each.address: port for port, each in enumerate(world.home_agents, 1)}

    def check(self) -> None:
        """Raises :class:`ViolationError`."""
        world = self._world
        for entry in world.witness.log.take(world.clock.now - JUDGED_AFTER):
            self._judge(entry)
        self._sessions_live_as_long_as_their_idle_time()

    def _judge(self, entry: Entry) -> None:
        if entry.nai not in self._world.witness.mobiles:
            return  # somebody made it up
        place = self._places.get(entry.nai)
        if place is not None:
            place.last_at = entry.at
        if not entry.lifetime and place is not None:
            self._a_deregistration_goes_to_its_home_agent(entry, place)
        if entry.named is not None or not entry.lifetime:
            self._note_named(entry, place)
            return
        looks = self._watch.around(entry.at)
        if looks is not None and self._is_calm(entry.at, looks, entry.datapath_id):
            self._a_request_is_dispatched_where_it_can_be_served(entry, place, looks)
            if place is not None:
                self._a_mobile_keeps_its_home_agent(entry, place, looks)
                self._a_mobile_leaves_a_silent_home_agent(entry, place, looks)
        if entry.home_agent is None:
            return
        if place is None or place.home_agent != entry.home_agent:
            place = self._places[entry.nai] = Place(entry.home_agent, entry.at, place)
            if entry.nai in self._unplaced:  # it may have sent others there in vain
                place.since = -inf
        self._unplaced.discard(entry.nai)
        place.record(entry)
        if entry.is_answered and place.since == -inf:
            place.since = entry.at

    def _note_named(self, entry: Entry, place: Optional[Place]) -> None:
        """A request went where it says: that tells little about its session."""
        if not entry.lifetime:
            return
        if place is None:
            (self._unplaced.discard if entry.is_answered else self._unplaced.add)(entry.nai)
        elif entry.home_agent == place.home_agent:
            place.record(entry)
        else:
            del self._places[entry.nai]

    def _is_calm(self, at: float, looks: tuple[Look, Look], datapath_id: int) -> bool:
        world = self._world
        disturbed = max(world.disturbed_at, world.plundered_at, world.weather_changed_at, world.trunk_changed_at)
        disturbed = max(disturbed, self._began_at)  # a balancer that starts looks for sessions first
        before, after = looks
        return (
            at > max(disturbed, world.stormed_until) + SETTLE_TIME
            and world.weather.is_fair
            and datapath_id in before.served & after.served
            and before.overloads == after.overloads
        )

    def _a_request_is_dispatched_where_it_can_be_served(
        self, entry: Entry, place: Optional[Place], looks: tuple[Look, Look]
    ) -> None:
        """A mobile that leaves a home agent because of retries may be sent to one that has failed: the last resort."""
        before, after = looks
        switch, left = entry.datapath_id, None
        if place is not None and (place.in_vain > self._world.parameters.reassign or self._looks_silent(entry, place)):
            left = place.home_agent
        stable = {each: belief for each, belief in before.beliefs.items() if after.beliefs.get(each) == belief}
        able = [address for address, belief in stable.items() if belief.may_serve(switch) and address != left]
        if not able or (entry.home_agent is None and switch in before.reading | after.reading):
            return  # while rules are read, a request goes by the one that it may have (docs/states.md)
        name = entry.nai.decode("latin-1")
        others = ", ".join(map(_text, able))
        if entry.home_agent is None:
            what = f"that of {name} {_ago(self._world, entry)} was not, and {others} could serve"
            raise ViolationError("a request that a home agent can take is dispatched", what)
        if switch in before.recovering | after.recovering:
            return  # its rule may be pending, since its home agent was not found since the start (docs/states.md)
        is_removed = entry.home_agent not in before.beliefs and entry.home_agent not in after.beliefs
        belief = stable.get(entry.home_agent)
        silent_since = self._silent_since(entry)
        agent = self._agents[entry.home_agent]
        if agent.mac != entry.mac and agent.unsettled_at < entry.at - MOVE_TIME:
            raise ViolationError("a request goes to where its home agent is", f"{name} is sent to {entry.mac.hex(':')}")
        if silent_since < entry.at - ARP_TIME and able != [entry.home_agent]:
            what = f"{name} is sent to {_text(entry.home_agent)}, silent for {entry.at - silent_since:.0f} s"
            raise ViolationError("no request goes to a home agent that answers no ARP", what)
        if is_removed or (belief is not None and belief.is_lost_to(switch)):
            health = "out of the farm" if belief is None else belief
            what = f"{name} is sent to {_text(entry.home_agent)} ({health}); {others} could serve"
            raise ViolationError("a session leaves a home agent that cannot serve", what)

    def _silent_since(self, entry: Entry) -> float:
        """Since when the home agent that a request was sent to answers no ARP; a slow switch need not ask it."""
        world = self._world
        assert entry.home_agent is not None
        agent = self._agents[entry.home_agent]
        is_linked = world.cabling.is_link_up(self._ports[entry.home_agent])
        is_silent = agent.answers_no_arp(entry.at) or not is_linked
        is_slow = world.parameters.flow_mod_rate or world.parameters.stats_delay
        return max(agent.unsettled_at, agent.claimed_at) if is_silent and not is_slow else inf

    def _a_deregistration_goes_to_its_home_agent(self, entry: Entry, place: Place) -> None:
        """It goes where the last request of its mobile went, or where it says. It may be dropped (docs/states.md)."""
        if entry.home_agent in (None, place.home_agent, entry.named) or place.at < self._undisturbed_since():
            return
        assert entry.home_agent is not None
        what = f"{entry.nai.decode('latin-1')} was at {_text(place.home_agent)}"
        what = f"{what}, and its deregistration is sent to {_text(entry.home_agent)}"
        raise ViolationError("a deregistration goes to its home agent", what)

    def _a_mobile_keeps_its_home_agent(self, entry: Entry, place: Place, looks: tuple[Look, Look]) -> None:
        """As long as its session lives, unless that home agent is lost, or has left too many requests unanswered."""
        world = self._world
        before, after = looks
        belief = before.beliefs.get(place.home_agent)
        if (
            entry.home_agent in (None, place.home_agent)
            or entry.at - place.at > world.parameters.idle - DELAY
            or place.since < self._undisturbed_since()
            or self._may_leave(entry, place)
            or self._agents[place.home_agent].robbed_at > place.since
            or belief is None
            or belief != after.beliefs.get(place.home_agent)
            or not belief.may_serve(entry.datapath_id)
            or not belief.keeps_sessions
        ):
            return
        assert entry.home_agent is not None
        what = f"{entry.nai.decode('latin-1')} was at {_text(place.home_agent)} {entry.at - place.at:.1f} s before"
        raise ViolationError("a mobile keeps its home agent", f"{what}, and is sent to {_text(entry.home_agent)}")

    def _may_leave(self, entry: Entry, place: Place) -> bool:
        """Whether the mobile has had no answer too often, and its home agent has answered no other one meanwhile."""
        world = self._world
        if place.in_vain <= world.parameters.reassign:
            return self._looks_silent(entry, place)
        agent = self._agents[place.home_agent]
        since = max(place.at + LOOK_TIME, entry.at - MIN_SILENCE + DELAY)
        return not (world.parameters.shows_replies and agent.has_replied(since, entry.at - DELAY))

    def _looks_silent(self, entry: Entry, place: Place) -> bool:
        """Whether a balancer that sees no replies counts too many retransmissions at a mobile's home agent."""
        parameters = self._world.parameters
        has_given_up = place.retries >= parameters.reassign and place.counts_as_retry(entry)
        return has_given_up and not parameters.shows_replies

    def _a_mobile_leaves_a_silent_home_agent(self, entry: Entry, place: Place, looks: tuple[Look, Look]) -> None:
        """One request more than ``reassign`` allows where there was no time to look for replies of the home agent."""
        world = self._world
        before, after = looks
        is_slow = world.parameters.reassign == 1 or world.parameters.flow_mod_rate or world.parameters.habits
        allowed = world.parameters.reassign + 1 + bool(is_slow or place.pause > LOOK_MEMORY)
        agent = self._agents[place.home_agent]
        begins = place.waits_since - MIN_SILENCE
        if (
            entry.home_agent != place.home_agent
            or entry.is_answered
            or place.in_vain < allowed
            or self._may_be_test(place, looks)
            or entry.at - place.at < PREMATURE
            or place.waits_since < self._undisturbed_since() + SETTLE_TIME
            or agent.unsettled_at > begins
            or agent.has_replied(begins, entry.at)
        ):
            return
        able = [
            address
            for address, belief in before.beliefs.items()
            if address != place.home_agent
            and after.beliefs.get(address) == belief
            and belief.may_serve(entry.datapath_id)
        ]
        if able:
            what = f"{entry.nai.decode('latin-1')} has sent {place.in_vain + 1} requests to {agent.name} in vain"
            raise ViolationError("a mobile leaves a silent home agent", f"{what}; {_text(able[0])} could serve")

    @staticmethod
    def _may_be_test(place: Place, looks: tuple[Look, Look]) -> bool:
        """Whether its home agent awaited a test: the next request of a session is one, also of one that is there."""
        before, after = (look.beliefs.get(place.home_agent) for look in looks)
        if before is None or after is None:
            return False
        becomes_ready = before.health is Health.FAILED and after.health is Health.TESTING
        return becomes_ready or before.health is Health.READY_TO_TEST

    def _undisturbed_since(self) -> float:
        """Since when nothing has happened by which sessions may end, move, or count other retries."""
        world = self._world
        disturbed = max(world.disturbed_at, world.witness.interrupted_at, world.weather_changed_at)
        return max(disturbed, world.stormed_until) if world.weather.is_fair else inf

    def _sessions_live_as_long_as_their_idle_time(self) -> None:
        """Those of mobiles whose last request was long enough ago to be judged, and that sent none since."""
        world, now = self._world, self._world.clock.now
        parameters = world.parameters
        if not world.controller.is_acting or not world.controller.serves(world.switch) or not parameters.has_room:
            return
        since = self._undisturbed_since() + SETTLE_TIME
        sessions: Optional[dict[bytes, float]] = None
        for nai, place in list(self._places.items()):
            if place.last_at > now - JUDGED_AFTER or now - place.last_at > parameters.idle + 5 * SETTLE_TIME:
                if now - place.last_at > 2 * parameters.idle + 600.0:
                    del self._places[nai]
                continue
            mobile = world.witness.mobiles[nai]
            if place.since < since or mobile.sent_at > place.last_at + DELAY:
                continue
            if sessions is None:
                sessions = {each.identity[1:]: each.last_request for each in world.controller.balancer.sessions}
            idle, name = now - place.last_at, nai.decode("latin-1")
            if nai in sessions and idle > parameters.idle + MAX_LATE + bool(parameters.flow_mod_rate):
                raise ViolationError("a session ends with its idle time", f"that of {name} lives after {idle:.2f} s")
            if nai not in sessions and now - place.at < parameters.idle - DELAY and not self._is_pending(nai):
                what = f"that of {name} has ended within {now - place.at:.2f} s"
                raise ViolationError("a session lives as long as its idle time", what)

    def _is_pending(self, nai: bytes) -> bool:
        """Whether a rule of a mobile waits for its home agent to be found: that is its session (docs/states.md)."""
        controller = self._world.controller
        keys = list(controller.balancer.sessions.keys)
        tags = [tag_of(virtual.packed, b"\x01" + nai, key) for virtual in VIRTUALS for key in keys]
        recoveries = [each.unrecovered.recovery for each in controller.fleet.switches.values()]
        return any(each.status(tag) is Status.PENDING for each in recoveries for tag in tags)


def _text(address: bytes) -> str:
    return ".".join(map(str, address))


def _ago(world: World, entry: Entry) -> str:
    return f"{world.clock.now - entry.at:.1f} s ago"
