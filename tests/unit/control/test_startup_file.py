"""``write memory``: the file of the start, replaced in one step, and never over a version that was not read."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from control_process import Application

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import load
from ryu_haslb.control import configuring
from ryu_haslb.control.execution import execute
from ryu_haslb.control.startup_file import StartupFile, StartupFileError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "haslb.ios"
    path.write_text("before\n")
    path.chmod(0o640)
    return path


def run(application: Application, command: str) -> list[str]:
    return [line for line in execute(application, command.split()).lines if line is not None]


def test_what_is_in_force_is_in_the_file_with_its_mode(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    application = Application()
    application.startup_file = StartupFile(str(path))
    configuring.apply_commands(application, "ip slb dfp password cisco", "command")
    caplog.set_level(logging.INFO)
    assert run(application, "write memory") == [
        f"{path}: {len(path.read_text().splitlines())} lines written",
        "it holds passwords or keys, and others than its owner may read it: chmod 600",
    ]
    assert caplog.messages[-1] == f"%SLB-5-CONFIG: by=console written to {path}"
    text = write_configuration(application.configuration)
    assert path.read_text() == f"! written by 'write memory'; the last line is 'end'\n{text}end\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == ["haslb.ios"]
    assert run(application, "write memory")[0].endswith("lines written"), "the balancer's own change is no other's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_the_owner_stays(path: Path) -> None:
    os.chown(path, 1234, 5678)
    StartupFile(str(path)).write("after\n")
    assert (path.stat().st_uid, path.stat().st_gid, path.read_text()) == (1234, 5678, "after\n")


def test_a_file_that_has_changed_since_it_was_read_is_not_overwritten_silently(path: Path) -> None:
    file = StartupFile(str(path))
    path.write_text("edited meanwhile\n")
    with pytest.raises(StartupFileError, match=r"has changed on disk since it was read; .*--dry-run.* --yes"):
        file.write("after\n")
    assert path.read_text() == "edited meanwhile\n"
    file.write("after\n", is_forced=True)
    assert path.read_text() == "after\n"


def test_a_file_that_was_read_again_may_be_overwritten(path: Path, tmp_path: Path) -> None:
    application = Application()
    application.startup_file = StartupFile(str(path))
    path.write_text("ip slb serverfarm OTHER\n")
    assert run(application, "write memory")[0].startswith(f"% {path} has changed on disk")
    other = tmp_path / "other.ios"
    other.write_text("ip slb serverfarm OTHER\n")
    configuring.apply_file(application, str(other))
    assert run(application, "write memory")[0].startswith(f"% {path} has changed on disk")
    configuring.apply_file(application, str(path))
    assert run(application, "write memory") == [f"{path}: {len(path.read_text().splitlines())} lines written"]


def test_a_file_that_is_gone_is_written_anew_for_its_owner_alone(path: Path) -> None:
    file = StartupFile(str(path))
    path.unlink()
    with pytest.raises(StartupFileError, match="has changed on disk"):
        file.write("after\n")
    file.write("after\n", is_forced=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.ios"
    link.symlink_to(path)
    StartupFile(str(link)).write("after\n")
    assert link.is_symlink() and path.read_text() == "after\n"


@pytest.mark.parametrize("call", ["fsync", "rename", "fchmod"])
def test_a_write_that_fails_leaves_the_file_as_it_was(path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StartupFileError, match=rf"^cannot write {path}: No space left on device$"):
        StartupFile(str(path)).write("after\n")
    assert path.read_text() == "before\n"
    assert os.listdir(path.parent) == ["haslb.ios"]


def test_a_file_is_written_also_where_a_directory_has_no_fsync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced by then: a message that it was not written would be wrong, and refuse the next write."""
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    file = StartupFile(str(path))
    file.write("after\n")
    file.write("again\n")
    assert path.read_text() == "again\n"


def test_a_directory_that_cannot_be_written_is_said_with_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(StartupFileError, match=f"Read-only file system; .* files in {path.parent}.*ReadWritePaths"):
        StartupFile(str(path)).write("after\n")


def test_a_yaml_file_stays_yaml(tmp_path: Path) -> None:
    path = tmp_path / "haslb.yaml"
    path.write_text("")
    application = Application()
    application.startup_file = StartupFile(str(path))
    assert run(application, "write memory")[0].startswith(f"{path}: ")
    assert "\nserverfarms:\n" in path.read_text()
    assert load(path).configuration == application.configuration
