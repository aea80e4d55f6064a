"""The controller alone: an application of the engine, and a scripted OpenFlow switch in front of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.programs import program
from ryu_haslb.errors import HaslbError
from ryu_haslb.openflow.flow_tables.pipeline import Purpose

LOCAL = "127.0.0.1"
VIRTUAL = "10.1.1.10"
PRODUCT = "ryu_haslb.app"
#: Packet-ins that may be unanswered in a run without a rate: as many as Open vSwitch queues for a controller.
MAX_UNANSWERED = 256
#: Packet-ins that may be unanswered in a run at a rate. Such a run measures delays, so it must not wait for replies.
MAX_UNANSWERED_PACED = 20_000

CONFIGURATION = f"""\
ip slb serverfarm HAFARM
 real 10.1.1.51
  weight 1
  inservice
 real 10.1.1.52
  weight 1
  inservice
!
ip slb vserver MIPSLB
 virtual {VIRTUAL} udp 434 service ipmobile
 serverfarm HAFARM
 idle ipmobile request IDLE
 inservice
"""


class AloneError(HaslbError):
    """The application did not do what the measurement needs; the text has the end of its log."""


class Run(NamedTuple):
    """The measurements of one run of requests.

    ``once`` counts mobiles that were answered exactly once; ``to_last_answer`` and ``to_last_rule`` are seconds since
    the begin; ``p50``, ``p99``, ``p999`` and ``longest`` are milliseconds.
    """

    sent: int
    once: int
    rules: int
    to_last_answer: float
    to_last_rule: float
    p50: float
    p99: float
    p999: float
    longest: float


class Alone:
    """The application, started and served; a context manager.

    ``idle`` is the life of a session in seconds, ``rows`` the number of session rules that the switch brings along.
    ``start_up`` is how many seconds it took from the start of the process to the first request that was dispatched.
    """

    def __init__(self, application: str = PRODUCT, idle: int = 300, rows: int = 0) -> None:
        self._application = application
        self._idle = idle
        self._rows = rows
        self._stack = ExitStack()
        self._next = 0

    def __enter__(self) -> Alone:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haslb-bench-")))
            configuration = directory / "balancer.ios"
            configuration.write_text(CONFIGURATION.replace("IDLE", str(self._idle)))
            environment = {
                **os.environ,
                "HASLB_CONFIG": str(configuration),
                "HASLB_CONTROL": str(directory / "control"),
            }
            port = str(_free_port())
            self._log = directory / "log"
            manager = [str(Path(sys.executable).with_name("haslb-manager")), self._application]
            listen = ["--ofp-listen-host", LOCAL, "--ofp-tcp-listen-port", port]
            begin = time.monotonic()
            with self._log.open("wb") as log:
                controller = subprocess.Popen([*manager, *listen], env=environment, stdout=log, stderr=log)
            stack.callback(_end, controller)
            cookies = [str(purpose.cookie) for purpose in (Purpose.PUNT_REQUEST, Purpose.PUNT_ARP_REPLY)]
            words = [program("openflow_peer"), LOCAL, port, VIRTUAL, *cookies, str(self._rows)]
            self._peer = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(_end, self._peer)
            self._process = controller.pid
            self._read()
            self.start_up = time.monotonic() - begin
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def new_sessions(self, count: int, rate: float = 0) -> Run:
        """Let ``count`` mobiles register for the first time, at a rate or as fast as the controller takes them."""
        self._next += count
        return self._run(self._next - count, count, rate)

    def requests(self, first: int, count: int) -> Run:
        """Let ``count`` mobiles from number ``first`` on register, as fast as the controller takes them."""
        return self._run(first, count, 0)

    def processor_time(self) -> float:
        """Seconds that a processor has spent on the application."""
        return int(Path(f"/proc/{self._process}/schedstat").read_text().split()[0]) / 1e9

    def resident(self) -> int:
        """Bytes of resident memory."""
        return int(psutil.Process(self._process).memory_info().rss)

    def _run(self, first: int, count: int, rate: float) -> Run:
        assert self._peer.stdin is not None
        self._peer.stdin.write(f"{first} {count} {MAX_UNANSWERED_PACED if rate else MAX_UNANSWERED} {rate}\n")
        self._peer.stdin.flush()
        came: dict[str, Any] = json.loads(self._read())
        seconds = came["seconds"]
        delays = {name: came[name] for name in ("p50", "p99", "p999", "longest")}
        to_last_rule = seconds + came["rules_behind"]
        return Run(came["sent"], came["once"], came["rules"], seconds, to_last_rule, **delays)

    def _read(self) -> str:
        assert self._peer.stdout is not None
        line = self._peer.stdout.readline()
        if not line:
            raise AloneError(f"{self._application} does not serve: {self._log.read_text(errors='replace')[-500:]}")
        return line


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
