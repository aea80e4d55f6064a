"""DFP passwords, and their form in IOS type 7: XOR with a published constant, which anyone can reverse."""

from __future__ import annotations

import re
from itertools import cycle, islice

from ryu_haslb.language.wording import MASK

#: Characters of a DFP password: the key of an MD5 digest.
MAX_PASSWORD_LENGTH = 64

_MASKED = "it is masked; 'show running-config secrets' has the password itself"
_KEYSTREAM = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
#: Where the key stream starts. IOS chooses it at random; a fixed one makes the output reproducible.
_START = 8


def dfp_password(text: str) -> str:
    """A DFP password in plain text. Raises ValueError, whose message says what is wrong with it."""
    if text == MASK:
        raise ValueError(_MASKED)
    if len(text) > MAX_PASSWORD_LENGTH:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[ -~]+", text):
        raise ValueError("a key consists of printable ASCII characters")
    return text


def encrypt(password: str) -> str:
    """An ASCII password as type 7: the start in the key stream as two decimal digits, then hexadecimal digits."""
    return f"{_START:02}" + _xor(password.encode("ascii"), _START).hex().upper()


def decrypt(text: str) -> str:
    """The password of a type 7 string. Raises ValueError if the text is not type 7."""
    if re.fullmatch("[0-9]{2}([0-9A-Fa-f]{2})+", text) and int(text[:2]) < len(_KEYSTREAM):
        plain = _xor(bytes.fromhex(text[2:]), int(text[:2]))
        if plain.isascii():
            return plain.decode("ascii")
    if text == MASK:
        raise ValueError(f"not a DFP password: {_MASKED}")
    raise ValueError(
        "not a password of type 7; expected what 'show running-config secrets' prints, such as 0822455D0A16, "
        "or the password itself after 'password 0'"
    )


def _xor(data: bytes, start: int) -> bytes:
    return bytes(a ^ b for a, b in zip(data, islice(cycle(_KEYSTREAM), start, None)))
