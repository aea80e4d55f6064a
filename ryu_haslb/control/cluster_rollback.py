"""A change that rolls back by itself, in a cluster: what waits is in the database, and outlives the member.

It is confirmed at any member. The member that leads rolls back, in one transaction with the end of the waiting: a
change is confirmed or rolled back, and never both.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Callable, Optional

from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.cluster.health_rows import Clocks
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.rollback_rows import ROLLBACK, PendingRollback, read_rollback, to_arm, to_end
from ryu_haslb.cluster.rows import Changes, Columns
from ryu_haslb.cluster.shared_state import Edit, NotConnectedError
from ryu_haslb.cluster.sharing import real_clocks
from ryu_haslb.control.committing import await_outcome
from ryu_haslb.control.rollback import MAX_MINUTES, NotArmedError, Rollback, RollingBackError
from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)

_UNDECIDED = "whether the change waits to be confirmed is shown by 'show archive config rollback timer'"


class NotCommittedError(HaslbError):
    """The database has not taken what the command asks for; nothing was changed."""


class ClusterRollback(Rollback):
    """The change of the cluster that waits to be confirmed, as one member sees it."""

    def __init__(self, member: Member, clocks: Callable[[], Clocks] = real_clocks) -> None:
        super().__init__()
        self._member, self._clocks = member, clocks
        self._shared: Optional[PendingRollback] = None
        self._refused, self._refused_rows = "", tuple[Columns, ...]()
        member.shared.add(
            Publication(ROLLBACK, lambda: None, lambda rows, _: rows, self.on_rows, by_leader=False),
        )

    def on_rows(self, rows: Collection[Columns]) -> None:
        """The database shows these rows. Those that no member writes change nothing."""
        read = read_rollback(rows, self._clocks().wall)
        if isinstance(read, str):
            if read != self._refused:
                LOG.warning(
                    "cluster: the table Rollback has %s; no member writes that, so it is ignored, and replaced by the "
                    "next 'configure confirm MINUTES'",
                    read,
                )
            self._refused, self._refused_rows = read, tuple(rows)
            return
        self._refused, self._refused_rows = "", ()
        before, self._shared = self._shared, read
        if self._shared is None:
            if self.text is not None and not self.is_under_way:
                self.text = None
                LOG.warning("cluster: the configuration no longer rolls back: it was confirmed, or has rolled back")
        elif self._shared != before:
            self._adopt(self._shared)

    def arm(self, text: str, minutes: int, now: float) -> None:
        """Go back to this configuration in so many minutes, whichever member leads then.

        Raises: RollingBackError, NotCommittedError, UndecidedError.
        """
        if self.is_under_way:
            raise RollingBackError
        objection = self._member.agreement.objection(text, Basis.IN_FORCE, self._member.others_without_refusal(now))
        if objection is not None:
            raise _not_committed(objection)
        kept = text if self.text is None else self.text  # the row may be spoilt
        wanted = PendingRollback(kept, int(self._clocks().wall + 60 * minutes))
        self._change(lambda rows: to_arm(rows, wanted, self._clocks().wall))
        super().arm(text, minutes, now)

    def confirm(self) -> None:
        """Keep what is in force. Raises: NotArmedError, RollingBackError, NotCommittedError, UndecidedError."""
        self._waiting()
        self._change(_to_end)
        super().confirm()

    def end_of_rollback(self) -> Sequence[Edit]:
        """The edit that goes with the configuration that comes back, in one commit: no change waits any more."""
        return [Edit(ROLLBACK, _to_end)]

    def end(self, succeeded: bool, now: float) -> None:
        """The attempt to go back is over."""
        super().end(succeeded, now)
        if self._shared is None:  # meanwhile it was confirmed at another member
            self.text = None

    def is_due(self, now: float) -> bool:
        """Whether it is time for this member to go back."""
        if self._refused:  # the wall clock of this machine may have been wrong
            self.on_rows(self._refused_rows)
        return self._member.is_leading and super().is_due(now)

    def on_stop(self, file: str) -> None:
        """The process ends: the change goes on waiting."""
        if self.text is not None:
            LOG.warning(
                "the configuration in force is not confirmed; the leader rolls it back unless 'configure confirm'"
            )

    def _adopt(self, shared: PendingRollback) -> None:
        clocks = self._clocks()
        left = min(max(shared.deadline - clocks.wall, 0.0), 60.0 * MAX_MINUTES)
        self.wait(shared.text, clocks.monotonic + left, clocks.monotonic)

    def _change(self, make: Callable[[Mapping[Any, Columns]], Changes]) -> None:
        try:
            commit = self._member.shared.change(Edit(ROLLBACK, make))
        except NotConnectedError as error:
            raise _not_committed(str(error)) from None
        outcome = await_outcome(commit, _UNDECIDED)
        if outcome:
            raise _not_committed(f"another member has changed it meanwhile ({outcome}); try again")


def _to_end(rows: Mapping[Any, Columns]) -> Changes:
    if not rows:  # it was confirmed, or rolled back, at another member
        raise NotArmedError
    return to_end(rows)


def _not_committed(reason: str) -> NotCommittedError:
    return NotCommittedError(f"nothing was changed: {reason}")
