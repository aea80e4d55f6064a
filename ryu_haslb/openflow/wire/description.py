"""What a switch says of itself: OFPMP_DESC (OpenFlow 1.3.5, section 7.3.5.1)."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from ryu_haslb.openflow.wire.wire import OFP_VERSION, OFPT_MULTIPART_REQUEST, MalformedMessage

OFPMP_DESC = 0

_REQUEST = Struct("!BBHIHH4x")
_DESCRIPTION = Struct("!8xHH4x256s256s256s32s256s")
#: Characters of each text that are kept.
MAX_LENGTH = 64


class Description(NamedTuple):
    """Who made a switch, and its versions. A switch may send anything: control characters are left out."""

    make: str = ""
    hardware: str = ""
    software: str = ""
    serial: str = ""

    @property
    def digest(self) -> int:
        """24 bits by which another switch, or another version, is told from this one."""
        return int.from_bytes(blake2b("\0".join(self).encode(), digest_size=3).digest(), "big")


def description_request(xid: int) -> bytes:
    """Ask who made the switch."""
    return _REQUEST.pack(OFP_VERSION, OFPT_MULTIPART_REQUEST, _REQUEST.size, xid, OFPMP_DESC, 0)


def read_description(message: bytes) -> Description:
    """Unpack the reply.

    Raises:
        MalformedMessage: the message has another length, or is another reply.
    """
    if len(message) != _DESCRIPTION.size:
        raise MalformedMessage(f"description of {len(message)} bytes: expected {_DESCRIPTION.size}")
    kind, _, *texts, _ = _DESCRIPTION.unpack(message)
    if kind != OFPMP_DESC:
        raise MalformedMessage(f"multipart reply of type {kind}: expected a description (type {OFPMP_DESC})")
    return Description(*map(_text, texts))


def _text(packed: bytes) -> str:
    text = packed.partition(b"\0")[0].decode("ascii", "replace")
    return "".join(character for character in text if character.isprintable()).strip()[:MAX_LENGTH]
