"""What the client of a control socket says when it cannot reach the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ryu_haslb.cli.client import ControlClient, ControlError
from ryu_haslb.control.protocol import END_MARK


def test_a_socket_that_its_server_replaces_at_this_moment_is_that_of_a_server_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer that starts removes the socket of the one before, between our connection and our look at the file."""
    path = str(tmp_path / "haslb.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)

    def is_gone(path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "stat", is_gone)
    with pytest.raises(ControlError, match="has ended; start it again"):
        list(ControlClient(path).ask(["show", "version"]))


def test_a_server_that_is_suspended_is_named_with_the_command_that_lets_it_go_on(tmp_path: Path) -> None:
    """The kernel accepts connections for it, so that a client would wait for all of its time."""
    path = str(tmp_path / "haslb.sock")
    program = (
        f"import signal, socket; s = socket.socket(socket.AF_UNIX); s.bind({path!r}); s.listen(); print(flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", f"{program}; signal.pause()"], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            server.send_signal(signal.SIGSTOP)
            for timeout in (30.0, None):
                with pytest.raises(
                    ControlError,
                    match=rf"is suspended \(process {server.pid}\); resume it with kill -CONT {server.pid}",
                ):
                    list(ControlClient(path).ask(["show", "version"], timeout))
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("a\tb\n\x1b[2J\x9b\u202e\n".encode(), "a\tb\n\\x1b[2J\\x9b\\u202e\n"),
        (b"\x9b2J\n", "\ufffd2J\n"),  # ESC [ as a terminal for Latin-1 reads it
    ],
)
def test_no_escape_sequence_of_another_program_at_the_socket_reaches_the_terminal(
    tmp_path: Path, answer: bytes, shown: str
) -> None:
    """One that runs as the balancer's user, say; an operator who is root asks it."""
    path = str(tmp_path / "haslb.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        with ThreadPoolExecutor() as pool:
            pool.submit(lambda: listener.accept()[0].sendall(answer + END_MARK))
            assert b"".join(ControlClient(path).ask(["show", "version"])) == shown.encode()
