"""Passwords of type 7: IOS hides a password from a glance over the shoulder by XOR with a constant. It is no secret."""

from __future__ import annotations

import re
from itertools import cycle, islice

_KEYSTREAM = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"
#: IOS draws the starting point by lot; a fixed one keeps the printed configuration the same from one time to the next.
_START = 8


def encrypt(password: str) -> str:
    """Type 7 of an ASCII password: two decimal digits that say where in the key stream it starts, then hexadecimal."""
    return f"{_START:02}" + _xor(password.encode("ascii"), _START).hex().upper()


def decrypt(text: str) -> str:
    """The password behind a type 7 string; ValueError if it is none."""
    if re.fullmatch("[0-9]{2}([0-9A-Fa-f]{2})+", text) and int(text[:2]) < len(_KEYSTREAM):
        plain = _xor(bytes.fromhex(text[2:]), int(text[:2]))
        if plain.isascii():
            return plain.decode("ascii")
    raise ValueError(
        "not a password of type 7; expected what 'show running-config' prints, such as 0822455D0A16, "
        "or the password itself after 'password 0'"
    )


def _xor(data: bytes, start: int) -> bytes:
    return bytes(a ^ b for a, b in zip(data, islice(cycle(_KEYSTREAM), start, None)))
