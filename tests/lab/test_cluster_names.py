"""Two members of a cluster that have one name, as two hosts that are both called ``localhost``."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from pair import PORTS

from haslb_lab.node import control
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


@pytest.fixture(scope="module")
def twins() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Cluster(bench, {"HASLB_NAME": "twin"})


def gives_way(cluster: Cluster, port: int) -> bool:
    """Whether a member says that it does not lead because of its name."""
    return bool(cluster.query(port, "show redundancy")[0]["gives_way"])


def await_conflict(cluster: Cluster) -> None:
    """Wait until both say so, and the one that stands by gives way."""
    for port in PORTS:
        wait_until(
            lambda port=port: cluster.query(port, "show redundancy")[0]["duplicate_name"],  # type: ignore[misc]
            f"{port} says so",
        )
    wait_until(
        lambda: (gives_way(cluster, cluster.waiting), gives_way(cluster, cluster.master)) == (True, False),
        "the one that stands by gives way, and the other one does not",
    )


def test_the_twin_that_stands_by_gives_way_whichever_raft_leader_ends(twins: Cluster) -> None:
    """All connections to the database end with the Raft leader, and the lock of the leader is free for a moment."""
    await_conflict(twins)
    first, leader, standby = twins.register("raft"), twins.master, twins.waiting
    assert "so this one does not lead" in control.request(twins.socket(standby), "show redundancy")
    for _ in twins.servers.processes:
        raft_leader = twins.servers.raft_leader()
        twins.servers.end(raft_leader)
        assert twins.servers.raft_leader() != raft_leader
        for port in PORTS:
            wait_until(lambda port=port: twins.has_database(port), f"{port} has the database")  # type: ignore[misc]
        await_conflict(twins)
        twins.servers.start(raft_leader)
        twins.servers.await_followers()
    assert (twins.master, twins.waiting) == (leader, standby)
    assert "twin leads (generation" not in twins.log(standby)
    assert twins.homes(first) == first


def test_a_twin_leads_when_the_other_one_is_gone(twins: Cluster) -> None:
    """Then it is none any more."""
    await_conflict(twins)
    first, leader, standby = twins.register("gone", 20), twins.master, twins.waiting
    twins.await_followed(standby)
    twins.end(leader, signal.SIGKILL)
    assert not gives_way(twins, standby)
    assert twins.homes(first) == first
