"""Checks that concern several commands: references between them, and combinations that cannot work."""

from __future__ import annotations

from ipaddress import IPv4Address

from ryu_haslb.configuration.arp_checks import check_arp
from ryu_haslb.configuration.crypto_checks import check_crypto
from ryu_haslb.configuration.draft import Draft, FarmDraft, VirtualServerDraft
from ryu_haslb.configuration.model import Configuration, next_hop_of
from ryu_haslb.configuration.probe_checks import check_probes
from ryu_haslb.configuration.sense_checks import check_sense
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import did_you_mean
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT


def finish(draft: Draft, diagnostics: Diagnostics) -> Configuration:
    """Check the draft as a whole and return its configuration.

    Raises ConfigurationError with all errors, those of the reader included.
    """
    _remove_other_services(draft)
    for farm in draft.farms.values():
        _check_farm(farm, diagnostics)
    taken: dict[IPv4Address, VirtualServerDraft] = {}
    for server in draft.virtual_servers.values():
        _check_virtual_server(server, draft, diagnostics)
        if server.in_service and server.address is not None:
            other = taken.setdefault(server.address, server)
            if other is not server:
                diagnostics.error(
                    server.address_line,
                    f"virtual server {server.name} has the same address as {other.name}, {server.address} udp "
                    f"{MOBILE_IP_PORT}; expected another address, or 'no inservice' in one of them",
                )
    _check_adjacency(draft, diagnostics)
    check_arp(draft, diagnostics)
    check_probes(draft, diagnostics)
    check_sense(draft, diagnostics)
    check_crypto(draft, diagnostics)
    for vlan in draft.vlans.values():
        if vlan.interface is None:
            diagnostics.warning(vlan.line, f"interface Vlan{vlan.vlan} has no ip address and is ignored")
    diagnostics.stop_on_errors()
    return draft.finished()


def _remove_other_services(draft: Draft) -> None:
    """Leave out virtual servers of other services, and the farms that only they have. The reader has warned of them."""
    others = {name: server for name, server in draft.virtual_servers.items() if server.other_service is not None}
    for name in others:
        del draft.virtual_servers[name]
    kept = {server.farm for server in draft.virtual_servers.values()}
    for server in others.values():
        if server.farm is not None and server.farm not in kept:
            draft.farms.pop(server.farm, None)


def _check_farm(farm: FarmDraft, diagnostics: Diagnostics) -> None:
    if not farm.reals:
        diagnostics.warning(farm.line, f"farm {farm.name} has no real server; expected 'real A.B.C.D'")
    elif not any(entry.real.in_service for entry in farm.reals.values()):
        diagnostics.warning(
            farm.line, f"farm {farm.name} has no real server in service; expected 'inservice' in one of its reals"
        )
    for entry in farm.reals.values():
        if entry.real.port == MOBILE_IP_PORT and (entry.real.address, None) in farm.reals:
            diagnostics.warning(
                entry.line,
                f"real {entry.real.address} is in {farm.name} with port {MOBILE_IP_PORT} and without a port; they "
                "are the same real server, and only the last one is used",
            )
        if not farm.nat_server and entry.real.port not in (None, MOBILE_IP_PORT):
            diagnostics.error(
                entry.line,
                f"real {entry.real.address} has port {entry.real.port}, but dispatched mode does not rewrite the port; "
                f"expected {MOBILE_IP_PORT}, or 'nat server' in farm {farm.name}",
            )


def _check_adjacency(draft: Draft, diagnostics: Diagnostics) -> None:
    """Dispatched mode rewrites Ethernet addresses only, so a router in between would send the request back."""
    interfaces = [interface for interface in (vlan.finished() for vlan in draft.vlans.values()) if interface]
    for farm in draft.farms.values():
        for entry in farm.reals.values():
            next_hop = next_hop_of(interfaces, draft.routes, entry.real.address)
            if not farm.nat_server and not entry.real.locations and next_hop != entry.real.address:
                diagnostics.error(
                    entry.line,
                    f"real {entry.real.address} is behind the router {next_hop}, and dispatched mode cannot cross a "
                    f"router; expected 'nat server' in farm {farm.name}, or a real in a network of an 'interface Vlan'",
                )


def _check_virtual_server(server: VirtualServerDraft, draft: Draft, diagnostics: Diagnostics) -> None:
    if server.address is None:
        diagnostics.error(
            server.line,
            f"virtual server {server.name} has no address; "
            f"expected 'virtual A.B.C.D udp {MOBILE_IP_PORT} service ipmobile'",
        )
    if not server.in_service:
        diagnostics.warning(server.line, f"virtual server {server.name} is not in service; expected 'inservice'")
    if server.farm is None:
        diagnostics.error(server.line, f"virtual server {server.name} has no farm; expected 'serverfarm NAME'")
    elif server.farm not in draft.farms:
        diagnostics.error(
            server.farm_line,
            f"there is no farm {server.farm}; expected the name of an 'ip slb serverfarm'"
            + did_you_mean(server.farm, draft.farms),
        )
    elif server.address is not None:
        _check_reals_differ(server, server.address, draft.farms[server.farm], diagnostics)


def _check_reals_differ(
    server: VirtualServerDraft, address: IPv4Address, farm: FarmDraft, diagnostics: Diagnostics
) -> None:
    for entry in farm.reals.values():
        if entry.real.address == address:
            diagnostics.error(
                entry.line,
                f"real {address} of farm {farm.name} has the address of its virtual server {server.name}; "
                "expected the home agent's own address",
            )
