"""The control socket: one line in, text out, close; and no client can disturb the node."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from haslb_lab.node import node_control
from haslb_lab.node.commands import Commands, in_json, in_lines
from haslb_lab.node.node_control import Answer, CommandError, ControlError, ControlServer

Result = TypeVar("Result")


async def _count(arguments: list[str], _: bool) -> Answer:
    if not arguments[0].isdigit():
        raise CommandError(f"{arguments[0]} is no number; try: count 3")
    for number in range(int(arguments[0])):
        yield str(number)


async def _forever(_: list[str], __: bool) -> Answer:
    while True:
        yield "x" * 1000


COMMANDS = Commands(
    {
        "show ip mobile binding": lambda _, as_json: in_json({"total": 1}) if as_json else in_lines(["one", "two"]),
        "show ip mobile binding summary": lambda *_: in_lines(["Total 1"]),
        "show ip slb": lambda *_: in_lines([]),
        "count NUMBER": _count,
        "forever": _forever,
    }
)


def serve(path: Path, scenario: Callable[[], Awaitable[Result]]) -> Result:
    """Run the scenario while a server answers on ``path``; nothing may take longer than a few seconds."""

    async def session() -> Result:
        server = ControlServer(str(path), COMMANDS.answer)
        await server.open()
        try:
            return await asyncio.wait_for(scenario(), 20)
        finally:
            await server.close()

    return asyncio.run(session())


async def ask(path: Path, command: str) -> str:
    return await asyncio.to_thread(node_control.request, str(path), command)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.control"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("show ip mobile binding", "one\ntwo\n"),
        ("show ip mobile binding --json", '{"total": 1}\n'),
        ("sh ip mob bind sum", "Total 1\n"),
        ("SHOW IP MOBILE BINDING SUMMARY", "Total 1\n"),
        ("  show   ip\tmobile binding  ", "one\ntwo\n"),
        ("show ip slb", ""),
        ("count 3", "0\n1\n2\n"),
        ("count many", "% many is no number; try: count 3\n"),
    ],
)
def test_a_command_is_answered_as_on_ios(path: Path, command: str, answer: str) -> None:
    assert serve(path, lambda: ask(path, command)) == answer


@pytest.mark.parametrize("command", ["", "nonsense", "show", "count", "count 1 2", "--json", "show ip mobile b\x00"])
def test_a_command_that_is_none_gets_an_error_that_lists_the_commands(path: Path, command: str) -> None:
    answer = serve(path, lambda: ask(path, command))
    assert answer.startswith("% ")
    assert "show ip mobile binding summary" in answer


def test_an_ambiguous_command_gets_an_error_that_lists_the_candidates() -> None:
    async def collect(answer: AsyncIterator[str]) -> list[str]:
        return [line async for line in answer]

    commands = Commands({"clear a": lambda *_: in_lines([]), "close a": lambda *_: in_lines([]), "open": _forever})
    with pytest.raises(CommandError, match=r"clear a; close a$"):
        asyncio.run(collect(commands.answer("cl a")))


def test_help_lists_the_commands(path: Path) -> None:
    assert "count NUMBER\n" in serve(path, lambda: ask(path, "help"))


def test_the_socket_is_the_owners_alone_and_gone_at_the_end(path: Path) -> None:
    async def mode() -> int:
        return stat.S_IMODE(os.stat(path).st_mode)

    assert serve(path, mode) == 0o600
    assert not path.exists()


def test_the_socket_of_a_killed_node_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert serve(path, lambda: ask(path, "count 1")) == "0\n"


def test_the_socket_of_a_running_node_is_not(path: Path) -> None:
    async def second() -> None:
        with pytest.raises(OSError, match="another node answers"):
            await ControlServer(str(path), COMMANDS.answer).open()
        assert await ask(path, "count 1") == "0\n"

    serve(path, second)


def test_a_file_in_the_way_is_not_touched(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match="is no socket"):
        asyncio.run(ControlServer(str(path), COMMANDS.answer).open())
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["missing/node.control", "x" * 120])
def test_a_path_that_cannot_be_a_socket_is_named_in_the_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="cannot make the control socket .*" + name[:10]):
        asyncio.run(ControlServer(str(tmp_path / name), COMMANDS.answer).open())


def raw(path: Path, sent: bytes) -> bytes:
    """What a client gets that sends these bytes as far as the node takes them."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        received = b""
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65536):
                received += part
        except (BrokenPipeError, ConnectionResetError):
            pass
        return received


@pytest.mark.parametrize(
    "sent",
    [b"", b"\n", b"\xff\xfe\x00\n", b"count 1", b"\x00" * 5000 + b"\n", b"x" * (8 << 20)],
    ids=["nothing", "empty line", "no text", "no newline", "zeros", "megabytes"],
)
def test_garbage_gets_an_answer_or_is_cut_off_and_the_node_lives_on(path: Path, sent: bytes) -> None:
    async def scenario() -> str:
        await asyncio.to_thread(raw, path, sent)
        return await ask(path, "count 1")

    assert serve(path, scenario) == "0\n"


def test_a_line_that_is_too_long_is_refused(path: Path) -> None:
    answer = serve(path, lambda: asyncio.to_thread(raw, path, b"count " + b"1" * 4200 + b"\n"))
    assert answer.startswith(b"% a command is one line of at most 4096 bytes")


def test_a_client_that_says_nothing_holds_nobody_up_and_is_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_control, "CLIENT_TIMEOUT", 0.2)

    async def scenario() -> tuple[str, bytes]:
        reader, writer = await asyncio.open_unix_connection(str(path))
        answer = await ask(path, "count 1")
        rest = await reader.read()
        writer.close()
        return answer, rest

    assert serve(path, scenario) == ("0\n", b"")


def test_a_client_that_stops_reading_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_control, "CLIENT_TIMEOUT", 0.2)

    async def session() -> None:
        ended = asyncio.Event()

        async def watched(line: str) -> Answer:
            try:
                async for text in COMMANDS.answer(line):
                    yield text
            finally:
                ended.set()

        server = ControlServer(str(path), watched)
        await server.open()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"forever\n")
            await asyncio.wait_for(ended.wait(), 10)
        await server.close()

    asyncio.run(session())


def test_many_silent_clients_do_not_keep_others_out(path: Path) -> None:
    async def scenario() -> str:
        silent = [await asyncio.open_unix_connection(str(path)) for _ in range(100)]
        answer = await ask(path, "count 1")
        for _, writer in silent:
            writer.close()
        return answer

    assert serve(path, scenario) == "0\n"


def test_a_client_without_a_node_is_told_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ControlError, match="no node listens on"):
        node_control.request(str(path), "help")
    assert node_control.main([str(path), "help"]) == 1
    assert capsys.readouterr().err.startswith("no node listens on")


def test_a_node_that_says_nothing_is_given_up_on(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError, match=r"said nothing for 0\.1 seconds"):
            node_control.request(str(path), "help", silence=0.1)
