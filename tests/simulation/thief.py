"""A machine that has the address of a home agent: it answers ARP for it, and reads no request that it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulation.packet import arp_frame

#: The first bytes of a thief's Ethernet address; the stolen address follows.
THIEF_PREFIX = b"\x02\xba"


def is_for_thief(frame: bytes) -> bool:
    """Whether a frame goes to a thief, and not to all."""
    return frame[:2] == THIEF_PREFIX


@dataclass(eq=False)
class Thief:
    """One of them, at the port of another node. ``send`` puts frames in there."""

    address: bytes
    send: Callable[[bytes], None]
    #: Is called with each request that was sent to it.
    ignored: Callable[[bytes], object] = lambda _: None
    is_there: bool = True

    @property
    def mac(self) -> bytes:
        """Its Ethernet address, by which the witness knows whose address it has."""
        return THIEF_PREFIX + self.address

    def claim(self) -> None:
        """Announce itself to all, by gratuitous ARP."""
        self.send(arp_frame(1, self.mac, self.address, bytes(6), self.address))

    def receive(self, frame: bytes) -> None:
        """A frame came in."""
        if frame[12:14] == b"\x08\x06":
            if self.is_there and frame[20:22] == b"\0\1" and frame[38:42] == self.address:
                self.send(arp_frame(2, self.mac, self.address, frame[6:12], frame[28:32]))
        elif frame[:6] == self.mac:
            self.ignored(frame)
