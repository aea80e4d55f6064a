"""The connection to the database: it follows one that was made anew, and avoids a server with stale data."""

from __future__ import annotations

import json
import logging
from itertools import count
from types import SimpleNamespace
from typing import Any, Optional

import eventlet
import pytest
from ovs.db.custom_index import IndexedRows
from ovs.db.idl import IdlTable, SchemaHelper, Transaction
from ovs.jsonrpc import Message

from ryu_haslb.cluster.idl import (
    MAX_ROWS,
    MAX_UNEXPLAINED_REFUSALS,
    RESTORED_TIMEOUT,
    ROWS_AT_ONCE,
    FollowingIdl,
)
from ryu_haslb.cluster.json_stream import MAX_SCHEMA_SIZE
from ryu_haslb.cluster.servers import SCHEMA


class Server:
    """A connection without a server, and what the last one has reported of its databases."""

    def __init__(self) -> None:
        helper = SchemaHelper(str(SCHEMA))
        helper.register_columns("Cluster", ["generation"])
        self.idl = FollowingIdl("unix:/nonexistent/haslb.sock", helper, leader_only=True)
        self.now = 0.0
        self.idl.clock = lambda: self.now

    def reports(
        self,
        raft_cluster: Optional[str],
        name: str = "HASLB",
        log: int = 9,
        leader: bool = True,
        connected: bool = True,
    ) -> int:
        """Report the Raft cluster of a database; the length of the log below which a server counts as stale then."""
        cid = [raft_cluster] if raft_cluster else []
        row = SimpleNamespace(name=name, cid=cid, leader=leader, connected=connected, index=[log])
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


def test_a_shorter_log_is_accepted_from_a_raft_leader_that_has_it_for_long() -> None:
    """The files of all servers were replaced by older ones."""
    server = Server()
    assert server.reports("a", log=5) == 9
    server.now += RESTORED_TIMEOUT - 0.1
    assert server.reports("a", log=7) == 9
    server.now += 0.1
    assert server.reports("a", log=7) == 0


@pytest.mark.parametrize(("leader", "connected"), [(False, True), (True, False)])
def test_a_shorter_log_of_a_server_that_does_not_lead_by_raft_is_never_accepted(leader: bool, connected: bool) -> None:
    """It lags, has lost the others, or has a full disk."""
    server = Server()
    for _ in range(100):
        assert server.reports("a", log=5, leader=leader, connected=connected) == 9
        server.now += 1.0


def test_a_shorter_log_of_a_former_raft_leader_is_forgotten_with_the_next_leader() -> None:
    server = Server()
    for _ in range(100):
        assert server.reports("a", log=5) == 9
        server.now += RESTORED_TIMEOUT - 0.1
        assert server.reports("a", log=9) == 9


def test_other_databases_and_servers_without_raft_say_nothing() -> None:
    server = Server()
    server.reports("a")
    assert server.reports("b", name="_Server") == 9
    assert server.reports(None) == 9
    assert server.reports("a") == 9


def test_a_message_that_cannot_be_processed_does_not_end_the_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    reconnected: list[bool] = []
    monkeypatch.setattr(server.idl, "force_reconnect", lambda: reconnected.append(True))
    monkeypatch.setattr(server.idl._session, "is_connected", lambda: True)
    monkeypatch.setattr(server.idl._session, "get_seqno", lambda: server.idl._last_seqno)
    monkeypatch.setattr(server.idl._session, "recv", lambda: Message(Message.T_REPLY, None, None, [7], None, 1))
    server.idl._monitor_request_id = 1
    server.idl.state = server.idl.IDL_S_DATA_MONITOR_COND_SINCE_REQUESTED
    server.idl.last_id = "5dfa0f6e-5e9b-4a71-b4a5-3a6a4c3a9d6f"
    assert server.idl.run()
    assert reconnected == [True]
    assert not any(character in "123456789abcdef" for character in server.idl.last_id), "all is read anew"
    (line,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert line.startswith("cluster: a message of the database server cannot be processed (IndexError: ")
    assert line.endswith("; reconnecting")
    assert not any(record.exc_info for record in caplog.records if record.levelno >= logging.WARNING)


def test_a_connection_that_cannot_be_begun_is_tried_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Files for TLS that are replaced while a member runs, the key before the certificate, do not fit meanwhile."""
    clock, opened = [5000], []

    def fail(_: str) -> None:
        opened.append(clock[0])
        raise OSError("key values mismatch")

    monkeypatch.setattr("ovs.timeval.msec", lambda: clock[0])
    monkeypatch.setattr("ovs.stream.Stream.open", fail)
    idl = Server().idl
    for clock[0] in (5000, 5001, 5999, 6000, 6001):
        idl.run()
    assert opened == [5000, 6000]
    assert len(caplog.records) == len(opened)
    assert "cannot connect to the database; check the files for TLS (OSError: key values mismatch)" in caplog.text


def test_what_a_server_has_said_of_itself_does_not_keep_the_next_one_from_being_reached(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server whose own table lacks a column was followed for ever: each connection ended as it began."""
    idl = Server().idl
    idl.server_tables = {"Database": SimpleNamespace(rows={1: SimpleNamespace(name="HASLB")})}
    idl.run()
    assert "no attribute 'cid'" in caplog.text
    caplog.clear()
    idl.run()
    assert not caplog.records


def described_by_server(idl: FollowingIdl) -> dict[str, Any]:
    """The tables of the database in which a server describes its databases (ovsdb-server(5))."""
    types = {"name": "string", "model": "string", "connected": "boolean", "leader": "boolean"}
    columns: dict[str, Any] = {name: {"type": kind} for name, kind in types.items()}
    columns.update((name, {"type": {"key": kind, "min": 0}}) for name, kind in (("cid", "uuid"), ("schema", "string")))
    tables = {"Database": {"columns": columns}}
    helper = SchemaHelper(None, {"name": "_Server", "version": "1.0.0", "tables": tables})
    helper.register_table("Database")
    described: dict[str, Any] = IdlTable.schema_tables(idl, helper.get_idl_schema())
    for table in described.values():
        table.rows, table.need_table, table.idl = IndexedRows(table), False, idl
        for column in table.columns.values():
            column.alert = True
    return described


class Updated:
    """A copy of the tables of neighbours and of the leader, which applies updates as they come from a server."""

    def __init__(self) -> None:
        helper = SchemaHelper(str(SCHEMA))
        helper.register_columns("Neighbour", ["datapath", "address", "mac", "port"])
        helper.register_columns("Cluster", ["generation"])
        self.idl = FollowingIdl("unix:/nonexistent/haslb.sock", helper)
        self.messages: list[Message] = []
        self._numbers = count()
        self.idl.server_tables = described_by_server(self.idl)
        self.idl.server_monitor_uuid = "server"
        self.reconnected = False
        self.idl._session = SimpleNamespace(
            run=lambda: None,
            is_connected=lambda: True,
            get_seqno=lambda: self.idl._last_seqno,
            get_name=lambda: "server",
            recv=lambda: self.messages.pop() if self.messages else None,
            force_reconnect=self._on_reconnect,
        )

    def _on_reconnect(self) -> None:
        self.reconnected = True

    def receive(self, rows: int) -> bool:
        inserted = self._inserted(rows, {"port": 1})
        self.messages.append(Message.create_notify("update3", ["id", "transaction", {"Neighbour": inserted}]))
        return bool(self.idl.run())

    def receive_row(self, columns: dict[str, Any], table: str = "Neighbour") -> None:
        inserted = self._inserted(1, columns)
        self.messages.append(Message.create_notify("update3", ["id", "transaction", {table: inserted}]))
        self.idl.run()

    def receive_change(self, columns: dict[str, Any], table: str = "Neighbour") -> None:
        (row,) = self.idl.tables[table].rows
        changed = {table: {str(row): {"modify": columns}}}
        self.messages.append(Message.create_notify("update3", ["id", "transaction", changed]))
        self.idl.run()

    def receive_databases(self, rows: int) -> None:
        inserted = self._inserted(rows, {"name": "HASLB", "model": "standalone"})
        self.messages.append(Message.create_notify("update2", ["server", {"Database": inserted}]))
        self.idl.run()

    def receive_reply(self, *results: dict[str, Any]) -> None:
        """The reply to a transaction that was sent before (RFC 7047, section 4.1.3)."""
        number = next(self._numbers)
        transaction = self.idl._outstanding_txns[number] = Transaction(self.idl)
        self.idl.txn = None
        self.messages.append(Message.create_reply(list(results), number))
        self.idl.run()
        assert transaction._status != Transaction.UNCOMMITTED

    def _inserted(self, rows: int, columns: dict[str, Any]) -> dict[str, Any]:
        return {f"{next(self._numbers):08x}-0000-4000-8000-000000000000": {"insert": columns} for _ in range(rows)}

    @property
    def rows(self) -> int:
        return len(self.idl.tables["Neighbour"].rows)

    @property
    def databases(self) -> int:
        return sum(len(table.rows) for table in (self.idl.server_tables or {}).values())


def test_other_green_threads_run_while_an_update_of_many_rows_is_applied() -> None:
    """They find a part of it, and what they read meanwhile is nothing new."""
    server, seen, running = Updated(), [], list[bool]()

    def look() -> None:
        while server.rows < MAX_ROWS["Neighbour"]:
            seen.append(server.rows)
            assert not server.idl.run(), "the update is being applied"
            running.append(server.idl.is_running)
            eventlet.sleep(0)

    eventlet.spawn(look)
    assert server.receive(MAX_ROWS["Neighbour"])
    assert server.rows == MAX_ROWS["Neighbour"]
    assert not server.reconnected
    steps = [later - earlier for earlier, later in zip(seen, seen[1:])]
    assert max(steps) <= ROWS_AT_ONCE
    assert all(running[1:-1])
    assert not server.idl.is_running
    assert not server.idl.run()


def test_other_green_threads_find_no_part_of_an_update_of_few_rows() -> None:
    """However many rows have come before: that of a configuration comes alone."""
    server, seen = Updated(), set()

    def look() -> None:
        while True:
            seen.add(server.rows)
            eventlet.sleep(0)

    looking = eventlet.spawn(look)
    few = ROWS_AT_ONCE * 3 // 4
    for _ in range(3):
        server.receive(few)
        eventlet.sleep(0)
    looking.kill()
    assert seen == {few, 2 * few, 3 * few}


@pytest.mark.parametrize("generation", [1 << 63, (1 << 64) - 1, -(1 << 63) - 1])
def test_an_integer_of_more_than_64_bits_ends_the_connection(generation: int, caplog: pytest.LogCaptureFixture) -> None:
    """A server would refuse each transaction that relies on it, for ever."""
    for changes in (False, True):
        server = Updated()
        server.receive_row({"generation": 7 if changes else generation}, "Cluster")
        if changes:
            assert not server.reconnected
            server.receive_change({"generation": generation}, "Cluster")
        assert server.reconnected
        assert "no valid value for column generation of the table Cluster; reconnecting" in caplog.text
        caplog.clear()


def test_more_rows_than_the_schema_allows_end_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """In one update, or in one behind the other, however small."""
    few = ROWS_AT_ONCE - 1
    for updates in (
        [10 * MAX_ROWS["Neighbour"]],
        [MAX_ROWS["Neighbour"]] * 2,
        [few] * (MAX_ROWS["Neighbour"] // few + 2),
    ):
        server = Updated()
        for rows in updates:
            server.receive(rows)
        assert server.reconnected
        assert server.rows == MAX_ROWS["Neighbour"]
        assert f"more than {MAX_ROWS['Neighbour']} rows of the table Neighbour" in caplog.text
        caplog.clear()


@pytest.mark.parametrize("port", [0, "1", 1.5, None, [], ["set", []], ["set", [1, 2]], {"port": 1}, 1 << 64])
def test_a_value_that_the_schema_does_not_allow_ends_the_connection(
    port: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Who reads the row would find something that is no integer, and the process would end."""
    server = Updated()
    server.receive_row({"port": port})
    assert server.reconnected
    assert server.rows == 0
    assert "no valid value for column port of the table Neighbour; reconnecting" in caplog.text


def test_a_change_that_the_schema_does_not_allow_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    server = Updated()
    server.receive_row({"port": 1})
    server.receive_change({"port": 0})
    assert server.reconnected
    assert "no valid value for column port of the table Neighbour; reconnecting" in caplog.text


#: What a ``wait`` that does not find the values of the copy makes of a transaction (RFC 7047, section 5.2.6).
REFUSED = {"error": "timed out"}


def test_a_copy_that_transactions_show_to_be_wrong_is_read_anew(caplog: pytest.LogCaptureFixture) -> None:
    """The server has no change to tell, so each further transaction would be refused as well."""
    server = Updated()
    server.idl.last_id = "5dfa0f6e-5e9b-4a71-b4a5-3a6a4c3a9d6f"
    for _ in range(MAX_UNEXPLAINED_REFUSALS):
        server.receive_reply(REFUSED)
    assert not server.reconnected
    server.receive_reply(REFUSED)
    assert server.reconnected
    assert not any(character in "123456789abcdef" for character in server.idl.last_id), "all is read anew"
    assert "differs from its database: it refuses all transactions; reconnecting" in caplog.text


def test_transactions_that_others_precede_now_and_then_are_no_reason_to_read_the_copy_anew() -> None:
    server = Updated()
    for _ in range(3):
        for _ in range(MAX_UNEXPLAINED_REFUSALS):
            server.receive_reply(REFUSED)
        server.receive_reply({"count": 1})
    assert not server.reconnected


def test_a_column_that_is_not_sent_has_its_default() -> None:
    server = Updated()
    server.receive_row({"port": 1})
    assert not server.reconnected
    (row,) = server.idl.tables["Neighbour"].rows.values()
    assert (row.mac, row.port, row.datapath) == ("", 1, "")


def test_the_next_server_is_believed_after_one_that_has_sent_too_many_rows() -> None:
    """Its connection does not end because of rows of the one before."""
    server = Updated()
    server.receive(2 * MAX_ROWS["Neighbour"])
    assert server.reconnected
    server.reconnected = False
    server.receive(0)
    assert not server.reconnected


def test_a_server_may_not_describe_databases_without_end() -> None:
    server = Updated()
    while not server.reconnected:
        server.receive_databases(1)
    assert server.databases == 0


@pytest.mark.parametrize(
    ("tables", "asked"),
    [
        ({"Cluster": {"columns": {"generation": {}}}, "Old": {"columns": {}}}, ["Cluster"]),
        ({"Cluster": {"columns": {}}}, []),
        ({}, []),
        (None, ["Cluster"]),
    ],
)
def test_only_the_tables_are_asked_for_that_the_server_has(
    tables: Optional[dict[str, object]], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server rejects the whole request because of one that it does not have. One may not say what it has."""
    server = Server()
    server.reports("a")
    (row,) = server.idl.server_tables["Database"].rows.values()
    row.schema = [] if tables is None else [json.dumps({"tables": tables})]
    sent: list[Message] = []
    monkeypatch.setattr(server.idl, "send_request", sent.append)
    server.idl._Idl__send_monitor_request()
    assert list(sent[0].params[2]) == asked
    assert server.idl.missing_tables == {"Cluster"} - set(asked)
    assert list(server.idl.tables) == ["Cluster"]


def test_the_schema_bounds_every_table_of_members() -> None:
    """A member follows no server that sends more rows than the bound. The servers' own table of remotes has none."""
    tables = json.loads(SCHEMA.read_text())["tables"]
    assert tables.keys() - MAX_ROWS.keys() == {"Connection"}


def test_a_schema_of_megabytes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop would stand still for it. Then all tables are asked for, as of a server that has no schema."""
    server = Server()
    server.reports("a")
    (row,) = server.idl.server_tables["Database"].rows.values()
    row.schema = [json.dumps({"tables": {}, "filler": [[]] * (MAX_SCHEMA_SIZE // 4)})]
    sent: list[Message] = []
    monkeypatch.setattr(server.idl, "send_request", sent.append)
    server.idl._Idl__send_monitor_request()
    assert list(sent[0].params[2]) == ["Cluster"]
    assert len(SCHEMA.read_text()) < MAX_SCHEMA_SIZE // 4
