"""The control server with clients of every kind: slow, silent, greedy and hostile ones."""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from control_process import control_process

from ryu_haslb.cli.client import ControlClient, ControlError
from ryu_haslb.control.protocol import END_MARK, MAX_REQUEST_SIZE, PAUSE_MARK
from ryu_haslb.control.server import MAX_PENDING_CLIENTS, MAX_RUNNING_COMMANDS

TIMEOUT = 60.0


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("control") / "haslb.sock"
    with control_process(path, sessions=20_000):
        yield path


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))  # without a time-out it waits for its turn
    client.settimeout(TIMEOUT)
    return client


def answer(path: Path, request: bytes) -> bytes:
    """The whole answer of the server to these bytes."""
    with connect(path) as client:
        with suppress(OSError):  # it may refuse before it has read everything
            client.sendall(request)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            chunk = client.recv(1 << 16)
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk


def assert_answers(path: Path) -> None:
    assert answer(path, b"show ip slb vservers\n").startswith(b"slb vserver ")


def test_only_the_owner_may_connect(control: Path) -> None:
    assert stat.S_IMODE(control.stat().st_mode) == 0o600


def test_a_thousand_silent_clients_do_not_keep_others_out(control: Path) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(control)) for _ in range(900)]
        assert_answers(control)
        closed, _, _ = select.select(clients, [], [], TIMEOUT)
        assert len(closed) >= len(clients) - MAX_PENDING_CLIENTS - 1


def test_a_client_that_never_reads_does_not_delay_others(control: Path) -> None:
    with connect(control) as stalled:
        stalled.sendall(b"show ip slb sessions\n")
        assert answer(control, b"show ip slb sessions\n").count(b"\n") == 20_002


def test_a_search_that_finds_nothing_shows_that_it_goes_on(control: Path) -> None:
    """A client gives up when nothing comes; without an end mark in its request it would take a pause for text."""
    found_nothing = b"show ip slb sessions | include no-such-text"
    pauses, end = answer(control, found_nothing + END_MARK + b"\n").split(END_MARK)
    assert len(pauses) > 100
    assert (pauses.strip(PAUSE_MARK), end) == (b"", b"")
    assert answer(control, found_nothing + b"\n") == b""


def test_a_process_that_has_all_running_commands_gives_one_up_for_another(control: Path) -> None:
    """docs/security.md, the control socket. Here a monitoring program has them, and the operator calls ``haslb``."""
    script = "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())"
    haslb = [sys.executable, "-c", script, "--control", str(control), "show", "ip", "slb", "vservers"]
    with ExitStack() as stack:
        debugs = [stack.enter_context(connect(control)) for _ in range(MAX_RUNNING_COMMANDS)]
        for debug in debugs:
            debug.sendall(b"debug ip slb sessions ipmobile\n")
        assert b"commands are running; end a debug" in answer(control, b"show ip slb reals\n")
        ended = subprocess.run(haslb, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        assert ended.stdout.startswith("slb vserver ")
        (closed,), _, _ = select.select(debugs, [], [], TIMEOUT)
        assert closed.recv(1) == b""


def test_the_number_of_running_commands_is_limited(control: Path) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_RUNNING_COMMANDS):
            debug = stack.enter_context(connect(control))
            debug.sendall(b"debug ip slb sessions ipmobile\n")
        assert b"commands are running; end a debug" in answer(control, b"show ip slb reals\n")
    for _ in range(1000):
        if not answer(control, b"show ip slb vservers\n").startswith(b"%"):
            break
    assert_answers(control)


@pytest.mark.parametrize(
    ("request_bytes", "text"),
    [
        (b"\xff\xfe\x00\n", b"% not UTF-8; expected text\n"),
        (b"show 'ip\n", b"% a quotation is not closed; expected its closing quote\n"),
        (b"\n", b"% incomplete command: expected "),
        (b"\x00\x01\x02\n", b"% '\\x00\\x01\\x02' is not a command here"),
        (b"x" * (4 << 20), f"% a command is one line of at most {MAX_REQUEST_SIZE} bytes\n".encode()),
        (b"'" + b"\\'\"" * 20_000 + b"\n", b"% "),
        (b"show clock" + b" | include x" * 1000 + b"\n", b"% too many words; expected at most 256\n"),
    ],
)
def test_a_line_that_is_no_command_gets_one_line(control: Path, request_bytes: bytes, text: bytes) -> None:
    received = answer(control, request_bytes)
    assert received.startswith(text)
    assert received.count(b"\n") == 1
    assert_answers(control)


def test_half_a_command_is_not_carried_out(control: Path) -> None:
    """``clear ip slb sessions`` may be a part of ``clear ip slb sessions OTHER``."""
    with connect(control) as client:
        client.sendall(b"clear ip slb sessions")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""
    assert b"20000" in answer(control, b"show ip slb vservers\n")


def test_random_bytes_do_no_harm(control: Path) -> None:
    for _ in range(200):
        answer(control, os.urandom(200) + b"\n")
    assert_answers(control)


def test_a_short_command_does_not_wait_for_long_ones(control: Path) -> None:
    """One slice of one listing is made before other commands have their turn."""
    with ExitStack() as stack:
        listings = [stack.enter_context(connect(control)) for _ in range(4)]
        for listing in listings:
            listing.sendall(b"show ip slb sessions | include nothing\n")
        assert_answers(control)
        unfinished, _, _ = select.select(listings, [], [], 0)
        assert unfinished == []


def test_debug_shows_events_until_the_client_leaves(tmp_path: Path) -> None:
    path = tmp_path / "haslb.sock"
    with control_process(path) as process, ExitStack() as stack:
        text, rows, filtered = (stack.enter_context(connect(path)) for _ in range(3))
        text.sendall(b"debug ip slb sessions ipmobile\n")
        rows.sendall(b"debug ip slb sessions ipmobile --json\n")
        filtered.sendall(b"debug ip slb sessions ipmobile | include user2@\n")
        answer(path, b"show ip slb stats\n")  # now all three have been taken
        assert process.stdin is not None
        process.stdin.write("\n\n")
        process.stdin.flush()
        with text.makefile() as lines:
            assert "SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI:" in lines.readline()
            assert lines.readline() == "mwts-mip-np-user1@ispxyz.com, length: 28\n"
        with rows.makefile() as lines:
            assert json.loads(lines.readline())["nai"] == "mwts-mip-np-user1@ispxyz.com"
        with filtered.makefile() as lines:
            assert lines.readline() == "mwts-mip-np-user2@ispxyz.com, length: 28\n"


def test_a_second_server_does_not_take_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "haslb.sock"
    with control_process(path):
        with pytest.raises(AssertionError), control_process(path):
            pass
        assert_answers(path)


def test_the_socket_of_a_server_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "haslb.sock"
    with control_process(path) as process:
        process.kill()
        process.wait()
        with pytest.raises(ControlError, match="has ended; start it again"):
            list(ControlClient(str(path)).ask(["show", "ip", "slb", "reals"]))
        with control_process(path):
            assert_answers(path)


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    with pytest.raises(AssertionError), control_process(path):
        pass
    assert path.read_text() == "precious"
