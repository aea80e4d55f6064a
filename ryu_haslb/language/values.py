"""What a command's parameter may be: an address, a number in a range, a name, the rest of the line.

A template (:mod:`ryu_haslb.language.template`) writes a parameter in capitals: ``ADDRESS``, ``PORT<1-65535>``. The
name in capitals picks its kind from :data:`KINDS`; a range in angle brackets makes it a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

#: IOS cuts off nothing: a longer farm or virtual server name is refused, and the columns of ``show`` rely on that.
LONGEST_NAME = 15
#: DFP keys a digest with at most 64 ASCII characters.
LONGEST_PASSWORD = 64
#: IOS takes longer ones for crypto maps and transform sets, and 128 characters of a pre-shared key.
LONGEST_LABEL = 64
LONGEST_KEY = 128
MOST_TRANSFORM_SETS = 6
LAST_VLAN = 4094
LONGEST_VLANS = 20000


@dataclass(frozen=True)
class Kind:
    """A type of parameter.

    ``display`` is how ``?`` shows it, ``description`` completes the phrase "expected ...", ``parse`` turns a word into
    its value or raises ValueError whose text, if any, says what is wrong with the word. A secret is
    left out of errors.
    """

    display: str
    description: str
    parse: Callable[[str], Any]
    rest_of_line: bool = False
    secret: bool = False


def address(text: str) -> IPv4Address:
    """Any IPv4 address in dotted decimal."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise ValueError from None


def host_address(text: str) -> IPv4Address:
    """An address that one machine can have: neither this-network, loopback, multicast nor reserved (RFC 6890)."""
    host = address(text)
    if int(host) >> 24 == 0:
        raise ValueError("addresses that begin with 0 name no host")
    if host.is_loopback:
        raise ValueError("a loopback address never leaves its machine")
    if host.is_multicast:
        raise ValueError("a multicast address")
    if host.is_reserved:
        raise ValueError("a reserved or broadcast address")
    return host


def mask(text: str) -> int:
    """A contiguous network mask in dotted decimal, as its prefix length."""
    bits = int(address(text))
    length = bin(bits).count("1")
    if bits != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        raise ValueError("its one bits are not contiguous")
    return length


def host_in_network(host: IPv4Address, length: int) -> IPv4Network:
    """The network around an interface's address; ValueError if the address is the network's own or its broadcast."""
    network = IPv4Network((host, length), strict=False)
    if length < 31 and host in (network.network_address, network.broadcast_address):
        which = "network" if host == network.network_address else "broadcast"
        raise ValueError(f"{host} is the {which} address of {network}; expected the address of a host in it")
    return network


def number(low: int, high: int) -> Kind:
    """A decimal number from ``low`` to ``high``, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return Kind(f"<{low}-{high}>", f"a number from {low} to {high}", parse)


def name(text: str) -> str:
    """The name of a farm or a virtual server."""
    if len(text) > LONGEST_NAME:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a name consists of printable ASCII characters without spaces")
    return text


def password(text: str) -> str:
    """A DFP key in plain text."""
    if len(text) > LONGEST_PASSWORD:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[ -~]+", text):
        raise ValueError("a key consists of printable ASCII characters")
    return text


def wildcard(text: str) -> int:
    """The inverse of a network mask, as access lists have it, as the prefix length."""
    return mask(str(IPv4Address(0xFFFFFFFF ^ int(address(text)))))


def label(text: str) -> str:
    """The name of a crypto map or a transform set."""
    if len(text) > LONGEST_LABEL:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a name consists of printable ASCII characters without spaces")
    return text


def labels(text: str) -> tuple[str, ...]:
    """Names of transform sets, the preferred one first."""
    names = tuple(dict.fromkeys(label(word) for word in text.split()))
    if len(names) > MOST_TRANSFORM_SETS:
        raise ValueError(f"there are {len(names)}")
    return names


def isakmp_key(text: str) -> str:
    """A pre-shared key."""
    if len(text) > LONGEST_KEY:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a key consists of printable ASCII characters without spaces")
    return text


def port_number(text: str) -> str:
    """Where a port is in its chassis: ``3/15``, or ``0/0/1`` where cards are in cards."""
    if not re.fullmatch("[0-9]{1,3}(/[0-9]{1,3}){0,2}", text):
        raise ValueError
    return "/".join(str(int(part)) for part in text.split("/"))


def vlans(text: str) -> frozenset[int]:
    """VLANs and ranges of them: ``1,15,1002-1005``."""
    found: set[int] = set()
    if len(text) > LONGEST_VLANS:
        raise ValueError("it is too long")
    for part in text.split(","):
        limits = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if limits is None:
            raise ValueError
        low, high = int(limits[1]), int(limits[2] or limits[1])
        if not 1 <= low <= high <= LAST_VLAN:
            raise ValueError(f"{part} is no VLAN from 1 to {LAST_VLAN}, nor a range of them")
        found.update(range(low, high + 1))
    return frozenset(found)


_ADDRESS = Kind("A.B.C.D", "an IPv4 address such as 10.1.1.0", address)
_HOST = Kind("A.B.C.D", "the IPv4 address of a host, such as 10.1.1.51", host_address)
_MASK = Kind("A.B.C.D", "a network mask such as 255.255.255.0", mask)
_WILDCARD = Kind("A.B.C.D", "a wildcard such as 0.0.0.255", wildcard)
_NAME = Kind("WORD", f"a name of at most {LONGEST_NAME} characters", name)
_WORD = Kind("WORD", "a word", str)

#: The kind of each parameter that is no number, by its name in templates.
KINDS = {
    "ADDRESS": _HOST,
    "NEXT-HOP": _HOST,
    "PREFIX": _ADDRESS,
    "MASK": _MASK,
    "NAME": _NAME,
    "TEXT": _WORD,
    "PROTOCOL": _WORD,
    "LABEL": Kind("WORD", f"a name of at most {LONGEST_LABEL} characters", label),
    "LABELS": Kind("WORD", f"at most {MOST_TRANSFORM_SETS} names of transform sets", labels, rest_of_line=True),
    "KEY": Kind("WORD", "a pre-shared key", isakmp_key, secret=True),
    "PORT-NUMBER": Kind("SLOT/PORT", "a port such as 3/15", port_number),
    "VLANS": Kind("VLANS", "VLANs such as 1,15,1002-1005", vlans),
    "SOURCE-HOST": _ADDRESS,
    "SOURCE": _ADDRESS,
    "SOURCE-WILDCARD": _WILDCARD,
    "DESTINATION-HOST": _ADDRESS,
    "DESTINATION": _ADDRESS,
    "DESTINATION-WILDCARD": _WILDCARD,
    "FILE": Kind("FILE", "the path of a file", str),
    "COMMANDS": Kind("COMMANDS", "configuration commands", str),
    "PASSWORD": Kind("WORD", "a password", str, secret=True),
    "LINE": Kind("LINE", "text up to the end of the line", str, rest_of_line=True),
}
