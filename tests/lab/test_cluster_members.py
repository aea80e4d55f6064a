"""Every member of a cluster shows all members and the last switchovers: when, why, and how long they took."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from pair import PORTS

from haslb_lab.node import control
from haslb_lab.runner.lab import Lab
from ryu_haslb.cluster.member_rows import ABSENCE_TIMEOUT

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Cluster(bench)


def await_switchover(cluster: Cluster, previous: int, reason: str) -> None:
    """Wait until both members show that another one has followed this one, and why."""
    expected = (f"member-{previous}", f"member-{cluster.master}", reason)
    for port in PORTS:
        wait_until(  # what it shows instead is in the error
            lambda port=port: latest(cluster, port)[:3] == expected,  # type: ignore[misc]
            lambda port=port: f"{port} shows {expected}, not {latest(cluster, port)}",  # type: ignore[misc]
        )
        duration = latest(cluster, port)[3]
        assert duration is not None
        print(f"{reason}: {duration:.3f} s")


def latest(cluster: Cluster, port: int) -> tuple[Any, ...]:
    """The last switchover that a member shows."""
    row = next(iter(cluster.query(port, "show redundancy switchover history")), {})
    return tuple(row.get(column) for column in ("previous", "member", "reason", "duration"))


def members(cluster: Cluster, port: int) -> dict[str, tuple[str, bool]]:
    """The state of each member as one of them shows it, and whether it is there."""
    rows = cluster.query(port, "show redundancy members")
    return {row["member"]: (row["state"], row["present"]) for row in rows}


def test_every_member_shows_all_members(cluster: Cluster) -> None:
    expected = {f"member-{cluster.master}": ("leader", True), f"member-{cluster.waiting}": ("standby", True)}
    for port in PORTS:
        wait_until(lambda port=port: members(cluster, port) == expected, f"{port} shows both")  # type: ignore[misc]
        (row,) = cluster.query(port, "show redundancy")
        assert (row["standbys"], row["rivals_seen"]) == (1, 0)
    assert "stands by" in control.request(cluster.socket(cluster.waiting), "show redundancy members").splitlines()[0]


def test_a_switchover_on_purpose_is_recorded_as_such(cluster: Cluster) -> None:
    before, successor = cluster.master, cluster.waiting
    assert cluster.hand_over() == before
    wait_until(lambda: cluster.role(before) == "waiting", "it stands by")
    wait_until(lambda: cluster.role(successor) == "master", "the other one leads")
    await_switchover(cluster, before, "switch_activity")


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "sigterm"), (signal.SIGKILL, "leader_lost")])
def test_the_end_of_the_leader_is_recorded_with_its_reason(
    cluster: Cluster, number: signal.Signals, reason: str
) -> None:
    ended = cluster.master
    cluster.end(ended, number)
    cluster.restart(ended)
    await_switchover(cluster, ended, reason)


def test_a_member_that_was_killed_is_absent(cluster: Cluster) -> None:
    """No standby: the alert of docs/monitoring/alerts.yaml."""
    standby, leader = cluster.waiting, cluster.master
    cluster.processes[standby].kill()
    cluster.processes[standby].wait()
    wait_until(lambda: not members(cluster, leader)[f"member-{standby}"][1], "it is absent")
    (row,) = cluster.query(leader, "show redundancy")
    assert (row["standbys"], row["absent"]) == (0, [f"member-{standby}"])
    assert f"absent: member-{standby};" in control.request(cluster.socket(leader), "show redundancy")
    (silent,) = (each["silent"] for each in cluster.query(leader, "show redundancy members") if not each["present"])
    assert silent >= ABSENCE_TIMEOUT
    assert f"member-{leader} stands by" not in control.request(cluster.socket(leader), "show redundancy")
