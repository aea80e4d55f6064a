"""The actions and instructions of rules, as a simulated switch reads them from messages (OpenFlow 1.3.5, 7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Optional

from simulation.capabilities import Capabilities
from simulation.flow_table import MalformedError

OFPP_MAX = 0xFFFFFF00
OFPP_IN_PORT, OFPP_TABLE, OFPP_NORMAL, OFPP_FLOOD = 0xFFFFFFF8, 0xFFFFFFF9, 0xFFFFFFFA, 0xFFFFFFFB
OFPP_ALL, OFPP_CONTROLLER, OFPP_LOCAL, OFPP_ANY = 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF
OFPAT_OUTPUT, OFPAT_PUSH_VLAN, OFPAT_SET_FIELD = 0, 17, 25
_ACTION = Struct("!HHI")
_INSTRUCTION = Struct("!HH")

#: An action: its type and its argument (a port, or field and value).
Action = tuple[int, object]


def read_actions(data: bytes, offset: int, end: int, capabilities: Capabilities) -> tuple[Action, ...]:
    """The actions between two offsets (section 7.2.5)."""
    actions: list[Action] = []
    while offset < end:
        kind, length, argument = _ACTION.unpack_from(data, offset)
        if length < 8 or length % 8 or offset + length > end:
            raise MalformedError(2, 1)  # OFPET_BAD_ACTION, OFPBAC_BAD_LEN
        if kind == OFPAT_OUTPUT:
            actions.append((kind, _usable_port(argument, capabilities)))
        elif kind == OFPAT_SET_FIELD:
            size = argument & 0xFF
            if argument >> 9 & 0x7F in capabilities.rejected_sets:
                raise MalformedError(2, 13)  # OFPBAC_BAD_SET_TYPE
            actions.append((kind, (argument >> 9 & 0x7F, data[offset + 8 : offset + 8 + size])))
        elif kind == OFPAT_PUSH_VLAN and capabilities.push_vlan:
            actions.append((kind, argument >> 16))
        else:
            raise MalformedError(2, 0)  # OFPBAC_BAD_TYPE
        offset += length
    outputs = sum(kind == OFPAT_OUTPUT for kind, _ in actions)
    if 0 < capabilities.max_outputs < outputs:
        raise MalformedError(2, 7)  # OFPBAC_TOO_MANY
    return tuple(actions)


def _usable_port(port: int, capabilities: Capabilities) -> int:
    refused = {
        OFPP_NORMAL: capabilities.normal == "refused",
        OFPP_TABLE: not capabilities.output_to_table,
        OFPP_FLOOD: not capabilities.flood,
    }
    if port == 0 or refused.get(port, False):
        # OFPBAC_BAD_OUT_PORT, of NORMAL as the switch has it
        raise MalformedError(*(capabilities.normal_error if port == OFPP_NORMAL else (2, 4)))
    return port


@dataclass
class Instructions:
    """What a rule does: apply actions, pass a meter, go on to a table. ``raw`` are the bytes that say so."""

    raw: bytes
    actions: tuple[Action, ...] = ()
    goto: Optional[int] = None
    meter: Optional[int] = None


def read_instructions(data: bytes, offset: int, end: int, capabilities: Capabilities) -> Instructions:
    """The instructions between two offsets (section 7.2.4)."""
    found = Instructions(data[offset:end])
    while offset < end:
        kind, length = _INSTRUCTION.unpack_from(data, offset)
        if length < 8 or offset + length > end:
            raise MalformedError(3, 7)  # OFPET_BAD_INSTRUCTION, OFPBIC_BAD_LEN
        if kind == 1:
            found.goto = data[offset + 4]
            if found.goto >= capabilities.tables:
                raise MalformedError(3, 2)  # OFPBIC_BAD_TABLE_ID
        elif kind == 4:
            found.actions += read_actions(data, offset + 8, offset + length, capabilities)
        elif kind == 6 and capabilities.meters and capabilities.meter_instruction:
            found.meter = int.from_bytes(data[offset + 4 : offset + 8], "big")
        else:
            raise MalformedError(3, 1)  # OFPBIC_UNSUP_INST
        offset += length
    return found
