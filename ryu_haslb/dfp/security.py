"""Keyed MD5 authentication of DFP messages, and the change of keys (draft-eck-dfp-01, section 5.1.1; RFC 1828)."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from math import inf

from ryu_haslb.dfp.messages import HEADER
from ryu_haslb.dfp.tlv import TlvType, require_range
from ryu_haslb.errors import InvalidValueError

DEFAULT_KEY_ID = 0
MAX_KEY_LENGTH = 64
MD5_SECURITY = 1

_DIGEST = 16
_BLOCK = 64
_SECURITY = struct.Struct(f"!HHII{_DIGEST}s")
_TYPE = struct.Struct("!H")


def check_password(password: str) -> None:
    """Check that ``password`` can be a DFP key.

    :raises InvalidValueError: it has not 1 to 64 characters, or one that is not ASCII.
    """
    if not (1 <= len(password) <= MAX_KEY_LENGTH and password.isascii()):
        raise InvalidValueError(f"a DFP password has 1 to {MAX_KEY_LENGTH} ASCII characters; this one does not")


def keyed_digest(key: bytes, message: bytes) -> bytes:
    """MD5(key, pad, message, key): RFC 1828, section 1. The pad is the padding of MD5 itself for ``key``."""
    zeros = -(len(key) + 1 + 8) % _BLOCK
    pad = b"\x80" + bytes(zeros) + struct.pack("<Q", len(key) * 8)
    return hashlib.md5(key + pad + message + key, usedforsecurity=False).digest()


@dataclass
class _Key:
    key_id: int
    secret: bytes = field(repr=False)
    sent_from: float
    sent_until: float = inf
    accepted_until: float = inf


class KeyRing:
    """The keys of one end. Times are seconds of a monotonic clock.

    ``password``, if given, is in force from the start, as after a restart: a message without it is not accepted. A key
    that is added later goes through the time windows of section 5.1.1, each of which lasts ``timeout`` seconds.
    """

    def __init__(self, password: str = "", timeout: float = 180) -> None:
        self.timeout = timeout
        self._keys: list[_Key] = []
        self._unkeyed_until = -inf
        if password:
            self._append(password, DEFAULT_KEY_ID, sent_from=-inf)

    def add(self, password: str, now: float, key_id: int = DEFAULT_KEY_ID) -> None:
        """Add a key: it is accepted at once, and used to sign after the time-out.

        The first key is used to sign at once, because ends that have no key ignore it. Until the time-out, messages
        without a key are accepted, too.

        :raises InvalidValueError: not 1 to 64 ASCII characters, or the key id is not a 32-bit number.
        """
        self._forget_expired(now)
        first = not any(key.accepted_until == inf for key in self._keys)
        self._append(password, key_id, sent_from=now if first else now + self.timeout)
        if first:
            self._unkeyed_until = now + self.timeout

    def remove(self, password: str, now: float, key_id: int = DEFAULT_KEY_ID) -> None:
        """Remove a key: it signs no more, and is accepted until the time-out. Without keys all messages are accepted.

        :raises InvalidValueError: there is no such key.
        """
        found = [key for key in self._keys if (key.key_id, key.secret) == (key_id, password.encode())]
        if not found:
            raise InvalidValueError(f"there is no DFP key with id {key_id} and this password")
        for key in found:
            key.sent_until = min(key.sent_until, now)
            key.accepted_until = min(key.accepted_until, now + self.timeout)

    def replace(self, password: str, now: float) -> None:
        """Change the password as IOS does: the old one signs and both are accepted until the time-out.

        A new password that is not in use yet is removed. Without an old one this is :meth:`add`.
        """
        check_password(password)
        self._forget_expired(now)
        self._keys = [key for key in self._keys if key.sent_from <= now]
        replaced = [key for key in self._keys if now < key.sent_until]
        if not replaced:
            self.add(password, now)
            return
        for key in replaced:
            key.sent_until = key.accepted_until = now + self.timeout
        self._append(password, DEFAULT_KEY_ID, sent_from=now + self.timeout)

    def sign(self, message: bytes, now: float) -> bytes:
        """``message`` with the Security TLV of the newest key that may sign; unchanged if there is none."""
        usable = [key for key in self._keys if key.sent_from <= now < key.sent_until]
        if not usable:
            return message
        key = max(usable, key=lambda candidate: candidate.sent_from)
        version, message_type, length = HEADER.unpack_from(message)
        header = HEADER.pack(version, message_type, length + _SECURITY.size)
        body = message[HEADER.size :]
        digest = keyed_digest(key.secret, header + _security_tlv(key.key_id, bytes(_DIGEST)) + body)
        return header + _security_tlv(key.key_id, digest) + body

    def accepts(self, message: bytes, now: float) -> bool:
        """Whether a received message is authentic, or no key is required. ``message`` is whole, header included."""
        self._forget_expired(now)
        if not any(key.accepted_until == inf for key in self._keys):
            return True
        if len(message) < HEADER.size + _TYPE.size or _TYPE.unpack_from(message, HEADER.size)[0] != TlvType.SECURITY:
            return now < self._unkeyed_until
        return any(_is_signed_by(key, message) for key in self._keys)

    def _append(self, password: str, key_id: int, sent_from: float) -> None:
        check_password(password)
        require_range("key id", key_id, 0xFFFFFFFF)
        self._keys.append(_Key(key_id, password.encode(), sent_from))

    def _forget_expired(self, now: float) -> None:
        self._keys = [key for key in self._keys if now < key.accepted_until]


def _security_tlv(key_id: int, digest: bytes) -> bytes:
    return _SECURITY.pack(TlvType.SECURITY, _SECURITY.size, MD5_SECURITY, key_id, digest)


def _is_signed_by(key: _Key, message: bytes) -> bool:
    end = HEADER.size + _SECURITY.size
    if len(message) < end:
        return False
    _, length, algorithm, key_id, digest = _SECURITY.unpack_from(message, HEADER.size)
    if (length, algorithm, key_id) != (_SECURITY.size, MD5_SECURITY, key.key_id):
        return False
    blank = message[: end - _DIGEST] + bytes(_DIGEST) + message[end:]
    return hmac.compare_digest(digest, keyed_digest(key.secret, blank))
