"""A channel that holds messages back until others were sent that have to precede them."""

from __future__ import annotations

from typing import Callable

from ryu_haslb.openflow.sockets.channel import Channel


class HeldChannel:
    """Collects messages for ``channel``. :meth:`release` sends them, behind what ``send_first`` sends."""

    def __init__(self, channel: Channel, send_first: Callable[[], None]) -> None:
        self._channel = channel
        self._send_first = send_first
        self._held: list[bytes] = []

    def transmit(self, message: bytes) -> None:
        """Send one or more OpenFlow messages with the next :meth:`release`."""
        self._held.append(message)

    def next_xid(self) -> int:
        """A transaction id that is not in use."""
        return self._channel.next_xid()

    @property
    def bytes_sent(self) -> int:
        """The number of bytes that were sent, or are held back."""
        return self._channel.bytes_sent + sum(map(len, self._held))

    def release(self) -> None:
        """Send what is held back."""
        if self._held:
            self._send_first()
            held, self._held = self._held, []
            for message in held:
                self._channel.transmit(message)
