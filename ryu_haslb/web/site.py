"""The WSGI application: finds the route or the file of the page, checks the token, and answers errors in JSON.

:mod:`ryu_haslb.web.server` listens, and calls it for each request.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from webob import Request, Response

from ryu_haslb.control.operations import StandingByError, require_leader
from ryu_haslb.show.redundancy import standing_by
from ryu_haslb.web.openapi import description
from ryu_haslb.web.parameters import ParameterError, read_parameters
from ryu_haslb.web.route import Api, ApiError, Call, Route, json_response, read_body
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.wrong_tokens import WrongTokens

LOG = logging.getLogger(__name__)

_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/find.js": ("find.js", "text/javascript"),
    "/table.js": ("table.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
#: Header fields of every answer.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

#: The header field in which a balancer that stands by says so.
STANDBY_HEADER = "HASLB-Standby"


class Site:
    """The API, the metrics and the page. Changes need ``token``; without one nothing can be changed.

    ``is_local`` means that the server listens on loopback. Then the Host header of a request has to be localhost or an
    address: otherwise a page from elsewhere, whose name resolves to this machine, could read the API through a browser
    here (DNS rebinding).
    """

    def __init__(
        self, api: Api, token: Optional[str], is_local: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._token = token
        self._is_local = is_local
        self._clock = clock
        self._wrong_tokens = WrongTokens()
        self._routes = {(route.method, route.path): route for route in ROUTES}
        self._documents = {"/openapi.json": json_response(description())}
        for path, (name, media_type) in _PAGE.items():
            content = files("ryu_haslb.web").joinpath("page", name).read_bytes()
            self._documents[path] = Response(content, content_type=media_type, charset="utf-8")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            response = self._answer(Request(environ))
        except ApiError as error:
            response = json_response(error.fields, error.status)
            if error.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
        except Exception:  # one request fails; the client learns nothing about the code
            LOG.exception("HTTP request failed: %s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            response = json_response({"error": "internal error; see the balancer's log"}, 500)
        response.headers.update(SECURITY_HEADERS)
        remark = standing_by(self._api.sources)
        if remark is not None:
            response.headers[STANDBY_HEADER] = remark.encode("ascii", "backslashreplace").decode()
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def _answer(self, request: Request) -> Response:
        if self._is_local and not _is_localhost_or_address(request.headers.get("Host", "localhost")):
            raise ApiError(421, "unknown Host; expected localhost or an address in the Host header")
        method, path = request.method, _path(request)
        if method == "HEAD":
            method = "GET"
        if method == "GET" and path in self._documents:
            return self._documents[path].copy()
        route = self._routes.get((method, path))
        if route is None:
            return self._no_route(path)
        if route.needs_token:
            self._authorize(request)
        if route.needs_leader:
            try:
                require_leader(self._api.application)
            except StandingByError as error:
                raise ApiError(409, str(error)) from None
        body = read_body(request, route.body) if route.body else b""
        return route.answer(self._api, Call(_parameters(request, route), body, _peer(request)))

    def _authorize(self, request: Request) -> None:
        if self._token is None:
            raise ApiError(403, "read-only; to allow changes, start the balancer with HASLB_HTTP_TOKEN_FILE=FILE")
        given = request.headers.get("Authorization", "")
        scheme, _, token = given.partition(" ")
        # Compare bytes: compare_digest raises TypeError for a str that is not ASCII.
        matches = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token.encode())
        if scheme.lower() != "bearer" or not matches:
            if given:
                self._count_wrong_token(_peer(request), _path(request))
            raise ApiError(
                401,
                "token missing or wrong; expected the header Authorization: Bearer TOKEN, with the token in the file "
                "that HASLB_HTTP_TOKEN_FILE names",
            )

    def _count_wrong_token(self, address: str, path: str) -> None:
        """Log a wrong token. Raises: ApiError if the address has sent too many; a right one is never refused."""
        LOG.warning("HTTP client %s: wrong token for %s; nothing was changed", address, path)
        if not self._wrong_tokens.count(address, self._clock()):
            raise ApiError(429, "too many wrong tokens from this address; expected the token")

    def _no_route(self, path: str) -> Response:
        allowed = {method for method, known in self._routes if known == path}
        if path in self._documents:
            allowed.add("GET")
        if not allowed:
            raise ApiError(404, "no such path; see /openapi.json")
        if "GET" in allowed:
            allowed.add("HEAD")
        response = json_response({"error": f"wrong method; expected {' or '.join(sorted(allowed))}"}, 405)
        response.headers["Allow"] = ", ".join(sorted(allowed))
        return response


def _parameters(request: Request, route: Route) -> dict[str, Any]:
    """The values of the parameters. Raises: ApiError if the route has no such parameter, or one is malformed."""
    try:
        return read_parameters(request.environ.get("QUERY_STRING", ""), route.parameters)
    except ParameterError as error:
        raise ApiError(400, str(error)) from None


def _path(request: Request) -> str:
    """The path as the client sent it, without decoding: a proxy in front that permits or refuses paths may decode other
    characters than we would (``%2F`` is no slash, RFC 3986 section 2.2). No path here has an encoded character."""
    path: str = request.environ.get("RAW_PATH_INFO") or request.environ.get("PATH_INFO", "")
    return path


def _peer(request: Request) -> str:
    """The address that a request is from. A header that names another one is not believed."""
    return str(request.environ.get("REMOTE_ADDR", ""))


def _is_localhost_or_address(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
