"""Measures the load of a home agent and its machine, from which the weight is computed: bindings, calls, processor,
memory.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import stat
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable, Optional

import psutil

from ryu_haslb.dfp.weight import DEFAULT_MAX_WEIGHT, FULLY_FREE, HomeAgentLoad, dfp_weight
from ryu_haslb.errors import HaslbError
from ryu_haslb.regular_file import open_regular

#: Seconds over which calls per second are averaged (the chapter's "Usage CPS").
RATE_INTERVAL = 60.0
#: Seconds that a home agent has to return its counts.
READ_TIMEOUT = 5.0
#: Bytes that its answer may have.
MAX_ANSWER_LENGTH = 65536
_MAX_NUMBER = 0xFFFFFFFF


class MeasurementError(HaslbError, ValueError):
    """A home agent's counts are not available; the text says why and what is expected."""


@dataclass(frozen=True)
class BindingCount:
    """The counts of a home agent; None: it does not report this one. ``calls`` are all calls since it started."""

    bindings: int
    max_bindings: Optional[int] = None
    calls: Optional[int] = None


def parse_binding_count(text: str) -> BindingCount:
    """Parse ``50``, or ``{"bindings": 50, "max_bindings": 1250, "calls": 71344}``, where only bindings are required.

    :raises MeasurementError: the text is neither; says what is expected.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise MeasurementError(f'expected a number or {{"bindings": NUMBER, ...}}, got {text[:40]!r}') from None
    if not isinstance(document, dict):
        document = {"bindings": document}
    if "bindings" not in document:
        raise MeasurementError('"bindings" is missing; expected {"bindings": NUMBER, ...}')
    for name in ("bindings", "max_bindings", "calls"):
        value = document.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
            raise MeasurementError(f'"{name}" is {str(value)[:40]!r}; expected a whole number from 0 to {_MAX_NUMBER}')
    return BindingCount(document["bindings"], document.get("max_bindings"), document.get("calls"))


def read_path(path: str) -> str:
    """The content of a file, or what a Unix stream socket sends until it closes.

    :raises OSError: the file or the socket cannot be read, or the path is neither.
    :raises MeasurementError: the content exceeds MAX_ANSWER_LENGTH.
    """
    if stat.S_ISSOCK(os.stat(path).st_mode):
        return _decode(path, _read_socket(path))
    with open_regular(path) as file:
        return _decode(path, file.read(MAX_ANSWER_LENGTH + 1))


def run_command(command: str) -> str:
    """The output of a command, which is split into words as a shell does, but not run by a shell.

    :raises OSError: the command cannot be started.
    :raises ValueError: a quotation in the command is not closed.
    :raises MeasurementError: it fails, takes longer than READ_TIMEOUT, or prints more than MAX_ANSWER_LENGTH.
    """
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, timeout=READ_TIMEOUT, check=True)
    except subprocess.CalledProcessError as error:
        output = error.stderr.decode(errors="replace").strip()[-200:]
        raise MeasurementError(f"{command!r} ended with status {error.returncode}: {output}") from None
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{command!r} took longer than {READ_TIMEOUT:.0f} s") from None
    return _decode(command, done.stdout)


class CallRate:
    """Calls per second over the last minute, from a counter of calls that is read at intervals."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def observe(self, calls: int, now: float) -> int:
        """Add a reading of the counter, and return the rate in whole calls per second.

        A counter that has decreased means that the home agent was restarted: the minute begins anew.
        """
        if self._seen and calls < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, calls))
        while len(self._seen) > 1 and self._seen[1][0] <= now - RATE_INTERVAL:
            self._seen.popleft()
        since, before = self._seen[0]
        return int((calls - before) // max(1.0, now - since))


class HomeAgentWeight:
    """The weight of the home agent on this machine; each call measures it.

    ``count_bindings`` returns the text for :func:`parse_binding_count`; without it the weight depends on processor and
    memory alone.

    A call raises OSError or ValueError (of which MeasurementError is one) if the home agent's counts are not available.
    """

    def __init__(
        self,
        count_bindings: Optional[Callable[[], str]] = None,
        max_bindings: Optional[int] = None,
        available_cps: Optional[int] = None,
        max_weight: int = DEFAULT_MAX_WEIGHT,
    ) -> None:
        self._count_bindings = count_bindings
        self._max_bindings = max_bindings
        self._available_cps = available_cps
        self._max_weight = max_weight
        self._rate = CallRate()
        self._measured = False
        psutil.cpu_percent()  # psutil measures from the call before

    def __call__(self) -> int:
        bindings, max_bindings, usage_cps = self._home_agent()
        load = HomeAgentLoad(
            bindings=bindings,
            max_bindings=max_bindings,
            cpu=free_share(psutil.cpu_percent(interval=None if self._measured else 0.1)),
            memory=free_share(psutil.virtual_memory().percent),
            usage_cps=usage_cps,
            available_cps=self._available_cps,
        )
        self._measured = True
        return dfp_weight(load, self._max_weight)

    def _home_agent(self) -> tuple[int, int, int]:
        """Bindings, the maximum of bindings, and calls per second."""
        if self._count_bindings is None:
            return 0, 1, 0
        count = parse_binding_count(self._count_bindings())
        max_bindings = count.max_bindings if self._max_bindings is None else self._max_bindings
        if max_bindings is None:
            raise MeasurementError('the home agent does not report "max_bindings"; give --max-bindings')
        if self._available_cps is None:
            return count.bindings, max_bindings, 0
        if count.calls is None:
            raise MeasurementError('the home agent does not report "calls", which --available-cps needs')
        return count.bindings, max_bindings, self._rate.observe(count.calls, time.monotonic())


def free_share(percent_used: float) -> int:
    """The free share for the weight's equation, 0 (none free) to 16 (all free), from a load in per cent."""
    return max(0, min(FULLY_FREE, round((100 - percent_used) * FULLY_FREE / 100)))


def _read_socket(path: str) -> bytes:
    deadline = time.monotonic() + READ_TIMEOUT
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(READ_TIMEOUT)
        connection.connect(path)
        while len(answer) <= MAX_ANSWER_LENGTH:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise socket.timeout("timed out")
            connection.settimeout(remaining)
            piece = connection.recv(MAX_ANSWER_LENGTH)
            if not piece:
                break
            answer += piece
    return answer


def _decode(name: str, answer: bytes) -> str:
    if len(answer) > MAX_ANSWER_LENGTH:
        raise MeasurementError(f"{name} returned more than {MAX_ANSWER_LENGTH} bytes; expected a number or JSON")
    return answer.decode(errors="replace").strip()
