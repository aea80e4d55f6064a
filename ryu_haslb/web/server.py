"""The HTTP server of the balancer: its listener, and a green thread for each client.

:mod:`.protocol` reads each request and has the time limits; :mod:`.connection_limit` decides which connection goes
when there are too many.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Optional

import eventlet
import eventlet.wsgi

from ryu_haslb.accepting import Acceptor
from ryu_haslb.control.operations import Application
from ryu_haslb.slb.real import RealServer
from ryu_haslb.web.connection_limit import Client, Clients
from ryu_haslb.web.protocol import Protocol
from ryu_haslb.web.route import Api
from ryu_haslb.web.site import Site

LOG = logging.getLogger(__name__)

#: Connections of which some are closed already and have not ended yet. The table of clients has the limits.
_MAX_GREEN_THREADS = 1000


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
