"""Captures are evidence: they have every frame, or say that they have not."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest

from haslb_lab.errors import LabError
from haslb_lab.runner import capture

pytestmark = pytest.mark.lab

FOLDER = Path(capture.__file__).parent
CROWD = 5000
PAYLOAD = b"frame of a crowd "


def capturing(room: Optional[int] = None) -> capture.Capture:
    """A capture at the loopback of this very namespace, with as much room as in the lab if none is given."""
    limit = "" if room is None else f"frames.RECEIVE_BUFFER_SIZE = {room}; "
    program = [sys.executable, "-c", f"import frames; {limit}frames.capture('lo', False)"]

    def run(_: str, __: Any, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(program, cwd=FOLDER, **options)

    return capture.Capture(run, "lo")


@contextmanager
def sink() -> Iterator[socket.socket]:
    """A UDP socket that sends to itself; what arrives is not read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", 0))
        port.connect(port.getsockname())
        yield port


def send_crowd(port: socket.socket) -> None:
    for number in range(CROWD):
        port.send(PAYLOAD + str(number).encode())


def test_a_crowd_of_frames_waits_until_it_is_read() -> None:
    """A thousand sessions are opened within a second, in which nothing is read."""
    with sink() as port, capturing() as crowd:
        send_crowd(port)
        last = PAYLOAD + str(CROWD - 1).encode()
        crowd.wait_for(lambda frame: frame.endswith(last))
        assert sum(PAYLOAD in frame for frame in crowd.frames) == CROWD


def test_a_lost_frame_is_an_error() -> None:
    """Less evidence is no evidence: that nothing else passed would not be known. Nothing is read meanwhile."""
    with sink() as port, capturing(room=1 << 14) as crowd:
        assert crowd._process is not None
        crowd._process.send_signal(signal.SIGSTOP)
        send_crowd(port)
        crowd._process.send_signal(signal.SIGCONT)
        with pytest.raises(LabError, match=r"the capture at lo lost \d+ frames: its buffer was full"):
            crowd.wait_for(lambda frame: False)
