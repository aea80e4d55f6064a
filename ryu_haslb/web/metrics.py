"""Metrics for Prometheus. Nothing is counted here: every scrape reads the snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Callable, Protocol, runtime_checkable

from prometheus_client import ProcessCollector
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ryu_haslb import __version__, build
from ryu_haslb.cluster.election import MemberState
from ryu_haslb.dfp.agent_connection import State
from ryu_haslb.openflow.capabilities.capabilities import IN_SERVICE
from ryu_haslb.openflow.neighbours.places import PlaceState
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.show.dfp import DfpAgentRow, agent_state, dfp_agents
from ryu_haslb.show.probes import probes
from ryu_haslb.show.reals import REAL_STATES, RealRow, reals
from ryu_haslb.show.redundancy import RedundancyRow, redundancy
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.statistics import DROPPED, statistics
from ryu_haslb.show.switches import SwitchRow, switches
from ryu_haslb.show.vservers import vservers
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import real_name
from ryu_haslb.web.metric_builders import Samples, counter, gauge
from ryu_haslb.web.probe_metrics import of_probes

CONTENT_TYPE = CONTENT_TYPE_LATEST

_STATISTICS = (
    ("assignments", "haslb_assignments", "Sessions that began at a real server."),
    ("retries", "haslb_retries", "Requests of mobiles that already had a session."),
    ("reassignments", "haslb_reassignments", "Sessions moved to another real server."),
    ("deregistrations", "haslb_deregistrations", "Requests with lifetime 0 that were dispatched."),
    ("timeouts", "haslb_session_timeouts", "Sessions ended by their idle time."),
    ("evictions", "haslb_session_evictions", "Sessions ended to make room for others at a limit."),
)
_GAUGES = (
    ("unconfirmed_sessions", "haslb_sessions_unconfirmed", "Live sessions that make room for others at the limit."),
    ("session_limit", "haslb_session_limit", "The limit of live sessions of all virtual servers together."),
)
#: The faults of a DFP agent, by label.
_DFP_FAULTS: dict[str, Callable[[DfpAgentRow], int]] = {
    "framing_errors": lambda row: row["framing_errors"],
    "authentication_failures": lambda row: row["authentication_failures"],
    "unknown_messages": lambda row: row["unknown_messages"],
    "malformed_messages": lambda row: row["malformed_messages"],
    "unexpected_messages": lambda row: row["unexpected_messages"],
    "keep_alive_timeouts": lambda row: row["keep_alive_timeouts"],
    "excess_entries": lambda row: row["excess_entries"],
    "unauthorized_weights": lambda row: row["unauthorized_weights"],
}
#: What was restored on a switch, by label.
_RESTORED: dict[str, Callable[[SwitchRow], int]] = {
    "standing_rule": lambda row: row["standing_rules_restored"],
    "session_rule": lambda row: row["session_rules_restored"],
    "meter": lambda row: row["meters_restored"],
    "extraneous_rule": lambda row: row["extraneous_rules_removed"],
}

#: ARP packets that were dropped, by label.
_ARP_DROPPED: dict[str, Callable[[SwitchRow], int]] = {
    "host_limit": lambda row: row["arp_dropped"],
    "metered": lambda row: row["arp_metered"],
}


@runtime_checkable
class _Measured(Protocol):
    """A connection that measures the latency of packet-ins."""

    latency: LatencyHistogram


class BalancerCollector(Collector):
    """Collects from what ``sources()`` returns at the time of the scrape."""

    def __init__(self, sources: Callable[[], Sources]) -> None:
        self._sources = sources
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """Every metric family, once."""
        sources = self._sources()
        help_text, info = "Version and build (compiled or pure) of the balancer; always 1.", [__version__, build()]
        yield gauge("haslb_build_info", help_text, ["version", "build"], [(info, 1)])
        yield from _requests(sources)
        yield from _reals(list(reals(sources)))
        yield from of_probes(list(probes(sources)))
        sessions = (([row["vserver"]], row["conns"]) for row in vservers(sources))
        yield gauge("haslb_sessions", "Live sessions of a virtual server.", ["vserver"], sessions)
        yield from _dfp(list(dfp_agents(sources)))
        yield from _switches(list(switches(sources)))
        yield from _redundancy(list(redundancy(sources)))
        yield _packet_in_latency(sources)
        yield from self._process.collect()


def exposition(collector: BalancerCollector) -> bytes:
    """The metrics as text, in the format named by :data:`CONTENT_TYPE`."""
    # An object with collect() is enough here; a registry would refuse a second collector of the process.
    return generate_latest(collector)


def _redundancy(rows: list[RedundancyRow]) -> Iterator[Metric]:
    states = [([state.value], row["state"] == state.value) for row in rows for state in MemberState]
    yield gauge("haslb_cluster_state", "1 for what this member of a cluster is.", ["state"], states)
    generations: Samples = [([], row["generation"]) for row in rows]
    yield gauge("haslb_cluster_generation", "The newest generation that this member knows of.", [], generations)
    connected: Samples = [([], row["database_connected"]) for row in rows]
    yield gauge("haslb_cluster_database_connected", "1 while the cluster's database is connected.", [], connected)
    standbys: Samples = [([], row["standbys"]) for row in rows]
    yield gauge("haslb_cluster_standbys", "Members of the cluster that are there and stand by.", [], standbys)
    rivals: Samples = [([], row["rivals_seen"]) for row in rows]
    meaning = "Times that another member said that it led while this one did."
    yield counter("haslb_cluster_rivals", meaning, [], rivals)
    twins: Samples = [([], row["duplicate_name"]) for row in rows]
    yield gauge("haslb_cluster_duplicate_name", "1 while another member has the name of this one.", [], twins)
    revisions: Samples = [([], row["configuration_revision"]) for row in rows]
    meaning = "Revision of the cluster's configuration that is in force here."
    yield gauge("haslb_cluster_configuration_revision", meaning, [], revisions)
    refused: Samples = [([], bool(row["configuration_refused"])) for row in rows]
    meaning = "1 while this member cannot apply the configuration of the cluster."
    yield gauge("haslb_cluster_configuration_refused", meaning, [], refused)


def _requests(sources: Sources) -> Iterator[Metric]:
    counted = {row["counter"]: row["value"] for row in statistics(sources)}
    results = [([result], counted[result]) for result in ("dispatched", "dropped")]
    yield counter("haslb_requests", "Packets to a virtual server, by result.", ["result"], results)
    reasons = [([reason.value], counted[DROPPED + reason.value]) for reason in DropReason]
    yield counter(
        "haslb_requests_dropped", "Packets to a virtual server that were dropped, by reason.", ["reason"], reasons
    )
    for name, metric, meaning in _STATISTICS:
        yield counter(metric, meaning, [], [([], counted[name])])
    for name, metric, meaning in _GAUGES:
        yield gauge(metric, meaning, [], [([], counted[name])])


def _reals(rows: list[RealRow]) -> Iterator[Metric]:
    def of_each(value: Callable[[RealRow], float]) -> Samples:
        return (([row["farm"], real_name(row["real"], row["port"])], value(row)) for row in rows)

    labels = ["farm", "real"]
    states = (  # all states, so that a graph has no gaps
        ([row["farm"], real_name(row["real"], row["port"]), state], state == row["state"])
        for row in rows
        for state in REAL_STATES
    )
    yield gauge("haslb_real_state", "1 for the state that the real server is in.", [*labels, "state"], states)
    weights = of_each(lambda row: row["weight"])
    yield gauge("haslb_real_weight", "Weight in force, static or set by DFP.", labels, weights)
    reachable = of_each(lambda row: row["reachable"])
    yield gauge("haslb_real_reachable", "1 while a switch has resolved its address by ARP.", labels, reachable)
    held_down = of_each(lambda row: row["place"] == PlaceState.HELD_DOWN.value)
    meaning = "1 while its place flaps at a switch and is held down."
    yield gauge("haslb_real_held_down", meaning, labels, held_down)
    refused = of_each(lambda row: row["claims_refused"])
    meaning = "Claims of other machines to its address by ARP that were refused."
    yield counter("haslb_real_claims_refused", meaning, labels, refused)
    live = of_each(lambda row: row["conns"])
    yield gauge("haslb_real_sessions", "Live sessions at the real server.", labels, live)
    placed = of_each(lambda row: row["total_conns"])
    yield counter("haslb_real_sessions_placed", "Sessions that began at or moved to it.", labels, placed)
    failures = of_each(lambda row: row["total_failures"])
    meaning = "Connection failures: sessions whose requests it left unanswered."
    yield counter("haslb_real_connection_failures", meaning, labels, failures)


def _dfp(rows: list[DfpAgentRow]) -> Iterator[Metric]:
    def of_each(value: Callable[[DfpAgentRow], float]) -> Samples:
        return (([_agent(row)], value(row)) for row in rows)

    labels = ["agent"]
    connected = of_each(lambda row: row["state"] == agent_state(State.CONNECTED))
    yield gauge("haslb_dfp_agent_connected", "1 while the DFP agent is connected.", labels, connected)
    reporting = of_each(lambda row: row["reported"])
    meaning = "1 while the DFP agent is connected and has reported since."
    yield gauge("haslb_dfp_agent_reporting", meaning, labels, reporting)
    connections = of_each(lambda row: row["connections"])
    yield counter("haslb_dfp_connections", "TCP connections to the DFP agent.", labels, connections)
    received = of_each(lambda row: row["messages_received"])
    yield counter("haslb_dfp_messages_received", "DFP messages received.", labels, received)
    sent = of_each(lambda row: row["messages_sent"])
    yield counter("haslb_dfp_messages_sent", "DFP messages sent.", labels, sent)
    faults = (([_agent(row), kind], count(row)) for row in rows for kind, count in _DFP_FAULTS.items())
    yield counter("haslb_dfp_faults", "Protocol faults of a DFP agent, by kind.", ["agent", "kind"], faults)


def _agent(row: DfpAgentRow) -> str:
    return f"{row['address']}:{row['port']}"


def _of_switches(rows: list[SwitchRow], value: Callable[[SwitchRow], float]) -> Samples:
    return (([row["datapath"]], value(row)) for row in rows)


def _switches(rows: list[SwitchRow]) -> Iterator[Metric]:
    labels = ["datapath"]
    of_each = partial(_of_switches, rows)
    connected = of_each(lambda row: row["connected"])
    yield gauge(
        "haslb_switch_connected", "1 while the switch is connected and served by this balancer.", labels, connected
    )
    roles = (([row["datapath"], role.value], role.value == row["role"]) for row in rows for role in Role)
    yield gauge("haslb_switch_role", "1 for what this balancer is among those at the switch.", [*labels, "role"], roles)
    yield from _facts(rows)
    followed = of_each(lambda row: row["sessions_followed"])
    yield gauge("haslb_standby_sessions", "Session rules of the switch that this standby has.", labels, followed)
    lag = of_each(lambda row: nan if row["lag"] is None else row["lag"])
    meaning = "Time by which this standby may be behind the switch; NaN while it follows nothing."
    yield gauge("haslb_standby_lag_seconds", meaning, labels, lag)
    yield from _session_rules(rows)
    restored = (([row["datapath"], kind], count(row)) for row in rows for kind, count in _RESTORED.items())
    meaning = "What others had deleted, changed or added on the switch and was restored or removed, by kind."
    yield counter("haslb_switch_restored", meaning, [*labels, "kind"], restored)
    rejected = of_each(lambda row: row["standing_rules_rejected"] != "")
    meaning = "Whether the switch rejects the standing rules of the configuration in force."
    yield gauge("haslb_switch_standing_rules_rejected", meaning, labels, rejected)
    overriding = of_each(lambda row: row["overriding_rules"])
    meaning = "Rules of others on the switch that take packets from ours; they stay."
    yield gauge("haslb_switch_overriding_rules", meaning, labels, overriding)
    dropped = (([row["datapath"], reason], count(row)) for row in rows for reason, count in _ARP_DROPPED.items())
    meaning = "ARP packets for the balancer that were dropped, by reason."
    yield counter("haslb_switch_arp_dropped", meaning, [*labels, "reason"], dropped)
    rejected = of_each(lambda row: row["rule_errors"])
    yield counter("haslb_flow_mod_errors", "Groups of flow-mods that the switch rejected.", labels, rejected)


def _session_rules(rows: list[SwitchRow]) -> Iterator[Metric]:
    labels = ["datapath"]
    of_each = partial(_of_switches, rows)
    waiting = of_each(lambda row: row["rules_waiting"])
    yield gauge("haslb_flow_mods_waiting", "Session flow entries queued for the switch.", labels, waiting)
    without_rule = of_each(lambda row: row["sessions_without_rule"])
    meaning = "Live sessions that continue by packet-out until the switch has accepted their rule."
    yield gauge("haslb_sessions_without_rule", meaning, labels, without_rule)
    rules = of_each(lambda row: row["session_rules"])
    yield gauge("haslb_session_rules", "Session rules on the switch, by the last count.", labels, rules)
    limits = of_each(lambda row: nan if row["session_rule_limit"] is None else row["session_rule_limit"])
    meaning = "The limit of session rules on the switch; NaN if none is known."
    yield gauge("haslb_session_rule_limit", meaning, labels, limits)
    rates = of_each(lambda row: nan if row["flow_mod_rate"] is None else row["flow_mod_rate"])
    meaning = "Flow-mods per second that the switch takes; NaN while it takes all that it is sent at once."
    yield gauge("haslb_flow_mod_rate", meaning, labels, rates)


def _facts(rows: list[SwitchRow]) -> Iterator[Metric]:
    """What was found out about the switches."""
    labels = ["datapath", "make", "version", "switching", "address", "chassis_address"]
    infos = (([str(row.get(label)) for label in labels], 1.0) for row in rows)
    yield gauge("haslb_switch_info", "1; who made the switch, how it forwards, and its addresses.", labels, infos)
    places = (([row["datapath"], *neighbour.split(" at ", 1)], 1.0) for row in rows for neighbour in row["neighbours"])
    meaning = "1 for each home agent, or router to one, that ARP has found at the switch; its port and VLAN."
    yield gauge("haslb_switch_neighbour_info", meaning, ["datapath", "neighbour", "place"], places)
    served = (([row["datapath"]], nan if row["served_for"] is None else row["served_for"]) for row in rows)
    meaning = "Time since the switch is served over this connection; NaN if it is not served."
    yield gauge("haslb_switch_served_seconds", meaning, ["datapath"], served)
    standing = (([row["datapath"]], float(row["standing_rules"])) for row in rows)
    yield gauge("haslb_switch_standing_rules", "Standing rules that the switch has accepted.", ["datapath"], standing)
    known = (([row["datapath"], each.value], _has(row, each.value)) for row in rows for each in IN_SERVICE)
    meaning = "1 for what the switch is able to do, 0 for what it lacks; NaN while that is not known."
    yield gauge("haslb_switch_capability", meaning, ["datapath", "capability"], known)
    learned = (([row["datapath"]], float(row["addresses_learned"])) for row in rows)
    yield gauge("haslb_switch_addresses_learned", "Addresses in the learning table.", ["datapath"], learned)
    trips = (
        ([row["datapath"]], nan if row["barrier_round_trip"] is None else row["barrier_round_trip"]) for row in rows
    )
    meaning = "Time that the last barrier took; NaN before the first reply."
    yield gauge("haslb_switch_barrier_seconds", meaning, ["datapath"], trips)


def _has(row: SwitchRow, capability: str) -> float:
    if capability in row["capabilities"]:
        return 1.0
    return 0.0 if capability in row["lacks"] else nan


def _packet_in_latency(sources: Sources) -> Metric:
    family = HistogramMetricFamily(
        "haslb_packet_in_latency_seconds",
        "Time from the read of a packet-in to the write of its answer, counted since the switch connected.",
        labels=["datapath"],
    )
    for switch in sources.switches.values():
        if isinstance(switch.channel, _Measured):
            latency = switch.channel.latency
            buckets = [(str(bound), float(count)) for bound, count in latency.cumulative()]
            family.add_metric([f"{switch.datapath_id:016x}"], [*buckets, ("+Inf", float(latency.count))], latency.sum)
    return family
