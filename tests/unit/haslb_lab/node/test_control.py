"""The control socket: one line in, text out, close; and no client can disturb the node."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from haslb_lab.node import control
from haslb_lab.node.commands import Commands, Handler, in_json, in_lines
from haslb_lab.node.control import Answer, ControlServer, RefusedError
from ryu_haslb.cli.client import ControlError
from ryu_haslb.control.protocol import MAX_REQUEST_SIZE
from ryu_haslb.language.grammar import Command, CommandError, Match

Result = TypeVar("Result")


async def _count(command: Match[Handler], _: bool) -> Answer:
    for number in range(command["NUMBER"]):
        if number == 7:
            raise RefusedError("seven is too many")
        yield str(number)


async def _forever(_: Match[Handler], __: bool) -> Answer:
    while True:
        yield "x" * 1000


def _binding(_: Match[Handler], as_json: bool) -> Answer:
    return in_json({"total": 1}) if as_json else in_lines(["one", "two"])


COMMANDS = Commands(
    [
        Command("show ip mobile binding", _binding, "Bindings"),
        Command("show ip mobile binding summary", lambda *_: in_lines(["Total 1"])),
        Command("show ip slb", lambda *_: in_lines([])),
        Command("count NUMBER<0-9>", _count),
        Command("forever", _forever),
    ]
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
    return await asyncio.to_thread(control.request, str(path), command)


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
        ("count many", "% after 'count' expected a number from 0 to 9, not 'many'\n"),
        ("count 8", "".join(f"{number}\n" for number in range(7)) + "% seven is too many\n"),
    ],
)
def test_a_command_is_answered_as_on_ios(path: Path, command: str, answer: str) -> None:
    assert serve(path, lambda: ask(path, command)) == answer


@pytest.mark.parametrize("command", ["", "nonsense", "show", "count", "count 1 2", "--json", "show ip mobile b\x00"])
def test_a_command_that_is_none_gets_an_error_that_says_what_is_expected(path: Path, command: str) -> None:
    answer = serve(path, lambda: ask(path, command))
    assert answer.startswith("% ")
    assert "expected" in answer


def test_an_ambiguous_command_gets_an_error_that_lists_the_candidates() -> None:
    commands = Commands(
        [
            Command("clear a", lambda *_: in_lines([])),
            Command("close a", lambda *_: in_lines([])),
            Command("open", _forever),
        ]
    )
    with pytest.raises(CommandError, match=r"'cl' is ambiguous: clear, close$"):
        commands.answer(["cl", "a"])


def test_help_lists_the_commands(path: Path) -> None:
    assert "count NUMBER\n" in serve(path, lambda: ask(path, "help"))


def test_a_prompt_can_ask_what_may_follow(path: Path) -> None:
    client = control.client(str(path))
    offered = serve(path, lambda: asyncio.to_thread(client.expectations, ["show", "ip", "mobile"], "b"))
    assert [word for word, _ in offered] == ["binding"]
    offered = serve(path, lambda: asyncio.to_thread(client.expectations, ["count"], ""))
    assert offered == [("<0-9>", "")]


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
        with pytest.raises(OSError, match="another node serves it; choose another path"):
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
        client.settimeout(30)
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
    answer = serve(path, lambda: asyncio.to_thread(raw, path, b"count " + b"1" * MAX_REQUEST_SIZE + b"\n"))
    assert answer.startswith(b"% a command is one line of at most 65536 bytes")


def test_a_silent_client_delays_no_other_client_and_is_disconnected(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "CLIENT_TIMEOUT", 0.2)

    async def scenario() -> tuple[str, bytes]:
        reader, writer = await asyncio.open_unix_connection(str(path))
        answer = await ask(path, "count 1")
        rest = await reader.read()
        writer.close()
        return answer, rest

    assert serve(path, scenario) == ("0\n", b"")


def test_a_client_that_stops_reading_is_disconnected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "CLIENT_TIMEOUT", 0.2)

    async def session() -> None:
        ended = asyncio.Event()

        async def watched(words: Sequence[str]) -> Answer:
            try:
                async for text in COMMANDS.answer(words):
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
    with pytest.raises(ControlError, match="no node serves"):
        control.request(str(path), "help")
    assert control.main([str(path), "help"]) == 1
    assert capsys.readouterr().err.startswith("no node serves")


def test_a_node_that_says_nothing_is_given_up_on(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError, match="did not answer in time"):
            control.request(str(path), "help", timeout=0.1)
