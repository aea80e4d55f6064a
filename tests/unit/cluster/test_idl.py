"""The connection to the database: it follows one that was made anew, and avoids a server with stale data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Optional

from ovs.db.idl import SchemaHelper

from ryu_haslb.cluster.idl import FollowingIdl
from ryu_haslb.cluster.servers import SCHEMA


class Server:
    """A connection without a server, and what the last one has reported of its databases."""

    def __init__(self) -> None:
        helper = SchemaHelper(str(SCHEMA))
        helper.register_columns("Cluster", ["generation"])
        self.idl = FollowingIdl("unix:/nonexistent/haslb.sock", helper, leader_only=True)

    def reports(self, raft_cluster: Optional[str], name: str = "HASLB") -> int:
        """Report the Raft cluster of a database; the length of the log below which a server counts as stale then."""
        row = SimpleNamespace(name=name, cid=[raft_cluster] if raft_cluster else [])
        self.idl.server_tables = {"Database": SimpleNamespace(rows={1: row})}
        self.idl._min_index = 9
        self.idl.run()
        return int(self.idl._min_index)


def test_a_shorter_log_is_accepted_from_another_raft_cluster_only() -> None:
    server = Server()
    assert server.reports("a") == 9
    assert server.reports("a") == 9
    assert server.reports("b") == 0, "the database was made anew"
    assert server.reports("b") == 9


def test_other_databases_and_servers_without_raft_say_nothing() -> None:
    server = Server()
    server.reports("a")
    assert server.reports("b", name="_Server") == 9
    assert server.reports(None) == 9
    assert server.reports("a") == 9
