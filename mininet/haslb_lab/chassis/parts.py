"""Mininet parts beyond the stock ones: switches whose ports have VLANs, and hosts with routes.

They carry out the parameters of :mod:`haslb_lab.chassis.topology`. With stock Mininet the topology uses these classes
itself; the lab has its own, derived from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from mininet.link import Intf
from mininet.node import Host, OVSSwitch


class RoutingHost(Host):  # type: ignore[misc]
    """A namespace with routes of its own.

    ``routes`` are pairs of network and next hop. With ``forwarding`` it is a router: it forwards packets, sends no ICMP
    redirects, and answers ARP for an address only on that address's interface. ``loopback`` is an address that it holds
    without answering ARP for it (dispatched mode).
    """

    def config(
        self,
        routes: Sequence[tuple[str, str]] = (),
        forwarding: bool = False,
        loopback: Optional[str] = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Configure as Mininet does, then this."""
        result: dict[str, Any] = super().config(**parameters)
        if loopback or forwarding:
            self.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2")
        if loopback:
            self.cmd(f"ip address add {loopback}/32 dev lo")
        if forwarding:
            quiet = " ".join(f"net.ipv4.conf.{each}.send_redirects=0" for each in ("all", *self.intfNames()))
            self.cmd(f"sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 {quiet}")
        for network, next_hop in routes:
            self.cmd(f"ip route add {network} via {next_hop}")
        return result


class VlanSwitch(OVSSwitch):  # type: ignore[misc]
    """An Open vSwitch bridge whose ports may be access ports (``tag``) or trunks (``trunks``, the VLANs allowed)."""

    def intfOpts(self, intf: Intf) -> str:  # noqa: N802 - Mininet's name
        """Mininet's settings of a port, and its VLANs in the same transaction."""
        settings: str = super().intfOpts(intf)
        tag, trunks = intf.params.get("tag"), intf.params.get("trunks")
        if tag:
            settings += f" -- set Port {intf} tag={tag}"
        if trunks:
            settings += f" -- set Port {intf} trunks={','.join(map(str, trunks))}"
        return settings
