"""The session rules of one switch: one for each session, sent in bundles behind the first request."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple, Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.flow_mods import SessionRule
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import COOKIE_MARK, Session

LOG = logging.getLogger(__name__)

#: Rules in one bundle at most, so that no switch is busy with one for long.
BUNDLE_SIZE = 1000
#: Bundles that the switch has not confirmed yet; rules that come meanwhile wait for them.
MOST_UNDER_WAY = 2
MOST_WAITING = 200_000
#: Sessions up to which a rule gets the idle time-out of its virtual server. After every change of a table Open vSwitch
#: looks at each rule that has one, in the thread that forwards requests: with 100,000 that is 4 ms, two hundred times a
#: second in a storm (docs/performance.md). Beyond, a rule stays until its session ends and it is removed.
MOST_WITH_IDLE_TIMEOUT = 5_000


class _Bundle(NamedTuple):
    """What one bundle places and removes, until the switch confirms it."""

    placed: list[tuple[Session, bytes]]
    removed: list[SessionRule]


class SessionRules:
    """Which sessions are to have a rule here, and which are known to have it (``session.rule_at`` is this switch).

    ``deliveries`` maps each real server that can be reached to the actions that lead there.
    """

    def __init__(self, datapath_id: int, balancer: Balancer, deliveries: Mapping[RealServer, bytes]) -> None:
        self._datapath_id = datapath_id
        self.errors = 0
        self._balancer = balancer
        self._deliveries = deliveries
        self._wanted: dict[Session, None] = {}
        self._unwanted: dict[int, SessionRule] = {}
        self._under_way: list[_Bundle] = []

    def want(self, session: Session) -> None:
        """Have the session's rule placed, or placed anew, with the next :meth:`flush`.

        Where the switch is far behind the session goes on without: each of its requests is delivered by hand.
        """
        if len(self._wanted) < MOST_WAITING:
            self._wanted[session] = None
            self._unwanted.pop(session.tag, None)

    def reset(self) -> None:
        """The connection is lost: nothing that is under way will be confirmed, and all of it is done again."""
        bundles, self._under_way = self._under_way, []
        for bundle in bundles:
            self._unwanted.update((rule.tag, rule) for rule in bundle.removed)
            for session, _ in bundle.placed:
                self.want(session)

    def renew(self, sessions: Iterable[Session]) -> None:
        """Place these sessions' rules anew if they are here: the switch may have lost them, or they lead astray."""
        for session in sessions:
            if session.rule_at == self._datapath_id:
                session.rule_at = None
                self.want(session)

    def remove(self, session: Session) -> None:
        """Take the rule of a session that has ended, or whose requests go elsewhere now, off the switch.

        A rule that is to be placed anew replaces it: that session keeps its rule.
        """
        if self._balancer.sessions.by_tag(session.tag) in self._wanted:
            return
        server = session.virtual_server
        self.remove_rule(session.tag, server.packed_address, server.configuration.port)

    def remove_rule(self, tag: int, virtual_address: bytes, port: int) -> None:
        """Take a rule off the switch, whosever it was."""
        self._unwanted[tag] = SessionRule(tag << 16 | COOKIE_MARK, tag, virtual_address, port, 0, b"")

    @property
    def waiting(self) -> int:
        """Rules that the next flushes will place or remove."""
        return len(self._wanted) + len(self._unwanted)

    def flush(self, transactions: Transactions) -> Optional[int]:
        """Send what has come together since the last time; the barrier behind it, or None if there is nothing."""
        if not self.waiting or len(self._under_way) >= MOST_UNDER_WAY:
            return None
        bundle = _Bundle(self._take_wanted(), self._take_unwanted())
        if not bundle.placed and not bundle.removed:
            return None
        timed = len(self._balancer.sessions) <= MOST_WITH_IDLE_TIMEOUT

        def build(xid: int) -> list[bytes]:
            deletions = [rule.flow_mod(xid, wire.OFPFC_DELETE_STRICT) for rule in bundle.removed]
            return deletions + [_addition(xid, session, actions, timed) for session, actions in bundle.placed]

        def conclude(success: bool) -> None:
            self._under_way.remove(bundle)
            if success:
                self._placed(bundle.placed)
            else:
                self.errors += 1
                LOG.warning("The switch refused %d session rules; the sessions go on without", len(bundle.placed))

        self._under_way.append(bundle)
        return transactions.submit(build, conclude)

    def _take_wanted(self) -> list[tuple[Session, bytes]]:
        placed = []
        for session in list(islice(self._wanted, BUNDLE_SIZE)):
            del self._wanted[session]
            actions = self._deliveries.get(session.real)
            if actions is not None and self._lives(session):
                placed.append((session, actions))
            else:
                self.remove(session)  # its rule of before, if it had one
        return placed

    def _take_unwanted(self) -> list[SessionRule]:
        removed = []
        for tag in list(islice(self._unwanted, BUNDLE_SIZE)):
            rule = self._unwanted.pop(tag)
            successor = self._balancer.sessions.by_tag(tag)
            if successor is None or (successor.rule_at != self._datapath_id and successor not in self._wanted):
                removed.append(rule)
        return removed

    def _placed(self, rules: list[tuple[Session, bytes]]) -> None:
        for session, actions in rules:
            if not self._lives(session):
                self.remove(session)
            elif self._deliveries.get(session.real) is not actions:  # the real server, or its place, has changed
                self.want(session)
            else:
                if session.rule_at != self._datapath_id:
                    self._balancer.discard_rule(session)  # it came to another switch before
                session.rule_at = self._datapath_id

    def _lives(self, session: Session) -> bool:
        return self._balancer.sessions.by_tag(session.tag) is session


def _addition(xid: int, session: Session, actions: bytes, timed: bool) -> bytes:
    server = session.virtual_server
    idle = server.idle if timed else 0
    rule = SessionRule(session.cookie, session.tag, server.packed_address, server.configuration.port, idle, actions)
    return rule.flow_mod(xid, wire.OFPFC_ADD)
