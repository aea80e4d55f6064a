"""Reads captured Ethernet frames: Mobile IP messages, and encrypted packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from haslb_lab.ipsec.ethernet import ESP, ETHERTYPE_IP, ETHERTYPE_VLAN, UDP, Ipv4Packet
from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.identity import REQUEST_TYPE
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT, REPLY_TYPE, RegistrationReply, RegistrationRequest

_ESP_IN_UDP_PORT = 4500
_UDP_HEADER = 8
#: The non-ESP marker that IKE has in the place of an SPI (RFC 3948 section 2.2).
_NOT_ESP = bytes(4)


class Message(NamedTuple):
    """A Registration Request or Reply. Lifetime 0 is a deregistration."""

    source: IPv4Address
    destination: IPv4Address
    is_request: bool
    lifetime: int
    nai: Optional[bytes]


def messages(frames: Iterable[bytes]) -> list[Message]:
    """The Mobile IP messages in frames of any content, with or without a VLAN tag, in order."""
    return [message for packet in _packets(frames) if (message := _message(packet)) is not None]


def encrypted(frames: Iterable[bytes]) -> list[Ipv4Packet]:
    """The packets that are ESP, in UDP or not."""
    return [packet for packet in _packets(frames) if _is_esp(packet)]


def _packets(frames: Iterable[bytes]) -> Iterator[Ipv4Packet]:
    for frame in frames:
        start = 16 if int.from_bytes(frame[12:14], "big") == ETHERTYPE_VLAN else 12
        if int.from_bytes(frame[start : start + 2], "big") == ETHERTYPE_IP:
            packet = Ipv4Packet.decode(frame[start + 2 :])
            if packet is not None and packet.fragment_offset == 0:
                yield packet


def _ports(packet: Ipv4Packet) -> tuple[int, int]:
    return int.from_bytes(packet.payload[0:2], "big"), int.from_bytes(packet.payload[2:4], "big")


def _is_esp(packet: Ipv4Packet) -> bool:
    if packet.protocol == UDP and _ESP_IN_UDP_PORT in _ports(packet):
        return len(packet.payload) > 2 * _UDP_HEADER and packet.payload[_UDP_HEADER:12] != _NOT_ESP
    return packet.protocol == ESP


def _message(packet: Ipv4Packet) -> Optional[Message]:
    if packet.protocol != UDP or MOBILE_IP_PORT not in _ports(packet):
        return None
    payload = packet.payload[_UDP_HEADER:]
    try:
        if payload[:1] == bytes([REQUEST_TYPE]):
            request = RegistrationRequest.decode(payload)
            return Message(packet.source, packet.destination, True, request.lifetime, request.nai)
        if payload[:1] == bytes([REPLY_TYPE]):
            reply = RegistrationReply.decode(payload)
            return Message(packet.source, packet.destination, False, reply.lifetime, reply.nai)
    except MalformedMessage:
        pass
    return None
