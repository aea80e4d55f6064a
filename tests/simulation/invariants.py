"""The invariants: what must hold at every moment, under every fault. A violation names its invariant and objects."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.dfp.agent_connection import State as DfpState
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS, tag_of
from simulation.drain_invariant import DrainInvariant
from simulation.failure_invariant import FailureInvariant
from simulation.home_agent import ROBBED_TIME, Mood
from simulation.mobiles import ARP_TIMEOUT, PAUSE, State
from simulation.openflow import ROLE_MASTER
from simulation.parameters import BYSTANDERS
from simulation.probe_invariant import ProbeInvariant
from simulation.restarts import session_rules
from simulation.rule_invariant import RuleInvariant
from simulation.settling import CHECK_INTERVAL, SETTLE_TIME
from simulation.state import container_sizes
from simulation.violation import ViolationError
from simulation.world import UPSET_TIME, World, mac_of

#: Entries that a container of the balancer may have when all mobiles are gone. Memories of clients end at 1,000.
MAX_REMEMBERED = 2000
_SESSIONS = 1
#: Faults after a restart by which no session may be lost.
_HARMLESS_FAULTS = frozenset(
    {
        "home agent hangs",
        "home agent dies",
        "home agent returns",
        "home agent answers no ARP",
        "link",
        "controller starts",
    }
)


class Invariants:
    """Checks a world again and again; what has to last is remembered between checks."""

    def __init__(self, world: World) -> None:
        self._world = world
        #: The counters at the last calm moment, and when that was.
        self._counted: Optional[tuple[int, ...]] = None
        self._counted_at = 0.0
        self._strangers_seen = 0
        self._bystanders = (0.0, 0, 0)
        self._timeouts: dict[object, tuple[float, int]] = {}
        self._failures = FailureInvariant(world, self.patience)
        self._rules = RuleInvariant(world)
        self._drains = DrainInvariant(world)
        self._probes = ProbeInvariant(world)

    def check(self) -> None:
        """Raises :class:`ViolationError` if anything does not hold now."""
        world = self._world
        self._every_mobile_is_served()
        self._no_mobile_is_bound_twice()
        self._traffic_of_others_passes()
        self._one_balancer_acts()
        self._a_stop_leaves_the_rules()
        if not world.controller.is_acting or world.controller.is_retired:
            self._counted = None
            return
        self._drains.check()
        self._probes.check()
        self._failures.check()
        statistics = world.controller.balancer.statistics
        if statistics.requests != statistics.dispatched + statistics.dropped:
            raise ViolationError("every request is counted once", f"{statistics.requests} requests, {statistics}")
        self._dfp_agents_that_report_stay_connected()
        self._sessions_survive_a_restart()
        self._session_rules_live_as_long_as_sessions()
        if self._is_calm():
            world.served_until = world.clock.now
            if self._has_met_strangers():  # their requests come from no wire
                self._counted = None
            else:
                self._counters_are_true()
            self._rules.check()

    def check_end(self) -> None:
        """Raises :class:`ViolationError` if something is left although all mobiles have been off for long enough."""
        world = self._world
        sessions = world.controller.balancer.sessions
        if len(sessions):
            raise ViolationError("nothing is left", f"{len(sessions)} sessions")
        for switch in world.switches if world.parameters.reports_rules else ():
            flows = [
                flow
                for table in switch.datapath.tables[_SESSIONS : _SESSIONS + 1]
                for flow in table
                if flow.cookie >> COOKIE_MARK_BITS > 0xFFFF
            ]
            if flows:
                raise ViolationError("nothing is left", f"{len(flows)} session rules at switch {switch.datapath_id}")

    def check_growth(self) -> None:
        """Raises :class:`ViolationError` if the balancer remembers more than a bounded number of things at the end."""
        controller = self._world.controller
        for name in ("balancer", "fleet", "dfp"):
            for path, size in container_sizes(getattr(controller, name), name):
                if size > MAX_REMEMBERED:
                    raise ViolationError("state does not grow", f"{path} has {size} entries")

    def check_shares(self) -> None:
        """Raises :class:`ViolationError` if round robin has not shared new sessions by the weights."""
        parameters = self._world.parameters
        statistics = self._world.controller.balancer.statistics
        has_ended = statistics.timeouts or statistics.reassignments
        if parameters.maxconns is not None or parameters.dfp or (parameters.leastconns and has_ended):
            return
        reals = self._world.controller.balancer.farms["HAFARM"].reals
        total, weights = sum(real.total_sessions for real in reals), sum(real.weight for real in reals)
        for real in reals:
            share = total * real.weight / weights
            if abs(real.total_sessions - share) > max(each.weight for each in reals):
                what = f"{real.configuration.address} had {real.total_sessions} of {total} sessions"
                raise ViolationError("shares equal weights", f"{what}; expected {share:.0f}")

    def patience(self) -> float:
        """Seconds within which a mobile must be registered: two attempts for each home agent that may be silent."""
        world = self._world
        attempt = self._attempt_time()
        silent = sum(not self._is_usable(number) for number in range(len(world.home_agents)))
        is_sure = world.weather.is_fair and all(agent.answers_every == 1 for agent in world.home_agents)
        tries = (2 if is_sure else 8) * (silent + 1)
        return tries * attempt + 20.0

    def _attempt_time(self) -> float:
        """Seconds from one attempt of a mobile to the next, at most."""
        return 2.0 ** (self._world.parameters.retransmissions + 1) + PAUSE[1]

    def _one_balancer_acts(self) -> None:
        world = self._world
        if world.counts.repeated:
            what = f"{world.counts.repeated} requests were dispatched more often than they came"
            raise ViolationError("each request is dispatched once", what)
        rules_change_at = max(world.disturbed_at, world.plundered_at)
        if world.parameters.bundles and world.witness.returned_at > rules_change_at + SETTLE_TIME:
            raise ViolationError("each request is dispatched once", "switches do not pass on what others dispatch")
        for switch in world.switches:
            masters = [connection for connection in switch.connections if connection.role == ROLE_MASTER]
            if len(masters) > 1:
                raise ViolationError("one balancer acts", f"{len(masters)} are master of switch {switch.datapath_id}")

    def _every_mobile_is_served(self) -> None:
        world, now = self._world, self._world.clock.now
        patience = self.patience()
        if now - world.disturbed_at < patience or not world.controller.is_acting or world.weather.loss > 0.1:
            return
        if now - max(world.weather_changed_at, *(agent.disturbed_at for agent in world.home_agents)) < patience:
            return
        agents = self._agents_for_pdsns()
        for mobile in world.mobiles:
            since = mobile.seeking_since
            if since is not None and now - since > patience and agents[mobile.pdsn.name]:
                if any(agent.holds(mobile.nai, now - self._attempt_time()) for agent in world.home_agents):
                    continue
                what = f"{mobile.nai.decode()} seeks a binding for {now - since:.0f} s ({mobile.state.value})"
                others = f"{agents[mobile.pdsn.name]} home agents could take it"
                raise ViolationError("every mobile is served", f"{what}; {others}")

    def _agents_for_pdsns(self) -> dict[str, int]:
        """How many home agents each PDSN must be able to reach: the balancer serves the switches of both."""
        world = self._world
        served = {switch.datapath_id for switch in world.switches if world.controller.is_connected(switch)}
        usable = [number + 1 for number in range(len(world.home_agents)) if self._is_usable(number)]
        usable = [port for port in usable if world.cabling.switch_at(port).datapath_id in served]
        agents = {}
        for pdsn in world.pdsns:
            port = world.port_of(pdsn)
            is_served = world.cabling.is_link_up(port) and world.cabling.switch_at(port).datapath_id in served
            agents[pdsn.name] = sum(world.is_path(port, each) for each in usable) if is_served else 0
        return agents

    def _traffic_of_others_passes(self) -> None:
        """Only a fault that deletes the rules can stop it, until the balancer has restored them."""
        world, counts = self._world, self._world.counts
        since, sent, received = self._bystanders
        self._bystanders = world.clock.now, counts.bystanders_sent, counts.bystanders_received
        missing = counts.bystanders_sent - sent - (counts.bystanders_received - received)
        may_be_missing = max(world.plundered_at, world.weather_changed_at)
        may_be_missing = max(may_be_missing, world.trunk_changed_at)
        is_joined = world.cabling.is_joined(*BYSTANDERS)
        if not is_joined or not world.weather.is_fair or since <= may_be_missing + SETTLE_TIME:
            return
        if missing > 1 and not self._awaits_rules():
            raise ViolationError("traffic of others passes", f"{missing} of {counts.bystanders_sent - sent} did not")

    def _awaits_rules(self) -> bool:
        """Whether a fault has deleted the rules, and no balancer has run since to restore them."""
        world = self._world
        if not all(map(world.controller.is_connected, world.switches)):
            return world.plundered_at > world.served_until
        return world.clock.now - world.disturbed_at < SETTLE_TIME and world.plundered_at > world.served_until

    def _is_usable(self, number: int) -> bool:
        world = self._world
        agent = world.home_agents[number]
        return (
            agent.mood is Mood.WELL
            and agent.capacity is None
            and agent.answers_every == 1
            and number not in world.parameters.removed
            and world.cabling.is_link_up(number + 1)
            and agent.deaf_until < world.clock.now
            and not agent.is_robbed
            and number not in world.parameters.out_of_service
            and number not in dict(world.parameters.drained)
        )

    def _no_mobile_is_bound_twice(self) -> None:
        world = self._world
        agents = [agent for agent in world.home_agents if agent.mood is Mood.WELL]
        for agent in agents:
            agent.forget_expired()
        seen: set[bytes] = set()
        twice: set[bytes] = set()
        for agent in agents:
            twice |= seen & agent.bindings.keys()
            seen |= agent.bindings.keys()
        for mobile in world.mobiles:
            if mobile.excuse is None:
                if mobile.nai in twice:
                    names = " and ".join(agent.name for agent in agents if agent.is_bound(mobile.nai))
                    raise ViolationError("no mobile is bound twice", f"{mobile.nai.decode()} at {names}")
            elif mobile.state is State.BOUND and mobile.nai not in twice:
                bound = [agent for agent in agents if agent.is_bound(mobile.nai)]
                if all(agent.address == mobile.home_agent for agent in bound):
                    mobile.excuse = None

    def _dfp_agents_that_report_stay_connected(self) -> None:
        world = self._world
        for link in world.controller.dfp.links:
            agent = world.dfp_agent(link.connection.agent.address)
            disturbed = max(agent.home_agent.disturbed_at, world.disturbed_at, world.weather_changed_at)
            if disturbed < world.clock.now - self.patience() and agent.is_reachable:
                if link.connection.state is not DfpState.CONNECTED:
                    raise ViolationError("DFP agents that report stay connected", f"{link.connection.name} does not")
                timeouts = link.connection.counters.keep_alive_timeouts
                before = self._timeouts.setdefault(link, (disturbed, timeouts))
                if before[0] == disturbed and timeouts > before[1]:
                    raise ViolationError("DFP agents that report stay connected", f"{link.connection.name} timed out")
                self._timeouts[link] = disturbed, timeouts

    def _sessions_survive_a_restart(self) -> None:
        """As long as the sessions of the previous run could live, only the switch's own time-outs end them.

        And no mobile is given another home agent, where nothing else went wrong than that home agents were lost or slow
        to answer ARP, or that a second balancer started beside the first. A mobile whose home agent was lost may move
        when it asks. A switch that does not report all its rules is left out: the balancer loses the sessions whose
        rules it cannot read.
        """
        world = self._world
        if not world.parameters.reports_rules:
            return
        is_restarted = world.clock.now < world.restarts.at + world.parameters.idle and world.weather.is_fair
        if set(world.restarts.faults) - _HARMLESS_FAULTS or not is_restarted:
            return
        agents = {agent.mac: number for number, agent in enumerate(world.home_agents)}
        rules, sessions = session_rules(world.switches), world.controller.balancer.sessions
        for tag, mac in world.restarts.rules.items():
            if tag in world.restarts.ended or mac not in agents or not self._keeps_sessions(agents[mac]):
                continue
            session = sessions.by_tag(tag)
            leads_to = rules.get(tag)
            if session is not None:
                leads_to = mac_of(session.real.packed_address)
            elif leads_to is None and tag in world.restarts.expired:
                continue
            if leads_to != mac:
                if not self._has_been_usable(agents[mac]) and tag in self._asked_since_restart():
                    continue  # a mobile whose rule was pending has begun anew, perhaps with another tag
                where = None if leads_to is None else leads_to.hex(":")
                what = f"the rule of {tag:012x} led to {mac.hex(':')}, and now to {where}"
                raise ViolationError("sessions survive a restart", what)

    def _asked_since_restart(self) -> set[int]:
        """The tags that rules of mobiles may have whose requests came to the virtual address since the restart."""
        world = self._world
        keys = list(world.controller.balancer.sessions.keys)
        asked = [each for each in world.mobiles if each.sent_at >= world.restarts.at - ARP_TIMEOUT]
        return {tag_of(each.virtual_address, b"\x01" + each.nai, key) for each in asked for key in keys}

    def _keeps_sessions(self, number: int) -> bool:
        """Whether the configuration has this home agent as one that keeps its sessions, and no thief has them."""
        world = self._world
        parameters = world.parameters
        is_left = number in parameters.removed | parameters.out_of_service | dict(parameters.drained).keys()
        return not is_left and world.home_agents[number].robbed_at < world.restarts.at - ROBBED_TIME

    def _has_been_usable(self, number: int) -> bool:
        """Whether mobiles had no reason to leave this home agent since the restart: it was not lost, and not failed."""
        world = self._world
        upset_at = max(world.home_agents[number].unsettled_at, world.trunk_changed_at)
        is_settled = not upset_at or upset_at + world.parameters.retry + UPSET_TIME < world.restarts.at
        return is_settled and self._is_usable(number)

    def _a_stop_leaves_the_rules(self) -> None:
        """SIGTERM leaves rules and sessions where they are, for the next start."""
        lost = self._world.restarts.lost
        if lost:
            raise ViolationError("a stop leaves the rules", f"session rules are gone: {', '.join(sorted(lost)[:3])}")

    def _session_rules_live_as_long_as_sessions(self) -> None:
        """A switch removes none sooner than the idle time after its last packet."""
        if self._world.early_expiries:
            raise ViolationError("a session rule lives as long as its session", self._world.early_expiries[0])

    def _is_calm(self) -> bool:
        """Nothing is on its way, and nothing was disturbed for a while."""
        world = self._world
        transports = world.controller.transports
        if world.clock.now - world.disturbed_at < SETTLE_TIME:
            self._counted = None
            return False
        connections = (transports.get(switch.datapath_id) for switch in world.switches)
        return all(each is not None and not each.in_flight for each in connections)

    def _has_met_strangers(self) -> bool:
        """Whether a stranger is at the OpenFlow port of the balancer, or was there since the last check."""
        before, self._strangers_seen = self._strangers_seen, self._world.controller.strangers_seen
        return bool(self._world.controller.strangers) or self._strangers_seen != before

    def _counters_are_true(self) -> None:
        """Dispatched means that the switch has sent it out; dropped or dispatched is every request that came."""
        world = self._world
        statistics = world.controller.balancer.statistics
        metered = sum(meter.dropped for switch in world.switches for meter in switch.datapath.meters.values())
        now = statistics.requests, world.counts.requests, statistics.dispatched, world.counts.dispatched, metered
        (before, self._counted), since = (self._counted, now), self._counted_at
        self._counted_at = world.clock.now
        if before is None or since < max(world.disturbed_at, world.plundered_at) + SETTLE_TIME - CHECK_INTERVAL:
            return  # without its rules the switch drops requests, or passes them by
        requests, came, dispatched, sent, metered = (new - old for new, old in zip(now, before))
        if dispatched != sent:
            raise ViolationError("dispatched is sent out", f"{dispatched} counted as dispatched, {sent} sent out")
        if requests != came and not metered:
            raise ViolationError("every request is counted once", f"{came} came, {requests} were counted")
