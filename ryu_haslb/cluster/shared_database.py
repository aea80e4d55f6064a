"""A member's second connection to the database, for what members share: an edge around the IDL.

The connection of the election (:mod:`.database`) holds the lock, and an IDL that is set to hold one asserts it in every
transaction. This one has none, so that members that stand by can write as well. What only the leader may write is
fenced by the generation: the transaction verifies that it is still the writer's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Callable, Optional

import ovs.poller
from ovs.db.idl import SchemaHelper, Transaction

from ryu_haslb.cluster.idl import OVS, Engine, FollowingIdl, is_synchronized
from ryu_haslb.cluster.rows import Changes, Columns, Kind
from ryu_haslb.cluster.servers import SCHEMA
from ryu_haslb.cluster.settings import ClusterSettings


class _NotifyingIdl(FollowingIdl):
    """An IDL that collects which tables have changed."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.changed_tables: set[str] = set()
        super().__init__(*arguments, **keywords)

    def notify(self, event: Any, row: Any, updates: Any = None) -> None:
        """A row was inserted, changed or deleted."""
        self.changed_tables.add(row._table.name)


class Commit:
    """A transaction that is under way, or over."""

    def __init__(self, transaction: Any, connection: Callable[[], int]) -> None:
        self._transaction = transaction
        self._connection, self._current_connection = connection(), connection
        transaction.commit()

    @property
    def is_certain(self) -> bool:
        """Whether the connection of the transaction still exists: if not, it may be committed in spite of an error."""
        return self._connection == self._current_connection()

    def outcome(self) -> Optional[str]:
        """Empty when the transaction is committed, the error if it is not; None while it is under way.

        A transaction that met a change by another member is not committed either.
        """
        status = self._transaction.commit()
        if status == Transaction.INCOMPLETE:
            return None
        return "" if status in (Transaction.SUCCESS, Transaction.UNCHANGED) else str(self._transaction.get_error())


class SharedDatabase:
    """The tables that members share."""

    def __init__(self, settings: ClusterSettings, kinds: Sequence[Kind], engine: Engine = OVS) -> None:
        helper = SchemaHelper(str(SCHEMA))
        helper.register_columns("Cluster", ["generation"])
        for kind in kinds:
            helper.register_columns(kind.table, list(kind.columns))
        self._engine = engine
        self._idl = engine.connect(_NotifyingIdl, settings, helper)
        self._kinds = kinds
        self._was_synchronized = False
        self._connections = 0

    @property
    def is_synchronized(self) -> bool:
        """Whether the copy of the tables is that of a server which follows the Raft leader."""
        return is_synchronized(self._idl)

    @property
    def is_connected(self) -> bool:
        """Whether a server is connected, be it one without our tables."""
        return bool(self._idl._session.is_connected())

    @property
    def is_reading(self) -> bool:
        """Whether many rows are being read: the tables have a part of them, and :meth:`read` has not returned."""
        return bool(self._idl.is_running)

    @property
    def missing_tables(self) -> Collection[str]:
        """The tables that the server's older schema does not have; they have no rows, and nothing can be written."""
        missing: Collection[str] = self._idl.missing_tables
        return missing

    @property
    def generation(self) -> int:
        """The newest committed generation; 0 if there is none."""
        row = self._cluster_row()
        return 0 if row is None else int(row.generation)

    def read(self) -> set[str]:
        """Read what has come. Returns the names of the tables that may have changed; all after a new connection."""
        self._idl.run()
        changed, self._idl.changed_tables = self._idl.changed_tables, set()
        was_synchronized, self._was_synchronized = self._was_synchronized, self.is_synchronized
        self._connections += self._was_synchronized != was_synchronized
        return changed if was_synchronized else {kind.table for kind in self._kinds}

    def wait(self, poller: ovs.poller.Poller) -> None:
        """Wake the poller when there is something to read."""
        self._idl.wait(poller)

    def reconnect(self) -> None:
        """Leave the server, and connect anew."""
        self._idl.force_reconnect()

    def rows(self, kind: Kind) -> dict[Any, Columns]:
        """The rows of a table by their identifiers."""
        table = self._idl.tables[kind.table]
        return {
            identifier: {column: _value(getattr(row, column)) for column in kind.columns}
            for identifier, row in table.rows.items()
        }

    def commit(self, changes: Sequence[Changes], comment: str, generation: Optional[int] = None) -> Commit:
        """Begin to commit changes together. If a ``generation`` is given, only while this is the newest."""
        transaction = self._engine.transaction(self._idl)
        transaction.add_comment(comment)
        cluster = self._cluster_row()
        if generation is not None and cluster is not None:
            cluster.verify("generation")
            cluster.generation = cluster.generation  # the IDL verifies nothing in rows that are not written
        for each in changes:
            table = self._idl.tables[each.kind.table]
            if each.verify is not None:
                for identifier in (*each.delete, *each.update):
                    table.rows[identifier].verify(each.verify)
            for identifier in each.delete:
                table.rows[identifier].delete()
            for identifier, columns in each.update.items():
                _set(table.rows[identifier], columns)
            for columns in each.insert:
                _set(transaction.insert(table), columns)
        return Commit(transaction, self._current_connection)

    def _current_connection(self) -> int:
        """A number that is another one after the connection was lost."""
        return self._connections + (self.is_synchronized != self._was_synchronized)

    def _cluster_row(self) -> Optional[Any]:
        return next(iter(self._idl.tables["Cluster"].rows.values()), None)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _set(row: Any, columns: Columns) -> None:
    for column, value in columns.items():
        setattr(row, column, list(value) if isinstance(value, tuple) else value)
