"""A UDP socket that reports the destination address of each datagram, and can answer from that address."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from haslb_lab.errors import ProgramError

# Python names IP_PKTINFO only since 3.14. struct in_pktinfo: interface index, local address, address in the header.
_IP_PKTINFO = 8
_PACKET_INFORMATION = struct.Struct("=i4s4s")
_MAX_DATAGRAM_SIZE = 65535
#: Datagrams that are read before timers and control clients have their turn.
_MAX_BATCH_SIZE = 64
#: Bytes of the socket's receive buffer.
_RECEIVE_BUFFER_SIZE = 4 << 20
ANY_ADDRESS = IPv4Address(0)


class Datagram(NamedTuple):
    """A received datagram; ``local`` is the address of this node that it was sent to."""

    payload: bytes
    source: IPv4Address
    source_port: int
    local: IPv4Address


class UdpSocket:
    """Calls ``received`` with every datagram. Raises: ProgramError when the address is in use or not this node's."""

    def __init__(self, address: IPv4Address, port: int, received: Callable[[Datagram], None]) -> None:
        self._received = received
        self.send_errors = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_SIZE)
            self._socket.bind((str(address), port))
        except OSError as error:
            self._socket.close()
            raise ProgramError(f"cannot listen on UDP port {port} of {address}: {error.strerror}") from None
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        """Close the socket."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def send(self, payload: bytes, address: IPv4Address, port: int, source: Optional[IPv4Address] = None) -> None:
        """Send a datagram from ``source``, by default from the address that the socket is bound to.

        A datagram that the kernel refuses to send is lost, and counted in ``send_errors``.
        """
        ancillary = []
        if source is not None:
            information = _PACKET_INFORMATION.pack(0, source.packed, bytes(4))
            ancillary.append((socket.IPPROTO_IP, _IP_PKTINFO, information))
        try:
            self._socket.sendmsg([payload], ancillary, 0, (str(address), port))
        except OSError:
            self.send_errors += 1

    def _read(self) -> None:
        for _ in range(_MAX_BATCH_SIZE):
            try:
                payload, ancillary, _, (source, port) = self._socket.recvmsg(
                    _MAX_DATAGRAM_SIZE, socket.CMSG_SPACE(_PACKET_INFORMATION.size)
                )
            except OSError:  # nothing left to read, or an ICMP error about an earlier datagram
                return
            local = _local_address(ancillary)
            if local is not None:
                self._received(Datagram(payload, IPv4Address(source), port, local))


class LossySocket(UdpSocket):
    """Loses a share (0 to 1) of received datagrams and a share of sent datagrams, at random."""

    def __init__(
        self,
        address: IPv4Address,
        port: int,
        received: Callable[[Datagram], None],
        incoming_loss: float,
        outgoing_loss: float,
    ) -> None:
        self._outgoing_loss = outgoing_loss
        super().__init__(address, port, lambda datagram: None if _chance(incoming_loss) else received(datagram))

    def send(self, payload: bytes, address: IPv4Address, port: int, source: Optional[IPv4Address] = None) -> None:
        """Send a datagram as :class:`UdpSocket` does, unless it is lost."""
        if not _chance(self._outgoing_loss):
            super().send(payload, address, port, source)


def _chance(share: float) -> bool:
    return random.random() < share


def _local_address(ancillary: list[tuple[int, int, bytes]]) -> Optional[IPv4Address]:
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) == _PACKET_INFORMATION.size:
            return IPv4Address(_PACKET_INFORMATION.unpack(data)[1])
    return None


def is_assigned(address: IPv4Address) -> bool:
    """Whether ``address`` is one of this node's. Raises: OSError when the kernel gives no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
    return True


def check_assigned(address: IPv4Address) -> None:
    """Check that ``address`` is one of this node's. Raises: ProgramError if it is not."""
    if not is_assigned(address):
        raise ProgramError(f"{address} is not assigned here; add it first: ip address add {address}/24 dev INTERFACE")
