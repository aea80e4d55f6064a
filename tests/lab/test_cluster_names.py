"""Two members of a cluster that have one name, as two hosts that are both called ``localhost``."""

from __future__ import annotations

import signal

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from pair import PORTS

from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


def test_two_members_of_one_name_elect_a_leader_and_say_so() -> None:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        cluster = Cluster(bench, {"HASLB_NAME": "twin"})
        first, leader = cluster.register("twin", 20), cluster.master
        for port in PORTS:
            wait_until(
                lambda port=port: cluster.query(port, "show redundancy")[0]["duplicate_name"],  # type: ignore[misc]
                f"{port} says so",
            )
        cluster.await_followed(cluster.waiting)
        cluster.end(leader, signal.SIGKILL)
        assert cluster.homes(first) == first
