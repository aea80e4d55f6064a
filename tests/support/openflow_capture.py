"""What switches send over TCP to one port, as it is on the wire: a capture, and the OpenFlow messages in it."""

from __future__ import annotations

import socket
from contextlib import suppress

from scapy.layers.inet import IP, TCP

from ryu_haslb.openflow.wire import wire

_ETH_P_ALL = 3  # what this host sends is captured with this only
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 64 << 20


class OpenFlowCapture:
    """Captures in this network namespace. Use it as a context manager; no message may be half sent when it begins."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._segments: dict[int, dict[int, bytes]] = {}  # by the port that the switch connects from, and their places

    def __enter__(self) -> OpenFlowCapture:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def messages(self) -> list[bytes]:
        """All messages so far, those of one connection in order."""
        with suppress(BlockingIOError):
            while True:
                data, (_, protocol, *_) = self._socket.recvfrom(1 << 17)
                if protocol == wire.ETHERTYPE_IPV4:
                    self._on_packet(IP(data))
        return [message for segments in self._segments.values() for message in _messages(segments)]

    def _on_packet(self, packet: IP) -> None:
        tcp = packet.getlayer(TCP)
        if tcp is not None and tcp.dport == self._port and len(tcp.payload):
            payload = bytes(tcp)[tcp.dataofs * 4 : packet.len - packet.ihl * 4]
            if payload:
                self._segments.setdefault(tcp.sport, {})[tcp.seq] = payload


def _messages(segments: dict[int, bytes]) -> list[bytes]:
    """The messages in the segments of one connection; what follows a gap is left out."""
    expected, stream = min(segments), b""
    for place, payload in sorted(segments.items()):
        if place > expected:
            break
        stream += payload[expected - place :]
        expected = max(expected, place + len(payload))
    found = []
    while len(stream) >= wire.HEADER.size:
        version, _, length, _ = wire.HEADER.unpack_from(stream)
        assert version == wire.OFP_VERSION and length >= wire.HEADER.size, "the capture began within a message"
        if length > len(stream):
            break
        found.append(stream[:length])
        stream = stream[length:]
    return found


def is_refused_to_slave(message: bytes) -> bool:
    """Whether a message rejects another one because its sender is SLAVE."""
    if message[1] != wire.OFPT_ERROR:
        return False
    error = wire.read_error(message)
    return (error.type, error.code) == (wire.OFPET_BAD_REQUEST, wire.OFPBRC_IS_SLAVE)
