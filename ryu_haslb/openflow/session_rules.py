"""The session rules of one switch: one for each session, sent in bundles behind the first request."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import islice

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session

LOG = logging.getLogger(__name__)

#: Rules in one bundle at most, so that no switch is busy with one for long.
BUNDLE_SIZE = 1000
#: Bundles that the switch has not confirmed yet; rules that come meanwhile wait for them.
MOST_UNDER_WAY = 2
MOST_WAITING = 200_000


class SessionRules:
    """Which sessions are to have a rule here, and which are known to have it (``session.rule_on is self``).

    ``deliveries`` maps each real server that can be reached to the actions that lead there.
    """

    def __init__(self, balancer: Balancer, deliveries: Mapping[RealServer, bytes]) -> None:
        self.errors = 0
        self._balancer = balancer
        self._deliveries = deliveries
        self._wanted: dict[Session, None] = {}
        self._unwanted: dict[Session, None] = {}
        self._under_way = 0

    def want(self, session: Session) -> None:
        """Have the session's rule placed, or placed anew, with the next :meth:`flush`.

        Where the switch is far behind the session goes on without: each of its requests is delivered by hand.
        """
        if len(self._wanted) < MOST_WAITING:
            self._wanted[session] = None

    def reset(self) -> None:
        """The connection is lost: nothing that is under way will be confirmed."""
        self._under_way = 0

    def renew(self, sessions: Iterable[Session]) -> None:
        """Place these sessions' rules anew if they are here: the switch may have lost them, or they lead astray."""
        for session in sessions:
            if session.rule_on is self:
                session.rule_on = None
                self.want(session)

    def remove(self, session: Session) -> None:
        """Take the rule of a session that is over off the switch."""
        self._unwanted[session] = None

    @property
    def waiting(self) -> int:
        """Rules that the next flushes will place or remove."""
        return len(self._wanted) + len(self._unwanted)

    def flush(self, transactions: Transactions) -> None:
        """Send what has come together since the last time."""
        if self._under_way >= MOST_UNDER_WAY:
            return
        removals = []
        for session in list(islice(self._unwanted, BUNDLE_SIZE)):
            del self._unwanted[session]
            if self._balancer.session_of_tag(session.tag) is None:
                removals.append(session)
        placed: list[tuple[Session, bytes]] = []
        for session in list(islice(self._wanted, BUNDLE_SIZE)):
            del self._wanted[session]
            actions = self._deliveries.get(session.real)
            if actions is not None and self._balancer.session_of_tag(session.tag) is session:
                placed.append((session, actions))
        if not placed and not removals:
            return

        def build(xid: int) -> list[bytes]:
            deletions = [self._rule(xid, wire.FLOW_DELETE_STRICT, session, b"") for session in removals]
            return deletions + [self._rule(xid, wire.FLOW_ADD, session, actions) for session, actions in placed]

        def conclude(success: bool) -> None:
            self._under_way -= 1
            if not success:
                self.errors += 1
                LOG.warning("The switch refused %d session rules; the sessions go on without", len(placed))
                return
            for session, actions in placed:
                if self._deliveries.get(session.real) is actions:
                    session.rule_on = self
                else:  # the real server, or its place, has changed meanwhile
                    self.want(session)

        self._under_way += 1
        transactions.submit(build, conclude)

    @staticmethod
    def _rule(xid: int, command: int, session: Session, actions: bytes) -> bytes:
        server = session.virtual_server
        port = server.configuration.port
        rule = wire.SessionRule(session.cookie, session.tag, server.packed_address, port, server.idle, actions)
        return rule.flow_mod(xid, command)
