"""Open vSwitch told to be less than it is: two OpenFlow versions, rules of another controller, a limit of rules."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from bench import PDSN, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import registration

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

#: Session rules that the switch may have, and mobiles that come.
LIMIT, MOBILES = 4, 7
CONFIGURATION = (
    f"ip slb datapath 1 switching none max-rules {LIMIT}\n"
    + farm((address, 1) for address in REALS.values())
    + virtual_server(300)
)
#: What another controller installs; our rules go before it.
FOREIGN = "table=0,cookie=0xf0e,priority=1,actions=NORMAL"
MARK = 0x51B7


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", SWITCH, FOREIGN], check=True, capture_output=True)
        running.disconnect()  # it connects anew when its versions change
        protocols = ["set", "Bridge", SWITCH, "protocols=OpenFlow10,OpenFlow13", "other_config:mac-table-size=10"]
        subprocess.run(["ovs-vsctl", *protocols], check=True, capture_output=True)
        running.connect()
        running.lab.wait_until_balancing()
        yield running


def ours(bench: Bench) -> list[Flow]:
    return [flow for flow in bench.lab.flows() if flow.cookie & 0xFFFF == MARK]


def session_rules(bench: Bench) -> list[Flow]:
    return [flow for flow in ours(bench) if flow.table == 1 and flow.cookie >> 32]


def test_the_rules_of_another_controller_forward_and_ours_take_nothing_from_them(bench: Bench) -> None:
    """docs/switches.md, ``switching none``: no rule of ours matches what does not concern the balancer."""
    wait_until(lambda: bool(ours(bench)), "our rules are in place")
    assert not [flow for flow in ours(bench) if "NORMAL" in flow.actions or "FLOOD" in flow.actions]
    argv = ["ping", "-c", "1", "-W", "20", REALS["sami2"]]
    assert bench.lab.run(PDSN, argv, stdout=subprocess.DEVNULL).wait() == 0


def test_mobiles_are_served_and_the_switch_gets_no_more_rules_than_it_may_have(bench: Bench) -> None:
    for number in range(MOBILES):
        assert bench.deliver(registration(f"few-{number}@isp.com")) in REALS
    wait_until(lambda: len(session_rules(bench)) == LIMIT, "the limit is reached")
    for number in range(MOBILES):
        assert bench.deliver(registration(f"few-{number}@isp.com")) in REALS
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    assert (row["session_rules"], row["sessions_without_rule"]) == (LIMIT, MOBILES - LIMIT)
    assert (row["session_rule_limit"], row["session_rule_limit_source"]) == (LIMIT, "configured")
    assert bench.lab.log(CONTROLLER).count("has as many session rules as it may have (4,") == 1


def test_what_the_switch_reports_is_shown(bench: Bench) -> None:
    def row() -> dict[str, Any]:
        only: dict[str, Any]
        (only,) = bench.lab.query(CONTROLLER, "show ip slb switches")
        return only

    # Open vSwitch may lose a probe that is output to TABLE right after a commit; the next one follows after a second.
    wait_until(lambda: "table_output" in row()["capabilities"], "a probe that was output to TABLE has returned")
    seen = row()
    assert seen["make"].startswith("Nicira")
    assert seen["session_table_size"] > 100_000
    assert seen["max_meters"] > 0
    assert {"bundles", "roles"} <= set(seen["capabilities"])
    assert seen["switching"] == "none"
    assert sorted(each.split(" at ")[0] for each in seen["neighbours"]) == sorted(REALS.values())


def test_the_rule_of_the_other_controller_is_still_there(bench: Bench) -> None:
    assert [flow.actions for flow in bench.lab.flows(table=0) if flow.cookie == 0xF0E] == ["NORMAL"]
