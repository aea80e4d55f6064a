"""``haslb run`` as a process: it is the balancer, and tells a wrong command line."""

from __future__ import annotations

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

COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())", "run"]


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
