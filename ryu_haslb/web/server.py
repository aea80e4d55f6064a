"""The HTTP server of the balancer: where it listens, and the limits for one client.

``HASLB_HTTP=[ADDRESS:]PORT`` turns it on, ``HASLB_HTTP_TOKEN_FILE=FILE`` allows changes.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Optional

import eventlet
import eventlet.wsgi

from ryu_haslb.accepting import Acceptor
from ryu_haslb.control.operations import Application
from ryu_haslb.errors import HaslbError
from ryu_haslb.slb.real import RealServer
from ryu_haslb.web.clients import Client, Clients
from ryu_haslb.web.protocol import Protocol
from ryu_haslb.web.route import Api
from ryu_haslb.web.site import Site

LOG = logging.getLogger(__name__)

ADDRESS_VARIABLE = "HASLB_HTTP"
TOKEN_VARIABLE = "HASLB_HTTP_TOKEN_FILE"
DEFAULT_HOST = "127.0.0.1"
#: Characters of a token.
MIN_TOKEN = 16
#: Bytes of the token file that are read.
MAX_TOKEN_FILE = 4096
#: The mode bits of a file that let the group or others read or write it.
_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
#: Connections of which some are closed already and have not ended yet. The table of clients has the limits.
_MAX_GREEN_THREADS = 1000


class HttpSettingError(HaslbError):
    """The environment asks for an HTTP server that cannot be started; the message says why and what to do."""


class HttpServer:
    """Serves the site of an application on ``host`` and ``port``; port 0 means any free port.

    ``token`` allows changes; without one HTTP is read-only. Raises: OSError if it cannot listen there.
    """

    def __init__(self, application: Application, host: str, port: int, token: Optional[str] = None) -> None:
        address = ipaddress.ip_address(host)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        # Never share the port: the kernel would give half of the connections to the process that has it already.
        self._listener = eventlet.listen((host, port), family=family, reuse_port=False)
        self._api = Api(application)
        self._site = Site(self._api, token, address.is_loopback)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Answer requests until :meth:`close`."""
        with suppress(OSError):
            eventlet.wsgi.server(
                Acceptor(self._listener, "HTTP server"),
                self._respond,
                log=_EventletLog(),
                custom_pool=_ClientPool(),
                protocol=Protocol,
                log_x_forwarded_for=False,
                debug=False,
                log_output=False,
            )

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def tick(self, reals: Iterable[RealServer], now: float) -> None:
        """Sample the real servers if a sample is due; ``now`` is in seconds of a monotonic clock."""
        self._api.history.tick(reals, now)

    def _respond(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """Answer a request, and let Registration Requests be handled between the chunks of the answer."""
        for chunk in self._site(environ, start_response):
            yield chunk
            eventlet.sleep(0)


def http_server(application: Application, environment: Mapping[str, str]) -> Optional[HttpServer]:
    """The server that the environment asks for, or None. Raises: HttpSettingError."""
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
    LOG.info("HTTP server listens on %s port %d (%s)", host, port, "changes need the token" if token else "read-only")
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
        token = _read_private(path).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "expected ASCII text"
        raise HttpSettingError(f"cannot read the token file {path}: {reason}") from error
    if len(token) < MIN_TOKEN or not re.fullmatch(r"[\w.~+/=-]+", token, re.ASCII):
        raise HttpSettingError(
            f"the token file {path} has no token; expected one word of at least {MIN_TOKEN} characters; make one with: "
            f"openssl rand -hex 32 > {path}"
        )
    return token


def _read_private(path: str) -> bytes:
    """The first bytes of a file that no other user may read or write. The file behind a symbolic link counts.

    Raises: HttpSettingError if other users may, OSError if it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not stop the start
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise HttpSettingError(f"the token file {path} is not a regular file; expected a file")
        if status.st_uid not in (0, os.geteuid()):
            raise HttpSettingError(
                f"the token file {path} belongs to user {status.st_uid}; expected root or the balancer's user"
            )
        if status.st_mode & _OTHERS:
            raise HttpSettingError(
                f"the token file {path} has mode {status.st_mode & 0o777:04o}: other users may read or change it; "
                f"make it private with: chmod 600 {path}, and replace the token"
            )
        return os.read(descriptor, MAX_TOKEN_FILE)
    finally:
        os.close(descriptor)


class _ClientPool(eventlet.GreenPool):  # type: ignore[misc]
    """Serves each connection in a green thread. It never waits for a place: the table of clients makes one."""

    def __init__(self) -> None:
        super().__init__(_MAX_GREEN_THREADS)
        self._clients = Clients()

    def spawn(self, function: Callable[..., None], connection: list[Any]) -> Any:
        """Serve a connection; ``connection`` is eventlet's: address, socket, state."""
        address, stream, _ = connection
        client = self._clients.admit(address[0], partial(_shut_down, stream), time.monotonic())
        connection.append((self._clients, client))  # for Protocol
        return super().spawn(self._serve, client, function, connection)

    def _serve(self, client: Client, function: Callable[..., None], connection: list[Any]) -> None:
        try:
            function(connection)
        except OSError:
            pass  # the client has left
        except Exception as error:
            LOG.warning("HTTP client %s: connection failed: %s: %s", client.peer, type(error).__name__, error)
        finally:
            self._clients.remove(client)


def _shut_down(stream: Any) -> None:
    """End a connection: the green thread that serves it sees the end and closes it."""
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


class _EventletLog:
    """The log of eventlet's server. Its lines about connections only help to debug the server itself."""

    def debug(self, message: str) -> None:
        LOG.debug("%s", message)

    info = error = debug
