"""Captures and sends frames at a node's interface, by ``frames.py`` in the node's namespace."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Optional

from haslb_lab.errors import LabError

FRAMES = Path(__file__).resolve().with_name("frames.py")

#: Seconds after which a frame does not come any more, on a machine with much other work.
FRAME_TIMEOUT = 60.0

#: ``run(node, argv, **options)`` starts a program in a node's namespace.
Run = Callable[..., "subprocess.Popen[bytes]"]


def interface(node: str) -> str:
    """The node's interface towards its switch."""
    return f"{node}-eth0"


def send_frames(run: Run, node: str, frames: Sequence[bytes]) -> None:
    """Send frames from a node's interface and wait until they are sent. Raises: LabError."""
    sender = run(
        node,
        [sys.executable, str(FRAMES), "send", interface(node)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, complaint = sender.communicate("".join(f"{frame.hex()}\n" for frame in frames).encode())
    if sender.returncode != 0:
        raise LabError(f"{node} cannot send: {complaint.decode().strip()}")


class Capture:
    """The frames that arrive at a node, in order, from the start of the ``with`` block on.

    ``port`` is the interface, by default the node's ``NODE-eth0``. With ``outgoing`` frames that leave by it are
    captured as well.

    The frames may be read late. If the kernel's buffer overflowed, reading raises :class:`LabError`: a frame that is
    missing may have arrived.
    """

    def __init__(self, run: Run, node: str, port: Optional[str] = None, outgoing: bool = False) -> None:
        self._run = run
        self._node = node
        self._interface = port or interface(node)
        self._options = ["--outgoing"] if outgoing else []
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._unfinished = b""
        self.frames: list[bytes] = []

    def __enter__(self) -> Capture:
        argv = [sys.executable, str(FRAMES), "capture", self._interface, *self._options]
        self._process = self._run(self._node, argv, stdout=subprocess.PIPE, bufsize=0)
        if self._output.readline() != b"ready\n":
            raise LabError(f"{self._node} cannot capture at {self._interface}; is there such an interface?")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait_for(self, wanted: Callable[[bytes], Any], seconds: float = FRAME_TIMEOUT) -> bytes:
        """The first frame, already captured or still to come, that is ``wanted``. Raises: TimeoutError."""
        deadline = time.monotonic() + seconds
        seen = 0
        while True:
            for frame in self.frames[seen:]:
                if wanted(frame):
                    return frame
            seen = len(self.frames)
            if not self._receive(deadline - time.monotonic()):
                raise TimeoutError(f"no such frame at {self._node} within {seconds} s; {seen} other frames arrived")

    def listen(self, seconds: float) -> list[bytes]:
        """All frames, after waiting for the whole time; this is how to see that a frame does not arrive."""
        deadline = time.monotonic() + seconds
        while self._receive(deadline - time.monotonic()):
            pass
        return self.frames

    def _receive(self, seconds: float) -> bool:
        """Read what the program has printed. Returns False if there was nothing in time."""
        readable, _, _ = select.select([self._output], [], [], max(seconds, 0))
        if not readable:
            return False
        chunk = self._output.read(1 << 16)
        if not chunk:
            raise LabError(f"the capture at {self._node} ended")
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        for line in map(json.loads, lines):
            if "lost" in line:
                raise LabError(f"the capture at {self._node} lost {line['lost']} frames: its buffer was full")
            self.frames.append(bytes.fromhex(line["frame"]))
        return True

    @property
    def _output(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout
