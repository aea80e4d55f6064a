"""Removes our rules from one switch, in an order that never stops other traffic.

Each step is confirmed by the switch (barrier) before the next begins::

    session rules  ->  our meters, then the standing rules  ->  concluded

One rule stays: PASS_OTHER, the NORMAL rule of priority 0. Where it was accepted the switch had no table-miss rule, and
OpenFlow 1.3 drops what no rule matches (OpenFlow 1.3.5, section 5.4): without it the switch would forward nothing. It
was rejected where the switch has a table-miss rule of its own, and then nothing stays. On a switch with a learning
table the rules stay as well that flood: it forwards as a hub then.
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.session_rule import session_removal
from ryu_haslb.openflow.overload import meters
from ryu_haslb.openflow.roles import lease
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire import wire

LOG = logging.getLogger(__name__)

#: Is called once, with the datapath id and with whether the switch has confirmed that our rules are removed.
Conclude = Callable[[int, bool], None]


class Retirement:
    """Removes everything that bears our mark from the switch behind ``transport``, but what it needs to forward.

    It handles the messages of the connection until the switch has confirmed, or until another handler is set.
    """

    def __init__(self, transport: SwitchChannel, conclude: Conclude, layout: Layout) -> None:
        self._transport = transport
        self._conclude = conclude
        self._transactions = Transactions(transport)
        transport.handler = self._on_message
        self._layout = layout
        if layout.support.has_sessions:
            self._transactions.submit(session_removal, self._on_sessions_removed)
        else:
            self._on_sessions_removed(None)

    def _on_sessions_removed(self, error: Optional[wire.Error]) -> None:
        if error is not None:
            self._end(error)
            return
        meters.delete_all(self._transport)

        def removal(xid: int) -> list[bytes]:
            return [*rule_messages.standing_removal(xid, self._layout), lease.removal(xid)]

        self._transactions.submit(removal, self._end)

    def _end(self, error: Optional[wire.Error]) -> None:
        if self._transport.handler == self._on_message:
            self._transport.handler = None
        if error is None:
            LOG.info("Switch %016x: our rules are removed; it is not served", self._transport.id)
        else:
            LOG.error(
                "Switch %016x rejected the removal of our rules (%s); remove them by hand, see docs/flows.md",
                *(self._transport.id, error),
            )
        self._conclude(self._transport.id, error is None)

    def _on_message(self, kind: int, xid: int, message: bytes) -> bool:
        """Discard requests that still come, and ignore that a switch without meters rejects their deletion."""
        if kind == wire.OFPT_BARRIER_REPLY:
            return self._transactions.on_barrier_reply(xid)
        if kind == wire.OFPT_EXPERIMENTER:
            return self._transactions.on_experimenter(xid, message)
        if kind == wire.OFPT_ERROR:
            try:
                self._transactions.on_error(xid, wire.read_error(message))
            except wire.MalformedMessage:
                return False
            return True
        return kind == wire.OFPT_PACKET_IN
