"""Others add rules that take packets from ours: they stay, and are reported (docs/flows.md, rules of others)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from played import run, world_after

from ryu_haslb.openflow.audit import mark_count, override_audit
from ryu_haslb.openflow.audit.override_audit import LOOK_INTERVAL, MAX_RULES, REPLY_TIMEOUT, Overridden
from ryu_haslb.openflow.audit.overriding import Look
from ryu_haslb.openflow.flow_tables.pipeline import udp_match
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, match
from ryu_haslb.openflow.wire.multipart import FlowStats, rule_count_request
from ryu_haslb.slb.session_tag import COOKIE_MARK
from simulation.flow_mods import FlowMods
from simulation.flow_table import MalformedError
from simulation.parameters import Parameters
from simulation.statistics import Statistics
from simulation.world import World

PARAMETERS = Parameters(seed=1, mobiles=3, idle=3000, lifetime=65535)
#: Seconds after which what is on the switch was looked at.
LOOK_TIME = LOOK_INTERVAL + 6.0
REQUESTS = match({"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 434})
ANY = match({})
OVERRIDE = "override ours"


def settled(parameters: Parameters = PARAMETERS) -> World:
    return world_after(parameters, 30.0)


def rule(priority: int, fields: bytes = REQUESTS, table: int = 0, cookie: int = 0, command: int = 0) -> FlowMod:
    return FlowMod(command, table, cookie, priority=priority, match=fields, instructions=apply_actions(b""))


def send(world: World, *rules: FlowMod) -> None:
    for each in rules:
        FlowMods(world.switch).execute(each.pack(1))
    world.switch.monitors.flush()


def overridden(world: World) -> Overridden:
    return world.controller.fleet.switches[1].overridden


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if OVERRIDE in each.getMessage()]


def test_a_rule_that_drops_requests_is_reported_once_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    world = settled()
    assert overridden(world) == Overridden()
    send(world, rule(65535))
    run(world, 3 * LOOK_TIME)
    assert overridden(world) == Overridden(1, "table 0, priority 65535, cookie 0x0, over 'punt request'")
    (line,) = lines(caplog)
    assert "1 rules of another controller or operator override ours (table 0, priority 65535, cookie 0x0, over " in line
    assert [flow.priority for flow in world.switch.datapath.tables[0]].count(65535) == 1


def test_a_further_rule_is_reported_and_so_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = settled()
    send(world, rule(65535))
    run(world, LOOK_TIME)
    send(world, rule(60000))
    run(world, LOOK_TIME)
    assert overridden(world).count == 2
    assert len(lines(caplog)) == 2
    send(world, rule(0, ANY, cookie=0, command=wire.OFPFC_DELETE)._replace(cookie_mask=0xFFFF))
    run(world, LOOK_TIME)
    assert overridden(world) == Overridden()
    assert "no rule of others overrides ours any more" in caplog.text


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("is_large", [False, True])
def test_a_rule_in_the_session_table_is_found_by_any_cookie_but_ours(
    bit: int, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large table the switch is not asked for session rules, which may be a million."""
    if is_large:
        monkeypatch.setattr(override_audit, "MAX_RULES", 3)
    world = settled()
    send(world, rule(60000, table=1, cookie=COOKIE_MARK ^ 1 << bit), rule(7, match(udp_match("10.1.1.10", 9)), table=1))
    run(world, LOOK_TIME)
    assert overridden(world).count == 1


def test_a_switch_that_ignores_cookies_reports_each_rule_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has one more for requests, which is ours, and one for other packets."""
    monkeypatch.setattr(override_audit, "MAX_RULES", 17)
    world = settled(replace(PARAMETERS, mobiles=0, habits=(("flow_statistics_by_cookie", False),)))
    send(world, *(rule(60000 + bit, table=1, cookie=COOKIE_MARK ^ 1 << bit) for bit in range(16)))
    send(world, rule(7, match(udp_match("10.1.1.10", 9)), table=1))
    run(world, LOOK_TIME)
    assert overridden(world).count == 16


def test_the_learning_table_is_looked_at_where_there_is_one() -> None:
    world = settled(replace(PARAMETERS, normal="refused", tables=64))
    send(world, rule(60000, ANY, table=3), rule(60000, ANY, table=4))
    run(world, 2 * LOOK_TIME)
    assert overridden(world).count == 2


def test_of_very_many_rules_of_others_only_those_about_requests_are_looked_at(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch sends a reply as a whole, and requests behind it: 200,000 rules would stop them for seconds."""
    world = settled()
    many = [rule(60000, match({"eth_type": 0x0800, "ipv4_src": number}), cookie=7) for number in range(MAX_RULES + 1)]
    send(world, *many, rule(65535))
    reported: list[FlowStats] = []
    take = Look.take

    def record(look: Look, row: FlowStats) -> None:
        reported.append(row)
        take(look, row)

    monkeypatch.setattr(Look, "take", record)
    run(world, 2 * LOOK_TIME)
    assert overridden(world) == Overridden(1, "table 0, priority 65535, cookie 0x0, over 'punt request'")
    assert 0 < len(reported) < MAX_RULES
    (line,) = [each.getMessage() for each in caplog.records if "too many" in each.getMessage()]
    assert f"table 0 has more than {MAX_RULES} rules of others" in line
    send(world, rule(0, ANY, cookie=7, command=wire.OFPFC_DELETE)._replace(cookie_mask=0xFFFF))
    send(world, rule(65000, ANY))
    run(world, LOOK_TIME)
    assert overridden(world).count == 2, "there are few again"


@pytest.mark.parametrize("how", ["rejected", "ignored", "cut short"])
def test_a_switch_that_does_not_count_its_rules_is_asked_for_them_all_the_same(
    how: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    asked = []

    def count_request(xid: int, *selection: Any) -> bytes:
        asked.append(selection)
        return rule_count_request(xid, *selection)

    def aggregate(_: Statistics, message: bytes) -> bytes:
        if how == "rejected":
            raise MalformedError(1, 2)  # OFPBRC_BAD_MULTIPART
        return message[:7]

    monkeypatch.setattr(mark_count, "rule_count_request", count_request)
    monkeypatch.setattr(Statistics, "_aggregate", aggregate)
    silent = frozenset({wire.OFPMP_AGGREGATE} if how == "ignored" else ())
    world = settled(replace(PARAMETERS, habits=(("silent_multiparts", silent),)))
    send(world, rule(65535), rule(60000, table=1, cookie=COOKIE_MARK ^ 1 << 3))
    run(world, REPLY_TIMEOUT + 3 * LOOK_TIME)
    assert overridden(world).count == 2
    assert len(asked) == 2, "the first look counts all rules, and those with our mark"
    (line,) = [each.getMessage() for each in caplog.records if "OFPMP_AGGREGATE" in each.getMessage()]
    assert "rules of others are looked for without" in line


def test_the_log_does_not_take_rules_of_ours_for_those_of_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch that ignores cookies has as many in each group."""
    monkeypatch.setattr(override_audit, "MAX_RULES", 3)
    world = settled(replace(PARAMETERS, habits=(("flow_statistics_by_cookie", False),)))
    run(world, 2 * LOOK_TIME)
    found = [each.getMessage() for each in caplog.records if "too many" in each.getMessage()]
    assert found
    assert all("rules of others, or the switch ignores cookies: too many" in each for each in found)


MANY = range(MAX_RULES + 1)
#: Rules of one group, that of the cookie: about requests, and others.
ABOUT_REQUESTS = [rule(60000, match(udp_match(f"10.9.{number >> 8}.{number & 255}", 434))) for number in MANY]
ABOUT_OTHERS = [rule(60000, match({"eth_type": 0x0800, "ipv4_src": number})) for number in MANY]
COOKIE = COOKIE_MARK ^ 1 << 5


@pytest.mark.parametrize("is_by_cookie", [True, False])
@pytest.mark.parametrize(
    ("many", "fields", "is_read"),
    [(ABOUT_OTHERS, ANY, False), (ABOUT_OTHERS, REQUESTS, True), (ABOUT_REQUESTS, REQUESTS, False)],
    ids=["about others", "about requests among others", "about requests"],
)
def test_what_was_reported_stays_so_while_there_are_too_many_rules_to_read_it(
    many: list[FlowMod], fields: bytes, is_read: bool, is_by_cookie: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Else its alert would end, as if somebody had removed the rule."""
    world = settled(replace(PARAMETERS, habits=() if is_by_cookie else (("flow_statistics_by_cookie", False),)))
    send(world, rule(65535, fields, cookie=COOKIE))
    run(world, LOOK_TIME)
    before = overridden(world).count, overridden(world).example
    assert before[0] == 1
    send(world, *(each._replace(cookie=COOKIE) for each in many))
    run(world, 2 * LOOK_TIME)
    assert (overridden(world).count, overridden(world).example) == before
    send(world, rule(65535, fields, command=wire.OFPFC_DELETE_STRICT))
    run(world, LOOK_TIME)
    assert overridden(world).count == (0 if is_read else 1)
    assert len(lines(caplog)) == 1
    send(world, rule(0, ANY, cookie=COOKIE, command=wire.OFPFC_DELETE)._replace(cookie_mask=0xFFFF))
    run(world, 2 * LOOK_TIME)
    assert overridden(world) == Overridden()
