"""A DFP agent that listens on a TCP port and reports the weight of one home agent."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Collection
from ipaddress import IPv4Address
from typing import Callable, Optional

from ryu_haslb.dfp.channel import Send
from ryu_haslb.dfp.manager_connection import Action, ManagerConnection
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, UDP, HostPreference, Load, require_range
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

#: Seconds between two measurements of the load: ``interval`` of ``ip dfp agent``.
DEFAULT_INTERVAL = 10.0
#: Managers that are served at a time. With a password, only one that has proved the key counts.
MAX_MANAGERS = 16
#: Connections from which no message was accepted yet. When one more comes, the oldest of the address that has most is
#: closed.
MAX_STRANGERS = 16
#: Seconds in which a manager has to send its first message, signed if there is a password. It sends one at once.
INTRODUCTION_TIMEOUT = 10.0
#: Bytes of one read of a connection, and seconds until the next one: as much as a manager has to say, and a small part
#: of the home agent's processor, however much is sent.
READ_SIZE = 1 << 10
READ_INTERVAL = 0.1
#: Bytes that a manager may leave unread before its connection is closed.
MAX_UNREAD = 65536

LOG = logging.getLogger(__name__)


class DfpAgentServer:
    """Reports one home agent's weight to each manager that connects.

    ``weight_source`` returns the present weight, 0 to 65535. It is called in a worker thread every ``interval`` seconds
    and may block. While it raises an error, the weight is 0, so that a home agent of unknown load gets no new sessions;
    the log says why. The server listens on ``address`` and reports it as the real server; without it, the server
    listens on all addresses and reports the one that the manager connected to. With port 0 the system chooses the port.
    Only ``managers`` may connect, if there are any: who has recorded what a manager has signed can repeat it.
    ``keys`` may change while the server runs; their clock is ``time.monotonic``.
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
        managers: Collection[IPv4Address] = (),
    ) -> None:
        self.keys = KeyRing(password)
        self.weight = 0
        #: The TCP port; if it was 0, the chosen one after the start.
        self.port = port
        #: The connections, oldest first.
        self.connections: dict[_ManagerProtocol, None] = {}
        self._weight_source = weight_source
        self._interval = interval
        self._address = address
        self._home_agent_port = home_agent_port
        self._managers = frozenset(map(str, managers))
        self._failure = ""
        self._server: Optional[asyncio.AbstractServer] = None
        self._refreshing: Optional[asyncio.Task[None]] = None

    async def start(self) -> None:
        """Measure the load for the first time, then listen.

        :raises OSError: the port is in use or not permitted.
        """
        self._measuring = asyncio.Lock()
        await self.refresh()
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _ManagerProtocol(self), str(self._address or "0.0.0.0"), self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._refreshing = asyncio.ensure_future(self._refresh_periodically())

    async def stop(self) -> None:
        """Close the port and all connections; the managers then use the static weight."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()

    async def refresh(self) -> None:
        """Measure the weight, and report it at once if it has changed. The server must be started."""
        async with self._measuring:  # otherwise an older measurement could end last
            self.weight, failure = await self._measure()
        if failure and failure != self._failure:
            LOG.warning("load measurement failed, reporting weight 0: %s", failure)
        elif self._failure and not failure:
            LOG.warning("load measurement recovered, reporting weight %d", self.weight)
        self._failure = failure
        for connection in list(self.connections):
            connection.report()

    def loads(self, local: IPv4Address) -> tuple[Load, ...]:
        """The report for a manager that is connected to the address ``local``."""
        host = HostPreference(self._address or local, ANY_BIND_ID, self.weight)
        return (Load(self._home_agent_port, UDP, (host,)),)

    def refusal_of(self, address: str) -> str:
        """Why a manager with this address is refused; empty if it is not."""
        if self._managers and address not in self._managers:
            return "it is no manager of this agent"
        return f"{MAX_MANAGERS} managers are connected, the maximum" if self._is_full_of(address) else ""

    def _is_full_of(self, address: str) -> bool:
        """Whether as many managers as possible are connected, and no address has more connections than this one."""
        held = Counter(each.address for each in self.connections if each.is_accepted)
        return sum(held.values()) >= MAX_MANAGERS and held[address] == max(held.values())

    def make_room(self, maximum: int, *, accepted: bool, newcomer: _ManagerProtocol) -> bool:
        """Close a connection if ``maximum`` others have, or have not, proved themselves.

        The oldest connection of the address with the most connections is closed, so that a stranger displaces only its
        own. Returns False if each manager has one connection only: none of them is closed.
        """
        others = [each for each in self.connections if each.is_accepted is accepted and each is not newcomer]
        if len(others) < maximum:
            return True
        held = Counter(each.address for each in others)
        leaving = max(others, key=lambda each: held[each.address])
        if accepted and held[leaving.address] == 1:
            return False
        leaving.reject(
            f"{maximum} connections are open, and it is the oldest of an address with {held[leaving.address]}"
        )
        return True

    async def _measure(self) -> tuple[int, str]:
        """The weight and an empty text; or 0 and the reason why the measurement failed."""
        try:
            weight = await asyncio.get_running_loop().run_in_executor(None, self._weight_source)
            require_range("weight", weight, 0xFFFF)
        except Exception as error:  # a fault of the source must not end the agent
            return 0, str(error) or type(error).__name__
        return weight, ""

    async def _refresh_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.refresh()


class _ManagerProtocol(asyncio.BufferedProtocol):
    """Carries out what a :class:`ManagerConnection` decides."""

    _transport: asyncio.Transport
    _connection: ManagerConnection
    _local: IPv4Address

    def __init__(self, server: DfpAgentServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(READ_SIZE)
        self._timer: Optional[asyncio.TimerHandle] = None
        self._introduction: Optional[asyncio.TimerHandle] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Without a keep-alive time, either end may be silent for ever: only TCP notices that the other one is gone.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        #: The manager's address.
        self.address = str((transport.get_extra_info("peername") or ("that is gone",))[0])
        self._local = IPv4Address(transport.get_extra_info("sockname")[0])
        self._connection = ManagerConnection(self._server.keys, self._server.loads(self._local))
        refusal = self._server.refusal_of(self.address)
        if refusal:
            LOG.warning("manager %s rejected: %s", self.address, refusal)
            transport.abort()
            return
        self._server.make_room(MAX_STRANGERS, accepted=False, newcomer=self)
        self._server.connections[self] = None
        self._introduction = self._loop.call_later(INTRODUCTION_TIMEOUT, self._require_introduction)
        self._carry_out(self._connection.connected(self._loop.time()))

    @property
    def is_accepted(self) -> bool:
        """Whether a message of this manager was accepted."""
        return self._connection.is_accepted

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._transport.pause_reading()
        self._loop.call_later(READ_INTERVAL, self._transport.resume_reading)
        was_accepted = self.is_accepted
        actions = self._connection.received(bytes(self._buffer[:nbytes]), self._loop.time())
        if self.is_accepted and not was_accepted:
            if self._introduction is not None:
                self._introduction.cancel()
            if not self._server.make_room(MAX_MANAGERS, accepted=True, newcomer=self):
                self.reject(f"{MAX_MANAGERS} managers are connected, the maximum")
                return
            LOG.info("manager %s connected", self.address)
        self._carry_out(actions)

    def reject(self, reason: str) -> None:
        """Close the connection at once; ``reason`` is for the log."""
        LOG.warning("manager %s disconnected: %s", self.address, reason)
        self._server.connections.pop(self, None)
        self._transport.abort()

    def _require_introduction(self) -> None:
        self.reject(f"no valid message within {INTRODUCTION_TIMEOUT:g} s")

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self._connection.closed()
        if self._introduction is not None:
            self._introduction.cancel()
        self._schedule_tick()
        self._server.connections.pop(self, None)

    def report(self) -> None:
        """Send the present weight if it is not the one that the manager was sent last."""
        self._carry_out(self._connection.report(self._server.loads(self._local), self._loop.time()))

    def close(self) -> None:
        """Close the connection, without waiting for a manager that has left bytes unread."""
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
                LOG.warning("manager %s disconnected: %s", self.address, action.reason)
                self._transport.close()
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            self.reject(f"more than {MAX_UNREAD} bytes unread")
        self._schedule_tick()

    def _schedule_tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._connection.next_deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)
