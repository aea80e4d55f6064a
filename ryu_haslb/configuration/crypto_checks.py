"""Checks of IPsec that concern several commands: references of crypto maps, and the ports of the IPsec module."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from ryu_haslb.configuration.crypto_draft import AccessListDraft, CryptoDraft, MapDraft
from ryu_haslb.configuration.crypto_model import AccessListName, Authentication, protected
from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.model import Port
from ryu_haslb.configuration.outside_ports import module_pairs
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import did_you_mean, listed, quoted


def check_crypto(draft: Draft, diagnostics: Diagnostics) -> None:
    """Record all errors and warnings about IPsec."""
    used = list(_used_maps(draft))
    used_names, names = {name for _, _, name, _ in used}, {name for name, _ in draft.crypto.maps}
    entries = _EntryChecks(draft.crypto, diagnostics)
    for entry in draft.crypto.maps.values():
        name = entry.entry.name
        if name in used_names:
            entries.check(entry)
        else:
            what = f"crypto map {name} {entry.entry.sequence}"
            diagnostics.warning(entry.line, f"{what} is not in use; expected 'crypto map {name}' under an interface")
    for line, interface, name, has_address in used:
        if not has_address:
            diagnostics.error(line, f"{interface} has a crypto map and no address; expected 'ip address A.B.C.D MASK'")
        if name not in names:
            diagnostics.error(
                line,
                f"there is no crypto map {name}; expected the name of a 'crypto map NAME SEQUENCE ipsec-isakmp'"
                + did_you_mean(name, names),
            )
    _check_policies(used, draft.crypto, diagnostics)
    _check_connections(draft, diagnostics)


def _used_maps(draft: Draft) -> Iterator[tuple[int, str, str, bool]]:
    """For each crypto map in use: line, interface, name, and whether the interface has an address."""
    for vlan in draft.vlans.values():
        if vlan.crypto_map is not None:
            yield vlan.crypto_map_line, f"interface Vlan{vlan.vlan}", vlan.crypto_map, vlan.interface is not None
    for port in draft.ports.values():
        if port.port.crypto_map is not None:
            place = f"interface {port.port.name}"
            yield port.line_of("crypto_map"), place, port.port.crypto_map, port.port.address is not None


class _EntryChecks:
    """Checks the entries of crypto maps. An access list that many entries share is checked once."""

    def __init__(self, crypto: CryptoDraft, diagnostics: Diagnostics) -> None:
        self._crypto = crypto
        self._diagnostics = diagnostics
        self._key_lengths = {network.prefixlen for network in crypto.keys}
        self._complaints: dict[AccessListName, str] = {}

    def check(self, draft: MapDraft) -> None:
        """Record the errors and warnings of an entry."""
        entry, error = draft.entry, self._diagnostics.error
        what = f"crypto map {entry.name} {entry.sequence}"
        if not entry.peers:
            error(draft.line, f"{what} has no peer; expected 'set peer A.B.C.D'")
        if len(entry.peers) > 1:
            line = draft.line_of("peers")
            self._diagnostics.warning(line, f"{what}: only the first peer, {entry.peers[0]}, is used")
        for peer in entry.peers[:1]:
            if not any(IPv4Network((peer, length), strict=False) in self._crypto.keys for length in self._key_lengths):
                line = draft.line_of("peers")
                error(line, f"{what}: peer {peer} has no key; expected 'crypto isakmp key KEY address {peer}'")
        if not entry.transform_sets:
            error(draft.line, f"{what} has no transform set; expected 'set transform-set NAME'")
        for name in entry.transform_sets:
            if name not in self._crypto.transform_sets:
                error(
                    draft.line_of("transform_sets"),
                    f"there is no transform set {name}; expected the name of a 'crypto ipsec transform-set'"
                    + did_you_mean(name, self._crypto.transform_sets),
                )
        self._check_access_list(what, draft)

    def _check_access_list(self, what: str, draft: MapDraft) -> None:
        number, line, error = draft.entry.access_list, draft.line_of("access_list"), self._diagnostics.error
        access_list = self._crypto.access_lists.get(number) if number is not None else None
        if number is None:
            error(line, f"{what} protects nothing; expected 'match address' and the number or name of an access list")
        elif access_list is None:
            expected = f"access-list {number} permit ip ..."
            if isinstance(number, str):
                expected = f"ip access-list extended {number}"
            error(line, f"there is no access list {number}; expected '{expected}'")
        elif access_list.beyond_ip:
            for place, rule in access_list.beyond_ip.items():
                error(
                    place,
                    f"{what} cannot match {quoted(rule)}: only addresses select traffic for IPsec; "
                    "expected 'permit ip' or 'deny ip' and two addresses",
                )
        else:
            if number not in self._complaints:
                self._complaints[number] = _complaint(access_list)
            if self._complaints[number]:
                error(line, f"{what}: access list {number} {self._complaints[number]}")


def _complaint(access_list: AccessListDraft) -> str:
    """Why a crypto map cannot match an access list, and what was expected; empty if it can."""
    try:
        return "" if protected(access_list.rules) else "permits nothing; expected a 'permit ip' in it"
    except ValueError as error:
        return f"cannot be used: {error}; expected fewer rules"


def _check_policies(used: list[tuple[int, str, str, bool]], crypto: CryptoDraft, diagnostics: Diagnostics) -> None:
    policies = [draft.policy for draft in crypto.policies.values()]
    if used and not any(policy.authentication is Authentication.PRE_SHARE for policy in policies):
        line, interface, name, _ = used[0]
        diagnostics.error(
            line,
            f"crypto map {name} of {interface} has no authentication; expected a 'crypto isakmp policy' with "
            "'authentication pre-share'",
        )
    for draft in crypto.policies.values():
        if draft.policy.authentication is not Authentication.PRE_SHARE:
            diagnostics.warning(
                draft.line,
                f"isakmp policy {draft.policy.priority} has authentication {draft.policy.authentication.value}, which "
                "is not implemented, and is ignored; expected 'authentication pre-share'",
            )


def _check_connections(draft: Draft, diagnostics: Diagnostics) -> None:
    """``crypto connect vlan N`` needs an interface VlanN with a crypto map, and an IPsec module."""
    ports = [each.port for each in draft.ports.values()]
    pairs_of: dict[int, list[tuple[Port, Port]]] = {}
    for port in draft.ports.values():
        vlan = port.port.crypto_connect_vlan
        if vlan is None:
            continue
        line, what = port.line_of("crypto_connect_vlan"), f"interface {port.port.name}: crypto connect vlan {vlan}"
        inside = draft.vlans.get(vlan)
        if inside is None:
            diagnostics.error(line, f"{what}, but there is no interface Vlan{vlan}; expected 'interface Vlan{vlan}'")
        elif inside.crypto_map is None:
            diagnostics.warning(line, f"{what}, but interface Vlan{vlan} has no crypto map: no traffic is protected")
        pairs = pairs_of[vlan] = pairs_of.get(vlan) or module_pairs(ports, vlan)
        if not pairs:
            diagnostics.error(
                line,
                f"{what}, but there is no IPsec module: expected two neighbouring trunk ports of one slot, the inside "
                f"one with VLAN {vlan} among its 'switchport trunk allowed vlan', the outside one with another in "
                "its place",
            )
        elif len(pairs) > 1:
            names = listed(f"{inside.name} and {outside.name}" for inside, outside in pairs)
            diagnostics.error(
                line, f"{what}: several pairs of trunk ports may be the IPsec module; expected one, not {names}"
            )
