"""A DFP agent on a TCP port, for a home agent that wants to be balanced."""

from __future__ import annotations

import asyncio
import logging
import socket
from ipaddress import IPv4Address
from typing import Callable, Optional

from ryu_haslb.configuration.model import MOBILE_IP_PORT
from ryu_haslb.dfp.agent import Action, ManagerConnection
from ryu_haslb.dfp.channel import Send
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, UDP, HostPreference, Load, require_range

DEFAULT_INTERVAL = 10.0
"""Seconds between two looks at the load: ``interval`` of ``ip dfp agent``."""
MAX_MANAGERS = 16
"""Managers served at once; a further connection is closed."""
MAX_UNREAD = 65536
"""Bytes that a manager may leave unread before it is cut off."""

log = logging.getLogger(__name__)


class DfpAgentServer:
    """Reports one home agent's weight to every manager that connects.

    ``weight_source`` returns the weight now, 0 to 65535. It is called in a worker thread every ``interval`` seconds and
    may block. While it raises, the weight is 0, because a home agent that cannot tell its load is better left alone;
    the log says why. ``address`` is listened on and reported as the real server; without it the agent listens
    everywhere and reports the address that the manager connected to. Port 0 lets the system choose. ``keys`` may
    change while the server runs; its clock is ``time.monotonic``.
    """

    _measuring: asyncio.Lock

    def __init__(  # noqa: PLR0913 - the keywords of ip dfp agent
        self,
        weight_source: Callable[[], int],
        port: int,
        *,
        password: str = "",
        interval: float = DEFAULT_INTERVAL,
        address: Optional[IPv4Address] = None,
        home_agent_port: int = MOBILE_IP_PORT,
    ) -> None:
        self.keys = KeyRing(password)
        self.weight = 0
        self.port = port
        """The port; with port 0 the chosen one, once started."""
        self.connections: set[_ManagerProtocol] = set()
        self._weight_source = weight_source
        self._interval = interval
        self._address = address
        self._home_agent_port = home_agent_port
        self._trouble = ""
        self._server: Optional[asyncio.AbstractServer] = None
        self._refreshing: Optional[asyncio.Task[None]] = None

    async def start(self) -> None:
        """Take the first measure, then listen.

        :raises OSError: the port cannot be had.
        """
        self._measuring = asyncio.Lock()
        await self.refresh()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _ManagerProtocol(self), str(self._address or "0.0.0.0"), self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._refreshing = asyncio.ensure_future(self._refresh_for_ever())

    async def stop(self) -> None:
        """Close the port and every connection; managers go back to the static weight."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()

    async def refresh(self) -> None:
        """Ask for the weight and report it at once if it has changed. For a started server."""
        async with self._measuring:  # or an older measure could end last
            self.weight, trouble = await self._measure()
        if trouble and trouble != self._trouble:
            log.warning("the load is unknown, so the weight is 0: %s", trouble)
        elif self._trouble and not trouble:
            log.warning("the load is known again, the weight is %d", self.weight)
        self._trouble = trouble
        for connection in list(self.connections):
            connection.report()

    def loads(self, local: IPv4Address) -> tuple[Load, ...]:
        """What a manager that is connected to ``local`` is told."""
        host = HostPreference(self._address or local, ANY_BIND_ID, self.weight)
        return (Load(self._home_agent_port, UDP, (host,)),)

    async def _measure(self) -> tuple[int, str]:
        """The weight, and why it is not known."""
        try:
            weight = await asyncio.get_running_loop().run_in_executor(None, self._weight_source)
            require_range("weight", weight, 0xFFFF)
        except Exception as error:  # whatever ails the source must not silence the agent
            return 0, str(error) or type(error).__name__
        return weight, ""

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.refresh()


class _ManagerProtocol(asyncio.Protocol):
    """Carries out what a :class:`ManagerConnection` decides."""

    _transport: asyncio.Transport
    _connection: ManagerConnection
    _local: IPv4Address

    def __init__(self, server: DfpAgentServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._timer: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # An agent may be silent for ever and so may a manager; only TCP can tell that one has gone without a word.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._peer = "{}:{}".format(*transport.get_extra_info("peername") or ("manager", "gone"))
        self._local = IPv4Address(transport.get_extra_info("sockname")[0])
        self._connection = ManagerConnection(self._server.keys, self._server.loads(self._local))
        if len(self._server.connections) >= MAX_MANAGERS:
            log.warning("manager %s turned away: %d are connected already", self._peer, MAX_MANAGERS)
            transport.abort()
            return
        self._server.connections.add(self)
        log.info("manager %s has connected", self._peer)
        self._carry_out(self._connection.connected(self._loop.time()))

    def data_received(self, data: bytes) -> None:
        self._carry_out(self._connection.received(data, self._loop.time()))

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self._connection.closed()
        self._arm()
        self._server.connections.discard(self)

    def report(self) -> None:
        """Tell the manager of the server's present weight, if it does not know it."""
        self._carry_out(self._connection.report(self._server.loads(self._local), self._loop.time()))

    def close(self) -> None:
        """End the connection, at once if the manager does not take what is left."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        self._transport.close()

    def _tick(self) -> None:
        self._carry_out(self._connection.tick(self._loop.time()))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self._transport.write(action.data)
            else:
                log.warning("manager %s: %s; connection closed", self._peer, action.reason)
                self._transport.close()
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            log.warning("manager %s does not read; connection closed", self._peer)
            self._transport.abort()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._connection.next_deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)
