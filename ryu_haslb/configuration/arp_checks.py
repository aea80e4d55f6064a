"""Checks of static ARP entries against real servers, routes and VLAN interfaces."""

from __future__ import annotations

from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.model import StaticArp, next_hop_of
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.values import VLAN_KIND


def check_arp(draft: Draft, diagnostics: Diagnostics) -> None:
    """Record an error for each entry in a VLAN that does not hold its address, and a warning for one without effect."""
    interfaces = [interface for interface in (vlan.finished() for vlan in draft.vlans.values()) if interface]
    reals = {entry.real.address for farm in draft.farms.values() for entry in farm.reals.values()}
    next_hops = {next_hop_of(interfaces, draft.routes, address) for address in reals}
    for entry in draft.arp.values():
        line = draft.arp_lines[entry.address]
        if entry.address not in next_hops:
            diagnostics.warning(
                line,
                f"arp {entry.address} is the address of no real server and of no next hop to one; the entry is ignored",
            )
        elif _names_vlan(entry):
            vlan = int(entry.interface[1]) if entry.interface is not None else 0
            if not any(vlan == each.vlan and any(entry.address in net for net in each.networks) for each in interfaces):
                diagnostics.error(
                    line,
                    f"arp {entry.address} is in no network of interface Vlan{vlan}; expected the VLAN whose "
                    "'ip address' holds it, or a port such as FastEthernet3/15",
                )


def _names_vlan(entry: StaticArp) -> bool:
    return entry.interface is not None and entry.interface[0] == VLAN_KIND
