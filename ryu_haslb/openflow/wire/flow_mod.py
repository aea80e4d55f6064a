"""OpenFlow 1.3 flow-mods and meter-mods, packed by hand, and the bundles that carry them (ONF EXT-230)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from struct import Struct
from typing import Final, NamedTuple, Optional

from ryu_haslb.openflow.wire.wire import (
    OFP_NO_BUFFER,
    OFP_VERSION,
    OFPG_ANY,
    OFPIT_APPLY_ACTIONS,
    OFPIT_GOTO_TABLE,
    OFPIT_METER,
    OFPMBT_DROP,
    OFPMF_BURST,
    OFPMF_PKTPS,
    OFPMF_STATS,
    OFPMT_OXM,
    OFPP_ANY,
    OFPT_EXPERIMENTER,
    OFPT_FLOW_MOD,
    OFPT_METER_MOD,
    OXM_FIELDS,
    Value,
    oxm,
)

ONF_EXPERIMENTER_ID = 0x4F4E4600
ONF_ET_BUNDLE_CONTROL = 2300
ONF_ET_BUNDLE_ADD_MESSAGE = 2301
ONF_BCT_OPEN_REQUEST = 0
ONF_BCT_COMMIT_REQUEST = 4
ONF_BCT_COMMIT_REPLY = 5
ONF_BF_ATOMIC = 1 << 0
ONF_BF_ORDERED = 1 << 1

_FLOW_MOD = Struct("!BBHIQQBBHHHIIIH2x")
_XID: Final = Struct("!I")
_TAG_LENGTH: Final = 6
_MATCH = Struct("!HH")
_GOTO_TABLE = Struct("!HHB3x")
_METER = Struct("!HHI")
_APPLY_ACTIONS = Struct("!HH4x")
_METER_MOD = Struct("!BBHIHHI")
_DROP_BAND = Struct("!HHII4x")
_BUNDLE = Struct("!BBHIIIIHH")
_BUNDLE_FLAGS = ONF_BF_ATOMIC | ONF_BF_ORDERED


def match_fields(fields: Mapping[str, Value]) -> bytes:
    """Match fields in the order of their numbers, so that each follows its prerequisites; without the header."""
    return b"".join(oxm(name, fields[name]) for name in sorted(fields, key=lambda name: OXM_FIELDS[name]))


def match(fields: Mapping[str, Value]) -> bytes:
    """The match of a flow-mod."""
    return match_of(match_fields(fields))


def match_of(body: bytes) -> bytes:
    """The match of a flow-mod that has these packed fields."""
    length = _MATCH.size + len(body)
    return (_MATCH.pack(OFPMT_OXM, length) + body).ljust(length + 7 & ~7, b"\0")


#: The match of every packet.
MATCH_ALL = match({})


def goto_table(table: int) -> bytes:
    """Instruction: go on in another table."""
    return _GOTO_TABLE.pack(OFPIT_GOTO_TABLE, _GOTO_TABLE.size, table)


def meter(meter_id: int) -> bytes:
    """Instruction: pass a meter, which may drop the packet."""
    return _METER.pack(OFPIT_METER, _METER.size, meter_id)


def apply_actions(actions: bytes) -> bytes:
    """Instruction: apply these actions; none at all drop the packet."""
    return _APPLY_ACTIONS.pack(OFPIT_APPLY_ACTIONS, _APPLY_ACTIONS.size + len(actions)) + actions


class FlowMod(NamedTuple):
    """Adds a rule, or deletes rules. Time-outs are in seconds (0: none); match and instructions are packed.

    ``out_port`` limits a deletion to rules that output to this port.
    """

    command: int
    table: int
    cookie: int
    cookie_mask: int = 0
    priority: int = 0
    idle_timeout: int = 0
    flags: int = 0
    match: bytes = MATCH_ALL
    instructions: bytes = b""
    hard_timeout: int = 0
    out_port: int = OFPP_ANY

    def pack(self, xid: int) -> bytes:
        """The message."""
        length = _FLOW_MOD.size + len(self.match) + len(self.instructions)
        head = _FLOW_MOD.pack(
            *(OFP_VERSION, OFPT_FLOW_MOD, length, xid, self.cookie, self.cookie_mask, self.table, self.command),
            *(self.idle_timeout, self.hard_timeout, self.priority, OFP_NO_BUFFER, self.out_port, OFPG_ANY, self.flags),
        )
        return head + self.match + self.instructions


#: A flow-mod in parts: without the transaction id at first, then before and behind the tag of a session, which it has
#: twice: in the first six bytes of its cookie, and as ``eth_src``, the first field of its match.
Template = tuple[bytes, bytes, bytes]


def template_of(flow_mod: FlowMod) -> Template:
    """The template of the flow-mods that differ from this one by their transaction ids and tags."""
    message = flow_mod.pack(0)
    return message[:4], message[14:56], message[62:]


def with_xid(xid: int, template: Template) -> Template:
    """The template of those that have this transaction id."""
    head, between_tags, after_tags = template
    return head + _XID.pack(xid), between_tags, after_tags


def with_tag(tag: int, template: Template) -> bytes:
    """The message of the session with this tag; ``template`` has a transaction id."""
    return tag.to_bytes(_TAG_LENGTH, "big").join(template)


def meter_mod(xid: int, command: int, meter_id: int, rate: Optional[int] = None, burst: int = 0) -> bytes:
    """Add, modify or delete a meter that drops what exceeds ``rate``, in packets a second, by more than ``burst``.

    A meter that is deleted has no rate.
    """
    band = b"" if rate is None else _DROP_BAND.pack(OFPMBT_DROP, _DROP_BAND.size, rate, burst)
    flags = OFPMF_PKTPS | OFPMF_BURST | OFPMF_STATS
    head = (OFP_VERSION, OFPT_METER_MOD, _METER_MOD.size + len(band), xid)
    return _METER_MOD.pack(*head, command, flags, meter_id) + band


def bundle(xid: int, bundle_id: int, messages: list[bytes]) -> bytes:
    """Messages that the switch carries out all together or not at all, in order. Each must have this ``xid``."""
    heads = {length: _bundle_add(xid, bundle_id, length) for length in set(map(len, messages))}
    parts = [_bundle_control(xid, bundle_id, ONF_BCT_OPEN_REQUEST)]
    for length, alike in groupby(messages, len):
        parts += heads[length], heads[length].join(alike)
    parts.append(_bundle_control(xid, bundle_id, ONF_BCT_COMMIT_REQUEST))
    return b"".join(parts)


def is_commit_reply(message: bytes) -> bool:
    """Whether the switch says that it has carried out a bundle."""
    if len(message) < _BUNDLE.size:
        return False
    *_, experimenter, kind, _, command, _ = _BUNDLE.unpack_from(message)
    return (experimenter, kind, command) == (ONF_EXPERIMENTER_ID, ONF_ET_BUNDLE_CONTROL, ONF_BCT_COMMIT_REPLY)


def _bundle_add(xid: int, bundle_id: int, length: int) -> bytes:
    """What stands before a message of this length in a bundle."""
    return _BUNDLE.pack(
        *(OFP_VERSION, OFPT_EXPERIMENTER, _BUNDLE.size + length, xid, ONF_EXPERIMENTER_ID),
        *(ONF_ET_BUNDLE_ADD_MESSAGE, bundle_id, 0, _BUNDLE_FLAGS),
    )


def _bundle_control(xid: int, bundle_id: int, kind: int) -> bytes:
    return _BUNDLE.pack(
        *(OFP_VERSION, OFPT_EXPERIMENTER, _BUNDLE.size, xid, ONF_EXPERIMENTER_ID),
        *(ONF_ET_BUNDLE_CONTROL, bundle_id, kind, _BUNDLE_FLAGS),
    )
