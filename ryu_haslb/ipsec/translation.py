"""Translates the crypto commands of IOS into messages for strongSwan's charon (vici ``load-conn``, ``load-shared``).

An algorithm that current packages do not have is replaced by its successor. Each such decision is noted for the
operator; ``docs/ipsec.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ryu_haslb.configuration.crypto_model import (
    Authentication,
    Crypto,
    CryptoMapEntry,
    IsakmpPolicy,
    TransformSet,
    protected,
)
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.errors import HaslbError
from ryu_haslb.ipsec.proposals import Note, esp_proposal, ike_proposal
from ryu_haslb.language.wording import listed

#: Remaining lifetime of a security association, in seconds, at which IOS negotiates a new one.
REKEY_MARGIN = 30
#: Remaining bytes of a security association at which IOS negotiates a new one.
REKEY_MARGIN_BYTES = 256 * 1024
#: Seconds between keepalives to a silent peer without ``crypto isakmp keepalive``. IOS would send none, and would send
#: traffic to a restarted peer in vain until the lifetime is over.
KEEPALIVE_INTERVAL = 2
#: Keepalives without an answer after which the peer is considered dead.
MAX_MISSED_KEEPALIVES = 5


@dataclass(frozen=True)
class Protected:
    """A pair of networks whose traffic has a pair of security associations of its own.

    ``name`` is the name of the pair in charon; ``kilobytes`` is the volume after which it is renegotiated.
    """

    name: str
    local: IPv4Network
    remote: IPv4Network
    kilobytes: int


@dataclass(frozen=True)
class Tunnel:
    """The protected pairs of networks behind one peer of a crypto map.

    ``connection`` and ``secret`` are the messages for vici's load-conn and load-shared.
    """

    name: str
    crypto_map: str
    peer: IPv4Address
    protected: tuple[Protected, ...]
    connection: dict[str, Any]
    secret: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Translation:
    """The tunnels of an interface with a crypto map; ``local`` is its address, ``notes`` are for the operator."""

    interface: str
    local: IPv4Address
    tunnels: tuple[Tunnel, ...]
    notes: tuple[str, ...]


class TranslationError(HaslbError):
    """An interface without a crypto map; the text names the interfaces that have one."""


def translate(configuration: Configuration, interface: str) -> Translation:
    """Translate the crypto map of an interface such as ``Vlan15`` or ``FastEthernet1/0``.

    The configuration has passed the reader's checks.

    :raises TranslationError: the interface has no crypto map.
    """
    secured = secured_interfaces(configuration)
    if interface not in secured:
        known = listed(secured) or "'crypto map NAME' under it"
        raise TranslationError(f"interface {interface} has no crypto map; expected {known}")
    local, name = secured[interface]
    notes: dict[str, None] = {}
    note = notes.setdefault
    tunnels = tuple(
        _tunnel(configuration.crypto, entries, local, note)
        for entries in _by_peer(configuration.crypto.entries_of(name))
    )
    return Translation(interface, local, tunnels, tuple(notes))


def _by_peer(entries: Iterable[CryptoMapEntry]) -> Iterable[list[CryptoMapEntry]]:
    """The entries, grouped by peer: charon finds only the first of several connections with one peer."""
    groups: dict[IPv4Address, list[CryptoMapEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.peers[0], []).append(entry)
    return groups.values()


def secured_interfaces(configuration: Configuration) -> dict[str, tuple[IPv4Address, str]]:
    """The interfaces with a crypto map, and for each its address and the name of the map."""
    vlans = {f"Vlan{vlan.vlan}": (vlan.address, vlan.crypto_map) for vlan in configuration.vlan_interfaces}
    ports = {port.name: (port.address.ip, port.crypto_map) for port in configuration.ports if port.address is not None}
    return {name: (address, used) for name, (address, used) in {**vlans, **ports}.items() if used is not None}


def _tunnel(crypto: Crypto, entries: Sequence[CryptoMapEntry], local: IPv4Address, note: Note) -> Tunnel:
    first = entries[0]
    peer, name = first.peers[0], f"{first.name}-{first.sequence}"
    pairs: list[Protected] = []
    children: dict[str, dict[str, Any]] = {}
    for entry in entries:
        common = _child(crypto, entry, note)
        of_entry = list(_protected(crypto, entry))
        _note_transport(_transform_sets(crypto, entry), of_entry, (local, peer), note)
        for pair in of_entry:
            pairs.append(pair)
            children[pair.name] = {**common, "local_ts": [str(pair.local)], "remote_ts": [str(pair.remote)]}
    keepalive = crypto.keepalive or KEEPALIVE_INTERVAL
    lifetime = min(policy.lifetime for policy in _usable(crypto))
    connection = {
        "version": "1",
        "local_addrs": [str(local)],
        "remote_addrs": [str(peer)],
        "proposals": [ike_proposal(policy, note) for policy in _usable(crypto)],
        "encap": "yes",  # ESP in UDP: userspace ESP has no other, and the kernel has it, too
        "keyingtries": "1",
        "unique": "replace",
        "rekey_time": f"{lifetime - REKEY_MARGIN}s",
        "over_time": f"{REKEY_MARGIN}s",
        "rand_time": "0s",
        "dpd_delay": f"{keepalive}s",
        "dpd_timeout": f"{keepalive * MAX_MISSED_KEEPALIVES}s",
        "local": {"auth": "psk", "id": str(local)},
        "remote": {"auth": "psk", "id": str(peer)},
        "children": children,
    }
    key = crypto.key_of(peer)
    assert key is not None  # the reader has checked that each peer has a key
    secret = {"id": name, "type": "IKE", "data": key, "owners": [str(local), str(peer)]}
    return Tunnel(name, first.name, peer, tuple(pairs), {name: connection}, secret)


def _protected(crypto: Crypto, entry: CryptoMapEntry) -> Iterable[Protected]:
    kilobytes = entry.kilobytes or crypto.lifetime.kilobytes
    for number, (local, remote) in enumerate(protected(crypto.rules_of(entry.access_list)), 1):
        yield Protected(f"{entry.name}-{entry.sequence}-{number}", local, remote, kilobytes)


def _usable(crypto: Crypto) -> list[IsakmpPolicy]:
    return [policy for policy in crypto.policies if policy.authentication is Authentication.PRE_SHARE]


def _child(crypto: Crypto, entry: CryptoMapEntry, note: Note) -> dict[str, Any]:
    """The settings that all security associations of an entry have in common."""
    proposals = [esp_proposal(each, entry.pfs, note) for each in _transform_sets(crypto, entry)]
    seconds = entry.seconds or crypto.lifetime.seconds
    life_bytes = (entry.kilobytes or crypto.lifetime.kilobytes) * 1024
    return {
        "mode": "tunnel",
        "esp_proposals": list(dict.fromkeys(proposals)),
        "rekey_time": f"{seconds - REKEY_MARGIN}s",
        "life_time": f"{seconds}s",
        "rand_time": "0s",
        "rekey_bytes": str(life_bytes - REKEY_MARGIN_BYTES),
        "life_bytes": str(life_bytes),
        "rand_bytes": "0",
        "start_action": "none",  # as on IOS: negotiation starts with the first traffic to protect
        "close_action": "none",
        "dpd_action": "clear",
    }


def _transform_sets(crypto: Crypto, entry: CryptoMapEntry) -> list[TransformSet]:
    return [found for found in map(crypto.transform_set, entry.transform_sets) if found is not None]


def _note_transport(
    sets: Iterable[TransformSet], pairs: Iterable[Protected], ends: tuple[IPv4Address, IPv4Address], note: Note
) -> None:
    """Note the transform sets of transport mode: IOS uses it only between the peers, and userspace ESP not at all."""
    among_peers = all((pair.local, pair.remote) == tuple(map(IPv4Network, ends)) for pair in pairs)
    why = "userspace ESP has no other" if among_peers else "the protected addresses are not the peers'"
    for each in sets:
        if each.transport:
            note(f"transform set {each.name}: mode transport -> tunnel: {why}")
