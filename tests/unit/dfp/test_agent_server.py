"""The agent on a real TCP port, with the manager's own state machine at the other end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any, Callable

import pytest

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp import agent_server
from ryu_haslb.dfp.agent_connection import AgentConnection, Connect, SetWeight
from ryu_haslb.dfp.agent_server import DfpAgentServer
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.weight_table import Server

LOOPBACK = IPv4Address("127.0.0.1")
TIMEOUT = 10


class Manager:
    """Carries out the actions of an :class:`AgentConnection` on a stream."""

    def __init__(self, port: int, password: str = "", timeout: int = 0) -> None:
        self.connection = AgentConnection(DfpAgent(LOOPBACK, port, timeout=timeout), KeyRing(password))

    async def open(self) -> Manager:
        (connect,) = self.connection.start()
        assert isinstance(connect, Connect)
        self.reader, self.writer = await asyncio.open_connection(str(connect.address), connect.port)
        self.carry_out(self.connection.connected(time.monotonic()))
        return self

    def carry_out(self, actions: list[Any]) -> list[Any]:
        for action in actions:
            assert not isinstance(action, Close), action
            if isinstance(action, Send):
                self.writer.write(action.data)
        return actions

    async def weights(self) -> list[SetWeight]:
        """What the next bytes of the agent set."""
        data = await asyncio.wait_for(self.reader.read(65536), TIMEOUT)
        assert data, "the agent has closed"
        actions = self.carry_out(self.connection.received(data, time.monotonic()))
        return [action for action in actions if isinstance(action, SetWeight)]


def run(test: Callable[..., Awaitable[None]], weight: Callable[[], int] = lambda: 25, **options: Any) -> None:
    """Run ``test`` with a started server, and stop that."""

    async def body() -> None:
        server = DfpAgentServer(weight, 0, **options)
        await server.start()
        try:
            await test(server)
        finally:
            await asyncio.wait_for(server.stop(), TIMEOUT)

    asyncio.run(body())


def test_the_address_that_the_manager_connected_to_is_reported_as_home_agent() -> None:
    async def test(server: DfpAgentServer) -> None:
        manager = await Manager(server.port).open()
        assert await manager.weights() == [SetWeight(Server(LOOPBACK, 434, 17, 65535), 25)]

    run(test)


def test_a_configured_address_is_listened_on_and_reported() -> None:
    async def test(server: DfpAgentServer) -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        reader, _ = await asyncio.open_connection("127.0.0.2", server.port)
        assert (await reader.read(100))[20:24] == bytes([127, 0, 0, 2])

    run(test, address=IPv4Address("127.0.0.2"))


def test_a_change_is_reported_to_every_manager_at_once() -> None:
    """Without waiting for the interval, and not again if nothing has changed."""
    weight = [25]

    async def test(server: DfpAgentServer) -> None:
        managers = [await Manager(server.port).open() for _ in range(3)]
        for manager in managers:
            assert [action.weight for action in await manager.weights()] == [25]
        await server.refresh()
        weight[0] = 24
        await server.refresh()
        for manager in managers:
            assert [action.weight for action in await manager.weights()] == [24]

    run(test, lambda: weight[0], interval=3600)


def test_the_load_is_measured_every_interval() -> None:
    weights = iter(range(100))

    async def test(server: DfpAgentServer) -> None:
        manager = await Manager(server.port).open()
        seen: list[int] = []
        while len(seen) < 3:
            seen += [action.weight for action in await manager.weights()]
        assert seen[:3] == [seen[0], seen[0] + 1, seen[0] + 2]

    run(test, lambda: next(weights), interval=0.01)


def test_a_weight_that_stays_is_reported_again_within_the_keep_alive() -> None:
    """Section 5.3 on the real clock: nothing else makes this agent send. When it does is tested without a clock."""

    async def test(server: DfpAgentServer) -> None:
        manager = await Manager(server.port, timeout=1).open()
        for _ in range(3):
            assert [action.weight for action in await manager.weights()] == [25]

    run(test, interval=3600)


def test_a_password_is_required_and_used() -> None:
    """Section 5.1."""

    async def test(server: DfpAgentServer) -> None:
        assert await (await Manager(server.port, "cisco").open()).weights() != []
        stranger = await Manager(server.port, "other").open()
        assert await stranger.weights() == []
        assert stranger.connection.counters.authentication_failures == 1

    run(test, password="cisco")


def test_a_hostile_manager_loses_only_its_own_connection() -> None:
    async def test(server: DfpAgentServer) -> None:
        good = await Manager(server.port).open()
        await good.weights()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert len(await asyncio.wait_for(reader.read(), TIMEOUT)) == 28
        server._weight_source = lambda: 3
        await server.refresh()
        assert [action.weight for action in await good.weights()] == [3]

    run(test)


def test_a_manager_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not fill the agent's memory."""
    monkeypatch.setattr(agent_server, "MAX_UNREAD", 1024)
    monkeypatch.setattr(agent_server, "READ_INTERVAL", 0.0)  # so that it is asked for enough
    request = b"\1\0\4\1\0\0\0\x08"

    async def test(server: DfpAgentServer) -> None:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # before it connects: the kernel offers no more then
        small.connect(("127.0.0.1", server.port))
        reader, writer = await asyncio.open_connection(sock=small)
        await reader.readexactly(28)
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        with pytest.raises(ConnectionError):
            for _ in range(10**4):
                writer.write(request * 8192)
                await asyncio.wait_for(writer.drain(), TIMEOUT)
        assert not server.connections

    run(test)


def test_one_manager_too_many_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_server, "MAX_MANAGERS", 2)

    async def test(server: DfpAgentServer) -> None:
        managers = [await Manager(server.port).open() for _ in range(2)]
        for manager in managers:
            await manager.weights()
        reader, _ = await asyncio.open_connection("127.0.0.1", server.port)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), TIMEOUT) == b""
        assert len(server.connections) == 2

    run(test)


def test_a_home_agent_whose_load_cannot_be_measured_has_weight_0(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure is logged once, and the agent keeps running."""
    unknown = OSError("no such socket")
    results: list[int | Exception] = [25, unknown, unknown, 70000, ZeroDivisionError("oops"), 24]

    def weight() -> int:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def test(server: DfpAgentServer) -> None:
        seen = [server.weight]
        while results:
            await server.refresh()
            seen.append(server.weight)
        assert seen == [25, 0, 0, 0, 0, 24]

    run(test, weight, interval=3600)
    assert [record.message.partition(": ")[2] or record.message for record in caplog.records] == [
        "no such socket",
        "weight is 70000; expected 0 to 65535",
        "oops",
        "load measurement recovered, reporting weight 24",
    ]


def test_a_manager_that_disconnects_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next read, which all of these wait for."""
    monkeypatch.setattr(agent_server, "READ_INTERVAL", 0.0)

    async def test(server: DfpAgentServer) -> None:
        for _ in range(20):
            manager = await Manager(server.port, timeout=1000).open()
            await manager.weights()
            manager.writer.close()
            await manager.writer.wait_closed()
        await with_deadline(lambda: not server.connections)

    async def with_deadline(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0)

    run(test)


def test_stop_closes_the_port_and_the_connections() -> None:
    async def test(server: DfpAgentServer) -> None:
        manager = await Manager(server.port).open()
        await manager.weights()
        await server.stop()
        with suppress(ConnectionResetError):  # if the agent has not read all
            assert await asyncio.wait_for(manager.reader.read(), TIMEOUT) == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

    run(test)
