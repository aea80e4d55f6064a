"""A lab that outlives the command that brought it up: handed over to a process of its own, and ended."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from haslb_lab.errors import LabError
from haslb_lab.runner import claim, janitor
from haslb_lab.runner.lab import Lab
from haslb_lab.scenarios import state


def hand_over(lab: Lab) -> int:
    """Let a process of its own hold the lab, and return its id; this process must do no more with the lab.

    The holder does nothing. When it ends, by whatever signal, the janitor sweeps.
    """
    sys.stdout.flush()
    reading, writing = os.pipe()
    holder = os.fork()
    if not holder:
        _hold(lab, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as holds:
            if not holds.read(1):
                raise LabError("the process that is to hold the lab ended; try again")
    except BaseException:  # an interrupt, for one: as long as there is a holder the janitor waits
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        raise
    return holder


def _hold(lab: Lab, tell: int) -> NoReturn:
    try:
        os.setsid()
        lab.adopt()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.write(tell, b"!")
        os.close(tell)
        while True:
            signal.pause()
    finally:
        os._exit(1)


def stop() -> str:
    """End the scenario that is up, wait until nothing is left of it, and return its name; "" if none was up."""
    if os.geteuid() != 0:
        raise LabError("ending a lab needs root; try again with sudo")
    up = state.running()
    owner = claim.owner()
    if owner is not None:
        if up is None:
            raise LabError(f"the lab that is running (process {owner}) is no scenario; end it: kill {owner}")
        _end(owner)
    with suppress(claim.TakenError), claim.claim():  # who has taken it by now has found nothing left
        if complaints := janitor.sweep():
            raise LabError(f"something stays behind: {'; '.join(complaints)}")
    return "" if up is None else up.scenario


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], janitor.COMMAND_TIMEOUT)[0]:
                raise LabError(f"process {process}, which runs the lab, does not end; try: kill -9 {process}")
        finally:
            os.close(descriptor)
