"""Matches, instructions and actions as a switch reports them: read, and brought into one form to be compared.

A switch may report a rule in another form than it was sent: fields in another order, a mask of ones, an instruction
that applies no action, another length for the controller.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from itertools import islice
from struct import Struct
from typing import Optional

from ryu_haslb.openflow.wire.multipart import INSTRUCTION, structures
from ryu_haslb.openflow.wire.wire import (
    OFPAT_OUTPUT,
    OFPIT_APPLY_ACTIONS,
    OFPIT_GOTO_TABLE,
    OFPIT_WRITE_ACTIONS,
    MalformedMessage,
    oxm_fields,
    oxm_prefix,
    set_field,
)

_OXM_HEADER, _OXM_HAS_MASK = Struct("!I"), 1 << 8
#: Bits of a match field's header that are behind its class and number.
_OXM_FIELD_SHIFT = 9
#: The match field that has the tag of a session: what stands before the tag, and where it ends.
_TAG_FIELD, _TAG_LENGTH, _TAG_FIELD_LENGTH = oxm_prefix("eth_src"), 6, 10
#: The action that writes the Ethernet source, up to the address, and where it ends.
_SET_SOURCE, _SET_SOURCE_LENGTH = set_field("eth_src", bytes(6))[:8], 16
#: Match fields of OpenFlow 1.3, none of which a match has twice, and its instructions, of which a rule has one of each
#: type (OpenFlow 1.3.5, sections 7.2.3.7 and 7.2.4).
_MAX_FIELDS, _MAX_INSTRUCTIONS = 40, 7
#: Bytes of instructions whose effect is remembered. Longer ones, which name every port, are few.
_MAX_REMEMBERED = 1024
_ACTION = Struct("!H2x4x")
_LAST_OUTPUT = Struct("!HHI8x")
#: Where an output has the length that is sent to the controller, and where it ends.
_MAX_LEN, _OUTPUT_LENGTH = 8, 16
#: The instruction that applies no action.
_NO_ACTIONS = OFPIT_APPLY_ACTIONS.to_bytes(2, "big") + INSTRUCTION.size.to_bytes(2, "big") + bytes(4)


@lru_cache(maxsize=4096)
def canonical_match(match: bytes) -> frozenset[bytes]:
    """Match fields, which have no order; one with a mask of ones is the same as one without.

    They are taken together if a length among them does not fit, or if there are more than OpenFlow 1.3 has.
    """
    try:
        found = frozenset([_without_full_mask(*field) for field in oxm_fields(match, 0, len(match))])
    except MalformedMessage:
        return frozenset((match,))
    return found if len(found) <= _MAX_FIELDS else frozenset((match,))


def _without_full_mask(header: int, value: bytes) -> bytes:
    half = len(value) // 2
    if header & _OXM_HAS_MASK and value[half:] == b"\xff" * half:
        header, value = (header & ~(_OXM_HAS_MASK | 0xFF)) | half, value[:half]
    return _OXM_HEADER.pack(header) + value


def field_headers(match: bytes) -> frozenset[bytes]:
    """The headers of match fields in the form of :func:`canonical_match`: which fields, and which have a mask."""
    return frozenset([field[: _OXM_HEADER.size] for field in canonical_match(match)])


def masked_values(match: bytes) -> dict[int, tuple[int, int]]:
    """Value and mask of each match field, by its class and number; a field without a mask has one of ones.

    Raises:
        MalformedMessage: a length among them does not fit.
    """
    found = {}
    for header, value in oxm_fields(match, 0, len(match)):
        size = len(value) // 2 if header & _OXM_HAS_MASK else len(value)
        mask = value[size:] if header & _OXM_HAS_MASK else b"\xff" * size
        found[header >> _OXM_FIELD_SHIFT] = int.from_bytes(value[:size], "big"), int.from_bytes(mask, "big")
    return found


def fields_behind_tag(match: bytes) -> Optional[bytes]:
    """The match fields behind the tag of a session, of any; None if that is not the first field."""
    return match[_TAG_FIELD_LENGTH:] if match.startswith(_TAG_FIELD) else None


def fields_beside_tag(match: bytes, tag: int) -> Optional[bytes]:
    """The match fields beside this tag of a session; None if it is not among them.

    They are in the order of the match if the tag is the first field, as it was sent.
    """
    tag_field = _TAG_FIELD + tag.to_bytes(_TAG_LENGTH, "big")
    if match.startswith(tag_field):
        return match[_TAG_FIELD_LENGTH:]
    fields = canonical_match(match)
    return b"".join(sorted(fields - {tag_field})) if tag_field in fields else None


def effect_of(instructions: bytes) -> frozenset[bytes]:
    """What a rule does: its instructions, which have no order, without one that applies no action.

    Instructions of a length that does not fit, or more of them than a rule can have, are taken together.
    """
    return (_short_effect if len(instructions) <= _MAX_REMEMBERED else _effect)(instructions)


def _effect(instructions: bytes) -> frozenset[bytes]:
    try:
        ends = list(islice(structures(instructions, 0, INSTRUCTION.size, 2), _MAX_INSTRUCTIONS + 1))
    except MalformedMessage:
        return frozenset((instructions,))
    if len(ends) > _MAX_INSTRUCTIONS:
        return frozenset((instructions,))
    return frozenset(instructions[begin:end] for begin, end in ends) - {_NO_ACTIONS}


_short_effect = lru_cache(maxsize=256)(_effect)


def forwards(instructions: bytes) -> bool:
    """Whether a rule applies or writes an action, or leads to another table. Any other drops its packets."""
    for instruction in effect_of(instructions):
        kind = int.from_bytes(instruction[:2], "big")
        has_actions = kind in {OFPIT_APPLY_ACTIONS, OFPIT_WRITE_ACTIONS} and len(instruction) > INSTRUCTION.size
        if has_actions or kind == OFPIT_GOTO_TABLE:
            return True
    return False


def without_source(actions: bytes) -> bytes:
    """Actions without the one that writes the Ethernet source, if that is the first."""
    return actions[_SET_SOURCE_LENGTH:] if actions.startswith(_SET_SOURCE) else actions


def without_max_len(actions: bytes) -> bytes:
    """Actions in which no output has the length that is sent to the controller.

    In an output to a port it has no meaning (OpenFlow 1.3.5, section 7.2.5), and switches may report any. What is
    behind a length that does not fit stays as it is.
    """
    found = bytearray(actions)
    with suppress(MalformedMessage):
        for offset, end in structures(actions, 0, _ACTION.size, length_at=2):
            (kind,) = _ACTION.unpack_from(actions, offset)
            if kind == OFPAT_OUTPUT and end - offset >= _OUTPUT_LENGTH:
                found[offset + _MAX_LEN : offset + _OUTPUT_LENGTH] = bytes(_OUTPUT_LENGTH - _MAX_LEN)
    return bytes(found)


def last_output(actions: bytes) -> Optional[int]:
    """The port of the last action, if that is an output as OpenFlow 1.3.5 has it (section 7.2.5)."""
    kind, length, port = _LAST_OUTPUT.unpack_from(actions[-_OUTPUT_LENGTH:].rjust(_OUTPUT_LENGTH, b"\xff"))
    return port if (kind, length) == (OFPAT_OUTPUT, _OUTPUT_LENGTH) else None
