"""Which traffic a crypto map protects, and by which security association."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple, Optional

from ryu_haslb.ipsec.translation import Translation


class Protection(NamedTuple):
    """Traffic between two networks that the security association named ``association`` has to carry to ``peer``."""

    association: str
    peer: IPv4Address
    local: IPv4Network
    remote: IPv4Network


class ProtectedTraffic:
    """All that a translation protects."""

    def __init__(self, translation: Translation) -> None:
        self.peers = frozenset(tunnel.peer for tunnel in translation.tunnels)
        self._protections = tuple(
            Protection(pair.name, tunnel.peer, pair.local, pair.remote)
            for tunnel in translation.tunnels
            for pair in tunnel.protected
        )

    def __iter__(self) -> Iterator[Protection]:
        return iter(self._protections)

    def leaving(self, source: IPv4Address, destination: IPv4Address) -> Optional[Protection]:
        """What protects a packet on its way out."""
        return self._between(source, destination)

    def arriving(self, source: IPv4Address, destination: IPv4Address) -> Optional[Protection]:
        """What must have protected a packet on its way in."""
        return self._between(destination, source)

    def holds(self, destination: IPv4Address) -> bool:
        """Whether an address is on our side of an access list, whatever is on the other."""
        return any(destination in each.local for each in self._protections)

    def _between(self, local: IPv4Address, remote: IPv4Address) -> Optional[Protection]:
        return next((each for each in self._protections if local in each.local and remote in each.remote), None)
