"""The OpenFlow port: accepts connections, does the TLS handshake, and has each switch served in a green thread.

::

    accept -> TLS handshake, with --ctl-privkey -> OpenFlow handshake -> served
              '---- 10 s in all, and limited in number (:mod:`.unserved_connections`) ----'
              limited in rate (:mod:`.handshake_rate`)

A connection that has to make room for another one, or has taken too long, is only shut down: the green thread that
serves it finds the end of its stream and cleans up.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Callable, Optional

import eventlet

from ryu_haslb.accepting import Acceptor
from ryu_haslb.openflow.sockets import tls
from ryu_haslb.openflow.sockets.channel import SwitchChannel, SwitchListener
from ryu_haslb.openflow.sockets.handshake_rate import HandshakeLimit
from ryu_haslb.openflow.sockets.transport import Transport, shut_down
from ryu_haslb.openflow.sockets.unserved_connections import HANDSHAKE_TIMEOUT, Unserved, peer_of

LOG = logging.getLogger(__name__)

#: Connections that the kernel keeps until they are accepted.
BACKLOG = 1024
#: Seconds between two looks at the time limits.
_EXPIRY_INTERVAL = 0.5
#: Seconds between two attempts of a connection to begin its TLS handshake, if its peer begins too many.
_TURN_INTERVAL = 0.05


class AcceptedConnection:
    """A connection over which a switch may be served; ``transport`` is None until its TLS handshake is over."""

    def __init__(self, connection: Any, address: tuple[str, int]) -> None:
        self.connection = connection
        self.address = address
        self.transport: Optional[Transport] = None

    def end(self, reason: str) -> None:
        """Shut the connection down without waiting, so that its green thread ends."""
        if self.transport is not None:
            self.transport.abort(reason)
        else:
            shut_down(self.connection)


class OpenFlowServer:
    """Accepts switches at all ``sockets``, over TLS if there is a ``context``.

    ``fleet`` listens to all connections. ``is_served`` says whether the balancer serves the switch of a connection.
    ``unserved`` holds the other connections, and their limits.
    """

    def __init__(
        self,
        sockets: Iterable[Any],
        context: Optional[ssl.SSLContext],
        fleet: SwitchListener,
        is_served: Callable[[SwitchChannel], bool],
        unserved: Unserved[AcceptedConnection],
    ) -> None:
        self._acceptors = [Acceptor(each, "OpenFlow port", self._make_room) for each in sockets]
        self._context = context
        self._fleet = fleet
        self._is_served = is_served
        self._unserved = unserved
        self._handshakes = HandshakeLimit()

    def loops(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """The loops that run as long as the process does, with their names."""
        yield "time limit of OpenFlow handshakes", self._expire
        for acceptor in self._acceptors:
            yield f"OpenFlow port {acceptor.getsockname()[1]}", partial(self._accept, acceptor)

    def _on_ready(self, accepted: AcceptedConnection) -> None:
        """A connection has completed its handshake. If its switch is served, the limits of others no longer apply."""
        if self._serves(accepted):
            self._unserved.discard(accepted)
        else:
            self._unserved.complete(accepted)

    def _serves(self, accepted: AcceptedConnection) -> bool:
        return accepted.transport is not None and self._is_served(accepted.transport)

    def _accept(self, acceptor: Acceptor) -> None:
        while True:
            connection, address = acceptor.accept()
            self.serve(connection, address)
            eventlet.sleep(0)  # the handshakes need their turn, and accept() may never wait

    def serve(self, connection: Any, address: Any) -> None:
        """Serve a connection in a green thread of its own."""
        accepted = AcceptedConnection(connection, (str(address[0]), int(address[1])))
        victim = self._unserved.add(accepted, accepted.address[0], time.monotonic())
        if victim is not None:
            LOG.warning(
                "OpenFlow peer %s: too many connections are not served; closing the oldest one", victim.address[0]
            )
            victim.end("too many connections are not served")
        eventlet.spawn_n(self._serve, accepted)

    def _make_room(self) -> bool:
        victim = self._unserved.oldest()
        if victim is None:
            return False
        self._unserved.discard(victim)
        LOG.warning("OpenFlow peer %s: no file descriptor is left; closing its oldest connection", victim.address[0])
        victim.end("no file descriptor is left")
        return True

    def _expire(self) -> None:
        while True:
            eventlet.sleep(_EXPIRY_INTERVAL)
            for accepted in filter(self._serves, list(self._unserved)):  # the configuration may have changed
                self._unserved.discard(accepted)
            for accepted in self._unserved.expired(time.monotonic()):
                self._unserved.discard(accepted)
                LOG.warning(
                    "OpenFlow peer %s: no handshake within %g s; closing its connection",
                    *(accepted.address[0], HANDSHAKE_TIMEOUT),
                )
                accepted.end(f"no handshake within {HANDSHAKE_TIMEOUT:g} s")

    def _serve(self, accepted: AcceptedConnection) -> None:
        try:
            if self._context is not None and not self._complete_tls_handshake(self._context, accepted):
                return
            accepted.transport = Transport(accepted.connection, accepted.address, self._fleet)
            accepted.transport.on_ready = partial(self._on_ready, accepted)
            accepted.transport.serve_until_closed()
        except Exception:
            LOG.exception("OpenFlow peer %s: connection failed, closing it", accepted.address[0])
        finally:
            self._unserved.discard(accepted)
            accepted.connection.close()
            accepted.transport = None  # it leads back to the connection

    def _complete_tls_handshake(self, context: ssl.SSLContext, accepted: AcceptedConnection) -> bool:
        """Do the TLS handshake. False if it fails, or if the connection was shut down meanwhile."""
        peer = peer_of(accepted.address[0])
        while not self._handshakes.take(peer, time.monotonic()):
            eventlet.sleep(_TURN_INTERVAL)
            if accepted not in self._unserved:
                return False
        try:
            accepted.connection.settimeout(HANDSHAKE_TIMEOUT)
            accepted.connection = context.wrap_socket(
                accepted.connection, server_side=True, do_handshake_on_connect=False
            )
            accepted.connection.do_handshake()
        except OSError as error:
            if accepted in self._unserved:
                LOG.warning(
                    "OpenFlow peer %s: TLS handshake failed: %s; closing its connection",
                    *(accepted.address[0], tls.reason(error)),
                )
            return False
        if accepted.connection.session_reused:  # no certificate was checked, not even whether it has expired
            LOG.warning(
                "OpenFlow peer %s: it has resumed a TLS session; closing the connection, the next one begins anew",
                accepted.address[0],
            )
            return False
        return True
