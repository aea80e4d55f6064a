"""Others delete our rules and meters on Open vSwitch, while mobiles register and bystanders ping: all comes back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from audited import MARK, MOBILES, audited_bench, await_rules, ofctl, restorations, rules, session_rules
from bench import PDSN, REALS, WAIT_TIMEOUT, Bench, wait_until
from mobile import registration
from open_vswitch import dump_meters, forget_fast_path, limit_rules, unlimit_rules

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from ryu_haslb.openflow.flow_tables.pipeline import REPLY_METER

pytestmark = pytest.mark.lab

#: A table that has room for fewer session rules than there are mobiles.
ROOM = 20


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with audited_bench() as running:
        yield running


def meters() -> list[str]:
    """The meters that stay: that of copied replies is there only while a home agent is in doubt."""
    return [each for each in dump_meters().split("meter=")[1:] if int(each.split()[0]) != REPLY_METER]


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
