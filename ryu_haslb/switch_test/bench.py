"""What the trials share: addresses and cookies of the test, its frames and rules, and the ways into the tables. Pure.

Every rule of the test has :data:`TEST_MARK` in its cookie, and matches Ethernet sources that begin with
:data:`TEST_PREFIX`, which no host has. So a rule of the test matches packets of the test only, and what deletes the
rules of the test can delete no others, also on a switch that ignores cookies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from socket import inet_aton
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.packets.icmp import checksum
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, match
from ryu_haslb.openflow.wire.packet import numbered_packet_out
from ryu_haslb.openflow.wire.wire import PROTOCOL_UDP, Value

#: Bits 0 to 15 of the cookies of all rules of the test; the balancer has another mark.
TEST_MARK = 0x7E57
TEST_MARK_MASK = 0xFFFF
#: Ethernet sources of the test begin with these three bytes: locally administered addresses.
TEST_PREFIX = b"\x0e\x7e\x57"
TEST_SOURCES = (TEST_PREFIX.hex(":") + ":00:00:00", "ff:ff:ff:00:00:00")
TEST_SOURCE = TEST_PREFIX.hex(":") + ":00:00:01"
#: The destination of frames of the test. No host has it.
TEST_DESTINATION = "0a:7e:57:00:00:02"
#: Addresses for documentation (RFC 5737).
SOURCE_ADDRESS, DESTINATION_ADDRESS = "198.51.100.1", "198.51.100.2"
PORT = 434
#: Priority of the rules of the test. Only a rule of others with a higher one could take the packets away.
PRIORITY = 65000
TO_CONTROLLER = apply_actions(wire.output(wire.OFPP_CONTROLLER))
EXACT_COOKIE = 0xFFFFFFFFFFFFFFFF

#: How much longer than the lag that was seen is waited.
_LAG_MARGIN = 1.25
_IPV4 = Struct("!BBHHHBBH4s4s")
_UDP = Struct("!HHHH")
_ETHERNET = Struct("!6s6sH")
_ARP = Struct("!HHBBH6s4s6s4s")
#: What a rule must match before it may rewrite addresses and ports (OpenFlow 1.3.5, section 7.2.3.8).
UDP_FIELDS: Mapping[str, Value] = {"eth_type": wire.ETHERTYPE_IPV4, "ip_proto": PROTOCOL_UDP}
_LABEL = b"haslb switch-test "
_UNCHANGED: Mapping[str, str] = {}


class Identity(NamedTuple):
    """The switch as its handshake shows it. ``ports`` are names by number, ``address`` is the switch's end."""

    datapath_id: int
    tables: int
    ports: Mapping[int, str]
    address: str = ""
    is_tls: bool = False


@dataclass
class Bench:
    """The switch, and what was found out so far.

    ``cable`` are the two ports that a cable connects, and ``has_cable`` says whether packets pass it. ``reflects`` says
    whether a packet-out to CONTROLLER returns, ``has_table_output`` whether a packet-out to TABLE runs through the
    tables, ``matches_controller`` whether a rule can match that it comes from CONTROLLER, ``lacks_cookies`` whether
    packet-ins have no cookies of rules, ``rewrites_eth_dst`` whether a rule can set eth_dst. ``counting_ports`` are
    those whose counters show what is sent out. ``lag`` is the seconds behind a barrier reply after which rules act.
    Both are None while not known.
    """

    identity: Identity
    cable: Optional[tuple[int, int]] = None
    reflects: bool = False
    has_table_output: bool = False
    matches_controller: bool = True
    lacks_cookies: bool = False
    has_cable: bool = False
    rewrites_eth_dst: bool = False
    counting_ports: Optional[frozenset[int]] = None
    lag: Optional[float] = None
    description: Description = field(default_factory=Description)
    meters: list[int] = field(default_factory=list)
    _numbers: int = 0

    def cookie(self) -> int:
        """A cookie that no other rule of the test has."""
        self._numbers += 1
        return self._numbers << 16 | TEST_MARK

    def label(self) -> bytes:
        """The content of a packet that no other packet of the test has."""
        self._numbers += 1
        return _LABEL + self._numbers.to_bytes(8, "big").hex().encode()

    @property
    def settling_time(self) -> float:
        """Seconds behind a barrier reply after which rules act for certain, as far as is known."""
        return _LAG_MARGIN * (self.lag or 0.0)

    @property
    def can_enter_tables(self) -> bool:
        """Whether a packet can be sent through the tables, and shows which rule it has met."""
        return (self.has_table_output or self.has_cable) and not self.lacks_cookies

    @property
    def in_port(self) -> int:
        """The ingress port of the packets that :meth:`enter` sends."""
        if self.has_table_output or self.cable is None:
            return wire.OFPP_CONTROLLER
        return self.cable[1]

    @property
    def other_port(self) -> int:
        """A port at which no packet of the test comes in."""
        numbers = [port for port in sorted(self.identity.ports) if port < wire.OFPP_MAX and port != self.in_port]
        return numbers[0] if numbers else 1

    def enter(self, frame: bytes, xid: int) -> bytes:
        """The packet-out that sends a frame through the tables: by TABLE, or out of one port and in at the other."""
        if self.has_table_output or self.cable is None:
            return numbered_packet_out(xid, wire.output(wire.OFPP_TABLE), frame)
        return numbered_packet_out(xid, wire.output(self.cable[0]), frame)

    def come_in(self, frame: bytes, xid: int) -> bytes:
        """The packet-out that has a frame come in at a port; by TABLE only where no cable connects two of them."""
        if self.has_cable and self.cable is not None:
            return numbered_packet_out(xid, wire.output(self.cable[0]), frame)
        return self.enter(frame, xid)


def rule(  # noqa: PLR0913 - what differs between the rules of the test
    cookie: int,
    fields: Mapping[str, Value],
    instructions: bytes = TO_CONTROLLER,
    *,
    table: int = 0,
    priority: int = PRIORITY,
    idle_timeout: int = 0,
    flags: int = 0,
) -> FlowMod:
    """A rule of the test; it matches the Ethernet source of the test if ``fields`` have none."""
    packed = match({"eth_src": TEST_SOURCE, **fields})
    return FlowMod(wire.OFPFC_ADD, table, cookie, 0, priority, idle_timeout, flags, packed, instructions)


def removal_of(rules: Iterable[FlowMod], xid: int) -> list[bytes]:
    """Messages that remove these rules, each by its match, priority and cookie."""
    return [
        FlowMod(wire.OFPFC_DELETE_STRICT, each.table, each.cookie, EXACT_COOKIE, each.priority, match=each.match).pack(
            xid
        )
        for each in rules
    ]


def datagram(label: bytes, size: int = 0, changed: Mapping[str, str] = _UNCHANGED) -> bytes:
    """A UDP datagram of the test, padded to ``size`` bytes; ``changed`` are fields with other values than usual."""
    source, destination = inet_aton(SOURCE_ADDRESS), inet_aton(changed.get("ipv4_dst", DESTINATION_ADDRESS))
    port = int(changed.get("udp_dst", PORT))
    payload = label.ljust(max(size - 42, 0), b".")
    length = _UDP.size + len(payload)
    pseudo = source + destination + bytes([0, PROTOCOL_UDP]) + length.to_bytes(2, "big")
    udp_sum = checksum(pseudo + _UDP.pack(PORT, port, length, 0) + payload) or 0xFFFF
    fields = (0x45, 0, _IPV4.size + length, 0, 0, 64, PROTOCOL_UDP)
    header = _IPV4.pack(*fields, checksum(_IPV4.pack(*fields, 0, source, destination)), source, destination)
    ethernet = _ETHERNET.pack(
        _mac(changed.get("eth_dst", TEST_DESTINATION)), _mac(changed.get("eth_src", TEST_SOURCE)), wire.ETHERTYPE_IPV4
    )
    return ethernet + header + _UDP.pack(PORT, port, length, udp_sum) + payload


def arp_request(label: bytes) -> bytes:
    """An ARP request of the test, with the label behind it."""
    source, target = inet_aton(SOURCE_ADDRESS), inet_aton(DESTINATION_ADDRESS)
    ethernet = _ETHERNET.pack(_mac(TEST_DESTINATION), _mac(TEST_SOURCE), wire.ETHERTYPE_ARP)
    return ethernet + _ARP.pack(1, wire.ETHERTYPE_IPV4, 6, 4, 1, _mac(TEST_SOURCE), source, bytes(6), target) + label


def tagged(frame: bytes, vlan: int) -> bytes:
    """The frame with an 802.1Q tag."""
    return frame[:12] + wire.ETHERTYPE_VLAN.to_bytes(2, "big") + vlan.to_bytes(2, "big") + frame[12:]


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
