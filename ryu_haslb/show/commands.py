"""The ``show`` commands: what each prints, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from ryu_haslb.ios.grammar import Command, Mode, match
from ryu_haslb.show import snapshot
from ryu_haslb.show.table import Column, table
from ryu_haslb.slb.balancer import Balancer

JSON_FLAG = "--json"


class Report(NamedTuple):
    """Rows from a snapshot, and the columns of the table that shows them: each names a key of the rows."""

    rows: Callable[[Balancer], Iterator[snapshot.Row]]
    columns: tuple[tuple[str, Column], ...]


_REALS = Report(
    snapshot.reals,
    (
        ("real", Column("real", 20)),
        ("farm", Column("farm name", 19)),
        ("weight", Column("weight", 8)),
        ("state", Column("state", 15)),
        ("conns", Column("conns", 6)),
    ),
)
_SESSIONS = Report(
    snapshot.sessions,
    (
        ("vserver", Column("vserver", 16)),
        ("nai_hash", Column("NAI hash", 17)),
        ("client", Column("client", 16)),
        ("real", Column("real", 16)),
        ("state", Column("state", 15)),
    ),
)
_STATISTICS = Report(snapshot.statistics, (("counter", Column("counter", 46)), ("value", Column("value", 12))))

EXEC = Mode(
    "exec",
    (
        Command("show ip slb reals", _REALS, "Real servers, their weight, state and sessions"),
        Command("show ip slb sessions [ipmobile]", _SESSIONS, "Live sessions"),
        Command("show ip slb stats", _STATISTICS, "Counters, and why requests were dropped"),
    ),
)


def execute(balancer: Balancer, words: Sequence[str]) -> Iterator[str]:
    """The lines that a command prints; ``--json`` as last word asks for one JSON array. CommandError if it is none."""
    as_json = words[-1:] == [JSON_FLAG]
    report = match(EXEC, words[:-1] if as_json else words).command.action
    assert report is not None  # every command of this mode has a report
    rows = report.rows(balancer)
    if as_json:
        return _json(rows)
    columns = [column for _, column in report.columns]
    return table(columns, ([row[key] for key, _ in report.columns] for row in rows))


def _json(rows: Iterator[snapshot.Row]) -> Iterator[str]:
    yield "["
    separator = " "
    for row in rows:
        yield separator + json.dumps(row)
        separator = ","
    yield "]"
