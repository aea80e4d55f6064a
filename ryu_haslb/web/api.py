"""What can be asked over HTTP: the routes as data, and what each answers. ``openapi.json`` is made from the same table.

Answers are the rows of the snapshot, as ``--json`` gives them at the prompt. What changes something needs a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Callable, Optional, TypeVar

from webob import Request, Response

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import crypto, operations
from ryu_haslb.control.operations import Application, UnknownVirtualServerError
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.module import ModuleError
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic
from ryu_haslb.show import rows, snapshot
from ryu_haslb.show.columns import Row
from ryu_haslb.show.crypto import IsakmpAssociationRow, ProtectedPairRow
from ryu_haslb.show.reports import Report
from ryu_haslb.show.snapshot import Sources
from ryu_haslb.web import metrics
from ryu_haslb.web.history import History, RealHistoryRow
from ryu_haslb.web.schemas import (
    Cleared,
    ClearSessions,
    Configured,
    Error,
    Overview,
    Refused,
    Remark,
    Schema,
    array,
    reference,
)

JSON = "application/json"
TEXT = "text/plain"
#: Bytes that the body of a request may have.
LONGEST_BODY = 64 * 1024
_ROWS_PER_CHUNK = 100

R = TypeVar("R", bound=Row)


class ApiError(Exception):
    """A request that is answered with an error: its HTTP status, and in ``fields`` what is wrong."""

    def __init__(self, status: int, error: str, **fields: Any) -> None:
        super().__init__(error)
        self.status = status
        self.fields = {"error": error, **fields}


class Api:
    """What the routes act on and read from."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.history = History()
        self.collector = metrics.BalancerCollector(lambda: application.sources)

    @property
    def sources(self) -> Sources:
        """What can be shown."""
        return self.application.sources


@dataclass(frozen=True)
class Body:
    """What a request brings: its media type, its schema, an example, and what is expected in words."""

    media_type: str
    schema: Schema
    example: Any
    expectation: str


@dataclass(frozen=True)
class Route:
    """A method and a path, and what they answer. ``schema`` is that of the answer; without one there is no body."""

    method: str
    path: str
    summary: str
    answer: Callable[[Api, bytes], Response]
    schema: Optional[Schema] = None
    media_type: str = JSON
    body: Optional[Body] = None
    refusal: Optional[tuple[int, type]] = None
    """A status that says that the body is understood and cannot be carried out, and the schema of its answer."""

    @property
    def operation(self) -> str:
        """Its name for programs: ``get_dfp_agents``."""
        words = self.path.rpartition("/v1/")[2].strip("/")
        return f"{self.method.lower()}_{words.replace('/', '_')}"

    @property
    def needs_token(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"


def read_body(request: Request, body: Body) -> bytes:
    """The body of a request, if it has the right type and is not too long."""
    if request.content_type != body.media_type:
        raise ApiError(415, f"expected Content-Type: {body.media_type}, found {request.content_type or 'none'}")
    read: bytes = request.body_file.read(LONGEST_BODY + 1)
    if not read:
        raise ApiError(400, "no body; expected " + body.expectation)
    if len(read) > LONGEST_BODY:
        raise ApiError(413, f"too long; expected a body of at most {LONGEST_BODY} bytes")
    return read


def json_response(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(json.dumps(value).encode(), status=status, content_type=JSON, charset=None)


def _table(path: str, summary: str, row: type[R], snapshot_of: Callable[[Sources], Iterator[R]]) -> Route:
    """A route that answers with a table of the snapshot."""
    return Route("GET", path, summary, lambda api, _: _streamed(snapshot_of(api.sources)), array(row))


def _streamed(rows: Iterator[Row]) -> Response:
    return Response(app_iter=_json_array(rows), content_type=JSON)


def _json_array(rows: Iterator[Row]) -> Iterator[bytes]:
    """Rows as a JSON array, in chunks between which others have their turn: there may be 100 000 sessions."""
    separator = "["
    while chunk := list(islice(rows, _ROWS_PER_CHUNK)):
        yield (separator + json.dumps(chunk)[1:-1]).encode()
        separator = ",\n"
    yield b"[]" if separator == "[" else b"]"


def _of_module(path: str, summary: str, row: type[R], ask: Callable[[Configuration], Report[R]]) -> Route:
    """A route whose rows the IPsec module has; 503 if it does not answer."""

    def answer(api: Api, _: bytes) -> Response:
        try:
            report = ask(api.sources.configuration)
        except (CharonError, ModuleError) as error:
            raise ApiError(503, str(error)) from error
        return _streamed(report.rows(api.sources))

    return Route("GET", path, summary, answer, array(row), refusal=(503, Error))


def _history_rows(api: Api) -> Iterator[RealHistoryRow]:
    return api.history.rows(api.sources.balancer.reals())


def _history(api: Api, _: bytes) -> Response:
    return _streamed(_history_rows(api))


def _overview(api: Api, _: bytes) -> Response:
    sources = api.sources
    overview: Overview = {
        "serverfarms": list(snapshot.serverfarms(sources)),
        "reals": list(snapshot.reals(sources)),
        "history": list(_history_rows(api)),
        "vservers": list(snapshot.vservers(sources)),
        "dfp_agents": list(snapshot.dfp_agents(sources)),
        "statistics": list(snapshot.statistics(sources)),
        "switches": list(snapshot.switches(sources)),
    }
    return json_response(overview)


def _metrics(api: Api, _: bytes) -> Response:
    return Response(metrics.exposition(api.collector), headerlist=[("Content-Type", metrics.CONTENT_TYPE)])


def _clear_sessions(api: Api, body: bytes) -> Response:
    try:
        wanted = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"no JSON: {error}; expected {_CLEAR_SESSIONS.expectation}") from error
    if not isinstance(wanted, dict) or wanted.keys() - {"vserver"} or not isinstance(wanted.get("vserver", ""), str):
        raise ApiError(400, f"expected {_CLEAR_SESSIONS.expectation}")
    try:
        return json_response({"cleared": operations.clear_sessions(api.application, wanted.get("vserver"))})
    except UnknownVirtualServerError as error:
        raise ApiError(404, f"{error}; see /api/v1/vservers") from None


def _clear_counters(api: Api, _: bytes) -> Response:
    operations.clear_counters(api.application)
    return Response(status=204, content_type=None)


def _config(api: Api, body: bytes) -> Response:
    try:
        applied = operations.apply_commands(api.application, body.decode(), "request")
    except UnicodeDecodeError as error:
        raise ApiError(400, f"{error}; expected {_CONFIG.expectation}") from error
    except ConfigurationError as error:
        raise ApiError(422, "nothing was changed; see errors", errors=_remarks(error.errors)) from error
    warnings = [*_remarks(applied.warnings), *({"line": 0, "text": text} for text in applied.notes)]
    return json_response({"changes": applied.changes, "warnings": warnings})


def _remarks(diagnostics: tuple[Diagnostic, ...]) -> list[Remark]:
    return [{"line": each.line, "text": each.text} for each in diagnostics]


_CLEAR_SESSIONS = Body(
    JSON,
    reference(ClearSessions),
    {"vserver": "MIPSLB"},
    'a JSON object: {} for all sessions, {"vserver": "MIPSLB"} for those of one virtual server',
)
_CONFIG = Body(
    TEXT,
    {"type": "string", "minLength": 1},
    "ip slb serverfarm HAFARM\n  real 10.1.1.51\n    weight 2\n",
    "configuration commands in UTF-8, such as: ip slb serverfarm HAFARM",
)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/v1/overview", "What the page shows", _overview, reference(Overview)),
    _table("/api/v1/reals", "Real servers", rows.RealRow, snapshot.reals),
    Route("GET", "/api/v1/history", "Real servers in the last five minutes", _history, array(RealHistoryRow)),
    _table("/api/v1/serverfarms", "Server farms", rows.ServerFarmRow, snapshot.serverfarms),
    _table("/api/v1/vservers", "Virtual servers", rows.VirtualServerRow, snapshot.vservers),
    _table("/api/v1/sessions", "Live sessions, streamed", rows.SessionRow, snapshot.sessions),
    _table("/api/v1/dfp/agents", "DFP agents", rows.DfpAgentRow, snapshot.dfp_agents),
    _table(
        "/api/v1/dfp/weights",
        "Weights that DFP agents have set",
        rows.DfpWeightRow,
        snapshot.dfp_weights,
    ),
    _table("/api/v1/statistics", "Counters", rows.CounterRow, snapshot.statistics),
    _table("/api/v1/switches", "Switches", rows.SwitchRow, snapshot.switches),
    _of_module("/api/v1/crypto/ipsec/sa", "IPsec, by pairs of networks", ProtectedPairRow, crypto.ipsec_sa),
    _of_module("/api/v1/crypto/isakmp/sa", "Associations of IKE", IsakmpAssociationRow, crypto.isakmp_sa),
    Route("GET", "/metrics", "Everything for Prometheus", _metrics, {"type": "string"}, TEXT),
    Route(
        "POST",
        "/api/v1/clear/sessions",
        "End sessions, all or those of a virtual server",
        _clear_sessions,
        reference(Cleared),
        body=_CLEAR_SESSIONS,
        refusal=(404, Error),
    ),
    Route("POST", "/api/v1/clear/counters", "Set counters to zero", _clear_counters),
    Route(
        "POST",
        "/api/v1/config",
        "Apply configuration commands to the running configuration, all of them or nothing",
        _config,
        reference(Configured),
        body=_CONFIG,
        refusal=(422, Refused),
    ),
)
