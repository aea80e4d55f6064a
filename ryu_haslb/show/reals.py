"""``show ip slb reals``: real servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Optional, TypedDict

from ryu_haslb.configuration.model import Drain
from ryu_haslb.openflow.neighbours.places import PlaceState
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.column_types import Address, Count, Port, Seconds, Values, Weight
from ryu_haslb.show.report import Report, with_ports
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column, table
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer

#: Every state that ``show ip slb reals`` prints.
REAL_STATES = (*(health.value for health in Health), "OUTOFSERVICE", "DRAINING", "DRAINED", "DFP_THROTTLED", "MAXCONNS")
#: What IOS prints for a real server without ``maxconns``.
NO_MAXCONNS = 4294967295
_LEAST_CERTAIN_FIRST = (
    PlaceState.HELD_DOWN,
    PlaceState.CHALLENGED,
    PlaceState.UNKNOWN,
    PlaceState.LOCATED,
    PlaceState.STATIC,
)
RealState = Annotated[str, Values(enum=REAL_STATES)]
PlaceName = Annotated[str, Values(enum=tuple(state.value for state in PlaceState))]


class _Place(TypedDict):
    """The columns of a real server about its place."""

    place: Annotated[PlaceName, "The least certain state of its place among the switches; see docs/states.md."]
    places: Annotated[list[str], "Of each switch: its datapath id, where the real server is, and how certain that is."]
    claims_refused: Annotated[Count, "Claims of other machines to its address by ARP that were refused."]


class RealRow(_Place):
    """A real server of a farm."""

    real: Address
    port: Annotated[Port, "UDP port that it listens on; two ports of one address are two real servers."]
    farm: str
    weight: Annotated[Weight, "Weight in force: 0 while drained, else the DFP weight, or the static one."]
    state: RealState
    conns: Annotated[Count, "Live sessions."]
    reachable: Annotated[bool, "Whether at least one switch has resolved its address by ARP."]
    reachable_from: Annotated[list[str], "Datapath ids of the switches that have resolved its address."]
    unreachable_from: Annotated[list[str], "Datapath ids of the connected switches that have not."]
    drain: Annotated[
        Optional[str],
        Values(enum=(*(drain.value for drain in Drain), None)),
        "What its sessions do while it is drained: stay until they end, or move; null if it is not drained.",
    ]
    static_weight: Annotated[Weight, "Configured weight."]
    dfp_weight: Annotated[Optional[Weight], "Weight set by a DFP agent; null if none."]
    maxconns: Annotated[Optional[Count], "Maximum number of live sessions; null means no limit."]
    reassign: Annotated[Count, "Retransmissions of a request after which its session moves to another real server."]
    retry: Annotated[Seconds, "Time before a failed real server is retried; 0 means never."]
    numconns: Annotated[Count, "Consecutive connection failures that fail the real server."]
    numclients: Annotated[Count, "Different clients that these failures must come from, where there are as many."]
    clients: Annotated[Count, "Clients that sent requests to the farm in the last 10 minutes; 64 at most are counted."]
    consecutive_failures: Annotated[Count, "Different mobiles with connection failures since the last success."]
    failed_clients: Annotated[Count, "Different clients that these failures came from."]
    in_doubt: Annotated[bool, "Whether it is in doubt or has failed: switches copy its replies to the balancer."]
    replies_seen: Annotated[Count, "Replies that were seen while it was in doubt; each ended the doubt."]
    total_conns: Annotated[Count, "Sessions that began here or were moved here."]
    total_failures: Annotated[Count, "Connection failures in total."]


def reals(sources: Sources, farm_name: Optional[str] = None) -> Iterator[RealRow]:
    """Every real server of every farm, or of the farm with this name."""
    for farm in sources.balancer.farms.values():
        if farm_name in (None, farm.name):
            for real in farm.reals:
                yield _real(real, farm, sources.switches)


def _real(real: RealServer, farm: ServerFarm, switches: Mapping[int, Switch]) -> RealRow:
    configuration = real.configuration
    return {
        "real": str(configuration.address),
        "port": real.port,
        "farm": real.farm_name,
        "weight": real.weight,
        "state": real.state,
        "conns": real.sessions,
        "reachable": bool(real.reachable_from),
        "reachable_from": [f"{each:016x}" for each in sorted(real.reachable_from)],
        "unreachable_from": [
            f"{each:016x}"
            for each, switch in sorted(switches.items())
            if switch.channel is not None and each not in real.reachable_from
        ],
        **_place(real, switches),
        "drain": None if configuration.drain is None else configuration.drain.value,
        "static_weight": configuration.weight,
        "dfp_weight": real.dfp_weight,
        "maxconns": configuration.maxconns,
        "reassign": configuration.reassign,
        "retry": configuration.retry,
        "numconns": configuration.faildetect_numconns,
        "numclients": configuration.faildetect_numclients,
        "clients": len(farm.clients),
        "consecutive_failures": real.consecutive_failures,
        "failed_clients": len(real.failed_clients),
        "in_doubt": real.is_watched,
        "replies_seen": real.doubt.replies_seen,
        "total_conns": real.total_sessions,
        "total_failures": real.connection_failures,
    }


def _place(real: RealServer, switches: Mapping[int, Switch]) -> _Place:
    """Where the switches see a real server."""
    places = {
        each: switch.adjacencies.place_of(real) for each, switch in sorted(switches.items()) if switch.is_connected
    }
    states = {place.state for place in places.values()} or {PlaceState.UNKNOWN}
    return {
        "place": next(state for state in _LEAST_CERTAIN_FIRST if state in states).value,
        "places": [f"{each:016x}: {place}" for each, place in places.items()],
        "claims_refused": sum(switch.adjacencies.place_of(real).claims_refused for switch in switches.values()),
    }


def _real_details(rows: Iterator[RealRow]) -> Iterator[str]:
    for row in rows:
        maxconns = NO_MAXCONNS if row["maxconns"] is None else row["maxconns"]
        reachable = "yes" if row["reachable"] else "no"
        yield f"{row['real']}, {row['farm']}, state = {row['state']}, type = server, reachable = {reachable}"
        yield f"  reachable from = {', '.join(row['reachable_from']) or 'no switch'}"
        if row["unreachable_from"]:
            yield f"  not reachable from = {', '.join(row['unreachable_from'])}"
        yield f"  place = {row['place']}, claims refused = {row['claims_refused']}"
        for place in row["places"]:
            yield f"    {place}"
        yield f"  conns = {row['conns']}, maxconns = {maxconns}"
        yield f"  weight = {row['weight']}, weight(admin) = {row['static_weight']}"
        if row["drain"] is not None:
            dfp_weight = "none" if row["dfp_weight"] is None else row["dfp_weight"]
            yield f"  drain = {row['drain']}, sessions left = {row['conns']}, weight(dfp) = {dfp_weight}"
        yield f"  reassign = {row['reassign']}, retry = {row['retry']}"
        yield f"  failconn threshold = {row['numconns']}, failconn count = {row['consecutive_failures']}"
        yield f"  failclient threshold = {row['numclients']}, failclient count = {row['failed_clients']}"
        if row["clients"] < row["numclients"]:
            yield f"  failclient threshold in force = {max(row['clients'], 1)}, clients of the farm = {row['clients']}"
        yield f"  in doubt = {'yes' if row['in_doubt'] else 'no'}, replies seen = {row['replies_seen']}"
        yield f"  total conns = {row['total_conns']}, total conn failures = {row['total_failures']}"


_REAL_COLUMNS = (
    Column("real", "real", 20),
    Column("farm", "farm name", 19),
    Column("weight", "weight", 8),
    Column("state", "state", 15),
    Column("conns", "conns", 6),
)
_REACHABLE = Column("reachable", "reachable", 10)


def _reachable(row: RealRow) -> str:
    """Whether switches reach a real server, or how many of them do."""
    reached, all_switches = len(row["reachable_from"]), len(row["reachable_from"]) + len(row["unreachable_from"])
    if reached < all_switches and reached:
        return f"{reached} of {all_switches}"
    return "yes" if reached else "no"


def _reals(rows: Iterator[RealRow]) -> Iterator[Optional[str]]:
    """The table of IOS. It has one more column where a switch does not reach a real server, which IOS does not know."""
    found = [{**row, "reachable": _reachable(row)} for row in rows]
    columns = _REAL_COLUMNS if all(row["reachable"] == "yes" for row in found) else (*_REAL_COLUMNS, _REACHABLE)
    return table(columns, found)


REALS = Report(reals, with_ports(_reals, "port"))
REALS_DETAIL = Report(reals, with_ports(_real_details, "port"))
