"""Regular files alone are opened; to be written, only where no other user may have put something else."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Callable

import pytest

from ryu_haslb import engine
from ryu_haslb.regular_file import open_own, open_regular


def symbolic_link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def hard_link(path: Path, target: Path) -> None:
    os.link(target, path)


def dangling_link(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("not there"))


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


TRAPS = (symbolic_link, hard_link, dangling_link, pipe)


@pytest.mark.parametrize("lay", TRAPS)
def test_what_leads_elsewhere_is_not_opened(tmp_path: Path, lay: Callable[[Path, Path], None]) -> None:
    target = tmp_path / "target"
    target.write_text("as it was")
    lay(tmp_path / "file", target)
    with pytest.raises(OSError):
        open_own(str(tmp_path / "file"), os.O_WRONLY, 0o600)
    with pytest.raises(SystemExit, match=r"--pid-file .*; remove what is there, or name another file"):
        engine._write_pid(str(tmp_path / "file"))
    assert target.read_text() == "as it was"
    assert not (tmp_path / "not there").exists()


def test_a_file_of_another_user_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("as it was")
    owner = (tmp_path / "file").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(OSError, match="not a file of this user alone"):
        open_own(str(tmp_path / "file"), os.O_WRONLY, 0o600)
    assert (tmp_path / "file").read_text() == "as it was"


def test_the_process_id_replaces_what_an_earlier_run_has_left(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("12345678901")
    engine._write_pid(str(tmp_path / "pid"))
    engine._write_pid(str(tmp_path / "new"))
    assert {(tmp_path / each).read_text() for each in ("pid", "new")} == {str(os.getpid())}


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir, unix_socket, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_regular_file_is_not_read_nor_waited_for(tmp_path: Path, made: Callable[[Path], None]) -> None:
    made(tmp_path / "file")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "file")


def test_what_is_no_regular_file_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a device may start it, and the writer of a pipe would lose its reader."""
    opened: list[object] = []
    monkeypatch.setattr("os.open", lambda *words: opened.append(words))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(path)
    assert not opened


def test_a_file_is_read_behind_a_symbolic_link_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open_regular(tmp_path / "link") as opened:
        assert opened.read() == b"content"
