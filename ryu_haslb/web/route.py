"""What a route of the API is: its method, path, parameters and body, and how requests are read and answers written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Callable, NamedTuple, Optional

from webob import Request, Response

from ryu_haslb.control.operations import Application
from ryu_haslb.errors import HaslbError
from ryu_haslb.show.column_types import Row
from ryu_haslb.show.sources import Sources
from ryu_haslb.slb.session_filter import SessionFilter, UnknownObjectError
from ryu_haslb.web import metrics
from ryu_haslb.web.load_history import History
from ryu_haslb.web.parameters import Parameter, Schema

JSON = "application/json"
TEXT = "text/plain"
#: Bytes in the body of a request.
MAX_BODY = 64 * 1024
_ROWS_PER_CHUNK = 100


class ApiError(HaslbError):
    """A request that fails: the HTTP status, and the ``fields`` of the answer, ``error`` among them."""

    def __init__(self, status: int, error: str, **fields: Any) -> None:
        super().__init__(error)
        self.status = status
        self.fields = {"error": error, **fields}


class Api:
    """What the routes read, and what they change."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.history = History()
        self.collector = metrics.BalancerCollector(lambda: application.sources)

    @property
    def sources(self) -> Sources:
        """What ``show`` reads."""
        return self.application.sources


@dataclass(frozen=True)
class Body:
    """The body of a request: its media type, its schema, an example, and the words for an error message."""

    media_type: str
    schema: Schema
    example: Any
    expectation: str


class Call(NamedTuple):
    """A request: the values of its parameters, its body, empty if the route has none, and the address it is from."""

    parameters: Mapping[str, Any]
    body: bytes = b""
    peer: str = ""


@dataclass(frozen=True)
class Route:
    """A method and a path, and the function that answers them. Other parameters than ``parameters`` are refused (400).

    ``schema`` describes the answer; None means an answer without a body. ``refusal`` describes the answer to a request
    that is well-formed and fails: its status, the type of its body, and when it is given. A route that ``needs_leader``
    is refused by a balancer that stands by (409). ``errors`` are further statuses, and when each is given.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Api, Call], Response]
    schema: Optional[Schema] = None
    media_type: str = JSON
    body: Optional[Body] = None
    refusal: Optional[tuple[int, type, str]] = None
    needs_leader: bool = False
    errors: tuple[tuple[int, str], ...] = ()
    parameters: tuple[Parameter, ...] = ()

    @property
    def operation(self) -> str:
        """The operation id of OpenAPI: ``get_dfp_agents``."""
        words = self.path.rpartition("/v1/")[2].strip("/")
        return f"{self.method.lower()}_{words.replace('/', '_')}"

    @property
    def needs_token(self) -> bool:
        """Whether the route changes something."""
        return self.method != "GET"


def read_body(request: Request, body: Body) -> bytes:
    """The body of a request. Raises: ApiError if its media type is wrong, or if it is empty or too long."""
    if request.content_type != body.media_type:
        raise ApiError(
            415, f"wrong media type: {request.content_type or 'none'}; expected Content-Type: {body.media_type}"
        )
    if (request.content_length or 0) > MAX_BODY:
        raise ApiError(413, f"body too long; expected at most {MAX_BODY} bytes")
    read: bytes = request.environ["wsgi.input"].read(MAX_BODY + 1)
    if not read:
        raise ApiError(400, f"no body; expected {body.expectation}")
    if len(read) > MAX_BODY:
        raise ApiError(413, f"body too long; expected at most {MAX_BODY} bytes")
    return read


def check_names(api: Api, wanted: SessionFilter) -> None:
    """Check the names in a filter. Raises: ApiError if the configuration has no object of one of them."""
    try:
        wanted.check(api.sources.balancer.virtual_servers, api.sources.balancer.farms)
    except UnknownObjectError as error:
        raise ApiError(404, f"{error}; see /api/v1/{error.table}") from None


def json_response(value: Any, status: int = 200) -> Response:
    """An answer with a value in JSON."""
    return Response(json.dumps(value).encode(), status=status, content_type=JSON, charset=None)


def streamed(rows: Iterator[Optional[Row]]) -> Response:
    """An answer with rows as a JSON array; None among them is a pause."""
    return Response(app_iter=_json_array(rows), content_type=JSON)


def _json_array(rows: Iterator[Optional[Row]]) -> Iterator[bytes]:
    """Rows as a JSON array in chunks. There may be a million rows; between two chunks other work can run.

    None among the rows is as much work as a row. A chunk without rows is empty.
    """
    separator = "["
    while chunk := list(islice(rows, _ROWS_PER_CHUNK)):
        found = [row for row in chunk if row is not None]
        yield (separator + json.dumps(found)[1:-1]).encode() if found else b""
        separator = ",\n" if found else separator
    yield b"[]" if separator == "[" else b"]"
