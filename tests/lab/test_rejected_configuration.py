"""A table of Open vSwitch has no room for another configuration: the switch goes on with the rules that it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bench import REALS, WAIT_TIMEOUT, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import registration
from open_vswitch import limit_rules, unlimit_rules

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(300)
OTHER_VIRTUAL = "10.1.1.20"
#: Virtual servers of whose standing rules a part has room.
OTHERS = "".join(
    f"ip slb vserver OTHER{number}\n virtual 10.1.1.{20 + number} udp 434 service ipmobile\n serverfarm HAFARM\n"
    " inservice\n"
    for number in range(5)
)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def facts(bench: Bench) -> dict[str, Any]:
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    return dict(row)


def for_others(bench: Bench) -> list[Flow]:
    """The rules for one of the other virtual servers."""
    return [flow for flow in bench.lab.flows(table=0) if OTHER_VIRTUAL in flow.match.values()]


def test_what_was_served_stays_served_until_there_is_room_for_the_rest(bench: Bench) -> None:
    served = bench.deliver(registration("before@isp.com"))
    limit_rules(0, len(bench.lab.flows(table=0)) + 3)
    with bench.configured(CONFIGURATION + OTHERS):
        wait_until(lambda: facts(bench)["standing_rules_rejected"] == "OFPFMFC_TABLE_FULL", "the rules are rejected")
        assert facts(bench)["connected"]
        assert not for_others(bench)
        assert bench.deliver(registration("before@isp.com")) == served
        assert bench.deliver(registration("during@isp.com")) in REALS
        assert bench.lab.log(CONTROLLER).count("rejected the standing rules of the configuration in force") == 1
        bench.lab.restart_controller()
        wait_until(lambda: facts(bench)["standing_rules_rejected"] == "OFPFMFC_TABLE_FULL", "they are rejected again")
        assert bench.deliver(registration("before@isp.com")) == served
        assert bench.deliver(registration("later@isp.com")) in REALS
        unlimit_rules()
        wait_until(lambda: not facts(bench)["standing_rules_rejected"], "there is room", 3 * WAIT_TIMEOUT)
        assert for_others(bench)
        assert bench.deliver(registration("before@isp.com")) == served
