"""Recovers the sessions of a previous run from the session rules that a switch still holds.

The switch is the session store. Once its standing rules are in place, its session rules are read
(:mod:`.rule_reading`)::

    a rule's actions lead to a known real server, or to where one was lost -> the session is recovered
    its real server has not been found yet                                 -> the rule is pending

In a cluster a member that stood by has followed the rules (:mod:`.follower`). When it takes over, all of them are
pending at once, and the sessions are recovered some at a time, or as their mobiles send requests. If what it followed
is current, nothing is read. If not, the switch is read as well, and a rule that is not read is forgotten.

A switch may have lost its rules meanwhile. Those that are known from before (:mod:`.remembered`) are pending as well,
and are installed when their sessions are recovered.

A rule is pending for the idle time of its virtual server, as long as its session could live. Then it is lost, and
removed from the switch. A rule that was not read before reading ended stays. When :mod:`.session_audit` reads it later,
it is recovered as well (:meth:`Recovery.adopt`), unless a session has it by then. If that is a session of another
switch, the rule is contested (:mod:`.contested`).

:mod:`.unrecovered` decides about the requests that come meanwhile, by the :meth:`Recovery.status` of their tags.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum, auto
from itertools import islice
from typing import Callable, Optional, Union

from ryu_haslb.openflow.flow_tables.pipeline import PURPOSE_MASK, Purpose
from ryu_haslb.openflow.recovery.contested import ContestedRules
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.remembered import Recalled
from ryu_haslb.openflow.recovery.rule_reading import Pace, RuleReading
from ryu_haslb.openflow.recovery.session_view import MAX_RULE_LENGTH, RuleTarget, is_session_rule, without_chassis
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import last_output
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS
from ryu_haslb.slb.virtual_server import VirtualServer

LOG = logging.getLogger(__name__)

#: Places that rules lead to, real servers and virtual addresses, at most: a switch may report any number.
_MAX_TARGETS = 4096
#: Sessions are needed soon: large slices and short pauses.
PACE = Pace(slice_rules=20_000, pause=0.5, max_pause=1.0)
#: Pending rules that one tick recovers or gives up: some milliseconds of work.
_MAX_PENDING_PER_TICK = 1000
#: Followed rules that one tick puts to their targets.
_MAX_TAKEN_PER_TICK = 5000
#: Seconds for which a rule of a virtual server that is not in service is pending.
_UNSERVED_TIMEOUT = 10.0

#: How to forward a request: by these actions, not at all, or as the balancer decides.
Forward = Union[bytes, DropReason, None]


class Status(Enum):
    """What is known of the session rule with a tag."""

    #: The switch has been asked, and has no such rule; or its session was recovered.
    READ = auto()
    #: The switch has the rule, and its real server has not been found yet.
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
    """Recovers the sessions of one switch, once. ``recovered`` is their number, ``reading`` reads the rules."""

    def __init__(
        self,
        datapath_id: int,
        balancer: Balancer,
        on_recovered: OnRecovered,
        on_lost: OnLost,
        on_contested: OnContested = lambda _: None,
    ) -> None:
        self.recovered = 0
        #: Whether the switch has a port, and it is up; known once the switch is served.
        self.is_port_usable: Callable[[int], bool] = lambda _: True
        self.reading = RuleReading(datapath_id, self._on_row, self._on_read, PACE)
        #: Whether the switch has lost the key that the tags of its rules were hashed with.
        self.is_key_lost = False
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._room = balancer.sessions.recovery_room
        self._on_recovered, self._on_lost, self._on_contested = on_recovered, on_lost, on_contested
        self._began_at: Optional[float] = None
        #: The tags of rules that were recovered after reading had ended; None when no rule is left to be recovered.
        self._adopting: Optional[set[int]] = None
        self._targets: dict[tuple[bytes, bytes], RuleTarget] = {}
        #: The targets whose deadlines count from when their virtual servers were known.
        self._timed: set[RuleTarget] = set()
        self._pending: dict[int, RuleTarget] = {}
        self._contested = ContestedRules()
        #: The requests that pending rules have forwarded, by tag, and when the last one came.
        self._attempts: dict[int, tuple[int, float]] = {}
        #: Whether the log has said that rules wait, and not yet what has become of them.
        self._is_awaited = False
        #: The tags of followed rules that are still to be put to their targets.
        self._taken: list[int] = []
        #: The same of rules that the switch has lost, and all targets of such.
        self._recalled: dict[int, RuleTarget] = {}
        self._lost_targets: dict[tuple[bytes, bytes], RuleTarget] = {}
        self._servers: Mapping[bytes, VirtualServer] = {}
        self._reals: dict[tuple[bytes, bytes], tuple[VirtualServer, RealServer]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all session rules have been read, or reading has ended."""
        return self.reading.is_complete

    @property
    def is_over(self) -> bool:
        """Whether no request can concern a session that is still to be recovered."""
        return not self.pending and self.reading.is_complete

    @property
    def are_rules_known(self) -> bool:
        """Whether all session rules were read, and none is pending. Contested ones are known, and may last."""
        return not self._pending and self.reading.is_complete

    @property
    def pending(self) -> int:
        """The number of rules whose real servers have not been found yet, or that are contested."""
        return len(self._pending) + len(self._contested)

    @property
    def has_contested(self) -> bool:
        """Whether a rule is contested."""
        return len(self._contested) > 0

    def status(self, tag: int) -> Status:
        """What is known of the session rule with this tag. An audit must leave alone what is not READ."""
        if tag in self._pending or tag in self._contested:
            return Status.PENDING
        return Status.READ if self.is_complete or self.reading.has_read(tag) else Status.UNREAD

    def request(self, xid: int, now: float) -> bytes:
        """The message that begins to read, or goes on."""
        self._began_at = now if self._began_at is None else self._began_at
        return self.reading.request(xid, now)

    def take_over(self, followed: Followed, now: float) -> None:
        """This member has followed the switch, and takes over: the sessions of these rules are recovered."""
        self._pending = followed.rules
        self._room.take(self, len(followed.rules))
        self._taken = list(followed.rules)
        if followed.is_current:
            self.reading.skip()
            for target in followed.targets:
                self._add_target(target)
                self._set_deadline(target, now)
        LOG.info(
            "Switch %016x: taking over with %d sessions that were followed%s",
            *(self._datapath_id, len(self._taken), "" if followed.is_current else "; reading its session rules"),
        )

    def recall(self, recalled: Recalled, now: float) -> None:
        """The switch has lost its rules, of which these were known: their sessions are recovered as well."""
        for virtual_address, actions in {(each.virtual_address, each.actions) for each in recalled.targets}:
            server = self._servers.get(virtual_address)
            if server is None or now < recalled.known_at + server.idle:
                target = RuleTarget(virtual_address, actions, is_on_switch=False)
                self._lost_targets[virtual_address, actions] = target
                self._set_deadline(target, now)
        self._recalled = recalled.rules
        before = len(self._pending)
        self._pending = {**recalled.rules, **self._pending}
        self._room.take(self, len(self._pending) - before)
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

        ``servers`` are those in service by address.
        """
        self._servers = servers
        self._reals = {
            (server.packed_address, without_chassis(actions[real])): (server, real)
            for server in servers.values()
            for real in server.farm.reals
            if real in actions
        }

    def real_of(self, target: RuleTarget) -> Optional[RealServer]:
        """The real server that a rule leads to; None if that is not known."""
        found = self._reals.get(target.key)
        return None if found is None else found[1]

    def forward(self, tag: int, is_deregistration: bool, now: float) -> Forward:
        """How to forward a request whose rule is pending: by the rule; None if the balancer decides about it.

        It does when the session is recovered now, and when its mobile is to begin anew: its request cannot arrive by
        the rule, or it has asked more often than a session may be retried. The answers of home agents are not seen
        here. But the rule stays while no other real server can serve. A deregistration, which may be forged, ends none.
        """
        if self.recover_if_found(tag, now):
            return None
        target = self._pending.get(tag)
        if target is None:
            return self.forward_contested(tag, now)
        server = self._servers.get(target.virtual_address)
        reals = [] if server is None else server.farm.reals
        may_move = not is_deregistration and any(map(self._accepts_sessions, reals))
        may_arrive = self._may_arrive(target) and not {real for _, real in self._reals.values()}.issuperset(reals)
        attempts = self._attempts.get(tag, (0, 0.0))[0] + may_arrive
        if not is_deregistration:
            self._attempts[tag] = attempts, now
        if may_arrive:
            if not may_move or attempts <= 1 + max(real.configuration.reassign for real in reals):
                return target.actions
        elif not may_move:
            return DropReason.REAL_UNREACHABLE
        self.forget(tag)
        return None

    def forward_contested(self, tag: int, now: float) -> Optional[bytes]:
        """How to forward a request whose rule is contested: by the rule; None if the balancer decides about it."""
        target = self._contested.forward(tag, now)
        if target is None:
            return None
        server, real = self._servers.get(target.virtual_address), self.real_of(target)
        is_kept = server is None or real is None or server.farm.keeps(real)
        if is_kept and self._may_arrive(target):
            return target.actions
        self._contested.forget(tag)
        self._room.release()
        return None

    def recover_if_found(self, tag: int, now: float) -> bool:
        """Recover the session of a pending rule, if it is known to which real server the rule leads."""
        if tag in self._recalled:
            self._put_to_lost_target(tag)
        target = self._pending.get(tag)
        found = None if target is None else self._reals.get(target.key)
        if target is None or found is None:
            return False
        self._recover(tag, target, *found, now)
        return self._balancer.sessions.by_tag(tag) is not None and tag not in self._contested

    def asked_for(self, tag: int, now: float) -> Optional[RuleTarget]:
        """Where a rule that is pending or contested leads, if its mobile has asked within the idle time."""
        target = self._pending.get(tag)
        if target is not None:
            return target if self._has_asked(tag, target, now) else None
        contested = self._contested.get(tag)
        if contested is None:
            return None
        target, asked_at = contested
        server = self._servers.get(target.virtual_address)
        return target if server is not None and now < asked_at + server.idle else None

    def _accepts_sessions(self, real: RealServer) -> bool:
        return real.accepts_sessions_from(self._datapath_id) or real.is_last_resort_for(self._datapath_id)

    def _may_arrive(self, target: RuleTarget) -> bool:
        """Whether the last port that a rule outputs to is up: else the switch sends nothing there."""
        port = last_output(target.actions)
        return port is None or self.is_port_usable(port)

    def forget(self, tag: int) -> None:
        """The rule is no longer pending: its mobile begins anew, or is gone."""
        if self._pending.pop(tag, None) is not None:
            self._room.release()
        self._attempts.pop(tag, None)

    def give_up(self, count: int) -> None:
        """There is no room for so many rules: forget pending ones, those that came last, and then contested ones."""
        for _ in range(min(count, len(self._pending))):
            tag, target = self._pending.popitem()
            self._attempts.pop(tag, None)
            self._room.release()
            if target.tags[-1:] == [tag]:
                target.tags.pop()
            count -= 1
        self._room.release(len(self._contested.take(count)))

    def end(self) -> None:
        """No rule is waited for any more."""
        self._room.end(self, len(self._targets))
        self._pending, self._targets, self._contested = {}, {}, ContestedRules()

    def tick(self, now: float) -> None:
        """Recover sessions whose real servers have been found, and give up rules whose time is over; some at a time."""
        if self.is_complete:
            self._put_to_targets(now)
        for tag in list(islice(self._recalled, _MAX_TAKEN_PER_TICK)):
            self._put_to_lost_target(tag)
        self._settle_contested(now)
        budget = _MAX_PENDING_PER_TICK
        for target in [*self._targets.values(), *self._lost_targets.values()] if self._pending else ():
            budget -= self._resolve(target, budget, now)
        if not self._pending:
            self._attempts.clear()
            if self._is_awaited:
                self._is_awaited = False
                self._log(now)

    def _resolve(self, target: RuleTarget, budget: int, now: float) -> int:
        """Recover or give up so many rules of a target at most, if it is time. Returns how many it has looked at."""
        found = self._reals.get(target.key)
        if found is None and target.virtual_address in self._servers and target not in self._timed:
            self._set_deadline(target, now)  # its virtual server was not known when the rule was
        if found is None and now < target.deadline:
            return 0
        tags = target.tags[-budget:] if budget else []
        del target.tags[len(target.tags) - len(tags) :]
        for tag in reversed(tags):
            if self._pending.get(tag) is not target:
                continue
            if found is not None:
                self._recover(tag, target, *found, now)
            elif self._has_asked(tag, target, now):
                target.tags.insert(0, tag)
            else:
                self.forget(tag)
                if target.is_on_switch:
                    self._on_lost(tag, target.virtual_address)
        return len(tags)

    def _settle_contested(self, now: float) -> None:
        """Recover, keep or give up contested rules, some at a time."""
        for tag, target, asked_at in self._contested.take(_MAX_PENDING_PER_TICK):
            session, server = self._balancer.sessions.by_tag(tag), self._servers.get(target.virtual_address)
            if session is not None and self._is_elsewhere(session, target):
                if now < asked_at + (_UNSERVED_TIMEOUT if server is None else server.idle):
                    self._keep_contested(tag, target, asked_at)
                    continue
                self._on_lost(tag, target.virtual_address)
            elif session is not None:
                self._take_over_begun(tag, target.virtual_address, target.actions, now)
            else:
                self._await_real(tag, target, now)
            self._room.release()

    def _is_elsewhere(self, session: Session, target: RuleTarget) -> bool:
        """Whether a session began at another switch, and at another real server than its rule here leads to."""
        return session.rule_at != self._datapath_id and self.real_of(target) is not session.real

    def _has_asked(self, tag: int, target: RuleTarget, now: float) -> bool:
        """Whether the mobile of a pending rule has sent a request within the idle time."""
        server = self._servers.get(target.virtual_address)
        return server is not None and tag in self._attempts and now < self._attempts[tag][1] + server.idle

    def _on_row(self, row: FlowStats, now: float) -> None:
        if not is_session_rule(row):
            return
        virtual_address = row.field("ipv4_dst")
        if virtual_address is None or len(row.instructions) > MAX_RULE_LENGTH:
            return
        tag, actions = row.cookie >> COOKIE_MARK_BITS, row.actions()
        if self._take_over_begun(tag, virtual_address, actions, now) or self._has_read_another(tag):
            return
        target = self._target(virtual_address, actions)
        if target is None:
            return
        found = self._reals.get(target.key)
        if found is None:
            self._await_real(tag, target, now)
        elif self.pending < self._balancer.sessions.places:
            self._recover(tag, target, *found, now)

    def _has_read_another(self, tag: int) -> bool:
        """Whether a rule with this tag was read and is pending; one that was followed is replaced by what is read."""
        known = self._pending.get(tag)
        return known is not None and self._targets.get((known.virtual_address, known.actions)) is known

    def _await_real(self, tag: int, target: RuleTarget, now: float) -> None:
        """The real server of a rule has not been found yet; the rule is left out if there is no room for it."""
        if self._contested.forget(tag):
            self._room.release()
        is_new = tag not in self._pending
        if is_new and not self._room.has_room(self, self._balancer.sessions.places):
            return
        self._set_deadline(target, now)
        target.tags.append(tag)
        self._pending[tag] = target
        self._room.take(self, is_new)

    def _put_to_targets(self, now: float) -> None:
        """Put followed rules to their targets, some at a time; forget those that the switch has no more."""
        for _ in range(min(len(self._taken), _MAX_TAKEN_PER_TICK)):
            tag = self._taken.pop()
            target = self._pending.get(tag)
            if target is None:
                continue
            known = self._targets.get((target.virtual_address, target.actions))
            if known is None and self._adopting is not None:
                known = self._add_target(target)
                self._set_deadline(target, now)
            if known is not None and (known is target or self._adopting is not None):
                self._pending[tag] = known
                known.tags.append(tag)
            else:
                self.forget(tag)

    def _put_to_lost_target(self, tag: int) -> None:
        """Put a rule that the switch has lost to its target, unless the switch has it again, or its time is over."""
        target = self._recalled.pop(tag)
        if self._pending.get(tag) is not target:
            return
        known = self._lost_targets.get((target.virtual_address, target.actions))
        if known is None:
            self.forget(tag)
        else:
            self._pending[tag] = known
            known.tags.append(tag)

    def _set_deadline(self, target: RuleTarget, now: float) -> None:
        server = self._servers.get(target.virtual_address)
        if server is not None:
            self._timed.add(target)
        target.deadline = now + (_UNSERVED_TIMEOUT if server is None else server.idle)

    def _target(self, virtual_address: bytes, actions: bytes) -> Optional[RuleTarget]:
        """Where a rule leads; None if it has to be left out, since there is no room for its target."""
        target = self._targets.get((virtual_address, actions))
        if target is None:
            own = len(self._targets)
            if own >= _MAX_TARGETS or not self._room.has_room_for_target(own):
                return None
            target = self._add_target(RuleTarget(virtual_address, actions))
        return target

    def _add_target(self, target: RuleTarget) -> RuleTarget:
        key = target.virtual_address, target.actions
        self._room.targets += key not in self._targets
        self._targets[key] = target
        return target

    def _recover(self, tag: int, target: RuleTarget, server: VirtualServer, real: RealServer, now: float) -> None:
        self.forget(tag)
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
        if not self._is_elsewhere(session, RuleTarget(virtual_address, actions)):
            return False
        target = self._target(virtual_address, actions)
        if target is None or not self._room.has_room(self, self._balancer.sessions.places):
            return True
        if tag not in self._contested:
            self.forget(tag)
            self._keep_contested(tag, target, now)
            self._room.take(self)
        return True

    def _keep_contested(self, tag: int, target: RuleTarget, asked_at: float) -> None:
        self._contested.keep(tag, target, asked_at)
        self._on_contested(tag)

    def _on_read(self, reason: str, now: float) -> None:
        if reason:
            LOG.warning(
                "Switch %016x %s; sessions of the previous run that were not read continue when the audit has read "
                "them",
                *(self._datapath_id, reason),
            )
            self._adopting = set()
        self._is_awaited = bool(self._pending)
        if self.recovered or self._pending:
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
            *(self._datapath_id, self.recovered, now - began_at, len(self._pending)),
        )
