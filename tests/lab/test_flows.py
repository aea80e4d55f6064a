"""What the application puts on the switch, and what it takes off again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from bench import MACS, REALS, WAIT_TIMEOUT, Bench, PlainChassis, comes_and_goes, farm, virtual_server, wait_until
from mobile import VIRTUAL, frame, nai, registration, request
from open_vswitch import dump_meters
from scapy.layers.l2 import Ether

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.roles.lease import LEASE_COOKIE
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

pytestmark = pytest.mark.lab

#: Seconds until a session ends: more than a test takes, and few for those that wait for the end.
IDLE, SHORT_IDLE = 300, 8
MARK = 0x51B7
SESSIONS = 1
CONFIGURATION, SHORT_LIVED = (
    farm((address, 1) for address in REALS.values()) + virtual_server(idle) for idle in (IDLE, SHORT_IDLE)
)

FILE = DIRECTORY / "balancer.ios"
FOREIGN = (
    "table=0,cookie=0x0,priority=60000,udp,tp_dst=9 actions=drop",
    "table=0,cookie=0x51b70000,priority=100,udp,tp_dst=10 actions=NORMAL",
    "table=1,cookie=0x51b8,priority=1,udp,tp_dst=11 actions=drop",
    "table=7,cookie=0xffffffff0000ffff,priority=1,udp,tp_dst=12 actions=drop",
)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def add(rule: str) -> None:
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", SWITCH, rule], check=True)


def of_others(flows: list[Flow]) -> set[tuple[int, int, str]]:
    return {(flow.table, flow.cookie, flow.actions) for flow in flows if flow.cookie & 0xFFFF != MARK}


def standing(flows: list[Flow]) -> list[tuple[int, int, int, str, str]]:
    """The rules that are no session's and that stay, without their counters. The lease is left out: a stop ends it."""
    return sorted(
        (flow.table, flow.priority, flow.cookie, str(sorted(flow.match.items())), flow.actions)
        for flow in flows
        if flow.idle_timeout == 0 and flow.cookie & 0xFFFFFFFF != LEASE_COOKIE and not comes_and_goes(flow)
    )


def await_standing(bench: Bench, before: list[tuple[int, int, int, str, str]]) -> None:
    """Wait until those rules are as before. The table-miss rule comes behind the others."""
    wait_until(lambda: standing(bench.lab.flows()) == before, "the standing rules are as before")


def test_each_session_has_one_rule_with_its_key_as_cookie_and_the_idle_time(bench: Bench) -> None:
    """Design: the tag as Ethernet source, never the client, so that no mobile meets another's rule."""
    names = [f"each-{number}@isp.com" for number in range(6)]
    nodes = dict(zip(names, [bench.deliver(registration(name)) for name in names]))
    for name in names:
        rule = bench.rule(name)
        assert (rule.table, rule.idle_timeout, rule.hard_timeout) == (SESSIONS, IDLE, 0)
        assert rule.cookie & 0xFFFF == MARK
        tag = bytes.fromhex(f"{rule.cookie >> COOKIE_MARK_BITS:012x}")
        assert tag[0] & 3 == 2, "a tag is a locally administered unicast address"
        assert dict(rule.match) == {"udp": "udp", "dl_src": tag.hex(":"), "nw_dst": VIRTUAL, "tp_dst": "434"}
        port = 2 + list(REALS).index(nodes[name])
        assert rule.actions == (
            f"set_field:{bench.source()}->eth_src,set_field:{MACS[nodes[name]]}->eth_dst,output:{port}"
        )
    assert len({bench.rule(name).cookie for name in names}) == len(names)


def test_the_switch_counts_the_requests_of_a_session_that_has_its_rule(bench: Bench) -> None:
    """Design: later requests return through the table, so that its counters and idle timer are the session's."""
    name = "counted@isp.com"
    bench.deliver(registration(name))
    bench.rule(name)
    for _ in range(2):
        bench.deliver(registration(name))
    wait_until(lambda: bench.rule(name).packets == 2, "the rule has counted two requests")


def test_rules_go_when_their_sessions_end(bench: Bench) -> None:
    """The switch ends them by itself: idle time-out."""
    with bench.configured(SHORT_LIVED):
        bench.deliver(registration("ending@isp.com"))
        cookie = bench.rule("ending@isp.com").cookie
        wait_until(lambda: "ending@isp.com" not in bench.sessions(), "the session ends")
        wait_until(lambda: not bench.rules(cookie), "its rule is gone")


def test_a_deregistration_leaves_the_rule_until_the_session_runs_out(bench: Bench) -> None:
    """A stranger can send one to the virtual address, so it ends nothing; the idle time takes the rule off."""
    name = "closing@isp.com"
    with bench.configured(SHORT_LIVED):
        bench.deliver(registration(name))
        cookie = bench.rule(name).cookie
        bench.deliver(frame(request(nai(name), lifetime=0)))
        assert bench.rules(cookie)
        wait_until(lambda: not bench.rules(cookie), "its rule is gone")


def test_a_session_that_moves_takes_its_rule_along(bench: Bench) -> None:
    """Retries beyond ``reassign``: the same rule, another home agent."""
    name = "moving@isp.com"
    first = bench.deliver(registration(name))
    for _ in range(3):
        assert bench.retransmit(registration(name)) == first
    before = bench.rule(name)
    second = bench.retransmit(registration(name))
    assert second != first
    wait_until(lambda: MACS[second] in bench.rule(name).actions, "the rule leads to the new home agent")
    assert bench.rule(name).cookie == before.cookie


def test_a_request_whose_rule_was_removed_from_the_switch_still_arrives(bench: Bench) -> None:
    """A rule may go while its session lives; the request that finds it gone is delivered and the rule placed anew."""
    name = "robbed@isp.com"
    first = bench.deliver(registration(name))
    cookie = bench.rule(name).cookie
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "del-flows", SWITCH, f"cookie={cookie:#x}/-1"], check=True)
    with bench.lab.capture(first) as capture:
        sent = registration(name)
        bench.send(sent)
        capture.wait_for(lambda each: each[14:] == sent[14:])
    assert bench.rule(name).cookie == cookie


def test_hundreds_of_sessions_at_once_have_hundreds_of_rules(bench: Bench) -> None:
    """Rules come in bundles; none may be forgotten between two of them."""
    names = [f"many-{number}@isp.com" for number in range(500)]
    bench.exchange(*(registration(name) for name in names))
    cookies = {int(row["nai_hash"], 16) for name, row in bench.sessions().items() if name in names}
    assert len(cookies) == len(names)
    wait_until(lambda: cookies <= {flow.cookie for flow in bench.lab.flows(SESSIONS)}, "all have rules")


def test_sessions_survive_a_lost_connection_and_rules_come_back(bench: Bench) -> None:
    """A switch reconnects: a session is where it was, nothing is there twice."""
    name = "survivor@isp.com"
    first = bench.deliver(registration(name))
    before = standing(bench.lab.flows())
    key = bench.sessions()[name]["nai_hash"]
    bench.disconnect()
    wait_until(lambda: "connection lost" in bench.lab.log(CONTROLLER), "the balancer has noticed")
    bench.connect()
    assert bench.deliver(registration(name)) == first
    assert bench.sessions()[name]["nai_hash"] == key
    assert MACS[first] in bench.rule(name).actions
    await_standing(bench, before)


def test_a_switch_that_lost_every_rule_gets_them_all_again(bench: Bench) -> None:
    """A switch that was restarted comes back empty."""
    name = "amnesia@isp.com"
    first = bench.deliver(registration(name))
    bench.rule(name)
    before = standing(bench.lab.flows())
    bench.disconnect()
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "del-flows", SWITCH], check=True)
    bench.connect()
    await_standing(bench, before)
    assert MACS[first] in bench.rule(name).actions, "the rules of sessions come back by themselves"
    assert bench.deliver(registration(name)) == first


def is_switched(bench: Bench) -> bool:
    """Whether a frame that is none of ours gets from the PDSN to every home agent."""
    stranger = Ether(src=MACS["pdsn1"], dst="ff:ff:ff:ff:ff:ff", type=0x88B5) / b"bystander"
    captures = [bench.lab.capture(node) for node in REALS]
    with ExitStack() as stack:
        listening = [stack.enter_context(capture) for capture in captures]
        bench.send(bytes(stranger))
        for each in listening:
            each.wait_for(lambda frame: b"bystander" in frame)
    return True


def test_foreign_rules_stay_and_ours_go_when_the_balancer_is_retired(bench: Bench) -> None:
    """haslb retire: only what bears our mark goes, other traffic stays switched, nothing is served until configure."""
    for rule in FOREIGN:
        add(rule)
    foreign = of_others(bench.lab.flows())
    assert len(foreign) == len(FOREIGN)
    bench.deliver(registration("last@isp.com"))
    bench.rule("last@isp.com")
    assert bench.lab.command(CONTROLLER, "retire").splitlines() == [
        "switch 0000000000000001: our rules are removed",
        "1 switches retired; none is served until 'configure' or a new start",
    ]
    flows = bench.lab.flows()
    assert [flow.cookie for flow in flows if flow.cookie & 0xFFFF == MARK] == [Purpose.PASS_OTHER.cookie]
    assert of_others(flows) == foreign
    assert "meter=" not in dump_meters()
    assert is_switched(bench)
    bench.lab.command(CONTROLLER, f"configure replace {FILE} --yes")
    bench.lab.wait_until_balancing()
    assert of_others(bench.lab.flows()) == foreign
    assert bench.deliver(registration("first@isp.com")) in REALS
    assert "Traceback" not in bench.lab.log(CONTROLLER)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_stop_leaves_rules_sessions_and_other_traffic_and_the_next_start_takes_over(
    bench: Bench, number: signal.Signals
) -> None:
    """A stop is no worse than a crash: exit status 0, no socket left, every mobile keeps its home agent."""
    names = [f"{number.name}-{each}@isp.com" for each in range(7)]
    nodes = {name: bench.deliver(registration(name)) for name in names}
    keys = {bench.rule(name).cookie for name in names}
    before = standing(bench.lab.flows())
    bench.controller.send_signal(number)
    assert bench.controller.wait(WAIT_TIMEOUT) == 0
    assert not (DIRECTORY / f"{CONTROLLER}.control").exists()
    assert standing(bench.lab.flows()) == before
    assert keys <= {flow.cookie for flow in bench.lab.flows(SESSIONS)}
    assert is_switched(bench)
    bench.start()
    await_standing(bench, before)
    assert {name: bench.deliver(registration(name)) for name in reversed(names)} == nodes
    assert {bench.rule(name).cookie for name in names} == keys
    assert "Traceback" not in bench.lab.log(CONTROLLER)


def test_sessions_survive_the_application_being_killed(bench: Bench) -> None:
    """Design: the switch is the session store. After a crash no mobile changes its home agent, no rule is doubled."""
    before = standing(bench.lab.flows())
    names = [f"left-{number}@isp.com" for number in range(7)]
    nodes = {name: bench.deliver(registration(name)) for name in names}
    keys = {bench.rule(name).cookie for name in names}
    bench.kill_controller()
    bench.start()
    await_standing(bench, before)
    assert {name: bench.deliver(registration(name)) for name in reversed(names)} == nodes
    assert {bench.rule(name).cookie for name in names} == keys
    assert sum(row["conns"] for row in bench.reals().values()) >= len(names)


def test_sigterm_before_any_switch_has_connected_ends_it_as_well(bench: Bench) -> None:
    """There is no switch to wait for: the process ends with status 0."""
    bench.lab.stop_controller()
    bench.disconnect()
    bench.lab.start_controller()
    wait_until((DIRECTORY / f"{CONTROLLER}.control").exists, "the balancer listens")
    bench.lab.stop_controller()
    assert bench.controller.returncode == 0
    bench.start()
