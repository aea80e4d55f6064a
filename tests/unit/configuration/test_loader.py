"""Loading a file: its form, and everything that keeps a file from being read."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path
from typing import Callable

import pytest

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import MAX_FILE_SIZE, framed, load
from ryu_haslb.configuration.model import Configuration, ServerFarm
from ryu_haslb.configuration.yaml.writer import write_yaml
from ryu_haslb.language.diagnostics import ConfigurationError


def error(path: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["slb.ios", "slb.conf", "slb", "slb.yaml.txt"])
def test_a_file_is_in_the_language_of_ios(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("ip slb serverfarm F\n")
    loaded = load(tmp_path / name)
    assert loaded.configuration.farms == {"F": ServerFarm("F")}
    assert str(loaded.warnings[0]).startswith(f"{tmp_path / name}:1: ")


@pytest.mark.parametrize("name", ["slb.yaml", "slb.yml"])
def test_a_file_whose_name_says_so_is_yaml(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("serverfarms: {F: }\n")
    assert load(str(tmp_path / name)).configuration.farms == {"F": ServerFarm("F")}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert error(tmp_path / "x") == f"{tmp_path / 'x'}: cannot be read: No such file or directory; expected a file"


def test_a_directory(tmp_path: Path) -> None:
    assert "cannot be read: not a regular file; expected a file" in error(tmp_path)


def test_an_empty_file_is_an_error_and_no_configuration_without_commands(tmp_path: Path) -> None:
    """A full disk leaves empty files; one that replaced the configuration in force would end every session."""
    path = tmp_path / "slb.ios"
    for text in ("", "\n  \n"):
        path.write_text(text)
        assert error(path) == f"{path}: empty; expected a configuration, or the line '!' for one without commands"
    path.write_text("!\n")
    assert load(path).configuration == Configuration()


CHAPTER = Path(__file__).parents[3] / "topologies" / "chapter" / "2-dispatched-dfp.ios"


@pytest.mark.parametrize(("name", "write"), [("slb.ios", write_configuration), ("slb.yaml", write_yaml)])
@pytest.mark.parametrize("of", [load(CHAPTER).configuration, Configuration()], ids=["the chapter's", "empty"])
def test_a_written_file_that_was_cut_off_at_the_end_of_a_line_is_refused(
    tmp_path: Path, name: str, write: Callable[[Configuration], str], of: Configuration
) -> None:
    """Half a configuration may be valid; in force it would end the sessions of the other half."""
    path = tmp_path / name
    lines = framed(write(of), str(path)).splitlines(keepends=True)
    path.write_text("".join(lines))
    assert load(path).configuration == of
    for count in range(1, len(lines)):
        path.write_text("".join(lines[:count]))
        assert "cut off: line 1 says that this file ends with " in error(path)
    path.write_text("".join(lines) + "\n# ours\n".replace("#", "!" if name == "slb.ios" else "#"))
    assert load(path).configuration == of, "a line below the last one"


@pytest.mark.parametrize("heading", ["Building configuration...\n\n", "\nCurrent configuration : 99 bytes\n"])
def test_a_running_configuration_that_was_cut_off_has_a_warning(tmp_path: Path, heading: str) -> None:
    """IOS ends its output of ``show running-config`` with ``end``; who copies a part of it leaves that out."""
    path = tmp_path / "slb.ios"
    path.write_text(f"{heading}ip slb serverfarm F\n")
    loaded = load(path)
    assert loaded.configuration.farms == {"F": ServerFarm("F")}
    (warning,) = (each for each in loaded.warnings if "cut off" in each.text)
    assert "it may be cut off: expected 'end' at the end of the configuration that line " in warning.text
    path.write_text(f"{heading}ip slb serverfarm F\nend\n")
    assert not any("cut off" in each.text for each in load(path).warnings)


def test_a_path_that_no_file_can_have() -> None:
    assert "cannot be read" in error("a\0b")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service has a user of its own: root, who has copied the file, may read it."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    user = pwd.getpwuid(os.geteuid()).pw_name
    path = tmp_path / "slb.ios"
    assert error(path) == f"{path}: cannot be read: Permission denied; expected a file that the user {user} may read"


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    """Remarks and banners hold what a terminal has sent; YAML is UTF-8, and a null byte is in no text."""
    path = tmp_path / "slb.ios"
    path.write_bytes(b"!\n! caf\xe9\n")
    assert [str(warning) for warning in load(path).warnings] == [f"{path}:2: not UTF-8; the file is read as Latin-1"]
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        path.write_bytes("!\n!\n".encode(encoding))
        assert error(path) == f"{path}:1: not UTF-8, it has null characters; expected text"
    path.write_bytes(b"!\n! caf\xe9\n\0")
    assert error(path) == f"{path}:3: not UTF-8, it has null characters; expected text"
    path = tmp_path / "slb.yaml"
    path.write_bytes(b"# caf\xe9\n")
    assert error(path) == f"{path}:1: not UTF-8; expected text"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "slb.ios"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE_SIZE + 1)
    assert error(path) == f"{path}: too large; expected at most 16 MiB"
