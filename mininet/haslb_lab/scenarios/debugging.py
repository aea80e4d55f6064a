"""The output of the balancer's ``debug ip slb sessions ipmobile`` while sessions open and close."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import Lab
from haslb_lab.scenarios.comparison import shape
from haslb_lab.scenarios.state import Running

#: Seconds that an event may take: a session without requests ends after ten.
_EVENT_TIMEOUT = 60.0

_READ_SIZE = 1 << 16
_FIRST_LINE = re.compile(r"SLB_SESSION_IPMOBILE: (?:client =|event= IPMOBILE_TIMEOUT)")


class Debugging:
    """A debug command that runs in the background. Use it as a context manager."""

    def __init__(self, lab: Lab, command: str) -> None:
        self._lab = lab
        self._command = command
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._received = b""

    def __enter__(self) -> Debugging:
        self._socket.connect(str(Running.control(CONTROLLER)))
        self._socket.sendall(f"{self._command}\n".encode())
        self._lab.query(CONTROLLER, "show ip slb stats")  # its answer means that the command before has started
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def lines_like(self, chapter: Sequence[str]) -> list[str]:
        """The lines of the events that the chapter prints; after a time-out, those of the events so far."""
        deadline = time.monotonic() + _EVENT_TIMEOUT
        while not (found := events_like(chapter, self._lines()))[1] and (left := deadline - time.monotonic()) > 0:
            self._receive(left)
        return found[0]

    def _lines(self) -> list[str]:
        return self._received.decode("utf-8", "replace").rpartition("\n")[0].splitlines()

    def _receive(self, seconds: float) -> None:
        self._socket.settimeout(seconds)
        try:
            received = self._socket.recv(_READ_SIZE)
        except socket.timeout:
            return
        if not received:
            raise LabError(f"the balancer ended: {self._command}")
        self._received += received


def events_like(chapter: Sequence[str], here: Sequence[str]) -> tuple[list[str], bool]:
    """The lines of events with the shape of the chapter's, one event for each, and whether all were found.

    If one is missing another event takes its place, as long as there are any.
    """
    events = _events(here)
    chosen: list[list[str]] = []
    complete = True
    for wanted in _events(chapter):
        alike = next((event for event in events if _shapes(event) == _shapes(wanted)), None)
        complete = complete and alike is not None
        if alike is None and events:
            alike = events[0]
        if alike is not None:
            events.remove(alike)
            chosen.append(alike)
    return [line for event in chosen for line in event], complete


def _events(lines: Sequence[str]) -> list[list[str]]:
    events: list[list[str]] = []
    for line in lines:
        if _FIRST_LINE.search(line) or not events:
            events.append([])
        events[-1].append(line)
    return events


def _shapes(event: Sequence[str]) -> list[str]:
    return [shape(line) for line in event]
