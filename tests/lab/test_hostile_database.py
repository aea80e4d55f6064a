"""A stranger who can write the cluster's database fills it with nonsense: members go on, and serve as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from mobile import registration
from pair import PORTS

from haslb_lab.node import control
from haslb_lab.runner.lab import Lab
from ryu_haslb.cli.client import ControlError

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()
HARMFUL = "\n\x1b[31m" + "x" * 1000
FIRST = next(iter(REALS.values()))
#: The largest integer of OVSDB.
LARGEST = (1 << 63) - 1
#: Rows that one transaction inserts: it is an argument of a program.
ROWS_AT_ONCE = 400


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Cluster(bench)


def insert(table: str, **row: Any) -> dict[str, Any]:
    """The operation that inserts a row."""
    return {"op": "insert", "table": table, "row": row}


def is_alive(cluster: Cluster) -> bool:
    """Whether both members run, and one leads."""
    running = [cluster.processes[port].poll() is None for port in PORTS]
    return all(running) and sorted(map(cluster.role, PORTS)) == ["master", "waiting"]


def await_alive(cluster: Cluster) -> None:
    """On a busy machine a member may lose the lock for a moment."""
    wait_until(partial(is_alive, cluster), "both members run, and one leads")


def refused(cluster: Cluster, port: int) -> str:
    """Why a member cannot apply the configuration of the cluster; empty if it can."""
    return str(cluster.query(port, "show redundancy")[0]["configuration_refused"])


def is_refused(cluster: Cluster, port: int) -> bool:
    """Whether a member cannot apply the configuration of the cluster."""
    return bool(refused(cluster, port))


def is_applied(cluster: Cluster, port: int) -> bool:
    """Whether a member has the configuration of the cluster in force."""
    return not is_refused(cluster, port)


def nonsense(table: str) -> list[dict[str, Any]]:
    """Rows that no member would write."""
    rows: dict[str, list[dict[str, Any]]] = {
        "Neighbour": [
            insert("Neighbour", datapath=HARMFUL, address="?", mac="?", port=1),
            *(
                insert("Neighbour", datapath=f"{1:016x}", address=f"10.9.{n >> 8}.{n & 255}", mac="", port=n)
                for n in range(1, 2000)
            ),
        ],
        "Health": [
            insert("Health", farm=HARMFUL, address=HARMFUL, port=1, state=HARMFUL, failed_at=1 << 62),
            *(
                insert("Health", farm="HAFARM", address=f"10.8.{n >> 8}.{n & 255}", port=434, state="FAILED")
                for n in range(2000)
            ),
        ],
        "Dfp_Weight": [
            insert("Dfp_Weight", agent=HARMFUL, agent_port=1, address="?"),
            *(
                insert("Dfp_Weight", agent="10.1.1.51", agent_port=500, address=f"10.8.0.{n}", weight=9)
                for n in range(250)
            ),
        ],
        "Member": [insert("Member", name=f"{HARMFUL}{n}", state="king", url=HARMFUL) for n in range(40)],
        "Switchover": [insert("Switchover", generation=n + 10**12, reason=HARMFUL) for n in range(40)],
    }
    return rows[table]


@pytest.mark.parametrize("table", ["Neighbour", "Health", "Dfp_Weight", "Member", "Switchover"])
def test_members_go_on_with_nonsense_in_a_table(cluster: Cluster, table: str) -> None:
    """None resigns because of it."""
    first = cluster.bench.deliver(registration(f"{table}@isp.com"))
    logged = {port: len(cluster.log(port)) for port in PORTS}
    rows = nonsense(table)
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        cluster.servers.transact(rows[begin : begin + ROWS_AT_ONCE])
    for port in PORTS:
        for command in ("reals detail", "dfp weights", "switches"):
            cluster.query(port, f"show ip slb {command}")
        shown = str(
            cluster.query(port, "show redundancy members") + cluster.query(port, "show redundancy switchover history")
        )
        assert "\x1b" not in shown
    await_alive(cluster)
    assert all("resigns" not in cluster.log(port)[logged[port] :] for port in PORTS)
    assert cluster.bench.deliver(registration(f"{table}@isp.com")) == first
    states = [row["state"] for row in cluster.query(cluster.master, "show ip slb reals")]
    assert states == ["OPERATIONAL"] * len(REALS)


def test_a_place_that_is_a_lie_does_not_keep_requests_from_their_home_agent(cluster: Cluster) -> None:
    """The standby takes over the lie, and drops it when the home agent answers elsewhere."""
    lie = {"mac": "02:00:00:00:00:66", "port": 1}
    names = [f"lie{number}@isp.com" for number in range(6)]
    first = {name: cluster.bench.deliver(registration(name)) for name in names}
    leader, standby = cluster.master, cluster.waiting
    where = [["address", "==", FIRST], ["datapath", "==", f"{1:016x}"]]
    cluster.servers.transact([{"op": "update", "table": "Neighbour", "where": where, "row": lie}])
    cluster.processes[leader].kill()
    cluster.processes[leader].wait()
    cluster.await_service(standby)

    def is_true_again() -> bool:
        rows = {row["real"]: row for row in cluster.query(standby, "show ip slb reals detail")}
        return all("located" in place and "00:66" not in place for row in rows.values() for place in row["places"])

    wait_until(is_true_again, "every home agent is where it answers")
    assert {name: cluster.bench.deliver(registration(name)) for name in names} == first
    cluster.restart(leader)


def test_a_nonsense_configuration_is_not_applied(cluster: Cluster) -> None:
    for text in (HARMFUL, "frobnicate\n", "ip slb serverfarm F\n real 300.1.1.1\n", "x" * 90_000):
        cluster.servers.transact(
            [{"op": "update", "table": "Configuration", "where": [], "row": {"text": text, "revision": 10**9}}]
        )
        for port in PORTS:
            wait_until(partial(is_refused, cluster, port), "it is refused")
        await_alive(cluster)
    assert cluster.bench.deliver(registration("configured@isp.com"))

    def is_replaced() -> bool:
        """A member reports within a second that it refuses; until then it counts as one that has applied it."""
        with suppress(ControlError):
            control.request(cluster.socket(cluster.waiting), "configure --from-file --yes")
        return all(is_applied(cluster, port) for port in PORTS)

    wait_until(is_replaced, "what all members refuse is replaced by one command")
    await_alive(cluster)


def test_a_generation_that_none_can_follow_is_replaced(cluster: Cluster) -> None:
    """The leader goes on: no switch gets to know such a generation."""
    name = "generation@isp.com"
    first = cluster.bench.deliver(registration(name))
    leader = cluster.master
    before, logged = cluster.query(leader, "show redundancy")[0]["generation"], len(cluster.log(leader))
    row = {"generation": LARGEST, "leader": "stranger"}
    cluster.servers.transact([{"op": "update", "table": "Cluster", "where": [], "row": row}])
    wait_until(
        lambda: before < cluster.query(leader, "show redundancy")[0]["generation"] < LARGEST,
        "it leads with another one",
    )
    await_alive(cluster)
    assert "resigns" not in cluster.log(leader)[logged:]
    assert cluster.bench.deliver(registration(name)) == first
    assert f"generation {LARGEST}, which no member can have committed" in cluster.log(leader)


def test_a_revision_that_none_can_follow_is_replaced_by_one_command(cluster: Cluster) -> None:
    row = {"revision": LARGEST}
    cluster.servers.transact([{"op": "update", "table": "Configuration", "where": [], "row": row}])
    for port in PORTS:
        wait_until(lambda port=port: str(LARGEST) in refused(cluster, port), "it is refused")  # type: ignore[misc]
    control.request(cluster.socket(cluster.waiting), "configure --from-file --yes")
    for port in PORTS:
        wait_until(partial(is_applied, cluster, port), "it is replaced")
    await_alive(cluster)
