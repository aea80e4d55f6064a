"""The invariants: what must hold at every moment, under every fault. A violation names its invariant and objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ryu_haslb.dfp.manager import State as DfpState
from ryu_haslb.openflow.recovery import Status
from ryu_haslb.openflow.standing_rules import standing_rules
from ryu_haslb.slb.real import Health
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK
from simulation.home_agent import Mood
from simulation.mobiles import PAUSE, State
from simulation.switch import ROLE_MASTER
from simulation.world import World

#: Seconds between two checks.
CHECK_INTERVAL = 5.0
#: Seconds without a disturbance after which rules must be in place, and beliefs right.
SETTLE_TIME = 15.0
_SESSIONS = 1


class ViolationError(Exception):
    """Something that must always hold does not."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


class Invariants:
    """Checks a world again and again; what has to last is remembered between checks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._counted: Optional[tuple[float, int, int, int, int]] = None
        self._mismatches: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._bystanders = (0.0, 0, 0)
        self._timeouts: dict[object, tuple[float, int]] = {}

    def check(self) -> None:
        """Raises :class:`ViolationError` if anything does not hold now."""
        world = self._world
        self._every_mobile_is_served()
        self._no_mobile_is_bound_twice()
        self._traffic_of_others_passes()
        self._one_balancer_acts()
        if not world.controller.is_running or world.controller.is_retired:
            self._counted = None
            return
        self._no_home_agent_that_serves_is_taken_out()
        statistics = world.controller.balancer.statistics
        if statistics.requests != statistics.dispatched + statistics.dropped:
            raise ViolationError("every request is counted once", f"{statistics.requests} requests, {statistics}")
        self._dfp_agents_that_report_stay_connected()
        self._sessions_survive_a_restart()
        if self._is_calm():
            world.served_until = world.clock.now
            self._counters_are_true()
            self._switch_holds_what_the_balancer_believes()

    def check_end(self) -> None:
        """Raises :class:`ViolationError` if something is left although all mobiles have been off for long enough."""
        world = self._world
        sessions = world.controller.balancer.sessions
        if len(sessions):
            raise ViolationError("nothing is left", f"{len(sessions)} sessions")
        flows = [flow for flow in world.switch.datapath.tables[_SESSIONS] if flow.cookie >> 16 > 0xFFFF]
        if flows:
            raise ViolationError("nothing is left", f"{len(flows)} session rules")

    def check_shares(self) -> None:
        """Raises :class:`ViolationError` if round robin has not shared new sessions by the weights."""
        parameters = self._world.parameters
        if parameters.leastconns or parameters.maxconns is not None or parameters.dfp:
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
        attempt = 2.0 ** (world.parameters.retransmissions + 1) + PAUSE[1]
        silent = sum(agent.mood is not Mood.WELL for agent in world.home_agents)
        tries = 2 * (silent + 1) if world.weather.is_fair else 8 * (silent + 1)
        return tries * attempt + 20.0

    def _one_balancer_acts(self) -> None:
        world = self._world
        if world.counts.repeated:
            what = f"{world.counts.repeated} requests were dispatched more often than they came"
            raise ViolationError("each request is dispatched once", what)
        masters = [connection for connection in world.switch.connections if connection.role == ROLE_MASTER]
        if len(masters) > 1:
            raise ViolationError("one balancer acts", f"{len(masters)} are master")

    def _every_mobile_is_served(self) -> None:
        world, now = self._world, self._world.clock.now
        patience = self.patience()
        if now - world.disturbed_at < patience or not world.controller.is_connected(world.switch):
            return
        if now - max(world.weather_changed_at, *(agent.disturbed_at for agent in world.home_agents)) < patience:
            return
        usable = [number for number in range(len(world.home_agents)) if self._is_usable(number)]
        if not usable or world.weather.loss > 0.1:
            return
        for mobile in world.mobiles:
            since = mobile.seeking_since
            if since is not None and now - since > patience and world.is_link_up(world.port_of(mobile.pdsn)):
                what = f"{mobile.nai.decode()} seeks a binding for {now - since:.0f} s ({mobile.state.value})"
                raise ViolationError("every mobile is served", f"{what}; {len(usable)} home agents could take it")

    def _traffic_of_others_passes(self) -> None:
        """Only a fault that deletes the rules can stop it, until the balancer has restored them."""
        world, counts = self._world, self._world.counts
        since, sent, received = self._bystanders
        self._bystanders = world.clock.now, counts.bystanders_sent, counts.bystanders_received
        missing = counts.bystanders_sent - sent - (counts.bystanders_received - received)
        may_be_missing = max(world.plundered_at, world.weather_changed_at)
        if since > may_be_missing + SETTLE_TIME and world.weather.is_fair and missing > 1 and not self._awaits_rules():
            raise ViolationError("traffic of others passes", f"{missing} of {counts.bystanders_sent - sent} did not")

    def _awaits_rules(self) -> bool:
        """Whether a fault has deleted the rules, and no balancer has run since to restore them."""
        world = self._world
        if not world.controller.is_connected(world.switch):
            return world.plundered_at > world.served_until
        return world.clock.now - world.disturbed_at < SETTLE_TIME and world.plundered_at > world.served_until

    def _is_usable(self, number: int) -> bool:
        world = self._world
        agent = world.home_agents[number]
        return (
            agent.mood is Mood.WELL
            and agent.capacity is None
            and world.is_link_up(number + 1)
            and number not in world.parameters.out_of_service
        )

    def _no_mobile_is_bound_twice(self) -> None:
        for mobile in self._world.mobiles:
            bound = [agent for agent in self._world.home_agents if agent.is_bound(mobile.nai)]
            if len(bound) > 1 and mobile.excuse is None:
                names = " and ".join(agent.name for agent in bound)
                raise ViolationError("no mobile is bound twice", f"{mobile.nai.decode()} at {names}")
            if all(agent.address == mobile.home_agent for agent in bound) and mobile.state is State.BOUND:
                mobile.excuse = None

    def _no_home_agent_that_serves_is_taken_out(self) -> None:
        world = self._world
        for number, agent in enumerate(world.home_agents):
            reals = world.controller.balancer.farms["HAFARM"].at(agent.address)
            real = next((real for real in reals if real.health is Health.FAILED), None)
            if real is None or agent.mood is not Mood.WELL:
                continue
            disturbed = max(agent.disturbed_at, world.disturbed_at, world.weather_changed_at)
            well_before = real.failed_at - disturbed > self.patience()
            if well_before and world.weather.is_fair and world.is_link_up(number + 1):
                raise ViolationError("no home agent that serves is taken out", f"{agent.name} is FAILED and well")

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

        And no mobile is given another home agent, where nothing else went wrong than that a home agent was slow to
        answer ARP.
        """
        world = self._world
        is_restarted = world.clock.now < world.restarted_at + world.parameters.idle and world.weather.is_fair
        others = set(world.faults_since_restart) - {"home agent answers no ARP"}
        if others or not is_restarted or not all(map(self._is_usable, range(len(world.home_agents)))):
            return
        rules, sessions = world.session_rules(), world.controller.balancer.sessions
        reals = world.controller.balancer.farms["HAFARM"].reals
        for tag, port in world.rules_at_restart.items():
            session = sessions.by_tag(tag)
            leads_to = rules.get(tag)
            if session is not None:
                leads_to = reals.index(session.real) + 1
            elif leads_to is None and tag << 16 | COOKIE_MARK in world.switch.expired:
                continue
            if leads_to != port:
                what = f"the rule of {tag:012x} led to port {port}, and now to {leads_to}"
                raise ViolationError("sessions survive a restart", what)

    def _is_calm(self) -> bool:
        """Nothing is on its way, and nothing was disturbed for a while."""
        world = self._world
        transport = world.controller.transports.get(world.switch.datapath_id)
        if transport is None or transport.in_flight or world.clock.now - world.disturbed_at < SETTLE_TIME:
            self._counted = None
            return False
        return True

    def _counters_are_true(self) -> None:
        """Dispatched means that the switch has sent it out; dropped or dispatched is every request that came."""
        world = self._world
        statistics = world.controller.balancer.statistics
        now = (world.disturbed_at, statistics.requests, world.counts.requests, statistics.dispatched)
        before, self._counted = self._counted, (*now, world.counts.dispatched)
        if before is None or before[0] != world.disturbed_at:
            return
        requests, came, dispatched, sent = (new - old for new, old in zip(self._counted[1:], before[1:]))
        if dispatched != sent:
            raise ViolationError("dispatched is sent out", f"{dispatched} counted as dispatched, {sent} sent out")
        if requests != came and not any(meter.dropped for meter in world.switch.datapath.meters.values()):
            raise ViolationError("every request is counted once", f"{came} came, {requests} were counted")

    def _switch_holds_what_the_balancer_believes(self) -> None:
        """A difference may last while rules are on their way or run out, but not for three checks (10 s)."""
        differences = frozenset(self._differences())
        older, old = self._mismatches
        lasting = differences & old & older
        self._mismatches = old, differences
        if lasting:
            raise ViolationError("the switch has the rules of sessions with rule_at", "; ".join(sorted(lasting)[:3]))

    def _differences(self) -> Iterator[str]:
        world = self._world
        tables = world.switch.datapath.tables
        wanted = {rule.purpose for rule in standing_rules(world.controller.configuration, world.switch.datapath_id)}
        there = {flow.cookie for table in tables for flow in table}
        for purpose in wanted:
            if purpose.cookie not in there:
                yield f"standing rule {purpose.name} is missing"
        flows = {
            flow.cookie >> 16
            for flow in tables[_SESSIONS]
            if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK and flow.cookie >> 32
        }
        sessions = world.controller.balancer.sessions
        recovery = world.controller.fleet.switches[world.switch.datapath_id].recovery
        for tag in flows:
            if sessions.by_tag(tag) is None and recovery.status(tag) is Status.READ:
                yield f"session rule {tag:012x} has no session"
        for session in sessions:
            if session.rule_at != world.switch.datapath_id or session.tag in flows:
                continue
            # The rule of a recovered session runs out idle seconds after its last packet, which the balancer missed.
            if session.deadline - world.clock.now > CHECK_INTERVAL and not session.is_recovered:
                yield f"the rule of session {session.tag:012x} is missing"
