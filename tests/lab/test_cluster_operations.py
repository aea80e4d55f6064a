"""What operators do at a member that stands by, or at both members in the same moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import FIRST, Cluster
from pair import PORTS

from haslb_lab.node import control
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


class OwnFiles(Cluster):
    """Members that have a configuration file each."""

    def start(self, port: int) -> None:
        shared = self._environment
        self.file(port).write_text(CONFIGURATION)
        self._environment = lambda each: {**shared(each), "HASLB_CONFIG": str(self.file(each))}
        try:
            super().start(port)
        finally:
            self._environment = shared

    @staticmethod
    def file(port: int) -> Path:
        return DIRECTORY / f"{port}.ios"

    def command(self, port: int, *words: str) -> str:
        """What ``haslb`` prints for a command at a member, as an operator gives it."""
        haslb = [str(Path(sys.executable).with_name("haslb")), "--control", self.socket(port), *words]
        done = subprocess.run(haslb, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout

    def at_both(self, commands: Sequence[Sequence[str]]) -> list[str]:
        """What commands at the two members print that are given in the same moment."""
        with ThreadPoolExecutor(2) as pool:
            begun = [pool.submit(self.command, port, *words) for port, words in zip(PORTS, commands)]
            return [each.result() for each in begun]

    def configuration(self, port: int) -> str:
        return control.request(self.socket(port), "show running-config")


@pytest.fixture(scope="module")
def cluster() -> Iterator[OwnFiles]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield OwnFiles(bench)


@pytest.fixture(autouse=True)
def _whole(cluster: OwnFiles) -> None:
    cluster.await_whole()


def test_a_drain_at_a_standby_is_one_at_the_leader_and_survives_a_takeover(cluster: OwnFiles) -> None:
    first = cluster.register("drain", 20)
    leader, standby = cluster.master, cluster.waiting
    assert "/ drain" in cluster.configure(standby, "drain")
    wait_until(lambda: all("drain" in cluster.configuration(port) for port in PORTS), "it is drained at both")
    assert FIRST not in cluster.register("drained", 6).values()
    cluster.await_followed(standby)
    cluster.end(leader, signal.SIGKILL)
    cluster.await_service(standby)
    assert FIRST not in cluster.register("drained-later", 6).values()
    assert cluster.homes(first) == first
    cluster.configure(standby, "no drain")
    cluster.restart(leader)
    wait_until(lambda: all("drain" not in cluster.configuration(port) for port in PORTS), "both serve it again")


def test_of_two_replacements_at_the_same_time_each_is_made_or_refused_as_a_whole(cluster: OwnFiles) -> None:
    for number in range(50, 54):
        for port in PORTS:
            cluster.file(port).write_text(CONFIGURATION.replace("weight 1", f"weight {number + port % 10 * 10}", 1))
        answers = cluster.at_both([["configure", "replace", str(cluster.file(port)), "--yes"] for port in PORTS])
        made = ["nothing was changed" not in answer for answer in answers]
        assert any(made)
        wait_until(lambda: cluster.configuration(PORTS[0]) == cluster.configuration(PORTS[1]), "they agree")
        weight = cluster.weight(PORTS[0])
        assert weight in {number + port % 10 * 10 for port, is_made in zip(PORTS, made) if is_made}


def test_write_memory_at_a_standby_writes_its_own_file_with_what_is_in_force_at_all(cluster: OwnFiles) -> None:
    leader, standby = cluster.master, cluster.waiting
    cluster.await_change(61)
    before = cluster.file(leader).read_text()
    assert "lines written" in cluster.command(standby, "write", "memory", "--yes")
    assert "weight 61" in cluster.file(standby).read_text()
    assert cluster.file(leader).read_text() == before


def test_sighup_at_both_with_files_that_differ_changes_nothing_and_each_says_so(cluster: OwnFiles) -> None:
    cluster.await_change(62)
    logged = {port: len(cluster.log(port)) for port in PORTS}
    for port in PORTS:
        cluster.file(port).write_text(CONFIGURATION.replace("weight 1", f"weight {port % 100}", 1))
        cluster.processes[port].send_signal(signal.SIGHUP)
    for port in PORTS:
        wait_until(lambda port=port: "differs from what is in force" in cluster.log(port)[logged[port] :], "it says so")  # type: ignore[misc]
    assert [cluster.weight(port) for port in PORTS] == [62, 62]
    answers = cluster.at_both([["configure", "--from-file", "--yes"]] * 2)
    wait_until(lambda: cluster.configuration(PORTS[0]) == cluster.configuration(PORTS[1]), "they agree")
    made = [port % 100 for port, answer in zip(PORTS, answers) if "nothing was changed" not in answer]
    assert made and cluster.weight(PORTS[0]) in made


@pytest.mark.parametrize(
    "command", ["clear ip slb sessions", "clear ip slb counters", "retire", "redundancy switch-activity"]
)
def test_what_only_the_leader_does_is_refused_with_its_name(cluster: OwnFiles, command: str) -> None:
    answer = cluster.command(cluster.waiting, *command.split())
    assert f"member-{cluster.master} " in answer
