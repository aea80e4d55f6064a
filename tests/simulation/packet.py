"""Ethernet frames as an OpenFlow pipeline sees them: the fields that rules match, and the fields that actions set."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Optional

IN_PORT, METADATA, ETH_DST, ETH_SRC, ETH_TYPE, VLAN_VID = 0, 2, 3, 4, 5, 6
IP_PROTO, IPV4_SRC, IPV4_DST, UDP_SRC, UDP_DST = 10, 11, 12, 15, 16
ARP_OP, ARP_SPA, ARP_TPA = 21, 22, 23
FIELD_COUNT = 40
PROTOCOL_ICMP, PROTOCOL_UDP = 1, 17

_ARP = Struct("!6xH6sI6sI")
_VLAN_PRESENT = 0x1000
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF

#: The value of each field by its number in OpenFlow's basic class; None where the frame has no such field.
Fields = list[Optional[int]]


def fields_of(frame: bytes, in_port: int) -> Fields:
    """The match fields of a frame. As in Open vSwitch a later fragment has ports 0, and so has a truncated datagram."""
    fields: Fields = [None] * FIELD_COUNT
    fields[IN_PORT], fields[METADATA] = in_port, 0
    fields[ETH_DST] = int.from_bytes(frame[:6], "big")
    fields[ETH_SRC] = int.from_bytes(frame[6:12], "big")
    start = 12
    fields[VLAN_VID] = 0
    if frame[12:14] == b"\x81\x00":
        fields[VLAN_VID] = int.from_bytes(frame[14:16], "big") & 0x0FFF | _VLAN_PRESENT
        start = 16
    eth_type = fields[ETH_TYPE] = int.from_bytes(frame[start : start + 2], "big")
    body = start + 2
    if eth_type == 0x0800:
        _read_ipv4(frame, body, fields)
    elif eth_type == 0x0806 and len(frame) >= body + 28:
        fields[ARP_OP], _, fields[ARP_SPA], _, fields[ARP_TPA] = _ARP.unpack_from(frame, body)
    return fields


def _read_ipv4(frame: bytes, body: int, fields: Fields) -> None:
    header = (frame[body] & 0x0F) * 4 if len(frame) > body else 0
    if header < 20 or len(frame) < body + header or frame[body] >> 4 != 4:
        return
    fields[IP_PROTO] = frame[body + 9]
    fields[IPV4_SRC] = int.from_bytes(frame[body + 12 : body + 16], "big")
    fields[IPV4_DST] = int.from_bytes(frame[body + 16 : body + 20], "big")
    if frame[body + 9] != 17:
        return
    later_fragment = int.from_bytes(frame[body + 6 : body + 8], "big") & 0x1FFF
    transport = body + header
    if later_fragment or len(frame) < transport + 8:
        fields[UDP_SRC] = fields[UDP_DST] = 0
    else:
        fields[UDP_SRC] = int.from_bytes(frame[transport : transport + 2], "big")
        fields[UDP_DST] = int.from_bytes(frame[transport + 2 : transport + 4], "big")


def with_field(frame: bytes, field: int, value: bytes, corrects_checksums: bool = True) -> bytes:
    """The frame with one field set; checksums follow as a switch does it. A field that is not there stays away."""
    changed = _with_field(frame, field, value)
    if corrects_checksums or field not in (IPV4_DST, UDP_DST):
        return changed
    body = 18 if frame[12:14] == b"\x81\x00" else 14
    for place in (body + 10, body + (frame[body] & 0x0F) * 4 + 6):
        changed = changed[:place] + frame[place : place + 2] + changed[place + 2 :]
    return changed


def with_spoilt_checksum(frame: bytes) -> bytes:
    """The untagged UDP datagram with a wrong checksum where it had none."""
    place = 14 + (frame[14] & 0x0F) * 4 + 6
    return frame[:place] + b"\x0b\xad" + frame[place + 2 :] if frame[place : place + 2] == b"\0\0" else frame


def _with_field(frame: bytes, field: int, value: bytes) -> bytes:
    if field == ETH_DST:
        return value + frame[6:]
    if field == ETH_SRC:
        return frame[:6] + value + frame[12:]
    tagged = frame[12:14] == b"\x81\x00"
    if field == VLAN_VID:
        if not tagged:
            return frame
        tag = int.from_bytes(frame[14:16], "big") & 0xF000 | int.from_bytes(value, "big") & 0x0FFF
        return frame[:14] + tag.to_bytes(2, "big") + frame[16:]
    body = 18 if tagged else 14
    transport = body + (frame[body] & 0x0F) * 4
    if field == IPV4_DST:
        changed = _replaced(frame, body + 16, value, body + 10)
        is_first = not int.from_bytes(frame[body + 6 : body + 8], "big") & 0x1FFF
        has_checksum = frame[body + 9] == 17 and is_first and frame[transport + 6 : transport + 8] not in (b"", b"\0\0")
        return _replaced_sum(changed, transport + 6, frame[body + 16 : body + 20], value) if has_checksum else changed
    if field == UDP_DST:
        has_checksum = frame[transport + 6 : transport + 8] != b"\0\0"
        before = frame[transport + 2 : transport + 4]
        changed = frame[: transport + 2] + value + frame[transport + 4 :]
        return _replaced_sum(changed, transport + 6, before, value) if has_checksum else changed
    raise ValueError(f"the simulated switch does not set field {field}")


def tag_of(frame: bytes) -> int:
    """The VLAN of a frame's 802.1Q tag; 0 where it has none."""
    return int.from_bytes(frame[14:16], "big") & 0x0FFF if frame[12:14] == b"\x81\x00" else 0


def priority_of(frame: bytes) -> int:
    """The priority of a frame's 802.1Q tag, in its place; 0 where it has none."""
    return int.from_bytes(frame[14:16], "big") & 0xF000 if frame[12:14] == b"\x81\x00" else 0


def untagged(frame: bytes) -> bytes:
    """The frame without an 802.1Q tag in front."""
    return frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame


def tagged(frame: bytes, vlan: int, priority: int = 0) -> bytes:
    """The untagged frame with the tag of a VLAN, or of a priority alone; without both there is none."""
    return frame[:12] + b"\x81\x00" + (priority | vlan).to_bytes(2, "big") + frame[12:] if priority | vlan else frame


def routed(frame: bytes, ethernet: bytes) -> bytes:
    """The untagged IPv4 packet as a router sends it on; ``ethernet`` is destination and source."""
    lived = bytes([frame[22] - 1]) + frame[23:24]
    return _replaced(ethernet + frame[12:], 22, lived, 24)


def with_vlan_tag(frame: bytes) -> bytes:
    """The frame with an empty 802.1Q tag in front (OFPAT_PUSH_VLAN)."""
    return frame[:12] + b"\x81\x00\0\0" + frame[12:]


def _replaced(frame: bytes, offset: int, value: bytes, checksum: int) -> bytes:
    before = frame[offset : offset + len(value)]
    return _replaced_sum(frame[:offset] + value + frame[offset + len(value) :], checksum, before, value)


def _replaced_sum(frame: bytes, offset: int, before: bytes, after: bytes) -> bytes:
    """The Internet checksum at ``offset``, updated for words that changed (RFC 1624)."""
    total = ~int.from_bytes(frame[offset : offset + 2], "big") & 0xFFFF
    for index in range(0, len(before), 2):
        total += ~int.from_bytes(before[index : index + 2], "big") & 0xFFFF
        total += int.from_bytes(after[index : index + 2], "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return frame[:offset] + (~total & 0xFFFF).to_bytes(2, "big") + frame[offset + 2 :]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big") % 0xFFFF  # the one's complement sum, whose zero is 0xFFFF
    return ~(total or (0xFFFF if any(data) else 0)) & 0xFFFF


def udp_frame(ethernet: bytes, source: bytes, destination: bytes, ports: tuple[int, int], payload: bytes) -> bytes:
    """A UDP datagram in an Ethernet frame; ``ethernet`` is destination and source address, addresses are packed."""
    headers, pseudo_header = _headers(source, destination, ports, len(payload))
    udp_sum = checksum(pseudo_header + payload) or 0xFFFF
    return ethernet + headers + udp_sum.to_bytes(2, "big") + payload


@lru_cache(maxsize=10_000)
def _headers(source: bytes, destination: bytes, ports: tuple[int, int], payload: int) -> tuple[bytes, bytes]:
    """The headers in front of the UDP checksum, and what that is computed from beside the payload."""
    length = 8 + payload
    head = b"\x45\0" + (20 + length).to_bytes(2, "big") + b"\0\0\0\0\x40\x11"
    addresses = source + destination
    ip_sum = checksum(head + b"\0\0" + addresses)
    udp = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + length.to_bytes(2, "big")
    headers = b"\x08\0" + head + ip_sum.to_bytes(2, "big") + addresses + udp
    return headers, addresses + b"\0\x11" + length.to_bytes(2, "big") + udp + b"\0\0"


def echo_reply(frame: bytes, ethernet: bytes) -> bytes:
    """The reply of a host to the frame of an echo request (RFC 792); ``ethernet`` is destination and source."""
    head, addresses = frame[14:24], frame[30:34] + frame[26:30]
    message = b"\0\0\0\0" + frame[38 : 14 + int.from_bytes(frame[16:18], "big")]
    ip_sum, icmp_sum = checksum(head + b"\0\0" + addresses), checksum(message)
    ip = b"\x08\0" + head + ip_sum.to_bytes(2, "big") + addresses
    return ethernet + ip + b"\0\0" + icmp_sum.to_bytes(2, "big") + message[4:]


def has_right_checksums(frame: bytes) -> bool:
    """Whether an untagged frame's IPv4 and UDP checksums are right; a UDP checksum of 0 counts as right."""
    header = (frame[14] & 0x0F) * 4
    if checksum(frame[14 : 14 + header]):
        return False
    end = 14 + int.from_bytes(frame[16:18], "big")
    datagram = frame[14 + header : end]
    if datagram[6:8] == b"\0\0":
        return True
    return checksum(frame[26:34] + b"\0\x11" + len(datagram).to_bytes(2, "big") + datagram) == 0


def arp_frame(operation: int, source_mac: bytes, source: bytes, target_mac: bytes, target: bytes) -> bytes:
    """An ARP packet (RFC 826): operation 1 is a request, which is broadcast, 2 a reply."""
    destination = b"\xff" * 6 if operation == 1 else target_mac
    head = b"\0\x01\x08\0\x06\x04" + operation.to_bytes(2, "big")
    return destination + source_mac + b"\x08\x06" + head + source_mac + source + target_mac + target
