"""The cluster's database as one member uses it: an edge around the IDL of the ``ovs`` package.

The IDL keeps a copy of the tables, asks for the lock, reconnects, and follows the Raft leader by itself. Here it is
run in a green thread. What it shows is handed to the election as a :class:`.View`, and claims of the election are
committed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any, Callable, Optional

import ovs.poller
from ovs.db.idl import SchemaHelper, Transaction

from ryu_haslb.cluster.election import Action, Claim, Election, View
from ryu_haslb.cluster.idl import OVS, SYNCHRONIZATION_TIMEOUT, Engine, FollowingIdl, is_synchronized
from ryu_haslb.cluster.servers import SCHEMA
from ryu_haslb.cluster.settings import ClusterSettings

LOG = logging.getLogger(__name__)

#: The lock whose holder may claim to lead.
LOCK = "haslb_leader"

_COLUMNS = ("generation", "leader", "leader_since")


class Database:
    """A member's connection to the database.

    ``act`` is called with what the election decides, except for claims, which are committed here. ``may_lead`` is asked
    before a member that does not lead asks for the lock.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        election: Election,
        act: Callable[[Action], None],
        may_lead: Callable[[], bool],
        engine: Engine = OVS,
    ) -> None:
        helper = SchemaHelper(str(SCHEMA))
        helper.register_columns("Cluster", list(_COLUMNS))
        self._engine = engine
        self._idl = engine.connect(FollowingIdl, settings, helper)
        self._election = election
        self._act = act
        self._may_lead = may_lead
        self._claim: Optional[tuple[int, Any]] = None
        self._was_impossible = False
        self._must_synchronize_by: Optional[float] = None

    @property
    def is_connected(self) -> bool:
        """Whether the copy of the tables is that of a server which follows the Raft leader.

        The IDL's own state stays as it was while no server is connected.
        """
        return is_synchronized(self._idl)

    @property
    def view(self) -> View:
        """What the database shows now."""
        row, is_connected = self._row(), self.is_connected
        has_lock = bool(is_connected and self._idl.lock_name is not None and self._idl.has_lock)
        is_contended = bool(is_connected and self._idl.is_lock_contended)
        if row is None:
            return View(is_connected, has_lock, 0, "", is_contended)
        return View(is_connected, has_lock, row.generation, row.leader, is_contended)

    @property
    def leader_since(self) -> str:
        """When the last leader began to lead (ISO 8601, UTC); empty if none has led yet."""
        row = self._row()
        return "" if row is None else str(row.leader_since)

    def wait(self, poller: ovs.poller.Poller) -> None:
        """Wake the poller when there is something to read."""
        self._idl.wait(poller)

    def step(self, now: float) -> None:
        """Read what has come, and do what the election decides."""
        self._idl.run()
        self._follow_server(now)
        self._follow_claim()
        self._update_lock_request(now)
        view = self.view
        if view.is_impossible and not self._was_impossible:
            LOG.error(
                "cluster: the database has generation %d, which no member can have committed; it is ignored, and the "
                "next leader replaces it",
                view.generation,
            )
        self._was_impossible = view.is_impossible
        self._carry_out(self._election.observe(view, now))
        self._update_lock_request(now)

    def on_generation_at_switch(self, generation: int, is_master_elsewhere: bool) -> None:
        """A switch reports the newest generation that it has seen. This member may be MASTER at others."""
        self._carry_out(self._election.on_generation_at_switch(generation, is_master_elsewhere))

    def resign(self, now: float) -> None:
        """Let another member lead."""
        self._election.resign(now)
        self.step(now)

    def _follow_server(self, now: float) -> None:
        """Leave a server that is connected and does not send the tables: it may never do, if an answer is lost."""
        if self.is_connected or not self._idl._session.is_connected():
            self._must_synchronize_by = None
        elif self._must_synchronize_by is None:
            self._must_synchronize_by = now + SYNCHRONIZATION_TIMEOUT
        elif now >= self._must_synchronize_by:
            self._must_synchronize_by = None
            LOG.warning(
                "cluster: the database server has sent no tables for %g s and may be overloaded; reconnecting",
                SYNCHRONIZATION_TIMEOUT,
            )
            self._idl.force_reconnect()

    def _update_lock_request(self, now: float) -> None:
        """Ask for the lock, or release it, as the election wants."""
        wants_lock = self._election.wants_lock(now) and (self._election.is_leading or self._may_lead())
        lock = LOCK if wants_lock else None
        if self._claim is None and lock != self._idl.lock_name:
            self._idl.set_lock(lock)

    def _row(self) -> Optional[Any]:
        return next(iter(self._idl.tables["Cluster"].rows.values()), None)

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Claim):
                self._commit(action.generation)
            else:
                self._act(action)

    def _commit(self, generation: int) -> None:
        """Begin to commit a generation; the IDL asserts the lock in each transaction while it is set to hold one."""
        transaction = self._engine.transaction(self._idl)
        transaction.add_comment(f"{self._election.name} leads")
        row = self._row()
        if row is None:
            row = transaction.insert(self._idl.tables["Cluster"])
        else:
            row.verify("generation")
        row.generation = generation
        row.leader = self._election.name
        row.leader_since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._claim = generation, transaction
        transaction.commit()

    def _follow_claim(self) -> None:
        if self._claim is None:
            return
        generation, transaction = self._claim
        status = transaction.commit()
        if status == Transaction.INCOMPLETE:
            return
        self._claim = None
        if status in (Transaction.SUCCESS, Transaction.UNCHANGED):
            self._carry_out(self._election.on_committed(generation))
        else:
            LOG.info("cluster: generation %d was not committed (%s); trying again", generation, status)
            self._election.on_not_committed()
