"""What one connection installs on a switch besides session rules: meters and standing rules, in which layout::

    layout    from the configuration, the switch's description and ports, and what it rejects (:mod:`.layout_choice`)
    install   meter for all requests -> standing rules, one bundle -> barrier reply: the switch is served
                                                                   -> error: another layout, if one may fit;
                                                                      else the switch is not served; tried
                                                                      again after 1 s, 2 s and so on up to 60 s
    replace   another configuration, or other ports: the standing rules once more, in the place of those before
    restore   others have deleted some (:mod:`.audit`): what is missing is added

The rules that copy replies (:mod:`.reply_rules`) and the meters follow the standing rules.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration, Switching
from ryu_haslb.configuration.outside_ports import sides_of
from ryu_haslb.language.wording import printable, quoted
from ryu_haslb.openflow import rule_messages, wire
from ryu_haslb.openflow.audit.audit import Audit
from ryu_haslb.openflow.audit.learned_audit import LearnedAudit
from ryu_haslb.openflow.audit.meter_audit import MeterAudit
from ryu_haslb.openflow.audit.session_audit import SessionAudit
from ryu_haslb.openflow.backoff import Backoff
from ryu_haslb.openflow.capabilities import Capability
from ryu_haslb.openflow.layout import Layout
from ryu_haslb.openflow.layout_choice import LayoutChoice
from ryu_haslb.openflow.overload.meters import Meters
from ryu_haslb.openflow.pipeline import Purpose, Rule, Table
from ryu_haslb.openflow.reply_rules import ReplyRules
from ryu_haslb.openflow.self_description import Reported, SelfDescription
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.standing_rules import standing_rules
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.switch_records import SwitchRecord
from ryu_haslb.openflow.transactions import LATE_REJECTION_TIME, Transactions
from ryu_haslb.openflow.wire_description import Description
from ryu_haslb.openflow.wire_handshake import set_config
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)

#: Changes of ports that are followed at once within :data:`PORTS_INTERVAL`. Those beyond it are followed together.
MAX_PORT_CHANGES = 16
#: Seconds between two times when changes of ports are followed together: that takes milliseconds if there are many.
PORTS_INTERVAL = 1.0

#: Slices of the session rules, and how many of them are deleted at most to make room for a standing rule.
SLICES = 16
MAX_SLICES_REMOVED = 4

#: Returns the time in seconds, as :func:`time.monotonic` does.
Clock = Callable[[], float]


class Installation:
    """The meters and standing rules that are installed over one connection to ``switch``.

    ``transactions`` are all that are sent over the connection. ``audit`` and ``reply_rules`` are those of one
    mastership; :meth:`begin` makes them anew.
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
        self._configuration = configuration
        self._clock = clock
        self._backoff = Backoff()
        self._is_installing = False
        #: The transaction id of the standing rules that were sent last.
        self._standing_xid: Optional[int] = None
        self._slices_removed = 0
        self._installed_at = 0.0
        self._choice = LayoutChoice(transport.tables, _switching(configuration, transport.id), switch.record)
        self._port_changes = 0
        self._ports_followed_at = -PORTS_INTERVAL
        self._description: Optional[SelfDescription] = None
        self._unsuitable_record: Optional[SwitchRecord] = None
        self.begin()

    def begin(self) -> None:
        """Make meters and audit anew: what they have recorded is from an earlier mastership."""
        transport, switch = self._transport, self._switch
        self._meters = Meters(transport.id, self.transactions, switch.admission, self._balancer, self._configuration)
        self._meters.on_deleted = self._restore
        self._learned_audit = LearnedAudit(transport, transport.id, lambda: switch.learning)
        self._meter_audit = MeterAudit(transport, transport.id)
        session_audit = SessionAudit(transport, transport.id, switch.rules, self._balancer, switch.unrecovered)
        self.reply_rules = ReplyRules(transport.id, switch.replies, self._balancer, self.transactions, self._meters)
        self._meters.on_copying_ended = self.reply_rules.forget
        senders = self.reply_rules, self._meters.of_clients
        self.audit = Audit(transport, session_audit, switch.restored, self._restore, senders)

    def ask_description(self) -> None:
        """Ask the switch who made it, and what its tables, meters and groups have room for."""
        self._description = SelfDescription(self._transport, self._transport.id, self._on_reported)

    def install(self) -> None:
        """Install the meter of all requests, and behind it the standing rules in the place of all others of ours."""
        self._is_installing = True
        self.audit.suspend()
        self._transport.transmit(set_config(self._transport.next_xid()))
        self._meters.install(lambda: self._submit(rule_messages.replacement))

    def configure(self, configuration: Configuration) -> None:
        """Replace the standing rules by those of another configuration."""
        self._configuration = configuration
        self._choice.configured = _switching(configuration, self._transport.id)
        self._replace()

    def on_port_changed(self) -> None:
        """Replace the standing rules if the ports around the IPsec module have changed, and find named ports anew."""
        self._port_changes += 1
        if self._port_changes <= MAX_PORT_CHANGES:
            self._follow_ports()

    def follow_further_port_changes(self, now: float) -> None:
        """Follow the changes of ports that were too many to be followed at once, if it is time."""
        if not self._port_changes or now < self._ports_followed_at + PORTS_INTERVAL:
            return
        has_more = self._port_changes > MAX_PORT_CHANGES
        self._port_changes, self._ports_followed_at = 0, now
        if has_more:
            self._follow_ports()

    def _follow_ports(self) -> None:
        names = self._transport.port_names()
        self._switch.adjacencies.set_port_names(names)
        sides, _ = sides_of(self._configuration, names)
        if sides != self._switch.adjacencies.sides or self._choice.layout(names.keys()) != self._switch.layout:
            self._replace()

    def tick(self, now: float) -> None:
        """Audit what is in place while the switch is served; while it rejects our rules, send them again when due."""
        if self.is_serving:
            self._forget_rejections(now)
            self._switch.questions.is_metered = self._meters.has_probe_meter
            self._meters.tick(now)
            if self._meter_audit.is_due(now):
                self._meter_audit.tick(self._meters.rates, now)
            self.reply_rules.tick(now)
            self.audit.tick(now)
            self._learned_audit.tick(now)
            self._take_meter_counts()
        elif self._backoff.is_failing and not self._is_installing and not self._backoff.must_wait(now):
            self.install()

    def end(self) -> None:
        """Serve the switch no longer, because another balancer does or the connection is left. Its rules stay."""
        self._backoff.reset()
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
            Capability.FLOOD: False if self._choice.floods_by_ports else None,
            Capability.SESSION_TABLE: self._switch.layout.has_sessions,
            Capability.TABLE_OUTPUT: self._switch.has_table_output,
            Capability.BUNDLES: self.transactions.has_bundles,
            Capability.METERS: self._meters.are_supported,
        }

    def on_multipart_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Handle a reply with meters, with rules that are audited, or with the description. False: another reply."""
        return (
            self._meters.on_meter_stats(xid, message, now)
            or self._on_meter_rates(xid, message)
            or self.audit.on_reply(xid, message, now)
            or self._learned_audit.on_reply(xid, message, now)
            or (self._description is not None and self._description.on_reply(xid, message))
        )

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error about standing rules, a packet-out to FLOOD, or a request of ours. False: another error."""
        return (
            self._on_late_rejection(xid, error)
            or self._on_flood_rejected(error)
            or self.audit.on_error(xid, now)
            or self._learned_audit.on_error(xid)
            or self._meter_audit.on_error(xid)
            or (self._description is not None and self._description.on_error(xid))
        )

    def _restore(self) -> None:
        """Others have deleted or changed standing rules, or the meter of all requests: add what is missing."""
        if not self._is_installing:
            self._is_installing = True
            if self._switch.learning is not None:
                self._switch.learning.learn_anew()
            self.reply_rules.forget()  # without their actions they would drop what home agents reply
            self.audit.suspend()
            self._meters.install(lambda: self._submit(rule_messages.restoration))

    def _replace(self) -> None:
        if self.is_serving:
            self._is_installing = True
            self._submit(rule_messages.replacement)

    def _submit(self, messages_of: Callable[[list[Rule], bool, int, Layout], list[bytes]]) -> None:
        """Send the standing rules of the configuration in force, in the messages that ``messages_of`` makes of them."""
        transport, switch = self._transport, self._switch
        names = transport.port_names()
        sides, remarks = sides_of(self._configuration, names)
        switch.adjacencies.set_sides(sides, [*remarks, *switch.adjacencies.set_port_names(names)])
        layout = self._choice.layout(names.keys())
        switch.switching_source = self._choice.decision.source
        keys = self._balancer.sessions.keys
        rules = list(standing_rules(self._configuration, transport.id, sides, keys, layout))
        self.audit.suspend()
        if messages_of is rule_messages.replacement or layout != switch.layout:
            switch.set_layout(layout)
        if messages_of is rule_messages.replacement:
            self.reply_rules.forget()
            self._meters.configure(self._configuration, sides)
        else:
            self._meters.of_clients.on_lost()

        def conclude(error: Optional[wire.Error]) -> None:
            self._is_installing = False
            if error is None:
                self._on_installed(rules)
            else:
                self._on_rejected(error)

        metered = self._meters.are_supported

        def conclude_table_miss(error: Optional[wire.Error]) -> None:
            in_place = rules if error is None else [rule for rule in rules if rule.purpose is not Purpose.PASS_OTHER]
            sent = [rule_messages.as_sent(rule, metered, layout) for rule in in_place]
            self.audit.expect(sent, self._clock())

        self.transactions.submit(lambda xid: self._sent_as(xid, messages_of(rules, metered, xid, layout)), conclude)
        self.transactions.submit(lambda xid: rule_messages.table_miss_update(rules, xid, layout), lambda _: None)
        self.transactions.submit(lambda xid: rule_messages.table_miss(rules, xid, layout), conclude_table_miss)

    def _sent_as(self, xid: int, messages: list[bytes]) -> list[bytes]:
        """Remember with which transaction id they are sent: there is another one when they are repeated one by one."""
        self._standing_xid = xid
        return messages

    def _on_installed(self, rules: list[Rule]) -> None:
        LOG.info("Switch %016x: %d standing rules are in place", self._transport.id, len(rules))
        self._switch.standing_rules = len(rules)
        self._installed_at = self._clock()
        if not self.is_serving:
            self._switch.connect(self.transactions, self._installed_at)
        self.reply_rules.begin(self._switch.layout)
        self._switch.on_ready(self._installed_at)

    def _forget_rejections(self, now: float) -> None:
        """The standing rules are in place, and none was rejected behind the barrier reply: the next is the first."""
        if not self._is_installing and now >= self._installed_at + LATE_REJECTION_TIME:
            self._slices_removed = 0
            self._backoff.reset()

    def _on_rejected(self, error: wire.Error) -> None:
        if self._choice.on_rejected(error):
            self.install()
            return
        if error.is_table_full and error.table == Table.SESSIONS and self._choice.has_session_table:
            self._remove_slice()
            return
        if self._backoff.on_rejected(self._clock()):
            LOG.error(
                "Switch %016x rejected the standing rules (%s) and is not served; docs/flows.md lists what it must "
                "support. They are sent again after pauses of 1 to 60 s",
                *(self._transport.id, error),
            )
        self._stop_serving()

    def _on_late_rejection(self, xid: int, error: wire.Error) -> bool:
        """The switch rejects standing rules behind the barrier reply. False: another error."""
        if xid != self._standing_xid:
            return False
        if self.is_serving and not self._is_installing:  # else they are on their way again, or given up, already
            self._on_rejected(error)
        return True

    def _remove_slice(self) -> None:
        """Session rules fill their table: delete some, for the standing rule that belongs there as well.

        A table that has no room then takes no rules at all.
        """
        self._is_installing = True
        number, self._slices_removed = self._slices_removed, self._slices_removed + 1
        if number == MAX_SLICES_REMOVED:
            self._choice.has_session_table = False
            self.install()
            return
        if not number:
            LOG.warning(
                "Switch %016x has no room for a standing rule in table %d; deleting up to %d/%d of the session rules "
                "there",
                *(self._transport.id, Table.SESSIONS, MAX_SLICES_REMOVED, SLICES),
            )
        self.transactions.submit(
            lambda xid: rule_messages.session_slice_removal(xid, number, SLICES), lambda _: self.install()
        )

    def _stop_serving(self) -> None:
        self.transactions.abandon()
        self.reply_rules.end()
        self.audit.suspend()
        if self.is_serving:
            self._switch.disconnect()

    def _take_meter_counts(self) -> None:
        self._switch.arp_metered += self._meters.arp_dropped
        self._meters.arp_dropped = 0
        count, self._meters.restored = self._meters.restored, 0
        if count:
            self._switch.restored.incidents += 1
            self._switch.restored.meters += count
            LOG.warning(
                "Switch %016x: %d meters were deleted or changed by another controller or operator; restored",
                *(self._transport.id, count),
            )

    def _on_meter_rates(self, xid: int, message: bytes) -> bool:
        """Set the rates again that others have changed."""
        changed = self._meter_audit.on_reply(xid, message, self._meters.rates)
        for meter, rate in (changed or {}).items():
            self._meters.restore_rate(meter, rate)
        return changed is not None

    def _on_reported(self, reported: Reported) -> None:
        """The switch has reported something of itself; all of it before it is served, if it replies in order."""
        self._switch.take_reported(reported)
        self._choice.on_description(reported.description)
        self._say_if_record_is_of_another()
        self._follow_ports()

    def take_record(self) -> None:
        """Another test of the switch is on record, or none any more."""
        self._choice.record = self._switch.record
        self._switch.switching_source = self._choice.decision.source
        self._say_if_record_is_of_another()
        self._follow_ports()

    def _say_if_record_is_of_another(self) -> None:
        record, found = self._choice.record, self._switch.reported.description
        is_described = found != Description()
        if record is not None and is_described and not record.is_of(found) and record is not self._unsuitable_record:
            self._unsuitable_record = record
            LOG.warning(
                "Switch %016x: the switch-test record %s is of another make or version (%s %s %s) and is ignored; test "
                "the switch again",
                *(self._transport.id, quoted(record.file), *map(printable, record[2:5])),
            )

    def _on_flood_rejected(self, error: wire.Error) -> bool:
        """The switch has no port FLOOD: flood to each port by itself. What was sent before is rejected as well."""
        was_known = self._choice.floods_by_ports
        if not self._choice.rejects_flood(error):
            return False
        if not was_known:
            self._follow_ports()
        return True


def _switching(configuration: Configuration, datapath_id: int) -> Optional[Switching]:
    """The mode that the configuration sets for a switch."""
    datapath = configuration.datapaths.get(datapath_id)
    return None if datapath is None else datapath.switching
