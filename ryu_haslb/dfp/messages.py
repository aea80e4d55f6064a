"""The six DFP messages (draft-eck-dfp-01, section 6), as values and as bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Union

from ryu_haslb.dfp.tlv import (
    MAX_HOSTS,
    BindIdTable,
    KeepAlive,
    Load,
    MalformedMessageError,
    TlvType,
    require_range,
    split,
)

VERSION = 1
HEADER = struct.Struct("!BxHI")
"""Version, message type, length of the whole message (section 4.1)."""


class MessageType(IntEnum):
    """Section 6 lists Change Notify as 0x0402 too; 0x0403 is what agents in the field send."""

    PREFERENCE_INFORMATION = 0x0101
    SERVER_STATE = 0x0201
    DFP_PARAMETERS = 0x0301
    BINDID_REQUEST = 0x0401
    BINDID_REPORT = 0x0402
    BINDID_CHANGE_NOTIFY = 0x0403


class UnknownMessageError(ValueError):
    """A message of a type that section 6 does not define. It is discarded whole (section 4)."""


@dataclass(frozen=True)
class PreferenceInformation:
    """Agent to manager: weights, or nothing new, which still proves that the agent is there (section 6.1)."""

    loads: tuple[Load, ...] = ()

    def __post_init__(self) -> None:
        _require_hosts(self.loads)


@dataclass(frozen=True)
class ServerState:
    """Manager to agent: what the manager has decided about servers by itself; for the agent's log (section 6.2)."""

    loads: tuple[Load, ...] = ()

    def __post_init__(self) -> None:
        _require_hosts(self.loads)


@dataclass(frozen=True)
class DfpParameters:
    """Manager to agent: how long the agent may be silent (section 6.3)."""

    keep_alive: KeepAlive


@dataclass(frozen=True)
class BindIdRequest:
    """Manager to agent: send the bind id tables (section 6.4)."""


@dataclass(frozen=True)
class BindIdReport:
    """Agent to manager: one table of several; ``END_OF_BINDIDS`` comes last (section 6.5)."""

    table: BindIdTable


@dataclass(frozen=True)
class BindIdChangeNotify:
    """Agent to manager: the bind id tables are no longer what was reported (section 6.6)."""


Message = Union[PreferenceInformation, ServerState, DfpParameters, BindIdRequest, BindIdReport, BindIdChangeNotify]


def encode(message: Message) -> bytes:
    """The message as it goes out, without a Security TLV."""
    if isinstance(message, PreferenceInformation):
        return _assemble(MessageType.PREFERENCE_INFORMATION, *(load.pack() for load in message.loads))
    if isinstance(message, ServerState):
        return _assemble(MessageType.SERVER_STATE, *(load.pack() for load in message.loads))
    if isinstance(message, DfpParameters):
        return _assemble(MessageType.DFP_PARAMETERS, message.keep_alive.pack())
    if isinstance(message, BindIdRequest):
        return _assemble(MessageType.BINDID_REQUEST)
    if isinstance(message, BindIdReport):
        return _assemble(MessageType.BINDID_REPORT, message.table.pack())
    return _assemble(MessageType.BINDID_CHANGE_NOTIFY)


def decode(frame: bytes) -> Message:
    """Read one whole message, such as :class:`~ryu_haslb.dfp.framing.FrameReader` yields it.

    A Security TLV is passed over: :mod:`ryu_haslb.dfp.security` checks it on the bytes. So are TLVs that are unknown
    or have no place in this type of message.

    :raises UnknownMessageError: the type is none of section 6.
    :raises MalformedMessageError: a TLV is broken, or one that the message needs is missing or there twice.
    """
    _, message_type, _ = HEADER.unpack_from(frame)
    if message_type not in _MESSAGE_TYPES:
        raise UnknownMessageError(f"message type 0x{message_type:04x} is unknown")
    tlvs = list(split(frame[HEADER.size :]))
    values = {tlv_type: [value for found, value in tlvs if found == tlv_type] for tlv_type in TlvType}
    if message_type == MessageType.PREFERENCE_INFORMATION:
        return PreferenceInformation(_loads(values[TlvType.LOAD]))
    if message_type == MessageType.SERVER_STATE:
        return ServerState(_loads(values[TlvType.LOAD]))
    if message_type == MessageType.DFP_PARAMETERS:
        return DfpParameters(KeepAlive.unpack(_only("DFP Parameters", "Keep-alive", values[TlvType.KEEP_ALIVE])))
    if message_type == MessageType.BINDID_REQUEST:
        return BindIdRequest()
    # An agent written to the letter of section 6 sends Change Notify as 0x0402. It has no table, a report always has.
    if message_type == MessageType.BINDID_REPORT and values[TlvType.BINDID_TABLE]:
        return BindIdReport(BindIdTable.unpack(_only("BindID Report", "BindID Table", values[TlvType.BINDID_TABLE])))
    return BindIdChangeNotify()


_MESSAGE_TYPES = frozenset(MessageType)


def _assemble(message_type: MessageType, *tlvs: bytes) -> bytes:
    body = b"".join(tlvs)
    return HEADER.pack(VERSION, message_type, HEADER.size + len(body)) + body


def _loads(values: list[bytes]) -> tuple[Load, ...]:
    loads = tuple(Load.unpack(value) for value in values)
    hosts = sum(len(load.hosts) for load in loads)
    if hosts > MAX_HOSTS:
        raise MalformedMessageError(f"message lists {hosts} hosts; expected at most {MAX_HOSTS}")
    return loads


def _only(message: str, tlv: str, values: list[bytes]) -> bytes:
    if len(values) != 1:
        raise MalformedMessageError(f"{message} holds {len(values)} {tlv} TLVs; expected one")
    return values[0]


def _require_hosts(loads: tuple[Load, ...]) -> None:
    require_range("number of hosts", sum(len(load.hosts) for load in loads), MAX_HOSTS)
