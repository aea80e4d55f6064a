"""What follows when one switch rejects its standing rules.

It may also reject them after the barrier reply that confirms them, as some hardware does::

    another layout may fit (:mod:`.layout_choice`)  -> install that
    session rules fill their table                  -> delete some of them, and install again
    else, or when none of it helps                  -> the switch goes on with the rules that it has accepted last
                                                       (:mod:`.accepted_rules`), or with those of an earlier run if
                                                       it has bundles, or is not served; install again after a pause of
                                                       1 s, 2 s and so on up to 60 s (:mod:`.backoff`)
    no rejection for :data:`.LATE_REJECTION_TIMEOUT`
    after the barrier reply                         -> the next one is the first again
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Callable

from ryu_haslb.openflow.capabilities.layout_choice import LayoutChoice
from ryu_haslb.openflow.delivery.backoff import Backoff
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.flow_tables.session_rule import session_slice_removal
from ryu_haslb.openflow.wire import wire

LOG = logging.getLogger(__name__)

#: Slices of the session rules, and how many of them are deleted at most to make room for a standing rule.
SLICES = 16
MAX_SLICES_REMOVED = 4


class StandingRejections:
    """The rejections over one connection. ``install()`` has to send the standing rules again."""

    def __init__(
        self, datapath_id: int, choice: LayoutChoice, transactions: Transactions, install: Callable[[], None]
    ) -> None:
        self._datapath_id = datapath_id
        self._choice = choice
        self._transactions = transactions
        self._install = install
        self._backoff = Backoff()
        self._slices_removed = 0

    def must_retry(self, now: float) -> bool:
        """Whether the standing rules are to be sent again now, after a pause."""
        return self._backoff.is_failing and not self._backoff.must_wait(now)

    def forget(self) -> None:
        """The standing rules are in place, and none can be rejected late any more: the next rejection is the first."""
        self._slices_removed = 0
        self._backoff.reset()

    def reset(self) -> None:
        """Retry no more, until the standing rules are rejected again."""
        self._backoff.reset()

    def may_accept_after(self, error: wire.Error) -> bool:
        """Send the rules of another layout, or others again after making room. False: nothing else may help."""
        if self._choice.on_rejected(error):
            self._install()
            return True
        if error.is_table_full and error.table == Table.SESSIONS and self._choice.support.has_session_table:
            self._remove_slice()
            return True
        return False

    def wait(self, error: wire.Error, is_served: bool, now: float) -> None:
        """Send them again after a pause. ``is_served``: with rules that the switch has accepted before."""
        if not self._backoff.on_rejected(now):
            return
        if is_served:
            LOG.error(
                "Switch %016x rejected the standing rules of the configuration in force (%s) and goes on with the "
                "former ones; virtual and real servers that are new are not served there. They are sent again after "
                "pauses of 1 to 60 s",
                *(self._datapath_id, error),
            )
        else:
            LOG.error(
                "Switch %016x rejected the standing rules (%s) and is not served; docs/flows.md lists what it must "
                "support. They are sent again after pauses of 1 to 60 s",
                *(self._datapath_id, error),
            )

    def _remove_slice(self) -> None:
        """Session rules fill their table: delete some, for the standing rule that belongs there as well.

        A table that has no room then takes no rules at all.
        """
        number, self._slices_removed = self._slices_removed, self._slices_removed + 1
        if number == MAX_SLICES_REMOVED:
            self._choice.support = replace(self._choice.support, has_session_table=False)
            self._install()
            return
        if not number:
            LOG.warning(
                "Switch %016x has no room for a standing rule in table %d; deleting up to %d/%d of the session rules "
                "there",
                *(self._datapath_id, Table.SESSIONS, MAX_SLICES_REMOVED, SLICES),
            )
        self._transactions.submit(lambda xid: session_slice_removal(xid, number, SLICES), lambda _: self._install())
