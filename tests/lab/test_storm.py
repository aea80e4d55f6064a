"""The balancer is stopped, crashes or is upgraded in the middle of a storm, while others ping each other."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest
from bench import WAIT_TIMEOUT, Bench, PlainChassis, wait_until
from cluster_pair import Cluster
from storm import CONFIGURATION, Storm, bystanders

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY

pytestmark = pytest.mark.lab

#: Mobiles among which those are whose rules were under way at a crash.
LAST = 500


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def is_connected() -> bool:
    listed = ["ovs-vsctl", "get", "Controller", SWITCH, "is_connected"]
    return subprocess.run(listed, check=True, capture_output=True, text=True).stdout == "true\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_restart_in_the_middle_of_a_storm_loses_no_session_with_a_rule_and_no_other_packet(
    bench: Bench, number: signal.Signals
) -> None:
    """running.md, Signals: at SIGTERM each session that was dispatched has its rule. An upgrade is such a restart.

    SIGKILL takes the sessions whose rules were under way.
    """
    with Storm(bench) as storm, bystanders(bench):
        bench.controller.send_signal(number)
        bench.controller.wait(WAIT_TIMEOUT)
        wait_until(lambda: not is_connected(), "the switch has noticed")
        bench.lab.node("sami1").cmd("ip neigh flush all")  # bystanders find each other without a balancer
        dispatched = storm.arrived()
        rules = sum(flow.priority == SESSION_PRIORITY for flow in bench.lab.flows(1))
        bench.lab.start_controller()
        bench.lab.wait_until_balancing()
        storm.await_more()
    storm.ask_again([*dispatched[:-LAST:10], *dispatched[-LAST:]])
    moved = storm.moved()
    print(f"{number.name}: {len(dispatched)} dispatched, {rules} rules, moved: {moved}")
    assert len(moved) <= len(dispatched) - rules
    assert set(moved) <= set(dispatched[-LAST:])
    assert "Traceback" not in bench.lab.log(CONTROLLER)
    bench.restart()


@pytest.fixture(scope="module")
def cluster(bench: Bench) -> Cluster:
    return Cluster(bench)


def await_standby(cluster: Cluster, port: int) -> None:
    """Wait for what an operator waits for before he goes on (cluster.md, Upgrade)."""
    wait_until(lambda: cluster.query(port, "show ip slb switches")[0]["standby"] == "following", "it follows")


def test_a_leader_that_is_killed_in_a_storm_takes_no_session_with_a_rule_along(cluster: Cluster) -> None:
    """cluster.md, What is promised: a session whose rule was on its way may be lost."""
    leader, standby = cluster.master, cluster.waiting
    await_standby(cluster, standby)
    with Storm(cluster.bench) as storm, bystanders(cluster.bench):
        before = storm.sent
        cluster.end(leader, signal.SIGKILL)
        after = storm.sent
        cluster.restart(leader)
        storm.await_more()
    print(f"killed: {storm.lost} of {storm.requests} requests lost, moved: {storm.moved()}")
    assert set(storm.moved()) <= set(range(before - LAST, after))


def test_an_upgrade_of_a_cluster_in_a_storm_loses_no_session_and_no_other_packet(cluster: Cluster) -> None:
    """cluster.md, Upgrade: the standby first, then the leader hands over, and is restarted as well."""
    leader, standby = cluster.master, cluster.waiting
    with Storm(cluster.bench) as storm, bystanders(cluster.bench):
        restart(cluster, standby)
        assert cluster.hand_over() == leader
        wait_until(lambda: cluster.role(standby) == "master", "the other one leads")
        restart(cluster, leader)
        storm.await_more()
    print(f"upgraded: {storm.lost} of {storm.requests} requests lost")
    assert storm.moved() == []
    assert not any("Traceback" in cluster.log(port) for port in (leader, standby))


def restart(cluster: Cluster, port: int) -> None:
    """Stop a member in order, and start it again; it stands by then."""
    cluster.processes[port].terminate()
    assert cluster.processes[port].wait(WAIT_TIMEOUT) == 0
    cluster.restart(port)
    await_standby(cluster, port)
