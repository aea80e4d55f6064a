"""The file that a balancer is started with: whether it has changed since it was read, and how it is written.

``write memory`` makes it the configuration in force. It is replaced in one step, so that a crash leaves the file as it
was or as it is to be, and only if it is still the file that was read.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from typing import NamedTuple, Optional

from ryu_haslb.errors import HaslbError

#: The mode of a file that was not there.
_NEW_MODE = 0o600


class StartupFileError(HaslbError):
    """The file was not written; the text says why, and what to do."""


class Signature(NamedTuple):
    """What tells a version of a file from another one without reading it."""

    device: int
    inode: int
    size: int
    modified: int


class StartupFile:
    """The file at ``path``. Its first version is the one that is there now: read it after this."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._read = _signature(path)

    def seen(self, path: str) -> Optional[Signature]:
        """The version that is there now, if ``path`` names this file; to be taken before the file is read."""
        with suppress(OSError, ValueError):
            if os.path.samefile(path, self.path):
                return _signature(self.path)
        return None

    def record(self, seen: Optional[Signature]) -> None:
        """What is in force comes from this version of the file; None stands for another file."""
        if seen is not None:
            self._read = seen

    def write(self, text: str, *, is_forced: bool = False) -> None:
        """Replace the file; its mode and owner stay. To be called in a thread, since disks may be slow.

        A file that has changed since it was read is replaced only if that ``is_forced``.

        Raises: StartupFileError; then the file is as it was.
        """
        path = os.path.realpath(self.path)
        if _signature(path) != self._read and not is_forced:
            raise StartupFileError(
                f"{self.path} has changed on disk since it was read; 'configure --from-file --dry-run' shows how it "
                "differs, 'write memory --yes' overwrites it"
            )
        try:
            _replace(path, text.encode("utf-8"))
        except OSError as error:
            raise StartupFileError(f"cannot write {self.path}: {error.strerror}{_advice(error, path)}") from error
        self._read = _signature(path)

    def is_open_to_others(self) -> bool:
        """Whether others than the owner may read the file."""
        with suppress(OSError):
            return bool(stat.S_IMODE(os.stat(self.path).st_mode) & (stat.S_IRGRP | stat.S_IROTH))
        return False


def _advice(error: OSError, path: str) -> str:
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ""
    return (
        f"; the balancer's user must be allowed to make files in {os.path.dirname(path)}, with the owner and group of "
        "this one; under systemd see ReadWritePaths"
    )


def _signature(path: str) -> Optional[Signature]:
    """The version of a file; None if there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _replace(path: str, data: bytes) -> None:
    """Write a new file beside it, have it on the disk, and rename it. Raises: OSError."""
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            _keep_mode_and_owner(path, stream.fileno())
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    with suppress(OSError):  # the file is replaced; some file systems have no fsync of a directory
        _sync_directory(directory)


def _keep_mode_and_owner(path: str, descriptor: int) -> None:
    try:
        before = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, _NEW_MODE)
        return
    now = os.fstat(descriptor)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
