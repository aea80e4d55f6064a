"""The six DFP messages (draft-eck-dfp-01, section 6): their values, encoding and decoding."""

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
from ryu_haslb.errors import HaslbError

VERSION = 1
#: Version, message type, length of the whole message (section 4.1).
HEADER = struct.Struct("!BxHI")


class MessageType(IntEnum):
    """Section 6 lists BindID Change Notify as 0x0402, like BindID Report; agents in the field send 0x0403."""

    PREFERENCE_INFORMATION = 0x0101
    SERVER_STATE = 0x0201
    DFP_PARAMETERS = 0x0301
    BINDID_REQUEST = 0x0401
    BINDID_REPORT = 0x0402
    BINDID_CHANGE_NOTIFY = 0x0403


class UnknownMessageError(HaslbError, ValueError):
    """A message of a type that section 6 does not define. The whole message is discarded (section 4)."""


@dataclass(frozen=True)
class PreferenceInformation:
    """Agent to manager: weights. A message without weights is a keep-alive (section 6.1)."""

    loads: tuple[Load, ...] = ()

    def __post_init__(self) -> None:
        _require_hosts(self.loads)


@dataclass(frozen=True)
class ServerState:
    """Manager to agent: servers that the manager has taken out of service, or back; for the log (section 6.2)."""

    loads: tuple[Load, ...] = ()

    def __post_init__(self) -> None:
        _require_hosts(self.loads)


@dataclass(frozen=True)
class DfpParameters:
    """Manager to agent: the keep-alive time (section 6.3)."""

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
    """Agent to manager: the bind id tables have changed since they were reported (section 6.6)."""


Message = Union[PreferenceInformation, ServerState, DfpParameters, BindIdRequest, BindIdReport, BindIdChangeNotify]


def encode(message: Message) -> bytes:
    """The bytes of a message, without a Security TLV."""
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
    """Decode one whole message, as :class:`~ryu_haslb.dfp.framing.FrameReader` yields it.

    A Security TLV is skipped: :mod:`ryu_haslb.dfp.security` checks it on the bytes. TLVs that are unknown or do not
    belong to this type of message are skipped, too.

    :raises UnknownMessageError: section 6 does not define the type.
    :raises MalformedMessageError: a TLV is broken, or a required TLV is missing or there twice.
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
    # An agent that follows section 6 to the letter sends Change Notify as 0x0402. It has no table; a report has one.
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
