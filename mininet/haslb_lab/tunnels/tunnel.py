"""The tunnels of a home agent or foreign agent: what goes into them, and what may come out (RFC 5944 section 4).

A tunnel is one pair of addresses; its users are the mobiles whose packets it carries. Nothing here uses a device or a
socket: packets are bytes.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from haslb_lab.tunnels.packets import (
    HEADER_LENGTH,
    IP_IN_IP,
    MAX_PACKET_SIZE,
    Header,
    MalformedPacketError,
    encapsulate,
    read_header,
)
from ryu_haslb.errors import HaslbError


class Side(Enum):
    """Which end of the tunnels this is; the value is what IOS prints as their creator."""

    HOME_AGENT = "HA"
    FOREIGN_AGENT = "FA"


class Drop(Enum):
    """Why a packet was dropped; the values are the keys of the JSON form."""

    MALFORMED = "malformed"
    TTL_EXPIRED = "ttl_expired"
    UNKNOWN_MOBILE = "unknown_mobile"
    WRONG_PEER = "wrong_peer"
    NOT_REVERSE = "not_reverse"
    LOOP = "loop"
    NO_LINK = "no_link"
    TOO_BIG = "too_big"
    NOT_SENT = "not_sent"


class Ends(NamedTuple):
    """The outer addresses of a tunnel: this node's, and that of the other end."""

    source: IPv4Address
    destination: IPv4Address


@dataclass(eq=False)
class Tunnel:
    """One tunnel from here (``source``) to the other end, and its counters; bytes are those of the packets inside."""

    number: int
    source: IPv4Address
    destination: IPv4Address
    users: int = 0
    reverse_users: int = 0
    packets_in: int = 0
    bytes_in: int = 0
    drops_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0


class User(NamedTuple):
    """One mobile's use of a tunnel.

    ``reverse`` is whether its packets return through the tunnel (T flag, RFC 3024), ``linked`` whether the tunnel's
    exit has a link to the mobile.
    """

    home_address: IPv4Address
    tunnel: Tunnel
    reverse: bool
    linked: bool


class Encapsulated(NamedTuple):
    """A packet to be sent through ``tunnel``: the outer packet, the inner one, and the inner header."""

    tunnel: Tunnel
    outer: bytes
    packet: bytes
    header: Header


class _DroppedError(HaslbError):
    def __init__(self, drop: Drop) -> None:
        super().__init__(drop)
        self.drop = drop


class Tunnels:
    """All tunnels of one node and their users. An owner (the key of a binding or visitor) has one use at a time.

    Two home agents may assign the same home address. The foreign agent then distinguishes the mobiles by the tunnel
    that a packet comes out of; packets into a tunnel use the tunnel of the later user.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.drops: Counter[Drop] = Counter()
        self._tunnels: dict[Ends, Tunnel] = {}
        self._owned: dict[Hashable, User] = {}
        self._users: dict[IPv4Address, dict[IPv4Address, User]] = {}
        self._free_numbers: list[int] = []
        self._identification = 0

    def __len__(self) -> int:
        return len(self._tunnels)

    def __iter__(self) -> Iterator[Tunnel]:
        return iter(sorted(self._tunnels.values(), key=lambda tunnel: tunnel.number))

    def open(
        self, owner: Hashable, home_address: IPv4Address, ends: Ends, *, reverse: bool, linked: bool = True
    ) -> None:
        """Make ``owner`` a user of the tunnel between these ends, in place of its earlier use."""
        earlier = self._owned.get(owner)
        tunnel = self._tunnels.get(ends) or Tunnel(self._number(), *ends)
        self._tunnels[ends] = tunnel
        user = User(home_address, tunnel, reverse, linked)
        tunnel.users += 1
        tunnel.reverse_users += reverse
        if earlier is not None:  # only now, so that renewing a registration does not end its tunnel
            self._forget(earlier)
        self._owned[owner] = user
        of_address = self._users.setdefault(home_address, {})
        of_address.pop(tunnel.destination, None)
        of_address[tunnel.destination] = user

    def close(self, owner: Hashable) -> None:
        """End the owner's use, if there is one, and the tunnel with its last user."""
        user = self._owned.pop(owner, None)
        if user is not None:
            self._forget(user)

    def into(self, packet: bytes) -> Optional[Encapsulated]:
        """The packet to send for one that was routed here; None if it was dropped, which is counted."""
        try:
            return self._into(packet)
        except _DroppedError as dropped:
            self.drops[dropped.drop] += 1
            return None

    def out_of(self, outer: bytes) -> Optional[bytes]:
        """The packet inside a received one of protocol 4; None if it was dropped, which is counted."""
        try:
            return self._out_of(outer)
        except _DroppedError as dropped:
            self.drops[dropped.drop] += 1
            return None

    def sent(self, encapsulated: Encapsulated) -> None:
        """Count a packet that was sent."""
        encapsulated.tunnel.packets_out += 1
        encapsulated.tunnel.bytes_out += encapsulated.header.total_length

    def _into(self, packet: bytes) -> Encapsulated:
        header = _read(packet)
        if header.total_length > MAX_PACKET_SIZE - HEADER_LENGTH:
            raise _DroppedError(Drop.TOO_BIG)
        mobile = header.destination if self.side is Side.HOME_AGENT else header.source
        users = self._users.get(mobile)
        if not users:
            raise _DroppedError(Drop.UNKNOWN_MOBILE)
        user = next(reversed(users.values()))
        if self.side is Side.FOREIGN_AGENT and not user.reverse:
            raise _DroppedError(Drop.NOT_REVERSE)
        tunnel = user.tunnel
        again = header.protocol == IP_IN_IP and header.source == tunnel.source
        if again or header.source == tunnel.destination:  # RFC 2003 section 3.2: it has been in the tunnel before
            raise _DroppedError(Drop.LOOP)
        self._identification = self._identification % 0xFFFF + 1
        outer = encapsulate(packet, header, tunnel.source, tunnel.destination, self._identification)
        return Encapsulated(tunnel, outer, packet, header)

    def _out_of(self, outer: bytes) -> bytes:
        header = _read(outer)
        packet = outer[header.length : header.total_length]
        inner = _read(packet)
        mobile = inner.source if self.side is Side.HOME_AGENT else inner.destination
        users = self._users.get(mobile)
        if not users:
            raise _DroppedError(Drop.UNKNOWN_MOBILE)
        user = users.get(header.source)
        if user is None or header.destination != user.tunnel.source:
            raise _DroppedError(Drop.WRONG_PEER)
        if self.side is Side.HOME_AGENT and not user.reverse:
            user.tunnel.drops_in += 1
            raise _DroppedError(Drop.NOT_REVERSE)
        if not user.linked:
            user.tunnel.drops_in += 1
            raise _DroppedError(Drop.NO_LINK)
        user.tunnel.packets_in += 1
        user.tunnel.bytes_in += inner.total_length
        return packet[: inner.total_length]

    def _number(self) -> int:
        """The lowest free tunnel number."""
        return heapq.heappop(self._free_numbers) if self._free_numbers else len(self._tunnels)

    def _forget(self, user: User) -> None:
        """Remove a use. Another owner may use the same home address by now."""
        tunnel = user.tunnel
        tunnel.users -= 1
        tunnel.reverse_users -= user.reverse
        if not tunnel.users:
            del self._tunnels[Ends(tunnel.source, tunnel.destination)]
            heapq.heappush(self._free_numbers, tunnel.number)
        of_address = self._users.get(user.home_address, {})
        if of_address.get(tunnel.destination) is user:
            del of_address[tunnel.destination]
            if not of_address:
                del self._users[user.home_address]


def _read(packet: bytes) -> Header:
    """The header of a packet that may be forwarded: its TTL is not 0 (RFC 2003 section 3.1)."""
    try:
        header = read_header(packet)
    except MalformedPacketError:
        raise _DroppedError(Drop.MALFORMED) from None
    if header.ttl == 0:
        raise _DroppedError(Drop.TTL_EXPIRED)
    return header
