"""The tables, priorities and cookies that the application puts on a switch, as data.

``docs/flows.md`` explains them to operators and is checked against this module. Everything that we install bears
:data:`~ryu_haslb.slb.session.COOKIE_MARK` in the low 16 bits of its cookie, and nothing else on the switch is touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Optional

from ryu_haslb.configuration.model import RealServer
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.wire import ETHERTYPE_IPV4, Value
from ryu_haslb.slb.session import COOKIE_MARK

PROTOCOL_UDP = 17

#: Chassis addresses start with these three bytes; the rest are the low bytes of the switch's datapath id.
CHASSIS_PREFIX = b"\x02\x51\xb7"


class Table(IntEnum):
    """What the tables are for."""

    CLASSIFIER = 0
    SESSIONS = 1


class Purpose(IntEnum):
    """Why a rule is there; stands in bits 16 to 31 of its cookie, and comes back in the packet-in that it causes."""

    PUNT_REQUEST = 1
    PUNT_FRAGMENT = 2
    RETURN_TO_SESSION = 3
    PASS_DISPATCHED = 4
    PUNT_ARP_REQUEST = 5
    PUNT_ARP_REPLY = 6
    PUNT_ARP_OF_REAL = 7
    PASS_OTHER = 8
    PUNT_LOST_SESSION = 9
    PUNT_REQUEST_TO_CHASSIS = 10
    PUNT_STRAY = 11
    PASS_OUTSIDE = 12
    DROP_UNPROTECTED = 13
    LEAVE_TO_MODULE = 14
    PUNT_STRAY_INSIDE = 15

    @property
    def cookie(self) -> int:
        """The cookie of every standing rule with this purpose."""
        return self.value << 16 | COOKIE_MARK


class Action(Enum):
    """What a standing rule does with its packets."""

    PUNT = "to the controller"
    PUNT_AND_PASS = "to the controller, and switched as usual"
    PASS = "switched as usual (NORMAL)"
    DROP = "dropped"
    GOTO_SESSIONS = "on to the session table"


#: Higher wins. Session rules are alone in their table but for the miss.
PRIORITIES: dict[Purpose, int] = {
    Purpose.PASS_OUTSIDE: 50050,
    Purpose.RETURN_TO_SESSION: 50040,
    Purpose.DROP_UNPROTECTED: 50038,
    Purpose.PUNT_REQUEST_TO_CHASSIS: 50035,
    Purpose.PASS_DISPATCHED: 50030,
    Purpose.PUNT_REQUEST: 50020,
    Purpose.PUNT_FRAGMENT: 50020,
    Purpose.PUNT_ARP_REQUEST: 50020,
    Purpose.PUNT_ARP_REPLY: 50020,
    Purpose.PUNT_STRAY_INSIDE: 50015,
    Purpose.PUNT_ARP_OF_REAL: 50010,
    Purpose.LEAVE_TO_MODULE: 50010,
    Purpose.PUNT_STRAY: 50000,
    Purpose.PASS_OTHER: 0,
    Purpose.PUNT_LOST_SESSION: 1,
}
SESSION_PRIORITY = 50000

#: The meter of all requests that go to the controller. Those of single clients have the numbers that follow.
FIRST_METER = COOKIE_MARK
_METERED = frozenset(
    {
        Purpose.PUNT_REQUEST,
        Purpose.PUNT_FRAGMENT,
        Purpose.PUNT_REQUEST_TO_CHASSIS,
        Purpose.PUNT_STRAY_INSIDE,
        Purpose.PUNT_STRAY,
    }
)

ACTIONS: dict[Purpose, Action] = {
    Purpose.PASS_OUTSIDE: Action.PASS,
    Purpose.DROP_UNPROTECTED: Action.DROP,
    Purpose.RETURN_TO_SESSION: Action.GOTO_SESSIONS,
    Purpose.PUNT_REQUEST_TO_CHASSIS: Action.PUNT,
    Purpose.PASS_DISPATCHED: Action.PASS,
    Purpose.PUNT_REQUEST: Action.PUNT,
    Purpose.PUNT_FRAGMENT: Action.PUNT,
    Purpose.PUNT_ARP_REQUEST: Action.PUNT,
    Purpose.PUNT_ARP_REPLY: Action.PUNT,
    Purpose.PUNT_ARP_OF_REAL: Action.PUNT_AND_PASS,
    Purpose.PUNT_STRAY_INSIDE: Action.PUNT,
    Purpose.LEAVE_TO_MODULE: Action.PASS,
    Purpose.PUNT_STRAY: Action.PUNT,
    Purpose.PASS_OTHER: Action.PASS,
    Purpose.PUNT_LOST_SESSION: Action.PUNT,
}


@dataclass(frozen=True)
class Rule:
    """A standing rule. ``match`` has the OXM names of OpenFlow 1.3; values are numbers or text.

    ``client_meter`` is the meter of the one client whose packets it is for.
    """

    purpose: Purpose
    match: dict[str, Value] = field(default_factory=dict)
    client_meter: Optional[int] = None

    @property
    def table(self) -> Table:
        """The table that it belongs into."""
        return Table.SESSIONS if self.purpose is Purpose.PUNT_LOST_SESSION else Table.CLASSIFIER

    @property
    def priority(self) -> int:
        """Higher wins; one client's goes before everybody's."""
        return PRIORITIES[self.purpose] + (self.client_meter is not None)

    @property
    def meter(self) -> Optional[int]:
        """The meter that its packets pass, on a switch that has meters."""
        return self.client_meter or (FIRST_METER if self.purpose in _METERED else None)

    @property
    def action(self) -> Action:
        """What becomes of its packets."""
        return ACTIONS[self.purpose]


def chassis_address(datapath_id: int) -> bytes:
    """The Ethernet address with which a switch answers for the virtual addresses and sends what it dispatches."""
    return CHASSIS_PREFIX + datapath_id.to_bytes(8, "big")[-3:]


def session_match(tag: Value, virtual_address: str, port: int = MOBILE_IP_PORT) -> dict[str, Value]:
    """What the rule of a session matches: requests to its virtual server that were given its tag."""
    return {"eth_src": tag, **datagram(virtual_address), "udp_dst": port}


def session_rewrites(chassis: Value, home_agent: Value, nat_to: Optional[RealServer] = None) -> dict[str, Value]:
    """What the rule of a session rewrites.

    Dispatched mode rewrites the Ethernet addresses only. Direct mode (``nat server``) also rewrites the destination to
    the real server ``nat_to``: the IPv4 address, and the UDP port if the real server has one.
    """
    rewrites: dict[str, Value] = {"eth_src": chassis, "eth_dst": home_agent}
    if nat_to is not None:
        rewrites["ipv4_dst"] = str(nat_to.address)
        if nat_to.port is not None:
            rewrites["udp_dst"] = nat_to.port
    return rewrites


def datagram(address: str) -> dict[str, Value]:
    """UDP datagrams to an address."""
    return {"eth_type": ETHERTYPE_IPV4, "ip_proto": PROTOCOL_UDP, "ipv4_dst": address}
