"""One connection over which a switch is served: its meters, its standing rules, and which part handles each message.

A switch outlives its connections (:mod:`.switch`). What belongs to one connection is here::

    ask      role and lease (:mod:`.mastership`): another balancer serves the switch -> wait
    follow   in a cluster: the session rules and keys on the switch, while another member serves it (:mod:`.follower`)
    keys     the keys of session tags that are on the switch (:mod:`.session_key`)
    serve    meter for all requests -> standing rules, one bundle -> barrier reply: the switch is served
                                                                  -> error: the switch is not served; tried
                                                                     again after 1 s, 2 s and so on up to 60 s
    doubt    rules that copy replies of real servers in doubt (:mod:`.reply_rules`)
    audit    what others have deleted is installed again (:mod:`.audit`)
    leave    the connection is lost or replaced; the rules stay on the switch, and the sessions here
    stop     the application ends: requests are discarded; send the session rules that wait, await their confirmation
    retire   the switch is no longer to be served: :mod:`.retirement` removes our rules from it
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration, Switching
from ryu_haslb.configuration.outside_ports import sides_of
from ryu_haslb.openflow import rule_messages, wire
from ryu_haslb.openflow.arbiter import Arbiter, Role
from ryu_haslb.openflow.audit import Audit
from ryu_haslb.openflow.backoff import Backoff
from ryu_haslb.openflow.capabilities import Capability
from ryu_haslb.openflow.channel import SwitchChannel
from ryu_haslb.openflow.fencing import FencedMastership
from ryu_haslb.openflow.follower import Follower
from ryu_haslb.openflow.layout import Layout
from ryu_haslb.openflow.layout_choice import LayoutChoice
from ryu_haslb.openflow.learning import is_learned
from ryu_haslb.openflow.lease import holder_id
from ryu_haslb.openflow.mastership import Mastership
from ryu_haslb.openflow.meter_rates import MeterRates
from ryu_haslb.openflow.meters import Meters
from ryu_haslb.openflow.pipeline import Purpose, Rule, Table
from ryu_haslb.openflow.reply_rules import ReplyRules
from ryu_haslb.openflow.retirement import Conclude, Retirement
from ryu_haslb.openflow.session_audit import SessionAudit
from ryu_haslb.openflow.session_key import KeyReading
from ryu_haslb.openflow.session_view import Budget
from ryu_haslb.openflow.standing_rules import standing_rules
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.openflow.wire_description import description_request, read_description
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK, UNKEYED

LOG = logging.getLogger(__name__)

#: Seconds without a barrier reply after which a connection is closed, so that the switch can connect again.
BARRIER_TIMEOUT = 15.0

#: Changes of ports that are followed at once within :data:`PORTS_INTERVAL`. Those beyond it are followed together.
MAX_PORT_CHANGES = 16
#: Seconds between two times when changes of ports are followed together: that takes milliseconds if there are many.
PORTS_INTERVAL = 1.0

#: Seconds between two times when what was found out about the switch is taken over.
CAPABILITIES_INTERVAL = 1.0

#: Returns the time in seconds, as :func:`time.monotonic` does.
Clock = Callable[[], float]


class Connection:
    """A connection that serves ``switch`` as soon as no other balancer does."""

    def __init__(
        self, transport: SwitchChannel, switch: Switch, balancer: Balancer, configuration: Configuration, clock: Clock
    ) -> None:
        self.transport = transport
        self._switch = switch
        self._configuration = configuration
        self._clock = clock
        self._conclude_stop: Optional[Callable[[], None]] = None
        self._balancer = balancer
        self._transactions = Transactions(transport)
        self._backoff = Backoff()
        self._is_installing = False
        self._choice = LayoutChoice(transport.tables, _switching(configuration, transport.id))
        self._port_changes = 0
        self._ports_followed_at = -PORTS_INTERVAL
        self._key_reading: Optional[KeyReading] = None
        self._must_forget_first = False
        self._renew_parts()
        self._leadership = switch.leadership
        budget = Budget(0)
        if self._leadership is not None:
            budget = self._leadership.followed
            budget.limit = 2 * balancer.sessions.limit.limit  # a switch without a flow monitor has two views at times
        self._follower = switch.follower = Follower(transport.id, transport, budget)
        self._mastership = switch.mastership = self._make_mastership()
        switch.disconnect()
        transport.handler = self._on_message_while_not_serving
        LOG.info("Switch %016x: connected from %s", transport.id, transport.address[0])
        switch.capabilities.begin()
        switch.address = transport.address[0]
        self._capabilities_taken_at = -CAPABILITIES_INTERVAL
        self._description_xid: Optional[int] = transport.next_xid()
        transport.transmit(description_request(self._description_xid))
        self._mastership.ask(clock())

    def _make_mastership(self) -> Arbiter:
        transport, generation = self.transport, self._switch.generation
        if self._leadership is not None:
            return FencedMastership(transport.id, transport, self._leadership, self, generation)
        return Mastership(transport.id, transport, holder_id(transport.local_address), self, generation)

    def _renew_parts(self) -> None:
        """Make meters and audit anew: what they have recorded is from an earlier mastership."""
        transport, switch = self.transport, self._switch
        self._meters = Meters(transport.id, self._transactions, switch.admission, self._balancer, self._configuration)
        self._meters.on_deleted = self._restore
        self._meter_rates = MeterRates(transport, transport.id)
        session_audit = SessionAudit(transport, transport.id, switch.rules, self._balancer, switch)
        self._reply_rules = ReplyRules(transport.id, switch.replies, self._balancer, self._transactions, self._meters)
        self._meters.on_copying_ended = self._reply_rules.forget
        self._audit = Audit(transport, session_audit, switch.restored, self._restore, self._reply_rules)

    def on_mastership(self, others_served: bool) -> None:
        """No other balancer serves the switch: serve it."""
        switch = self._switch
        switch.generation = self._mastership.generation
        followed = self._follower.conclude()
        if others_served:
            switch.forget(self._clock())
        if followed is not None:
            switch.take(followed, self._clock())
        self._renew_parts()
        if switch.has_keys or self._balancer.sessions.keys.current == UNKEYED:
            self._serve()
        else:
            self._key_reading = KeyReading(self.transport, self._on_keys, self._clock())

    def _on_keys(self, keys: list[bytes]) -> None:
        """The keys of session tags that were found on the switch: rules with these tags can be recovered now."""
        self._balancer.sessions.keys.adopt(keys)
        self._switch.has_keys = True
        self._serve()

    def _serve(self) -> None:
        """Serve the switch, as soon as the sessions of an earlier mastership are forgotten."""
        switch = self._switch
        self._key_reading = None
        self._must_forget_first = self._balancer.is_forgetting(self.transport.id)
        if self._must_forget_first:
            return
        switch.connect(self._transactions, self._clock())
        if self._conclude_stop is None:
            self.transport.handler = self._on_message
        self._install()

    def on_mastership_lost(self) -> None:
        """Another balancer serves the switch: send nothing more that changes it."""
        self.transport.handler = self._on_message_while_not_serving
        self._backoff.reset()
        was_leading = self.is_serving
        self._stop_serving()
        self._switch.forget(self._clock())
        if self._leadership is not None and self.transport.tables > Table.SESSIONS:
            self._follower.begin(was_leading, self._clock())

    @property
    def is_serving(self) -> bool:
        """False while another balancer serves the switch, and once it was left or retired or rejected our rules."""
        return self._switch.channel is self.transport

    @property
    def is_waiting(self) -> bool:
        """Whether another balancer serves the switch."""
        return self._mastership.role is Role.WAITING

    def on_leadership_changed(self) -> None:
        """The cluster has decided anew who leads, or this member resigns."""
        self._mastership.tick(self._clock())
        if self.is_serving and self._conclude_stop is None and self._leadership is not None:
            is_resigning = self._leadership.is_resigning
            self.transport.handler = self._on_message_while_resigning if is_resigning else self._on_message

    def configure(self, configuration: Configuration) -> None:
        """Replace the standing rules by those of another configuration."""
        self._configuration = configuration
        self._choice.configured = _switching(configuration, self.transport.id)
        self._install_standing_rules()

    def on_port_changed(self, port: int, usable: bool) -> None:
        """Replace the standing rules if the ports around the IPsec module have changed, and find named ports anew."""
        self._switch.on_port_changed(port, usable)
        self._port_changes += 1
        if self._port_changes <= MAX_PORT_CHANGES:
            self._follow_ports()

    def _follow_further_port_changes(self, now: float) -> None:
        has_more = self._port_changes > MAX_PORT_CHANGES
        self._port_changes, self._ports_followed_at = 0, now
        if has_more:
            self._follow_ports()

    def _follow_ports(self) -> None:
        names = self.transport.port_names()
        self._switch.set_port_names(names)
        sides, _ = sides_of(self._configuration, names)
        if sides != self._switch.sides or self._choice.layout(names.keys()) != self._switch.layout:
            self._install_standing_rules()

    def flush(self, now: float) -> None:
        """Send the session rules that have been collected for this switch."""
        if self._audit.is_reading_sessions:
            self._switch.admission.on_reading(now)
        self._switch.flush(now)
        if self._conclude_stop is not None and self._switch.rules.is_idle:
            conclude, self._conclude_stop = self._conclude_stop, None
            # The barrier confirms packet-outs as well.
            self._transactions.submit(self._mastership.give_up, lambda _: conclude())

    def tick(self, now: float) -> None:
        """Do what is due at this time, and close the connection if the switch has not replied for too long."""
        self._switch.tick(now)
        if self._port_changes and now >= self._ports_followed_at + PORTS_INTERVAL:
            self._follow_further_port_changes(now)
        if self._key_reading is not None:
            self._key_reading.tick(now)
        if self._must_forget_first:
            self._serve()
        self._follower.tick(now)
        self._switch.capabilities.update({Capability.FLOW_MONITOR: self._follower.has_monitor})
        if self.is_serving:
            self._meters.tick(now)
            self._meter_rates.tick(self._meters.rates, now)
            self._reply_rules.tick(now)
            self._audit.tick(now)
            self._take_meter_counts()
            self._take_capabilities(now)
        elif self._backoff.is_failing and not self._is_installing and not self._backoff.must_wait(now):
            self._install()
        self._mastership.tick(now)
        unanswered_for = max(self._switch.admission.oldest_barrier_age(now), self._mastership.unanswered_for(now))
        if unanswered_for > BARRIER_TIMEOUT:
            LOG.warning(
                "Switch %016x: no barrier reply for %d s; closing the connection", self.transport.id, BARRIER_TIMEOUT
            )
            self.transport.close()

    def leave(self) -> None:
        """Ignore all further messages of this connection. Rules and sessions stay."""
        self.transport.handler = None
        self._backoff.reset()
        self._stop_serving()
        self._mastership.end()
        self._follower.conclude()
        if self._switch.mastership is self._mastership:
            self._switch.mastership = self._switch.follower = None

    def stop(self, conclude: Callable[[], None]) -> None:
        """Accept no further request; ``conclude`` is called when the switch has confirmed all that was sent to it.

        Rules and sessions stay. Every session whose request was dispatched has its rule by then, and the next start
        recovers it.
        """
        if not self.is_serving:
            self.leave()
            conclude()
            return
        self._conclude_stop = conclude
        self.transport.handler = self._on_message_while_not_serving

    def retire(self, conclude: Conclude) -> None:
        """Serve the switch no longer and remove our rules from it; ``conclude`` is called when it confirms."""
        self.leave()
        Retirement(self.transport, conclude, self._switch.layout)

    def _install(self) -> None:
        """Install the meter of all requests, and behind it the standing rules in the place of all others of ours."""
        self._is_installing = True
        self._audit.suspend()
        self._meters.install(lambda: self._submit(rule_messages.replacement))

    def _restore(self) -> None:
        """Others have deleted standing rules, or the meter of all requests: add what is missing."""
        if not self._is_installing:
            self._is_installing = True
            self._audit.suspend()
            self._meters.install(lambda: self._submit(rule_messages.restoration))

    def _install_standing_rules(self) -> None:
        if self.is_serving:
            self._is_installing = True
            self._submit(rule_messages.replacement)

    def _submit(self, messages_of: Callable[[list[Rule], bool, int, Layout], list[bytes]]) -> None:
        """Send the standing rules of the configuration in force, in the messages that ``messages_of`` makes of them."""
        transport, switch = self.transport, self._switch
        names = transport.port_names()
        sides, remarks = sides_of(self._configuration, names)
        switch.set_sides(sides, [*remarks, *switch.set_port_names(names)])
        layout = self._choice.layout(names.keys())
        keys = self._balancer.sessions.keys
        rules = list(standing_rules(self._configuration, transport.id, sides, keys, layout))
        self._audit.suspend()
        if messages_of is rule_messages.replacement or layout != switch.layout:
            switch.set_layout(layout)
        if messages_of is rule_messages.replacement:
            self._reply_rules.forget()
            self._meters.configure(self._configuration, sides)
        else:
            self._meters.restore_client_rules()

        def conclude(error: Optional[wire.Error]) -> None:
            self._is_installing = False
            if error is None:
                self._on_installed(rules)
            else:
                self._on_rejected(error)

        def conclude_table_miss(error: Optional[wire.Error]) -> None:
            in_place = rules if error is None else [rule for rule in rules if rule.purpose is not Purpose.PASS_OTHER]
            self._audit.expect(in_place, self._clock())

        metered = self._meters.are_supported
        self._transactions.submit(lambda xid: messages_of(rules, metered, xid, layout), conclude)
        self._transactions.submit(lambda xid: rule_messages.table_miss(rules, xid, layout), conclude_table_miss)

    def _on_installed(self, rules: list[Rule]) -> None:
        LOG.info("Switch %016x: %d standing rules are in place", self.transport.id, len(rules))
        self._switch.standing_rules = len(rules)
        if self._backoff.is_failing:
            self._backoff.reset()
            self._switch.connect(self._transactions, self._clock())
        self._reply_rules.begin(self._switch.layout)
        self._switch.on_ready(self._clock())

    def _on_rejected(self, error: wire.Error) -> None:
        if self._choice.on_rejected(error):
            self._install()
            return
        if self._backoff.on_rejected(self._clock()):
            LOG.error(
                "Switch %016x rejected the standing rules (%s) and is not served; docs/flows.md lists what it must "
                "support. They are sent again after pauses of 1 to 60 s",
                *(self.transport.id, error),
            )
        self._stop_serving()

    def _take_capabilities(self, now: float) -> None:
        """Once a second: what was found out about the switch."""
        if now < self._capabilities_taken_at + CAPABILITIES_INTERVAL or self._is_installing:
            return
        self._capabilities_taken_at = now
        layout, is_fenced = self._switch.layout, self._mastership.role is not Role.UNFENCED
        self._switch.capabilities.update(
            {
                Capability.NORMAL: False if self._choice.lacks_normal else None,
                Capability.FLOOD: False if self._choice.floods_by_ports else None,
                Capability.SESSION_TABLE: layout.has_sessions,
                Capability.TABLE_OUTPUT: self._switch.has_table_output,
                Capability.BUNDLES: self._transactions.has_bundles,
                Capability.METERS: self._meters.are_supported,
                Capability.ROLES: is_fenced,
            }
        )

    def _take_meter_counts(self) -> None:
        self._switch.arp_metered += self._meters.arp_dropped
        self._meters.arp_dropped = 0
        count, self._meters.restored = self._meters.restored, 0
        if count:
            self._switch.restored.incidents += 1
            self._switch.restored.meters += count
            LOG.warning(
                "Switch %016x: %d meters were deleted or changed by another controller or operator; restored",
                *(self.transport.id, count),
            )

    def _stop_serving(self) -> None:
        if self._key_reading is not None:
            self._key_reading.cancel()
            self._key_reading = None
        self._must_forget_first = False
        self._transactions.abandon()
        self._reply_rules.end()
        self._audit.suspend()
        if self.is_serving:
            self._switch.disconnect()

    def _on_message(self, kind: int, xid: int, message: bytes) -> bool:
        """Handle a message of the switch. False when it is left to the engine."""
        if kind == wire.OFPT_PACKET_IN:
            return self._switch.on_packet_in(message, self._clock())
        if kind == wire.OFPT_MULTIPART_REPLY:
            now = self._clock()
            return (
                (self._key_reading is not None and self._key_reading.on_reply(xid, message, now))
                or self._switch.on_multipart_reply(xid, message, now)
                or self._meters.on_meter_stats(xid, message, now)
                or self._on_meter_rates(xid, message)
                or self._audit.on_reply(xid, message, now)
                or self._on_description(xid, message)
                or self._mastership.on_message(kind, xid, message, now)
            )
        if kind == wire.OFPT_BARRIER_REPLY:
            return self._on_barrier_reply(xid) or self._mastership.on_message(kind, xid, message, self._clock())
        if kind == wire.OFPT_FLOW_REMOVED:
            return self._on_flow_removed(message)
        if kind == wire.OFPT_ERROR:
            return self._on_error(xid, message)
        return self._mastership.on_message(kind, xid, message, self._clock())

    def _on_message_while_resigning(self, kind: int, xid: int, message: bytes) -> bool:
        """Each session rule follows its packet-out at once, since the switch may reject the next bundle."""
        is_handled = self._on_message(kind, xid, message)
        if kind == wire.OFPT_PACKET_IN:
            self._switch.flush(self._clock())
        return is_handled

    def _on_message_while_not_serving(self, kind: int, xid: int, message: bytes) -> bool:
        """Requests are discarded: another balancer gets them as well, or this one ends and they might get no rule."""
        return (
            kind == wire.OFPT_PACKET_IN
            or self._follower.on_message(kind, xid, message, self._clock())
            or self._on_message(kind, xid, message)
        )

    def _on_barrier_reply(self, xid: int) -> bool:
        """A barrier request follows each transaction, and others measure the load; one may do both."""
        measured_load = self._switch.admission.on_barrier_reply(xid, self._clock())
        return self._transactions.on_barrier_reply(xid) or measured_load

    def _on_meter_rates(self, xid: int, message: bytes) -> bool:
        """Set the rates again that others have changed."""
        changed = self._meter_rates.on_reply(xid, message, self._meters.rates)
        for meter, rate in (changed or {}).items():
            self._meters.restore_rate(meter, rate)
        return changed is not None

    def _on_description(self, xid: int, message: bytes) -> bool:
        """The switch says who made it, before it is served if it replies in order."""
        if xid != self._description_xid:
            return False
        self._description_xid = None
        try:
            self._switch.description = read_description(message)
        except wire.MalformedMessage as error:
            LOG.warning("Switch %016x: malformed description (%s); ignored", self.transport.id, error)
            return True
        self._choice.on_description(self._switch.description)
        self._follow_ports()
        return True

    def _on_flood_rejected(self, error: wire.Error) -> bool:
        """The switch has no port FLOOD: flood to each port by itself. What was sent before is rejected as well."""
        was_known = self._choice.floods_by_ports
        if not self._choice.rejects_flood(error):
            return False
        if not was_known:
            self._follow_ports()
        return True

    def _on_flow_removed(self, message: bytes) -> bool:
        """A rule has left its table: by time-out, by us, or because others have deleted it."""
        try:
            cookie, reason = wire.read_flow_removed(message)
        except wire.MalformedMessage:
            return False
        if cookie & COOKIE_MARK_MASK != COOKIE_MARK:
            return False
        now = self._clock()
        if is_learned(cookie):
            if self._switch.learning is not None:
                self._switch.learning.on_removed(cookie)
            return True
        is_standing = self._audit.on_flow_removed(cookie, now)
        by_timeout = reason == wire.OFPRR_IDLE_TIMEOUT
        if not is_standing and self._switch.rules.on_removed(cookie >> COOKIE_MARK_BITS, by_timeout):
            self._audit.on_session_rule_deleted(now)
        return True

    def _on_error(self, xid: int, message: bytes) -> bool:
        try:
            error = wire.read_error(message)
        except wire.MalformedMessage:
            return False
        now = self._clock()
        return (
            (self._key_reading is not None and self._key_reading.on_error(xid))
            or self._mastership.on_error(xid, error, now)
            or self._follower.on_error(xid, error, now)
            or self._transactions.on_error(xid, error)
            or self._on_flood_rejected(error)
            or self._audit.on_error(xid, now)
            or self._meter_rates.on_error(xid)
            or self._switch.on_error(xid, error, now)
        )


def _switching(configuration: Configuration, datapath_id: int) -> Optional[Switching]:
    """The mode that the configuration sets for a switch."""
    datapath = configuration.datapaths.get(datapath_id)
    return None if datapath is None else datapath.switching
