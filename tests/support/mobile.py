"""Registration requests as Ethernet frames, built with Scapy: an implementation that shares no code with ours."""

from __future__ import annotations

import struct
from itertools import count
from typing import Any, Optional

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.mobileip import MobileIP, MobileIPRRQ
from scapy.packet import Packet

VIRTUAL = "10.1.1.10"
CLIENT = "10.1.1.101"
CLIENT_MAC = "00:00:5e:00:53:01"
CHASSIS_MAC = "02:51:b7:00:00:01"

_identifications = count(0x1122334455667788)


def short(kind: int, data: bytes) -> bytes:
    """Write an extension in short format (RFC 5944, section 1.10)."""
    return struct.pack("!BB", kind, len(data)) + data


def long(kind: int, subtype: int, data: bytes) -> bytes:
    """Write an extension in long format (RFC 5944, section 1.9)."""
    return struct.pack("!BBH", kind, subtype, len(data)) + data


def vendor(data: bytes) -> bytes:
    """Write a critical vendor extension of vendor 9 (RFC 3115, section 2)."""
    return struct.pack("!BBHI", 38, 0, len(data) + 4, 9) + data


def nai(name: str) -> bytes:
    """Write the Mobile Node NAI extension (RFC 2794, section 2)."""
    return short(131, name.encode())


def authentication(spi: int = 256) -> bytes:
    """Write a Mobile-Home Authentication extension whose authenticator is of no interest (RFC 5944, section 3.5.2)."""
    return short(32, struct.pack("!I", spi) + bytes(range(16)))


def request(
    extensions: bytes = b"",
    home_agent: str = "0.0.0.0",
    home_address: str = "0.0.0.0",
    lifetime: int = 300,
    flags: int = 0,
) -> bytes:
    """Write a Registration Request; each has an identification of its own, as each transmission has."""
    fixed = MobileIPRRQ(
        flags=flags,
        lifetime=lifetime,
        homeaddr=home_address,
        haaddr=home_agent,
        coaddr=CLIENT,
        id=next(_identifications),
    )
    return bytes(MobileIP() / fixed) + extensions


def packet(payload: bytes, port: int = 434, udp: Optional[dict[str, Any]] = None, **ip: Any) -> Packet:
    """Write an IPv4 packet to the virtual address; ``ip`` and ``udp`` are header fields as Scapy names them."""
    ip = {"src": CLIENT, "dst": VIRTUAL, **ip}
    return IP(**ip) / UDP(**{"sport": port, "dport": 434, **(udp or {})}) / payload


def frame(payload: bytes, vlan: Optional[int] = None, mac: str = CLIENT_MAC, to: str = CHASSIS_MAC, **ip: Any) -> bytes:
    """Write a packet of :func:`packet` as a foreign agent's frame."""
    ethernet = Ether(src=mac, dst=to)
    if vlan is not None:
        ethernet /= Dot1Q(vlan=vlan)
    return bytes(ethernet / packet(payload, **ip))


def registration(name: str, **fields: Any) -> bytes:
    """Write the ordinary frame of a mobile with this NAI; ``fields`` are those of :func:`frame`."""
    return frame(request(nai(name) + authentication()), **fields)


def arp_request(target: str, mac: str = CLIENT_MAC, sender: str = CLIENT, vlan: Optional[int] = None) -> bytes:
    """Ask who has an address."""
    ethernet = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
    if vlan is not None:
        ethernet /= Dot1Q(vlan=vlan)
    return bytes(ethernet / ARP(op=1, hwsrc=mac, psrc=sender, pdst=target))


def arp_reply(mac: str, address: str, to: str = CHASSIS_MAC, vlan: Optional[int] = None) -> bytes:
    """Answer that ``mac`` has the address."""
    ethernet = Ether(src=mac, dst=to)
    if vlan is not None:
        ethernet /= Dot1Q(vlan=vlan)
    return bytes(ethernet / ARP(op=2, hwsrc=mac, psrc=address, hwdst=to, pdst="0.0.0.0"))


def as_dispatched(sent: bytes, mac: str, source: str, vlan: Optional[int] = None) -> bytes:
    """What a home agent receives of a frame in dispatched mode: new Ethernet addresses and VLAN, IP untouched."""
    received = Ether(sent)
    internet = bytes(received[IP]) if IP in received else sent[14:]
    ethernet = Ether(src=source, dst=mac, type=0x0800)
    if vlan is not None:
        ethernet = Ether(src=source, dst=mac) / Dot1Q(vlan=vlan, type=0x0800)
    return bytes(ethernet) + internet


def as_directed(sent: bytes, mac: str, source: str, address: str, port: int = 434) -> bytes:
    """What a home agent receives of a frame in direct mode: new destination, checksums made anew by Scapy."""
    internet = Ether(sent)[IP].copy()
    internet.dst = address
    internet[UDP].dport = port
    del internet.chksum
    if internet[UDP].chksum:  # zero says that the sender made none (RFC 768)
        del internet[UDP].chksum
    return bytes(Ether(src=source, dst=mac) / internet)
