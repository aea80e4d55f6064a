"""Reverse ARP (RFC 903): how a mobile learns its home address on the link to its PDSN.

A mobile sends a request when it starts. The PDSN replies if the mobile is registered. It also sends the address when
the mobile becomes registered, and 0.0.0.0 when its registration ends. Only these two are on the link, so all messages
are broadcast.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Optional

from haslb_lab.errors import ProgramError

ETHERTYPE = 0x8035
REQUEST, REPLY = 3, 4
NO_ADDRESS = IPv4Address(0)
BROADCAST = b"\xff" * 6

_FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_KIND = (ETHERTYPE, 1, 0x0800, 6, 4)  # Ethernet and IPv4 addresses


@dataclass(frozen=True)
class ReverseArp:
    """One message. ``sender`` is the sender's IPv4 address, ``target`` the mobile's; both are 0.0.0.0 in a request."""

    operation: int
    sender: IPv4Address = NO_ADDRESS
    target: IPv4Address = NO_ADDRESS

    def encode(self, hardware_address: bytes) -> bytes:
        """The Ethernet frame from the station with this hardware address."""
        own = hardware_address
        subject = own if self.operation == REQUEST else BROADCAST
        addresses = (own, self.sender.packed, subject, self.target.packed)
        return _FRAME.pack(BROADCAST, own, *_KIND, self.operation, *addresses)

    @classmethod
    def decode(cls, frame: bytes) -> Optional[ReverseArp]:
        """The message in an Ethernet frame; None if it contains none."""
        if len(frame) < _FRAME.size:
            return None
        _, _, *kind, operation, _, sender, _, target = _FRAME.unpack_from(frame)
        if tuple(kind) != _KIND or operation not in (REQUEST, REPLY):
            return None
        return cls(operation, IPv4Address(sender), IPv4Address(target))


class ReverseArpSocket:
    """Calls ``received`` with every message that arrives at an interface. Raises: ProgramError."""

    def __init__(self, interface: str, received: Callable[[ReverseArp], None]) -> None:
        self._received = received
        with contextlib.ExitStack() as stack:
            try:
                self._socket = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
                self._socket.setblocking(False)
                self._socket.bind((interface, ETHERTYPE))  # receives nothing before bind(), so only from this interface
            except OSError as error:
                raise ProgramError(f"cannot use the interface {interface}: {error.strerror}") from None
            stack.pop_all()
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        """Close the socket."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def send(self, message: ReverseArp) -> None:
        """Send a message. Raises: OSError, for example when the interface is down."""
        self._socket.send(message.encode(self._socket.getsockname()[4]))

    def _read(self) -> None:
        try:
            frame, (_, _, kind, *_) = self._socket.recvfrom(_FRAME.size)
        except OSError:  # nothing to read, or the interface went down
            return
        message = ReverseArp.decode(frame)
        if message is not None and kind != socket.PACKET_OUTGOING:
            self._received(message)
