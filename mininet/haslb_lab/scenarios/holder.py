"""Hands a lab over to a process that keeps it up after the command has ended, and ends it."""

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

#: Seconds in which a process that runs a lab ends: it removes the lab first, which takes long on a busy machine.
END_TIMEOUT = 120


def hand_over(lab: Lab) -> int:
    """Hand the lab over to a new process, the holder, and return its id. The caller must not use the lab any more.

    The holder only waits. When it ends for any reason the janitor removes the lab. Raises: LabError.
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
                raise LabError("the process that was to keep the lab up has ended; try again")
    except BaseException:  # such as an interrupt: the janitor waits as long as there is a holder
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
    """End the scenario that is up and wait until it is removed. Returns its name; "" if none was up.

    Raises: LabError.
    """
    if os.geteuid() != 0:
        raise LabError("ending a lab needs root; try again with sudo")
    up = state.running()
    owner = claim.owner()
    if owner is not None:
        if up is None:
            raise LabError(f"the lab that is running (process {owner}) is not a scenario; end it: kill {owner}")
        _end(owner)
    with suppress(claim.TakenError), claim.claim():  # a lab that holds the claim now has found nothing left
        if complaints := janitor.sweep():
            raise LabError(f"cannot remove all of the lab: {'; '.join(complaints)}")
    return "" if up is None else up.scenario


def _end(process: int) -> None:
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], END_TIMEOUT)[0]:
                raise LabError(f"process {process}, which runs the lab, does not end; try: kill -9 {process}")
        finally:
            os.close(descriptor)
