"""An Open vSwitch whose table of sessions takes no rule at all: mobiles are served by packet-out (docs/switches.md)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from bench import PDSN, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import registration
from open_vswitch import limit_rules

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

MODES = {"dispatched": "", "direct": "nat server"}
MOBILES = [f"ruleless-{number}@isp.com" for number in range(7)]


@pytest.fixture(scope="module", params=MODES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The switch as it is when the balancer has noticed: its rules there were deleted, and are rejected."""
    reals = farm([(address, 1) for address in REALS.values()], *filter(None, [MODES[request.param]]))
    with Bench(Lab(PlainChassis(), reals + virtual_server(300))) as running:
        limit_rules(1, 0)
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "del-flows", SWITCH, "table=1"], check=True)
        wait_until(lambda: "session_table" not in capabilities(running), "it is known that the table takes no rule")
        yield running


def capabilities(bench: Bench) -> list[str]:
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    return list(row["capabilities"])


def test_mobiles_are_served_and_stay_at_their_home_agents_without_a_rule(bench: Bench) -> None:
    first = [bench.deliver(registration(name)) for name in MOBILES]
    assert set(first) == set(REALS)
    assert [bench.deliver(registration(name)) for name in MOBILES] == first
    assert not bench.lab.flows(table=1)
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    assert row["session_rules"] == 0


def test_others_reach_each_other(bench: Bench) -> None:
    argv = ["ping", "-c", "1", "-W", "20", REALS["sami2"]]
    assert bench.lab.run(PDSN, argv, stdout=subprocess.DEVNULL).wait() == 0


def test_the_log_says_it_once(bench: Bench) -> None:
    assert bench.lab.log(CONTROLLER).count("lacks a second flow table") == 1
