"""What one connection installs on a switch besides session rules: meters and standing rules, in which layout::

    layout    from the configuration, the switch's ports, what it rejects, and other evidence (:mod:`.layout_evidence`)
    install   meter for all requests -> standing rules, one bundle -> barrier reply: the switch is served
                                                                   -> error: :mod:`.standing_rejections`
    replace   another configuration, or other ports: the standing rules that differ; where it is not known what is in
              place, or the layout is another one, all of them once more
    restore   others have deleted some: what is missing is added
    go back   the switch rejects rules and has accepted others before: it goes on with those, and gets the new ones
              again after a pause

:mod:`.wanted_rules` has the rules that are installed, :mod:`.rule_update` the messages of each step.

While the switch is served, :mod:`.upkeep` keeps the meters in place, and the rules that copy replies, and audits all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.capabilities.capabilities import Capability
from ryu_haslb.openflow.delivery.accepted_rules import Accepted
from ryu_haslb.openflow.delivery.transactions import LATE_REJECTION_TIMEOUT, Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule
from ryu_haslb.openflow.installation.layout_evidence import LayoutEvidence
from ryu_haslb.openflow.installation.rule_update import RuleUpdate, difference, way_back
from ryu_haslb.openflow.installation.standing_rejections import StandingRejections
from ryu_haslb.openflow.installation.upkeep import Upkeep
from ryu_haslb.openflow.installation.wanted_rules import WantedRules
from ryu_haslb.openflow.installation.weak_method import weak_method
from ryu_haslb.openflow.ports.changes import PortChanges
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.handshake import set_config
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)

#: Returns the time in seconds, as :func:`time.monotonic` does.
Clock = Callable[[], float]


class Installation:
    """The meters and standing rules that are installed over one connection to ``switch``.

    ``transactions`` are all that are sent over the connection, and ``evidence`` is what it has shown of the switch.
    ``upkeep`` is that of one mastership; :meth:`begin` makes it anew.
    """

    def __init__(
        self,
        transport: SwitchChannel,
        switch: Switch,
        balancer: Balancer,
        configuration: Configuration,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._switch = switch
        self.transactions = Transactions(transport)
        self._balancer = balancer
        self._clock = clock
        self._is_installing = False
        #: The update that was sent last; None if none was, or while those of an earlier run stay.
        self._sent: Optional[RuleUpdate] = None
        #: Whether the switch has its rules, and no others, once it has carried out what was sent.
        self._is_sent_known = False
        #: Whether its table-miss rule was rejected while the update itself was still being carried out.
        self._must_repeat_table_miss = False
        #: Whether it goes on with former rules, since it has rejected those of the configuration in force.
        self._has_gone_back = False
        self._has_earlier_rules = False
        self._installed_at = 0.0
        self.evidence = LayoutEvidence(transport, switch, weak_method(self._follow_ports))
        self._choice = self.evidence.choice
        self._wanted = WantedRules(transport, switch, self._choice, balancer.sessions.keys, configuration)
        self._rejections = StandingRejections(transport.id, self._choice, self.transactions, weak_method(self.install))
        self._port_changes = PortChanges()
        self.begin()

    def begin(self) -> None:
        """Begin a mastership: what meters and audits have recorded is from an earlier one."""
        self._is_sent_known = False
        self.upkeep = Upkeep(
            *(self._transport, self._switch, self.transactions, self._balancer, self._wanted.configuration),
            weak_method(self._restore),
        )

    def begin_serving(self, has_earlier_rules: bool) -> None:
        """Install for the first time in a mastership. ``has_earlier_rules``: the switch is known to have standing rules
        that an earlier run or another member has installed."""
        self._has_earlier_rules = has_earlier_rules
        self.install()

    def install(self) -> None:
        """Install the meter of all requests, then the standing rules in the place of all other rules of ours."""
        self._is_installing = True
        self._choice.seen = self._switch.normal_seen
        self.upkeep.audit.suspend()
        self._transport.transmit(set_config(self._transport.next_xid()))
        self._install_meters(self._submit)

    def configure(self, configuration: Configuration) -> None:
        """Have the standing rules follow another configuration."""
        self._wanted.configure(configuration)
        self._replace()

    def on_port_changed(self) -> None:
        """Have the standing rules follow if the ports around the IPsec module changed, and find named ports anew."""
        if not self._port_changes.must_wait():
            self._follow_ports()

    def follow_further_port_changes(self, now: float) -> None:
        """Follow the changes of ports that were too many to be followed at once, if it is time."""
        if self._port_changes.take_due(now):
            self._follow_ports()

    def _follow_ports(self) -> None:
        if self._wanted.have_changed_with_ports():
            self._replace()

    def tick(self, now: float) -> None:
        """Audit what is in place while the switch is served; while it rejects our rules, send them again when due."""
        self.transactions.tick(now)
        if self.is_serving:
            if not self._is_installing:
                self._follow_rejections(now)
                self.evidence.tick(now)
            self.upkeep.tick(now)
        elif not self._is_installing and self._rejections.must_retry(now):
            self.install()

    def _follow_rejections(self, now: float) -> None:
        if self._has_gone_back:
            if self._rejections.must_retry(now):
                self._replace()
        elif now >= self._installed_at + LATE_REJECTION_TIMEOUT:
            self._rejections.forget()
            self.upkeep.meters.on_rules_accepted()

    def end(self) -> None:
        """Serve the switch no longer, because another balancer does or the connection is left. Its rules stay."""
        self._rejections.reset()
        self._switch.rejection = ""
        self._stop_serving()

    @property
    def is_serving(self) -> bool:
        """False while another balancer serves the switch, and once it was left or retired or rejected our rules."""
        return self._switch.channel is self._transport

    @property
    def capabilities(self) -> Mapping[Capability, Optional[bool]]:
        """What was found out about the switch; nothing while rules are being installed."""
        if self._is_installing:
            return {}
        return {
            Capability.NORMAL: self._choice.decision.forwards_normal,
            Capability.FLOOD: None if self._choice.support.has_flood else False,
            Capability.METADATA: self._choice.support.has_metadata,
            Capability.SESSION_TABLE: self._switch.layout.support.has_sessions,
            Capability.TABLE_OUTPUT: self._switch.has_table_output,
            Capability.BUNDLES: self.transactions.has_bundles,
            Capability.METERS: self.upkeep.meters.are_supported,
        }

    def on_multipart_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Handle a reply with meters, with rules that are audited, or with the description. False: another reply."""
        return self.upkeep.on_multipart_reply(xid, message, now) or self.evidence.on_multipart_reply(xid, message)

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error about a packet-out to FLOOD, or a request of ours. False: another error."""
        return self.upkeep.on_error(xid, now) or self.evidence.on_error(xid, error)

    def _restore(self) -> None:
        """Others have deleted or changed standing rules, or the meter of all requests: add what is missing."""
        if not self._is_installing:
            self._is_installing = True
            if self._switch.learning is not None:
                self._switch.learning.learn_anew()
            self.upkeep.reply_rules.forget()  # without their actions they would drop what home agents reply
            self.upkeep.audit.suspend()
            self._is_sent_known = False
            self._install_meters(self._submit if self._has_gone_back else self._submit_restoration)

    def _install_meters(self, conclude: Callable[[], None]) -> None:
        """Install the meters of all requests and of ARP, unless they are worse than none."""
        if self._choice.uses_meters:
            self.upkeep.meters.install(conclude)
        else:
            conclude()

    def _replace(self) -> None:
        if self.is_serving:
            self._is_installing = True
            self._submit()

    def _submit(self) -> None:
        """Send the standing rules of the configuration in force, or what differs from those that are in place."""
        rules, layout = self._wanted.make()
        if self._sent is not None and self._knows_what_differs(layout):
            update = difference(self._sent.rules, rules, layout)
        else:
            update = RuleUpdate(rules, layout, rule_messages.replacement)
            self._switch.set_layout(layout)
            self.upkeep.reply_rules.forget()
        self.upkeep.meters.configure(self._wanted.configuration, self._switch.adjacencies.sides)
        self._has_gone_back = False
        self._send(update)

    def _submit_restoration(self) -> None:
        """Send the standing rules of the configuration in force, of which others have deleted some."""
        rules, layout = self._wanted.make()
        self._set_layout(layout)
        self.upkeep.meters.of_clients.on_lost()
        self._has_gone_back = False
        self._send(RuleUpdate(rules, layout, rule_messages.restoration))

    def _set_layout(self, layout: Layout) -> None:
        if layout != self._switch.layout:
            self._switch.set_layout(layout)

    def _send(self, update: RuleUpdate) -> None:
        self._sent, self._is_sent_known = update, update.is_difference
        self._must_repeat_table_miss = False
        self.upkeep.audit.suspend()
        metered = self.upkeep.meters.are_supported
        self.transactions.submit(
            lambda xid: update.messages(metered, xid),
            lambda error: self._on_confirmed(update, error),
            revoke=lambda error: self._on_late_rejection(update, error),
        )
        self._submit_table_miss(update, metered)

    def _was_sent_last(self, update: RuleUpdate) -> bool:
        """Whether no other rules were sent since those of this update."""
        return self._sent is not None and update.rules is self._sent.rules

    def _on_confirmed(self, update: RuleUpdate, error: Optional[wire.Error]) -> None:
        """The switch has carried out an update, or has rejected it."""
        self._is_installing = False
        if error is not None:
            self._on_not_carried_out(update, error)
        elif self._was_sent_last(update) and update.is_difference and not self._is_sent_known:
            self._replace()  # it was a difference from rules that were rejected meanwhile
        else:
            self._is_sent_known = self._is_sent_known or self._was_sent_last(update)
            self._on_installed(update.rules, update.layout)
            if self._was_sent_last(update) and self._must_repeat_table_miss:
                self._must_repeat_table_miss = False
                self._submit_table_miss(update, self.upkeep.meters.are_supported)

    def _on_not_carried_out(self, update: RuleUpdate, error: wire.Error) -> None:
        self._is_sent_known = False
        if not self._was_sent_last(update):
            self._is_installing = True  # by what was sent since; if that is a difference, all rules follow it
        elif update.layout != self._wanted.layout and not self._has_gone_back:
            self.install()  # sent before another rejection has shown what the switch lacks
        else:
            self._on_rejected(update, error)

    def _submit_table_miss(self, update: RuleUpdate, metered: bool) -> None:
        """Send the table-miss rule after all others. A switch without bundles might else carry it out before them."""
        layout, rules = update.layout, list(update.layout.fit(update.rules))
        self.transactions.submit(lambda xid: rule_messages.table_miss_update(rules, xid, layout), lambda _: None)
        self.transactions.submit(
            lambda xid: rule_messages.table_miss(rules, xid, layout),
            lambda error: self._on_table_miss_concluded(update, metered, error),
            revoke=lambda error: self._on_late_table_miss_rejection(update, metered, error),
        )

    def _on_table_miss_concluded(self, update: RuleUpdate, metered: bool, error: Optional[wire.Error]) -> None:
        """The switch has carried out the last message of an update, or has rejected the table-miss rule.

        If it has no bundles, it gets the first update once more behind that. What the rejection means shows then.
        """
        if not self._was_sent_last(update):
            return
        layout = update.layout
        if error is not None and layout.support.has_metadata and self._choice.rejects_metadata(error):
            self._switch.layout = replace(layout, support=replace(layout.support, has_metadata=False))
            self._submit_table_miss(update._replace(layout=self._switch.layout), metered)
        elif error is not None and self._is_installing:
            self._must_repeat_table_miss = True
        elif error is not None and self._may_accept_another(layout, error):
            self.install()
        else:
            fitting = layout.fit(update.rules)
            in_place = (rule for rule in fitting if error is None or rule.purpose is not Purpose.PASS_OTHER)
            sent = [rule_messages.as_sent(rule, metered, layout) for rule in in_place]
            self.upkeep.audit.expect(sent, self._clock())

    def _may_accept_another(self, layout: Layout, error: wire.Error) -> bool:
        """Whether a rejection of rules of this layout shows that the switch may accept those of another one."""
        return layout == self._wanted.layout and self._choice.on_rejected(error)

    def _knows_what_differs(self, layout: Layout) -> bool:
        """Whether only the standing rules that differ need be sent: all of them take a slow switch a quarter of a
        second, or seconds where there are many real servers, and requests wait behind them.

        Where others may have deleted rules without a sign, or clients have rules of their own, all are sent.
        """
        upkeep = self.upkeep
        is_intact = upkeep.audit.is_possible and not upkeep.meters.of_clients.rates
        return self._is_sent_known and is_intact and layout == self._switch.layout

    def _on_installed(self, rules: list[Rule], layout: Layout) -> None:
        self._switch.accepted_rules.accept(rules, layout, self._clock())
        self._switch.standing_rules = len(rules)
        self._has_earlier_rules = False
        self._choice.has_accepted = True
        if not self._has_gone_back:
            self._switch.rejection = ""
            LOG.info("Switch %016x: %d standing rules are in place", self._transport.id, len(rules))
        self._connect()

    def _connect(self) -> None:
        """Serve the switch, if it is not served yet."""
        self._installed_at = self._clock()
        if not self.is_serving:
            self._switch.connect(self.transactions, self._installed_at)
        self.upkeep.reply_rules.begin(self._switch.layout)
        self._switch.on_ready(self._transport.is_port_usable, self._installed_at)

    def _on_rejected(self, update: RuleUpdate, error: wire.Error) -> None:
        """The switch rejects standing rules."""
        self._is_installing, self._is_sent_known = True, False
        if self.upkeep.meters.on_rule_rejected(error):
            self.install()
            return
        if self._rejections.may_accept_after(error):
            return
        self._switch.accepted_rules.reject(update.rules)
        former = self._switch.accepted_rules.last
        self._switch.rejection = str(error)
        has_earlier = self._has_earlier_rules and bool(self.transactions.has_bundles)
        self._rejections.wait(error, former is not None or has_earlier, self._clock())
        if former is not None:
            self._go_back(former, update)
        elif has_earlier:
            self._keep_earlier_rules()
        else:
            self._is_installing = False
            self._stop_serving()

    def _go_back(self, former: Accepted, rejected: RuleUpdate) -> None:
        """Go on with the rules that the switch has accepted last."""
        self._has_gone_back = True
        self._set_layout(former.layout)
        if rejected.before is not former.rules:
            self.upkeep.meters.of_clients.on_lost()
        self._send(way_back(former, rejected, is_atomic=bool(self.transactions.has_bundles)))

    def _keep_earlier_rules(self) -> None:
        """Go on with rules that are not known here, and are not audited: the rejected bundle has changed nothing."""
        self._has_gone_back, self._is_installing = True, False
        self._sent = None
        self._connect()

    def _on_late_rejection(self, update: RuleUpdate, error: wire.Error) -> bool:
        """The switch rejects standing rules after the barrier reply; it may send an error for each of them.

        If all rules were sent since, the switch rejects those as well that it does not take.
        """
        if self.is_serving and self._switch.accepted_rules.reject(update.rules):
            if self._was_sent_last(update):
                if not self._is_installing:
                    self._on_rejected(update._replace(before=None), error)
            elif self._sent is not None and self._sent.is_difference:
                self._is_sent_known = False  # it may be one from these rules
                if not self._is_installing:
                    self._replace()
        return True

    def _on_late_table_miss_rejection(self, update: RuleUpdate, metered: bool, error: wire.Error) -> bool:
        """The switch rejects the table-miss rule after the barrier reply."""
        if update.layout == self._switch.layout and self.is_serving and not self._is_installing:
            self._on_table_miss_concluded(update, metered, error)
        return True

    def _stop_serving(self) -> None:
        self.transactions.abandon()
        self.upkeep.reply_rules.end()
        self.upkeep.audit.suspend()
        if self.is_serving:
            self._switch.disconnect()
