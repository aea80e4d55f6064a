"""The sessions of an earlier run at one switch, until they are recovered: reads their rules, forwards their requests.

A request of a session that is not recovered yet is forwarded by the session's rule, which leads to the mobile's home
agent whether that has been found or not::

    rule read, its home agent not found yet  -> by its actions
    rule contested, its session is elsewhere -> by its actions
    rule not read yet                        -> output to TABLE; without a rule it comes back as a session miss, and
                                                begins a session then
    no rule, or the session is recovered     -> the balancer decides

:mod:`.recovery` recovers the sessions; this module sends what that needs to the switch. With each mastership, recovery
begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.delivery.table_output import TableOutput
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.forwarding import Forward
from ryu_haslb.openflow.recovery.recovery import Recovery, Status
from ryu_haslb.openflow.recovery.remembered import RememberedSessions
from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import packet, wire
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.virtual_server import VirtualServer


class UnrecoveredSessions:
    """The unrecovered sessions of one switch; ``recovery`` is that of the present mastership.

    ``remembered`` are those that this member of a cluster knows while it does not serve the switch.

    ``actions`` maps each real server to the actions that lead to it, or to where it was when it was lost.
    """

    def __init__(
        self,
        datapath_id: int,
        balancer: Balancer,
        rules: SessionRules,
        actions: Mapping[RealServer, bytes],
        table_output: TableOutput,
    ) -> None:
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._rules = rules
        self._actions = actions
        self._table_output = table_output
        self._virtual_servers: Mapping[bytes, VirtualServer] = {}
        self._may_be_lost = False
        self.remembered = RememberedSessions()
        self.recovery = self._new_recovery()

    def _new_recovery(self) -> Recovery:
        room = self._rules.room
        room.is_uncertain = True
        return Recovery(self._datapath_id, self._balancer, self._on_recovered, self._on_lost, room.add)

    def locate(self, virtual_servers: Mapping[bytes, VirtualServer]) -> None:
        """Real servers have been found or lost, or ``virtual_servers``, those in service by address, have changed."""
        self._virtual_servers = virtual_servers
        self.recovery.locate(virtual_servers, self._actions)

    def disconnect(self, was_served: bool) -> None:
        """The connection is lost. If the switch ``was_served`` over it, it may come back without its rules.

        A session that is recovered from then on gets its rule again, as all others do.
        """
        self.recovery.reading.disconnect()
        self._may_be_lost = self._may_be_lost or was_served

    def forget(self) -> None:
        """Another balancer serves the switch, or has served it: recover anew when needed."""
        self._may_be_lost = False
        self.recovery.end()
        self.recovery = self._new_recovery()
        self.recovery.locate(self._virtual_servers, self._actions)

    def end(self) -> None:
        """The switch is not known any more."""
        self.recovery.end()
        self.remembered.discard()
        self._balancer.sessions.keys.forget(self._datapath_id)

    def take_over(self, followed: Followed, now: float) -> None:
        """This balancer stood by and serves the switch now: take over with what it has followed."""
        self.recovery.take_over(followed, now)
        self._rules.room.is_uncertain = True
        if followed.keys:
            self._balancer.sessions.keys.adopt(followed.keys, self._datapath_id)

    def recall(self, now: float) -> None:
        """This balancer serves the switch, which has lost its rules."""
        self.recovery.recall(self.remembered.recall(), now)

    def begin(self, channel: Channel, has_sessions: bool, now: float) -> None:
        """The standing rules are in place: read the session rules, if the switch has a table of them."""
        if not has_sessions:
            self.recovery.reading.skip()
        elif not self.recovery.is_complete:
            channel.transmit(self.recovery.request(channel.next_xid(), now))

    def tick(self, channel: Channel, is_busy: bool, now: float) -> None:
        """Ask for the rules that are due, and give up requests without a reply. A busy switch has longer to reply."""
        self._continue(channel, self.recovery.reading.advance(is_busy, now), now)
        self.recovery.tick(now)
        self._rules.room.is_uncertain = not self.recovery.are_rules_known

    def on_multipart_reply(self, channel: Optional[Channel], xid: int, message: bytes, now: float) -> bool:
        """Handle a part of a reply with session rules. False when it is another reply."""
        return self._continue(channel, self.recovery.reading.on_reply(xid, message, now), now)

    def on_error(self, channel: Optional[Channel], xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error that concerns the reading of session rules. False when it is another error."""
        return self._continue(channel, self.recovery.reading.on_error(xid, error, now), now)

    def _continue(self, channel: Optional[Channel], is_next_due: Optional[bool], now: float) -> bool:
        """Ask for the next slice of session rules if it is due. False when a message did not concern the recovery."""
        if is_next_due and channel is not None:
            channel.transmit(self.recovery.request(channel.next_xid(), now))
        return is_next_due is not None

    def forward(self, request: Request, now: float) -> Forward:
        """How to forward a request: by the rule of an unrecovered session, if there may be one.

        The balancer decides when the mobile has no rule here, or has a session and the rule is not contested.
        """
        sessions, is_named = self._balancer.sessions, request.home_agent not in request.virtual_server.any_home_agent
        if self.recovery.has_contested and not is_named and not self._has_session_here(request):
            for tag in sessions.tags_of(request):
                actions = self.recovery.forwarding.forward_contested(tag, now)
                if actions is not None:
                    return actions
        if sessions.find(request) is not None:
            return None
        if is_named:
            return self._forward_to_named(request)
        return self._forward_by(sessions.tags_of(request), request.lifetime == 0, now)

    def _has_session_here(self, request: Request) -> bool:
        """Whether a mobile that is known by name has a session whose rule is here. No tag is hashed for that."""
        session = self._balancer.sessions.of_mobile(request.virtual_server, request.identity)
        return session is not None and session.rule_at == self._datapath_id

    def _forward_to_named(self, request: Request) -> Forward:
        """Forward a request to the home agent that it names, without a session while its mobile may have a rule.

        The rule may lead to another home agent: every sender that knows an NAI can send such a request.
        """
        if all(self.recovery.status(tag) is Status.READ for tag in self._balancer.sessions.tags_of(request)):
            return None
        farm = request.virtual_server.farm
        reals = farm.at(request.home_agent)
        return self._actions.get(farm.named(reals, None)) if reals else None

    def forward_further(self, request: Request, tag: int, now: float) -> Forward:
        """How to forward a request that has come back: the switch has no rule with this tag.

        If there are several keys, the rule may have the tag of the next one.
        """
        tags = self._balancer.sessions.tags_of(request)
        if tag not in tags or self.recovery.is_over:
            return None
        return self._forward_by(tags[tags.index(tag) + 1 :], request.lifetime == 0, now)

    def _forward_by(self, tags: list[int], is_deregistration: bool, now: float) -> Forward:
        """Forward a request by the rule with the first of these tags that the switch may have."""
        for tag in tags:
            status = self.recovery.status(tag)
            if status is Status.PENDING:
                if self.recovery.recover_if_found(tag, now):
                    return None
                return self.recovery.forwarding.forward(tag, is_deregistration, now)
            if status is Status.UNREAD:
                if not self._table_output.is_usable:
                    return DropReason.RECOVERY_PENDING
                return packet.return_to_session(tag)
        return None

    @property
    def is_known(self) -> bool:
        """Whether sessions of this switch are known that are still to be recovered."""
        return self.recovery.pending > 0 or bool(self.remembered)

    def recover(self, server: VirtualServer, tags: list[int], now: float) -> bool:
        """Recover the session of a mobile that has come to another switch. False: it is not known, or has no place."""
        if self._balancer.sessions.is_full:
            return False
        for tag in tags:
            if self.recovery.status(tag) is Status.PENDING:
                return self.recovery.recover_if_found(tag, now)
            target = self.remembered.find(tag, now - server.idle)
            if target is None or target.virtual_address != server.packed_address:
                continue
            real = self.recovery.real_of(target)
            if real is not None:
                self.remembered.forget(tag)
                self._balancer.recover(server, tag, real, now)
                return True
        return False

    def has_recovered(self, tag: int) -> bool:
        """Whether the recovery of sessions is done with the rule of this tag, so that others may remove it."""
        return self.recovery.is_complete and self.recovery.status(tag) is Status.READ

    def adopt(self, row: FlowStats, now: float) -> bool:
        """Recover the session of a rule that the audit has read, if recovery has not read it before."""
        return self.recovery.adopt(row, now)

    def end_adoption(self) -> None:
        """The audit has read all rules."""
        self.recovery.end_adoption()

    def on_timed_out(self, tag: int, now: float) -> None:
        """The rule with this tag has timed out. If its mobile asks, it is added again, for the next run.

        The requests were forwarded by packet-out, or dropped: none has hit the rule.
        """
        target = self.recovery.on_timed_out(tag, now)
        server = None if target is None else self._virtual_servers.get(target.virtual_address)
        if target is None or server is None:
            return
        is_on_way = self._rules.is_changing(tag) or any(each == tag for each in self._rules.outstanding_tags())
        if not is_on_way:
            self._rules.restore(SessionRule(tag, target.virtual_address, MOBILE_IP_PORT, server.idle, target.actions))

    def _on_recovered(self, session: Session, actions: Optional[bytes]) -> None:
        """The rule of a session was found. Another version may have written it in another way, or it is lost."""
        if actions is None:
            self._rules.install(session)
            return
        self._rules.room.add(session.tag)
        if actions == self._actions.get(session.real) and not self._may_be_lost:
            session.rule_at = self._datapath_id
        else:
            self._rules.install(session, may_replace=True)

    def _on_lost(self, tag: int, virtual_address: bytes) -> None:
        """The session of a rule has ended before it was recovered."""
        self._rules.remove_rule(tag, virtual_address, MOBILE_IP_PORT)
