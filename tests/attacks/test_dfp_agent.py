"""Attacks on the port of a home agent's DFP agent: strangers must not keep the balancer out of it.

Every wait is for an event; none judges by the clock.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Sequence
from ipaddress import IPv4Address
from typing import Callable

import pytest

from ryu_haslb.dfp import agent_server
from ryu_haslb.dfp.agent_server import MAX_MANAGERS, MAX_STRANGERS, READ_SIZE, DfpAgentServer
from ryu_haslb.dfp.framing import MAX_MESSAGE_LENGTH
from ryu_haslb.dfp.messages import BindIdRequest, DfpParameters, PreferenceInformation, encode
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import KeepAlive

PASSWORD = "cisco"
HELLO = encode(DfpParameters(KeepAlive(0)))
LIMIT = 60
BALANCER, STRANGER = "127.0.0.2", "127.0.0.3"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run(test: Callable[[DfpAgentServer], Awaitable[None]], password: str = "", managers: Sequence[str] = ()) -> None:
    async def body() -> None:
        server = DfpAgentServer(lambda: 25, 0, password=password, managers=list(map(IPv4Address, managers)))
        await server.start()
        try:
            await asyncio.wait_for(test(server), LIMIT)
        finally:
            await server.stop()

    asyncio.run(body())


async def connect(server: DfpAgentServer, data: bytes = b"", source: str = STRANGER) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(source, 0))
    writer.write(data)
    return reader, writer


async def require_served(server: DfpAgentServer, keys: KeyRing, source: str = BALANCER) -> None:
    """A balancer that connects is reported to, now and at the next change of the weight."""
    reader, writer = await connect(server, keys.sign(HELLO, 0), source)
    first = keys.sign(encode(PreferenceInformation(())), 0)
    assert len(await reader.readexactly(len(first) + 20)) == len(first) + 20
    while not any(each.is_accepted and each.address == source for each in server.connections):
        await asyncio.sleep(0)
    server._weight_source = lambda: 24
    await server.refresh()
    assert await reader.readexactly(len(first) + 20)
    writer.close()


@pytest.mark.parametrize("password", ["", PASSWORD])
@pytest.mark.parametrize("source", [BALANCER, STRANGER])
@pytest.mark.parametrize("data", [b"", HELLO[:5], struct.pack("!BxHI", 1, 0x0301, MAX_MESSAGE_LENGTH)])
def test_idle_connections_keep_no_balancer_out(password: str, source: str, data: bytes) -> None:
    """From another address and from the balancer's own; silent, or within a message that never ends."""

    async def test(server: DfpAgentServer) -> None:
        idle = [await connect(server, data, source) for _ in range(3 * MAX_STRANGERS)]
        await require_served(server, KeyRing(password))
        assert len(server.connections) <= MAX_STRANGERS + 1
        del idle

    run(test, password)


def test_who_does_not_have_the_key_takes_no_place_of_a_manager() -> None:
    async def test(server: DfpAgentServer) -> None:
        strangers = [await connect(server, HELLO) for _ in range(2 * MAX_MANAGERS)]
        await require_served(server, KeyRing(PASSWORD))
        assert not any(each.is_accepted for each in server.connections if each.address == STRANGER)
        del strangers

    run(test, PASSWORD)


def test_without_a_password_a_stranger_pushes_out_his_own_connections() -> None:
    async def test(server: DfpAgentServer) -> None:
        strangers = [await connect(server, HELLO) for _ in range(2 * MAX_MANAGERS)]
        while sum(each.is_accepted for each in server.connections) < MAX_MANAGERS:
            await asyncio.sleep(0)
        await require_served(server, KeyRing())
        del strangers

    run(test)


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_connection_that_says_nothing_valid_is_closed(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_server, "INTRODUCTION_TIMEOUT", 0.05)

    async def test(server: DfpAgentServer) -> None:
        unsigned = HELLO if password else encode(PreferenceInformation(()))[:4]
        reader, _ = await connect(server, unsigned)
        with pytest.raises(ConnectionResetError):
            while await reader.read(100):
                pass
            raise ConnectionResetError
        assert not server.connections

    run(test, password)


def test_a_manager_that_has_proved_the_key_may_be_silent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has nothing more to send (draft-eck-dfp-01, section 7.2). The time is enough for it to prove the key."""
    monkeypatch.setattr(agent_server, "INTRODUCTION_TIMEOUT", 2.0)

    async def test(server: DfpAgentServer) -> None:
        keys = KeyRing(PASSWORD)
        _reader, _writer = await connect(server, keys.sign(HELLO, 0))
        stranger, _ = await connect(server)
        while len(server.connections) != 1 or not next(iter(server.connections)).is_accepted:
            await asyncio.sleep(0.01)
        await stranger.read()
        assert len(server.connections) == 1

    run(test, PASSWORD)


def test_who_repeats_what_a_manager_has_signed_is_not_heard_from_another_address() -> None:
    """The signature has neither a number nor a time, so a recording of it is valid as long as the key."""
    recording = KeyRing(PASSWORD).sign(HELLO, 0)

    async def test(server: DfpAgentServer) -> None:
        for number in range(MAX_MANAGERS + 4):
            reader, _ = await connect(server, recording, f"127.0.1.{number + 1}")
            with pytest.raises(ConnectionError):
                assert await reader.read(100) == b"", "it is told nothing"
                raise ConnectionError
        await require_served(server, KeyRing(PASSWORD))

    run(test, PASSWORD, [BALANCER])


@pytest.mark.parametrize("message", [HELLO, encode(BindIdRequest())])
def test_a_flood_is_read_slowly(message: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much comes, a connection is read once in an interval: here, before the end of the test."""
    monkeypatch.setattr(agent_server, "READ_INTERVAL", 2 * LIMIT)

    async def test(server: DfpAgentServer) -> None:
        flooding = [await connect(server, message * 10_000) for _ in range(MAX_STRANGERS)]
        while sum(each.is_accepted for each in server.connections) < MAX_STRANGERS:
            await asyncio.sleep(0)
        await require_served(server, KeyRing())
        read = sum(each._connection.counters.messages_received for each in server.connections)
        assert read <= MAX_STRANGERS * READ_SIZE // len(message) + 1
        del flooding

    run(test)
