"""How nodes print times, identifications and long lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Optional

from ryu_haslb.mobile_ip.registration import INFINITE_LIFETIME


def lifetime_text(lifetime: int) -> str:
    """A lifetime in seconds as IOS shows it: ``00:10:00 (600)``."""
    return "infinite" if lifetime == INFINITE_LIFETIME else f"{_clock(lifetime)} ({lifetime})"


def remaining(expires: Optional[float], now: float) -> Optional[float]:
    """Seconds until ``expires``, rounded to milliseconds; None if it never expires."""
    return None if expires is None else round(max(0.0, expires - now), 3)


def remaining_text(expires: Optional[float], now: float) -> str:
    """The time until ``expires`` as IOS shows it: ``00:09:58``."""
    seconds = remaining(expires, now)
    return "infinite" if seconds is None else _clock(int(seconds))


def identification_text(identification: int) -> str:
    """The 64 bits as IOS shows them: ``E8B1F0C2.4A7D0000``."""
    return f"{identification >> 32:08X}.{identification & 0xFFFFFFFF:08X}"


def json_lines(head: dict[str, object], name: str, items: Iterable[dict[str, object]]) -> Iterator[str]:
    """One JSON document: ``head`` with a list ``name`` added. Each item is a line, so that a list is sent in pieces."""
    yield f"{json.dumps(head)[:-1]}, {json.dumps(name)}: ["
    separator = ""
    for item in items:
        yield f"{separator}{json.dumps(item)}"
        separator = ","
    yield "]}"


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
