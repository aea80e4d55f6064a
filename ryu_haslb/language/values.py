"""The one parser for each kind of value: addresses, masks, VLANs, port names, Ethernet addresses, datapath ids.

The readers of IOS text, of YAML and of chassis descriptions all call these functions, so that a value that one of them
accepts is accepted by the others. A parser takes the text as it is written and returns the value. It raises ValueError
for any other text; the message says what is wrong with the value and may be empty. The caller adds the place (file,
line) and what was expected.

What is accepted is what IOS accepts. In particular a decimal number may have leading zeros and is decimal all the same:
VLAN ``01`` is VLAN 1, port ``fa03/015`` is FastEthernet3/15.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, IPv6Address, ip_address
from typing import Optional, Union

#: VLAN 4095 is reserved (IEEE 802.1Q table 9-2).
MAX_VLAN = 4094
#: Characters of a list of VLANs. All 4094 VLANs one by one take 19,362.
MAX_VLANS_LENGTH = 20000
#: Digits of a decimal number, leading zeros included; enough for 64 bits.
MAX_DIGITS = 20
MAX_DATAPATH_ID = (1 << 64) - 1
#: The kinds of Ethernet ports that IOS has on line cards, modules and routers.
PORT_KINDS = ("Ethernet", "FastEthernet", "GigabitEthernet", "TenGigabitEthernet")
#: The kind of a VLAN's interface.
VLAN_KIND = "Vlan"


def decimal(text: str, low: int, high: int) -> int:
    """A decimal number from ``low`` to ``high``, both included. Leading zeros are allowed and mean nothing."""
    if not re.fullmatch(f"[0-9]{{1,{MAX_DIGITS}}}", text) or not low <= int(text) <= high:
        raise ValueError
    return int(text)


def address(text: str) -> IPv4Address:
    """Any IPv4 address in dotted decimal. Leading zeros are refused: some systems read ``010`` there as octal."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise ValueError from None


def host_address(text: str) -> IPv4Address:
    """An address that a host can have: the address of a real or virtual server, of an interface, of a next hop.

    Not accepted (RFC 6890): 0.0.0.0/8 (this network), loopback, multicast, reserved and broadcast addresses. Link-local
    addresses (169.254.0.0/16, RFC 3927) are accepted, as on IOS: a host can have one, and it works as long as no router
    is in between.
    """
    host = address(text)
    if int(host) >> 24 == 0:
        raise ValueError("addresses in 0.0.0.0/8 are not host addresses")
    if host.is_loopback:
        raise ValueError("a loopback address cannot be reached from another machine")
    if host.is_multicast:
        raise ValueError("a multicast address")
    if host.is_reserved:
        raise ValueError("a reserved or broadcast address")
    return host


def peer_address(text: str) -> Union[IPv4Address, IPv6Address]:
    """The address of a host at the other end of a TCP connection, in either version of IP; loopback is accepted.

    An IPv4 address within an IPv6 one (``::ffff:192.0.2.1``, RFC 4291 section 2.5.5.2) is the IPv4 address: a socket
    for both versions shows it so. A zone (``fe80::1%eth0``) is left out.
    """
    try:
        found = ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        raise ValueError from None
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_multicast or found.is_unspecified or (found.version == 4 and found.is_reserved):
        raise ValueError("not the address of a host")
    return found


def mask(text: str) -> int:
    """A contiguous network mask in dotted decimal, as its prefix length."""
    bits = int(address(text))
    length = bin(bits).count("1")
    if bits != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        raise ValueError("its one bits are not contiguous")
    return length


def wildcard(text: str) -> int:
    """The inverse of a network mask, as access lists have it, as the prefix length."""
    return mask(str(IPv4Address(0xFFFFFFFF ^ int(address(text)))))


def host_in_network(host: IPv4Address, length: int) -> IPv4Network:
    """The network of an interface that has this address. The network's own and its broadcast address are refused.

    The two addresses of a /31 (RFC 3021) and the one of a /32 are host addresses.
    """
    network = IPv4Network((host, length), strict=False)
    if length < 31 and host in (network.network_address, network.broadcast_address):
        which = "network" if host == network.network_address else "broadcast"
        raise ValueError(f"{host} is the {which} address of {network}; expected the address of a host in it")
    return network


def network(prefix: IPv4Address, length: int) -> IPv4Network:
    """The network of a route. A prefix with one bits outside the mask is refused."""
    found = IPv4Network((prefix, length), strict=False)
    if found.network_address != prefix:
        raise ValueError(f"{prefix} has bits outside the mask {found.netmask}; expected {found.network_address}")
    return found


def address_and_length(text: str) -> tuple[IPv4Address, int]:
    """``10.1.1.15/8``, where IOS has an address and a mask: the address, which is any, and the prefix length."""
    before, slash, length = text.partition("/")
    if not slash:
        raise ValueError
    return address(before), decimal(length, 0, 32)


def address_and_port(text: str) -> tuple[IPv4Address, Optional[int]]:
    """``10.1.1.51`` or ``10.1.1.51:5434``: the address, and the UDP or TCP port, None if there is none."""
    before, colon, port = text.partition(":")
    return address(before), decimal(port, 1, 65535) if colon else None


def interface_address(text: str) -> IPv4Interface:
    """``10.1.1.15/8``: a host's address and the prefix length of its network, judged as ``ip address`` judges them."""
    before, length = address_and_length(text)
    host_in_network(host_address(str(before)), length)
    return IPv4Interface((before, length))


def name(text: str, max_length: int) -> str:
    """A name of printable ASCII characters without spaces."""
    if len(text) > max_length:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a name consists of printable ASCII characters without spaces")
    return text


def vlan(text: str) -> int:
    """The number of a VLAN, 1 to 4094."""
    return decimal(text, 1, MAX_VLAN)


def vlans(text: str) -> frozenset[int]:
    """VLANs and ranges of them without spaces, as after ``switchport trunk allowed vlan``: ``1,15,1002-1005``."""
    found: set[int] = set()
    if len(text) > MAX_VLANS_LENGTH:
        raise ValueError("it is too long")
    for part in text.split(","):
        first, _, last = part.partition("-")
        limits = re.fullmatch("[0-9]+(-[0-9]+)?", part)
        if limits is None:
            raise ValueError("spaces are not allowed" if " " in part else "")
        try:
            low, high = vlan(first), vlan(last or first)
        except ValueError:
            low, high = 1, 0
        if low > high:
            raise ValueError(f"{part} is not a VLAN from 1 to {MAX_VLAN} or a range of them")
        found.update(range(low, high + 1))
    return frozenset(found)


def vlan_ranges(numbers: Iterable[int]) -> str:
    """VLANs as IOS prints them, neighbours put together: ``1,15,1002-1005``. The inverse of :func:`vlans`."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ",".join("-".join(map(str, each)) for each in ranges)


def port_number(text: str) -> str:
    """The place of a port: ``3/15`` is slot and port, ``0/0/1`` slot, subslot and port, ``0`` a router's only number.

    Leading zeros are removed. Which slots and ports exist depends on the chassis and is not checked here.
    """
    if not re.fullmatch("[0-9]{1,3}(/[0-9]{1,3}){0,2}", text):
        raise ValueError
    return "/".join(str(int(part)) for part in text.split("/"))


def port_name(text: str) -> tuple[str, str]:
    """The name of a port, as kind in full and number: ``FastEthernet3/15``, ``Fa3/15`` and ``fa 03/15`` are one port.

    The kind may be abbreviated as long as it is unambiguous, in any case.
    """
    kind, number = _kind_and_number(text, PORT_KINDS)
    return kind, port_number(number)


def interface_name(text: str) -> tuple[str, str]:
    """The name of a port or of a VLAN's interface, ``Vlan15``, in the same way."""
    kind, number = _kind_and_number(text, (*PORT_KINDS, VLAN_KIND))
    return (kind, str(vlan(number))) if kind == VLAN_KIND else (kind, port_number(number))


def _kind_and_number(text: str, kinds: Sequence[str]) -> tuple[str, str]:
    found = re.fullmatch("([A-Za-z]+) ?([0-9/]+)", text)
    meant = [kind for kind in kinds if found and kind.lower().startswith(found[1].lower())]
    if found is None or len(meant) != 1:
        raise ValueError
    return meant[0], found[2]


def mac_address(text: str) -> bytes:
    """The Ethernet address of a host as six bytes: ``0200.0000.0051`` as on IOS, or ``02:00:00:00:00:51``.

    Group and null addresses are refused.
    """
    if not re.fullmatch("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}([.][0-9A-Fa-f]{4}){2}", text):
        raise ValueError
    mac = bytes.fromhex(re.sub("[:.]", "", text))
    if mac[0] & 1 or not any(mac):
        raise ValueError("a group or null address")
    return mac


def dotted_mac(mac: bytes) -> str:
    """An Ethernet address as IOS prints it: ``0200.0000.0051``."""
    return mac.hex(".", 2)


def datapath_id(text: str) -> int:
    """The id of an OpenFlow switch: 16 hexadecimal digits, as switches print it, else a decimal number of 64 bits.

    16 digits are hexadecimal even where all of them are decimal digits: ``0000000000000010`` is 16.
    """
    if re.fullmatch("[0-9A-Fa-f]{16}", text):
        return int(text, 16)
    return decimal(text, 0, MAX_DATAPATH_ID)
