"""Snapshots of the balancer as rows of plain values. ``show``, ``--json``, HTTP and the metrics all read these."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from itertools import islice
from socket import inet_ntoa
from typing import NamedTuple, Optional, TypedDict

from ryu_haslb.cluster.member import Member
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.dfp.agents import DfpAgents
from ryu_haslb.language.wording import printable
from ryu_haslb.log_buffer import BUFFER
from ryu_haslb.mobile_ip.identity import identity_of_key
from ryu_haslb.openflow.neighbours.places import PlaceState
from ryu_haslb.openflow.recovery.follower_states import FollowerState
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.rows import (
    DROPPED,
    ConnRow,
    CounterRow,
    DfpAgentRow,
    DfpWeightRow,
    LogRow,
    RealRow,
    ServerFarmRow,
    SessionRow,
    StateChangeRow,
    SwitchRow,
    VirtualServerRow,
    agent_state,
)
from ryu_haslb.show.state_history import StateHistory
from ryu_haslb.show.switch_facts import facts_of
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session, SessionState
from ryu_haslb.slb.session_filter import EVERY_SESSION, Page, SessionFilter

_LEAST_CERTAIN_FIRST = (
    PlaceState.HELD_DOWN,
    PlaceState.CHALLENGED,
    PlaceState.UNKNOWN,
    PlaceState.LOCATED,
    PlaceState.STATIC,
)
#: Sessions that are taken from the table at once.
_SESSIONS_PER_SLICE = 1000
#: Sessions that a filter looks at before it pauses: as much work as a row.
_SESSIONS_PER_PAUSE = 20
_PROTOCOLS = {0: "any", 6: "TCP", 17: "UDP"}


class _Place(TypedDict):
    """The columns of a real server about its place."""

    place: str
    places: list[str]
    claims_refused: int


class Sources(NamedTuple):
    """The parts of a running balancer that snapshots read. ``member`` is None without a cluster.

    ``history`` is what has changed; None where nothing records it.
    """

    configuration: Configuration
    balancer: Balancer
    dfp: DfpAgents
    switches: Mapping[int, Switch]
    member: Optional[Member] = None
    history: Optional[StateHistory] = None


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


def serverfarms(sources: Sources, name: Optional[str] = None) -> Iterator[ServerFarmRow]:
    """Every farm, or the one with this name."""
    servers = sources.balancer.virtual_servers.values()
    for farm in sources.balancer.farms.values():
        if name in (None, farm.name):
            yield {
                "farm": farm.name,
                "predictor": farm.configuration.predictor.value.upper(),
                "nat": _nat(farm),
                "reals": len(farm.reals),
                "bind_id": 0,
                "vservers": [server.name for server in servers if server.farm is farm],
                "real_servers": [
                    f"{real.name}, weight = {real.weight}, {real.state}, conns = {real.sessions}" for real in farm.reals
                ],
            }


def _nat(farm: ServerFarm) -> str:
    return "SERVER" if farm.configuration.nat_server else "none"


def vservers(sources: Sources, name: Optional[str] = None) -> Iterator[VirtualServerRow]:
    """Every virtual server, or the one with this name."""
    for server in sources.balancer.virtual_servers.values():
        if name not in (None, server.name):
            continue
        configuration = server.configuration
        yield {
            "vserver": server.name,
            "protocol": "UDP",
            "virtual": f"{configuration.address}:{configuration.port}",
            "state": server.farm.state if configuration.in_service else "OUTOFSERVICE",
            "conns": sources.balancer.sessions.count_of(server),
            "farm": server.farm.name,
            "idle": server.idle,
            "clients": [
                f"{rule.network.network_address} {rule.network.netmask}" + (" exclude" if rule.exclude else "")
                for rule in configuration.clients
            ],
        }


def sessions(
    sources: Sources, wanted: SessionFilter = EVERY_SESSION, page: Optional[Page] = None
) -> Iterator[Optional[SessionRow]]:
    """The live sessions that a filter selects. A session that begins or ends while this runs may be among them or not.

    None is a pause: the search for the next row goes on, and the caller may do other work first.
    """
    now = time.monotonic()
    limit = _SESSIONS_PER_SLICE if wanted == EVERY_SESSION else _SESSIONS_PER_PAUSE
    for found in sources.balancer.select(wanted, limit, page):
        if not found:
            yield None
        for session in found:
            yield session_row(session, now)


def session_row(session: Session, now: float) -> SessionRow:
    """The row of a session at ``now``, in seconds of the clock of its requests."""
    return {
        "vserver": session.virtual_server.name,
        "nai_hash": f"{session.cookie:016X}",
        "client": inet_ntoa(session.client),
        "real": inet_ntoa(session.real.packed_address),
        "state": SessionState.ESTABLISHED.value,
        "client_port": session.client_port,
        "real_port": session.real.port,
        "farm": session.real.farm_name,
        "identity": None if session.is_recovered else str(identity_of_key(session.identity)),
        "retries": session.retries,
        "idle": max(0.0, round(now - session.last_request, 1)),
        "rule_at": None if session.rule_at is None else f"{session.rule_at:016x}",
    }


def conns(sources: Sources, wanted: SessionFilter = EVERY_SESSION) -> Iterator[Optional[ConnRow]]:
    """The same sessions as connections from a client to a real server."""
    nat = {server.name: _nat(server.farm) for server in sources.balancer.virtual_servers.values()}
    for session in sessions(sources, wanted):
        yield (
            None
            if session is None
            else {
                "vserver": session["vserver"],
                "protocol": "UDP",
                "client": f"{session['client']}:{session['client_port']}",
                "real": f"{session['real']}:{session['real_port']}",
                "state": session["state"].removeprefix("IPMOBILE_"),
                "nat": nat.get(session["vserver"], "none"),  # configured while this runs
            }
        )


def dfp_agents(sources: Sources) -> Iterator[DfpAgentRow]:
    """Every configured DFP agent, with its connection and the counters of the connection."""
    for link in sources.dfp.links:
        agent, counters = link.connection.agent, link.connection.counters
        yield {
            "address": str(agent.address),
            "port": agent.port,
            "timeout": agent.timeout,
            "retry_count": agent.retry_count,
            "retry_interval": agent.retry_interval,
            "state": agent_state(link.connection.state),
            "reported": link.connection.has_reported,
            "connections": counters.connections,
            "messages_sent": counters.messages_sent,
            "messages_received": counters.messages_received,
            "framing_errors": counters.framing_errors,
            "authentication_failures": counters.authentication_failures,
            "unknown_messages": counters.unknown_messages,
            "malformed_messages": counters.malformed_messages,
            "unexpected_messages": counters.unexpected_messages,
            "keep_alive_timeouts": counters.keep_alive_timeouts,
            "excess_entries": counters.excess_entries,
            "unauthorized_weights": counters.unauthorized_weights,
        }


def dfp_weights(sources: Sources) -> Iterator[DfpWeightRow]:
    """Every weight in force that a DFP agent has set."""
    started = time.time() - time.monotonic()
    for row in sources.dfp.weights.rows():
        yield {
            "real": str(row.server.address),
            "protocol": _PROTOCOLS.get(row.server.protocol, str(row.server.protocol)),
            "port": row.server.port,
            "bind_id": row.server.bind_id,
            "weight": row.weight,
            "agent": str(row.agent),
            "set_at": datetime.fromtimestamp(started + row.set_at, timezone.utc).isoformat(timespec="seconds"),
        }


def switches(sources: Sources) -> Iterator[SwitchRow]:
    """Every switch that is served, or was and is not forgotten."""
    for switch in sources.switches.values():
        follower = switch.follower
        yield {
            "datapath": f"{switch.datapath_id:016x}",
            "connected": switch.channel is not None,
            "role": switch.role.value,
            **facts_of(switch, time.monotonic()),
            "standby": (FollowerState.OFF if follower is None else follower.state).value,
            "sessions_followed": 0 if follower is None else follower.sessions,
            "lag": None if follower is None else follower.lag,
            "rules_waiting": switch.rules.waiting,
            "rule_errors": switch.rules.rejected.errors,
            "sessions_without_rule": switch.rules.sessions_without_rule,
            "session_rules": switch.rules.installed,
            "session_rule_limit": switch.rules.room.limit,
            "session_rule_limit_source": switch.rules.room.source.value,
            "flow_mod_rate": switch.rules.pace.rate,
            "restorations": switch.restored.incidents,
            "standing_rules_restored": switch.restored.standing_rules,
            "session_rules_restored": switch.restored.session_rules,
            "meters_restored": switch.restored.meters,
            "arp_dropped": switch.adjacencies.discovery.limit.dropped,
            "arp_metered": switch.arp_metered,
        }


def state_changes(sources: Sources, limit: Optional[int] = None) -> Iterator[StateChangeRow]:
    """What has changed in the last days, the newest first."""
    for each in islice(() if sources.history is None else sources.history.newest_first(), limit):
        yield {
            "at": datetime.fromtimestamp(each.at, timezone.utc).isoformat(timespec="seconds"),
            "kind": each.kind.value,
            "name": printable(each.name),
            "state": printable(each.state),
            "was": printable(each.was),
            "left_out": each.left_out,
        }


def log(_: Sources) -> Iterator[LogRow]:
    """The last records of the log, the oldest first."""
    for each in BUFFER.records():
        yield {
            "at": datetime.fromtimestamp(each.at, timezone.utc).isoformat(timespec="milliseconds"),
            "severity": each.severity,
            "module": each.module,
            "text": each.text,
        }


def statistics(sources: Sources) -> Iterator[CounterRow]:
    """The counters of the balancer, drops in total and for each reason; and how far the limit of sessions is."""
    counted, sessions = sources.balancer.statistics, sources.balancer.sessions
    for name in (
        *("requests", "dispatched", "assignments", "retries", "reassignments", "deregistrations", "timeouts"),
        "evictions",
    ):
        yield {"counter": name, "value": getattr(counted, name), "text": name}
    for name, value in (
        ("sessions", len(sessions)),
        ("unconfirmed_sessions", sessions.limit.unconfirmed),
        ("session_limit", sessions.limit.limit),
    ):
        yield {"counter": name, "value": value, "text": name.replace("_", " ")}
    yield {"counter": "dropped", "value": counted.dropped, "text": "dropped"}
    for reason, count in counted.drops.items():
        yield {"counter": DROPPED + reason.value, "value": count, "text": f"dropped: {reason.text}"}
