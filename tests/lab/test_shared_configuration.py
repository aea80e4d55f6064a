"""One configuration for all members of a cluster: changed at any of them, for all or for none."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import FIRST, Cluster
from pair import PORTS

from haslb_lab.node import control
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()
FILE = DIRECTORY / "balancer.ios"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Cluster(bench)


def has_lost_database(cluster: Cluster, port: int, logged: int) -> bool:
    """Whether a member has said so, behind so many characters of its log."""
    return "no connection to the database" in cluster.log(port)[logged:]


@pytest.mark.parametrize("where", ["waiting", "master"])
def test_a_change_at_any_member_is_in_force_at_all(cluster: Cluster, where: str) -> None:
    expected = cluster.weight(cluster.master) + 1
    answer = cluster.configure(getattr(cluster, where), f"weight {expected}")
    assert f"+ ip slb serverfarm HAFARM / real {FIRST} / weight {expected}" in answer
    cluster.await_weight(expected)


def test_a_change_with_an_error_changes_nothing_anywhere(cluster: Cluster) -> None:
    before = cluster.weight(cluster.master)
    assert "nothing was changed" in cluster.configure(cluster.waiting, "weight 44", "weight 999")
    assert [cluster.weight(port) for port in PORTS] == [before] * 2


def test_of_changes_at_the_same_time_each_is_made_or_refused_as_a_whole(cluster: Cluster) -> None:
    """Two operators at two members: a change is based on the revision before, so none overwrites another unseen."""
    with ThreadPoolExecutor(2) as pool:
        for number in range(100, 106):
            commands = [("weight", number), ("maxconns", number)]
            begun = [
                pool.submit(cluster.configure, port, f"{word} {value}") for port, (word, value) in zip(PORTS, commands)
            ]
            made = ["nothing was changed" not in each.result() for each in begun]
            assert any(made)
            wait_until(lambda: configuration(cluster, PORTS[0]) == configuration(cluster, PORTS[1]), "they agree")
            text = configuration(cluster, PORTS[0])
            assert [f"{word} {value}" in text for word, value in commands] == made


def configuration(cluster: Cluster, port: int) -> str:
    """The configuration in force at a member."""
    return control.request(cluster.socket(port), "show running-config")


def test_the_configuration_survives_the_restart_of_all_members_and_their_files(cluster: Cluster) -> None:
    """Both start with a file that differs: one line says what differs and which is in force."""
    cluster.configure(cluster.waiting, "weight 21")
    cluster.await_weight(21)
    for port in PORTS:
        cluster.processes[port].send_signal(signal.SIGKILL)
        cluster.processes[port].wait()
    for port in PORTS:
        cluster.start(port)
    wait_until(lambda: sorted(map(cluster.role, PORTS)) == ["master", "waiting"], "one is master")
    cluster.await_weight(21)
    for port in PORTS:
        wait_until(partial(differences, cluster, port), "it says what differs")
        (line,) = differences(cluster, port)
        assert "in force" in line and f"real {FIRST} / weight 21" in line


def differences(cluster: Cluster, port: int) -> list[str]:
    """The lines in which a member has said that its file differs."""
    return [line for line in cluster.log(port).splitlines() if f"{FILE} differs" in line]


def test_sighup_compares_the_file_and_from_file_makes_it_the_one_in_force(cluster: Cluster) -> None:
    port = cluster.waiting
    before = cluster.log(port).count("differs from what is in force")
    FILE.write_text(CONFIGURATION.replace("weight 1", "weight 33", 1))
    cluster.processes[port].send_signal(signal.SIGHUP)
    wait_until(lambda: cluster.log(port).count("differs from what is in force") == before + 1, "it says so")
    assert cluster.weight(port) == 21
    assert "weight 33" in control.request(cluster.socket(port), "configure --from-file --yes")
    cluster.await_weight(33)
    cluster.processes[port].send_signal(signal.SIGHUP)
    wait_until(lambda: f"{FILE} is the same as what is in force" in cluster.log(port), "the file is the same now")


def test_a_member_that_is_cut_off_from_the_database_changes_nothing(cluster: Cluster) -> None:
    """All or none: without the database there is no other member to agree with."""
    before = cluster.weight(cluster.master)
    logged = {port: len(cluster.log(port)) for port in PORTS}
    for server in cluster.servers.processes:
        cluster.servers.end(server)
    for port in PORTS:
        wait_until(partial(has_lost_database, cluster, port, logged[port]), "noticed")
        answer = cluster.configure(port, "weight 55")
        assert "nothing was changed" in answer and "database" in answer
    for server in cluster.servers.processes:
        cluster.servers.start(server)
    cluster.servers.raft_leader()
    cluster.await_change(56)
    assert before != 56


def test_a_change_that_the_database_does_not_answer_is_in_force_at_all_or_none_when_it_is_back(
    cluster: Cluster,
) -> None:
    """A partition between the leader and the database while it commits: the outcome is not known, and said so."""
    before = cluster.weight(cluster.master)
    for process in cluster.servers.processes.values():
        process.send_signal(signal.SIGSTOP)
    answer = cluster.configure(cluster.master, "weight 61")
    assert "is not known yet" in answer and "nothing was changed" not in answer
    for process in cluster.servers.processes.values():
        process.send_signal(signal.SIGCONT)
    cluster.servers.raft_leader()
    cluster.await_change(62)
    assert before != 62


def test_a_configuration_that_a_member_cannot_read_leaves_it_as_it_is(cluster: Cluster) -> None:
    """A newer version may have written it: an older one refuses it, and goes on."""
    before = [cluster.weight(port) for port in PORTS]
    row = {"format": "ios-99", "revision": 999}
    cluster.servers.transact([{"op": "update", "table": "Configuration", "where": [], "row": row}])
    for port in PORTS:
        wait_until(lambda port=port: "ios-99" in cluster.log(port), "it says so")  # type: ignore[misc]
        assert "ios-99" in cluster.configure(port, "weight 77")
    assert [cluster.weight(port) for port in PORTS] == before
    cluster.servers.transact([{"op": "update", "table": "Configuration", "where": [], "row": {"format": "ios"}}])
    cluster.await_change(78)
    assert json.loads(control.request(cluster.socket(PORTS[0]), "show ip slb reals --json"))


def test_what_was_not_confirmed_rolls_back_when_the_member_that_got_the_command_is_gone(cluster: Cluster) -> None:
    """The other member leads when the time is over, and shows what it waits for meanwhile."""
    leader, standby = cluster.master, cluster.waiting
    before = configuration(cluster, standby)
    assert "roll back in 60 min" in control.request(cluster.socket(leader), "configure confirm 60")
    assert "weight 81" in cluster.configure(leader, "weight 81")
    cluster.await_weight(81)
    shown = "show archive config rollback timer"
    wait_until(lambda: "min" in control.request(cluster.socket(standby), shown), "the standby shows the time")
    cluster.end(leader, signal.SIGKILL)
    wait_until(lambda: cluster.role(standby) == "master", "the other one leads")
    over = int(time.time()) - 1
    cluster.servers.transact([{"op": "update", "table": "Rollback", "where": [], "row": {"deadline": over}}])
    wait_until(lambda: configuration(cluster, standby) == before, "it rolls back")
    cluster.restart(leader)
    wait_until(lambda: configuration(cluster, leader) == before, "the member that was killed has what is in force")
    for port in PORTS:
        wait_until(lambda port=port: "no change waits" in control.request(cluster.socket(port), shown), "it is over")  # type: ignore[misc]
