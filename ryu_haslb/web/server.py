"""The HTTP server inside the application: where it listens, and what one client may cost.

``HASLB_HTTP=[ADDRESS:]PORT`` turns it on, ``HASLB_HTTP_TOKEN_FILE=FILE`` allows changes.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Optional

import eventlet
import eventlet.wsgi

from ryu_haslb.control.operations import Application
from ryu_haslb.slb.real import RealServer
from ryu_haslb.web.api import Api
from ryu_haslb.web.site import Site

LOG = logging.getLogger(__name__)

ADDRESS_VARIABLE = "HASLB_HTTP"
TOKEN_VARIABLE = "HASLB_HTTP_TOKEN_FILE"
DEFAULT_HOST = "127.0.0.1"
SHORTEST_TOKEN = 16

#: Seconds that a client may take to send its next bytes, or to read ours.
PATIENCE = 10
#: Seconds that a connection may last, so that nobody can hold one for ever by a byte now and then.
LIFETIME = 300
CLIENTS_AT_ONCE = 64


class HttpSettingError(Exception):
    """HTTP cannot be served as asked for; the message says why and what to do."""


class HttpServer:
    """Serves the site of an application. ``token`` allows changes; without one HTTP is read-only."""

    def __init__(self, application: Application, host: str, port: int, token: Optional[str] = None) -> None:
        """OSError when it cannot listen there. Port 0 is any free one."""
        address = ipaddress.ip_address(host)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        # Never share the port: half of the requests would go to whoever has it already.
        self._listener = eventlet.listen((host, port), family=family, reuse_port=False)
        self._api = Api(application)
        self._site = Site(self._api, token, address.is_loopback)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Answer clients until :meth:`close`."""
        with suppress(OSError):
            eventlet.wsgi.server(
                self._listener,
                self._in_turns,
                log=_EventletLog(),
                custom_pool=_BoundedPool(CLIENTS_AT_ONCE),
                keepalive=PATIENCE,
                socket_timeout=PATIENCE,
                debug=False,
                log_output=False,
            )

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def tick(self, reals: Iterable[RealServer], now: float) -> None:
        """Time has passed: note what real servers do; ``now`` is in seconds of a monotonic clock."""
        self._api.history.tick(reals, now)

    def _in_turns(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """Let requests of mobiles come between the chunks of an answer."""
        for chunk in self._site(environ, start_response):
            yield chunk
            eventlet.sleep(0)


def http_server(application: Application, environment: Mapping[str, str]) -> Optional[HttpServer]:
    """The server that the environment asks for, None if it asks for none. Raises :class:`HttpSettingError`."""
    wanted = environment.get(ADDRESS_VARIABLE)
    if not wanted:
        return None
    host, port = _address(wanted)
    token = _token(environment.get(TOKEN_VARIABLE))
    try:
        server = HttpServer(application, host, port, token)
    except OSError as error:
        raise HttpSettingError(
            f"cannot serve HTTP on {host} port {port}: {error.strerror}; "
            f"set {ADDRESS_VARIABLE} to another [ADDRESS:]PORT"
        ) from error
    LOG.info("HTTP on %s port %d, %s", host, port, "changes with the token" if token else "read-only")
    return server


def _address(text: str) -> tuple[str, int]:
    """``[ADDRESS:]PORT``; an IPv6 address stands in brackets."""
    found = re.fullmatch(r"(?:(?P<v4>[\d.]+):|\[(?P<v6>[\da-fA-F:.]+)\]:)?(?P<port>\d{1,5})", text, re.ASCII)
    with suppress(ValueError):
        if found and 0 < int(found["port"]) <= 65535:
            host = found["v4"] or found["v6"] or DEFAULT_HOST
            return str(ipaddress.ip_address(host)), int(found["port"])
    raise HttpSettingError(
        f"{ADDRESS_VARIABLE} is {text!r}; expected [ADDRESS:]PORT, such as 8080, 192.0.2.1:8080 or [::1]:8080"
    )


def _token(path: Optional[str]) -> Optional[str]:
    """The token in a file; None without a file."""
    if not path:
        return None
    try:
        token = Path(path).read_text("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds more than ASCII"
        raise HttpSettingError(f"the token file {path} cannot be read: {reason}") from error
    if len(token) < SHORTEST_TOKEN or not re.fullmatch(r"[\w.~+/=-]+", token, re.ASCII):
        raise HttpSettingError(
            f"the token file {path} holds no token; expected one word of at least {SHORTEST_TOKEN} characters: "
            f"openssl rand -hex 32 > {path}"
        )
    return token


class _BoundedPool(eventlet.GreenPool):  # type: ignore[misc]
    """Gives every connection its time, and has its faults end in one line of the log."""

    def spawn(self, function: Callable[..., None], *arguments: Any) -> Any:
        return super().spawn(_bounded, function, *arguments)


def _bounded(function: Callable[..., None], *arguments: Any) -> None:
    with eventlet.Timeout(LIFETIME, False):
        try:
            function(*arguments)
        except Exception as error:
            LOG.warning("HTTP connection ended: %s: %s", type(error).__name__, error)


class _EventletLog:
    """What eventlet writes about connections: of use only to whoever looks for a fault in it."""

    def debug(self, message: str) -> None:
        LOG.debug("%s", message)

    info = error = debug
