"""Identification fields that are timestamps, and the replay check of a home agent (RFC 5944 section 5.7.1).

The field is an NTP timestamp: seconds since 1900 in the high 32 bits, which wrap in 2036, and a fraction in the low 32.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

#: Seconds by which a mobile's clock may differ from the home agent's (RFC 5944 section 5.7.1: 7 by default).
MAX_CLOCK_DIFFERENCE = 7.0

_NTP_EPOCH = 2_208_988_800
_LOW = 0xFFFFFFFF
_WHOLE = 0xFFFFFFFFFFFFFFFF


def timestamp(clock: float) -> int:
    """The identification for a time of day, given in seconds since 1970."""
    return int((clock + _NTP_EPOCH) * 2**32) & _WHOLE


def seconds_between(earlier: int, later: int) -> float:
    """Seconds from one identification to another; negative when ``later`` is the earlier of the two."""
    difference = (later - earlier) & _WHOLE
    return (difference - 2**64 if difference >> 63 else difference) / 2**32


def mismatch_identification(own: int, received: int) -> int:
    """The identification of a reply with code 133 (RFC 5944 section 5.7.1).

    Its high half is the home agent's seconds. Its low half is that of the request, so that the mobile can match the
    reply to its request.
    """
    return own & ~_LOW | received & _LOW


class ReplayGuard:
    """Remembers the last identification of each sender for as long as a replay of it could be accepted."""

    def __init__(self) -> None:
        self._last: OrderedDict[Hashable, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last)

    def admit(self, sender: Hashable, identification: int, own: int) -> bool:
        """Whether a message is no replay; if so, its identification becomes the sender's last one.

        It has to be within MAX_CLOCK_DIFFERENCE of ``own``, this side's timestamp, and later than the sender's last.
        """
        self._forget_outdated(own)
        if abs(seconds_between(own, identification)) > MAX_CLOCK_DIFFERENCE:
            return False
        last = self._last.get(sender)
        if last is not None and seconds_between(last, identification) <= 0:
            return False
        self._last[sender] = identification
        self._last.move_to_end(sender)
        return True

    def _forget_outdated(self, own: int) -> None:
        while self._last:
            sender, identification = next(iter(self._last.items()))
            if seconds_between(identification, own) <= MAX_CLOCK_DIFFERENCE:
                break
            del self._last[sender]
