"""The rows of the snapshot: a type for each table. :mod:`ryu_haslb.show.snapshot` fills them.

A new column is one line here, one where ``snapshot.py`` fills the row, and one where ``reports.py`` prints it. The API
and its JSON Schema have the column then without further work.
"""

from __future__ import annotations

from typing import Annotated, Optional, TypedDict

from ryu_haslb.cluster.election import MemberState
from ryu_haslb.configuration.model import Drain, Switching
from ryu_haslb.dfp.manager import State
from ryu_haslb.openflow.neighbours.places import PlaceState
from ryu_haslb.openflow.recovery.follower_states import FollowerState
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.sessions.rule_room import LimitSource
from ryu_haslb.show.column_types import (
    Address,
    AddressAndPort,
    AnyPort,
    Count,
    DatapathId,
    Port,
    Seconds,
    Values,
    Weight,
)
from ryu_haslb.show.state_history import Kind
from ryu_haslb.slb.farm import FARM_STATES
from ryu_haslb.slb.real import Health
from ryu_haslb.slb.session import SessionState

#: The counter of a drop reason is this and the reason's token: ``dropped_fragment``.
DROPPED = "dropped_"
#: Every state that ``show ip slb reals`` prints.
REAL_STATES = (*(health.value for health in Health), "OUTOFSERVICE", "DRAINING", "DRAINED", "DFP_THROTTLED", "MAXCONNS")


def agent_state(state: State) -> str:
    """The token for the state of the connection to a DFP agent: ``connected``. ``show`` prints the state's value."""
    return state.name.lower()


RealState = Annotated[str, Values(enum=REAL_STATES)]
ServerState = Annotated[str, Values(enum=(*FARM_STATES, "OUTOFSERVICE"))]
MobileState = Annotated[str, Values(enum=tuple(state.value for state in SessionState))]
AgentState = Annotated[str, Values(enum=tuple(agent_state(state) for state in State))]
ClusterState = Annotated[str, Values(enum=tuple(state.value for state in MemberState))]
SwitchRole = Annotated[str, Values(enum=tuple(role.value for role in Role))]
SwitchingMode = Annotated[str, Values(enum=tuple(mode.value for mode in Switching))]
RuleLimitSource = Annotated[str, Values(enum=tuple(source.value for source in LimitSource))]
StandbyState = Annotated[str, Values(enum=tuple(state.value for state in FollowerState))]
PlaceName = Annotated[str, Values(enum=tuple(state.value for state in PlaceState))]
ChangeKind = Annotated[str, Values(enum=tuple(kind.value for kind in Kind))]
Nat = Annotated[str, Values(enum=("SERVER", "none"))]


class RealRow(TypedDict):
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
    place: Annotated[PlaceName, "The least certain state of its place among the switches; see docs/states.md."]
    places: Annotated[list[str], "Of each switch: its datapath id, where the real server is, and how certain that is."]
    claims_refused: Annotated[Count, "Claims of other machines to its address by ARP that were refused."]
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


class ServerFarmRow(TypedDict):
    """A server farm."""

    farm: str
    predictor: Annotated[str, "How a new session gets its real server."]
    nat: Annotated[Nat, "SERVER in direct mode, none in dispatched mode."]
    reals: Annotated[Count, "Number of real servers."]
    bind_id: Annotated[Count, "Bind id that DFP agents know the farm by; always 0."]
    vservers: Annotated[list[str], "Names of the virtual servers that use it."]
    real_servers: Annotated[list[str], "Of each real server: name, weight in force, state, live sessions."]


class VirtualServerRow(TypedDict):
    """A virtual server."""

    vserver: str
    protocol: str
    virtual: AddressAndPort
    state: Annotated[ServerState, "OUTOFSERVICE by configuration, else that of its farm; see docs/states.md."]
    conns: Annotated[Count, "Live sessions."]
    farm: str
    idle: Annotated[Seconds, "Time without a Registration Request after which a session ends."]
    clients: Annotated[list[str], "Client networks that are allowed or excluded; an empty list allows all clients."]


class SessionRow(TypedDict):
    """A live session: a mobile node and the home agent that it registers with."""

    vserver: str
    nai_hash: Annotated[str, Values(pattern="^[0-9A-F]{16}$"), "Session key; the cookie of the session's flow entry."]
    client: Annotated[Address, "Source address of the last request."]
    real: Address
    state: MobileState
    client_port: Annotated[AnyPort, "Source port of the last request."]
    real_port: Annotated[Port, "UDP port of the real server."]
    farm: Annotated[str, "Farm of the real server."]
    identity: Annotated[
        Optional[str],
        "NAI or home address; null for a session recovered from the switch until its mobile sends a request.",
    ]
    retries: Annotated[Count, "Retransmissions of the last request."]
    idle: Annotated[Seconds, "Time since the last request."]
    rule_at: Annotated[Optional[DatapathId], "The switch that has confirmed its rule; null while none has."]


class ConnRow(TypedDict):
    """A live session as a connection."""

    vserver: str
    protocol: str
    client: AddressAndPort
    real: AddressAndPort
    state: str
    nat: Nat


class DfpAgentRow(TypedDict):
    """A configured DFP agent, its connection, and the counters of the connection."""

    address: Address
    port: Port
    timeout: Annotated[
        Seconds, "Keep-alive time: time without a message after which the connection is closed; 0 means never."
    ]
    retry_count: Annotated[Count, "Attempts to connect; 0 means no limit."]
    retry_interval: Annotated[Seconds, "Time between two attempts to connect."]
    state: AgentState
    reported: Annotated[bool, "Whether the agent is connected and has reported since, with weights or without."]
    connections: Annotated[Count, "TCP connections established."]
    messages_sent: Annotated[Count, "DFP messages sent."]
    messages_received: Annotated[Count, "DFP messages received."]
    framing_errors: Annotated[Count, "Messages with a wrong version or length; each closed the connection."]
    authentication_failures: Annotated[Count, "Messages without a valid Security TLV; discarded."]
    unknown_messages: Annotated[Count, "Messages of an unknown type; discarded."]
    malformed_messages: Annotated[Count, "Messages that could not be decoded; discarded."]
    unexpected_messages: Annotated[
        Count, "Messages of a type that an agent does not send, or replies without a request; discarded."
    ]
    keep_alive_timeouts: Annotated[Count, "Connections closed because the keep-alive time expired."]
    excess_entries: Annotated[Count, "Servers and bind ids above the limit for one agent; discarded."]
    unauthorized_weights: Annotated[Count, "Weights of real servers that the agent may not set; ignored."]


class DfpWeightRow(TypedDict):
    """A weight that a DFP agent has set."""

    real: Address
    protocol: str
    port: Annotated[AnyPort, "Port of the real server; 0 means any."]
    bind_id: Annotated[Count, "Bind id; 65535 means any."]
    weight: Weight
    agent: Annotated[AddressAndPort, "Agent that set the weight, ADDRESS:PORT."]
    set_at: Annotated[str, Values(format="date-time"), "When the report arrived, in UTC."]


class CounterRow(TypedDict):
    """A counter of the balancer."""

    counter: Annotated[str, "Name of the counter, such as requests, dropped, or dropped_fragment for one drop reason."]
    value: Count
    text: Annotated[str, "The counter as show ip slb stats prints it."]


class RedundancyRow(TypedDict):
    """This balancer as a member of a cluster."""

    member: Annotated[str, "Name of this balancer."]
    state: Annotated[
        ClusterState, "leader: serves the switches; isolated: serves them without a database; standby: does not."
    ]
    generation: Annotated[Count, "The newest generation that this member knows of; each leader has a newer one."]
    leader: Annotated[str, "Name of the member that leads as the database shows it; empty if none has led yet."]
    leader_since: Annotated[str, "When it began to lead, in UTC (ISO 8601)."]
    leader_reason: Annotated[str, "Why it leads, as a token such as leader_lost; empty if that is not recorded."]
    database_connected: Annotated[bool, "Whether a database server that follows the Raft leader is connected."]
    standbys: Annotated[Count, "Members that are there and stand by."]
    rivals_seen: Annotated[Count, "Times that another member said that it led while this one did."]
    configuration_revision: Annotated[Count, "Revision of the configuration in force here; 0 if there is none yet."]
    configuration_changed_by: Annotated[str, "Member that changed the configuration, and by what."]
    configuration_changed_at: Annotated[str, "When it was changed, in UTC (ISO 8601)."]
    configuration_refused: Annotated[str, "Why this member has not applied the configuration of the cluster, or empty."]


class MemberRow(TypedDict):
    """A member of the cluster, as it describes itself."""

    member: Annotated[str, "Name of the member."]
    present: Annotated[bool, "Whether it is there: it has changed its row in the last 16 s."]
    state: ClusterState
    generation: Annotated[Count, "The generation with which it leads, or led last."]
    version: Annotated[str, "Version of its software."]
    url: Annotated[str, "Where its HTTP server listens; empty if it has none."]
    sessions: Annotated[Count, "Sessions that it has, or follows while it stands by."]
    switches: Annotated[Count, "Switches that answer it."]
    lag: Annotated[Optional[Seconds], "Time by which it may be behind the switches; null if it leads, or follows none."]
    configuration_revision: Annotated[Count, "Revision of the configuration that it has in force."]
    configuration_refused: Annotated[str, "Why it has not applied the configuration of the cluster, or empty."]


class SwitchoverRow(TypedDict):
    """A switchover of the cluster: another member began to lead."""

    generation: Annotated[Count, "The generation of the new leader."]
    at: Annotated[str, "When, in UTC (ISO 8601)."]
    previous: Annotated[str, "Name of the leader before; empty for the first one."]
    member: Annotated[str, "Name of the new leader."]
    reason: Annotated[
        str,
        "Why, as a token: switch_activity, sigterm, sigint, reaches_fewer_switches, leader_lost, "
        "leader_restarted, first_leader.",
    ]
    duration: Annotated[
        Optional[Seconds], "From when the database gave it the lock until it served every switch; null if unknown."
    ]


class StateChangeRow(TypedDict):
    """A change of the last days."""

    at: Annotated[str, Values(format="date-time"), "When, in UTC."]
    kind: Annotated[ChangeKind, "What has changed."]
    name: Annotated[str, "Name of what has changed; of a configuration its source, such as a file."]
    state: Annotated[str, "The state after it; of a configuration how many commands it has changed."]
    was: Annotated[str, "The state before; none if there was none."]
    left_out: Annotated[Count, "Changes of the same object before this one that have no row, since it flapped."]


class LogRow(TypedDict):
    """A record of the log."""

    at: Annotated[str, Values(format="date-time"), "When, in UTC."]
    severity: Annotated[Count, "Severity of syslog (RFC 5424): 2 critical, 3 error, 4 warning, 6 informational."]
    module: Annotated[str, "What has logged it."]
    text: str


class SwitchRow(TypedDict):
    """A switch that is served, or was and is not forgotten."""

    datapath: DatapathId
    connected: Annotated[bool, "Whether this balancer is connected to the switch and serves it."]
    role: Annotated[SwitchRole, "What this balancer is among those at the switch; waiting: another one serves it."]
    address: Annotated[str, "Address that it has connected from last."]
    make: Annotated[str, "Who made it, as it says."]
    version: Annotated[str, "Its hardware and software, as it says."]
    served_for: Annotated[Optional[Seconds], "Time since it is served over this connection; null if it is not served."]
    switching: Annotated[SwitchingMode, "How it forwards what does not concern the balancer; see docs/switches.md."]
    tables: Annotated[Count, "Flow tables that it has, as far as they are used."]
    capabilities: Annotated[list[str], "What it was seen to be able to do, as tokens; see docs/switches.md."]
    lacks: Annotated[list[str], "What it was seen to lack, as tokens."]
    session_table_size: Annotated[
        Optional[Count], "Entries that its table 1 has room for, as it reports; null if it does not."
    ]
    max_meters: Annotated[Optional[Count], "Meters that it has room for, as it reports; null if it does not."]
    max_groups: Annotated[Optional[Count], "Groups that it has room for, as it reports; null if it does not."]
    chassis_address: Annotated[str, "Ethernet address with which it answers for virtual addresses."]
    neighbours: Annotated[list[str], "Each home agent, or router to one, that ARP has found there: its port and VLAN."]
    standing_rules: Annotated[Count, "Standing rules that it has accepted."]
    addresses_learned: Annotated[Count, "Addresses in its learning table."]
    packet_ins: Annotated[Count, "Packet-ins over this connection."]
    barrier_round_trip: Annotated[Optional[Seconds], "Time that the last barrier took; null before the first reply."]
    standby: Annotated[
        StandbyState,
        "What this standby does to have the switch's sessions; following: it has all of them; off: it is no standby.",
    ]
    sessions_followed: Annotated[Count, "Session rules of the switch that this standby has."]
    lag: Annotated[
        Optional[Seconds], "Time by which this standby may be behind the switch; null while it follows nothing."
    ]
    rules_waiting: Annotated[Count, "Session flow entries queued for the switch."]
    rule_errors: Annotated[Count, "Groups of flow-mods that the switch rejected."]
    sessions_without_rule: Annotated[
        Count, "Live sessions that continue by packet-out until the switch has accepted their rule."
    ]
    session_rules: Annotated[Count, "Session rules on the switch, by the last count."]
    session_rule_limit: Annotated[Optional[Count], "The limit of session rules on the switch; null if none is known."]
    session_rule_limit_source: Annotated[
        RuleLimitSource, "Where the limit comes from: the configuration, the switch's report, or its rejections."
    ]
    flow_mod_rate: Annotated[
        Optional[float], "Flow-mods per second that the switch takes; null while it takes all that it is sent at once."
    ]
    restorations: Annotated[Count, "Times that others had deleted or changed rules of ours, which were restored."]
    standing_rules_restored: Annotated[Count, "Standing rules that others had deleted or changed."]
    session_rules_restored: Annotated[Count, "Session rules that others had deleted or changed."]
    meters_restored: Annotated[Count, "Meters that others had deleted."]
    arp_dropped: Annotated[Count, "ARP packets of hosts and ports beyond their limit that the balancer dropped."]
    arp_metered: Annotated[Count, "ARP requests for virtual addresses that a meter of the switch dropped."]
