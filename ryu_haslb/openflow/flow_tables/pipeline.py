"""What the application installs on a switch: tables, priorities, cookies, matches and actions, as data.

Theory of operation
===================

A session belongs to a mobile, which its NAI identifies. OpenFlow cannot match on the NAI, and a PDSN sends the requests
of all its mobiles from one address and port: a rule for that address would send every mobile to the home agent of the
first. Therefore the controller reads each request, and session rules match a tag in place of the NAI: a hash of the
session's key in 46 bits of a locally administered Ethernet source address, which is rewritten on the way to the home
agent anyway::

      request from a port                              packet-out: eth_src = TAG, output to TABLE
              |                                                            |
      +-------v-- table 0, CLASSIFIER -------------------------------------v-------------------+
      | 50050  from an outside port of the IPsec module                       NORMAL           |
      | 50045  reply of a real server to a probe                              controller       |
      | 50040  request, in_port = CONTROLLER                                  goto table 1 ----|---+
      | 50038  traffic in clear that the crypto map protects                  drop             |   |
      | 50035  request to the chassis address                                 controller       |   |
      | 50030  request or probe that another switch of ours has sent          NORMAL           |   |
      | 50024  ARP for us, of a host that sends too much of it                drop             |   |
      | 50022  other ARP of such a host                                       NORMAL           |   |
      | 50020  request; its fragments; ping; ARP for us                       controller       |   |
      | 50020  ARP reply to a probe in one VLAN                 controller and NORMAL          |   |
      | 50015  to the chassis address, from the inside of the IPsec module    controller       |   |
      | 50012  from the source of a probe, and not from us                    drop             |   |
      | 50010  to the chassis address, for the IPsec module                   NORMAL           |   |
      | 50010  ARP from a real server, or the router to it      controller and NORMAL          |   |
      | 50000  other packets to the chassis address                           controller       |   |
      |     1  reply of a real server in doubt             NORMAL, and goto table 2 -----------|---|---+
      |     0  everything else                                                NORMAL           |   |   |
      +----------------------------------------------------------------------------------------+   |   |
      +----------- table 1, SESSIONS ----------------------------------------------------------+   |   |
      | 50000  eth_src = TAG, virtual address, UDP 434     rewrite, output to the home agent   |<--+   |
      |     1  no session rule with this tag                                  controller       |       |
      +----------------------------------------------------------------------------------------+       |
      +----------- table 2, REPLIES -----------------------------------------------------------+       |
      |     1  every packet, through a meter of its own                       controller       |<------+
      +----------------------------------------------------------------------------------------+

The way of a request:

1. It comes in at a port and is *punted*: sent to the controller in a packet-in. The packet-in carries the cookie of the
   rule that punted it, and the cookie carries the rule's :class:`Purpose`.
2. The first request of a session is *dispatched* at once, by a packet-out with the actions of the session's rule. The
   rule follows in a bundle with others, since single flow-mods are slow.
3. Each later request is punted as well, since the controller must count retransmissions. It *returns* to the switch
   in a packet-out that writes the tag into the Ethernet source and outputs to TABLE. There it matches the session's
   rule, which counts it and restarts its idle time-out.
4. If the rule has timed out in the meantime, the packet misses it in table 1 and is punted again, as a *session miss*:
   the controller dispatches it by packet-out and adds the rule again.

A request that the controller cannot or must not dispatch is dropped and counted there. Packets that do not concern the
balancer go to NORMAL, the switch's own switching: those from outside ports, those that were dispatched already, and at
priority 0 all others.

Replies of home agents go to NORMAL as well. While a real server is in doubt (:mod:`ryu_haslb.slb.doubt`), each switch
copies its replies to the controller (:mod:`.reply_rules`). The copies have a table of their own: a meter drops the
packet of its rule, and must not drop the reply. The rule in table 0 has the lowest priority above the table-miss rule,
so that rules of others still decide about the packets that they match.

Everything that we install has :data:`~ryu_haslb.slb.session_tag.COOKIE_MARK` in bits 0 to 15 of its cookie; nothing
else on the switch is touched. A standing rule has its purpose in bits 16 to 31. A session rule has its tag in bits 16
to 63: cookie, match and actions are enough to recover the session after a restart (``recovery.py``).

``standing_rules.py`` derives a switch's standing rules from the configuration, and ``rule_messages.py`` makes messages
of them. ``session_rule.py`` has what the rule of a session matches and rewrites, and its messages. ``docs/flows.md``
explains the rules to operators; its tables are generated from these modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from hashlib import blake2b
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, PROTOCOL_UDP, Value
from ryu_haslb.slb.session_tag import COOKIE_MARK, UNKEYED, cookie_of

#: Chassis addresses start with these three bytes; the other three come from the switch's datapath id.
CHASSIS_PREFIX = b"\x02\x51\xb7"
#: Probe addresses start with these two bytes: the Ethernet source of a probe in one VLAN (:func:`probe_address`).
PROBE_PREFIX = b"\x06\x51"
#: Ethernet sources that no frame has, as they are group addresses (IEEE 802.3, section 3.2.3).
_NO_SOURCE_PREFIX = b"\x01\x51\xb7\x00"
_CHASSIS_SUFFIX_LENGTH = 3


class Table(IntEnum):
    """The flow tables that we use, by number."""

    CLASSIFIER = 0
    SESSIONS = 1
    REPLIES = 2
    DESTINATIONS = 3
    SOURCES = 4


class Purpose(IntEnum):
    """The purpose of a standing rule. The rule's cookie carries it, and so does each packet-in that the rule causes."""

    PUNT_REQUEST = 1
    PUNT_FRAGMENT = 2
    RETURN_TO_SESSION = 3
    PASS_DISPATCHED = 4
    PUNT_ARP_REQUEST = 5
    PUNT_ARP_REPLY = 6
    PUNT_ARP_FROM_REAL = 7
    PASS_OTHER = 8
    PUNT_SESSION_MISS = 9
    PUNT_REQUEST_TO_CHASSIS = 10
    PUNT_OTHER_TO_CHASSIS = 11
    PASS_OUTSIDE = 12
    DROP_UNPROTECTED = 13
    PASS_TO_MODULE = 14
    PUNT_OTHER_TO_CHASSIS_INSIDE = 15
    PUNT_ECHO = 16
    PASS_REPLY = 17
    COPY_REPLY = 18
    TAG_KEY = 19
    PUNT_ARP_ANSWER = 20
    PASS_ARP_STORM = 21
    DROP_ARP_STORM = 22
    FLOOD_UNKNOWN = 23
    DROP_RESERVED = 24
    LEARN_SOURCE = 25
    FORWARD_LEARNED = 26
    KNOWN_SOURCE = 27
    LEARN_NOTHING = 28
    PUNT_PROBE_REPLY = 29
    DROP_FORGED_PROBE = 30
    IGNORES_NORMAL = 31

    @property
    def cookie(self) -> int:
        """The cookie of every standing rule with this purpose."""
        return cookie_of(self.value)


class Action(Enum):
    """What a standing rule does with the packets that match it."""

    PUNT = "to the controller"
    PUNT_AND_PASS = "to the controller, and switched as usual (NORMAL)"
    PASS = "switched as usual (NORMAL)"
    DROP = "dropped"
    GOTO_SESSIONS = "goto table 1"
    PASS_AND_GOTO_REPLIES = "switched as usual (NORMAL), and goto table 2"
    FLOOD_AND_GOTO_SOURCES = "flooded, and goto table 4"
    FORWARD_AND_GOTO_SOURCES = "out to the port of the host, and goto table 4"


class Entry(NamedTuple):
    """Where the rules of a purpose stand (a higher priority wins), what they do, and whether they have a meter."""

    table: Table
    priority: int
    action: Action
    metered: bool = False


PIPELINE: Mapping[Purpose, Entry] = {
    Purpose.PASS_OUTSIDE: Entry(Table.CLASSIFIER, 50050, Action.PASS),
    Purpose.PUNT_PROBE_REPLY: Entry(Table.CLASSIFIER, 50045, Action.PUNT, metered=True),
    Purpose.RETURN_TO_SESSION: Entry(Table.CLASSIFIER, 50040, Action.GOTO_SESSIONS),
    Purpose.DROP_UNPROTECTED: Entry(Table.CLASSIFIER, 50038, Action.DROP),
    Purpose.PUNT_REQUEST_TO_CHASSIS: Entry(Table.CLASSIFIER, 50035, Action.PUNT, metered=True),
    Purpose.PASS_DISPATCHED: Entry(Table.CLASSIFIER, 50030, Action.PASS),
    Purpose.PUNT_REQUEST: Entry(Table.CLASSIFIER, 50020, Action.PUNT, metered=True),
    Purpose.PUNT_FRAGMENT: Entry(Table.CLASSIFIER, 50020, Action.PUNT, metered=True),
    Purpose.PUNT_ECHO: Entry(Table.CLASSIFIER, 50020, Action.PUNT, metered=True),
    Purpose.DROP_ARP_STORM: Entry(Table.CLASSIFIER, 50024, Action.DROP),
    Purpose.PASS_ARP_STORM: Entry(Table.CLASSIFIER, 50022, Action.PASS),
    Purpose.PUNT_ARP_REQUEST: Entry(Table.CLASSIFIER, 50020, Action.PUNT, metered=True),
    Purpose.PUNT_ARP_REPLY: Entry(Table.CLASSIFIER, 50020, Action.PUNT),
    Purpose.PUNT_ARP_ANSWER: Entry(Table.CLASSIFIER, 50020, Action.PUNT_AND_PASS),
    Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE: Entry(Table.CLASSIFIER, 50015, Action.PUNT, metered=True),
    Purpose.DROP_FORGED_PROBE: Entry(Table.CLASSIFIER, 50012, Action.DROP),
    Purpose.PUNT_ARP_FROM_REAL: Entry(Table.CLASSIFIER, 50010, Action.PUNT_AND_PASS),
    Purpose.PASS_TO_MODULE: Entry(Table.CLASSIFIER, 50010, Action.PASS),
    Purpose.PUNT_OTHER_TO_CHASSIS: Entry(Table.CLASSIFIER, 50000, Action.PUNT, metered=True),
    Purpose.PASS_OTHER: Entry(Table.CLASSIFIER, 0, Action.PASS),
    Purpose.PUNT_SESSION_MISS: Entry(Table.SESSIONS, 1, Action.PUNT),
    Purpose.PASS_REPLY: Entry(Table.CLASSIFIER, 1, Action.PASS_AND_GOTO_REPLIES),
    Purpose.TAG_KEY: Entry(Table.CLASSIFIER, 1, Action.DROP),
    Purpose.IGNORES_NORMAL: Entry(Table.CLASSIFIER, 1, Action.DROP),
    Purpose.COPY_REPLY: Entry(Table.REPLIES, 1, Action.PUNT, metered=True),
    Purpose.FLOOD_UNKNOWN: Entry(Table.DESTINATIONS, 1, Action.FLOOD_AND_GOTO_SOURCES),
    Purpose.DROP_RESERVED: Entry(Table.DESTINATIONS, 50000, Action.DROP),
    Purpose.FORWARD_LEARNED: Entry(Table.DESTINATIONS, 2, Action.FORWARD_AND_GOTO_SOURCES),
    Purpose.LEARN_SOURCE: Entry(Table.SOURCES, 1, Action.PUNT),
    Purpose.KNOWN_SOURCE: Entry(Table.SOURCES, 3, Action.DROP),
    Purpose.LEARN_NOTHING: Entry(Table.SOURCES, 2, Action.DROP),
}
#: The purposes of the rules that are there only while a real server is in doubt.
REPLY_PURPOSES = frozenset({Purpose.PASS_REPLY, Purpose.COPY_REPLY})
#: The purposes of the rules that are there for a while only, while a host sends too much ARP.
STORM_PURPOSES = frozenset({Purpose.PASS_ARP_STORM, Purpose.DROP_ARP_STORM})
#: The purposes of all rules that are there for a while only: the switch removes them by itself.
TEMPORARY_PURPOSES = STORM_PURPOSES | {Purpose.PUNT_PROBE_REPLY}
#: The purposes of the standing rules of the learning table, on a switch that has one.
LEARNING_PURPOSES = frozenset({Purpose.FLOOD_UNKNOWN, Purpose.DROP_RESERVED, Purpose.LEARN_SOURCE})
#: The purposes of the rules in the learning table that come and go. Their cookies have a number in bits 32 to 55.
LEARNED_PURPOSES = frozenset({Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE, Purpose.LEARN_NOTHING})
#: The purposes of the rules that stay when the balancer retires: without them the switch would forward nothing.
STAYING_PURPOSES = frozenset({Purpose.PASS_OTHER, Purpose.FLOOD_UNKNOWN, Purpose.DROP_RESERVED})
#: The purposes of the rules that match no packet, and hold something for the next balancer in their cookies.
MEMORY_PURPOSES = frozenset({Purpose.TAG_KEY, Purpose.IGNORES_NORMAL})
MEMORY_COOKIES = frozenset(purpose.cookie for purpose in MEMORY_PURPOSES)
#: The bits of a cookie that show the purpose of a rule with data: all but the data. A tag sets bit 57.
PURPOSE_MASK = 0xFF000000FFFFFFFF
#: The priority of session rules in the table SESSIONS.
SESSION_PRIORITY = 50000

#: The meter of all requests that go to the controller. The meters of single clients have the numbers that follow.
FIRST_METER = COOKIE_MARK
#: The meter of copied replies; its number is beyond those of single clients.
REPLY_METER = FIRST_METER + 64
#: The meter of ARP requests for virtual addresses.
ARP_METER = FIRST_METER + 65
#: The meter of replies to probes.
PROBE_METER = FIRST_METER + 66


_OWN_METERS = {
    Purpose.COPY_REPLY: REPLY_METER,
    Purpose.PUNT_ARP_REQUEST: ARP_METER,
    Purpose.PUNT_PROBE_REPLY: PROBE_METER,
}


@dataclass(frozen=True)
class Rule:
    """A standing rule. ``match`` maps OpenFlow's names of match fields to their values.

    ``client_meter`` is the number of a client's own meter, for a rule that matches this client only. ``data`` stands in
    bits 32 to 55 of the cookie.
    """

    purpose: Purpose
    match: dict[str, Value] = field(default_factory=dict)
    client_meter: Optional[int] = None
    data: int = 0

    @property
    def cookie(self) -> int:
        """The rule's cookie: its purpose, and its data."""
        return self.data << 32 | self.purpose.cookie

    @property
    def table(self) -> Table:
        """The table that the rule is in."""
        return PIPELINE[self.purpose].table

    @property
    def priority(self) -> int:
        """The rule's priority: higher wins. The rule for one client precedes the rule for all."""
        return PIPELINE[self.purpose].priority + (self.client_meter is not None)

    @property
    def meter(self) -> Optional[int]:
        """The meter that the rule's packets pass, on a switch that has meters."""
        if self.purpose in _OWN_METERS:
            return _OWN_METERS[self.purpose]
        return self.client_meter or (FIRST_METER if PIPELINE[self.purpose].metered else None)

    @property
    def action(self) -> Action:
        """What the rule does with its packets."""
        return PIPELINE[self.purpose].action


def chassis_address(datapath_id: int) -> bytes:
    """The Ethernet address in a switch's ARP replies for virtual addresses, and the source of what it dispatches.

    A datapath id of up to 24 bits is a part of it. Of a longer one it has a hash, since such ids often differ in their
    upper bits only. Two ids in millions of pairs have the same address; the fleet then serves one of the two.
    """
    packed = datapath_id.to_bytes(8, "big")
    if datapath_id < 1 << 8 * _CHASSIS_SUFFIX_LENGTH:
        return CHASSIS_PREFIX + packed[-_CHASSIS_SUFFIX_LENGTH:]
    return CHASSIS_PREFIX + blake2b(packed, digest_size=_CHASSIS_SUFFIX_LENGTH).digest()


def probe_address(key: bytes, vlan: int) -> bytes:
    """The Ethernet address in probes that the switch sends into one VLAN only (0: into none, untagged).

    A host that answers to this address has seen the probe, so it is in that VLAN. ``key`` is a secret: without
    it, hosts that have not seen the probe could answer. 32 bits are enough, as some hundred answers a second are read.
    """
    return PROBE_PREFIX + blake2b(vlan.to_bytes(2, "big"), key=key, digest_size=4).digest()


def dispatch_address(datapath_id: int, key: bytes) -> bytes:
    """The Ethernet source of what a switch dispatches: five secret bytes, and one that differs between switches.

    Another switch of ours passes frames with this source to their destination. A host that could write it would
    bypass the balancer. So the address is a hash with the secret ``key``, and only the home agents' VLAN sees it. Two
    switches may have the same last byte: switches of others between them then learn the address at two ports, which
    does no harm. Without a key it is the chassis address.
    """
    if key == UNKEYED:
        return chassis_address(datapath_id)
    return _dispatch_prefix(key) + blake2b(datapath_id.to_bytes(8, "big"), digest_size=1).digest()


def dispatch_match(key: bytes) -> Value:
    """Matches the Ethernet source of what our switches with the same key have dispatched."""
    if key == UNKEYED:
        return (CHASSIS_PREFIX + bytes(_CHASSIS_SUFFIX_LENGTH)).hex(":"), "ff:ff:ff:00:00:00"
    return (_dispatch_prefix(key) + bytes(1)).hex(":"), "ff:ff:ff:ff:ff:00"


def _dispatch_prefix(key: bytes) -> bytes:
    digest = blake2b(b"dispatched", digest_size=5, key=key).digest()
    return bytes([digest[0] & 0xFC | 0x02]) + digest[1:]  # a locally administered unicast address


def udp_match(address: str, port: int) -> dict[str, Value]:
    """Matches UDP datagrams to an address and port; port 0 matches fragments, which have none."""
    return {"eth_type": ETHERTYPE_IPV4, "ip_proto": PROTOCOL_UDP, "ipv4_dst": address, "udp_dst": port}


def no_packet(number: int) -> dict[str, Value]:
    """Matches no packet, for a rule that holds something in its cookie; ``number`` of 16 bits tells such rules apart.

    Not by metadata, which is 0 in table 0: a switch that accepts that match and ignores it would take all for the rule.
    """
    return {"eth_src": (_NO_SOURCE_PREFIX + number.to_bytes(2, "big")).hex(":")}
