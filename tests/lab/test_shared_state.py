"""What the members of a cluster share stays in force when another one leads."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from mobile import registration

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.chassis.topology import NodePort, SwitchPort
from haslb_lab.node import control
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

AGENT_NODE, AGENT_PORT, AGENT_WEIGHT = "sami2", 500, 9
#: Seconds without a message after which an agent counts as lost: longer than the test, in which it hangs.
KEEP_ALIVE = 3600
CONFIGURATION = (
    farm(
        ((address, 1) for address in REALS.values()),
        "predictor roundrobin",
    ).replace("inservice", "reassign 1\nfaildetect numconns 1 numclients 1\nretry 3600\ninservice")
    + virtual_server()
)


class ChassisWithManager(PlainChassis):
    """The balancers have an address among the home agents, from which they connect to DFP agents."""

    def build(self, *arguments: Any, **keywords: Any) -> None:
        super().build(*arguments, **keywords)
        self.attach(
            NodePort(CONTROLLER, interface=1, address=IPv4Interface("10.1.1.200/24")), SwitchPort(SWITCH, number=9)
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(ChassisWithManager(), CONFIGURATION)) as bench:
        yield Cluster(bench)


def states(cluster: Cluster, port: int) -> dict[str, str]:
    """The states of the home agents at a member."""
    return {row["real"]: row["state"] for row in cluster.query(port, "show ip slb reals")}


def weights(cluster: Cluster, port: int) -> list[Any]:
    """The DFP weights in force at a member."""
    return [(row["real"], row["weight"]) for row in cluster.query(port, "show ip slb dfp weights")]


def test_a_failed_home_agent_stays_failed_when_another_member_takes_over(cluster: Cluster) -> None:
    """It is back by the usual rules: after ``retry`` seconds, or when it answers (IOS SLB, "Failure detection")."""
    bench, leader, standby = cluster.bench, cluster.master, cluster.waiting
    failed = REALS[bench.deliver(registration("fails@isp.com"))]
    for _ in range(12):
        bench.retransmit(registration("fails@isp.com"))
        if states(cluster, leader)[failed] == "FAILED":
            break
    assert states(cluster, leader)[failed] == "FAILED"
    wait_until(lambda: states(cluster, standby) == states(cluster, leader), "the standby has the health of all")
    cluster.end(leader, signal.SIGKILL)
    cluster.await_service(standby)
    assert states(cluster, standby)[failed] == "FAILED"
    came = {REALS[bench.deliver(registration(f"later{number}@isp.com"))] for number in range(9)}
    assert came == set(REALS.values()) - {failed}
    cluster.restart(leader)
    wait_until(lambda: states(cluster, leader)[failed] == "FAILED", "so it is at a member that has just started")


def test_a_weight_lasts_until_the_agent_reports_to_the_new_leader(cluster: Cluster) -> None:
    """The agent hangs: a member that starts meanwhile has the weight from the leader, and so has it as leader."""
    leader, standby = cluster.master, cluster.waiting
    agent_command = f"ip slb dfp\x1fagent {REALS[AGENT_NODE]} {AGENT_PORT} {KEEP_ALIVE} 0 1"
    assert "+ ip slb dfp / agent" in control.request(cluster.socket(leader), f"config '{agent_command}'")
    program = [str(Path(sys.executable).with_name("haslb-dfp-agent")), "--port", str(AGENT_PORT)]
    agent = cluster.bench.lab.run(
        AGENT_NODE, [*program, "--max-weight", str(AGENT_WEIGHT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: weights(cluster, leader), "the leader has a weight")
    agent.send_signal(signal.SIGSTOP)
    cluster.end(standby, signal.SIGKILL)
    cluster.restart(standby)
    wait_until(lambda: weights(cluster, standby) == weights(cluster, leader), "it has the weight of the leader")
    held = weights(cluster, standby)
    cluster.end(leader, signal.SIGKILL)
    cluster.await_service(standby)
    assert weights(cluster, standby) == held
    agent.kill()
    agent.wait()
