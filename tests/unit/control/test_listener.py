"""The listening socket of a control server: for its owner alone; what is at its path already is never destroyed."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from ryu_haslb.cli.client import ControlClient, ControlError
from ryu_haslb.control.listener import ControlListener
from ryu_haslb.control.protocol import END_MARK, RequestReader, encode_lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.control"


def test_the_socket_is_the_owners_alone_and_removed_at_the_end(path: Path) -> None:
    listener = ControlListener(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listener.close()
    assert not path.exists()


def test_the_socket_that_another_server_has_made_meanwhile_is_left_alone(path: Path) -> None:
    first = ControlListener(str(path))
    path.unlink()
    second = ControlListener(str(path))
    first.close()
    assert path.exists()
    second.close()


def test_a_socket_that_was_left_behind_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    listener = ControlListener(str(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    assert not path.exists()


def test_a_socket_that_is_served_is_not_replaced(path: Path) -> None:
    listener = ControlListener(str(path))
    with pytest.raises(OSError, match="another node serves it"):
        ControlListener(str(path), server="node")
    listener.close()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match="is no socket"):
        ControlListener(str(path))
    assert path.read_text() == "precious"


def test_a_server_under_asyncio_speaks_the_same_protocol(path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = RequestReader().receive(await reader.readline())
        assert request is not None
        writer.write(encode_lines(request.words()) + END_MARK)
        writer.close()

    async def converse() -> list[str]:
        listener = ControlListener(str(path), server="node")
        async with await asyncio.start_unix_server(answer, sock=listener.socket):
            return await asyncio.to_thread(lambda: list(ControlClient(str(path)).lines(["show", "two words", ""])))

    assert asyncio.run(converse()) == ["show", "two words", ""]


def test_errors_name_the_program_and_the_option_of_the_caller(path: Path) -> None:
    with pytest.raises(ControlError, match=f"no node serves {path}; start it, or name its socket with --node"):
        list(ControlClient(str(path), server="node", option="--node").lines(["help"]))
