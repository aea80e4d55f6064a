"""Which real servers the session rules of one switch lead to. Pure.

A rule does not name its real server. It leads to the one for which the balancer would write a rule with the same
virtual address and the same actions; these are known once the real server has been found by ARP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from ryu_haslb.openflow.recovery.session_view import RuleTarget, without_chassis
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.virtual_server import VirtualServer

#: Seconds for which a rule of a virtual server that is not in service waits.
UNSERVED_TIMEOUT = 10.0

#: The virtual server and the real server of a rule.
Found = tuple[VirtualServer, RealServer]


class Destinations:
    """The virtual servers in service, and those of their real servers that have been found."""

    def __init__(self) -> None:
        self._servers: Mapping[bytes, VirtualServer] = {}
        self._found: dict[tuple[bytes, bytes], Found] = {}
        self._reals: set[RealServer] = set()

    def locate(self, servers: Mapping[bytes, VirtualServer], actions: Mapping[RealServer, bytes]) -> None:
        """Real servers have been found or lost: ``actions`` leads to each, or to where it was.

        ``servers`` are those in service by address.
        """
        self._servers = servers
        self._found = {
            (server.packed_address, without_chassis(actions[real])): (server, real)
            for server in servers.values()
            for real in server.farm.reals
            if real in actions
        }
        self._reals = {real for _, real in self._found.values()}

    def server_of(self, target: RuleTarget) -> Optional[VirtualServer]:
        """The virtual server of a rule; None if it is not in service."""
        return self._servers.get(target.virtual_address)

    def find(self, target: RuleTarget) -> Optional[Found]:
        """The virtual server of a rule, and the real server that it leads to; None if that has not been found."""
        return self._found.get(target.key)

    def real_of(self, virtual_address: bytes, actions: bytes) -> Optional[RealServer]:
        """The real server that a rule with these actions leads to; None if that has not been found."""
        found = self._found.get((virtual_address, without_chassis(actions)))
        return None if found is None else found[1]

    def have_all(self, reals: Iterable[RealServer]) -> bool:
        """Whether all these real servers have been found."""
        return self._reals.issuperset(reals)

    def timeout_of(self, target: RuleTarget) -> float:
        """Seconds for which a rule waits: the idle time of its virtual server, as long as its session could live."""
        server = self.server_of(target)
        return UNSERVED_TIMEOUT if server is None else server.idle
