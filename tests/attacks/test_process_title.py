"""No password stays in the command line of a process, which every user of the machine can read."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ryu_haslb.dfp.security import KeyRing

AGENT = Path(sys.executable).with_name("haslb-dfp-agent")
PASSWORD = "hunter2s3cr3t"


@pytest.mark.parametrize("option", [["--password", PASSWORD], [f"--password={PASSWORD}"]])
def test_the_password_of_an_agent_is_not_in_its_command_line(option: list[str]) -> None:
    with subprocess.Popen(
        [str(AGENT), "--port", "0", *option, "--interval", "5"], stdout=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None
        ready = agent.stdout.readline()
        assert ready.startswith("ready: ")
        command_line = Path(f"/proc/{agent.pid}/cmdline").read_text()
        with socket.create_connection(("127.0.0.1", int(ready.split()[5].rstrip(","))), 60) as manager:
            assert KeyRing(PASSWORD).accepts(manager.recv(4096), 0)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 0
    assert PASSWORD not in command_line
    assert command_line.split("\0")[2:6] == ["--port", "0", "--interval", "5"]
