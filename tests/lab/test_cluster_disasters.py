"""What docs/cluster.md says of several failures at once, of full disks, old files, clocks and names."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import CONFIGURATION_FILE, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from pair import PORTS

from haslb_lab.node import control
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()
CLOCK = DIRECTORY / "clock"
DAY = 86_400


class JumpingCluster(Cluster):
    """Two members whose wall clocks jump (:func:`jumped`)."""

    application = str(Path(__file__).parents[1] / "support" / "jumping_balancer.py")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield JumpingCluster(bench, {"HASLB_TEST_CLOCK": str(CLOCK)})


@pytest.fixture(autouse=True)
def _whole(cluster: Cluster) -> None:
    """No test begins before the failures of the one before are over."""
    cluster.await_whole()


def hand_over(cluster: Cluster) -> None:
    """Have the other member lead."""
    leader = cluster.hand_over()
    wait_until(lambda: cluster.role(leader) == "waiting", "it has handed over")
    cluster.await_whole()


def test_sessions_stay_when_all_members_and_all_of_the_database_are_killed_at_once(cluster: Cluster) -> None:
    """A power failure; the switches go on. The members read the sessions from them (docs/states.md, "Recovery")."""
    first = cluster.register("power", 20)
    for port in PORTS:
        cluster.processes[port].kill()
    for server in list(cluster.servers.processes):
        cluster.servers.end(server)
    for port in PORTS:
        cluster.processes[port].wait()
    for server in list(cluster.servers.processes):
        cluster.servers.start(server)
    for port in PORTS:
        cluster.start(port)
    cluster.await_whole()
    assert cluster.homes(first) == first


def test_a_standby_takes_over_although_the_raft_leader_is_killed_with_the_leader(cluster: Cluster) -> None:
    first, killed = cluster.register("two", 20), cluster.master
    cluster.await_followed(cluster.waiting)
    raft_leader = cluster.servers.raft_leader()
    cluster.servers.end(raft_leader)
    seconds = cluster.end(killed, signal.SIGKILL)
    print(f"taken over after {seconds:.3f} s")
    assert cluster.homes(first) == first
    cluster.servers.start(raft_leader)
    cluster.start(killed)


def test_a_database_server_with_a_full_disk_is_left_for_the_others(cluster: Cluster) -> None:
    """``ovsdb-server`` leaves Raft for good then, and goes on running; it has to be started again."""
    first = cluster.register("full", 20)
    full = cluster.servers.raft_leader()
    cluster.servers.fill_disk(full)
    for weight in range(20, 40):  # what one writes may still fit into the last block
        cluster.configure(cluster.master, f"weight {weight}")
        if cluster.servers.raft_leaders() - {full}:
            break
    wait_until(lambda: cluster.servers.raft_leaders() - {full}, "another server leads by Raft")
    cluster.await_change(50)
    cluster.await_whole()
    killed = cluster.master
    cluster.await_followed(cluster.waiting)
    cluster.end(killed, signal.SIGKILL)
    assert cluster.homes(first) == first
    cluster.servers.end(full)
    cluster.servers.start(full)
    cluster.servers.await_followers()
    cluster.start(killed)


def test_the_leader_serves_while_the_disks_of_all_database_servers_are_full(cluster: Cluster) -> None:
    first, leader = cluster.register("all-full", 20), cluster.master
    for server in cluster.servers.processes:
        cluster.servers.fill_disk(server)
    for weight in range(60, 80):
        if "nothing was changed" in (said := cluster.configure(leader, f"weight {weight}")):
            break
    else:
        pytest.fail(f"the disks are not full: {said}")
    assert cluster.homes(first) == first
    assert cluster.master == leader
    for server in list(cluster.servers.processes):
        cluster.servers.end(server)
    for server in list(cluster.servers.processes):
        cluster.servers.start(server)
    cluster.await_change(90)


@contextmanager
def full_disks(cluster: Cluster) -> Iterator[None]:
    """Have no member write to a file for a while."""
    unlimited = resource.RLIM_INFINITY
    processes = [cluster.processes[port].pid for port in PORTS]
    for process in processes:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, unlimited))
    try:
        yield
    finally:
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (unlimited, unlimited))


def test_members_whose_disks_are_full_serve_and_hand_over(cluster: Cluster) -> None:
    """They write the log and ``write memory``; nothing that serves a request is a file."""
    before = CONFIGURATION_FILE.read_bytes()
    with full_disks(cluster):
        first, leader = cluster.register("log", 20), cluster.master
        cluster.await_change(55)
        said = control.request(cluster.socket(leader), "write memory --yes")
        assert "File too large" in said, "as 'No space left on device' would be"
        assert CONFIGURATION_FILE.read_bytes() == before
        assert sorted(CONFIGURATION_FILE.parent.glob(f"*{CONFIGURATION_FILE.name}*")) == [CONFIGURATION_FILE]
        hand_over(cluster)
        assert cluster.master != leader
        assert cluster.homes(first) == first


def test_members_follow_a_database_whose_files_were_replaced_by_older_ones(cluster: Cluster) -> None:
    """All members run, and have seen what the files do not have. The configuration of the files is in force then."""
    first, servers = cluster.register("old-files", 20), cluster.servers
    cluster.await_change(30)
    numbers = list(servers.processes)
    for server in numbers:
        servers.end(server)
        shutil.copy(servers.file(server), servers.file(server).with_suffix(".old"))
    for server in numbers:
        servers.start(server)
    cluster.await_change(31)
    hand_over(cluster)
    generation = cluster.query(cluster.master, "show redundancy")[0]["generation"]
    for server in numbers:
        servers.end(server)
        servers.file(server).with_suffix(".old").replace(servers.file(server))
    for server in numbers:
        servers.start(server)
    cluster.await_weight(30)  # that of the old files
    cluster.await_whole()
    for port in PORTS:
        assert "is older than what was in force here" in cluster.log(port)
    wait_until(
        lambda: cluster.query(cluster.master, "show redundancy")[0]["generation"] > generation,
        "the leader has committed a newer generation than those that the switch has seen",
    )
    assert cluster.homes(first) == first
    cluster.await_change(32)


@contextmanager
def jumped(seconds: int) -> Iterator[None]:
    """Have the wall clocks of the members jump, and jump back."""
    _set_clock(seconds)
    try:
        yield
    finally:
        _set_clock(0)


def _set_clock(seconds: int) -> None:
    fresh = CLOCK.with_suffix(".new")
    fresh.write_text(str(seconds))
    fresh.replace(CLOCK)


@pytest.mark.parametrize("seconds", [3 * DAY, -3 * DAY], ids=["ahead", "back"])
def test_a_wall_clock_that_jumps_changes_neither_leader_nor_sessions(cluster: Cluster, seconds: int) -> None:
    """Only what outlives a member is written by the wall clock. A change that waits goes on waiting."""
    first, leader = cluster.register(f"clock{seconds}", 20), cluster.master
    cluster.await_change(40)
    assert "roll back in 60 min" in control.request(cluster.socket(leader), "configure confirm 60")
    cluster.await_change(41)
    with jumped(seconds):
        assert cluster.homes(first) == first
        assert cluster.master == leader
        assert [cluster.weight(port) for port in PORTS] == [41, 41]
        assert "confirmed" in control.request(cluster.socket(leader), "configure confirm")
        cluster.await_followed(cluster.waiting)
        cluster.end(leader, signal.SIGKILL)
        assert cluster.homes(first) == first
    cluster.start(leader)
