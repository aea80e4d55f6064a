"""One connection over which a switch is served: when it is served, and which part handles each message.

A switch outlives its connections (:mod:`.switch`). What belongs to one connection is here::

    ask      role and lease (:mod:`.mastership`): another balancer serves the switch -> wait
    follow   in a cluster: the session rules and keys on the switch, while another member serves it (:mod:`.follower`)
    keys     the keys of session tags that are on the switch (:mod:`.tag_key_reading`)
    serve    meters and standing rules are installed, audited and restored (:mod:`.installation`)
    leave    the connection is lost or replaced; the rules stay on the switch, and the sessions here
    stop     the process ends: requests are discarded, waiting session rules are sent, their confirmation is awaited
    retire   the switch is no longer to be served: :mod:`.retirement` removes our rules from it
"""

from __future__ import annotations

import logging
import weakref
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.capabilities.capabilities import Capability
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.installation.installation import Clock, Installation
from ryu_haslb.openflow.installation.retirement import Conclude, Retirement
from ryu_haslb.openflow.learning.table import is_learned
from ryu_haslb.openflow.ports.flaps import PortFlaps
from ryu_haslb.openflow.recovery.follower import Follower
from ryu_haslb.openflow.recovery.session_view import Budget
from ryu_haslb.openflow.roles.arbiter import Arbiter, Role
from ryu_haslb.openflow.roles.fencing import FencedMastership
from ryu_haslb.openflow.roles.lease import holder_id
from ryu_haslb.openflow.roles.mastership import Mastership
from ryu_haslb.openflow.sessions.tag_key_reading import KeyReading
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.ports import PortChange
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK, UNKEYED

LOG = logging.getLogger(__name__)

#: Seconds without a barrier reply after which a connection is closed, so that the switch can connect again. A
#: barrier request follows all that is sent: at least one a second, with a role request (:mod:`..roles.arbiter`). Echo
#: requests are not used for this, and the engine sends none by default.
BARRIER_TIMEOUT = 15.0
#: For each so many session rules a switch has one second more. Open vSwitch without processor time was silent for 35 s
#: while it held 606,000 of them, and a new connection would begin with reading them all.
RULES_PER_SECOND = 20_000

#: Seconds between two updates of what is shown of the switch's capabilities.
CAPABILITIES_INTERVAL = 1.0


class Connection:
    """A connection that serves ``switch`` as soon as no other balancer does."""

    def __init__(
        self, transport: SwitchChannel, switch: Switch, balancer: Balancer, configuration: Configuration, clock: Clock
    ) -> None:
        self.transport = transport
        self._switch = switch
        self._clock = clock
        self._conclude_stop: Optional[Callable[[], None]] = None
        self._balancer = balancer
        self._installation = Installation(transport, switch, balancer, configuration, clock)
        self._key_reading: Optional[KeyReading] = None
        self._must_forget_first = self._is_resigning = self._must_confirm = self._has_lost_rules = False
        self._have_others_served = self._has_earlier_rules = self._has_stood_by = False
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
        self._capabilities_updated_at = -CAPABILITIES_INTERVAL
        self._recorded_monitor: Optional[bool] = None
        self._barrier_replied_at: Optional[float] = None
        self._port_flaps = PortFlaps(transport.id)
        self._installation.evidence.ask()
        self._mastership.ask(clock())

    def _make_mastership(self) -> Arbiter:
        transport, generation = self.transport, self._switch.generation
        listener = weakref.proxy(self)  # no cycle is left when the connection has ended
        if self._leadership is not None:
            return FencedMastership(transport.id, transport, self._leadership, listener, generation)
        return Mastership(transport.id, transport, holder_id(transport.local_address), listener, generation)

    def on_mastership(self, others_served: bool) -> None:
        """No other balancer serves the switch: serve it."""
        switch = self._switch
        switch.generation = self._mastership.generation
        self._have_others_served, self._has_lost_rules = others_served, False
        followed = self._follower.conclude()
        if others_served and not self._has_stood_by:  # else they were forgotten when it began to stand by
            switch.forget(self._clock())
        self._has_stood_by = False
        if followed is not None:
            switch.take_over(followed, self._clock())
        self._has_earlier_rules = followed is not None and bool(followed.keys)
        self._installation.begin()
        if switch.has_keys or self._balancer.sessions.keys.current == UNKEYED:
            self._serve()
        else:
            self._key_reading = KeyReading(self.transport, self._on_keys, self._clock())

    def _on_keys(self, keys: Optional[list[bytes]], ignores_normal: Optional[int]) -> None:
        """What the switch remembers of an earlier run: rules with tags of these keys can be recovered now.

        A switch that reports no keys has none of our rules: it has lost them if it had any.
        """
        reading = self._key_reading
        self._switch.unrecovered.recovery.is_key_lost = reading is not None and reading.is_key_lost
        self._has_lost_rules = keys is not None and not keys
        self._has_earlier_rules = bool(keys)
        self._balancer.sessions.keys.adopt(keys or self._switch.unrecovered.remembered.keys, self.transport.id)
        self._switch.has_keys = True
        self._switch.recall_ignores_normal(ignores_normal)
        self._serve()

    def _serve(self) -> None:
        """Serve the switch, as soon as the sessions of an earlier mastership are forgotten."""
        switch = self._switch
        self._key_reading = None
        self._must_forget_first = self._balancer.ending.is_forgetting(self.transport.id)
        if self._must_forget_first:
            return
        if self._has_lost_rules:
            self._recall()
        switch.unrecovered.remembered.discard()
        switch.connect(self._installation.transactions, self._clock())
        if self._conclude_stop is None:
            self.transport.handler = self._on_message
        self._follow_resignation()
        self._installation.begin_serving(self._has_earlier_rules)

    def _recall(self) -> None:
        """The switch has none of our rules: install those of the sessions that this member knows."""
        unrecovered = self._switch.unrecovered
        if unrecovered.remembered:
            unrecovered.recall(self._clock())
        elif self._leadership is not None and self._have_others_served:
            LOG.warning(
                "Switch %016x has lost all rules since another member has served it; no session is known here. Unless "
                "it has fail_mode=secure, it discards its rules when no member is connected for 15 s",
                self.transport.id,
            )

    def on_mastership_lost(self) -> None:
        """Another balancer serves the switch: send nothing more that changes it."""
        self.transport.handler = self._on_message_while_not_serving
        self._has_stood_by = True
        was_leading = self.is_serving
        self._stop_serving()
        self._switch.forget(self._clock())
        if self._leadership is not None:
            self._leadership.on_confirmed(self._switch)
            if self.transport.tables > Table.SESSIONS:
                self._follower.begin(was_leading, self._clock())

    def on_forgotten(self) -> None:
        """The switch, or a relay before it, has restarted behind this connection: rules and replies may be lost."""
        LOG.warning(
            "Switch %016x has forgotten which balancer is master; closing the connection, so that it connects again",
            self.transport.id,
        )
        self.transport.close()

    @property
    def is_serving(self) -> bool:
        """False while another balancer serves the switch or the switch rejects our rules, and after it was left."""
        return self._installation.is_serving

    @property
    def is_waiting(self) -> bool:
        """Whether another balancer serves the switch."""
        return self._mastership.role is Role.WAITING

    @property
    def is_beginning(self) -> bool:
        """Whether it is about to serve the switch: its role, or something on the switch, is not known yet."""
        is_asking = self._mastership.role in (Role.ASKING, Role.CLAIMING)
        return is_asking or self._key_reading is not None or self._must_forget_first

    def on_leadership_changed(self) -> None:
        """The cluster has decided anew who leads, or this member resigns."""
        self._mastership.tick(self._clock())
        if self.is_serving:
            self._follow_resignation()

    def _follow_resignation(self) -> None:
        """While another member may become MASTER at any moment, session rules precede their requests."""
        leadership = self._leadership
        if leadership is None or leadership.is_ending == self._is_resigning:
            return
        self._is_resigning = leadership.is_ending
        self._set_resigning()
        if self._is_resigning and self._switch.answers(self._clock()):
            leadership.awaited.add(self._switch)
            self._must_confirm = True
            self._confirm_sent_rules()

    def _confirm_sent_rules(self) -> None:
        """Have a barrier confirm the rules that waited when this member began to resign, once all of them are sent."""
        leadership, switch = self._leadership, self._switch
        if leadership is not None and self._must_confirm and switch.rules.are_sent:
            self._must_confirm = False
            self._installation.transactions.submit(lambda _: [], lambda _: leadership.on_confirmed(switch))

    def configure(self, configuration: Configuration) -> None:
        """Replace the standing rules by those of another configuration."""
        self._installation.configure(configuration)

    def on_record_changed(self) -> None:
        """The switch-test record of the switch was replaced or removed."""
        self._installation.evidence.take_record()

    def on_port_changed(self, port: int, usable: bool) -> None:
        """A port came up, went down or was removed: replace the standing rules and find named ports anew, if needed."""
        if not self._port_flaps.must_wait(PortChange(port, usable), self._clock()):
            self._switch.on_port_changed(port, usable)
        self._installation.on_port_changed()

    def flush(self, now: float) -> None:
        """Send the session rules that have been collected for this switch."""
        if self._installation.upkeep.is_reading_rules:
            self._switch.admission.on_reading(now)
        self._switch.flush(now)
        self._confirm_sent_rules()
        if self._conclude_stop is not None and self._switch.rules.is_idle:
            conclude, self._conclude_stop = self._conclude_stop, None
            # The barrier confirms packet-outs as well.
            self._installation.transactions.submit(self._mastership.give_up, lambda _: conclude())

    @property
    def is_quiet(self) -> bool:
        """Whether :meth:`flush` has nothing to do until the switch sends a message, or a tick sends one to it."""
        return self._switch.rules.is_idle and self._conclude_stop is None

    def tick(self, now: float) -> None:
        """Do what is due at this time, and close the connection if the switch has not replied for too long."""
        for change in self._port_flaps.due(now):
            self._switch.on_port_changed(*change)
        self._switch.tick(now)
        self._installation.follow_further_port_changes(now)
        if self._key_reading is not None:
            self._key_reading.tick(now)
        if self._must_forget_first:
            self._serve()
        self._follower.tick(now)
        if self._follower.has_read:
            self._switch.unrecovered.remembered.discard()
        if self._follower.has_monitor is not self._recorded_monitor:
            self._recorded_monitor = self._follower.has_monitor
            self._switch.capabilities.update({Capability.FLOW_MONITOR: self._recorded_monitor})
        self._installation.tick(now)
        if self.is_serving:
            self._update_capabilities(now)
        self._mastership.tick(now)
        unanswered_for = max(self._switch.admission.oldest_barrier_age(now), self._mastership.unanswered_for(now))
        limit = BARRIER_TIMEOUT + self._switch.rules.counted // RULES_PER_SECOND
        if unanswered_for > limit:
            LOG.warning("Switch %016x: no barrier reply for %d s; closing the connection", self.transport.id, limit)
            self.transport.close()

    def has_answered_since(self, then: float) -> bool:
        """Whether the switch has replied to a barrier after a moment."""
        return self._barrier_replied_at is not None and self._barrier_replied_at > then

    def leave(self) -> None:
        """Ignore all further messages of this connection. Rules and sessions stay."""
        self.transport.handler = None
        self._stop_serving()
        self._mastership.end()
        followed = self._follower.conclude()
        if followed is not None:
            self._switch.on_disconnected(followed, self._clock())
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
        if self._leadership is not None:
            self._leadership.on_confirmed(self._switch)
        Retirement(self.transport, conclude, self._switch.layout)

    def _update_capabilities(self, now: float) -> None:
        """Update what is shown of the switch's capabilities, if it is time."""
        if now < self._capabilities_updated_at + CAPABILITIES_INTERVAL:
            return
        found = self._installation.capabilities
        if not found:
            return
        self._capabilities_updated_at = now
        is_fenced = self._mastership.role is not Role.UNFENCED
        self._switch.capabilities.update({**found, Capability.ROLES: is_fenced})

    def _stop_serving(self) -> None:
        if self._key_reading is not None:
            self._key_reading.cancel()
            self._key_reading = None
        self._must_forget_first = False
        self._installation.end()
        self._must_confirm = False
        if self._is_resigning:
            self._is_resigning = False
            self._set_resigning()

    def _set_resigning(self) -> None:
        path = self._switch.path
        path.set_resigning(self._is_resigning)
        self.transport.on_handled = path.release if self._is_resigning else None

    def _on_message(self, kind: int, xid: int, message: bytes) -> bool:
        """Handle a message of the switch. False when it is left to the engine."""
        if kind == wire.OFPT_PACKET_IN:
            return self._switch.on_packet_in(message, self._clock())
        if kind == wire.OFPT_MULTIPART_REPLY:
            now = self._clock()
            return (
                (self._key_reading is not None and self._key_reading.on_reply(xid, message, now))
                or self._switch.unrecovered.on_multipart_reply(self._switch.channel, xid, message, now)
                or self._installation.on_multipart_reply(xid, message, now)
                or self._mastership.on_message(kind, xid, message, now)
            )
        if kind == wire.OFPT_BARRIER_REPLY:
            return self._on_barrier_reply(xid) or self._mastership.on_message(kind, xid, message, self._clock())
        if kind == wire.OFPT_FLOW_REMOVED:
            return self._on_flow_removed(message)
        if kind == wire.OFPT_ERROR:
            return self._on_error(xid, message)
        transactions = self._installation.transactions
        is_of_bundle = kind == wire.OFPT_EXPERIMENTER and transactions.on_experimenter(xid, message)
        return is_of_bundle or self._mastership.on_message(kind, xid, message, self._clock())

    def _on_message_while_not_serving(self, kind: int, xid: int, message: bytes) -> bool:
        """As :meth:`_on_message`, but discard requests: another balancer serves them, or this one stops."""
        return (
            kind == wire.OFPT_PACKET_IN
            or self._follower.on_message(kind, xid, message, self._clock())
            or self._on_message(kind, xid, message)
        )

    def _on_barrier_reply(self, xid: int) -> bool:
        """A barrier request follows each transaction, and others measure the load; one may do both."""
        now = self._barrier_replied_at = self._clock()
        measured_load = self._switch.admission.on_barrier_reply(xid, now)
        return self._installation.transactions.on_barrier_reply(xid, now) or measured_load

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
        is_standing = self._installation.upkeep.audit.on_flow_removed(cookie, now)
        by_timeout = reason == wire.OFPRR_IDLE_TIMEOUT
        if not is_standing and self._switch.on_session_rule_removed(cookie >> COOKIE_MARK_BITS, by_timeout, now):
            self._installation.upkeep.audit.on_session_rule_deleted(now)
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
            or self._installation.transactions.on_error(xid, error)
            or self._installation.on_error(xid, error, now)
            or self._switch.on_error(xid, error, now)
        )
