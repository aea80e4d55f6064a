"""One lab at a time on one machine.

The claim is an abstract Unix socket. It leaves no file, and the kernel closes it when the last process that holds it
ends, for any reason. The lab's janitor inherits it, so a new lab waits until everything of the last one is removed.
"""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path
from typing import Optional

from haslb_lab.errors import LabError
from ryu_haslb.control.listener import process_of

NAME = "\0haslb-lab"

#: Seconds that a new lab waits for the janitor of a lab that was killed.
JANITOR_TIMEOUT = 60.0


#: How often other processes may ask for the owner. Each asks by a connection that stays until the lab ends.
_MAX_INQUIRIES = 4096


class TakenError(LabError):
    """Another lab is running."""


def claim() -> socket.socket:
    """Take the claim; closing the socket gives it back.

    If the last lab's process has ended and its janitor is still at work, wait for the janitor. Raises: TakenError when
    a process that is alive owns the claim, LabError when the janitor does not finish.
    """
    deadline = time.monotonic() + JANITOR_TIMEOUT
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while True:
        try:
            holder.bind(NAME)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            be_owner(holder)
            return holder
        remaining = deadline - time.monotonic()
        owner = _wait_for_release(remaining)
        if owner is not None or remaining <= 0:
            holder.close()
            if owner is None:
                raise LabError("the janitor of the last lab does not finish; find it with: pgrep -fa janitor.py")
            raise TakenError(f"another lab is running (process {owner}); wait for it or end it: kill {owner}")


def be_owner(holder: socket.socket) -> None:
    """Make this process the owner of the claim: the kernel records the process that called listen() last."""
    holder.listen(_MAX_INQUIRIES)


def is_held() -> bool:
    """Whether a lab or its janitor holds the claim. May be asked any number of times: it makes no connection."""
    entries = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    return any(entry[-1] == NAME.replace("\0", "@") for entry in entries)


def owner() -> Optional[int]:
    """The process id of the running lab; None if there is none."""
    return _wait_for_release(0)


def _wait_for_release(seconds: float) -> Optional[int]:
    """Return the owner's process id if it is alive, else None once the claim may be free, after ``seconds`` at most.

    The kernel knows the process that listens. The connection is never accepted, and is reset when the last holder ends.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        try:
            visitor.settimeout(max(seconds, 0.01))
            visitor.connect(NAME)
        except OSError:
            return None
        owner = process_of(visitor)
        if _is_alive(owner):
            return owner
        try:
            visitor.recv(1)
        except OSError:
            return None
    return None


def _is_alive(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as status:
            return status.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False
