"""Recovers the sessions of a previous run from the session rules that a switch still holds.

The switch is the session store. Once its standing rules are in place, its session rules are read
(:mod:`.rule_reading`)::

    a rule's actions lead to a known real server, or to where one was lost -> the session is recovered
    its real server has not been found yet                                 -> the rule is pending
    another switch has its session, at another real server                 -> the rule is contested

In a cluster a member that stood by has followed the rules (:mod:`.follower`). When it takes over, all of them are
pending at once, and the sessions are recovered some at a time, or as their mobiles send requests. If what it followed
is current, nothing is read. If not, the switch is read as well, and a rule that is not read is forgotten.

A switch may have lost its rules meanwhile. Those that are known from before (:mod:`.remembered`) are pending as well,
and are installed when their sessions are recovered.

A rule is pending for the idle time of its virtual server, as long as its session could live. Then it is lost, and
removed from the switch. A rule that was not read before reading ended stays. When :mod:`.session_audit` reads it later,
it is recovered as well (:meth:`Recovery.adopt`), unless a session has it by then.

Every host that reaches the OpenFlow port can pass for a switch, and report rules with any tags. The balancer cannot
know which of two switches lies. So each is believed about itself only: the session stays where the other switch has it,
and requests that arrive at the switch of the contested rule are forwarded by that rule::

    the other session has ended                        -> the rule's session is recovered
    the session is here now, or at the same home agent -> the rule is the session's
    no request for the idle time                       -> the rule is lost

:mod:`.unsettled` has the rules that are pending or contested, :mod:`.destinations` the real servers that they lead to.
:mod:`.unrecovered` decides about the requests that come meanwhile, by the :meth:`Recovery.status` of their tags;
:mod:`.forwarding` forwards them by these rules.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum, auto
from typing import Callable, Optional

from ryu_haslb.openflow.flow_tables.pipeline import PURPOSE_MASK, Purpose
from ryu_haslb.openflow.recovery.destinations import Destinations
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.forwarding import RuleForwarding
from ryu_haslb.openflow.recovery.remembered import Recalled
from ryu_haslb.openflow.recovery.rule_reading import Pace, RuleReading
from ryu_haslb.openflow.recovery.session_view import MAX_RULE_LENGTH, RuleTarget, is_session_rule
from ryu_haslb.openflow.recovery.unsettled import UnsettledRules
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS
from ryu_haslb.slb.virtual_server import VirtualServer

LOG = logging.getLogger(__name__)

#: Sessions are needed soon: large slices and short pauses.
PACE = Pace(slice_rules=20_000, pause=0.5, max_pause=1.0)
#: Rules that one tick recovers or gives up: some milliseconds of work.
_MAX_SETTLED_PER_TICK = 1000


class Status(Enum):
    """What is known of the session rule with a tag."""

    #: The switch has been asked, and has no such rule; or its session was recovered.
    READ = auto()
    #: The rule is pending or contested.
    PENDING = auto()
    #: The switch may have the rule.
    UNREAD = auto()


#: Is called with each recovered session, or one that has begun before its rule was found, and the actions of the rule;
#: None if the switch has lost the rule.
OnRecovered = Callable[[Session, Optional[bytes]], None]
#: Is called with the tag and the virtual address of each rule that is to be removed.
OnLost = Callable[[int, bytes], None]
#: Is called with the tag of each contested rule that is kept, again and again while it is.
OnContested = Callable[[int], None]


class Recovery:
    """Recovers the sessions of one switch, once. ``recovered`` is their number.

    ``reading`` reads the rules, ``forwarding`` forwards requests by those that are pending or contested.
    """

    def __init__(
        self,
        datapath_id: int,
        balancer: Balancer,
        on_recovered: OnRecovered,
        on_lost: OnLost,
        on_contested: OnContested = lambda _: None,
    ) -> None:
        self.recovered = 0
        self.reading = RuleReading(datapath_id, self._on_row, self._on_read, PACE)
        #: Whether the switch has lost the key that the tags of its rules were hashed with.
        self.is_key_lost = False
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._on_recovered, self._on_lost, self._on_contested = on_recovered, on_lost, on_contested
        self._began_at: Optional[float] = None
        #: The tags of rules that were recovered after reading had ended; None when no rule is left to be recovered.
        self._adopting: Optional[set[int]] = None
        self._destinations = Destinations()
        self._rules = UnsettledRules(balancer.sessions, self._destinations)
        self.forwarding = RuleForwarding(datapath_id, self._rules, self._destinations, self._give_up)
        #: Whether the log has reported pending rules, and not yet their end.
        self._is_awaited = False

    @property
    def is_complete(self) -> bool:
        """Whether all session rules have been read, or reading has ended."""
        return self.reading.is_complete

    @property
    def is_over(self) -> bool:
        """Whether no request can concern a session that is still to be recovered."""
        return self.reading.is_complete and not self._rules.pending and not self._rules.contested

    @property
    def are_rules_known(self) -> bool:
        """Whether all session rules were read, and none is pending. Contested ones are known, and may last."""
        return self.reading.is_complete and not self._rules.pending

    @property
    def pending(self) -> int:
        """The number of rules whose real servers have not been found yet, or that are contested."""
        return len(self._rules)

    @property
    def has_contested(self) -> bool:
        """Whether a rule is contested."""
        return bool(self._rules.contested)

    def status(self, tag: int) -> Status:
        """What is known of the session rule with this tag. An audit must leave alone what is not READ."""
        if tag in self._rules:
            return Status.PENDING
        return Status.READ if self.is_complete or self.reading.has_read(tag) else Status.UNREAD

    def request(self, xid: int, now: float) -> bytes:
        """The message that begins to read, or goes on."""
        self._began_at = now if self._began_at is None else self._began_at
        return self.reading.request(xid, now)

    def take_over(self, followed: Followed, now: float) -> None:
        """This member has followed the switch, and takes over: the sessions of these rules are recovered."""
        self._rules.follow(followed.rules)
        if followed.is_current:
            self.reading.skip()
            self._rules.confirm_targets(followed.targets, now)
        LOG.info(
            "Switch %016x: taking over with %d sessions that were followed%s",
            *(self._datapath_id, len(followed.rules), "" if followed.is_current else "; reading its session rules"),
        )

    def recall(self, recalled: Recalled, now: float) -> None:
        """The switch has lost its rules, of which these were known: their sessions are recovered as well."""
        self._rules.recall(recalled, now)
        LOG.warning(
            "Switch %016x has lost all rules since it was connected here; installing those of %d sessions that this "
            "member knows. It was restarted, or has no fail_mode=secure",
            *(self._datapath_id, len(recalled.rules)),
        )

    def adopt(self, row: FlowStats, now: float) -> bool:
        """Recover the session of a rule that was read after reading had been given up. False: it had been read."""
        tag = row.cookie >> COOKIE_MARK_BITS
        if self._adopting is None or self.reading.has_read(tag) or tag in self._adopting:
            return False
        self._adopting.add(tag)
        self._on_row(row, now)
        return True

    def end_adoption(self) -> None:
        """The rules that were not read have been read by now: others without a session have no session any more."""
        if self._adopting:
            LOG.info(
                "Switch %016x: the audit has read %d further session rules of the previous run",
                *(self._datapath_id, len(self._adopting)),
            )
        self._adopting = None

    def locate(self, servers: Mapping[bytes, VirtualServer], actions: Mapping[RealServer, bytes]) -> None:
        """Real servers have been found or lost: ``actions`` leads to each, or to where it was.

        ``servers`` are those in service by address. There may be thousands: once all is recovered they are left out.
        """
        if not self.is_over or self._adopting is not None:
            self._destinations.locate(servers, actions)

    def real_of(self, target: RuleTarget) -> Optional[RealServer]:
        """The real server that a rule leads to; None if that is not known."""
        return self._destinations.real_of(target.virtual_address, target.actions)

    def recover_if_found(self, tag: int, now: float) -> bool:
        """Recover the session of a pending rule, if it is known to which real server the rule leads."""
        target = self._rules.pending_target(tag)
        found = None if target is None else self._destinations.find(target)
        if target is None or found is None:
            return False
        self._recover(tag, target, *found, now)
        return self._balancer.sessions.by_tag(tag) is not None and tag not in self._rules.contested

    def on_timed_out(self, tag: int, now: float) -> Optional[RuleTarget]:
        """The switch has timed out a rule. Returns where it leads if its mobile has sent requests lately."""
        return self._rules.on_timed_out(tag, now)

    def end(self) -> None:
        """Wait for no rule any more."""
        self._rules.end()

    def tick(self, now: float) -> None:
        """Recover sessions whose real servers have been found, and give up rules whose time is over; some at a time."""
        if self.is_complete:
            self._rules.list_followed(self._adopting is not None, now)
        self._rules.list_recalled()
        self._settle_contested(now)
        self._settle_pending(now)
        if self._is_awaited and not self._rules.pending:
            self._is_awaited = False
            self._log(now)

    def _settle_pending(self, now: float) -> None:
        """Recover or give up pending rules whose time has come, some at a time."""
        for tag, target, found in self._rules.take_due(_MAX_SETTLED_PER_TICK, now):
            if found is not None:
                self._recover(tag, target, *found, now)
            else:
                self._give_up(tag)

    def _give_up(self, tag: int) -> None:
        """The session of a pending or contested rule has ended, or its mobile is given another home agent."""
        target = self._rules.forget(tag)
        if target is not None and target.is_on_switch:
            self._on_lost(tag, target.virtual_address)

    def _settle_contested(self, now: float) -> None:
        """Recover, keep or give up contested rules, some at a time."""
        for tag, target in self._rules.take_contested(_MAX_SETTLED_PER_TICK):
            session = self._balancer.sessions.by_tag(tag)
            if session is None:
                self._rules.await_real(tag, target, now)
            elif not self._has_other_real(session, target.virtual_address, target.actions):
                self._rules.forget(tag)
                self._take_over_begun(tag, target.virtual_address, target.actions, now)
            elif self._rules.has_asked(tag, target, now):
                self._on_contested(tag)
            else:
                self._give_up(tag)

    def _has_other_real(self, session: Session, virtual_address: bytes, actions: bytes) -> bool:
        """Whether a session began at another switch, and at another real server than its rule here leads to."""
        if session.rule_at == self._datapath_id:
            return False
        return self._destinations.real_of(virtual_address, actions) is not session.real

    def _on_row(self, row: FlowStats, now: float) -> None:
        if not is_session_rule(row):
            return
        virtual_address = row.field("ipv4_dst")
        if virtual_address is None or len(row.instructions) > MAX_RULE_LENGTH:
            return
        tag, actions = row.cookie >> COOKIE_MARK_BITS, row.actions()
        if self._take_over_begun(tag, virtual_address, actions, now) or self._rules.is_confirmed(tag):
            return
        target = self._rules.target(virtual_address, actions)
        if target is None:
            return
        found = self._destinations.find(target)
        if found is None:
            self._rules.await_real(tag, target, now)
        elif self.pending < self._balancer.sessions.places:
            self._recover(tag, target, *found, now)

    def _recover(self, tag: int, target: RuleTarget, server: VirtualServer, real: RealServer, now: float) -> None:
        self._rules.forget(tag)
        actions = target.actions if target.is_on_switch else None
        is_taken = self._take_over_begun(tag, target.virtual_address, actions, now)
        if not (is_taken or self._balancer.sessions.is_full):
            self.recovered += 1
            self._on_recovered(self._balancer.recover(server, tag, real, now), actions)

    def _take_over_begun(self, tag: int, virtual_address: bytes, actions: Optional[bytes], now: float) -> bool:
        """Give the rule to the session with this tag, which began by naming its home agent. False: there is none.

        A session that another switch has does not get it.
        """
        session = self._balancer.sessions.by_tag(tag)
        if session is None:
            return False
        if actions is not None and self._contest(session, tag, virtual_address, actions, now):
            return True
        if session.rule_at is None and session.virtual_server.packed_address == virtual_address:
            self._on_recovered(session, actions)
        return True

    def _contest(self, session: Session, tag: int, virtual_address: bytes, actions: bytes, now: float) -> bool:
        """Keep a rule whose session began elsewhere, if there is room. False: it is not contested."""
        if not self._has_other_real(session, virtual_address, actions):
            return False
        if self._rules.contest(tag, virtual_address, actions, now):
            self._on_contested(tag)
        return True

    def _on_read(self, reason: str, now: float) -> None:
        if reason:
            LOG.warning(
                "Switch %016x %s; sessions of the previous run that were not read continue when the audit has read "
                "them",
                *(self._datapath_id, reason),
            )
            self._adopting = set()
        self._is_awaited = bool(self._rules.pending)
        if self.recovered or self._rules.pending:
            self._log(now)
            if self.is_key_lost:
                self._log_lost_key()

    def _log_lost_key(self) -> None:
        LOG.warning(
            "Switch %016x has lost the key of its session tags: another controller or operator has deleted its "
            "rules in table 0 (cookie 0x%x/0x%x), or another version wrote them. Mobiles with tags of this key get new "
            "sessions, unless another switch has it; of the %d sessions that were found, theirs end when they are idle",
            *(self._datapath_id, Purpose.TAG_KEY.cookie, PURPOSE_MASK, self.recovered + self.pending),
        )

    def _log(self, now: float) -> None:
        began_at = now if self._began_at is None else self._began_at
        LOG.info(
            "Switch %016x: recovered %d sessions from its rules in %.1f s; %d rules wait for their real servers",
            *(self._datapath_id, self.recovered, now - began_at, len(self._rules.pending)),
        )
