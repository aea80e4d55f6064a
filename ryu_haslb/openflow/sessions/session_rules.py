"""The session rules of one switch: one rule per session, installed in bundles behind the sessions' first requests.

A session's first request does not wait for the rule: a packet-out forwards it. Rules are collected and sent every few
milliseconds. When many sessions begin at once, a switch can keep up with bundles but not with single flow-mods::

    install(), remove() -> waiting -> outstanding: in a bundle with others (ONF EXT-230), a barrier request behind it
                                      -> barrier reply: installed, ``session.rule_at`` is this switch
                                      -> error: the bundle is divided, and its parts are sent again
                                      -> error behind the barrier reply: not installed, sent again after a pause
                                      -> connection lost: waiting again

A rejected bundle is divided until a single rule is rejected. The session of that rule continues by packet-out, and the
rule is sent again after a pause (:mod:`.rejected_rules`).

The number of outstanding flow-mods is limited to what the switch carries out in a fraction of a second
(:mod:`.flow_mod_pace`): rules wait here, not in the queue of a slow switch, those of known mobiles in front
(:mod:`.install_queue`). Deletions go before additions. A small table has a limit, and rules beyond it wait for room
(:mod:`.rule_room`).

While a bundle is outstanding, a session may end and its real server may move; the rule is then removed or replaced
after the bundle is confirmed. A session that has come from another switch has a stale rule there, which is removed then
as well.

When a switch connects again, or a real server has moved, the rules of very many sessions are installed again
(:mod:`.reinstallation`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final, Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.rule_messages import SessionRule, session_additions
from ryu_haslb.openflow.sessions.flow_mod_pace import FlowModPace
from ryu_haslb.openflow.sessions.install_queue import InstallQueue
from ryu_haslb.openflow.sessions.reinstallation import MAX_SESSIONS_PER_STEP, Reinstallation
from ryu_haslb.openflow.sessions.rejected_rules import RejectedRules
from ryu_haslb.openflow.sessions.rule_bundle import Install, RuleBundle
from ryu_haslb.openflow.sessions.rule_room import RuleRoom
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session

LOG = logging.getLogger(__name__)

#: What is in front of the Ethernet address of a next hop, and the bytes of that.
_ETH_DST: Final = wire.oxm_header("eth_dst").to_bytes(4, "big")
_MAC_LENGTH: Final = 6
#: Rules that one bundle installs, and rules that it removes. The limit keeps a bundle from occupying a switch for long.
MAX_BUNDLE_RULES: Final = 1000
#: Bundles that the switch has not confirmed yet.
MAX_OUTSTANDING_BUNDLES: Final = 2
#: Bundles that are sent at once when another member of the cluster is to lead. Only after a takeover there are as many.
MAX_HURRIED_BUNDLES: Final = 20
#: Sessions that wait for room of which one step looks whether they have ended, and seconds between two such steps.
#: Together 1 % of the time: there may be hundreds of flushes a second.
_LOOKED_AT_PER_STEP: Final = 200
_LOOK_INTERVAL: Final = 0.01
#: With up to this many sessions, a rule gets the idle time-out of its virtual server; with more, it stays until it is
#: removed. After every change of a table Open vSwitch visits each rule that has an idle time-out, in the thread that
#: forwards requests: with 100,000 rules that takes 4 ms, two hundred times a second in a storm (docs/performance.md).
MAX_SESSIONS_WITH_IDLE_TIMEOUT = 5_000


class SessionRules:
    """The session rules of one switch.

    ``session.rule_at`` is this switch's datapath id while the session's rule is known to be installed here. ``actions``
    maps each real server that can be reached to the actions that lead to it; ``moved`` are those whose installed rules
    may still lead elsewhere. ``changes`` counts the rules that were sent to be installed or removed. ``pace`` limits
    what is outstanding, ``room`` what the switch holds; ``rejected`` is what it did not take. ``counted`` are the
    sessions with a rule here when :mod:`.session_audit` has last counted them.
    """

    def __init__(self, datapath_id: int, balancer: Balancer, actions: Mapping[RealServer, bytes]) -> None:
        self.is_supported = True
        self.changes = 0
        self.counted = 0
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._actions = actions
        self._transactions: Optional[Transactions] = None
        self.pace = FlowModPace()
        self.room = RuleRoom(datapath_id, balancer.sessions)
        self._queue = InstallQueue()
        self._to_remove: dict[int, SessionRule] = {}
        self._outstanding: list[RuleBundle] = []
        self.rejected = RejectedRules(datapath_id, self._queue, self.room)
        self._reinstallation = Reinstallation(balancer.sessions, actions, self.install, self.reinstall)
        self.moved: AbstractSet[RealServer] = self._reinstallation.moved
        self._now = self._look_at = 0.0

    @property
    def waiting(self) -> int:
        """The number of rules that wait to be installed or removed."""
        return len(self._queue) + len(self._to_remove) + sum(bundle.size for bundle in self.rejected.parts)

    @property
    def unconfirmed(self) -> int:
        """The number of rules that wait, or that the switch has not confirmed yet."""
        return self.waiting + self._count_outstanding()

    def _count_outstanding(self) -> int:
        return sum(len(bundle.installs) + len(bundle.removes) for bundle in self._outstanding)

    @property
    def is_paused(self) -> bool:
        """Whether additions wait because the flow table is full."""
        return self.rejected.must_additions_wait(self._now)

    def on_way(self) -> Iterator[Session]:
        """Sessions whose rule waits, is left out, or is outstanding; some of them may have ended."""
        yield from self._queue
        yield from self.rejected.left_out
        for bundle in self._outstanding + self.rejected.parts:
            yield from (session for session, _ in bundle.every_install())

    def on_way_among(self, sessions: Iterable[Session]) -> set[Session]:
        """Those of these sessions whose rule waits, is left out, or is outstanding."""
        bundles = self._outstanding + self.rejected.parts
        sent = {session for bundle in bundles for session, _ in bundle.every_install()}
        return {each for each in sessions if each in self._queue or each in self.rejected.left_out or each in sent}

    @property
    def sessions_without_rule(self) -> int:
        """The number of sessions that continue by packet-out until their rule is installed here.

        Sessions that have ended do not count, unless so many wait that it would take long to look at each.
        """
        count = len(self._queue) + len(self.rejected.left_out)
        return count if count > MAX_SESSIONS_PER_STEP else sum(session.is_live for session in self.on_way())

    @property
    def installed(self) -> int:
        """The session rules on the switch, as far as they were counted."""
        return self.counted if self.room.held is None else len(self.room.held)

    @property
    def is_idle(self) -> bool:
        """Whether the switch has confirmed all rules that were sent, and no other can be sent now."""
        is_waiting = self._reinstallation.is_under_way or self.waiting
        return not self._outstanding and (not is_waiting or self.is_paused or self._only_awaits_room)

    @property
    def _only_awaits_room(self) -> bool:
        """Whether nothing can be sent before a rule leaves the switch."""
        is_over = not (
            self._reinstallation.is_under_way or self._to_remove or self.rejected.parts or self._queue.replaced
        )
        return is_over and self.room.free() == 0

    @property
    def is_reinstalling(self) -> bool:
        """Whether rules of sessions that count as having one are still to be installed over this connection."""
        return self._reinstallation.is_under_way

    def outstanding_tags(self) -> set[int]:
        """The tags of the rules whose bundles the switch has not confirmed."""
        bundles = self._outstanding + self.rejected.parts
        tags = {rule.tag for bundle in bundles for rule in bundle.removes}
        tags.update(session.tag for bundle in bundles for session, _ in bundle.every_install())
        return tags

    def is_changing(self, tag: int) -> bool:
        """Whether the rule with this tag waits to be installed or removed, or is left out."""
        session = self._balancer.sessions.by_tag(tag)
        return tag in self._to_remove or session in self._queue or session in self.rejected.left_out

    def on_removed(self, tag: int, by_timeout: bool) -> bool:
        """The rule with this tag has left the table. True when its session lives and should have it."""
        self.room.discard(tag)
        session = self._balancer.sessions.by_tag(tag)
        if session is None or session.rule_at != self._datapath_id:
            return False
        if by_timeout:
            session.rule_at = None
        return not by_timeout

    def leads_elsewhere(self, session: Session, actions: bytes) -> bool:
        """Whether these actions differ from those that the rule of the session must have now."""
        return self._actions.get(session.real, actions) != actions

    def may_lead_to(self, session: Session, instructions: bytes) -> bool:
        """Whether instructions, in any form, have the Ethernet address to which the rule of the session must lead."""
        actions = self._actions.get(session.real, b"")
        begin = actions.find(_ETH_DST) + len(_ETH_DST)
        return actions[begin : begin + _MAC_LENGTH] in instructions

    def connect(self, transactions: Transactions) -> None:
        """Send rules over a new connection. The switch may have lost its rules: all are installed again, in slices.

        Until its turn comes a session counts as one with a rule. If the switch has lost that, the session's next
        request comes back as a session miss.
        """
        self._transactions = transactions
        self._reinstallation.begin(len(self._queue))

    def on_moved(self, reals: AbstractSet[RealServer]) -> None:
        """The actions of these real servers have changed: have the rules that lead to them replaced, in slices.

        Until the turn of a session comes, its requests do not go by its rule (:attr:`moved`).
        """
        self._reinstallation.on_moved(reals, len(self._queue), self._transactions is not None)

    def disconnect(self) -> None:
        """The connection is lost. Outstanding bundles will not be confirmed, so their rules wait again."""
        self._transactions = None
        self._reinstallation.end()
        bundles = self._outstanding + self.rejected.disconnect()
        self._outstanding = []
        self.room.leaving.clear()
        self.room.forget_learned()
        for bundle in bundles:
            self._to_remove.update((rule.tag, rule) for rule in bundle.removes)
            for session, _ in bundle.every_install():
                self.install(session, may_replace=True)

    def forget(self) -> None:
        """Another balancer has changed the rules: nothing that waits may be sent. To be called while disconnected."""
        self.disconnect()
        self._queue.clear()
        self.room.forget()
        self._to_remove.clear()
        self.rejected.left_out.clear()
        self._reinstallation.forget()

    def install(self, session: Session, may_replace: bool = False) -> None:
        """Install the session's rule, or replace it, with one of the next bundles."""
        if self.is_supported and not (self.rejected.left_out and session in self.rejected.left_out):
            if self._to_remove and self._to_remove.pop(session.tag, None) is not None:
                may_replace = True
            self._queue.add(session, may_replace or self.room.stays(session.tag))

    def send_waiting(self) -> None:
        """Send the rules that wait to be installed and for which there is room, however much is outstanding."""
        if self._transactions is None:
            return
        for _ in range(MAX_HURRIED_BUNDLES):
            installs = self._take_installs(MAX_BUNDLE_RULES)
            if not installs:
                return
            self._send(self._transactions, RuleBundle(installs, [], []))

    def on_missing(self, session: Session) -> None:
        """The switch has no rule of a session that should have one, or one that does not act yet: install it there."""
        session.rule_at = None
        self.install(session)

    def reinstall(self, sessions: Iterable[Session]) -> None:
        """Install the rules again that these sessions have on this switch: lost rules, or rules with old actions.

        The room of one that is lost may have been given away.
        """
        for session in sessions:
            if session.rule_at == self._datapath_id:
                session.rule_at = None
                self.install(session, may_replace=self.room.may_have(session.tag))

    def remove(self, session: Session) -> None:
        """Remove the rule of a session that has ended or has moved to another switch or real server.

        If a rule with the same tag waits to be installed, nothing is removed: it will replace the installed one.
        """
        heir = self._balancer.sessions.by_tag(session.tag)
        if heir is not None and heir in self._queue:
            self._queue.add(heir, is_replaced=True)
            return
        server = session.virtual_server
        self.remove_rule(session.tag, server.packed_address, server.configuration.port)

    def remove_rule(self, tag: int, virtual_address: bytes, port: int) -> None:
        """Remove the rule with this tag, whether there is a session for it or not."""
        self._to_remove[tag] = SessionRule(tag, virtual_address, port, 0, b"")

    def flush(self, now: float) -> Optional[int]:
        """Send the rules that wait. Returns the transaction id of the barrier request, or None if nothing was sent."""
        self._now = now
        self._reinstallation.advance(len(self._queue))
        if self.rejected.has_pause:
            self._end_pause()
        self.room.advance()
        if self._transactions is None or not self.waiting or len(self._outstanding) >= MAX_OUTSTANDING_BUNDLES:
            return None
        allowance = self.pace.allowance(self._count_outstanding())
        bundle = self._take_divided() if allowance else None
        if bundle is None:
            self._make_room(allowance)
            removes = self._take_removes(min(allowance, MAX_BUNDLE_RULES))
            bundle = RuleBundle(self._take_installs(min(allowance - len(removes), MAX_BUNDLE_RULES)), removes, [])
        if not bundle.installs and not bundle.removes:
            return None
        return self._send(self._transactions, bundle)

    def _make_room(self, count: int) -> None:
        """When the table is full, remove rules of sessions that are not confirmed, for those of known mobiles."""
        free = self.room.free()
        if not (self.is_paused or free == 0) or not self._queue:
            return
        if self._now >= self._look_at:
            self._look_at = self._now + _LOOK_INTERVAL
            self._queue.review(_LOOKED_AT_PER_STEP)
        if free == 0 and self.room.limit is not None and self._queue and self.room.is_news():
            LOG.warning(
                "Switch %016x has as many session rules as it may have (%d, %s); further sessions continue by "
                "packet-out, and rules of known mobiles take the place of others",
                *(self._datapath_id, self.room.limit, self.room.source.text),
            )
        wanted = min(count, len(self._queue.known)) - len(self._to_remove) - self._count_outstanding()
        for session in self.room.replaceable(wanted, self._now) if wanted > 0 else ():
            session.rule_at = None
            self.remove(session)
            self._queue.add(session, is_replaced=False)

    def _send(self, transactions: Transactions, bundle: RuleBundle) -> int:
        has_idle_timeout = len(self._balancer.sessions) <= MAX_SESSIONS_WITH_IDLE_TIMEOUT

        def build(xid: int) -> list[bytes]:
            deletions = [rule.flow_mod(xid, wire.OFPFC_DELETE_STRICT) for rule in bundle.removes]
            return deletions + session_additions(xid, bundle.installs, has_idle_timeout)

        def conclude(error: Optional[wire.Error]) -> None:
            self._outstanding.remove(bundle)
            self.room.on_concluded(bundle)
            if error is None:
                self.room.on_confirmed(bundle)
                self._on_installed(bundle.installs)
                self.rejected.on_confirmed(bundle, self._now)
            else:
                self.rejected.on_rejected(bundle, error, self._now)

        self._outstanding.append(bundle)
        self.room.on_sent(bundle)
        count = len(bundle.installs) + len(bundle.removes)
        self.changes += count
        return transactions.submit(
            *(build, conclude, lambda took: self.pace.on_confirmed(count, took)),
            lambda error: self.rejected.on_rejected_late(bundle, error, self._now),
        )

    def _take_divided(self) -> Optional[RuleBundle]:
        """Take the next part of a rejected bundle, without what has changed since the bundle was made."""
        while self.rejected.parts:
            bundle = self.rejected.parts.pop(0)
            removes = [rule for rule in bundle.removes if self._is_removable(rule.tag)]
            installs = []
            for session, actions in bundle.installs:
                if not session.is_live:
                    self.remove(session)  # an earlier rule of it may be there
                elif self._actions.get(session.real) is actions:
                    installs.append((session, actions))
                else:
                    self.install(session, may_replace=True)
            if installs or removes:
                return RuleBundle(installs, removes, bundle.later)
            self.rejected.parts += bundle.following()
        return None

    def _end_pause(self) -> None:
        """Send rejected rules again after their pause. Without a rejection for long, the switch fails no longer."""
        for session in self.rejected.take_due(MAX_SESSIONS_PER_STEP, self._now):
            self.install(session)
        if not self.waiting and not self._outstanding:
            self.rejected.end_if_accepted(self._now)

    def _take_installs(self, count: int) -> list[Install]:
        """Take the next sessions whose rules wait to be installed, and the actions of each."""
        if self.is_paused:
            return []
        installs = []
        actions_of, free = self._actions.get, self.room.free()
        for sessions, is_replaced in self._queue.take(count, count if free is None else free):
            for session in sessions:
                actions = actions_of(session.real)
                if actions is not None and session.is_live:
                    installs.append((session, actions))
                    continue
                if is_replaced:
                    self.remove(session)
                if session.is_live:
                    self._reinstallation.await_real(session)
        self.room.add_installs(installs)
        return installs

    def _take_removes(self, count: int) -> list[SessionRule]:
        """Take the next rules that wait to be removed. A new session with the same tag keeps the rule."""
        removes = []
        for tag in list(islice(self._to_remove, count)):
            rule = self._to_remove.pop(tag)
            if self._is_removable(tag):
                removes.append(rule)
        return removes

    def _is_removable(self, tag: int) -> bool:
        """Whether no session has the rule with this tag here, or is about to have it."""
        session = self._balancer.sessions.by_tag(tag)
        return session is None or (session.rule_at != self._datapath_id and session not in self._queue.replaced)

    def _on_installed(self, installs: list[Install]) -> None:
        """The switch has confirmed these rules. Remove or replace those that have become wrong since they were sent."""
        actions_of, datapath_id = self._actions.get, self._datapath_id
        for session, actions in installs:
            if not session.is_live:
                self.remove(session)
            elif actions_of(session.real) is not actions:  # another real server, or it has moved
                self.install(session, may_replace=True)
            else:
                if session.rule_at is not None and session.rule_at != datapath_id:
                    self._balancer.ending.discard_rule(session)  # its rule on another switch
                session.rule_at = datapath_id
