"""The TLVs of DFP messages (draft-eck-dfp-01, section 5): their values, encoding and decoding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from ryu_haslb.errors import HaslbError, InvalidValueError

ANY_PORT = 0
ANY_PROTOCOL = 0
#: The bind id that a home agent reports: the weight holds for clients of every network.
ANY_BIND_ID = 65535
UDP = 17

#: Hosts in one message (sections 6.1 and 6.2).
MAX_HOSTS = 128
#: Bind ids in one message. The draft sets no limit; the TLV's 16-bit length does. A longer table takes two messages.
MAX_BINDIDS = 4096

TLV_HEADER = struct.Struct("!HH")
_LOAD = struct.Struct("!HBxHxx")
_HOST = struct.Struct("!4sHH")
_KEEP_ALIVE = struct.Struct("!I")
_BINDID_TABLE = struct.Struct("!4sHBxHxx")
_BINDID = struct.Struct("!Hxx4s4s")


class TlvType(IntEnum):
    """The TLV types of section 5. A receiver skips any other."""

    SECURITY = 0x0001
    LOAD = 0x0002
    KEEP_ALIVE = 0x0101
    BINDID_TABLE = 0x0301


class MalformedMessageError(HaslbError, ValueError):
    """A message with a TLV that is broken, missing or there twice. It is discarded; the connection continues."""


def require_range(name: str, value: int, maximum: int) -> None:
    """Check that ``value`` fits its field.

    :raises InvalidValueError: it is not 0 to ``maximum``.
    """
    if not 0 <= value <= maximum:
        raise InvalidValueError(f"{name} is {value}; expected 0 to {maximum}")


@dataclass(frozen=True)
class HostPreference:
    """The weight of one host for the clients of one bind id (section 5.2); weight 0 takes it out of rotation."""

    address: IPv4Address
    bind_id: int
    weight: int

    def __post_init__(self) -> None:
        require_range("bind id", self.bind_id, 0xFFFF)
        require_range("weight", self.weight, 0xFFFF)


@dataclass(frozen=True)
class Load:
    """The Load TLV: weights of hosts with one port and one IP protocol (section 5.2); port or protocol 0 means any."""

    port: int
    protocol: int
    hosts: tuple[HostPreference, ...]

    def __post_init__(self) -> None:
        require_range("port", self.port, 0xFFFF)
        require_range("protocol", self.protocol, 0xFF)
        require_range("number of hosts", len(self.hosts), MAX_HOSTS)

    def pack(self) -> bytes:
        hosts = b"".join(_HOST.pack(host.address.packed, host.bind_id, host.weight) for host in self.hosts)
        return pack(TlvType.LOAD, _LOAD.pack(self.port, self.protocol, len(self.hosts)) + hosts)

    @classmethod
    def unpack(cls, value: bytes) -> Load:
        _require_length("Load TLV", value, _LOAD.size, at_least=True)
        port, protocol, count = _LOAD.unpack_from(value)
        _require_count("Load TLV", "hosts", count, MAX_HOSTS)
        _require_length(f"Load TLV of {count} hosts", value, _LOAD.size + count * _HOST.size)
        hosts = _HOST.iter_unpack(value[_LOAD.size :])
        return cls(
            port, protocol, tuple(HostPreference(IPv4Address(host), bind, weight) for host, bind, weight in hosts)
        )


@dataclass(frozen=True)
class KeepAlive:
    """The Keep-alive TLV: seconds without a message after which the manager closes; 0: never (section 5.3)."""

    seconds: int

    def __post_init__(self) -> None:
        require_range("keep-alive", self.seconds, 0xFFFFFFFF)

    def pack(self) -> bytes:
        return pack(TlvType.KEEP_ALIVE, _KEEP_ALIVE.pack(self.seconds))

    @classmethod
    def unpack(cls, value: bytes) -> KeepAlive:
        _require_length("Keep-alive TLV", value, _KEEP_ALIVE.size)
        return cls(*_KEEP_ALIVE.unpack(value))


@dataclass(frozen=True)
class BindId:
    """The client network that a bind id stands for. The mask is kept as sent: it need not be contiguous."""

    bind_id: int
    network: IPv4Address
    netmask: IPv4Address

    def __post_init__(self) -> None:
        require_range("bind id", self.bind_id, 0xFFFF)


@dataclass(frozen=True)
class BindIdTable:
    """The BindID Table TLV: the bind ids of one real server (section 5.4)."""

    server: IPv4Address
    port: int
    protocol: int
    entries: tuple[BindId, ...]

    def __post_init__(self) -> None:
        require_range("port", self.port, 0xFFFF)
        require_range("protocol", self.protocol, 0xFF)
        require_range("number of bind ids", len(self.entries), MAX_BINDIDS)

    def pack(self) -> bytes:
        head = _BINDID_TABLE.pack(self.server.packed, self.port, self.protocol, len(self.entries))
        entries = (_BINDID.pack(entry.bind_id, entry.network.packed, entry.netmask.packed) for entry in self.entries)
        return pack(TlvType.BINDID_TABLE, head + b"".join(entries))

    @classmethod
    def unpack(cls, value: bytes) -> BindIdTable:
        _require_length("BindID Table TLV", value, _BINDID_TABLE.size, at_least=True)
        server, port, protocol, count = _BINDID_TABLE.unpack_from(value)
        _require_count("BindID Table TLV", "entries", count, MAX_BINDIDS)
        _require_length(f"BindID Table TLV of {count} entries", value, _BINDID_TABLE.size + count * _BINDID.size)
        entries = tuple(
            BindId(bind_id, IPv4Address(network), IPv4Address(netmask))
            for bind_id, network, netmask in _BINDID.iter_unpack(value[_BINDID_TABLE.size :])
        )
        return cls(IPv4Address(server), port, protocol, entries)


#: The all-zero table that ends a report (section 6.5).
END_OF_BINDIDS = BindIdTable(IPv4Address(0), 0, 0, ())


def pack(tlv_type: int, value: bytes) -> bytes:
    """One TLV: its header (section 4.1) and ``value``."""
    return TLV_HEADER.pack(tlv_type, TLV_HEADER.size + len(value)) + value


def split(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each TLV in ``body``, which is a message without its header.

    :raises MalformedMessageError: a TLV is shorter than its own header or reaches beyond the message.
    """
    offset = 0
    while offset < len(body):
        left = len(body) - offset
        if left < TLV_HEADER.size:
            raise MalformedMessageError(f"{left} bytes after the last TLV; expected none, or a TLV header of 4")
        tlv_type, length = TLV_HEADER.unpack_from(body, offset)
        if not TLV_HEADER.size <= length <= left:
            raise MalformedMessageError(f"TLV 0x{tlv_type:04x} has length {length}; expected 4 to {left}")
        yield tlv_type, body[offset + TLV_HEADER.size : offset + length]
        offset += length


def _require_length(name: str, value: bytes, expected: int, at_least: bool = False) -> None:
    if len(value) < expected or (len(value) > expected and not at_least):
        wanted = f"at least {expected}" if at_least else str(expected)
        raise MalformedMessageError(f"{name} holds {len(value)} bytes; expected {wanted}")


def _require_count(name: str, items: str, count: int, maximum: int) -> None:
    if count > maximum:
        raise MalformedMessageError(f"{name} lists {count} {items}; expected at most {maximum}")
