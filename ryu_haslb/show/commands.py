"""The ``show`` commands: what each prints, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Callable, NamedTuple

from ryu_haslb.ios.grammar import Command, Mode, match
from ryu_haslb.show import snapshot
from ryu_haslb.show.snapshot import Row, Sources
from ryu_haslb.show.table import Column, table

JSON_FLAG = "--json"


class Report(NamedTuple):
    """Rows from a snapshot, and how they are printed."""

    rows: Callable[[Sources], Iterator[Row]]
    text: Callable[[Iterator[Row]], Iterator[str]]


def _as_table(*columns: tuple[str, Column]) -> Callable[[Iterator[Row]], Iterator[str]]:
    """A table whose columns name keys of the rows."""

    def text(rows: Iterator[Row]) -> Iterator[str]:
        return table([column for _, column in columns], ([row[key] for key, _ in columns] for row in rows))

    return text


def _weights_text(rows: Iterator[Row]) -> Iterator[str]:
    for row in rows:
        yield (
            f"Real IP Address: {row['real']} Protocol: {row['protocol']} Port: {row['port']} "
            f"Bind_ID: {row['bind_id']} Weight: {row['weight']}"
        )
        set_at = datetime.fromisoformat(row["set_at"])
        yield f"Set by Agent {row['agent']} at {set_at:%H:%M:%S} UTC {set_at:%m/%d/%y}"


_REALS = Report(
    snapshot.reals,
    _as_table(
        ("real", Column("real", 20)),
        ("farm", Column("farm name", 19)),
        ("weight", Column("weight", 8)),
        ("state", Column("state", 15)),
        ("conns", Column("conns", 6)),
    ),
)
_SESSIONS = Report(
    snapshot.sessions,
    _as_table(
        ("vserver", Column("vserver", 16)),
        ("nai_hash", Column("NAI hash", 17)),
        ("client", Column("client", 16)),
        ("real", Column("real", 16)),
        ("state", Column("state", 15)),
    ),
)
_STATISTICS = Report(snapshot.statistics, _as_table(("counter", Column("counter", 46)), ("value", Column("value", 12))))
_WEIGHTS = Report(snapshot.dfp_weights, _weights_text)

EXEC = Mode(
    "exec",
    (
        Command("show ip slb reals", _REALS, "Real servers, their weight, state and sessions"),
        Command("show ip slb sessions [ipmobile]", _SESSIONS, "Live sessions"),
        Command("show ip slb dfp weights", _WEIGHTS, "Weights that DFP agents have set"),
        Command("show ip slb stats", _STATISTICS, "Counters, and why requests were dropped"),
    ),
)


def execute(sources: Sources, words: Sequence[str]) -> Iterator[str]:
    """The lines that a command prints; ``--json`` as last word asks for one JSON array. CommandError if it is none."""
    as_json = words[-1:] == [JSON_FLAG]
    report = match(EXEC, words[:-1] if as_json else words).command.action
    assert report is not None  # every command of this mode has a report
    rows = report.rows(sources)
    return _json(rows) if as_json else report.text(rows)


def _json(rows: Iterator[Row]) -> Iterator[str]:
    yield "["
    separator = " "
    for row in rows:
        yield separator + json.dumps(row)
        separator = ","
    yield "]"
