"""Others add rules with our cookie: they are removed within 10 s, and ours stay (docs/flows.md, the audit)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from played import run, world_after

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, PIPELINE, SESSION_PRIORITY, Purpose
from ryu_haslb.openflow.roles.lease import LEASE_COOKIE
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, match, match_of
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK
from simulation.faults import Fault
from simulation.flow_mods import FlowMods
from simulation.flow_table import Flow
from simulation.parameters import Parameters
from simulation.world import World

#: Mobiles that register once, with sessions that outlive the test; and such that register all the time.
SILENT = Parameters(seed=1, mobiles=3, idle=3000, lifetime=65535)
BUSY = Parameters(seed=1, mobiles=60, idle=60, lifetime=40)
RESTORE_TIME = 10.0
ANY = match({})
DROP = apply_actions(b"")
#: Cookies that no rule of ours has: a purpose that is not used, data where there is none, and the mark alone.
STRANGE_COOKIES = [0xFFFE << 16 | COOKIE_MARK, 7 << 40 | Purpose.PUNT_REQUEST.cookie, COOKIE_MARK]


def settled(parameters: Parameters) -> World:
    return world_after(parameters, 30.0)


def our_rules(world: World) -> set[tuple[object, ...]]:
    """All rules with our mark and all that a rule has, but for the lease, which is renewed each second."""
    return {
        (number, flow.key, flow.cookie, flow.idle_timeout, flow.hard_timeout, flow.flags, flow.instructions)
        for number, table in enumerate(world.switch.datapath.tables)
        for flow in table
        if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK and flow.cookie & 0xFFFFFFFF != LEASE_COOKIE
    }


def add(world: World, *rules: FlowMod) -> None:
    for rule in rules:
        FlowMods(world.switch).execute(rule.pack(1))
    world.switch.monitors.flush()


def extraneous(world: World) -> int:
    return world.controller.fleet.switches[1].restored.extraneous_rules


def ours(world: World) -> Iterator[tuple[int, Flow]]:
    """One rule of each cookie in tables of standing rules, and one session's."""
    seen = set()
    for number, table in enumerate(world.switch.datapath.tables[:5]):
        for flow in table:
            kind = number if number == 1 and flow.cookie >> 32 else flow.cookie & 0xFFFFFFFF
            if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK and kind not in seen:
                seen.add(kind)
                yield number, flow


def twins(world: World) -> list[FlowMod]:
    """Each of our rules once more: with another priority, with another match, and in another table."""
    found = []
    for number, flow in ours(world):
        copied = match_of(flow.match.oxms)
        found.append(FlowMod(0, number, flow.cookie, priority=60_000, match=copied, instructions=DROP))
        other = match({"eth_type": 0x0800, "ipv4_src": f"192.0.2.{len(found)}"})
        found.append(FlowMod(0, number, flow.cookie, priority=flow.priority, match=other, instructions=DROP))
        found.append(FlowMod(0, 1 - number % 2, flow.cookie, priority=60_001, match=copied, instructions=DROP))
    return found


def test_twins_of_all_our_rules_are_removed_with_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    world = settled(SILENT)
    before, added = our_rules(world), twins(world)
    assert len(added) > 20
    add(world, *added)
    assert len(our_rules(world) - before) > 20
    run(world, RESTORE_TIME)
    assert our_rules(world) == before
    run(world, RESTORE_TIME)
    assert caplog.text.count("with our cookie") == 1
    restored = world.controller.fleet.switches[1].restored
    assert (restored.incidents, restored.extraneous_rules, restored.standing_rules) == (1, len(added), 0)


@pytest.mark.parametrize("table", [0, 1, 2])
@pytest.mark.parametrize("cookie", STRANGE_COOKIES)
def test_rules_with_our_mark_that_no_version_of_ours_sends_are_removed(cookie: int, table: int) -> None:
    world = settled(SILENT)
    before = our_rules(world)
    add(world, FlowMod(0, table, cookie, priority=65535, match=ANY, instructions=DROP))
    run(world, RESTORE_TIME)
    assert our_rules(world) == before
    assert extraneous(world) == 1


@pytest.mark.parametrize(
    "options", [{"idle_timeout": 3600}, {"hard_timeout": 3600}, {"flags": 0}, {"flags": wire.OFPFF_SEND_FLOW_REM | 4}]
)
def test_standing_rules_that_were_sent_again_with_other_options_are_restored(options: dict[str, Any]) -> None:
    """With a time-out they would be gone some time later, in the middle of the traffic."""
    world = settled(SILENT)
    before = our_rules(world)
    for number, flow in list(ours(world)):
        if flow.cookie >> 32 == 0:
            again = FlowMod(
                0, number, flow.cookie, 0, flow.priority, 0, 1, match_of(flow.match.oxms), flow.instructions
            )
            add(world, again._replace(**options))
    assert our_rules(world) != before
    run(world, RESTORE_TIME)
    assert our_rules(world) == before


def test_twins_of_a_sessions_rule_are_removed_and_it_stays() -> None:
    """With another priority, other fields, fewer, more, or another tag than its cookie has."""
    world = settled(SILENT)
    before = our_rules(world)
    flow = next(flow for number, flow in ours(world) if number == 1 and flow.cookie >> 32)
    oxms = flow.match.oxms
    tag = oxms[4:10]
    more = match_of(oxms + b"\x80\x00\x16\x04" + b"\x0a\x01\x01\x01")
    for copied in (more, match_of(oxms[:10]), match_of(oxms.replace(tag, b"\x02\x02\x03\x04\x05\x06")), ANY):
        add(world, FlowMod(0, 1, flow.cookie, priority=SESSION_PRIORITY, match=copied, instructions=DROP))
    for priority in (0, SESSION_PRIORITY + 1):
        add(world, FlowMod(0, 1, flow.cookie, priority=priority, match=match_of(oxms), instructions=DROP))
    run(world, RESTORE_TIME)
    assert our_rules(world) == before
    assert extraneous(world) == 6


def test_rules_that_come_and_go_are_ours_and_their_twins_are_not() -> None:
    """A home agent in doubt: rules that copy its replies, and rules for the answers to probes."""
    world = settled(replace(BUSY, probe=ProbeKind.PING))
    Fault(0.0, "home agent hangs", (0,)).strike(world)
    run(world, 90.0)
    assert {flow.cookie for flow in world.switch.datapath.tables[2]} == {Purpose.COPY_REPLY.cookie}
    assert extraneous(world) == 0
    for purpose in (Purpose.COPY_REPLY, Purpose.PASS_REPLY, Purpose.DROP_ARP_STORM, Purpose.PUNT_PROBE_REPLY):
        entry = PIPELINE[purpose]
        fields = match({"eth_type": 0x0800, "ipv4_src": "192.0.2.1"})
        for priority in (entry.priority, 60_000 + purpose):
            add(world, FlowMod(0, entry.table, purpose.cookie, priority=priority, match=fields, instructions=DROP))
    run(world, RESTORE_TIME)
    flows = [flow for table in world.switch.datapath.tables for flow in table]
    assert not [flow for flow in flows if (11, 0xC0000201, None) in flow.match.fields]
    assert extraneous(world) == 8
    assert FIRST_METER in world.switch.datapath.meters


@pytest.mark.parametrize("priority", [1, 2, 60_000])
def test_twins_of_the_lease_are_removed_and_the_lease_stays(priority: int) -> None:
    world = settled(SILENT)
    leases = [flow for flow in world.switch.datapath.tables[0] if flow.cookie & 0xFFFFFFFF == LEASE_COOKIE]
    if not leases:
        pytest.skip("a balancer alone holds no lease")
    fields = match({"eth_type": 0x0800})
    add(world, FlowMod(0, 0, leases[0].cookie, priority=priority, match=fields, instructions=DROP))
    run(world, RESTORE_TIME)
    after = [flow for flow in world.switch.datapath.tables[0] if flow.cookie & 0xFFFFFFFF == LEASE_COOKIE]
    assert {flow.match for flow in after} == {flow.match for flow in leases}
    assert extraneous(world) == 1


def test_twins_of_learned_rules_are_removed_and_what_was_learned_stays() -> None:
    """Tables 3 and 4 of a switch in learn mode. There is also the rule of a port that is not listened to."""
    world = settled(replace(BUSY, normal="refused", tables=64))
    run(world, 30.0)
    assert extraneous(world) == 0
    learned = {each for each in our_rules(world) if each[0] in (3, 4)}
    added = [each for each in twins(world) if each.table in (3, 4)]
    unknown = FlowMod(0, 4, Purpose.LEARN_NOTHING.cookie, priority=2, match=match({"in_port": 77}), instructions=DROP)
    add(world, *added, unknown, unknown._replace(cookie=STRANGE_COOKIES[0], priority=9))
    run(world, 1.5 * RESTORE_TIME)
    assert {each for each in our_rules(world) if each[0] in (3, 4)} == learned
    assert extraneous(world) == len(added) + 2


def test_rules_of_others_stay() -> None:
    world = settled(SILENT)
    for table in range(3):
        add(world, FlowMod(0, table, 0xF0E, priority=7, match=ANY, instructions=DROP))
    run(world, 2 * RESTORE_TIME)
    assert [[flow.cookie for flow in table].count(0xF0E) for table in world.switch.datapath.tables[:3]] == [1] * 3
    assert extraneous(world) == 0
