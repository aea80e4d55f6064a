"""Each switch has the standing rules, and the rules of the sessions that count as having one there; no others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Table
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.recovery.recovery import Status
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from simulation.settling import CHECK_INTERVAL
from simulation.switch import SimulatedSwitch
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds within which rules without a session are found and removed (docs/states.md, "Rules without a session").
ORPHAN_TIME = 10.0
#: Seconds that this may take where the switch takes long to reply, so that it is not compared all the time.
SLOW_ORPHAN_TIME = 60.0 + 2 * ORPHAN_TIME


class Lasting:
    """What three checks in a row have found: a difference may last while rules are on their way or run out."""

    def __init__(self) -> None:
        self._before: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def among(self, found: Iterable[str]) -> str:
        """The first of what lasts, as text; empty if nothing does."""
        older, old = self._before
        self._before = old, frozenset(found)
        return "; ".join(sorted(self._before[1] & old & older)[:3])


class RuleInvariant:
    """Compares the switches with what the acting balancer believes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mismatches, self._without_rule = Lasting(), Lasting()
        #: By switch: the purposes of its standing rules, with the configuration and layout from which they follow.
        self._wanted: dict[int, tuple[Configuration, Layout, frozenset[Purpose]]] = {}

    def check(self) -> None:
        """Raises :class:`ViolationError`."""
        mismatches = self._mismatches.among(self._differences())
        if mismatches:
            raise ViolationError("the switch has the rules of sessions with rule_at", mismatches)
        without_rule = self._without_rule.among(self._sessions_without_rule())
        if without_rule:
            raise ViolationError("a session has its rule", without_rule)

    def _sessions_without_rule(self) -> Iterator[str]:
        """Where there is room for all; a takeover would lose them. The rule of a recovered one may have run out.

        A home agent that is added again must have been found: before, no rule can lead there.
        """
        world = self._world
        switches = world.controller.fleet.switches.values()
        have_sessions = all(each.layout.support.has_sessions for each in switches)
        found = {real for each in switches for real in each.adjacencies.forwarding.rule_actions}
        for session in world.controller.balancer.sessions if world.parameters.has_room and have_sessions else ():
            is_kept = session.virtual_server.farm.keeps(session.real)  # else its mobile moves with the next request
            if session.rule_at is None and is_kept and session.real in found and session.has_requested:
                yield f"that of {session.real.name} with the tag {session.tag:012x} has none"

    def _differences(self) -> Iterator[str]:
        world = self._world
        for switch in world.switches:
            tables = switch.datapath.used.values()
            for purpose in self._purposes_at(switch):
                if not any(table.has_cookie(purpose.cookie) for table in tables):
                    yield f"standing rule {purpose.name} is missing at switch {switch.datapath_id}"
            yield from self._differences_of_sessions(switch)

    def _purposes_at(self, switch: SimulatedSwitch) -> frozenset[Purpose]:
        controller = self._world.controller
        layout = controller.fleet.switches[switch.datapath_id].layout
        known = self._wanted.get(switch.datapath_id)
        if known is not None and known[0] is controller.configuration and known[1] == layout:
            return known[2]
        rules = standing_rules(controller.configuration, switch.datapath_id, layout=layout)
        purposes = frozenset(rule.purpose for rule in rules)
        self._wanted[switch.datapath_id] = controller.configuration, layout, purposes
        return purposes

    def _differences_of_sessions(self, switch: SimulatedSwitch) -> Iterator[str]:
        world, datapath_id = self._world, switch.datapath_id
        flows = {
            flow.cookie >> COOKIE_MARK_BITS
            for table in switch.datapath.tables[Table.SESSIONS : Table.SESSIONS + 1]
            for flow in table
            if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK and flow.cookie >> 32
        }
        sessions = world.controller.balancer.sessions
        recovery = world.controller.fleet.switches[datapath_id].unrecovered.recovery
        orphan_time = SLOW_ORPHAN_TIME if switch.capabilities.stats_delay else ORPHAN_TIME
        may_have_orphaned = world.clock.now < max(world.orphaned_at, world.disturbed_at) + orphan_time
        may_have_orphaned |= not world.parameters.reports_rules
        for tag in () if may_have_orphaned else flows:
            if sessions.by_tag(tag) is None and recovery.status(tag) is Status.READ:
                yield f"session rule {tag:012x} has no session"
        for session in sessions:
            if session.rule_at != datapath_id or session.tag in flows:
                continue
            if session.deadline - world.clock.now > CHECK_INTERVAL and session.has_requested:
                yield f"the rule of session {session.tag:012x} is missing at switch {datapath_id}"
