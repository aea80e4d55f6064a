"""The crypto commands of a configuration as plain, immutable data. Defaults are those of IOS."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Optional, Union

#: Pairs of networks that one entry of a crypto map may protect: each pair has its own security associations.
MAX_SELECTORS = 64
#: Rules of an access list that a crypto map may match.
MAX_RULES = 1000


#: The words of IOS for the ciphers of ESP, each with its key length where it has one.
CIPHERS = tuple(f"esp-{name}" for name in ("des", "3des", "aes", "aes 128", "aes 192", "aes 256", "null"))
#: The words of IOS for the hashes of IKE.
HASHES = ("md5", "sha", "sha256", "sha384", "sha512")
#: The words of IOS for the authentication of AH and ESP.
AUTHENTICATIONS = tuple(f"{protocol}-{name}-hmac" for protocol in ("ah", "esp") for name in HASHES)
COMPRESSION = "comp-lzs"
#: Diffie-Hellman groups: RFC 2409 (1, 2), RFC 3526 (5 to 16), RFC 5903 (19 to 21), RFC 5114 (24).
GROUPS = (1, 2, 5, 14, 15, 16, 19, 20, 21, 24)


class Authentication(Enum):
    """How the peers of an ISAKMP policy authenticate each other. Only pre-shared keys are implemented."""

    PRE_SHARE = "pre-share"
    RSA_SIGNATURES = "rsa-sig"
    RSA_ENCRYPTION = "rsa-encr"


@dataclass(frozen=True)
class IsakmpPolicy:
    """``crypto isakmp policy N``: a proposal for the ISAKMP security association, by which the peers negotiate.

    ``encryption`` and ``hash`` are in the words of IOS (``aes 256``, ``sha``), ``group`` is a Diffie-Hellman group of
    RFC 2409, 3526 or 5903, ``lifetime`` is in seconds.
    """

    priority: int
    authentication: Authentication = Authentication.RSA_SIGNATURES
    encryption: str = "des"
    hash: str = "sha"
    group: int = 1
    lifetime: int = 86400


@dataclass(frozen=True)
class PresharedKey:
    """``crypto isakmp key KEY address A.B.C.D [MASK]``: the key of every peer in a network."""

    key: str = field(repr=False)
    network: IPv4Network


@dataclass(frozen=True)
class TransformSet:
    """``crypto ipsec transform-set NAME ...``; ``transforms`` in the words of IOS, such as ``esp-aes 256``."""

    name: str
    transforms: tuple[str, ...]
    transport: bool = False


@dataclass(frozen=True)
class Lifetime:
    """The lifetime of a security association of IPsec, in seconds and in kilobytes of traffic."""

    seconds: int = 3600
    kilobytes: int = 4608000


#: An extended access list: its number, or its name.
AccessListName = Union[int, str]


@dataclass(frozen=True)
class CryptoMapEntry:
    """``crypto map NAME SEQUENCE ipsec-isakmp``: which traffic is protected, with which peer and how.

    ``pfs`` is a Diffie-Hellman group; None in ``seconds`` and ``kilobytes`` is the global lifetime.
    """

    name: str
    sequence: int
    peers: tuple[IPv4Address, ...] = ()
    transform_sets: tuple[str, ...] = ()
    access_list: Optional[AccessListName] = None
    pfs: Optional[int] = None
    seconds: Optional[int] = None
    kilobytes: Optional[int] = None


@dataclass(frozen=True)
class AccessRule:
    """``access-list N permit|deny ip SOURCE DESTINATION``."""

    permit: bool
    source: IPv4Network
    destination: IPv4Network


@dataclass(frozen=True)
class Crypto:
    """All crypto commands: policies by priority, map entries by name and sequence, access lists by number.

    ``keepalive`` is the seconds of silence before dead peer detection asks a peer; None: the default.
    """

    policies: tuple[IsakmpPolicy, ...] = ()
    keys: tuple[PresharedKey, ...] = ()
    transform_sets: tuple[TransformSet, ...] = ()
    lifetime: Lifetime = Lifetime()
    maps: tuple[CryptoMapEntry, ...] = ()
    access_lists: tuple[tuple[AccessListName, tuple[AccessRule, ...]], ...] = ()
    keepalive: Optional[int] = None

    def key_of(self, peer: IPv4Address) -> Optional[str]:
        """The key of the most specific network that the peer is in."""
        fitting = [each for each in self.keys if peer in each.network]
        return max(fitting, key=lambda each: each.network.prefixlen).key if fitting else None

    def entries_of(self, name: str) -> list[CryptoMapEntry]:
        """The entries of a crypto map, in the order in which they apply."""
        return sorted((entry for entry in self.maps if entry.name == name), key=lambda entry: entry.sequence)

    def rules_of(self, number: Optional[AccessListName]) -> tuple[AccessRule, ...]:
        """The rules of an access list in their order; empty if there is no such list."""
        return next((rules for each, rules in self.access_lists if each == number), ())

    def transform_set(self, name: str) -> Optional[TransformSet]:
        """A transform set by its name."""
        return next((each for each in self.transform_sets if each.name == name), None)


Selector = tuple[IPv4Network, IPv4Network]


def protected(rules: Collection[AccessRule]) -> tuple[Selector, ...]:
    """The pairs of local and remote networks between which an access list protects traffic.

    The first rule that matches a packet decides, so what a rule denies is removed from what later rules permit. If two
    pairs overlap, the first one counts.

    Raises ValueError if there are more than :data:`MAX_RULES` rules, or more than :data:`MAX_SELECTORS` pairs.
    """
    if len(rules) > MAX_RULES:
        raise ValueError(f"it has more than {MAX_RULES} rules")
    pairs: list[Selector] = []
    denied: list[Selector] = []
    for rule in rules:
        if not rule.permit:
            denied.append((rule.source, rule.destination))
            continue
        pieces = [(rule.source, rule.destination)]
        for part in denied:
            pieces = [rest for piece in pieces for rest in _without(piece, part)]
            if len(pairs) + len(pieces) > MAX_SELECTORS:
                break
        pairs += pieces
        if len(pairs) > MAX_SELECTORS:
            raise ValueError(f"it permits more than {MAX_SELECTORS} pairs of networks")
    return tuple(dict.fromkeys(pairs))


def _without(whole: Selector, part: Selector) -> list[Selector]:
    """A selector without the part that is in another one."""
    if not (whole[0].overlaps(part[0]) and whole[1].overlaps(part[1])):
        return [whole]
    sources = _difference(whole[0], part[0])
    common = whole[0] if whole[0].subnet_of(part[0]) else part[0]
    return [(source, whole[1]) for source in sources] + [
        (common, destination) for destination in _difference(whole[1], part[1])
    ]


def _difference(whole: IPv4Network, part: IPv4Network) -> list[IPv4Network]:
    """A network without the part that is in another one, which overlaps it."""
    return [] if whole.subnet_of(part) else sorted(whole.address_exclude(part))
