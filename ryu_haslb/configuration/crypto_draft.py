"""The crypto commands and ports of a draft, each with the lines of its commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Optional

from ryu_haslb.configuration.crypto_model import (
    AccessListName,
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
    """``crypto isakmp policy`` and its line."""

    line: int
    policy: IsakmpPolicy


@dataclass
class TransformSetDraft:
    """``crypto ipsec transform-set`` and its line."""

    line: int
    transform_set: TransformSet


@dataclass
class MapDraft:
    """An entry of a crypto map; ``lines`` are those of its commands, by the attribute that they set."""

    line: int
    entry: CryptoMapEntry
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, attribute: str) -> int:
        """The line of an attribute; that of the entry if the attribute is not configured."""
        return self.lines.get(attribute, self.line)


@dataclass
class AccessListDraft:
    """``access-list``; ``beyond_ip`` are the rules with other criteria than addresses: line and text.

    ``rules`` have their sequence numbers; the order of these is that of the list.
    """

    line: int
    rules: dict[AccessRule, int] = field(default_factory=dict)
    beyond_ip: dict[int, str] = field(default_factory=dict)

    def add(self, rule: AccessRule, sequence: Optional[int] = None) -> None:
        """Add a rule at its sequence number, or at the end. One that the list has already stays where it is."""
        last = max(self.rules.values(), default=0)
        self.rules.setdefault(rule, last + 10 if sequence is None else sequence)

    def ordered(self) -> tuple[AccessRule, ...]:
        """The rules in their order."""
        return tuple(sorted(self.rules, key=lambda rule: self.rules[rule]))


@dataclass
class PortDraft:
    """A port; ``lines`` are those of its commands, by the attribute that they set."""

    line: int
    port: Port
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, attribute: str) -> int:
        """The line of an attribute; that of the port if the attribute is not configured."""
        return self.lines.get(attribute, self.line)

    @property
    def is_configured(self) -> bool:
        """Whether any attribute is set. A port without attributes has no effect."""
        return self.port != Port(self.port.kind, self.port.number)


@dataclass
class CryptoDraft:
    """All crypto commands and access lists."""

    policies: dict[int, PolicyDraft] = field(default_factory=dict)
    keys: dict[IPv4Network, PresharedKey] = field(default_factory=dict)
    transform_sets: dict[str, TransformSetDraft] = field(default_factory=dict)
    lifetime: Lifetime = field(default_factory=Lifetime)
    maps: dict[MapKey, MapDraft] = field(default_factory=dict)
    access_lists: dict[AccessListName, AccessListDraft] = field(default_factory=dict)
    keepalive: Optional[int] = None

    def finished(self) -> Crypto:
        """The model of these commands, in the order in which IOS prints them."""
        return Crypto(
            tuple(draft.policy for _, draft in sorted(self.policies.items())),
            tuple(self.keys.values()),
            tuple(draft.transform_set for draft in self.transform_sets.values()),
            self.lifetime,
            tuple(draft.entry for _, draft in sorted(self.maps.items())),
            tuple(
                (name, draft.ordered())
                for name, draft in sorted(self.access_lists.items(), key=lambda each: str(each[0]))
                if draft.rules
            ),
            self.keepalive,
        )


def crypto_draft_of(crypto: Crypto) -> CryptoDraft:
    """A draft of an existing configuration, for further commands. Its lines are 0."""
    return CryptoDraft(
        {each.priority: PolicyDraft(0, each) for each in crypto.policies},
        {each.network: each for each in crypto.keys},
        {each.name: TransformSetDraft(0, each) for each in crypto.transform_sets},
        crypto.lifetime,
        {(each.name, each.sequence): MapDraft(0, each) for each in crypto.maps},
        {
            name: AccessListDraft(0, {rule: 10 * place for place, rule in enumerate(rules, 1)})
            for name, rules in crypto.access_lists
        },
        crypto.keepalive,
    )
