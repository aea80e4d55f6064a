"""The frames of probes: an ICMP echo request, a Registration Request that no home agent accepts, an echo reply. Pure.

The Registration Request (RFC 5944 section 3.3) asks with lifetime 0 to end the binding of a mobile that has none: even
if a home agent accepted it, there would be no binding afterwards. Its Mobile-Home Authentication names an SPI that no
mobile has, and is made with a key that no other machine has. A home agent denies it with code 131 or another one; a
reply with any code shows that its process lives.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.mobile_ip.authentication import SecurityAssociation, append_authentication
from ryu_haslb.mobile_ip.extensions import nai_extension
from ryu_haslb.mobile_ip.registration import RegistrationRequest
from ryu_haslb.openflow.packets.icmp import PROTOCOL_ICMP, checksum
from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, PROTOCOL_UDP

#: The SPI of probes. The highest but one: operators count from 256 on.
PROBE_SPI = 0xFFFFFFFE
#: Bytes of the key of a Registration Request.
KEY_LENGTH = 16
#: Bytes of the token of an echo request: identifier, sequence number, and data.
ECHO_TOKEN_LENGTH = 16

_NO_ADDRESS = IPv4Address(0)
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_VERSION_AND_LENGTH, _FRAGMENT, _TTL = 0x45, 0x3FFF, 64
_ETHERNET, _IPV4, _UDP, _ICMP = Struct("!6s6sH"), Struct("!BBHHHBBH4s4s"), Struct("!HHHH"), Struct("!BBH")
_PSEUDO_HEADER = Struct("!4s4sxBH")


class Ends(NamedTuple):
    """The ends of a question: Ethernet and IPv4 source, Ethernet and IPv4 destination."""

    source_mac: bytes
    source: bytes
    mac: bytes
    address: bytes


class EchoReply(NamedTuple):
    """An echo reply: where it comes from and goes to, and its token."""

    mac: bytes
    source: bytes
    destination: bytes
    token: bytes


def echo_request(ends: Ends, token: bytes) -> bytes:
    """The frame of an ICMP echo request (RFC 792) whose reply has the same token."""
    message = _ICMP.pack(_ECHO_REQUEST, 0, 0) + token
    return _frame(ends, PROTOCOL_ICMP, _ICMP.pack(_ECHO_REQUEST, 0, checksum(message)) + token)


def read_echo_reply(frame: bytes) -> Optional[EchoReply]:
    """The echo reply in an untagged frame; None if there is none, or anything about it is wrong."""
    try:
        _, mac, ethertype = _ETHERNET.unpack_from(frame)
        head, _, length, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(frame, _ETHERNET.size)
    except struct.error:
        return None
    message = frame[_ETHERNET.size + _IPV4.size : _ETHERNET.size + length]
    is_sound = (
        (ethertype, head, protocol) == (ETHERTYPE_IPV4, _VERSION_AND_LENGTH, PROTOCOL_ICMP)
        and not fragment & _FRAGMENT
        and message[:2] == bytes((_ECHO_REPLY, 0))
        and len(message) == length - _IPV4.size == _ICMP.size + ECHO_TOKEN_LENGTH
        and checksum(frame[_ETHERNET.size : _ETHERNET.size + _IPV4.size]) == 0
        and checksum(message) == 0
    )
    return EchoReply(mac, source, destination, message[_ICMP.size :]) if is_sound else None


class RequestOfProbe(NamedTuple):
    """What a Registration Request says: its mobile and Identification, and the key of its authenticator."""

    nai: str
    identification: int
    key: bytes


def registration_request(ends: Ends, ports: tuple[int, int], asked: RequestOfProbe) -> bytes:
    """The frame of a Registration Request that no home agent accepts; ``ports`` are those of source and destination."""
    request = RegistrationRequest(
        home_address=_NO_ADDRESS,
        home_agent=IPv4Address(ends.address),
        care_of_address=IPv4Address(ends.source),
        identification=asked.identification,
        lifetime=0,
        extensions=(nai_extension(asked.nai.encode()),),
    )
    payload = append_authentication(request.encode(), SecurityAssociation(PROBE_SPI, asked.key))
    length = _UDP.size + len(payload)
    pseudo_header = _PSEUDO_HEADER.pack(ends.source, ends.address, PROTOCOL_UDP, length)
    sum_of_all = checksum(pseudo_header + _UDP.pack(*ports, length, 0) + payload)
    return _frame(ends, PROTOCOL_UDP, _UDP.pack(*ports, length, sum_of_all or 0xFFFF) + payload)


def _frame(ends: Ends, protocol: int, payload: bytes) -> bytes:
    fields = (_VERSION_AND_LENGTH, 0, _IPV4.size + len(payload), 0, 0, _TTL, protocol)
    header = _IPV4.pack(*fields, checksum(_IPV4.pack(*fields, 0, ends.source, ends.address)), ends.source, ends.address)
    return _ETHERNET.pack(ends.mac, ends.source_mac, ETHERTYPE_IPV4) + header + payload
