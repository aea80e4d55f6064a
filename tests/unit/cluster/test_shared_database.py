"""What a member's transactions ask of the database's server (RFC 7047, section 5.2), by the ``ovs`` package's IDL."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from ovs.db.data import Datum
from ovs.db.idl import Idl, Row, SchemaHelper
from ovs.jsonrpc import Message

from ryu_haslb.cluster.health_rows import HEALTH
from ryu_haslb.cluster.idl import OVS, Engine, FollowingIdl
from ryu_haslb.cluster.rows import Changes
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.cluster.shared_database import SharedDatabase

ROW = {"farm": "F", "address": "10.1.1.51", "port": 434, "state": "failed", "failed_at": 5}


class Connected:
    """The tables as a server shows them: generation 7, and one row of health. ``sent`` is what it is asked for."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        engine = Engine(self._connect, OVS.transaction)
        self.database = SharedDatabase(ClusterSettings("unix:/nonexistent/haslb.sock", "a"), [HEALTH], engine)
        self.cluster = self._add("Cluster", {"generation": 7})
        self.health = self._add("Health", ROW)

    def _connect(self, kind: type[FollowingIdl], settings: ClusterSettings, helper: SchemaHelper) -> FollowingIdl:
        self.idl = kind(settings.remotes, helper)
        self.idl.state = Idl.IDL_S_MONITORING
        self.idl._session.send = self._send
        return self.idl

    def _add(self, table: str, columns: dict[str, Any]) -> uuid.UUID:
        number = uuid.uuid4()
        row = Row(self.idl, self.idl.tables[table], number, {})
        for name, column in self.idl.tables[table].columns.items():
            row._data[name] = Datum.from_python(column.type, columns[name], lambda each: each)
        self.idl.tables[table].rows[number] = row
        return number

    def _send(self, message: Message) -> int:
        self.sent += message.params[1:]
        return 0

    def operations(self, kind: str) -> list[dict[str, Any]]:
        """The operations of a kind that were sent."""
        return [each for each in self.sent if each["op"] == kind]


@pytest.fixture
def connected() -> Connected:
    return Connected()


def test_what_a_leader_publishes_is_committed_with_its_own_generation_only(connected: Connected) -> None:
    """A former leader cannot write the tables of its successor, however late its transaction arrives."""
    connected.database.commit([Changes(HEALTH, update={connected.health: {"state": "operational"}})], "test", 7)
    (wait,) = connected.operations("wait")
    assert (wait["table"], wait["until"], wait["rows"]) == ("Cluster", "==", [{"generation": 7}])
    assert wait["where"] == [["_uuid", "==", ["uuid", str(connected.cluster)]]]
    assert wait["timeout"] == 0
    assert connected.sent.index(wait) < connected.sent.index(connected.operations("update")[0])


def test_what_each_member_says_of_itself_needs_no_generation(connected: Connected) -> None:
    connected.database.commit([Changes(HEALTH, update={connected.health: {"state": "operational"}})], "test")
    assert connected.operations("wait") == []
    assert [each["table"] for each in connected.operations("update")] == ["Health"]


def test_a_row_that_another_member_has_changed_meanwhile_is_not_overwritten(connected: Connected) -> None:
    changes = Changes(HEALTH, update={connected.health: {"state": "operational"}}, verify="failed_at")
    connected.database.commit([changes], "test")
    (wait,) = connected.operations("wait")
    assert (wait["table"], wait["rows"]) == ("Health", [{"failed_at": 5}])


def test_a_row_that_another_member_has_changed_or_deleted_meanwhile_is_not_deleted(connected: Connected) -> None:
    connected.database.commit([Changes(HEALTH, delete=[connected.health], verify="failed_at")], "test")
    (wait,), (delete,) = connected.operations("wait"), connected.operations("delete")
    assert (wait["table"], wait["rows"]) == ("Health", [{"failed_at": 5}])
    assert wait["where"] == delete["where"]
