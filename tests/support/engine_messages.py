"""Messages as the engine packs them, to hold ours against."""

from __future__ import annotations

from typing import Any


def packed(message: Any, xid: int = 0) -> bytes:
    """The bytes of a message of the engine, with this transaction id."""
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)
