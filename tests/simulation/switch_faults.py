"""What others do to a simulated switch: it restarts, or its rules and meters are deleted or changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS
from simulation.flow_monitor import MODIFIED
from simulation.flow_table import Match
from simulation.world import World

_COOKIE_MARK, _COOKIE_MASK = 0x51B7, 0xFFFF


def _restart_switch(world: World, switch: int = 0) -> None:
    world.disturb()
    world.plundered_at = world.clock.now
    world.await_normal()
    restarted = world.switches[switch]
    if not world.controller.serves(restarted):
        world.trunk_changed_at = world.clock.now
    for controller in world.controllers:
        if restarted.datapath_id in controller.transports and not restarted.capabilities.relayed:
            controller.transports[restarted.datapath_id].close()
    restarted.restart()


def _delete_flows(world: World, what: str, switch: int = 0) -> None:
    """An operator deletes rules as ``ovs-ofctl del-flows`` does: all, a table, or every second session rule."""
    world.plundered_at = world.clock.now
    for number, table in enumerate(world.switches[switch].datapath.tables):
        flows = table.select(Match((), b""), 0, 0)
        if what == "session rules":
            flows = [flow for flow in flows if flow.cookie >> 32][::2]
        elif what not in ("all", f"table {number}"):
            continue
        for flow in flows:
            world.switches[switch].remove(number, flow, 2)
    world.switches[switch].monitors.flush()


def _add_orphaned_rules(world: World, count: int, switch: int = 0, first: int = 0) -> None:
    """Session rules with our mark that no session has, as a balancer of another version might leave them.

    ``first`` is the number of the first one's tag: rules that come back after they were removed are another balancer's.
    """
    world.orphaned_at = world.clock.now
    tables = world.switches[switch].datapath.tables
    if len(tables) == 1:  # without a session table there are no session rules
        return
    table = tables[1]
    ours = [flow for flow in table if flow.cookie >> 32]
    for number in range(count if ours else 0):
        if table.is_full:
            break
        fields = {each[0]: each for each in ours[0].match.fields}
        tag = 0x02AA00000000 + first + number
        fields[4] = (4, tag, None)
        oxms = ours[0].match.oxms.replace(
            (ours[0].cookie >> COOKIE_MARK_BITS).to_bytes(6, "big"), tag.to_bytes(6, "big")
        )
        match = Match(tuple(sorted(fields.values(), key=lambda each: each[0])), oxms)
        orphaned = replace(ours[0], match=match, cookie=tag << COOKIE_MARK_BITS | _COOKIE_MARK, idle_timeout=0, flags=0)
        if not table.is_full:  # a real switch takes no more rules than it has room for
            world.switches[switch].put(1, orphaned)
    world.switches[switch].monitors.flush()


def _change_actions(world: World, switch: int = 0, what: str = "all") -> None:
    """An operator takes the actions of rules of ours away, as ``ovs-ofctl mod-flows ... actions=drop`` does.

    Those of every rule, of every second session rule, or of all of them (``every session rule``).
    """
    world.plundered_at = world.clock.now
    monitors = world.switches[switch].monitors
    for number, table in enumerate(world.switches[switch].datapath.tables):
        ours = [flow for flow in table if flow.cookie & _COOKIE_MASK == _COOKIE_MARK]
        if what != "all":
            ours = [flow for flow in ours if number == 1 and flow.cookie >> 32][:: 2 if what == "session rules" else 1]
        for flow in ours:
            flow.instructions, flow.actions, flow.goto, flow.meter = b"", (), None, None
            monitors.report(MODIFIED, number, flow)
    monitors.flush()


def _replace_rules(world: World, switch: int = 0) -> None:
    """Another controller adds rules with the matches and priorities of every second session rule: they replace ours."""
    world.plundered_at = world.clock.now
    for table in world.switches[switch].datapath.tables[1:2]:
        for flow in [flow for flow in table if flow.cookie >> 32][::2]:
            foreign = replace(flow, cookie=0xF0E, flags=0, idle_timeout=0, instructions=b"", actions=())
            world.switches[switch].put(1, foreign)
    world.switches[switch].monitors.flush()


def _add_foreign_rules(world: World, switch: int = 0) -> None:
    """Another application adds a rule to each table that is used and has none of it, for packets that no node sends."""
    for number, table in world.switches[switch].datapath.tables_with_rules():
        field = (5, 0x88CC, None)
        match = Match((field,), b"\x80\0\x0a\2\x88\xcc")
        some = next(iter(table))
        rule = replace(some, match=match, priority=1, cookie=0xF0E, flags=0, idle_timeout=0, hard_timeout=0)
        rule = replace(rule, instructions=b"", actions=(), goto=None, meter=None)
        if all(each.key != rule.key for each in table):  # else the rule would take the place of the one before
            world.switches[switch].put(number, rule)
            world.foreign_rules.append((world.switches[switch], rule, world.clock.now))
    world.switches[switch].monitors.flush()


def _delete_meters(world: World, switch: int = 0) -> None:
    """An operator deletes the meters; the switch deletes the rules that use them (OpenFlow 1.3.5, section 6.5)."""
    world.plundered_at = world.clock.now
    plundered = world.switches[switch]
    meters = list(plundered.datapath.meters)
    for each in meters:
        del plundered.datapath.meters[each]
        for number, table in enumerate(plundered.datapath.tables):
            for flow in [flow for flow in table if flow.meter == each]:
                plundered.remove(number, flow, 2)
    plundered.monitors.flush()


def _change_meters(world: World, rate: int, switch: int = 0) -> None:
    """An operator sets every meter to another rate, as ``ovs-ofctl mod-meter`` does; 0 lets nothing pass."""
    world.plundered_at = world.clock.now
    for meter in world.switches[switch].datapath.meters.values():
        meter.rate, meter.burst, meter.tokens = rate, max(rate, 1), 0.0


#: What each kind of fault does.
SWITCH_FAULTS: dict[str, Callable[..., None]] = {
    "switch restarts": _restart_switch,
    "flows are deleted": _delete_flows,
    "orphaned rules": _add_orphaned_rules,
    "actions are changed": _change_actions,
    "session rules are replaced": _replace_rules,
    "rules of others are added": _add_foreign_rules,
    "meters are deleted": _delete_meters,
    "meters are changed": _change_meters,
}

#: Those that change what rules there are: a switch that does not report its rules is served with a loss then.
RULE_FAULTS = frozenset(SWITCH_FAULTS) - {"switch restarts"}
