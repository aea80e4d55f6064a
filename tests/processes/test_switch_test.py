"""``haslb switch-test`` as a process: TLS, signals, lost connections, and peers that are no switches."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from balancer_process import free_port
from certificates import Authority
from socket_switch import SocketSwitch

from ryu_haslb.openflow.wire import wire
from ryu_haslb.switch_test.bench import TEST_MARK

COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())"]
#: Seconds after which a process hangs.
HARD_LIMIT = 300


@contextmanager
def switch_test(port: int, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, which listens already."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    arguments = [*COMMAND, "switch-test", "--listen", f"127.0.0.1:{port}", *words]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("waiting for a switch at ")
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Status, standard output, and standard error without its first line."""
    output, errors = process.communicate(timeout=HARD_LIMIT)
    assert "Traceback" not in errors
    return process.returncode, output, errors


def test_over_tls_with_certificates_at_both_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, theirs = authority.issue("controller"), authority.issue("switch")
    context = ssl.create_default_context(cafile=str(authority.certificate.path))
    context.check_hostname = False
    context.load_cert_chain(str(theirs.path), str(theirs.key))
    port = free_port()
    words = ["--ctl-privkey", own.key, "--ctl-cert", own.path, "--ca-certs", authority.certificate.path, "--json"]
    with switch_test(port, *map(str, words)) as process, socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(bytes(24))
        with SocketSwitch(port, context=context):
            status, output, errors = ended(process)
    assert status == 0, errors
    assert json.loads(output)["switch"]["tls"] is True
    assert "TLS handshake failed" in errors
    assert "all that the test has made is removed" in errors


def test_peers_that_are_no_switches_do_not_disturb_it() -> None:
    port = free_port()
    peers = (b"", b"GET / HTTP/1.0\r\n\r\n", bytes(12), b"\x04\0\0\x04aaaa", b"\x01\0\0\x08\0\0\0\1", b"\xff" * 4096)
    with switch_test(port, "--json") as process, ExitStack() as stack:
        for data in peers:
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            peer.sendall(data)
        stack.enter_context(SocketSwitch(port))
        status, output, errors = ended(process)
    assert status == 0, errors
    assert json.loads(output)["is_complete"]
    assert "it offers OpenFlow 1.0: expected 1.3" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_made_is_removed_after_a_signal(number: int) -> None:
    """The signal comes in the middle of a trial, while its rules are there."""
    port = free_port()
    with switch_test(port) as process, SocketSwitch(port) as switch:

        def interrupt(message: bytes) -> bool:
            if message[1] == wire.OFPT_PACKET_OUT and len(switch.cookies) >= 2 and not interrupted:
                interrupted.extend(switch.cookies)
                process.send_signal(number)
            return True

        interrupted: list[int] = []
        switch.on_message = interrupt
        status, output, errors = ended(process)
        assert {cookie & 0xFFFF for cookie in interrupted} == {TEST_MARK}
        assert not switch.cookies
    assert status == 130, errors
    assert "the test is not complete: interrupted" in output
    assert output.splitlines()[-1] == "all that the test has made is removed"


def test_a_switch_that_closes_is_tested_further_over_its_next_connection() -> None:
    port = free_port()
    with switch_test(port, "--json") as process, SocketSwitch(port) as switch:
        closed: list[bytes] = []

        def close_at_the_first_meter(message: bytes) -> bool:
            if message[1] == wire.OFPT_METER_MOD and not closed:
                closed.append(message)
                return False
            return True

        switch.on_message = close_at_the_first_meter
        status, output, errors = ended(process)
        assert not switch.cookies
    report = json.loads(output)
    assert status == 0, errors
    assert report["capabilities"]["meters"]["result"] == "closes_connection"
    assert report["capabilities"]["roles"]["result"] == "works"
    assert (report["reconnections"], report["rules_left"]) == (1, 0)
