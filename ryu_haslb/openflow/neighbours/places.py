"""The place of a neighbour of a switch, and what is known of it: the types of :mod:`.table` that other rooms use."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, OFPVID_NONE, OFPVID_PRESENT, Value


class Location(NamedTuple):
    """How to reach a neighbour: its Ethernet address, the port, and the VLAN of the tag there (None: untagged)."""

    mac: bytes
    port: int
    vlan: Optional[int]

    def __str__(self) -> str:
        return f"{self.mac.hex(':')} at port {self.port}, " + (f"VLAN {self.vlan}" if self.vlan else "untagged")


def ipv4_from(location: Location) -> dict[str, Value]:
    """Matches IPv4 packets that come from a location."""
    return {
        "in_port": location.port,
        "eth_src": location.mac.hex(":"),
        "vlan_vid": OFPVID_NONE if location.vlan is None else location.vlan | OFPVID_PRESENT,
        "eth_type": ETHERTYPE_IPV4,
    }


class PlaceState(Enum):
    """What is known of the place of a neighbour."""

    UNKNOWN = "unknown"
    LOCATED = "located"
    CHALLENGED = "challenged"
    HELD_DOWN = "held_down"
    STATIC = "static"


class Probe(NamedTuple):
    """A probe that is due: by unicast to a place, or by broadcast (``to`` is None)."""

    address: bytes
    to: Optional[Location] = None


class Place(NamedTuple):
    """Where a neighbour is, as operators see it; ``is_silent``: it leaves polls unanswered, and is static."""

    location: Optional[Location]
    state: PlaceState
    claims_refused: int = 0
    is_silent: bool = False

    def __str__(self) -> str:
        return f"{self.location or 'nowhere'} ({self.state.value}{', silent' if self.is_silent else ''})"


class Finding(Enum):
    """What an ARP packet, or the silence after a probe, has shown."""

    MOVED = "moved"
    LOST = "lost"
    CLAIM_REFUSED = "claim_refused"
    HELD_DOWN = "held_down"
    RELEASED = "released"


class Event(NamedTuple):
    """A finding about one neighbour. ``rival`` is the other place, if one is known."""

    finding: Finding
    address: bytes
    location: Optional[Location]
    rival: Optional[Location] = None
