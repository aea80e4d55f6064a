"""The client of the simulated database: what the product uses of the IDL of the ``ovs`` package, and behaves like it.

The IDL acts only when it is run. It then reads what has come; a connection that has ended shows behind that. When it
has connected again it asks for its lock anew, and transactions that were under way are to be tried again: whether they
were committed is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple, Optional

from ovs.db.idl import Idl, SchemaHelper, Transaction

from ryu_haslb.cluster.idl import Engine
from ryu_haslb.cluster.servers import SCHEMA
from ryu_haslb.cluster.settings import ClusterSettings
from simulation.ovsdb import SILENCE, SimulatedDatabase
from simulation.ovsdb_server import DELAY, Operation, Request, Server, Session

#: Seconds between two attempts to connect, and after which an attempt without an answer is given up.
RECONNECT_INTERVAL = 1.0
#: Seconds until the next server is tried after one that is not the leader.
REDIRECT_INTERVAL = 0.1


def engine_of(database: SimulatedDatabase, wake: Callable[[float], None]) -> Engine:
    """What connects a member to the database; ``wake`` is called with the seconds in which its IDL has to be run."""

    def connect(_: object, settings: ClusterSettings, helper: SchemaHelper) -> SimulatedIdl:
        return SimulatedIdl(database, settings.name, list(helper._tables), wake)

    return Engine(connect, SimulatedTransaction)


class _Table(NamedTuple):
    name: str
    rows: dict[int, SimulatedRow]


class SimulatedIdl:
    """A member's copy of some tables."""

    def __init__(
        self, database: SimulatedDatabase, member: str, tables: list[str], wake: Callable[[float], None]
    ) -> None:
        self.database = database
        self.member = member
        self.tables = {name: _Table(name, {}) for name in tables}
        self.state = Idl.IDL_S_INITIAL
        self.lock_name: Optional[str] = None
        self.has_lock = self.is_lock_contended = False
        self.txn: Optional[SimulatedTransaction] = None
        self.changed_tables: set[str] = set()
        self.missing_tables: frozenset[str] = frozenset()
        self.is_running = False
        self.session: Optional[Session] = None
        self.outstanding: list[SimulatedTransaction] = []
        self._session = self  # the product asks the IDL's session whether it is connected
        self._wake = wake
        self._random = Random(f"{member} {sorted(tables)}")
        self._inbox: list[tuple[Session, str, Any]] = []
        self._server = self._random.randrange(len(database.servers))
        self._attempt_at = 0.0
        self._connecting: Optional[Session] = None
        self._silent_since: Optional[float] = None

    def is_connected(self) -> bool:
        """Whether a server is connected."""
        return self.session is not None

    def run(self) -> None:
        """Read what has come, and connect if no server is connected."""
        while self._inbox:
            session, kind, argument = self._inbox.pop(0)
            if session in (self.session, self._connecting):
                self._on_message(kind, argument)
        self._leave_if_silent()
        now = self.database.clock.now
        if self.session is None and now >= self._attempt_at:
            self._attempt(now)

    def wait(self, _: object) -> None:
        """Nothing: ``wake`` is called when something has come."""

    def set_lock(self, name: Optional[str]) -> None:
        """Ask for a lock, or release it."""
        before, self.lock_name = self.lock_name, name
        if before is not None and name != before:
            self.has_lock = self.is_lock_contended = False
            self._send(self.database.unlock, before)
        if name is not None and name != before:
            self.has_lock = self.is_lock_contended = False
            self._send(self.database.lock, name)

    def force_reconnect(self) -> None:
        """Leave the server."""
        if self.session is not None:
            session, self.session = self.session, None
            session.to_server.send(self.database.drop, session)

    def send_request(self, request: Request) -> bool:
        """Send a transaction. False when no server is connected."""
        return self._send(self.database.transact, request)

    def receive(self, session: Session, kind: str, argument: Any) -> None:
        """Something comes from the server."""
        self._inbox.append((session, kind, argument))
        self._wake(0.0)

    def _send(self, function: Callable[[Session, Any], None], argument: Any) -> bool:
        session = self.session
        if session is None:
            return False
        session.to_server.send(function, session, argument)
        return True

    def _attempt(self, now: float) -> None:
        self._attempt_at = now + RECONNECT_INTERVAL
        self._wake(RECONNECT_INTERVAL)
        self._server = (self._server + 1) % len(self.database.servers)
        server = self.database.servers[self._server]
        if self.database.reaches(self.member, server):
            self.database.clock.after(2 * DELAY, self._connect, server)

    def _connect(self, server: Server) -> None:
        if self.session is None and self.database.reaches(self.member, server):
            self._connecting = self.database.connect(self.member, server, self.receive)

    def _leave_if_silent(self) -> None:
        """Leave a server of which nothing has come for long."""
        session, now = self.session, self.database.clock.now
        if session is None or self.database.reaches(self.member, session.server):
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since > SILENCE[1]:
            self.session = None

    def _on_message(self, kind: str, argument: Any) -> None:
        if kind == "rows":
            self._on_rows(*argument)
        elif kind == "update":
            for operation in argument:
                self._on_operation(operation)
        elif kind == "lock" and argument[0] == self.lock_name:
            self.has_lock, self.is_lock_contended = argument[1], not argument[1]
        elif kind == "reply":
            transaction, status, error = argument
            if transaction in self.outstanding:
                self.outstanding.remove(transaction)
                transaction.status, transaction.error = status, error
        elif kind == "closed":
            self.session = self._connecting = None

    def _on_rows(self, is_leader: bool, tables: dict[str, dict[int, dict[str, Any]]]) -> None:
        """The first answer of a server. One that is not the leader is left for the next one."""
        if self._connecting is None:
            return
        self.session, self._connecting = self._connecting, None
        if not is_leader:
            self.force_reconnect()
            self._attempt_at = self.database.clock.now + REDIRECT_INTERVAL
            self._wake(REDIRECT_INTERVAL)
            return
        for transaction in self.outstanding:
            transaction.status = Transaction.TRY_AGAIN
        self.outstanding.clear()
        for table in self.tables.values():
            table.rows.clear()
            for number, columns in tables.get(table.name, {}).items():
                self._on_operation(Operation(table.name, number, columns))
        self.state = Idl.IDL_S_MONITORING
        if self.lock_name is not None:
            self.has_lock = self.is_lock_contended = False
            self._send(self.database.lock, self.lock_name)

    def _on_operation(self, operation: Operation) -> None:
        table = self.tables.get(operation.table)
        if table is None:
            return
        self.changed_tables.add(table.name)
        if operation.columns is None:
            table.rows.pop(operation.row, None)
        elif operation.row in table.rows:
            table.rows[operation.row].data.update(operation.columns)
        else:
            table.rows[operation.row] = SimulatedRow(self, table.name, operation.row, operation.columns)


class SimulatedRow:
    """A row: its columns are its attributes, and changes of them belong to the open transaction."""

    def __init__(self, idl: SimulatedIdl, table: str, number: int, data: dict[str, Any]) -> None:
        self.__dict__.update(idl=idl, table=table, number=number, data={**_DEFAULTS[table], **data})

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["data"][name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.idl.txn.operations.append(Operation(self.table, self.number, {name: value}))

    def verify(self, column: str) -> None:
        """Commit only if this column is unchanged."""
        self.idl.txn.expected.append((self.table, self.number, column, self.data[column]))

    def delete(self) -> None:
        """Delete the row."""
        self.idl.txn.operations.append(Operation(self.table, self.number, None))


class SimulatedTransaction:
    """Changes that are committed together."""

    def __init__(self, idl: SimulatedIdl) -> None:
        assert idl.txn is None
        self.idl = idl
        self.status: str = Transaction.UNCOMMITTED
        self.error = ""
        self.operations: list[Operation] = []
        self.expected: list[tuple[str, int, str, Any]] = []
        idl.txn = self

    def add_comment(self, _: str) -> None:
        """Nothing: comments are for the log of the servers."""

    def insert(self, table: _Table) -> SimulatedRow:
        """A new row."""
        number = self.idl.database.new_row()
        self.operations.append(Operation(table.name, number, dict(_DEFAULTS[table.name]), True))
        return SimulatedRow(self.idl, table.name, number, {})

    def get_error(self) -> str:
        """Why the transaction has failed, or its status."""
        return self.error if self.status == Transaction.ERROR and self.error else self.status

    def commit(self) -> str:
        """Send the transaction, or look what has become of it."""
        idl = self.idl
        if idl.txn is not self:
            return self.status
        idl.txn = None
        if idl.state != Idl.IDL_S_MONITORING:
            self.status = Transaction.TRY_AGAIN
        elif idl.lock_name is not None and not idl.has_lock:
            self.status = Transaction.NOT_LOCKED
        elif not self.operations:
            self.status = Transaction.UNCHANGED
        else:
            session = idl.session
            written = {(each.table, each.row) for each in self.operations}
            expected = [each for each in self.expected if each[:2] in written]  # the IDL leaves the others out
            request = Request(idl.lock_name, expected, self.operations, partial(self._reply, session))
            self.status = Transaction.INCOMPLETE if idl.send_request(request) else Transaction.TRY_AGAIN
            if self.status == Transaction.INCOMPLETE:
                idl.outstanding.append(self)
        return self.status

    def _reply(self, session: Optional[Session], status: str, error: str) -> None:
        if session is not None:
            session.deliver("reply", (self, status, error))


def _defaults() -> dict[str, dict[str, Any]]:
    """What the columns of a new row hold."""
    tables = json.loads(SCHEMA.read_text())["tables"]
    return {
        name: {key: _default(each["type"]) for key, each in table["columns"].items()} for name, table in tables.items()
    }


def _default(kind: Any) -> Any:
    if isinstance(kind, dict) and kind.get("min", 1) == 0:
        return []
    key = kind["key"] if isinstance(kind, dict) else kind
    return {"integer": 0, "string": "", "boolean": False}.get(key["type"] if isinstance(key, dict) else key, "")


_DEFAULTS = _defaults()
