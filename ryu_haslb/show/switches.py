"""``show ip slb switches``: the switches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from socket import inet_ntoa
from typing import Annotated, Optional, Protocol, TypedDict, runtime_checkable

from ryu_haslb.configuration.model import Switching
from ryu_haslb.language.wording import printable
from ryu_haslb.openflow.capabilities.layout_choice import SwitchingSource
from ryu_haslb.openflow.flow_tables.pipeline import Table, chassis_address
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.recovery.follower_states import FollowerState
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.sessions.rule_room import LimitSource
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.column_types import Count, DatapathId, Seconds, Values
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column

SwitchRole = Annotated[str, Values(enum=tuple(role.value for role in Role))]
SwitchingMode = Annotated[str, Values(enum=tuple(mode.value for mode in Switching))]
RuleLimitSource = Annotated[str, Values(enum=tuple(source.value for source in LimitSource))]
SwitchingDecision = Annotated[str, Values(enum=tuple(source.value for source in SwitchingSource))]
StandbyState = Annotated[str, Values(enum=tuple(state.value for state in FollowerState))]


@runtime_checkable
class _Measured(Protocol):
    """A connection that counts packet-ins."""

    latency: LatencyHistogram


class SwitchFacts(TypedDict):
    """The make, layout and capabilities of a switch."""

    address: Annotated[str, "Address that it has connected from last."]
    make: Annotated[str, "Manufacturer, as the switch reports it."]
    version: Annotated[str, "Hardware and software, as the switch reports them."]
    served_for: Annotated[Optional[Seconds], "Time since it is served over this connection; null if it is not served."]
    switching: Annotated[SwitchingMode, "How it forwards what does not concern the balancer; see docs/switches.md."]
    switching_source: Annotated[SwitchingDecision, "What has decided that; see docs/switches.md."]
    tables: Annotated[Count, "Flow tables that it has, as far as they are used."]
    capabilities: Annotated[list[str], "Capabilities that it was found to have, as tokens; see docs/switches.md."]
    lacks: Annotated[list[str], "Capabilities that it was found to lack, as tokens."]
    session_table_size: Annotated[
        Optional[Count], "Entries that its table 1 has room for, as it reports; null if it does not."
    ]
    max_meters: Annotated[Optional[Count], "Meters that it has room for, as it reports; null if it does not."]
    max_groups: Annotated[Optional[Count], "Groups that it has room for, as it reports; null if it does not."]
    chassis_address: Annotated[str, "Ethernet address with which it answers for virtual addresses."]
    neighbours: Annotated[list[str], "Each home agent, or router to one, that ARP has found there: its port and VLAN."]
    standing_rules: Annotated[Count, "Standing rules that it has accepted."]
    standing_rules_rejected: Annotated[
        str,
        "Why it rejects those of the configuration in force, as OpenFlow names the error: it goes on with former ones, "
        "or is not served; empty if it does not.",
    ]
    addresses_learned: Annotated[Count, "Addresses in its learning table."]
    packet_ins: Annotated[Count, "Packet-ins over this connection."]
    barrier_round_trip: Annotated[Optional[Seconds], "Time that the last barrier took; null before the first reply."]


class SwitchRow(SwitchFacts):
    """A switch that is served, or was and is not forgotten."""

    datapath: DatapathId
    connected: Annotated[bool, "Whether this balancer is connected to the switch and serves it."]
    role: Annotated[SwitchRole, "Role of this balancer for the switch; waiting: another one serves it."]
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
    sessions_to_recover: Annotated[
        Count, "Session rules that were read or followed, and whose sessions are not recovered yet; none is listed."
    ]
    session_rule_limit: Annotated[Optional[Count], "The limit of session rules on the switch; null if none is known."]
    session_rule_limit_source: Annotated[
        RuleLimitSource,
        "Where the limit comes from: the configuration, the switch's report, what it can report, or its rejections.",
    ]
    flow_mod_rate: Annotated[
        Optional[float], "Flow-mods per second that the switch takes; null while it takes all that it is sent at once."
    ]
    restorations: Annotated[Count, "Times that others had deleted or changed rules of ours, which were restored."]
    standing_rules_restored: Annotated[Count, "Standing rules that others had deleted or changed."]
    session_rules_restored: Annotated[Count, "Session rules that others had deleted or changed."]
    meters_restored: Annotated[Count, "Meters that others had deleted."]
    extraneous_rules_removed: Annotated[Count, "Rules with our cookie that others had added and that were removed."]
    overriding_rules: Annotated[Count, "Rules of others that take packets from ours; they stay."]
    overriding_rule: Annotated[str, "Where one of them is, and which rule of ours it overrides."]
    arp_dropped: Annotated[Count, "ARP packets of hosts and ports beyond their limit that the balancer dropped."]
    arp_metered: Annotated[Count, "ARP requests for virtual addresses that a meter of the switch dropped."]


def switches(sources: Sources) -> Iterator[SwitchRow]:
    """Every switch that is served, or was and is not forgotten."""
    for switch in list(sources.switches.values()):  # others may connect, or be forgotten, before the next row
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
            "sessions_to_recover": switch.unrecovered.recovery.pending,
            "session_rule_limit": switch.rules.room.limit,
            "session_rule_limit_source": switch.rules.room.source.value,
            "flow_mod_rate": switch.rules.pace.rate,
            "restorations": switch.restored.incidents,
            "standing_rules_restored": switch.restored.standing_rules,
            "session_rules_restored": switch.restored.session_rules,
            "meters_restored": switch.restored.meters,
            "extraneous_rules_removed": switch.restored.extraneous_rules,
            "overriding_rules": 0 if switch.channel is None else switch.overridden.count,
            "overriding_rule": "" if switch.channel is None else switch.overridden.example,
            "arp_dropped": switch.adjacencies.discovery.limit.dropped,
            "arp_metered": switch.arp_metered,
        }


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
        "switching_source": switch.switching_source.value,
        "tables": switch.layout.support.tables,
        "capabilities": [each.value for each, has in known.items() if has],
        "lacks": [each.value for each, has in known.items() if has is False],
        "session_table_size": switch.reported.table_sizes.get(Table.SESSIONS),
        "max_meters": switch.reported.max_meters,
        "max_groups": switch.reported.max_groups,
        "chassis_address": chassis_address(switch.datapath_id).hex(":"),
        "neighbours": [_place(address, at) for address, at in sorted(switch.adjacencies.found().items())],
        "standing_rules": switch.standing_rules if is_served else 0,
        "standing_rules_rejected": switch.rejection,
        "addresses_learned": 0 if switch.learning is None else len(switch.learning),
        "packet_ins": channel.latency.count if isinstance(channel, _Measured) else 0,
        "barrier_round_trip": switch.admission.backlog.round_trip,
    }


def _place(address: bytes, at: Location) -> str:
    return f"{inet_ntoa(address)} at port {at.port}" + (f" VLAN {at.vlan}" if at.vlan else "")


def _switch_details(rows: Iterator[SwitchRow]) -> Iterator[str]:
    for row in rows:
        yield f"Switch {row['datapath']}, connected = {'yes' if row['connected'] else 'no'}, role = {row['role']}"
        yield f"  address = {row['address'] or 'unknown'}, make = {row['make'] or 'unknown'} {row['version']}"
        served = "not" if row["served_for"] is None else f"for {row['served_for']:.0f} s"
        switching = f"{row['switching']} ({SwitchingSource(row['switching_source']).text})"
        yield f"  served {served}, switching = {switching}, addresses learned = {row['addresses_learned']}"
        yield f"  capabilities = {', '.join(row['capabilities']) or 'unknown'}"
        yield f"  lacks = {', '.join(row['lacks']) or 'nothing that is known'}"
        sizes = f"session table = {_known(row['session_table_size'])}, meters = {_known(row['max_meters'])}"
        yield f"  reports: {sizes}, groups = {_known(row['max_groups'])}"
        yield f"  chassis address = {row['chassis_address']}, home agents = {', '.join(row['neighbours']) or 'none'}"
        trip = "unknown" if row["barrier_round_trip"] is None else f"{1000 * row['barrier_round_trip']:.1f} ms"
        rejected = row["standing_rules_rejected"]
        standing = f"{row['standing_rules']}" + (f" (new ones are rejected: {rejected})" if rejected else "")
        yield f"  standing rules = {standing}, packet-ins = {row['packet_ins']}, barrier = {trip}"
        lag = "unknown" if row["lag"] is None else f"{row['lag']:.3f} s"
        yield f"  standby = {row['standby']}, sessions followed = {row['sessions_followed']}, lag = {lag}"
        yield f"  session rules waiting = {row['rules_waiting']}, bundles rejected = {row['rule_errors']}"
        without = f"sessions without rule = {row['sessions_without_rule']}"
        yield f"  session rules = {row['session_rules']}, {without}, to be recovered = {row['sessions_to_recover']}"
        rate = "as many as are sent" if row["flow_mod_rate"] is None else f"{row['flow_mod_rate']:.0f}/s"
        limit = f"{_known(row['session_rule_limit'])} ({row['session_rule_limit_source']})"
        yield f"  limit of session rules = {limit}, flow-mods = {rate}"
        yield f"  deleted by others and restored: {row['restorations']} times"
        yield f"    standing rules = {row['standing_rules_restored']}, session rules = {row['session_rules_restored']}"
        yield f"    meters = {row['meters_restored']}, added and removed = {row['extraneous_rules_removed']}"
        example = f" ({row['overriding_rule']})" if row["overriding_rule"] else ""
        yield f"  rules of others that override ours = {row['overriding_rules']}{example}"
        yield f"  arp dropped = {row['arp_dropped']}, arp requests metered = {row['arp_metered']}"


def _known(number: Optional[int]) -> str:
    return "unknown" if number is None else str(number)


SWITCHES = Report(
    switches,
    as_table(
        Column("datapath", "datapath", 18),
        Column("connected", "connected", 11),
        Column("role", "role", 10),
        Column("rules_waiting", "rules waiting", 15),
        Column("sessions_without_rule", "sessions without rule", 22),
    ),
)
SWITCHES_DETAIL = Report(switches, _switch_details)
