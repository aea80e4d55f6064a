"""Rows of ``show`` commands, and how they are printed."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

import pytest
from cluster_switch import Led
from control_process import Application
from fake_switch import FakeSwitch, FakeTransport

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.messages import PreferenceInformation, encode
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.dfp import DFP_AGENT, DFP_AGENTS
from ryu_haslb.show.reals import REALS, REALS_DETAIL, reals
from ryu_haslb.show.report import Report
from ryu_haslb.show.statistics import STATISTICS, statistics
from ryu_haslb.show.switches import switches
from ryu_haslb.show.vservers import vservers
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.health import Health


def test_counters_have_a_token_for_programs_and_words_for_operators() -> None:
    application = Application(1)
    application.bench.balancer.statistics.count_dropped(DropReason.NO_REAL_AVAILABLE)
    rows = {row["counter"]: row for row in statistics(application.sources)}
    assert all(re.fullmatch("[a-z_]+", counter) for counter in rows)
    assert rows["requests"] == {"counter": "requests", "value": 2, "text": "requests"}
    assert rows["dropped_no_real_available"] == {
        "counter": "dropped_no_real_available",
        "value": 1,
        "text": "dropped: no real server available",
    }


def printed(report: Report[Any], application: Application) -> list[str]:
    return list(filter(None, report.text(report.rows(application.sources))))


def test_every_drop_reason_has_a_counter_of_its_own_and_they_add_up() -> None:
    application = Application()
    for count, reason in enumerate(DropReason, 1):
        application.bench.balancer.statistics.count_dropped(reason, count)
    counted = {row["counter"]: row["value"] for row in statistics(application.sources)}
    assert counted["dropped"] == sum(counted[f"dropped_{reason.value}"] for reason in DropReason)
    assert len({counted[f"dropped_{reason.value}"] for reason in DropReason}) == len(DropReason)


def test_show_prints_the_words_and_not_the_token() -> None:
    lines = printed(STATISTICS, Application())
    assert "dropped: IP fragment" in " ".join(line.rstrip("0 ") for line in lines)
    assert not any("dropped_" in line for line in lines)


def test_the_state_of_a_dfp_agent_is_a_token_in_json_and_words_in_show() -> None:
    application = Application()
    application.add_agents(DfpAgent(IPv4Address("10.1.1.51"), 500))
    assert [row["state"] for row in DFP_AGENTS.rows(application.sources)] == ["idle"]
    assert "not started" in "\n".join(printed(DFP_AGENTS, application))
    (line, *_) = printed(DFP_AGENT, application)
    assert line == "DFP agent 10.1.1.51:500, state = not started"


def test_a_connected_dfp_agent_that_has_never_reported_is_shown_as_such() -> None:
    """With a time-out of 0 nothing else would tell that its weights are missing."""
    application = Application()
    application.add_agents(DfpAgent(IPv4Address("10.1.1.51"), 500))
    connection = application.dfp.links[0].connection
    connection.start()
    connection.connected(1.0)
    assert [(row["state"], row["reported"]) for row in DFP_AGENTS.rows(application.sources)] == [("connected", False)]
    assert printed(DFP_AGENT, application)[0].endswith("state = connected, no report")
    connection.received(encode(PreferenceInformation()), 2.0)
    assert [row["reported"] for row in DFP_AGENTS.rows(application.sources)] == [True]
    assert printed(DFP_AGENT, application)[0].endswith("state = connected")


def test_a_real_server_is_reachable_from_some_switches_and_not_from_others() -> None:
    """A request is forwarded by the switch that it came to; another one's way is of no use to it."""
    application = Application()
    real = next(application.bench.balancer.reals())
    real.reachable_from = {1, 0x525400123456}
    switch = Switch(7, application.configuration, application.bench.balancer)
    switch.path.channel = FakeTransport(FakeSwitch(7))
    sources = application.sources._replace(switches={7: switch})
    row = next(iter(reals(sources)))
    assert row["reachable_from"] == ["0000000000000001", "0000525400123456"]
    assert row["unreachable_from"] == ["0000000000000007"]
    assert [line for line in REALS.text(iter([row])) if line is not None][-1].split()[-3:] == ["2", "of", "3"]
    lines = list(REALS_DETAIL.text(iter([row])))
    assert "  reachable from = 0000000000000001, 0000525400123456" in lines
    assert "  not reachable from = 0000000000000007" in lines


def test_the_place_of_a_real_server_is_as_certain_as_at_the_switch_that_is_least_certain() -> None:
    application = Application()
    real = next(application.bench.balancer.reals())
    switches = {}
    for datapath_id in (1, 2):
        switches[datapath_id] = Switch(datapath_id, application.configuration, application.bench.balancer)
        switches[datapath_id].path.channel = FakeTransport(FakeSwitch(datapath_id))
    sources = application.sources._replace(switches=switches)
    assert next(iter(reals(sources)))["place"] == "unknown"
    here, there = Location(b"\x02\0\0\0\0\x51", 3, 15), Location(b"\x02\0\0\0\0\x66", 9, None)
    for switch in switches.values():
        switch.adjacencies.discovery._neighbours.on_answer(real.packed_address, here, 0.0)
    assert next(iter(reals(sources)))["place"] == "located"
    neighbours = switches[2].adjacencies.discovery._neighbours
    neighbours.on_claim(real.packed_address, there, 1.0)
    row = next(iter(reals(sources)))
    assert (row["place"], row["claims_refused"]) == ("challenged", 0)
    lines = list(REALS_DETAIL.text(iter([row])))
    assert "  place = challenged, claims refused = 0" in lines
    assert "    0000000000000001: 02:00:00:00:00:51 at port 3, VLAN 15 (located)" in lines
    assert "    0000000000000002: 02:00:00:00:00:51 at port 3, VLAN 15 (challenged)" in lines
    neighbours.on_answer(real.packed_address, here, 1.1)
    row = next(iter(reals(sources)))
    assert (row["place"], row["claims_refused"]) == ("located", 1)


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (Health.FAILED, Health.OPERATIONAL, "OPERATIONAL"),
        (Health.FAILED, Health.DEMOTED, "OPERATIONAL"),
        (Health.FAILED, Health.READY_TO_TEST, "TESTING"),
        (Health.FAILED, Health.FAILED, "FAILED"),
    ],
)
def test_the_state_of_a_virtual_server_is_that_of_its_farm(first: Health, second: Health, state: str) -> None:
    application = Application()
    for real, health in zip(application.bench.reals, (first, second)):
        real.health = health
    (row,) = vservers(application.sources)
    assert row["state"] == state


def test_a_farm_that_no_switch_can_reach_has_failed() -> None:
    application = Application()
    for real in application.bench.reals:
        real.reachable_from.clear()
    (row,) = vservers(application.sources)
    assert row["state"] == "FAILED"
    application = Application(in_service=False)
    (row,) = vservers(application.sources)
    assert row["state"] == "OUTOFSERVICE"


def test_a_real_server_that_cannot_be_reached_is_shown_so() -> None:
    application = Application()
    application.bench.reals[1].reachable_from.clear()
    lines = [line.split() for line in REALS.text(REALS.rows(application.sources)) if line is not None]
    assert lines[0][-2:] == ["conns", "reachable"]
    assert [line[-1] for line in lines[2:]] == ["yes", "no"]


def test_a_table_of_switches_goes_on_while_others_connect() -> None:
    """A long table is printed in pieces, and other work has its turn in between."""
    application = Application()
    served = {number: Switch(number, application.configuration, application.bench.balancer) for number in (1, 2)}
    rows = switches(application.sources._replace(switches=served))
    assert next(rows)["datapath"] == f"{1:016x}"
    served[3] = Switch(3, application.configuration, application.bench.balancer)
    assert [row["datapath"] for row in rows] == [f"{2:016x}"]


def test_a_switch_shows_how_many_sessions_are_still_to_be_recovered_after_a_takeover() -> None:
    """They are in no list of sessions before."""
    led = Led()
    led.kill_leader()
    sources = Application().sources._replace(switches=led.standby.fleet.switches)
    (row,) = switches(sources)
    assert row["sessions_to_recover"] + len(led.standby.balancer.sessions) == 60
    assert row["sessions_to_recover"] > 0
    led.run(0.1)
    assert [row["sessions_to_recover"] for row in switches(sources)] == [0]
