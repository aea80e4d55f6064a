"""JSON Schemas of the API's requests and answers, derived from the types of the rows (``show/column_types.py``)."""

from __future__ import annotations

from dataclasses import asdict
from inspect import cleandoc
from typing import Annotated, Any, TypedDict, Union, get_args, get_origin, get_type_hints

from ryu_haslb.show.clients import ClientRow
from ryu_haslb.show.column_types import Count, Values
from ryu_haslb.show.crypto import IpsecAssociationRow, IsakmpAssociationRow, ProtectedPairRow
from ryu_haslb.show.dfp import DfpAgentRow, DfpWeightRow
from ryu_haslb.show.history import StateChangeRow
from ryu_haslb.show.probes import ProbeRow
from ryu_haslb.show.reals import RealRow
from ryu_haslb.show.redundancy import MemberRow, RedundancyRow, SwitchoverRow
from ryu_haslb.show.serverfarms import ServerFarmRow
from ryu_haslb.show.sessions import SessionRow
from ryu_haslb.show.statistics import CounterRow
from ryu_haslb.show.switches import SwitchRow
from ryu_haslb.show.vservers import VirtualServerRow
from ryu_haslb.web import parameters
from ryu_haslb.web.load_history import RealHistoryRow
from ryu_haslb.web.parameters import Parameter, Schema

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _text_of(parameter: Parameter) -> Values:
    return Values(pattern=parameter.schema["pattern"])


class Overview(TypedDict):
    """Every table but sessions and DFP weights, at one moment."""

    serverfarms: list[ServerFarmRow]
    reals: list[RealRow]
    history: list[RealHistoryRow]
    vservers: list[VirtualServerRow]
    dfp_agents: list[DfpAgentRow]
    statistics: list[CounterRow]
    switches: list[SwitchRow]
    changes: Annotated[list[StateChangeRow], "What has changed last, the newest first."]
    members: list[MemberRow]
    notices: Annotated[list[str], "Sentences about what an operator should know at once; none if all is well."]


class ClearSessions(TypedDict, total=False):
    """Which sessions to end: those that have all of these properties."""

    vserver: Annotated[str, _text_of(parameters.VSERVER), parameters.VSERVER.meaning]
    serverfarm: Annotated[str, _text_of(parameters.SERVERFARM), parameters.SERVERFARM.meaning]
    real: Annotated[str, _text_of(parameters.REAL), parameters.REAL.meaning]
    client: Annotated[str, _text_of(parameters.CLIENT), parameters.CLIENT.meaning]
    nai: Annotated[str, _text_of(parameters.NAI), parameters.NAI.meaning]


class Cleared(TypedDict):
    """The result of clearing sessions."""

    cleared: Annotated[Count, "Number of sessions that were ended."]


class Remark(TypedDict):
    """An error or a warning about a line of the configuration."""

    line: Annotated[Count, "Line number, from 1; 0 means the whole text."]
    text: str


class Configured(TypedDict):
    """The result of applying configuration commands."""

    changes: Annotated[list[str], "Commands that were added (+) and removed (-)."]
    consequences: Annotated[list[str], "Sentences about the sessions that end or move."]
    warnings: list[Remark]


class Health(TypedDict):
    """Whether the balancer is alive, or ready."""

    status: Annotated[str, Values(enum=("ok", "not ready"))]
    problems: Annotated[list[str], "Why it is not ready."]


class Refused(TypedDict):
    """Configuration commands with an error; nothing was changed."""

    error: str
    errors: list[Remark]


class Error(TypedDict):
    """Why the request failed, what was expected, and what to do."""

    error: str


def reference(row: type) -> Schema:
    """A reference to the component of a row."""
    return {"$ref": f"#/components/schemas/{_name(row)}"}


def array(row: type) -> Schema:
    """An array of any number of such rows."""
    return {"type": "array", "items": reference(row)}


def schema_of(kind: Any) -> Schema:
    """The schema of the type of a column."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**schema_of(arguments[0]), **_keywords(arguments[1:])}
    if origin is Union:  # Optional[X]
        schema = schema_of(arguments[0])
        return {**schema, "type": [schema["type"], "null"]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    return {"type": _TYPES[kind]} if kind in _TYPES else reference(kind)


def _keywords(annotations: tuple[Any, ...]) -> Schema:
    """The keywords that the annotations of a column stand for; of several texts the last one counts."""
    keywords: Schema = {}
    unit = None
    for each in annotations:
        if isinstance(each, Values):
            found = {name: value for name, value in asdict(each).items() if value is not None}
            unit = found.pop("unit", unit)
            keywords.update(found)
        else:
            keywords["description"] = each
    if "enum" in keywords:
        keywords["enum"] = list(keywords["enum"])
    if unit is not None:
        keywords["description"] = f"{keywords.get('description', '')} Unit: {unit}.".strip()
    return keywords


def component(row: Any) -> Schema:
    """The schema of an object with the columns of a row, and no others."""
    columns = get_type_hints(row, include_extras=True)
    return {
        "type": "object",
        "description": cleandoc(row.__doc__),
        "properties": {name: schema_of(kind) for name, kind in columns.items()},
        "required": [name for name in columns if name in row.__required_keys__],
        "additionalProperties": False,
    }


def _name(row: type) -> str:
    return row.__name__.removesuffix("Row")


_ROWS: tuple[type, ...] = (
    RealRow,
    ProbeRow,
    ServerFarmRow,
    ClientRow,
    VirtualServerRow,
    SessionRow,
    DfpAgentRow,
    DfpWeightRow,
    CounterRow,
    RedundancyRow,
    MemberRow,
    SwitchoverRow,
    SwitchRow,
    StateChangeRow,
    ProtectedPairRow,
    IpsecAssociationRow,
    IsakmpAssociationRow,
    RealHistoryRow,
    Overview,
    ClearSessions,
    Cleared,
    Remark,
    Configured,
    Refused,
    Health,
    Error,
)

#: Every schema that a route refers to, by its name.
COMPONENTS: dict[str, Schema] = {_name(row): component(row) for row in _ROWS}
