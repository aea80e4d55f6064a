"""The standing rules that remember something for the next run: how they are written, and read. Pure.

A key stands in the cookies of rules that match no packet (:func:`.no_packet`): three rules for each key, which hold 24
bits each. They are installed, audited and retired as all other standing rules are.

One further such rule holds 24 bits of a hash of the switch's description, if that was seen to ignore NORMAL
(:mod:`.normal_check`). A switch that takes its place has no such rule, or another description.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Optional

from ryu_haslb.openflow.flow_tables.pipeline import PURPOSE_MASK, Purpose, Rule, no_packet
from ryu_haslb.openflow.wire.flow_mod import match_fields
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.slb.session_tag import COOKIE_MARK, UNKEYED
from ryu_haslb.slb.tag_keys import MAX_KEYS

_PART_LENGTH, _PARTS = 3, 3
#: Bytes of a key.
KEY_LENGTH = _PART_LENGTH * _PARTS
#: The number of the rule that remembers that a switch ignores NORMAL.
_IGNORES_NORMAL = COOKIE_MARK - 1
#: The number of the first rule of the first key; the others count on. The lease has the one before.
_FIRST_NUMBER = COOKIE_MARK + 1
_NUMBERS = range(_FIRST_NUMBER, _FIRST_NUMBER + MAX_KEYS * _PARTS)
_NUMBER_OF = {canonical_match(match_fields(no_packet(number))): number for number in _NUMBERS}
#: Cookies of standing rules: no tag, no holder. PASS_OTHER is left out: it stays when a switch is retired.
STANDING_COOKIES = frozenset(purpose.cookie for purpose in Purpose if purpose is not Purpose.PASS_OTHER)
#: Those of purposes that are younger than keys: where one of them is, there was a key.
_YOUNGER_COOKIES = frozenset(purpose.cookie for purpose in Purpose if purpose > Purpose.TAG_KEY)


def key_rules(keys: Iterable[bytes]) -> Iterator[Rule]:
    """The standing rules that hold these keys; none if no tag is hashed with a key."""
    keys = list(keys)
    if keys[:1] == [UNKEYED]:
        return
    for number, key in enumerate(keys):
        padded = key.ljust(KEY_LENGTH, b"\0")
        for part in range(_PARTS):
            data = int.from_bytes(padded[part * _PART_LENGTH : (part + 1) * _PART_LENGTH], "big")
            yield Rule(Purpose.TAG_KEY, no_packet(_FIRST_NUMBER + number * _PARTS + part), data=data)


def ignores_normal_rule(description: int) -> Rule:
    """The standing rule that remembers that the switch with this digest of its description ignores NORMAL."""
    return Rule(Purpose.IGNORES_NORMAL, no_packet(_IGNORES_NORMAL), data=description)


def ignores_normal(row: FlowStats) -> Optional[int]:
    """The digest in the rule of :func:`ignores_normal_rule`; None if it is another rule."""
    return row.cookie >> 32 if row.cookie & PURPOSE_MASK == Purpose.IGNORES_NORMAL.cookie else None


def holds_key(row: FlowStats) -> bool:
    """Whether it is the row of a rule that holds a part of a key."""
    return row.cookie & PURPOSE_MASK == Purpose.TAG_KEY.cookie


def shows_key(row: FlowStats) -> bool:
    """Whether a version that hashes tags with a key has installed a rule."""
    return holds_key(row) or row.cookie in _YOUNGER_COOKIES


def key_number(row: FlowStats) -> Optional[int]:
    """The number that tells which part of which key a rule holds; None if its match is not one of ours."""
    return _NUMBER_OF.get(canonical_match(row.match))


def keys_in(rows: Iterable[FlowStats]) -> list[bytes]:
    """The keys that the rules of table 0 hold, the newest first. An incomplete key is left out.

    Where no key is complete, a standing rule shows that there are rules of ours, which may have tags without a key.
    """
    parts: dict[int, bytes] = {}
    has_standing_rules = False
    for row in rows:
        has_standing_rules = has_standing_rules or row.cookie in STANDING_COOKIES
        if holds_key(row):
            parts[key_number(row) or 0] = (row.cookie >> 32).to_bytes(_PART_LENGTH, "big")
    keys = []
    for first in _NUMBERS[::_PARTS]:
        if all(first + part in parts for part in range(_PARTS)):
            key = b"".join(parts[first + part] for part in range(_PARTS))
            keys.append(key if any(key) else UNKEYED)
    return keys or ([UNKEYED] if has_standing_rules else [])
