"""The whole application as a process, as an operator starts it."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, Optional, Union

import pytest

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
_random = random.SystemRandom()
_names: list[socket.socket] = []
MANAGER = Path(sys.executable).with_name("haslb-manager")
#: Seconds after which a process logs no more what a test waits for.
HARD_LIMIT = 120.0


def free_port() -> int:
    """A port of the loopback that is free, and that no outgoing connection takes before it is used.

    It is below those that the kernel chooses from (32768 to 60999): tests open thousands of connections beside each
    other. No other process of tests gets it as long as this one runs: its number is the name of a socket that is bound
    to it (unix(7), abstract).
    """
    while True:
        port = _random.randrange(10_000, 32_768)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0haslb-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        _names.append(name)
        return port


@contextmanager
def balancer_process(  # noqa: PLR0913 - what differs between the processes of tests
    directory: Path,
    configuration: str,
    openflow_port: int,
    log: Union[int, IO[str]] = subprocess.PIPE,
    *,
    manager: Path = MANAGER,
    options: Optional[Sequence[str]] = None,
    max_descriptors: Optional[int] = None,
    **environment: str,
) -> Iterator[subprocess.Popen[str]]:
    """The process, which serves switches at a port of the loopback; ``log`` takes what it logs.

    ``options`` are those of ``manager``, by default for OpenFlow without TLS.
    """
    (directory / "farm.ios").write_text(configuration)
    paths = {"HASLB_CONFIG": str(directory / "farm.ios"), "HASLB_CONTROL": str(directory / "control")}
    if options is None:
        options = ["--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(openflow_port)]
    limit = ["prlimit", f"--nofile={max_descriptors}"] if max_descriptors else []
    process = subprocess.Popen(
        [*limit, str(manager), "ryu_haslb.app", *options],
        env={**os.environ, **paths, **environment},
        stderr=log,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines of the log up to the first one that contains a text, without their times.

    A process that does not log it is killed, so that the test fails and shows what it has logged instead.
    """
    assert process.stderr is not None
    lines = []
    guard = Timer(HARD_LIMIT, process.kill)
    guard.start()
    try:
        for line in process.stderr:
            lines.append(_TIME.sub("", line.rstrip("\n")))
            if text in line:
                return lines
    finally:
        guard.cancel()
    pytest.fail(f"{text} is not in the log: {lines}")
