"""The session rules of one switch: one rule per session, installed in bundles after the sessions' first requests.

What such a rule matches and rewrites is in :mod:`..flow_tables.session_rule`.

A session's first request does not wait for the rule: a packet-out forwards it. Rules are collected and sent every few
milliseconds. When many sessions begin at once, a switch can keep up with bundles but not with single flow-mods::

    install(), remove() -> waiting -> outstanding: in a bundle with others (ONF EXT-230), then a barrier request
                                      -> barrier reply: installed, ``session.rule_at`` is this switch
                                      -> error: the bundle is divided, and its parts are sent again
                                      -> error behind the barrier reply: not installed, sent again after a pause
                                      -> connection lost: waiting again

A rejected bundle is divided until a single rule is rejected. The session of that rule continues by packet-out, and the
rule is sent again after a pause (:mod:`.rejected_rules`).

The number of outstanding flow-mods is limited to what the switch carries out in a fraction of a second
(:mod:`.flow_mod_pace`): rules wait here (:mod:`.waiting_rules`), not in the queue of a slow switch.

While a bundle is outstanding, a session may end and its real server may move: as soon as the bundle is confirmed, the
rule is removed or replaced. A session that has come from another switch has a stale rule there, which is removed at the
same time.

When a switch connects again, or a real server has moved, the rules of very many sessions are installed again
(:mod:`.reinstallation`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Optional

from ryu_haslb.openflow.delivery.table_output import TableOutput
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule, session_additions
from ryu_haslb.openflow.sessions.flow_mod_pace import FlowModPace
from ryu_haslb.openflow.sessions.reinstallation import MAX_SESSIONS_PER_STEP, Reinstallation
from ryu_haslb.openflow.sessions.rule_bundle import MAX_BUNDLE_RULES, Install, RuleBundle
from ryu_haslb.openflow.sessions.waiting_rules import WaitingRules
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session

LOG = logging.getLogger(__name__)

#: The OXM header in front of the Ethernet address of a next hop, and the length of that address in bytes.
_ETH_DST: Final = wire.oxm_prefix("eth_dst")
_MAC_LENGTH: Final = 6
#: Bundles that the switch may have to confirm at the same time.
MAX_OUTSTANDING_BUNDLES: Final = 2
#: Bundles that are sent without waiting for confirmations when another member of the cluster is about to lead. More
#: rules than these wait only soon after a takeover.
MAX_UNPACED_BUNDLES: Final = 20
#: With up to this many sessions, a rule gets the idle time-out of its virtual server, if the switch forwards requests
#: by it (:mod:`..delivery.table_output`): else it would time out while its session lives. Other rules stay until they
#: are removed. After every change of a table Open vSwitch visits each rule that has an idle time-out, in the thread
#: that forwards requests: with 100,000 rules that takes 4 ms, 200 times a second in a storm (docs/performance.md).
MAX_SESSIONS_WITH_IDLE_TIMEOUT = 1_000


class SessionRules:
    """The session rules of one switch.

    ``session.rule_at`` is this switch's datapath id while the session's rule is known to be installed here. ``actions``
    maps each real server to the actions that lead to it, or to where it was when it was lost; ``moved`` are those whose
    installed rules may still lead elsewhere. ``changes`` counts the rules that were sent to be installed or removed.
    ``are_doubted`` while others have changed rules here and not all of ours were compared (:mod:`.session_audit`): any
    of them may lead to another home agent. ``pace`` limits what is outstanding. ``room`` and ``rejected`` are those of
    the ``waiting_rules``. ``counted`` is the number of session rules here when :mod:`.session_audit` last counted them.
    """

    def __init__(
        self,
        datapath_id: int,
        balancer: Balancer,
        actions: Mapping[RealServer, bytes],
        table_output: TableOutput,
    ) -> None:
        self.changes = 0
        self.counted = 0
        self.are_doubted = False
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._actions = actions
        self._table_output = table_output
        self._transactions: Optional[Transactions] = None
        self.pace = FlowModPace()
        self._outstanding: list[RuleBundle] = []
        #: The tags of rules without a session that were sent again, and that the switch has not confirmed.
        self._restoring: set[int] = set()
        self._reinstallation = Reinstallation(balancer.sessions, actions, self.install, self.reinstall)
        self.waiting_rules = WaitingRules(datapath_id, balancer.sessions, actions, self._reinstallation.await_real)
        self.room, self.rejected = self.waiting_rules.room, self.waiting_rules.rejected
        self.moved: AbstractSet[RealServer] = self._reinstallation.moved
        self._now = 0.0

    @property
    def waiting(self) -> int:
        """The number of rules that wait to be installed or removed."""
        return self.waiting_rules.count

    @property
    def uncertain(self) -> int:
        """The number of rules of which the switch may have more or fewer than the sessions that count as having one."""
        return self.waiting_rules.uncertain + self._count_outstanding()

    def _count_outstanding(self) -> int:
        return sum(len(bundle.installs) + len(bundle.removes) for bundle in self._outstanding)

    @property
    def is_paused(self) -> bool:
        """Whether additions wait because the flow table is full."""
        return self.waiting_rules.is_paused(self._now)

    def awaiting_rule(self) -> Iterator[Session]:
        """Sessions whose rule waits, was rejected, or is outstanding; some of these sessions may have ended."""
        yield from self.waiting_rules.sessions()
        for bundle in self._outstanding + self.rejected.parts:
            yield from (session for session, _ in bundle.every_install())

    def awaiting_rule_among(self, sessions: Iterable[Session]) -> set[Session]:
        """Those among ``sessions`` whose rule waits, was rejected, or is outstanding."""
        bundles = self._outstanding + self.rejected.parts
        sent = {session for bundle in bundles for session, _ in bundle.every_install()}
        return {each for each in sessions if each in self.waiting_rules or each in sent}

    @property
    def sessions_without_rule(self) -> int:
        """The number of sessions that continue by packet-out until their rule is installed here.

        Sessions that have ended are not counted, unless very many rules wait: to check each would take too long.
        """
        count = self.waiting_rules.without_rule
        return count if count > MAX_SESSIONS_PER_STEP else sum(session.is_live for session in self.awaiting_rule())

    @property
    def installed(self) -> int:
        """The session rules on the switch, as far as they were counted."""
        return self.counted if self.room.held is None else len(self.room.held)

    @property
    def is_idle(self) -> bool:
        """Whether the switch has confirmed all rules that were sent, and no other can be sent now."""
        return not self._outstanding and self.are_sent

    @property
    def are_sent(self) -> bool:
        """Whether no rule waits that could be sent now."""
        is_waiting = self._reinstallation.is_under_way or self.waiting
        return not is_waiting or self.is_paused or self._awaits_room

    @property
    def _awaits_room(self) -> bool:
        """Whether nothing can be sent before a rule leaves the switch."""
        return not self._reinstallation.is_under_way and self.waiting_rules.only_awaits_room

    @property
    def is_reinstalling(self) -> bool:
        """Whether rules of sessions that count as having one are still to be installed over this connection."""
        return self._reinstallation.is_under_way

    def outstanding_tags(self) -> Iterator[int]:
        """The tags of the rules whose bundles the switch has not confirmed."""
        for bundle in self._outstanding + self.rejected.parts:
            yield from (rule.tag for rule in bundle.removes)
            yield from (session.tag for session, _ in bundle.every_install())

    def is_changing(self, tag: int) -> bool:
        """Whether the rule with this tag waits to be installed or removed, or was rejected."""
        return self.waiting_rules.is_changing(tag)

    def on_removed(self, tag: int, by_timeout: bool, now: float) -> bool:
        """The rule with this tag has left the table. True when others have deleted it, and its session should have it.

        A rule that times out before its session is installed again: requests were dropped since no home agent could
        serve. But a session that was recovered ends with its rule, unless a request has come since: only the switch
        knows when the last one came.
        """
        self.room.discard(tag)
        session = self._balancer.sessions.by_tag(tag)
        if session is None or session.rule_at != self._datapath_id:
            return False
        if by_timeout:
            session.rule_at = None
            if now < session.deadline and session.has_requested:
                self.install(session)
        return not by_timeout

    def has_other_actions(self, session: Session, actions: bytes) -> bool:
        """Whether these actions differ from those that the rule of the session must have now."""
        return self._actions.get(session.real, actions) != actions

    def may_lead_to(self, session: Session, instructions: bytes) -> bool:
        """Whether instructions contain, in any form, the Ethernet address to which the session's rule must lead."""
        actions = self._actions.get(session.real, b"")
        begin = actions.find(_ETH_DST) + len(_ETH_DST)
        return actions[begin : begin + _MAC_LENGTH] in instructions

    def connect(self, transactions: Transactions) -> None:
        """Send rules over a new connection. The switch may have lost its rules: all are installed again, in slices.

        Until its turn comes a session counts as one with a rule. If the switch has lost that, the session's next
        request comes back as a session miss.
        """
        self._transactions = transactions
        self.are_doubted = False
        self._reinstallation.begin(len(self.waiting_rules.queue))

    def on_moved(self, reals: AbstractSet[RealServer]) -> None:
        """The actions of these real servers have changed: have the rules that lead to them replaced, in slices.

        Until the turn of a session comes, its requests do not go by its rule (:attr:`moved`).
        """
        self._reinstallation.on_moved(reals, len(self.waiting_rules.queue), self._transactions is not None)

    def disconnect(self) -> None:
        """The connection is lost. Outstanding bundles will not be confirmed, so their rules wait again."""
        self._transactions = None
        self._reinstallation.end()
        bundles = self._outstanding + self.rejected.disconnect()
        self._outstanding = []
        self._restoring.clear()
        self.room.leaving.clear()
        self.room.forget_learned()
        for bundle in bundles:
            self.waiting_rules.put_back(bundle)

    def forget(self) -> None:
        """Another balancer has changed the rules: nothing that waits may be sent. To be called while disconnected."""
        self.disconnect()
        self.waiting_rules.clear()
        self._reinstallation.forget()

    def install(self, session: Session, may_replace: bool = False) -> None:
        """Install the session's rule, or replace it, with one of the next bundles."""
        self.waiting_rules.install(session, may_replace)

    def send_waiting(self) -> None:
        """Send the rules that wait to be installed and for which there is room, however much is outstanding."""
        if self._transactions is None:
            return
        for _ in range(MAX_UNPACED_BUNDLES):
            installs = self.waiting_rules.take_installs(MAX_BUNDLE_RULES, self._now)
            if not installs:
                return
            self._send(self._transactions, RuleBundle(installs, [], []))

    def on_missing(self, session: Session) -> None:
        """The switch has no rule for a session that should have one, or none that acts yet: install it."""
        session.rule_at = None
        self.install(session)

    def reinstall(self, sessions: Iterable[Session]) -> None:
        """Install again the rules that these sessions have on this switch: lost rules, or rules with old actions.

        The place of a lost rule in the table may be taken by now.
        """
        for session in sessions:
            if session.rule_at == self._datapath_id:
                session.rule_at = None
                self.install(session, may_replace=self.room.may_have(session.tag))

    def remove(self, session: Session) -> None:
        """Remove the rule of a session that has ended or has moved to another switch or real server."""
        self.waiting_rules.remove(session)

    def remove_rule(self, tag: int, virtual_address: bytes, port: int) -> None:
        """Remove the rule with this tag, whether there is a session for it or not."""
        self.waiting_rules.remove_rule(tag, virtual_address, port)

    def restore(self, rule: SessionRule) -> None:
        """Add again a rule that has timed out, and whose session is still to be recovered. It keeps its place.

        It is sent at once. Such rules are few: at most :data:`MAX_SESSIONS_WITH_IDLE_TIMEOUT` have a time-out, and they
        do not time out together.
        """
        if self._transactions is None or rule.tag in self._restoring:
            return

        def conclude(error: Optional[wire.Error]) -> None:
            self._restoring.discard(rule.tag)
            if error is not None:
                self.room.discard(rule.tag)
                LOG.warning(
                    "Switch %016x rejected session rule %012x, which had timed out (%s); its session is lost if the "
                    "balancer restarts",
                    *(self._datapath_id, rule.tag, error),
                )

        self.room.add(rule.tag)
        self._restoring.add(rule.tag)
        self._transactions.submit(lambda xid: [rule.flow_mod(xid, wire.OFPFC_ADD)], conclude)

    def flush(self, now: float) -> Optional[int]:
        """Send the rules that wait. Returns the transaction id of the barrier request, or None if nothing was sent."""
        self._now = now
        self._reinstallation.advance(len(self.waiting_rules.queue))
        if self.rejected.has_pause:
            self.waiting_rules.end_pause(bool(self._outstanding), now)
        self.room.advance()
        if self._transactions is None or not self.waiting or len(self._outstanding) >= MAX_OUTSTANDING_BUNDLES:
            return None
        outstanding = self._count_outstanding()
        bundle = self.waiting_rules.take(self.pace.allowance(outstanding), outstanding, now)
        if not bundle.installs and not bundle.removes:
            return None
        return self._send(self._transactions, bundle)

    def _send(self, transactions: Transactions, bundle: RuleBundle) -> int:
        is_small = len(self._balancer.sessions) <= MAX_SESSIONS_WITH_IDLE_TIMEOUT
        has_idle_timeout = is_small and self.rejected.accepts_timeouts and not self._table_output.was_rejected

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
                self.rejected.on_rejected(bundle, error, has_idle_timeout, self._now)

        self._outstanding.append(bundle)
        self.room.on_sent(bundle)
        count = len(bundle.installs) + len(bundle.removes)
        self.changes += count
        return transactions.submit(
            *(build, conclude, lambda took: self.pace.on_confirmed(count, took)),
            lambda error: self.rejected.on_rejected_late(bundle, error, self._now),
        )

    def _on_installed(self, installs: list[Install]) -> None:
        """The switch has confirmed these rules. Remove or replace those that have become wrong since they were sent.

        If the deletion of a rule was sent after its addition, the rule is gone. If it counted as installed, the
        session's rule on another switch would be removed as well.
        """
        actions_of, datapath_id = self._actions.get, self._datapath_id
        for session, actions in installs:
            if not session.is_live:
                self.remove(session)
            elif session.tag in self.room.leaving:
                if session.rule_at in {None, datapath_id}:
                    self.on_missing(session)
            elif actions_of(session.real) is not actions:  # another real server, or it has moved
                self.install(session, may_replace=True)
            else:
                if session.rule_at is not None and session.rule_at != datapath_id:
                    self._balancer.ending.discard_rule(session)  # its rule on another switch
                session.rule_at = datapath_id
