"""The cluster's database over TLS, and one with an older schema until it is converted."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

import pytest
from bench import REALS, WAIT_TIMEOUT, Bench, PlainChassis, farm, virtual_server, wait_until
from certificates import Authority
from cluster_pair import Cluster
from mobile import registration
from pair import PORTS

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.node import control
from haslb_lab.runner.lab import Lab
from ryu_haslb.cluster import servers

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()
LACKS_TABLES = "does not have the tables of this version"
#: The tables that the first version of the schema had.
FIRST_TABLES = ("Cluster", "Connection")


def test_members_share_lead_and_follow_over_tls(tmp_path: Path) -> None:
    """Servers among themselves, and members with servers: ``ssl:`` throughout (docs/cluster.md, "TLS")."""
    authority = Authority(tmp_path, "Cluster CA")
    issued = authority.issue("member")
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        cluster = Cluster(bench, tls=(issued.key, issued.path, authority.certificate.path))
        assert "ssl:" in cluster.servers.remotes
        first = bench.deliver(registration("tls@isp.com"))
        assert "weight 9" in cluster.configure(cluster.waiting, "weight 9")
        cluster.await_weight(9)
        leader, standby = cluster.master, cluster.waiting
        wait_until(lambda: cluster.reaches_all(standby), "the standby has the home agents")
        cluster.await_followed(standby)
        raft_leader = cluster.servers.raft_leader()
        cluster.servers.end(raft_leader)
        assert cluster.servers.raft_leader() != raft_leader
        cluster.end(leader, signal.SIGKILL)
        cluster.await_service(standby)
        assert bench.deliver(registration("tls@isp.com")) == first
        stranger = bench.lab.run(
            CONTROLLER, ["ovsdb-client", "dump", cluster.servers.remotes.replace("ssl:", "tcp:")], stdout=-1, stderr=-1
        )
        assert stranger.wait(WAIT_TIMEOUT) != 0, "without a certificate of the authority the keys cannot be read"


def test_certificates_are_replaced_while_members_run(tmp_path: Path) -> None:
    """The files in place, then the servers one after the other, the Raft leader last (docs/cluster.md, "TLS")."""
    authority = Authority(tmp_path, "Cluster CA")
    issued = authority.issue("member")
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        cluster = Cluster(bench, tls=(issued.key, issued.path, authority.certificate.path))
        first = cluster.register("rotated", 20)
        authority.issue("member")  # in the place of the files before
        last = cluster.servers.raft_leader()
        for server in [*(each for each in cluster.servers.processes if each != last), last]:
            cluster.servers.end(server, signal.SIGTERM)
            cluster.servers.start(server)
            cluster.servers.await_followers()
        cluster.await_whole()
        assert cluster.homes(first) == first
        cluster.await_change(9)
        cluster.await_followed(cluster.waiting)
        cluster.end(cluster.master, signal.SIGKILL)
        assert cluster.homes(first) == first


@contextmanager
def older_cluster(bench: Bench, path: Path, tables: Iterable[str]) -> Iterator[tuple[Cluster, Callable[[], None]]]:
    """Members at a database of an older schema that has these tables, and what converts it."""
    newest = servers.SCHEMA
    schema = json.loads(newest.read_text())
    schema.update(version="1.0.0", tables={name: schema["tables"][name] for name in tables})
    path.write_text(json.dumps(schema))

    def convert() -> None:
        command = ["ovsdb-client", "convert", cluster.servers.remotes, str(newest)]
        assert bench.lab.run(CONTROLLER, command, stderr=subprocess.DEVNULL).wait(WAIT_TIMEOUT) == 0

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(servers, "SCHEMA", path)
        cluster = Cluster(bench)
    for port in PORTS:
        wait_until(lambda port=port: LACKS_TABLES in cluster.log(port), "it says so")  # type: ignore[misc]
    yield cluster, convert


def test_an_older_database_is_converted_while_members_run(tmp_path: Path) -> None:
    """They elect a leader, share nothing, and say how to convert it (docs/cluster.md, "Upgrade")."""
    with (
        Bench(Lab(PlainChassis(), CONFIGURATION)) as bench,
        older_cluster(bench, tmp_path / "first.ovsschema", FIRST_TABLES) as (cluster, convert),
    ):
        generation = cluster.query(cluster.master, "show redundancy")[0]["generation"]
        assert "does not have the table Configuration" in cluster.configure(cluster.master, "weight 7")
        convert()
        cluster.await_change(6)
        shown = cluster.query(cluster.master, "show redundancy")[0]
        assert shown["generation"] >= generation, "what was in the database is kept"


def test_members_share_what_is_in_the_tables_of_an_older_database(tmp_path: Path) -> None:
    """A member that is started with the new version leads with the configuration of the cluster, not of its file."""
    tables = json.loads(servers.SCHEMA.read_text())["tables"].keys() - {"Rollback"}
    with (
        Bench(Lab(PlainChassis(), CONFIGURATION)) as bench,
        older_cluster(bench, tmp_path / "before.ovsschema", tables) as (cluster, convert),
    ):
        cluster.await_change(8)
        leader, standby = cluster.master, cluster.waiting
        cluster.end(standby, signal.SIGTERM)
        cluster.restart(standby)
        cluster.await_followed(standby)
        cluster.end(leader, signal.SIGKILL)
        assert cluster.weight(standby) == 8
        cluster.restart(leader)
        said = control.request(cluster.socket(standby), "configure confirm 5")
        assert "does not have the table Rollback" in said
        convert()
        cluster.await_change(9)
        assert "roll back in 5 min" in control.request(cluster.socket(standby), "configure confirm 5")
