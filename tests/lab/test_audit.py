"""Others delete our rules and meters on Open vSwitch, while mobiles register and bystanders ping: all comes back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import (
    PDSN,
    REALS,
    WAIT_TIMEOUT,
    Bench,
    PlainChassis,
    comes_and_goes,
    dump_meters,
    farm,
    forget_fast_path,
    limit_rules,
    unlimit_rules,
    virtual_server,
    wait_until,
)
from mobile import registration

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import REPLY_METER

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(300)
MARK = 0x51B7
MOBILES = [f"audited-{number}@isp.com" for number in range(40)]
#: A table that has room for fewer session rules than there are mobiles.
ROOM = 20

Rule = tuple[int, int, int, str, str]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        for name in MOBILES:
            running.deliver(registration(name))
        wait_until(lambda: len(session_rules(running)) == len(MOBILES), "every mobile has its rule")
        yield running


def ofctl(*command: str) -> bytes:
    return subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", *command], check=True, capture_output=True).stdout


def rules(bench: Bench) -> set[Rule]:
    """All rules of ours that stay, without their counters."""
    return {
        (flow.table, flow.priority, flow.cookie, str(sorted(flow.match.items())), flow.actions)
        for flow in bench.lab.flows()
        if flow.cookie & 0xFFFF == MARK and not comes_and_goes(flow)
    }


def await_rules(bench: Bench, expected: set[Rule], what: str) -> None:
    """Wait until our rules are these; ``what`` is that."""
    wait_until(lambda: rules(bench) == expected, lambda: f"{what}, but {rules(bench) ^ expected} differ")


def session_rules(bench: Bench) -> list[Rule]:
    return [rule for rule in rules(bench) if rule[0] == 1 and rule[2] >> 32]


def meters() -> list[str]:
    """The meters that stay: that of copied replies is there only while a home agent is in doubt."""
    return [each for each in dump_meters().split("meter=")[1:] if int(each.split()[0]) != REPLY_METER]


def restorations(bench: Bench) -> int:
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    return int(row["restorations"])


def sessions_without_rule(bench: Bench) -> int:
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    return int(row["sessions_without_rule"])


def pings(bench: Bench) -> bool:
    """Whether two hosts that have nothing to do with the balancer reach each other."""
    argv = ["ping", "-c", "1", "-W", "20", "10.1.1.52"]
    return bench.lab.run(PDSN, argv, stdout=subprocess.DEVNULL).wait() == 0


DELETIONS = {
    "everything": ("del-flows", SWITCH),
    "the classifier": ("del-flows", SWITCH, "table=0"),
    "the session table": ("del-flows", SWITCH, "table=1"),
    "the session rules": ("del-flows", SWITCH, "table=1,udp,tp_dst=434"),
    "the meters": ("del-meters", SWITCH),
}


@pytest.mark.parametrize("what", DELETIONS)
def test_what_others_delete_is_restored(bench: Bench, what: str) -> None:
    """docs/flows.md, the audit. One line in the log for any number of rules, or two where a part is found later."""
    before, meters_before, count = rules(bench), meters(), restorations(bench)
    lines = bench.lab.log(CONTROLLER).count("by another controller or operator; restored")
    ofctl(*DELETIONS[what])  # what follows may be restored before it can be looked at: the incident counts
    await_rules(bench, before, f"{what} is restored")
    wait_until(lambda: meters() == meters_before, lambda: f"{what} is restored, but the meters are {meters()}")
    forget_fast_path()
    assert pings(bench)
    assert bench.deliver(registration(MOBILES[0])) in REALS
    wait_until(lambda: restorations(bench) > count, "the incident is counted")
    found = bench.lab.log(CONTROLLER).count("by another controller or operator; restored") - lines
    assert 1 <= found <= 2


#: What ``ovs-ofctl mod-meter`` makes of the meter of all requests, one after the other.
CHANGES = {
    "the rate": "pktps,burst,stats,band=type=drop,rate=1,burst_size=1",
    "the unit": "kbps,burst,stats,band=type=drop,rate=1,burst_size=1",
    "the burst": "pktps,burst,stats,band=type=drop,rate=50000,burst_size=1",
    "a second band": "pktps,burst,stats,bands=type=drop,rate=50000,burst_size=5000,type=drop,rate=1,burst_size=1",
}


def test_a_meter_that_others_change_again_and_again_is_restored_each_time(bench: Bench) -> None:
    """A change may follow a restoration before that has been seen in the reply of the switch."""
    before = meters()
    for _ in range(2):
        for settings in CHANGES.values():
            ofctl("mod-meter", SWITCH, f"meter={MARK},{settings}")
            wait_until(lambda: meters() == before, f"{settings} is undone")
    assert bench.deliver(registration(MOBILES[0])) in REALS


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


def test_one_session_rule_that_is_deleted_is_restored(bench: Bench) -> None:
    before, count = rules(bench), restorations(bench)
    cookie = session_rules(bench)[0][2]
    ofctl("del-flows", SWITCH, f"table=1,cookie={cookie:#x}/-1")
    wait_until(lambda: restorations(bench) > count, "the deletion is counted")
    await_rules(bench, before, "it is restored")


def test_an_old_dump_of_the_table_brings_no_mobile_to_a_former_home_agent(bench: Bench, tmp_path: Path) -> None:
    """An operator restores it while mobiles register. Its rules lead to where their sessions were, and it lacks one."""
    dump = tmp_path / "old.flows"
    former = {name: bench.deliver(registration(name)) for name in MOBILES}
    wait_until(lambda: len(session_rules(bench)) >= len(MOBILES), "every mobile has its rule")
    dump.write_bytes(ofctl("--no-stats", "dump-flows", SWITCH))
    bench.lab.command(CONTROLLER, "clear ip slb sessions")
    wait_until(lambda: not session_rules(bench), "no session has a rule")
    bench.deliver(registration("odd@isp.com"))
    now = {name: bench.deliver(registration(name)) for name in MOBILES}
    assert now != former
    wait_until(lambda: len(session_rules(bench)) == len(MOBILES) + 1, "every mobile has its rule")
    expected = rules(bench)
    ofctl("replace-flows", SWITCH, str(dump))
    assert {name: bench.deliver(registration(name)) for name in MOBILES} == now
    await_rules(bench, expected, "the rules are restored")


def test_rules_of_others_stay_and_the_audit_lets_them_be(bench: Bench) -> None:
    ofctl("add-flow", SWITCH, "table=1,cookie=0xf0e,priority=7,udp,tp_dst=9 actions=drop")
    before = rules(bench)
    ofctl("del-flows", SWITCH, f"cookie={MARK:#x}/0xffff")
    await_rules(bench, before, "our rules are restored")
    assert [flow.cookie for flow in bench.lab.flows(table=1) if flow.cookie & 0xFFFF != MARK] == [0xF0E]


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


def test_a_full_table_costs_one_log_line_and_is_filled_as_far_as_it_goes(bench: Bench) -> None:
    bench.lab.command(CONTROLLER, "clear ip slb sessions")
    wait_until(lambda: not session_rules(bench), "the session rules are removed")
    limit_rules(1, ROOM + len(bench.lab.flows(table=1)))
    for _ in range(3):
        for name in MOBILES:
            assert bench.deliver(registration(name)) in REALS
    wait_until(lambda: len(session_rules(bench)) == ROOM, "the table is full")
    wait_until(lambda: sessions_without_rule(bench) == len(MOBILES) - ROOM, "the others go by packet-out")
    assert bench.lab.log(CONTROLLER).count("session rules (OFPFMFC_TABLE_FULL)") == 1
    unlimit_rules()
    wait_until(lambda: len(session_rules(bench)) == len(MOBILES), "there is room again", 2 * WAIT_TIMEOUT)
