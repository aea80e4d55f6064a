"""The session rules that wait to be sent to one switch, and what the next bundle takes of them. Pure.

The next bundle takes the first of these::

    parts       the next part of a bundle that was rejected (:mod:`.rejected_rules`)
    deletions   rules of sessions that have ended or moved; a new session with the same tag keeps the rule
    additions   sessions in the order of :mod:`.install_queue`, as far as there is room (:mod:`.rule_room`)

Deletions and additions share a bundle. A rule that has changed while it waited is left out, or waits again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Callable, Final, Optional

from ryu_haslb.openflow.flow_tables.session_rule import SessionRule
from ryu_haslb.openflow.sessions.install_queue import InstallQueue
from ryu_haslb.openflow.sessions.reinstallation import MAX_SESSIONS_PER_STEP
from ryu_haslb.openflow.sessions.rejected_rules import RejectedRules
from ryu_haslb.openflow.sessions.rule_bundle import MAX_BUNDLE_REMOVALS, MAX_BUNDLE_RULES, Install, RuleBundle
from ryu_haslb.openflow.sessions.rule_room import RuleRoom
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_table import SessionTable

LOG = logging.getLogger(__name__)

#: How many of the sessions that wait for room one step checks for having ended, and the seconds between two steps. They
#: take 1 % of the time, however often rules are flushed.
_LOOKED_AT_PER_STEP: Final = 200
_LOOK_INTERVAL: Final = 0.01
#: The virtual address and the port that a session rule matches.
_Destination = tuple[bytes, int]


@lru_cache(maxsize=1024)
def _destination(virtual_address: bytes, port: int) -> _Destination:
    """One object for all rules that wait: when many sessions end, those to be removed are as many as these were."""
    return virtual_address, port


class WaitingRules:
    """The rules of one switch that wait. ``rejected`` holds those that it has rejected, ``room`` counts those it has.

    ``await_real`` is called with each session for whose real server there are no ``actions``.
    """

    def __init__(
        self,
        datapath_id: int,
        sessions: SessionTable,
        actions: Mapping[RealServer, bytes],
        await_real: Callable[[Session], None],
    ) -> None:
        self.is_supported = True
        self.queue = InstallQueue()
        self.room = RuleRoom(datapath_id, sessions)
        self.rejected = RejectedRules(datapath_id, self.queue, self.room)
        self._datapath_id = datapath_id
        self._sessions = sessions
        self._actions = actions
        self._await_real = await_real
        #: The tags of the rules to be removed, and what they match beside it.
        self._to_remove: dict[int, _Destination] = {}
        self._look_at = 0.0

    @property
    def count(self) -> int:
        """The number of rules that wait to be installed or removed."""
        return len(self.queue) + len(self._to_remove) + sum(bundle.size for bundle in self.rejected.parts)

    @property
    def uncertain(self) -> int:
        """The number of rules that wait, and that the switch may have: all but those that are to be added."""
        return self.count - len(self.queue.known) - len(self.queue.new)

    @property
    def without_rule(self) -> int:
        """The number of sessions whose rule waits or is left out; some of them may have ended."""
        return len(self.queue) + len(self.rejected.left_out)

    def is_paused(self, now: float) -> bool:
        """Whether additions wait because the flow table is full."""
        return self.rejected.must_additions_wait(now)

    def sessions(self) -> Iterator[Session]:
        """Sessions whose rule waits or is left out; some of them may have ended."""
        yield from self.queue
        yield from self.rejected.left_out

    def __contains__(self, session: object) -> bool:
        return session in self.queue or session in self.rejected.left_out

    @property
    def only_awaits_room(self) -> bool:
        """Whether nothing can be sent before a rule leaves the switch."""
        if self._to_remove or self.rejected.parts or self.queue.replaced:
            return False
        return self.room.free() == 0 and not self.room.is_counting

    def is_changing(self, tag: int) -> bool:
        """Whether the rule with this tag waits to be installed or removed, or is left out."""
        return tag in self._to_remove or self._sessions.by_tag(tag) in self

    def install(self, session: Session, may_replace: bool = False) -> None:
        """Install the session's rule, or replace it, with one of the next bundles."""
        if self.is_supported and not (self.rejected.left_out and session in self.rejected.left_out):
            if self._to_remove and self._to_remove.pop(session.tag, None) is not None:
                may_replace = True
            self.queue.add(session, may_replace or self.room.stays(session.tag))

    def put_back(self, bundle: RuleBundle) -> None:
        """The connection is lost, and a bundle will not be confirmed: its rules wait again."""
        for rule in bundle.removes:
            if not self._will_be_replaced(rule.tag):
                self.remove_rule(rule.tag, rule.virtual_address, rule.port)
        for session, _ in bundle.every_install():
            self.install(session, may_replace=True)

    def remove(self, session: Session) -> None:
        """Remove the rule of a session that has ended or has moved to another switch or real server.

        If a rule with the same tag waits to be installed, nothing is removed: it will replace the installed one.
        """
        if not self._will_be_replaced(session.tag):
            server = session.virtual_server
            self.remove_rule(session.tag, server.packed_address, server.configuration.port)

    def _will_be_replaced(self, tag: int) -> bool:
        """Whether a rule with this tag waits to be installed, and takes the place of the one that is there."""
        successor = self._sessions.by_tag(tag)
        if successor is None or successor not in self.queue:
            return False
        self.queue.add(successor, is_replaced=True)
        return True

    def remove_rule(self, tag: int, virtual_address: bytes, port: int) -> None:
        """Remove the rule with this tag, whether there is a session for it or not."""
        self._to_remove[tag] = _destination(virtual_address, port)

    def clear(self) -> None:
        """Nothing waits any more, and the switch may have other rules."""
        self.queue.clear()
        self.room.forget()
        self._to_remove.clear()
        self.rejected.left_out.clear()

    def take(self, allowance: int, outstanding: int, now: float) -> RuleBundle:
        """Take what the next bundle has to change; nothing without an ``allowance`` of flow-mods."""
        bundle = self._take_divided() if allowance else None
        if bundle is not None:
            return bundle
        self._make_room(allowance, outstanding, now)
        removes = self._take_removes(min(allowance, MAX_BUNDLE_REMOVALS))
        return RuleBundle(self.take_installs(min(allowance - len(removes), MAX_BUNDLE_RULES), now), removes, [])

    def take_installs(self, count: int, now: float) -> list[Install]:
        """Take the next sessions whose rules wait to be installed, and the actions of each."""
        if self.is_paused(now):
            return []
        installs = []
        actions_of, free = self._actions.get, self.room.free()
        for sessions, is_replaced in self.queue.take(count, count if free is None else free):
            for session in sessions:
                actions = actions_of(session.real)
                if actions is not None and session.is_live:
                    installs.append((session, actions))
                    continue
                if is_replaced:
                    self.remove(session)
                if session.is_live:
                    self._await_real(session)
        self.room.add_installs(installs)
        return installs

    def _take_removes(self, count: int) -> list[SessionRule]:
        """Take rules that wait to be removed, the last ones first, in a time that does not grow with their number.

        A new session with the same tag keeps the rule.
        """
        removes = []
        for _ in range(min(count, len(self._to_remove))):
            tag, (virtual_address, port) = self._to_remove.popitem()
            if self._is_removable(tag):
                removes.append(SessionRule(tag, virtual_address, port, 0, b""))
        return removes

    def _is_removable(self, tag: int) -> bool:
        """Whether no session has the rule with this tag here, or is about to have it."""
        session = self._sessions.by_tag(tag)
        return session is None or (session.rule_at != self._datapath_id and session not in self.queue.replaced)

    def end_pause(self, is_outstanding: bool, now: float) -> None:
        """Send rejected rules again after their pause."""
        for session in self.rejected.take_due(MAX_SESSIONS_PER_STEP, now):
            self.install(session)
        if not self.count and not is_outstanding:
            self.rejected.end_if_accepted(now)

    def _make_room(self, count: int, outstanding: int, now: float) -> None:
        """When the table is full, remove rules of sessions that are not confirmed, for those of known mobiles."""
        free = self.room.free()
        if not (self.is_paused(now) or free == 0) or not self.queue:
            return
        if now >= self._look_at:
            self._look_at = now + _LOOK_INTERVAL
            self.queue.review(_LOOKED_AT_PER_STEP)
        is_reached = free == 0 and self.room.limit is not None and not self.room.is_uncertain
        if is_reached and self.queue and self.room.must_announce():
            LOG.warning(
                "Switch %016x has as many session rules as it may have (%d, %s); further sessions continue by "
                "packet-out, and rules of known mobiles take the place of others",
                *(self._datapath_id, self.room.limit, self.room.source.text),
            )
        wanted = min(count, len(self.queue.known)) - len(self._to_remove) - outstanding
        for session in self.room.replaceable(wanted, now) if wanted > 0 else ():
            session.rule_at = None
            self.remove(session)
            self.queue.add(session, is_replaced=False)

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
