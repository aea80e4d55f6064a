"""What a command's parameter may be: an address, a number in a range, a name, the rest of the line.

A template (:mod:`ryu_haslb.ios.template`) writes a parameter in capitals: ``ADDRESS``, ``PORT<1-65535>``. The name in
capitals picks its kind from :data:`KINDS`; a range in angle brackets makes it a number.
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


_ADDRESS = Kind("A.B.C.D", "an IPv4 address such as 10.1.1.0", address)
_HOST = Kind("A.B.C.D", "the IPv4 address of a host, such as 10.1.1.51", host_address)
_MASK = Kind("A.B.C.D", "a network mask such as 255.255.255.0", mask)
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
    "FILE": Kind("FILE", "the path of a file", str),
    "COMMANDS": Kind("COMMANDS", "configuration commands", str),
    "PASSWORD": Kind("WORD", "a password", str, secret=True),
    "LINE": Kind("LINE", "text up to the end of the line", str, rest_of_line=True),
}
