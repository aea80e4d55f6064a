"""What was found out about one switch: who made it, what it is able to do, and where it sees the home agents."""

from __future__ import annotations

from socket import inet_ntoa
from typing import Optional, Protocol, TypedDict, runtime_checkable

from ryu_haslb.language.wording import printable
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.pipeline import Table, chassis_address
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.openflow.switch import Switch


@runtime_checkable
class _Measured(Protocol):
    """A connection that counts packet-ins."""

    latency: LatencyHistogram


class SwitchFacts(TypedDict):
    """Columns of :class:`~ryu_haslb.show.rows.SwitchRow`."""

    address: str
    make: str
    version: str
    served_for: Optional[float]
    switching: str
    tables: int
    capabilities: list[str]
    lacks: list[str]
    session_table_size: Optional[int]
    max_meters: Optional[int]
    max_groups: Optional[int]
    chassis_address: str
    neighbours: list[str]
    standing_rules: int
    addresses_learned: int
    packet_ins: int
    barrier_round_trip: Optional[float]


def facts_of(switch: Switch, now: float) -> SwitchFacts:
    """The facts at ``now``, in seconds of the monotonic clock."""
    is_served = switch.channel is not None
    channel, found, known = switch.channel, switch.reported.description, switch.capabilities.known
    return {
        "address": switch.address,
        "make": printable(found.make),
        "version": printable(" ".join(filter(None, (found.hardware, found.software)))),
        "served_for": now - switch.served_since if is_served else None,
        "switching": switch.layout.switching.value,
        "tables": switch.layout.tables,
        "capabilities": [each.value for each, has in known.items() if has],
        "lacks": [each.value for each, has in known.items() if has is False],
        "session_table_size": switch.reported.table_sizes.get(Table.SESSIONS),
        "max_meters": switch.reported.max_meters,
        "max_groups": switch.reported.max_groups,
        "chassis_address": chassis_address(switch.datapath_id).hex(":"),
        "neighbours": [_place(address, at) for address, at in sorted(switch.adjacencies.found().items())],
        "standing_rules": switch.standing_rules if is_served else 0,
        "addresses_learned": 0 if switch.learning is None else len(switch.learning),
        "packet_ins": channel.latency.count if isinstance(channel, _Measured) else 0,
        "barrier_round_trip": switch.admission.backlog.round_trip,
    }


def _place(address: bytes, at: Location) -> str:
    return f"{inet_ntoa(address)} at port {at.port}" + (f" VLAN {at.vlan}" if at.vlan else "")
