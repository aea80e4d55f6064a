"""Counts wrong tokens by client address. Pure: time is an argument.

A token cannot be guessed: it has 16 characters or more. The limit makes an attempt visible to its sender and keeps its
cost small. The right token is always accepted, so that a stranger behind the same proxy cannot lock out others.
"""

from __future__ import annotations

from ryu_haslb.web.connection_limit import peer_of

#: Wrong tokens that an address may send at once, and a minute from then on. Further ones are answered with 429.
MAX_WRONG_TOKENS, WRONG_TOKENS_PER_MINUTE = 100.0, 10.0
#: Addresses that are remembered; beyond it the one that is silent for longest is forgotten.
MAX_ADDRESSES = 1000


class WrongTokens:
    """What is left of the allowance of each address that has sent a wrong token."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def count(self, address: str, now: float) -> bool:
        """Count a wrong token of this address. False: it is one too many."""
        peer = peer_of(address)
        left, at = self._left.pop(peer, (MAX_WRONG_TOKENS, now))
        left = min(MAX_WRONG_TOKENS, left + (now - at) * WRONG_TOKENS_PER_MINUTE / 60.0)
        is_allowed = left >= 1.0
        if len(self._left) >= MAX_ADDRESSES:
            del self._left[next(iter(self._left))]
        self._left[peer] = (left - 1.0 if is_allowed else left, now)
        return is_allowed
