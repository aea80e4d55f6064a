"""charon's log: written to a file, but for the packets that it complains about, which are counted."""

from __future__ import annotations

from pathlib import Path

from haslb_lab.ipsec import kernel_esp

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


class CharonLog:
    """Takes lines of a charon's log, and counts the packets that ESP dropped: what charon's own ESP says of them stays
    out of the file, because whoever sends garbage could fill the disk with it."""

    def __init__(self, path: Path) -> None:
        self._not_sent = 0
        self._not_received = 0
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, line: str) -> None:
        """Take the next line."""
        if any(text in line for text in _NOT_SENT):
            self._not_sent += 1
        elif any(text in line for text in _NOT_RECEIVED):
            self._not_received += 1
        else:
            self._file.write(f"{line}\n")

    @property
    def send_errors(self) -> int:
        """Packets that could not be encrypted, here or by the kernel."""
        return self._not_sent + kernel_esp.dropped().outbound

    @property
    def recv_errors(self) -> int:
        """Packets that were not accepted, here or by the kernel: forged, replayed, of nobody."""
        return self._not_received + kernel_esp.dropped().inbound

    def close(self) -> None:
        """Close the file."""
        self._file.close()
