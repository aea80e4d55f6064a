"""Opens regular files only: a pipe would block the process, and a device may have no end.

A process of root that follows a symbolic link writes what the owner of the link wants. The directories on the way are
the operator's choice.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import BinaryIO, Union

AnyPath = Union[str, os.PathLike[str]]


def open_regular(path: AnyPath) -> BinaryIO:
    """Open a regular file, or one that a symbolic link leads to, to read it.

    Raises: OSError, without waiting if it is a pipe, a device or another kind of file.
    """
    return os.fdopen(_open_regular(path, os.O_RDONLY), "rb")


def open_own(path: str, flags: int, mode: int) -> int:
    """Open a regular file that belongs to this user and has no other hard link; create it if it does not exist.

    Returns: its descriptor.

    Raises: OSError, also for a symbolic link and for a file of another user.
    """
    descriptor = _open_regular(path, flags | os.O_CREAT | os.O_NOFOLLOW, mode)
    found = os.fstat(descriptor)
    if found.st_uid == os.geteuid() and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EPERM, "not a file of this user alone", path)


def _open_regular(path: AnyPath, flags: int, mode: int = 0) -> int:
    """Look before the file is opened: to open a device may start it, and the writer of a pipe would lose its reader."""
    with suppress(FileNotFoundError):  # it may have to be created
        _check_regular(path, os.stat(path, follow_symlinks=not flags & os.O_NOFOLLOW))
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, mode)
    try:
        _check_regular(path, os.fstat(descriptor))  # another file may have taken its place
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: AnyPath, found: os.stat_result) -> None:
    """Raises: OSError. A symbolic link is left to ``os.open``, which follows it or names it."""
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
