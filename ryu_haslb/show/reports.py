"""Every report: where its rows come from, and what it looks like as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Callable, NamedTuple, Optional

from ryu_haslb.show import snapshot
from ryu_haslb.show.snapshot import Row, Sources
from ryu_haslb.show.table import Column, table
from ryu_haslb.slb.statistics import DropReason

Text = Callable[[Iterator[Row]], Iterator[str]]


class Report(NamedTuple):
    """Rows from a snapshot, and how they are printed."""

    rows: Callable[[Sources], Iterator[Row]]
    text: Text


def as_json(rows: Iterator[Optional[Row]]) -> Iterator[Optional[str]]:
    """The lines of one JSON array; None among the rows, a moment without one, is handed on."""
    yield "["
    separator = " "
    for row in rows:
        if row is None:
            yield None
        else:
            yield separator + json.dumps(row)
            separator = ","
    yield "]"


def _as_table(*columns: tuple[str, Column]) -> Text:
    """A table whose columns name keys of the rows."""

    def text(rows: Iterator[Row]) -> Iterator[str]:
        return table([column for _, column in columns], ([row[key] for key, _ in columns] for row in rows))

    return text


def _as_lines(*patterns: str) -> Text:
    """The same lines for every row, its values filled in."""

    def text(rows: Iterator[Row]) -> Iterator[str]:
        for row in rows:
            for pattern in patterns:
                yield pattern.format(**row)

    return text


def _weights(rows: Iterator[Row]) -> Iterator[str]:
    for row in rows:
        yield (
            f"Real IP Address: {row['real']} Protocol: {row['protocol']} Port: {row['port']} "
            f"Bind_ID: {row['bind_id']} Weight: {row['weight']}"
        )
        set_at = datetime.fromisoformat(row["set_at"])
        yield f"Set by Agent {row['agent']} at {set_at:%H:%M:%S} UTC {set_at:%m/%d/%y}"


def _real_details(rows: Iterator[Row]) -> Iterator[str]:
    for row in rows:
        maxconns = 4294967295 if row["maxconns"] is None else row["maxconns"]
        reachable = "yes" if row["reachable"] else "no"
        yield f"{row['real']}, {row['farm']}, state = {row['state']}, type = server, reachable = {reachable}"
        yield f"  conns = {row['conns']}, maxconns = {maxconns}"
        yield f"  weight = {row['weight']}, weight(admin) = {row['static_weight']}"
        yield f"  reassign = {row['reassign']}, retry = {row['retry']}"
        yield f"  failconn threshold = {row['numconns']}, failconn count = {row['consecutive_failures']}"
        yield f"  failclient threshold = {row['numclients']}, failclient count = {row['failed_clients']}"
        yield f"  total conns = {row['total_conns']}, total conn failures = {row['total_failures']}"


def _vserver_details(rows: Iterator[Row]) -> Iterator[str]:
    for row in rows:
        yield f"{row['vserver']}, state = {row['state']}, virtual = {row['virtual']} {row['protocol']}"
        yield f"  server farm = {row['farm']}, service = ipmobile, idle ipmobile request = {row['idle']}"
        yield f"  conns = {row['conns']}, clients = {', '.join(row['clients']) or 'any'}"


REALS = Report(
    snapshot.reals,
    _as_table(
        ("real", Column("real", 20)),
        ("farm", Column("farm name", 19)),
        ("weight", Column("weight", 8)),
        ("state", Column("state", 15)),
        ("conns", Column("conns", 6)),
    ),
)
REALS_DETAIL = Report(snapshot.reals, _real_details)
SERVERFARMS = Report(
    snapshot.serverfarms,
    _as_table(
        ("farm", Column("server farm", 17)),
        ("predictor", Column("predictor", 13)),
        ("nat", Column("nat", 8)),
        ("reals", Column("reals", 8)),
        ("bind_id", Column("bind id", 8)),
    ),
)
VSERVERS = Report(
    snapshot.vservers,
    _as_table(
        ("vserver", Column("slb vserver", 17)),
        ("protocol", Column("prot", 6)),
        ("virtual", Column("virtual", 22)),
        ("state", Column("state", 15)),
        ("conns", Column("conns", 6)),
    ),
)
VSERVERS_DETAIL = Report(snapshot.vservers, _vserver_details)
SESSIONS = Report(
    snapshot.sessions,
    _as_table(
        ("vserver", Column("vserver", 16)),
        ("nai_hash", Column("NAI hash", 17)),
        ("client", Column("client", 16)),
        ("real", Column("real", 16)),
        ("state", Column("state", 15)),
    ),
)
CONNS = Report(
    snapshot.conns,
    _as_table(
        ("vserver", Column("vserver", 16)),
        ("protocol", Column("prot", 5)),
        ("client", Column("client", 22)),
        ("real", Column("real", 22)),
        ("state", Column("state", 9)),
        ("nat", Column("nat", 7)),
    ),
)
STATISTICS = Report(
    snapshot.statistics,
    _as_table(
        ("counter", Column("counter", max(len(f"dropped: {reason.text} ") for reason in DropReason))),
        ("value", Column("value", 12)),
    ),
)
DFP_AGENTS = Report(
    snapshot.dfp_agents,
    _as_table(
        ("address", Column("agent IP", 16)),
        ("port", Column("port", 7)),
        ("timeout", Column("timeout", 9)),
        ("retry_count", Column("retry count", 13)),
        ("retry_interval", Column("interval", 10)),
        ("state", Column("state", 21)),
    ),
)
DFP_AGENT = Report(
    snapshot.dfp_agents,
    _as_lines(
        "DFP agent {address}:{port}, state = {state}",
        "  timeout = {timeout}, retry count = {retry_count}, retry interval = {retry_interval}",
        "  connections = {connections}, messages received = {messages_received}, sent = {messages_sent}",
        "  silences = {silences}, framing errors = {framing_errors}",
        "  authentication failures = {authentication_failures}, excess entries = {excess_entries}",
        "  malformed = {malformed_messages}, unknown = {unknown_messages}, unexpected = {unexpected_messages}",
    ),
)
DFP_WEIGHTS = Report(snapshot.dfp_weights, _weights)
