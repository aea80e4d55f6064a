"""What keeps the rules and meters of one switch in place while it is served: meters, reply rules, and audits.

All of it belongs to one mastership over one connection: what it has recorded of an earlier one no longer holds.
"""

from __future__ import annotations

import logging
from typing import Callable

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.audit.audit import Audit
from ryu_haslb.openflow.audit.learned_audit import LearnedAudit
from ryu_haslb.openflow.audit.meter_audit import MeterAudit
from ryu_haslb.openflow.audit.override_audit import OverrideAudit
from ryu_haslb.openflow.audit.session_audit import SessionAudit
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.doubt.reply_rules import ReplyRules
from ryu_haslb.openflow.flow_tables.rule_messages import reported_removal
from ryu_haslb.openflow.installation.weak_method import weak_method
from ryu_haslb.openflow.overload.meters import Meters
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)


class Upkeep:
    """Keeps in place what is installed on ``switch``.

    ``restore()`` has to install the meter of all requests and the standing rules again.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what all of it is made from
        self,
        transport: SwitchChannel,
        switch: Switch,
        transactions: Transactions,
        balancer: Balancer,
        configuration: Configuration,
        restore: Callable[[], None],
    ) -> None:
        self._datapath_id = transport.id
        self._switch = switch
        self.meters = Meters(transport.id, transactions, switch.admission, balancer, configuration)
        self.meters.on_deleted = restore
        self._transactions = transactions
        remove = weak_method(self._remove)
        self._learned_audit = LearnedAudit(transport, lambda: switch.learning, remove)
        self._meter_audit = MeterAudit(transport, transport.id)
        session_audit = SessionAudit(transport, switch.rules, balancer, switch.unrecovered, remove)
        self.reply_rules = ReplyRules(transport.id, switch.replies, balancer, transactions, self.meters)
        self.meters.on_copying_ended = weak_method(self.reply_rules.forget)
        senders = self.reply_rules, self.meters.of_clients
        self.audit = audit = Audit(transport, session_audit, switch.restored, restore, senders)
        reply_rules = self.reply_rules
        self._override_audit = OverrideAudit(
            transport, lambda: [*audit.in_place, *reply_rules.sent], switch.replies.all_rules, switch.overridden
        )

    @property
    def is_reading_rules(self) -> bool:
        """Whether the switch is reading a table for us that may be large."""
        return self.audit.is_reading_sessions or self._override_audit.is_reading

    def tick(self, now: float) -> None:
        """Audit what is in place, and restore what others have changed."""
        self._switch.questions.is_metered = self.meters.has_probe_meter
        self.meters.tick(now)
        if self._meter_audit.is_due(now):
            self._meter_audit.tick(self.meters.rates, now)
        self.reply_rules.tick(now)
        self.audit.tick(now)
        self._learned_audit.tick(now)
        self._override_audit.tick(now)
        self.audit.take_extraneous(self._learned_audit.extraneous, now)
        self._take_meter_counts()

    def on_multipart_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Handle a reply with meters, or with rules that are audited. False: another reply."""
        return (
            self.meters.on_meter_stats(xid, message, now)
            or self._on_meter_rates(xid, message)
            or self.audit.on_reply(xid, message, now)
            or self._learned_audit.on_reply(xid, message, now)
            or self._override_audit.on_reply(xid, message, now)
        )

    def on_error(self, xid: int, now: float) -> bool:
        """Handle an error about a request of an audit. False: another error."""
        return (
            self.audit.on_error(xid, now)
            or self._learned_audit.on_error(xid)
            or self._meter_audit.on_error(xid)
            or self._override_audit.on_error(xid)
        )

    def _remove(self, rules: list[FlowStats]) -> None:
        """Delete rules that the switch has reported, and that are none of ours."""
        self._transactions.submit(lambda xid: reported_removal(rules, xid), lambda _: None)

    def _take_meter_counts(self) -> None:
        self._switch.arp_metered += self.meters.take_arp_dropped()
        restored = self.meters.take_restored()
        if restored:
            self._switch.restored.incidents += 1
            self._switch.restored.meters += restored
            LOG.warning(
                "Switch %016x: %d meters were deleted or changed by another controller or operator; restored",
                *(self._datapath_id, restored),
            )

    def _on_meter_rates(self, xid: int, message: bytes) -> bool:
        """Set the rates again that others have changed."""
        repairs = self._meter_audit.on_reply(xid, message, self.meters.rates)
        for each in repairs or ():
            self.meters.restore_rate(each.meter, each.rate, each.is_certain)
        return repairs is not None
