"""The actions of the crypto commands and access lists: each changes a draft.

An action gets the subject of its block and the statement, as in :mod:`ryu_haslb.configuration.ios.actions`. The
commands themselves are in :mod:`ryu_haslb.configuration.ios.crypto_commands`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from ryu_haslb.configuration.crypto_draft import (
    AccessListDraft,
    MapDraft,
    PolicyDraft,
    TransformSetDraft,
)
from ryu_haslb.configuration.crypto_model import (
    AUTHENTICATIONS,
    CIPHERS,
    COMPRESSION,
    AccessListName,
    AccessRule,
    Authentication,
    CryptoMapEntry,
    IsakmpPolicy,
    Lifetime,
    PresharedKey,
    TransformSet,
)
from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.ios.blocks import Statement
from ryu_haslb.language.wording import quoted

# crypto isakmp


def policy(draft: Draft, statement: Statement) -> PolicyDraft:
    priority = statement.match["PRIORITY"]
    return draft.crypto.policies.setdefault(priority, PolicyDraft(statement.line, IsakmpPolicy(priority)))


def no_policy(draft: Draft, statement: Statement) -> None:
    if draft.crypto.policies.pop(statement.match["PRIORITY"], None) is None:
        statement.warning(f"there is no isakmp policy {statement.match['PRIORITY']} to remove")


def change_policy(entry: PolicyDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of a policy, or with ``no`` return them to the defaults of IOS."""
    if "no" in statement.match:
        values = {name: getattr(IsakmpPolicy, name) for name in values}
    entry.policy = replace(entry.policy, **values)


def authentication(entry: PolicyDraft, statement: Statement) -> None:
    chosen = next((each for each in Authentication if each.value in statement.match), None)
    change_policy(entry, statement, authentication=chosen)


def encryption(entry: PolicyDraft, statement: Statement) -> None:
    change_policy(entry, statement, encryption=" ".join(statement.match.words[1:]))


def hash_algorithm(entry: PolicyDraft, statement: Statement) -> None:
    change_policy(entry, statement, hash=statement.match.words[-1])


def group(entry: PolicyDraft, statement: Statement) -> None:
    number = 0 if "no" in statement.match else int(statement.match.words[-1])
    change_policy(entry, statement, group=number)


def policy_lifetime(entry: PolicyDraft, statement: Statement) -> None:
    change_policy(entry, statement, lifetime=statement.match.get("SECONDS"))


def key(draft: Draft, statement: Statement) -> None:
    match = statement.match
    if "6" in match:
        raise ValueError("a key of type 6 can be decrypted only with the master key of its router; expected type 0")
    network = IPv4Network((match["PREFIX"], match.get("MASK", 32)), strict=False)
    draft.crypto.keys[network] = PresharedKey(match["KEY"], network)


def no_key(draft: Draft, statement: Statement) -> None:
    network = IPv4Network((statement.match["PREFIX"], statement.match.get("MASK", 32)), strict=False)
    known = draft.crypto.keys.get(network)
    if known is not None and known.key == statement.match["KEY"]:
        del draft.crypto.keys[network]
    elif known is not None:
        statement.warning(f"the isakmp key of {network} is another one and stays")
    else:
        statement.warning(f"there is no isakmp key of {network} to remove")


def keepalive(draft: Draft, statement: Statement) -> None:
    draft.crypto.keepalive = statement.match.get("SECONDS") if "no" not in statement.match else None


# crypto ipsec


def transform_set(draft: Draft, statement: Statement) -> TransformSetDraft:
    name, transforms = statement.match["LABEL"], _transforms(statement.match.words[3:])
    entry = TransformSetDraft(statement.line, TransformSet(name, transforms))
    entry = draft.crypto.transform_sets.setdefault(name, entry)
    entry.line = statement.line
    entry.transform_set = replace(entry.transform_set, transforms=transforms)
    return entry


def _transforms(words: tuple[str, ...]) -> tuple[str, ...]:
    """The transforms that the words are: a key length belongs to the cipher before it. Raises ValueError if two of them
    exclude each other, or one lacks another."""
    transforms: list[str] = []
    for word in words:
        if word.isdigit():
            transforms[-1] += f" {word}"
        else:
            transforms.append(word)
    ciphers = [each for each in transforms if each in CIPHERS]
    for what, limited in (
        ("esp ciphers", ciphers),
        ("esp authentications", [each for each in transforms if each in AUTHENTICATIONS and each.startswith("esp")]),
        ("ah authentications", [each for each in transforms if each.startswith("ah")]),
        ("compressions", [each for each in transforms if each == COMPRESSION]),
    ):
        if len(limited) > 1:
            raise ValueError(f"a transform set has at most one of the {what}, not {' and '.join(limited)}")
        if what == "esp authentications" and limited and not ciphers:
            raise ValueError(f"{limited[0]} needs a cipher; expected one such as esp-aes, or esp-null")
    if transforms == [COMPRESSION]:
        raise ValueError(f"{COMPRESSION} alone protects nothing; expected another transform such as esp-aes with it")
    return tuple(transforms)


def no_transform_set(draft: Draft, statement: Statement) -> None:
    if draft.crypto.transform_sets.pop(statement.match["LABEL"], None) is None:
        statement.warning(f"there is no transform set {statement.match['LABEL']} to remove")


def mode(entry: TransformSetDraft, statement: Statement) -> None:
    transport = "transport" in statement.match and "no" not in statement.match
    entry.transform_set = replace(entry.transform_set, transport=transport)


def lifetime(draft: Draft, statement: Statement) -> None:
    for name in ("seconds", "kilobytes"):
        if name in statement.match:
            value = getattr(Lifetime, name) if "no" in statement.match else statement.match[name.upper()]
            draft.crypto.lifetime = replace(draft.crypto.lifetime, **{name: value})


# crypto map


def crypto_map(draft: Draft, statement: Statement) -> MapDraft:
    name, sequence = statement.match["LABEL"], statement.match["SEQUENCE"]
    entry = MapDraft(statement.line, CryptoMapEntry(name, sequence))
    return draft.crypto.maps.setdefault((name, sequence), entry)


def no_crypto_map(draft: Draft, statement: Statement) -> None:
    name, sequence = statement.match["LABEL"], statement.match.get("SEQUENCE")
    gone = [each for each in draft.crypto.maps if each[0] == name and sequence in (None, each[1])]
    if not gone:
        statement.warning(f"there is no such entry of crypto map {name} to remove")
    for each in gone:
        del draft.crypto.maps[each]


def change_map(draft: MapDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of an entry, or with ``no`` remove them."""
    if "no" in statement.match:
        values = {name: getattr(CryptoMapEntry, name) for name in values}
    draft.entry = replace(draft.entry, **values)
    draft.lines.update(dict.fromkeys(values, statement.line))


def peer(draft: MapDraft, statement: Statement) -> None:
    address, peers = statement.match.get("ADDRESS"), draft.entry.peers
    if "no" not in statement.match:
        change_map(draft, statement, peers=tuple(dict.fromkeys([*peers, address])))
    elif address is None or peers == (address,):
        change_map(draft, statement, peers=())
    elif address not in peers:
        statement.warning(f"crypto map {draft.entry.name} {draft.entry.sequence} has no peer {address} to remove")
    else:
        draft.entry = replace(draft.entry, peers=tuple(each for each in peers if each != address))


def map_transform_sets(draft: MapDraft, statement: Statement) -> None:
    change_map(draft, statement, transform_sets=statement.match.get("LABELS"))


def match_address(draft: MapDraft, statement: Statement) -> None:
    name, entry = statement.match.get("LIST"), draft.entry
    if "no" in statement.match and name not in (None, entry.access_list):
        statement.warning(f"crypto map {entry.name} {entry.sequence} does not match access list {name}")
    else:
        change_map(draft, statement, access_list=name)


def pfs(draft: MapDraft, statement: Statement) -> None:
    named = statement.match.words[-1].partition("group")[2]
    change_map(draft, statement, pfs=int(named) if named else IsakmpPolicy.group)


def map_lifetime(draft: MapDraft, statement: Statement) -> None:
    for name in ("seconds", "kilobytes"):
        if name in statement.match:
            change_map(draft, statement, **{name: statement.match.get(name.upper())})


# access-list


def access_rule(draft: Draft, statement: Statement) -> None:
    match = statement.match
    entry = draft.crypto.access_lists.setdefault(match["NUMBER"], AccessListDraft(statement.line))
    rule = AccessRule("permit" in match, _network(statement, "SOURCE"), _network(statement, "DESTINATION"))
    if match.get("LINE") is not None:
        _beyond_ip(entry, statement, f"ip ... {match['LINE']}", match["NUMBER"])
    else:
        entry.add(rule)


@dataclass(frozen=True)
class NamedList:
    """The block of ``ip access-list extended``: the name of the list, and its draft."""

    name: AccessListName
    draft: AccessListDraft


def named_access_list(draft: Draft, statement: Statement) -> NamedList:
    name = statement.match["LIST"]
    return NamedList(name, draft.crypto.access_lists.setdefault(name, AccessListDraft(statement.line)))


def no_named_access_list(draft: Draft, statement: Statement) -> None:
    if draft.crypto.access_lists.pop(statement.match["LIST"], None) is None:
        statement.warning(f"there is no access list {statement.match['LIST']} to remove")


def named_rule(block: NamedList, statement: Statement) -> None:
    match = statement.match
    rule = AccessRule("permit" in match, _network(statement, "SOURCE"), _network(statement, "DESTINATION"))
    if match.get("LINE") is not None:
        _beyond_ip(block.draft, statement, f"ip ... {match['LINE']}", block.name)
    else:
        block.draft.add(rule, match.get("SEQUENCE"))


def other_named_rule(block: NamedList, statement: Statement) -> None:
    _beyond_ip(block.draft, statement, statement.match.get("PROTOCOL", ""), block.name)


def no_named_rule(block: NamedList, statement: Statement) -> None:
    rule = AccessRule("permit" in statement.match, _network(statement, "SOURCE"), _network(statement, "DESTINATION"))
    if block.draft.rules.pop(rule, None) is None:
        statement.warning(f"access list {block.name} has no such rule to remove")


def no_sequence(block: NamedList, statement: Statement) -> None:
    gone = [rule for rule, sequence in block.draft.rules.items() if sequence == statement.match["SEQUENCE"]]
    for rule in gone:
        del block.draft.rules[rule]
    if not gone:
        statement.warning(f"access list {block.name} has no rule {statement.match['SEQUENCE']} to remove")


def _network(statement: Statement, which: str) -> IPv4Network:
    """The source or destination of a rule."""
    host, prefix = statement.match.get(f"{which}-HOST"), statement.match.get(which)
    if host is not None:
        return IPv4Network((host, 32))
    length = statement.match.get(f"{which}-WILDCARD", 0)
    return IPv4Network((prefix if prefix is not None else 0, length), strict=False)


def other_access_rule(draft: Draft, statement: Statement) -> None:
    entry = draft.crypto.access_lists.setdefault(statement.match["NUMBER"], AccessListDraft(statement.line))
    _beyond_ip(entry, statement, statement.match["PROTOCOL"], statement.match["NUMBER"])


def _beyond_ip(entry: AccessListDraft, statement: Statement, what: str, name: AccessListName) -> None:
    kinds = ("permit", "deny", "evaluate", "dynamic")
    rule = " ".join(filter(None, (next(kind for kind in kinds if kind in statement.match), what)))
    entry.beyond_ip[statement.line] = rule
    statement.warning(f"access list {name}: {quoted(rule)} is not implemented and is ignored")


def no_access_list(draft: Draft, statement: Statement) -> None:
    if draft.crypto.access_lists.pop(statement.match["NUMBER"], None) is None:
        statement.warning(f"there is no access list {statement.match['NUMBER']} to remove")


def no_access_rule(_draft: Draft, statement: Statement) -> None:
    number = statement.match["NUMBER"]
    raise ValueError(
        f"a rule of access list {number} cannot be removed alone: on IOS this removes the whole list; expected "
        f"'no access-list {number}' and the rules that are to stay"
    )
