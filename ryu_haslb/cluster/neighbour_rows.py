"""Where the leader has found the next hops of real servers, as rows of the database. Pure.

The leader publishes them as it finds them; members that stand by take them over, and verify them when they lead. What
the database says is not trusted: a row that cannot be true is ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Optional

from ryu_haslb.cluster.rows import Columns, Kind
from ryu_haslb.openflow.flow_tables.pipeline import CHASSIS_PREFIX
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.wire.wire import OFPP_LOCAL, OFPP_MAX

NEIGHBOUR = Kind("Neighbour", ("datapath", "address"), ("mac", "port", "vlan"))
#: Where those were that were lost, and have not been found again.
LOST_NEIGHBOUR = Kind("Lost_Neighbour", NEIGHBOUR.key, NEIGHBOUR.values)
#: Rows that are published, and that are read.
MAX_NEIGHBOURS = 4096

#: The next hops at each switch: by datapath id, then by packed address.
Places = Mapping[int, Mapping[bytes, Location]]


def rows_of(places: Places) -> Iterator[Columns]:
    """The rows of what was found."""
    for datapath_id, found in places.items():
        for address, (mac, port, vlan) in found.items():
            yield {
                "datapath": f"{datapath_id:016x}",
                "address": str(IPv4Address(address)),
                "mac": mac.hex(":"),
                "port": port,
                "vlan": () if vlan is None else (vlan,),
            }


def places_of(rows: Iterable[Columns]) -> dict[int, dict[bytes, Location]]:
    """What the rows say; those that cannot be true are left out, and those beyond the limit."""
    places: dict[int, dict[bytes, Location]] = {}
    for number, row in enumerate(rows):
        read = _read(row) if number < MAX_NEIGHBOURS else None
        if read is not None:
            datapath_id, address, location = read
            places.setdefault(datapath_id, {})[address] = location
    return places


def places_to_publish(found: Places, published: Places, kept: Collection[int]) -> dict[int, Mapping[bytes, Location]]:
    """What the leader publishes: what it has ``found`` at the switches that it has met.

    What is published of a switch that it has not met is left while the switch is among the ``kept`` ones.
    """
    places = {datapath_id: places for datapath_id, places in published.items() if datapath_id in kept}
    places.update(found)
    limited: dict[int, Mapping[bytes, Location]] = {}
    for datapath_id, at_switch in places.items():
        if sum(map(len, limited.values())) + len(at_switch) <= MAX_NEIGHBOURS:
            limited[datapath_id] = at_switch
    return limited


def _read(row: Columns) -> Optional[tuple[int, bytes, Location]]:
    try:
        datapath_id, mac = int(str(row["datapath"]), 16), bytes.fromhex(str(row["mac"]).replace(":", ""))
        address = IPv4Address(row["address"]).packed
    except (AddressValueError, ValueError):
        return None
    port, vlan = row["port"], row["vlan"]
    if not 0 <= datapath_id < 1 << 64 or f"{datapath_id:016x}" != row["datapath"]:
        return None
    if len(mac) != 6 or mac[0] & 1 or not any(mac) or mac.startswith(CHASSIS_PREFIX):
        return None
    if not isinstance(port, int) or not (1 <= port <= OFPP_MAX or port == OFPP_LOCAL):
        return None
    if not isinstance(vlan, tuple) or len(vlan) > 1 or not all(each in range(1, 4095) for each in vlan):
        return None
    return datapath_id, address, Location(mac, port, int(vlan[0]) if vlan else None)
