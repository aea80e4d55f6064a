"""The crypto commands while they are being edited: what was said, and in which line."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Optional

from ryu_haslb.configuration.crypto_model import (
    AccessRule,
    Crypto,
    CryptoMapEntry,
    IsakmpPolicy,
    Lifetime,
    PresharedKey,
    TransformSet,
)
from ryu_haslb.configuration.model import Port

PortKey = tuple[str, str]
MapKey = tuple[str, int]


@dataclass
class PolicyDraft:
    """``crypto isakmp policy``, and where it was configured."""

    line: int
    policy: IsakmpPolicy


@dataclass
class TransformSetDraft:
    """``crypto ipsec transform-set``."""

    line: int
    transform_set: TransformSet


@dataclass
class MapDraft:
    """An entry of a crypto map; ``lines`` are those of its commands, by the attribute that they set."""

    line: int
    entry: CryptoMapEntry
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, attribute: str) -> int:
        """Where an attribute was configured; where the entry was if it was not."""
        return self.lines.get(attribute, self.line)


@dataclass
class AccessListDraft:
    """``access-list``; ``beyond_ip`` are the lines of rules that are about more than addresses, and their text."""

    line: int
    rules: dict[AccessRule, None] = field(default_factory=dict)
    beyond_ip: dict[int, str] = field(default_factory=dict)


@dataclass
class PortDraft:
    """An interface that is no VLAN's."""

    line: int
    port: Port
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, attribute: str) -> int:
        """Where an attribute was configured; where the interface was if it was not."""
        return self.lines.get(attribute, self.line)

    @property
    def says_something(self) -> bool:
        """Whether there is anything that this product goes by."""
        return self.port != Port(self.port.kind, self.port.number)


@dataclass
class CryptoDraft:
    """All crypto commands and access lists."""

    policies: dict[int, PolicyDraft] = field(default_factory=dict)
    keys: dict[IPv4Network, PresharedKey] = field(default_factory=dict)
    transform_sets: dict[str, TransformSetDraft] = field(default_factory=dict)
    lifetime: Lifetime = field(default_factory=Lifetime)
    maps: dict[MapKey, MapDraft] = field(default_factory=dict)
    access_lists: dict[int, AccessListDraft] = field(default_factory=dict)
    keepalive: Optional[int] = None

    def finished(self) -> Crypto:
        """What the model has of it, in the order in which IOS prints it."""
        return Crypto(
            tuple(draft.policy for _, draft in sorted(self.policies.items())),
            tuple(self.keys.values()),
            tuple(draft.transform_set for draft in self.transform_sets.values()),
            self.lifetime,
            tuple(draft.entry for _, draft in sorted(self.maps.items())),
            tuple((number, tuple(draft.rules)) for number, draft in sorted(self.access_lists.items()) if draft.rules),
            self.keepalive,
        )


def crypto_draft_of(crypto: Crypto) -> CryptoDraft:
    """A draft that says what ``crypto`` says, to be edited further."""
    return CryptoDraft(
        {each.priority: PolicyDraft(0, each) for each in crypto.policies},
        {each.network: each for each in crypto.keys},
        {each.name: TransformSetDraft(0, each) for each in crypto.transform_sets},
        crypto.lifetime,
        {(each.name, each.sequence): MapDraft(0, each) for each in crypto.maps},
        {number: AccessListDraft(0, dict.fromkeys(rules)) for number, rules in crypto.access_lists},
        crypto.keepalive,
    )
