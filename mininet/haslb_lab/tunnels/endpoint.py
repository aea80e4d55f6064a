"""The tunnels of a node on the wire: a tun device towards the kernel's routing, a raw socket towards the other ends.

One device serves all tunnels. The kernel routes packets into it, and :class:`Tunnels` chooses the tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Optional

from haslb_lab.errors import ProgramError
from haslb_lab.node.interfaces import MAX_PACKET_SIZE, ip, open_tun, set_ipv4
from haslb_lab.tunnels.packets import (
    FRAGMENTATION_NEEDED,
    HEADER_LENGTH,
    HOST_UNREACHABLE,
    ICMP,
    IP_IN_IP,
    deserves_an_error,
    fragments,
    unreachable,
)
from haslb_lab.tunnels.tunnel import Drop, Encapsulated, Tunnels

DEVICE = "tunnel0"
#: MTU of the device. The kernel fragments or rejects packets that would be too long for Ethernet once encapsulated
#: (RFC 2003 section 5.1).
MTU = 1500 - HEADER_LENGTH

_IP_MTU = 14  # linux/in.h; Python does not name it
_ANY_PORT = 9
#: Packets that are read before registrations have their turn.
_MAX_BATCH_SIZE = 64
#: Bytes of the raw socket's receive buffer.
_RECEIVE_BUFFER_SIZE = 4 << 20
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH})


class TunnelEndpoint:
    """Moves packets between the kernel, ``tunnels`` and the wire until it is closed.

    It turns on forwarding in the namespace. Raises: OSError, with a message for the operator.
    """

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels
        with contextlib.ExitStack() as stack:
            self._device = open_tun(DEVICE)
            stack.callback(os.close, self._device)
            self._wire = stack.enter_context(_tunnel_socket())
            _set_up_device()
            _watch(stack, self._device, self._from_kernel)
            _watch(stack, self._wire.fileno(), self._from_wire)
            self._resources = stack.pop_all()

    def close(self) -> None:
        """Remove the device, and with it the routes into it."""
        self._resources.close()

    def route(self, network: IPv4Network, source: IPv4Address) -> None:
        """Route packets for this network into the tunnels. The kernel's own packets have ``source`` as their source.

        Raises: OSError.
        """
        ip("route", "replace", str(network), "dev", DEVICE, "src", str(source))

    def _from_kernel(self) -> None:
        for _ in range(_MAX_BATCH_SIZE):
            try:
                packet = os.read(self._device, MAX_PACKET_SIZE)
            except BlockingIOError:  # nothing left to read
                return
            except OSError as error:  # the device would stay readable
                print(f"{DEVICE} was removed; no tunnel works any more: {error.strerror}", file=sys.stderr)
                asyncio.get_running_loop().remove_reader(self._device)
                return
            encapsulated = self._tunnels.into(packet)
            if encapsulated is not None:
                self._send(encapsulated)

    def _from_wire(self) -> None:
        for _ in range(_MAX_BATCH_SIZE):
            try:
                outer = self._wire.recv(MAX_PACKET_SIZE)
            except OSError:  # nothing left to read
                return
            packet = self._tunnels.out_of(outer)
            if packet is not None:
                try:
                    os.write(self._device, packet)
                except OSError:  # the device is down, or out of buffers
                    self._tunnels.drops[Drop.NOT_SENT] += 1

    def _send(self, encapsulated: Encapsulated) -> None:
        try:
            self._transmit(encapsulated)
        except OSError as error:
            self._refuse(encapsulated, error.errno)
        else:
            self._tunnels.sent(encapsulated)

    def _transmit(self, encapsulated: Encapsulated) -> None:
        """Send the packet, fragmented if necessary and allowed (RFC 2003 section 5). Raises: OSError."""
        destination = encapsulated.tunnel.destination
        try:
            self._wire.sendto(encapsulated.outer, (str(destination), 0))
        except OSError as error:
            if error.errno != errno.EMSGSIZE or encapsulated.header.dont_fragment:
                raise
            for piece in fragments(encapsulated.outer, _path_mtu(destination)):
                self._wire.sendto(piece, (str(destination), 0))

    def _refuse(self, encapsulated: Encapsulated, reason: Optional[int]) -> None:
        """Count a packet that cannot be sent, and send its source an ICMP error (RFC 2003 section 4)."""
        too_big = reason == errno.EMSGSIZE
        self._tunnels.drops[Drop.TOO_BIG if too_big else Drop.NOT_SENT] += 1
        packet, header = encapsulated.packet, encapsulated.header
        if not (too_big or reason in _NO_ROUTE) or not deserves_an_error(packet, header):
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_RAW, ICMP) as errors:
            if too_big:
                mtu = _path_mtu(encapsulated.tunnel.destination) - HEADER_LENGTH
                message = unreachable(FRAGMENTATION_NEEDED, packet, mtu)
            else:
                message = unreachable(HOST_UNREACHABLE, packet)
            errors.sendto(message, (str(header.source), 0))


def _tunnel_socket() -> socket.socket:
    """A raw socket that receives the packets of protocol 4 and sends packets with their IP headers."""
    try:
        wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, IP_IN_IP)
    except PermissionError:
        raise ProgramError("tunnels need a raw socket; run as root, in a namespace of its own") from None
    wire.setblocking(False)
    wire.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_SIZE)
    return wire


def _set_up_device() -> None:
    """Configure the device without reverse path check: the route to a packet's source is often another one."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for scope in ("all", DEVICE):
        set_ipv4(scope, rp_filter=0)
    ipv6 = Path(f"/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6")
    if ipv6.exists():
        ipv6.write_text("1")
    ip("link", "set", DEVICE, "mtu", str(MTU), "up")


def _watch(stack: contextlib.ExitStack, descriptor: int, readable: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, readable)
    stack.callback(loop.remove_reader, descriptor)


def _path_mtu(destination: IPv4Address) -> int:
    """The kernel's path MTU to ``destination``; ICMP errors from within the tunnel lower it (RFC 1191)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((str(destination), _ANY_PORT))
        return probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
