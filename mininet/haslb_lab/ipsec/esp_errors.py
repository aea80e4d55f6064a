"""Packets that ESP dropped, counted from the two places that know: the kernel's statistics and charon's log."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_STATISTICS = Path("/proc/net/xfrm_stat")

_NOT_SENT = ("no matching outbound IPsec policy", "could not find an outbound IPsec SA")
_NOT_RECEIVED = (
    "ESP sequence number verification failed",
    "ESP decryption or ICV verification failed",
    "ESP decryption failed",
    "failed to parse ESP header",
    "parsing ESP payload failed",
    "inbound ESP packet does not belong to an installed SA",
    "discarding inbound IP packet",
)


class Dropped(NamedTuple):
    """Packets that could not be encrypted, and packets that were not accepted."""

    outbound: int
    inbound: int


def dropped_by_kernel() -> Dropped:
    """What the ESP of this namespace's kernel has dropped; zero if the kernel has no ESP."""
    try:
        lines = _STATISTICS.read_text().splitlines()
    except FileNotFoundError:
        return Dropped(0, 0)
    counters = {name: int(value) for name, value in (line.split() for line in lines)}
    return Dropped(_sum(counters, "XfrmOut"), _sum(counters, "XfrmIn"))


def _sum(counters: dict[str, int], prefix: str) -> int:
    return sum(value for name, value in counters.items() if name.startswith(prefix))


class CharonLog:
    """Writes charon's log to a file, and counts the packets that charon's own ESP dropped.

    The lines about dropped packets are left out of the file: a sender of garbage could fill the disk with them.
    """

    def __init__(self, path: Path) -> None:
        self._not_sent = 0
        self._not_received = 0
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, line: str) -> None:
        """Record the next line of charon's log."""
        if any(text in line for text in _NOT_SENT):
            self._not_sent += 1
        elif any(text in line for text in _NOT_RECEIVED):
            self._not_received += 1
        else:
            self._file.write(f"{line}\n")

    @property
    def send_errors(self) -> int:
        """Packets that could not be encrypted, by charon or by the kernel."""
        return self._not_sent + dropped_by_kernel().outbound

    @property
    def recv_errors(self) -> int:
        """Packets that were not accepted, by charon or by the kernel: forged, replayed, or of no known association."""
        return self._not_received + dropped_by_kernel().inbound

    def close(self) -> None:
        """Close the file."""
        self._file.close()
