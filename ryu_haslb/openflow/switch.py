"""One switch over all its connections: the parts that serve it, the role of this balancer, what is due at each tick."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.audit.incident import Restored
from ryu_haslb.openflow.audit.override_audit import Overridden
from ryu_haslb.openflow.capabilities.capabilities import Capabilities
from ryu_haslb.openflow.capabilities.known_makes import REPORTABLE_ADDRESSES, REPORTABLE_SESSION_RULES, reportable
from ryu_haslb.openflow.capabilities.layout_choice import NormalSeen, SwitchingSource
from ryu_haslb.openflow.capabilities.self_description import Reported
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecord
from ryu_haslb.openflow.delivery.accepted_rules import AcceptedRules
from ryu_haslb.openflow.delivery.table_output import PROBE_TAG
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.learning.table import MAX_ADDRESSES, Learning, Numbers
from ryu_haslb.openflow.recovery.follower import Follower
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.requests.request_path import RequestPath
from ryu_haslb.openflow.roles.arbiter import Arbiter, Role
from ryu_haslb.openflow.roles.fencing import Leadership
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import packet, wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session import Session

LOG = logging.getLogger(__name__)

#: Seconds without a reply to a role request after which a switch does not count as reachable.
ROLE_REPLY_TIMEOUT = 3.0
#: Seconds without a barrier reply after which a switch counts as busy: it may take long to carry out what it was sent.
BUSY_TIMEOUT = 1.0
#: Entries of the session table that are left to others, at most, where the switch reports the size of the table.
MAX_RESERVED_ENTRIES = 8


class Switch:
    """A switch that is served, or was. It outlives its connections; ``channel`` is None between them.

    ``fleet`` are all switches of this balancer by their datapath ids. ``on_taken_over`` is called when the sessions
    that this balancer has followed are to be recovered. ``first_address`` is the IP address of its first connection.
    ``has_keys`` says whether the keys of tags that it stores are known (:mod:`.tag_key_reading`). ``arp_metered``
    counts the ARP requests for virtual addresses that its meter has dropped.

    ``record`` holds the results of a ``switch-test`` on record. ``switching_source`` says what has decided how the
    switch forwards, ``normal_seen`` what the counters of its ports have shown about that. ``served_since`` is the time
    of the last :meth:`connect`, ``lost_because`` the reason why it is not served any more, ``rejection`` the error with
    which it rejects the standing rules of the configuration in force. ``path`` handles its
    packet-ins.
    """

    def __init__(self, datapath_id: int, configuration: Configuration, balancer: Balancer) -> None:
        self.datapath_id = datapath_id
        self.mastership: Optional[Arbiter] = None
        self.leadership: Optional[Leadership] = None
        self.follower: Optional[Follower] = None
        self.generation: Optional[int] = None
        self.first_address: Optional[str] = None
        self.fleet: Mapping[int, Switch] = {}
        self.on_taken_over: Callable[[], None] = lambda: None
        self.arp_metered = 0
        self.served_since = 0.0
        self.lost_because = ""
        self.layout = Layout()
        self.record: Optional[SwitchRecord] = None
        self.switching_source = SwitchingSource.DEFAULT
        self.normal_seen: Optional[NormalSeen] = None
        self.reported = Reported()
        self.address = ""
        self.standing_rules = 0
        self.accepted_rules = AcceptedRules()
        self.rejection = ""
        self.capabilities = Capabilities(datapath_id)
        self._learned = Numbers()
        self._balancer = balancer
        self.path = RequestPath(datapath_id, configuration, balancer)
        self.on_packet_in = self.path.on_packet_in
        self.adjacencies, self.rules, self.replies = self.path.adjacencies, self.path.rules, self.path.replies
        self.questions = self.path.questions
        self.admission, self.unrecovered = self.path.admission, self.path.unrecovered
        self.restored = Restored()
        self.overridden = Overridden()
        self.has_keys = False
        self._is_ready = False
        self._transactions: Optional[Transactions] = None

    @property
    def channel(self) -> Optional[Channel]:
        """The connection over which the switch is served; None while it is not."""
        return self.path.channel

    @property
    def learning(self) -> Optional[Learning]:
        """What the switch has learned for us; None where it learns by itself."""
        return self.path.learning

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before."""
        self.path.configure(configuration)

    def set_layout(self, layout: Layout) -> None:
        """Use another layout: other tables, or another way to forward what is not ours. Learned addresses are lost."""
        self.layout = self.adjacencies.discovery.layout = self.questions.layout = layout
        self.questions.forget_rules()
        self.rules.waiting_rules.is_supported = layout.support.has_sessions
        self._end_learning()
        if layout.is_learning and self._transactions is not None:
            self.path.learning = Learning(
                self.datapath_id, self._transactions, layout, self.adjacencies.is_own, self._learned
            )
            self._limit_addresses()

    def _end_learning(self) -> None:
        if self.path.learning is not None:
            self.path.learning.end()
        self.path.learning = None

    def on_reported(self, reported: Reported) -> None:
        """Record what the switch reports of itself.

        Of the entries of its session table one is for a standing rule, and some are left to others.
        """
        self.reported = reported
        size = reported.table_sizes.get(Table.SESSIONS, 0)
        self.rules.room.reported = size - 1 - min(size // 10, MAX_RESERVED_ENTRIES) if size > 1 else None
        self.rules.room.reportable = reportable(reported.description, REPORTABLE_SESSION_RULES)
        self._limit_addresses()

    def _limit_addresses(self) -> None:
        if self.learning is not None:
            addresses = reportable(self.reported.description, REPORTABLE_ADDRESSES)
            self.learning.max_addresses = MAX_ADDRESSES if addresses is None else addresses

    @property
    def has_table_output(self) -> Optional[bool]:
        """Whether the switch outputs to TABLE. None while that is tried, or without a session table."""
        return self.path.table_output.is_possible if self.layout.support.has_sessions else None

    def connect(self, transactions: Transactions, now: float) -> None:
        """Serve the switch over a new connection. Its rules and neighbours may have changed meanwhile."""
        self.disconnect()
        self._transactions = transactions
        self.path.channel = transactions.channel
        self.admission.reset(transactions.channel.bytes_sent)
        self.served_since = now
        self.adjacencies.begin(self._balancer.sessions.keys.current, now)
        self.rules.connect(transactions)
        self.path.table_output.begin()

    def on_ready(self, is_port_usable: Callable[[int], bool], now: float) -> None:
        """The standing rules are in place. Try output to TABLE, and read the session rules of the previous run.

        ``is_port_usable`` says whether the switch has a port, and it is up.
        """
        if self.channel is None or self._is_ready:
            return
        self._is_ready = True
        self._probe_table_output(self.channel, now)
        self.unrecovered.recovery.forwarding.is_port_usable = is_port_usable
        self.unrecovered.begin(self.channel, self.layout.support.has_sessions, now)

    def disconnect(self) -> None:
        """The connection is lost. Sessions, and the rules on the switch, stay.

        It is not known whether the switch has sent out the last requests, so they no longer count as dispatched.
        """
        self._balancer.statistics.count_undelivered(DropReason.UNCONFIRMED, self.admission.backlog.unconfirmed_requests)
        self.unrecovered.disconnect(was_served=self.path.channel is not None)
        self.path.channel = self._transactions = None
        self._is_ready = False
        self.rules.disconnect()
        self.admission.reset()
        self._end_learning()

    @property
    def is_connected(self) -> bool:
        """Whether the switch is connected, be it served by this balancer or by another one."""
        return self.channel is not None or self.mastership is not None

    def answers(self, now: float) -> bool:
        """Whether the switch is connected, and has replied to a role request lately."""
        return self.mastership is not None and self.mastership.unanswered_for(now) < ROLE_REPLY_TIMEOUT

    @property
    def role(self) -> Role:
        """The role that this balancer has for the switch."""
        return Role.NONE if self.mastership is None else self.mastership.role

    def forget(self, now: float) -> None:
        """Another balancer serves the switch, or has served it: forget its sessions, and read them anew when needed.

        A member of a cluster remembers them: if the switch loses its rules, it may be the only one that knows them.
        """
        served = [each.rules for each in self.fleet.values() if each is not self and each.channel is not None]
        self._balancer.ending.forget(
            self.datapath_id,
            now,
            lambda sessions: set().union(*(each.awaiting_rule_among(sessions) for each in served)),
            lambda sessions: self._remember(sessions, now),
        )
        self.has_keys = False
        self.accepted_rules.forget()
        self.rules.forget()
        self.unrecovered.forget()

    def _remember(self, sessions: list[Session], now: float) -> None:
        if self.leadership is not None:
            actions = self.adjacencies.forwarding.rule_actions
            keys = self._balancer.sessions.keys.of_switch(self.datapath_id)
            self.unrecovered.remembered.keep_sessions(sessions, actions, keys, self.leadership.followed, now)

    def on_disconnected(self, followed: Followed, now: float) -> None:
        """The connection over which this member has followed the switch has ended: remember what it has followed."""
        if self.leadership is not None:
            self.unrecovered.remembered.keep(followed, self.leadership.followed, now)

    def take_over(self, followed: Followed, now: float) -> None:
        """Serve a switch that this balancer stood by for: take over the sessions that it has followed."""
        self.admission.on_takeover(now)
        self.unrecovered.take_over(followed, now)
        self.has_keys = self.has_keys or bool(followed.keys)
        self.on_taken_over()
        self.recall_ignores_normal(followed.ignores_normal)

    def recall_ignores_normal(self, description: Optional[int]) -> None:
        """Take over from an earlier run that the switch ignores NORMAL, unless this run has seen what it does.

        ``description`` is the digest of the description that the switch had then; None if no earlier run has seen that.
        """
        if description is not None and self.normal_seen is None:
            self.normal_seen = NormalSeen(description, forwards=False)

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error that concerns a request, a probe, or the recovery of sessions. False if it is another."""
        if self.unrecovered.on_error(self.channel, xid, error, now):
            return True
        if self.questions.on_error(xid, error):
            return True
        if not packet.is_request_packet_out(error.data):
            return False
        if packet.is_return_to_session(error.data):
            self.path.table_output.on_rejected()
        if not packet.is_return_to_session(error.data, PROBE_TAG):
            self.admission.backlog.settled += 1
            self._balancer.statistics.count_undelivered(DropReason.REJECTED_BY_SWITCH)
        return True

    def on_session_rule_removed(self, tag: int, by_timeout: bool, now: float) -> bool:
        """The rule with this tag has left the table. True when others have deleted it, and its session misses it."""
        is_missed = self.rules.on_removed(tag, by_timeout, now)
        if by_timeout:
            self.unrecovered.on_timed_out(tag, now)
        return is_missed

    def on_port_changed(self, port: int, usable: bool) -> None:
        """A port came up, went down or was removed."""
        if self.learning is not None and not usable:
            self.learning.on_port_down(port)
        self.adjacencies.on_port_changed(port, usable)

    def tick(self, now: float) -> None:
        """Send the probes and session rules that are due; give up the recovery of sessions when its time is over."""
        if self.channel is None:
            return
        if self.adjacencies.is_stale:
            self.adjacencies.update()
        is_busy = self.admission.oldest_barrier_age(now) > BUSY_TIMEOUT
        self.unrecovered.tick(self.channel, is_busy, now)
        if self._is_ready:
            self._probe_table_output(self.channel, now)
        self.adjacencies.tick(self.channel, is_busy, now)
        self.flush(now)

    def flush(self, now: float) -> None:
        """Send the session rules that wait, and determine the load of the switch."""
        if self.adjacencies.is_stale:
            self.adjacencies.update()
        if self.channel is not None:
            if self.unrecovered.recovery.reading.is_waiting:
                self.admission.on_reading(now)
            self.path.release()
            self.admission.update_load(self.channel, self.rules.flush(now), now)

    def _probe_table_output(self, channel: Channel, now: float) -> None:
        if self.layout.support.has_sessions:
            self.path.table_output.probe_due(channel, next(iter(self.path.virtual_servers), None), now)
