"""Opens a file to write it, unless another user could have it lead elsewhere or change it.

A process of root that follows a symbolic link writes what the owner of the link wants. The directories on the way are
the operator's choice.
"""

from __future__ import annotations

import errno
import os
import stat


def open_own(path: str, flags: int, mode: int) -> int:
    """The descriptor of a regular file that belongs to this user, and has one name; one that is not there is made.

    Raises: OSError, also for a symbolic link and for a file of another user.
    """
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not stop the process
    descriptor = os.open(path, flags, mode)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EPERM, "not a file of this user alone", path)
