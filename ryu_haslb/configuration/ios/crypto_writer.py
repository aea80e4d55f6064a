"""Writes the crypto commands as ``show running-config`` does. As on IOS, pre-shared keys are in plain text."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from ryu_haslb.configuration.crypto_model import Crypto, CryptoMapEntry, IsakmpPolicy, Lifetime


def crypto_commands(crypto: Crypto) -> Iterator[str]:
    """All commands except the access lists, which IOS prints last."""
    for policy in crypto.policies:
        yield from _policy(policy)
    if crypto.keys or crypto.keepalive is not None:
        for key in crypto.keys:
            kind = "0 " if key.key in ("0", "6") else ""  # a key "0" or "6" would be read as the type
            mask = f" {key.network.netmask}" if key.network.prefixlen < 32 else ""
            yield f"crypto isakmp key {kind}{key.key} address {key.network.network_address}{mask}"
        if crypto.keepalive is not None:
            yield f"crypto isakmp keepalive {crypto.keepalive}"
        yield "!"
    for name, default in (("seconds", Lifetime.seconds), ("kilobytes", Lifetime.kilobytes)):
        value = getattr(crypto.lifetime, name)
        if value != default:
            yield f"crypto ipsec security-association lifetime {name} {value}"
    for transform_set in crypto.transform_sets:
        yield f"crypto ipsec transform-set {transform_set.name} {' '.join(transform_set.transforms)}"
        if transform_set.transport:
            yield " mode transport"
        yield "!"
    for entry in crypto.maps:
        yield from _map_entry(entry)
        yield "!"


def access_lists(crypto: Crypto) -> Iterator[str]:
    """The rules of every access list."""
    for name, rules in crypto.access_lists:
        if isinstance(name, str):
            yield f"ip access-list extended {name}"
        for rule in rules:
            permission = "permit" if rule.permit else "deny"
            beginning = "" if isinstance(name, str) else f"access-list {name}"
            yield f"{beginning} {permission} ip {_addresses(rule.source)} {_addresses(rule.destination)}"
        if isinstance(name, str):
            yield "!"


def _policy(policy: IsakmpPolicy) -> Iterator[str]:
    yield f"crypto isakmp policy {policy.priority}"
    if policy.encryption != IsakmpPolicy.encryption:
        yield f" encryption {policy.encryption}"
    if policy.hash != IsakmpPolicy.hash:
        yield f" hash {policy.hash}"
    if policy.authentication is not IsakmpPolicy.authentication:
        yield f" authentication {policy.authentication.value}"
    if policy.group != IsakmpPolicy.group:
        yield f" group {policy.group}"
    if policy.lifetime != IsakmpPolicy.lifetime:
        yield f" lifetime {policy.lifetime}"
    yield "!"


def _map_entry(entry: CryptoMapEntry) -> Iterator[str]:
    yield f"crypto map {entry.name} {entry.sequence} ipsec-isakmp"
    for peer in entry.peers:
        yield f" set peer {peer}"
    if entry.seconds is not None:
        yield f" set security-association lifetime seconds {entry.seconds}"
    if entry.kilobytes is not None:
        yield f" set security-association lifetime kilobytes {entry.kilobytes}"
    if entry.transform_sets:
        yield f" set transform-set {' '.join(entry.transform_sets)}"
    if entry.pfs is not None:
        yield f" set pfs group{entry.pfs}"
    if entry.access_list is not None:
        yield f" match address {entry.access_list}"


def _addresses(network: IPv4Network) -> str:
    if network.prefixlen == 32:
        return f"host {network.network_address}"
    return f"{network.network_address} {network.hostmask}" if network.prefixlen else "any"
