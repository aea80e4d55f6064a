"""A virtual server: the address that foreign agents register at, and the sessions of its mobiles."""

from __future__ import annotations

from ipaddress import IPv4Address

from ryu_haslb.configuration.model import VirtualServer as VirtualServerConfiguration
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.session import Session


class VirtualServer:
    """``ip slb vserver NAME`` while the balancer runs.

    ``any_home_agent`` holds what a request's home agent field says when any real server will do.
    """

    def __init__(self, configuration: VirtualServerConfiguration, farm: ServerFarm) -> None:
        self.name = configuration.name
        self.packed_address = configuration.address.packed
        self.any_home_agent = frozenset({b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", self.packed_address})
        self.sessions: dict[bytes, Session] = {}
        self.configure(configuration, farm)

    def configure(self, configuration: VirtualServerConfiguration, farm: ServerFarm) -> None:
        """Go by another configuration of the same name and address; sessions stay."""
        self.configuration = configuration
        self.idle = configuration.idle
        self.farm = farm

    def allows(self, client: bytes) -> bool:
        """Whether the ``client`` commands let this address in: an exclusion wins, no permission means everybody."""
        rules = self.configuration.clients
        if not rules:
            return True
        address = IPv4Address(client)
        matching = [rule for rule in rules if address in rule.network]
        if any(rule.exclude for rule in matching):
            return False
        return bool(matching) or all(rule.exclude for rule in rules)
