"""What must hold at a switch with a small table, or with one that takes its time."""

from __future__ import annotations

from simulation.settling import SETTLE_TIME
from simulation.switch import SimulatedSwitch
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds that a message may wait for flow-mods in front of it: a bundle of session rules takes a tenth of that.
MAX_DELAY = 0.5
#: Checks in a row that a known mobile may have no rule while one that has shown nothing has one.
_MAX_CHECKS = 4
_MARK, _SESSIONS = 0x51B7, 1


class TableInvariants:
    """Checks a world again and again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began_at = world.clock.now
        #: By tag: the checks in a row in which a known mobile was without a rule.
        self._without_rule: dict[int, int] = {}

    def check(self) -> None:
        """Raises :class:`ViolationError` if anything does not hold now."""
        world = self._world
        disturbed_at = max(self._began_at, world.disturbed_at, world.plundered_at, world.orphaned_at)
        is_calm = world.clock.now - disturbed_at > SETTLE_TIME and world.controller.is_acting
        for switch in world.switches:
            delay, switch.work.max_delay = switch.work.max_delay, 0.0
            if is_calm and delay > MAX_DELAY:
                what = f"a message waited for {delay:.2f} s at switch {switch.datapath_id}"
                raise ViolationError("no switch is sent more flow-mods than it takes", what)
            if is_calm and world.controller.serves(switch):
                self._limit_is_kept(switch)
        if is_calm and len(world.switches) == 1 and world.controller.serves(world.switch):
            self._known_mobiles_come_first()
        else:
            self._without_rule.clear()

    def _limit_is_kept(self, switch: SimulatedSwitch) -> None:
        """Rules of an earlier run stay, and none comes to them (docs/switches.md, "Small and slow tables")."""
        limit, rules = self._world.parameters.max_rules, session_rules(switch)
        served = self._world.controller.fleet.switches[switch.datapath_id]
        recovery = served.unrecovered.recovery
        if limit is not None and rules > max(limit, recovery.pending + recovery.recovered):
            what = f"switch {switch.datapath_id} has {rules} session rules; {limit} are configured"
            raise ViolationError("the limit of session rules is kept", what)

    def _known_mobiles_come_first(self) -> None:
        """A known mobile whose home agent is reached has a rule while an unconfirmed session has one."""
        served = self._world.controller.fleet.switches[self._world.switch.datapath_id]
        sessions = list(self._world.controller.balancer.sessions)
        has_sessions = served.layout.support.has_sessions
        if not has_sessions or all(each.rule_at is None or not each.unconfirmed_in for each in sessions):
            self._without_rule.clear()
            return
        waiting = {
            each.tag
            for each in sessions
            if each.rule_at is None
            and each.unconfirmed_in is None
            and served.datapath_id in each.real.reachable_from
            and served.rules.is_changing(each.tag)
        }
        self._without_rule = {tag: self._without_rule.get(tag, 0) + 1 for tag in waiting}
        for tag, checks in self._without_rule.items():
            if checks > _MAX_CHECKS:
                raise ViolationError("known mobiles keep their rules first", f"session {tag:012x} has none")


def session_rules(switch: SimulatedSwitch) -> int:
    """The session rules of ours at a switch."""
    tables = switch.datapath.tables[_SESSIONS : _SESSIONS + 1]
    return sum(flow.cookie & 0xFFFF == _MARK and flow.cookie >> 32 > 0 for table in tables for flow in table)
