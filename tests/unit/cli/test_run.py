"""``haslb run`` starts a balancer that only this machine reaches, unless another address is given."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from balancer_process import free_port

from ryu_haslb.cli.run import listening_place, manager_words

COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())", "run"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", 6653)),
        ("192.0.2.1:6633", ("192.0.2.1", 6633)),
        ("[2001:db8::1]", ("2001:db8::1", 6653)),
        ("[2001:DB8::1]:6633", ("2001:db8::1", 6633)),
        ("2001:db8::1", ("2001:db8::1", 6653)),
        ("0.0.0.0", ("0.0.0.0", 6653)),
    ],
)
def test_an_address_with_and_without_a_port(text: str, place: tuple[str, int]) -> None:
    assert listening_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "6653", "switch", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1", "::1:"]
)
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected ADDRESS"):
        listening_place(text)


def test_with_tls_the_port_is_that_of_tls() -> None:
    assert manager_words("192.0.2.1", 6653, ["--ctl-privkey=own.key"])[3:5] == ["--ofp-ssl-listen-port", "6653"]
    assert manager_words("192.0.2.1", 6653, ["--verbose"])[3:] == ["--ofp-tcp-listen-port", "6653", "--verbose"]


def test_it_is_the_balancer(tmp_path: Path) -> None:
    (tmp_path / "farm.ios").write_text("ip slb serverfarm HAFARM\n")
    port = free_port()
    environment = {**os.environ, "HASLB_CONTROL": str(tmp_path / "control")}
    words = [str(tmp_path / "farm.ios"), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen([*COMMAND, *words], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.01):
                pytest.fail("another process has the port")
            while process.poll() is None and time.monotonic() < deadline:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_wrong_command_line_is_an_error() -> None:
    for words, problem in (([], "FILE"), (["farm.ios", "--listen", "here"], "expected ADDRESS[:PORT]")):
        result = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
        assert result.returncode == 2
        assert problem in result.stderr
