"""Connects to the cluster's database: an IDL of the ``ovs`` package, extended by what it lacks."""

from __future__ import annotations

import errno
import json
import logging
import time
import uuid
from collections.abc import Iterable
from typing import Any, Callable, NamedTuple, Optional, TypeVar

import eventlet
import ovs.timeval
from ovs.db.data import Atom
from ovs.db.idl import Idl, SchemaHelper, Transaction
from ovs.stream import Stream

from ryu_haslb.cluster import json_stream
from ryu_haslb.cluster.json_stream import MAX_SCHEMA_SIZE
from ryu_haslb.cluster.rows import shown
from ryu_haslb.cluster.servers import SCHEMA
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)

#: Seconds without a message after which a server is probed; after as much again without a reply it is left.
PROBE_INTERVAL = 1.0
#: Seconds between two attempts to connect to a server, at the most.
MAX_RECONNECT_INTERVAL = 1.0
#: Seconds for which a Raft leader must have had a shorter log than the one before it, before the database counts as
#: restored. A server that no longer leads does not know that for a second or two.
RESTORED_TIMEOUT = 10.0
#: Seconds for which a server may leave the request for the tables unanswered.
SYNCHRONIZATION_TIMEOUT = 5.0
#: Transactions in a row that the server may refuse because its values are not those of the copy. Some are refused when
#: members write one row at the same time.
MAX_UNEXPLAINED_REFUSALS = 5
#: Rows of an update that are applied between two turns of other green threads: some 3 ms.
ROWS_AT_ONCE = 50
#: Rows that a member keeps of a table, by its name. A server accepts no more; it describes its databases in a table
#: ``Database``, one in a row.
MAX_ROWS: dict[str, int] = {
    name: table["maxRows"] for name, table in json.loads(SCHEMA.read_text())["tables"].items() if "maxRows" in table
}
MAX_ROWS["Database"] = 64
#: Characters that are logged of why a message cannot be processed.
_MAX_SHOWN = 200
#: Stands for the last transaction that a member has seen, if it has seen none.
_NO_TRANSACTION = str(uuid.UUID(int=0))


class RefusedUpdateError(HaslbError):
    """A server sends what its schema does not allow; the text says what."""


class FollowingIdl(Idl):  # type: ignore[misc]
    """An IDL that follows its database also when that was made anew, or restored, or has an older schema.

    The ``ovs`` package avoids a server whose log has become shorter, since its data may be stale. It would avoid the
    servers of such a database for ever. A new database is another Raft cluster, with an id of its own. A database whose
    files were replaced by older ones has the same id, and its Raft leader keeps the shorter log.

    No server reports that a copy differs from its database. It refuses each transaction that relies on the copy, so all
    tables are read anew after some refusals in a row.

    An update of many rows is applied in slices, between which other green threads run. They may see a part of it while
    ``is_running``, and must not write then. What comes with fewer rows is seen as a whole.
    """

    tables: dict[str, Any]
    #: What the server that is connected says of its databases, by table; None until then.
    server_tables: Any

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.clock = time.monotonic
        self._raft_cluster: Optional[str] = None
        self._shorter_since: Optional[float] = None
        #: Whether tables are being changed, so that what they show may be a part of what the server has sent.
        self.is_running = False
        self._rows_in_run = 0
        self._refusals = 0
        #: Tables that the server's schema does not have, or without a column that is asked for.
        self.missing_tables: frozenset[str] = frozenset()

    def _Idl__send_monitor_request(self, *arguments: Any) -> None:  # noqa: N802
        """Ask for the tables that the server has. The ``ovs`` package asks for all, and gets none if one is missing."""
        every, existing = self.tables, self._server_schema()
        missing = () if existing is None else (name for name in every if not _has(existing, every[name]))
        self.missing_tables = frozenset(missing)
        self.tables = {name: table for name, table in every.items() if name not in self.missing_tables}
        try:
            super()._Idl__send_monitor_request(*arguments)
        finally:
            self.tables = every

    def _server_schema(self) -> Optional[Any]:
        """The tables of the server's schema; None if the server does not send it, or if it is too large."""
        for row in self._server_rows():
            if row.name == self._db.name and row.schema and len(row.schema[0]) <= MAX_SCHEMA_SIZE:
                return json.loads(row.schema[0])["tables"]
        return None

    def _server_rows(self) -> Iterable[Any]:
        """The server's own table of its databases."""
        servers = (self.server_tables or {}).get("Database")
        return () if servers is None else servers.rows.values()

    def run(self) -> Any:
        """Process what has come; return whether the copy of the tables may have changed.

        What the ``ovs`` package cannot process must not end the process that serves the switches. Another green thread
        that comes here while an update is being applied reads nothing.
        """
        if self.is_running:
            return False
        self.is_running, self._rows_in_run = True, 0
        try:
            return self._run()
        except RefusedUpdateError as error:
            LOG.error("cluster: the database server has sent %s; reconnecting", error)
        except Exception as error:
            failed = "a message of the database server cannot be processed"
            if not self._session.is_connected():
                # The ``ovs`` package opens the files for TLS then, and would try again at once.
                self._session.reconnect.connect_failed(ovs.timeval.msec(), errno.EPROTO)
                failed = "cannot connect to the database; check the files for TLS"
            LOG.error("cluster: %s (%s: %s); reconnecting", failed, type(error).__name__, shown(error, _MAX_SHOWN))
            LOG.debug("cluster: traceback of the failure", exc_info=True)
        finally:
            self.is_running = False
        self.last_id = _NO_TRANSACTION  # the message may have had a change, so all tables are read anew
        self.server_tables = None  # nor does what a server has said of itself outlive its connection
        self.force_reconnect()
        return True

    def cooperative_yield(self) -> None:
        """The ``ovs`` package calls this before each row of an update. Raises: RefusedUpdateError."""
        self._rows_in_run += 1
        if self._rows_in_run % ROWS_AT_ONCE == 0:
            self._check_rows()
            eventlet.sleep(0)

    def _Idl__row_update(self, table: Any, row: Any, columns: Any) -> Any:  # noqa: N802
        """Set columns of a row. Raises: RefusedUpdateError."""
        has_changed = super()._Idl__row_update(table, row, columns)
        _check_values(table, row)
        return has_changed

    def _Idl__apply_diff(self, table: Any, row: Any, columns: Any) -> Any:  # noqa: N802
        """Change columns of a row. Raises: RefusedUpdateError."""
        before = super()._Idl__apply_diff(table, row, columns)
        unchanged = (columns.keys() & table.columns.keys()) - before.keys()  # what the ``ovs`` package could not read
        if unchanged:
            raise _refused(table, min(unchanged))
        _check_values(table, row)
        return before

    def _Idl__txn_process_reply(self, message: Any) -> Any:  # noqa: N802
        """Take the reply to a transaction. Raises: RefusedUpdateError."""
        transaction = self._outstanding_txns.get(message.id)
        is_known = super()._Idl__txn_process_reply(message)
        if transaction is None:
            return is_known
        self._refusals = self._refusals + 1 if transaction._status == Transaction.TRY_AGAIN else 0
        if self._refusals > MAX_UNEXPLAINED_REFUSALS:
            self._refusals = 0
            raise RefusedUpdateError("a copy of the tables that differs from its database: it refuses all transactions")
        return is_known

    def _check_rows(self) -> None:
        for name, table in (*self.tables.items(), *(self.server_tables or {}).items()):
            maximum = MAX_ROWS.get(name, 0)
            if len(table.rows) > maximum + ROWS_AT_ONCE:
                for key in list(table.rows)[maximum:]:  # they stay until the next server has sent its own
                    del table.rows[key]
                raise RefusedUpdateError(f"more than {maximum} rows of the table {name}")

    def _run(self) -> Any:
        change_seqno = super().run()
        self._check_rows()
        for row in self._server_rows():
            if row.name == self._db.name and row.cid:
                self._follow(str(row.cid[0]))
                if row.leader and row.connected and row.index:
                    self._follow_log(row.index[0])
        return change_seqno

    def _follow(self, raft_cluster: str) -> None:
        if self._raft_cluster not in (None, raft_cluster):
            LOG.warning("cluster: the database was made anew (Raft cluster %s)", raft_cluster)
            self._min_index = 0
        self._raft_cluster = raft_cluster

    def _follow_log(self, length: int) -> None:
        """A Raft leader has a log of this length."""
        if length >= self._min_index:
            self._shorter_since = None
        elif self._shorter_since is None:
            self._shorter_since = self.clock()
        elif self.clock() - self._shorter_since >= RESTORED_TIMEOUT:
            LOG.warning("cluster: the database was restored to an earlier state (Raft cluster %s)", self._raft_cluster)
            self._min_index, self._shorter_since = 0, None


def _check_values(table: Any, row: Any) -> None:
    """Raises: RefusedUpdateError: a column has a value that the schema does not allow.

    In place of such a value the ``ovs`` package leaves an atom in an atom. It lets integers of more than 64 bits pass,
    with which a server refuses each transaction (RFC 7047, section 3.1).
    """
    for name in table.columns:
        for atom in row._data[name].values:
            value = atom.value
            if isinstance(value, Atom) or (isinstance(value, int) and not -(1 << 63) <= value < 1 << 63):
                raise _refused(table, name)


def _refused(table: Any, column: str) -> RefusedUpdateError:
    return RefusedUpdateError(f"no valid value for column {column} of the table {table.name}")


def _has(existing: Any, table: Any) -> bool:
    """Whether a server has a table with all of its columns."""
    return set(table.columns) <= set(existing.get(table.name, {}).get("columns", ()))


AnyIdl = TypeVar("AnyIdl", bound=FollowingIdl)


def connect(kind: type[AnyIdl], settings: ClusterSettings, helper: SchemaHelper) -> AnyIdl:
    """An IDL of this kind that follows the Raft leader."""
    json_stream.install()
    if settings.tls is not None:
        key, certificate, authority = settings.tls
        Stream.ssl_set_private_key_file(key)
        Stream.ssl_set_certificate_file(certificate)
        Stream.ssl_set_ca_cert_file(authority)
    idl: AnyIdl = kind(settings.remotes, helper, probe_interval=int(PROBE_INTERVAL * 1000), leader_only=True)
    # The IDL has no public way to say so: without it a member may try another server only after 8 s.
    idl._session.reconnect.set_backoff(1000, int(MAX_RECONNECT_INTERVAL * 1000))
    return idl


class Engine(NamedTuple):
    """What connects members to a database. The simulator (``tests/simulation``) has another one than the product."""

    connect: Callable[[Any, ClusterSettings, SchemaHelper], Any]
    transaction: Callable[[Any], Any]


#: The IDL of the ``ovs`` package.
OVS = Engine(connect, Transaction)


def is_synchronized(idl: Idl) -> bool:
    """Whether the copy of the tables is that of a server which follows the Raft leader.

    The IDL's own state stays as it was while no server is connected.
    """
    return bool(idl.state == Idl.IDL_S_MONITORING and idl._session.is_connected())
