"""One lab at a time on one machine.

The claim is an abstract Unix socket: it leaves no file, and the kernel drops it when its last holder ends, however that
happens. The lab's janitor inherits it, so a new lab waits until the last one has been swept.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from pathlib import Path
from typing import Optional

from haslb_lab.errors import LabError

NAME = "\0haslb-lab"

#: Seconds that a new lab waits for the janitor of one that was killed.
JANITOR_TIMEOUT = 15.0


#: How often it may be asked who the owner is: nobody accepts these connections, so each stays until the lab ends.
_MAX_INQUIRIES = 4096


class TakenError(LabError):
    """Another lab is running."""


def claim() -> socket.socket:
    """Take the claim; closing the socket gives it back.

    Where the last lab's own process is gone its janitor is still sweeping: that is waited for. Raises
    :class:`TakenError` when the claim has a living owner, :class:`LabError` when the janitor does not finish.
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
                raise LabError("the janitor of the last lab does not finish; look for it with: pgrep -fa janitor.py")
            raise TakenError(f"another lab is running (process {owner}); wait for it or end it: kill {owner}")


def be_owner(holder: socket.socket) -> None:
    """Be known as the claim's owner from now on: the kernel remembers who listened last."""
    holder.listen(_MAX_INQUIRIES)


def is_held() -> bool:
    """Whether a lab, or its janitor, is there; asked without knocking, as often as one likes."""
    entries = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    return any(entry[-1] == NAME.replace("\0", "@") for entry in entries)


def owner() -> Optional[int]:
    """The process that runs a lab; None if there is none."""
    return _wait_for_release(0)


def _wait_for_release(seconds: float) -> Optional[int]:
    """Return the living owner's process, or wait until the claim may be free.

    The kernel remembers who began to listen. Our connection is never accepted: it is reset when the last holder closes.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        try:
            visitor.settimeout(max(seconds, 0.01))
            visitor.connect(NAME)
        except OSError:
            return None
        owner, _user, _group = struct.unpack("3i", visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if _is_alive(int(owner)):
            return int(owner)
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
