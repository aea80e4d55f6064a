"""A virtual server: the address that foreign agents send Registration Requests to."""

from __future__ import annotations

from ipaddress import IPv4Address

from ryu_haslb.configuration.model import VirtualServer as VirtualServerConfiguration
from ryu_haslb.slb.farm import ServerFarm


class VirtualServer:
    """``ip slb vserver NAME`` while the balancer runs.

    ``any_home_agent`` holds the values of a request's home agent field with which any real server may answer.
    """

    def __init__(self, configuration: VirtualServerConfiguration, farm: ServerFarm) -> None:
        self.name = configuration.name
        self.packed_address = configuration.address.packed
        self.any_home_agent = frozenset({b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", self.packed_address})
        self.configure(configuration, farm)

    def configure(self, configuration: VirtualServerConfiguration, farm: ServerFarm) -> None:
        """Apply another configuration of the same name and address; its sessions stay."""
        self.configuration = configuration
        self.idle = configuration.idle
        self.farm = farm

    def permits(self, client: bytes) -> bool:
        """Whether the ``client`` commands permit this address. An exclusion wins over a permission.

        Without any permission, every address that is not excluded is permitted.
        """
        rules = self.configuration.clients
        if not rules:
            return True
        address = IPv4Address(client)
        matching = [rule for rule in rules if address in rule.network]
        if any(rule.exclude for rule in matching):
            return False
        return bool(matching) or all(rule.exclude for rule in rules)
