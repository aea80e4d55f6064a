"""The cluster's database over TLS, and one with an older schema until it is converted."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from bench import REALS, WAIT_TIMEOUT, Bench, PlainChassis, farm, virtual_server, wait_until
from certificates import Authority
from cluster_pair import Cluster
from mobile import registration
from pair import PORTS

from haslb_lab.chassis.description import CONTROLLER
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


def test_an_older_database_is_converted_while_members_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They elect a leader, share nothing, and say how to convert it (docs/cluster.md, "Upgrade of the database")."""
    newest = servers.SCHEMA
    schema = json.loads(newest.read_text())
    schema.update(version="1.0.0", tables={name: schema["tables"][name] for name in FIRST_TABLES})
    monkeypatch.setattr(servers, "SCHEMA", tmp_path / "first.ovsschema")
    servers.SCHEMA.write_text(json.dumps(schema))
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        cluster = Cluster(bench)
        for port in PORTS:
            wait_until(lambda port=port: LACKS_TABLES in cluster.log(port), "it says so")  # type: ignore[misc]
        generation = cluster.query(cluster.master, "show redundancy")[0]["generation"]
        assert "nothing was changed" in cluster.configure(cluster.master, "weight 7")
        command = ["ovsdb-client", "convert", cluster.servers.remotes, str(newest)]
        assert bench.lab.run(CONTROLLER, command, stderr=subprocess.DEVNULL).wait(WAIT_TIMEOUT) == 0
        cluster.await_change(6)
        shown = cluster.query(cluster.master, "show redundancy")[0]
        assert shown["generation"] >= generation, "what was in the database is kept"
