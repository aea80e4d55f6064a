"""Every report: the snapshot that its rows come from, and how they are printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable, Generic, Optional, TypeVar

from ryu_haslb.dfp.manager import State
from ryu_haslb.show import cluster_snapshot, snapshot
from ryu_haslb.show.column_types import Row
from ryu_haslb.show.rows import (
    DfpAgentRow,
    DfpWeightRow,
    LogRow,
    RealRow,
    RedundancyRow,
    ServerFarmRow,
    SessionRow,
    SwitchRow,
    VirtualServerRow,
)
from ryu_haslb.show.snapshot import Sources
from ryu_haslb.show.table import Column, table
from ryu_haslb.slb.real import real_name
from ryu_haslb.slb.statistics import DropReason

#: What IOS prints for a real server without ``maxconns``.
NO_MAXCONNS = 4294967295

R = TypeVar("R", bound=Optional[Row])
#: Prints rows as lines.
_Text = Callable[[Iterator[Any]], Iterator[Optional[str]]]


@dataclass(frozen=True)
class Report(Generic[R]):
    """The rows of a ``show`` command, and the lines that it prints for them. None among them is a pause."""

    rows: Callable[[Sources], Iterator[R]]
    text: Callable[[Iterator[R]], Iterator[Optional[str]]]


def as_json(rows: Iterator[Optional[Row]]) -> Iterator[Optional[str]]:
    """The lines of one JSON array. None among the rows lets other work run; it is passed on."""
    yield "["
    separator = " "
    for row in rows:
        if row is None:
            yield None
        else:
            yield separator + json.dumps(row)
            separator = ","
    yield "]"


def _as_table(*columns: Column) -> Callable[[Iterator[Optional[Row]]], Iterator[Optional[str]]]:
    """Print rows as a table."""
    return lambda rows: table(columns, rows)


def _as_lines(*patterns: str) -> Callable[[Iterator[Row]], Iterator[str]]:
    """Print each row as the same lines with its values filled in."""

    def text(rows: Iterator[Row]) -> Iterator[str]:
        for row in rows:
            for pattern in patterns:
                yield pattern.format(**row)

    return text


def _with_ports(text: _Text, port: str) -> _Text:
    """Print the column ``real`` with the port, in the column ``port``, where that is not the default."""
    return lambda rows: text(row and {**row, "real": real_name(row["real"], row[port])} for row in rows)


def _in_words(text: _Text) -> _Text:
    """Print the states of DFP agents in words instead of tokens."""

    def words(row: DfpAgentRow) -> str:
        state = State[row["state"].upper()]
        return f"{state.value}, no report" if state is State.CONNECTED and not row["reported"] else state.value

    return lambda rows: text({**row, "state": words(row)} for row in rows)


def _weights(rows: Iterator[DfpWeightRow]) -> Iterator[str]:
    for row in rows:
        yield (
            f"Real IP Address: {row['real']} Protocol: {row['protocol']} Port: {row['port']} "
            f"Bind_ID: {row['bind_id']} Weight: {row['weight']}"
        )
        set_at = datetime.fromisoformat(row["set_at"])
        yield f"Set by Agent {row['agent']} at {set_at:%H:%M:%S} UTC {set_at:%m/%d/%y}"


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


def _serverfarm_details(rows: Iterator[ServerFarmRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row['farm']}, type = server farm, predictor = {row['predictor']}, nat = {row['nat']}"
        yield f"  virtual servers = {', '.join(row['vservers']) or 'none'}, bind id = {row['bind_id']}"
        yield f"  real servers = {row['reals']}"
        for real in row["real_servers"]:
            yield f"    {real}"


def _vserver_details(rows: Iterator[VirtualServerRow]) -> Iterator[str]:
    for row in rows:
        yield f"{row['vserver']}, state = {row['state']}, virtual = {row['virtual']} {row['protocol']}"
        yield f"  server farm = {row['farm']}, service = ipmobile, idle ipmobile request = {row['idle']}"
        yield f"  conns = {row['conns']}, clients = {', '.join(row['clients']) or 'any'}"


def _session_details(rows: Iterator[Optional[SessionRow]]) -> Iterator[Optional[str]]:
    for row in rows:
        if row is None:
            yield None
            continue
        real = real_name(row["real"], row["real_port"])
        yield f"{row['vserver']}, NAI = {row['identity'] or 'unknown'}, NAI hash = {row['nai_hash']}"
        yield f"  client = {row['client']}:{row['client_port']}, real = {real}, farm = {row['farm']}"
        yield f"  state = {row['state']}, retries = {row['retries']}, idle = {row['idle']:.1f} s"
        yield f"  rule at = {row['rule_at'] or 'no switch'}"


def _switch_details(rows: Iterator[SwitchRow]) -> Iterator[str]:
    for row in rows:
        yield f"Switch {row['datapath']}, connected = {'yes' if row['connected'] else 'no'}, role = {row['role']}"
        yield f"  address = {row['address'] or 'unknown'}, make = {row['make'] or 'unknown'} {row['version']}"
        served = "not" if row["served_for"] is None else f"for {row['served_for']:.0f} s"
        yield f"  served {served}, switching = {row['switching']}, addresses learned = {row['addresses_learned']}"
        yield f"  capabilities = {', '.join(row['capabilities']) or 'unknown'}"
        yield f"  lacks = {', '.join(row['lacks']) or 'nothing that is known'}"
        sizes = f"session table = {_known(row['session_table_size'])}, meters = {_known(row['max_meters'])}"
        yield f"  reports: {sizes}, groups = {_known(row['max_groups'])}"
        yield f"  chassis address = {row['chassis_address']}, home agents = {', '.join(row['neighbours']) or 'none'}"
        trip = "unknown" if row["barrier_round_trip"] is None else f"{1000 * row['barrier_round_trip']:.1f} ms"
        yield f"  standing rules = {row['standing_rules']}, packet-ins = {row['packet_ins']}, barrier = {trip}"
        lag = "unknown" if row["lag"] is None else f"{row['lag']:.3f} s"
        yield f"  standby = {row['standby']}, sessions followed = {row['sessions_followed']}, lag = {lag}"
        yield f"  session rules waiting = {row['rules_waiting']}, bundles rejected = {row['rule_errors']}"
        yield f"  session rules = {row['session_rules']}, sessions without rule = {row['sessions_without_rule']}"
        rate = "as many as are sent" if row["flow_mod_rate"] is None else f"{row['flow_mod_rate']:.0f}/s"
        limit = f"{_known(row['session_rule_limit'])} ({row['session_rule_limit_source']})"
        yield f"  limit of session rules = {limit}, flow-mods = {rate}"
        yield f"  deleted by others and restored: {row['restorations']} times"
        yield f"    standing rules = {row['standing_rules_restored']}, session rules = {row['session_rules_restored']}"
        yield f"    meters = {row['meters_restored']}"
        yield f"  arp dropped = {row['arp_dropped']}, arp requests metered = {row['arp_metered']}"


def _known(number: Optional[int]) -> str:
    return "unknown" if number is None else str(number)


def _redundancy(rows: Iterator[RedundancyRow]) -> Iterator[str]:
    row = next(rows, None)
    if row is None:
        yield "this balancer is in no cluster"
        return
    yield f"Member {row['member']}, state = {row['state']}, generation = {row['generation']}"
    reason = f", reason = {row['leader_reason']}" if row["leader_reason"] else ""
    yield f"  leader = {row['leader'] or 'none'}, since = {row['leader_since'] or 'never'}{reason}"
    yield f"  database connected = {'yes' if row['database_connected'] else 'no'}, standbys = {row['standbys']}"
    yield f"  configuration = {_configuration(row)}"
    if row["configuration_refused"]:
        yield f"  not applied here: {row['configuration_refused']}"


def _configuration(row: RedundancyRow) -> str:
    if not row["configuration_revision"]:
        return "none yet"
    changed = f"{row['configuration_changed_by']}, {row['configuration_changed_at']}"
    return f"revision {row['configuration_revision']} ({changed})"


_REAL_COLUMNS = (
    Column("real", "real", 20),
    Column("farm", "farm name", 19),
    Column("weight", "weight", 8),
    Column("state", "state", 15),
    Column("conns", "conns", 6),
)
_REACHABLE = Column("reachable", "reachable", 10)


def _reals(rows: Iterator[RealRow]) -> Iterator[Optional[str]]:
    """The table of IOS. It has one more column where a real server is not reachable, which IOS does not know of."""
    found = [{**row, "reachable": "yes" if row["reachable"] else "no"} for row in rows]
    columns = _REAL_COLUMNS if all(row["reachable"] == "yes" for row in found) else (*_REAL_COLUMNS, _REACHABLE)
    return table(columns, found)


REALS = Report(snapshot.reals, _with_ports(_reals, "port"))
REALS_DETAIL = Report(snapshot.reals, _with_ports(_real_details, "port"))
SERVERFARMS = Report(
    snapshot.serverfarms,
    _as_table(
        Column("farm", "server farm", 17),
        Column("predictor", "predictor", 13),
        Column("nat", "nat", 8),
        Column("reals", "reals", 8),
        Column("bind_id", "bind id", 8),
    ),
)
SERVERFARMS_DETAIL = Report(snapshot.serverfarms, _serverfarm_details)
VSERVERS = Report(
    snapshot.vservers,
    _as_table(
        Column("vserver", "slb vserver", 17),
        Column("protocol", "prot", 6),
        Column("virtual", "virtual", 22),
        Column("state", "state", 15),
        Column("conns", "conns", 6),
    ),
)
VSERVERS_DETAIL = Report(snapshot.vservers, _vserver_details)
SESSIONS = Report(
    snapshot.sessions,
    _with_ports(
        _as_table(
            Column("vserver", "vserver", 16),
            Column("nai_hash", "NAI hash", 17),
            Column("client", "client", 16),
            Column("real", "real", 16),
            Column("state", "state", 15),
        ),
        "real_port",
    ),
)
SESSIONS_DETAIL = Report(snapshot.sessions, _session_details)
CONNS = Report(
    snapshot.conns,
    _as_table(
        Column("vserver", "vserver", 16),
        Column("protocol", "prot", 5),
        Column("client", "client", 22),
        Column("real", "real", 22),
        Column("state", "state", 9),
        Column("nat", "nat", 7),
    ),
)
REDUNDANCY = Report(cluster_snapshot.redundancy, _redundancy)
MEMBERS = Report(
    cluster_snapshot.members,
    _as_table(
        Column("member", "member", 16),
        Column("present", "present", 9),
        Column("state", "state", 10),
        Column("version", "version", 9),
        Column("sessions", "sessions", 10),
        Column("switches", "switches", 10),
        Column("lag", "lag", 8),
        Column("configuration_revision", "revision", 10),
        Column("url", "http", 22),
    ),
)
SWITCHOVERS = Report(
    cluster_snapshot.switchovers,
    _as_table(
        Column("generation", "generation", 12),
        Column("at", "at", 22),
        Column("previous", "from", 16),
        Column("member", "to", 16),
        Column("reason", "reason", 17),
        Column("duration", "duration", 10),
    ),
)


def _log(rows: Iterator[LogRow]) -> Iterator[str]:
    for row in rows:
        at = datetime.fromisoformat(row["at"])
        first, *others = row["text"].splitlines() or [""]
        yield f"*{at:%b %d %H:%M:%S}.{at.microsecond // 1000:03}: {first}"
        yield from others


LOGGING = Report(snapshot.log, _log)
STATE_CHANGES = Report(
    snapshot.state_changes,
    _as_table(
        Column("at", "at", 27),
        Column("kind", "kind", 15),
        Column("name", "name", 30),
        Column("state", "state", 16),
        Column("was", "was", 15),
    ),
)
SWITCHES = Report(
    snapshot.switches,
    _as_table(
        Column("datapath", "datapath", 18),
        Column("connected", "connected", 11),
        Column("role", "role", 10),
        Column("rules_waiting", "rules waiting", 15),
        Column("sessions_without_rule", "sessions without rule", 22),
    ),
)
SWITCHES_DETAIL = Report(snapshot.switches, _switch_details)
STATISTICS = Report(
    snapshot.statistics,
    _as_table(
        Column("text", "counter", max(len(f"dropped: {reason.text} ") for reason in DropReason)),
        Column("value", "value", 12),
    ),
)
DFP_AGENTS = Report(
    snapshot.dfp_agents,
    _in_words(
        _as_table(
            Column("address", "agent IP", 16),
            Column("port", "port", 7),
            Column("timeout", "timeout", 9),
            Column("retry_count", "retry count", 13),
            Column("retry_interval", "interval", 10),
            Column("state", "state", 21),
        )
    ),
)
DFP_AGENT = Report(
    snapshot.dfp_agents,
    _in_words(
        _as_lines(
            "DFP agent {address}:{port}, state = {state}",
            "  timeout = {timeout}, retry count = {retry_count}, retry interval = {retry_interval}",
            "  connections = {connections}, messages received = {messages_received}, sent = {messages_sent}",
            "  keep-alive timeouts = {keep_alive_timeouts}, framing errors = {framing_errors}",
            "  authentication failures = {authentication_failures}, excess entries = {excess_entries}",
            "  unauthorized weights = {unauthorized_weights}",
            "  malformed = {malformed_messages}, unknown = {unknown_messages}, unexpected = {unexpected_messages}",
        )
    ),
)
DFP_WEIGHTS = Report(snapshot.dfp_weights, _weights)
