"""Others add rules on Open vSwitch: those with a cookie of ours are removed; those that override ours are reported."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from audited import MOBILES, audited_bench, await_rules, ofctl, restorations, rules, session_rules
from bench import REALS, Bench, wait_until
from mobile import registration
from open_vswitch import forget_fast_path

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with audited_bench() as running:
        yield running


#: What ``ovs-ofctl add-flow`` adds with a cookie of ours; {} is that of a session's rule, with its match.
ADDITIONS = {
    "a standing rule with another priority": "table=0,cookie=0x151b7,priority=60000,udp,nw_dst=10.1.1.10,tp_dst=434",
    "a standing rule with another match": "table=0,cookie=0x151b7,priority=50020,udp,nw_dst=10.1.1.10",
    "a cookie that we do not send": "table=0,cookie=0xdead51b7,priority=60000,udp,nw_dst=10.1.1.10",
    "a session's rule with another priority": "table=1,cookie={cookie},priority=60000,udp,dl_src={tag}",
    "a session's rule with another match": "table=1,cookie={cookie},priority=50000,udp,tp_dst=434",
    "a standing cookie in the session table": "table=1,cookie=0x151b7,priority=60000,udp",
    "a rule for replies": "table=2,cookie=0x1251b7,priority=60000",
}


@pytest.mark.parametrize("what", ADDITIONS)
def test_what_others_add_with_our_cookie_is_removed(bench: Bench, what: str) -> None:
    """It drops the requests that it matches, so a mobile would be lost for good."""
    before, count = rules(bench), restorations(bench)
    cookie = session_rules(bench)[0][2]
    tag = (cookie >> 16).to_bytes(6, "big").hex(":")
    ofctl("add-flow", SWITCH, ADDITIONS[what].format(cookie=hex(cookie), tag=tag) + ",actions=drop")
    wait_until(lambda: restorations(bench) > count, "it is counted")
    await_rules(bench, before, "it is removed, and our rules stay")
    forget_fast_path()
    assert bench.deliver(registration(MOBILES[0])) in REALS


@pytest.mark.parametrize("option", ["idle_timeout=3600", "hard_timeout=3600", "no_packet_counts"])
def test_a_standing_rule_that_others_add_with_other_options_is_restored(bench: Bench, option: str) -> None:
    """With a time-out it would be gone in the middle of the traffic."""
    count = restorations(bench)
    rule = "table=0,cookie=0x151b7,priority=50020,udp,nw_dst=10.1.1.10,tp_dst=434"
    ofctl("add-flow", SWITCH, f"{option},{rule},actions=controller:65535")
    wait_until(lambda: restorations(bench) > count, "it is counted")
    dump = subprocess.run(
        ["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", SWITCH, "cookie=0x151b7/-1"], check=True, capture_output=True
    )
    assert b"_timeout" not in dump.stdout and b"no_packet_counts" not in dump.stdout


#: What ``ovs-ofctl add-flows`` adds with a cookie of its own. Each takes packets from rules of ours, or drops replies.
OVERRIDES = (
    "priority=65535,udp,tp_dst=434,actions=drop",
    "priority=50020,in_port=1,udp,nw_dst=10.1.1.10,actions=NORMAL",
    "priority=60000,arp,arp_spa=10.1.1.250,actions=NORMAL",
    "priority=60000,arp,arp_op=1,arp_spa=10.1.1.51,arp_tpa=10.1.1.99,actions=drop",
    "table=1,priority=50000,udp,nw_src=10.1.1.101,tp_dst=434,actions=drop",
    "priority=100,ip,nw_src=10.1.1.52,actions=drop",
)
FOREIGN = 0xF0E5


def overriding(bench: Bench) -> tuple[int, str]:
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    return int(row["overriding_rules"]), str(row["overriding_rule"])


def test_rules_of_others_that_override_ours_are_reported_and_stay(bench: Bench) -> None:
    """docs/flows.md, rules of others."""
    before = rules(bench)
    lines = bench.lab.log(CONTROLLER).count("override ours")
    text = "".join(f"cookie={FOREIGN:#x},{rule}\n" for rule in OVERRIDES)
    add = ["ovs-ofctl", "-O", "OpenFlow13", "--bundle", "add-flows", SWITCH, "-"]
    subprocess.run(add, input=text, text=True, check=True, capture_output=True)
    try:
        wait_until(lambda: overriding(bench)[0] == len(OVERRIDES), lambda: f"all are found, not {overriding(bench)}")
        assert f"cookie {FOREIGN:#x}, over '" in overriding(bench)[1]
        # One line for each look that finds more. The rules may have come between its questions about two tables.
        assert bench.lab.log(CONTROLLER).count("override ours") - lines in {1, 2}
        assert [flow.cookie for flow in bench.lab.flows()].count(FOREIGN) == len(OVERRIDES)
        assert rules(bench) == before
    finally:
        ofctl("del-flows", SWITCH, f"cookie={FOREIGN:#x}/-1")
    wait_until(lambda: overriding(bench) == (0, ""), "they are gone")
    assert bench.deliver(registration(MOBILES[0])) in REALS
