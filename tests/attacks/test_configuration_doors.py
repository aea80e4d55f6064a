"""Attacks on the doors of the configuration: paths that are no files, secrets in what is logged of a change."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from control_process import Application

from ryu_haslb.configuration.ios.password import encrypt
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.loader import MAX_FILE_SIZE
from ryu_haslb.configuration.yaml.writer import write_yaml
from ryu_haslb.control import configuring, execution, reloading
from ryu_haslb.control.startup_file import StartupFile
from ryu_haslb.log_limit import LogFilter

SECRETS = ("s3cr3tPassword", "s3cr3tKey0ne", "s3cr3tKeyTw0")
FORMS = (*SECRETS, *map(encrypt, SECRETS), "s3cr3t")
#: Each command of a running configuration that holds a secret, whole, wrong, and taken back.
IOS = f"""\
ip slb dfp password 0 {SECRETS[0]} 60
 agent 10.1.1.51 500
crypto isakmp policy 1
 authentication pre-share
crypto isakmp key {SECRETS[1]} address 15.1.1.51
crypto isakmp key 0 {SECRETS[2]} address 15.1.1.52 255.255.255.255
crypto ipsec transform-set SET esp-aes esp-sha-hmac
access-list 101 permit ip host 10.1.1.10 host 15.1.1.51
crypto map MAP 10 ipsec-isakmp
 set peer 15.1.1.51
 set transform-set SET
 match address 101
interface Vlan15
 ip address 10.1.1.15 255.0.0.0
 crypto map MAP
"""
YAML = write_yaml(read_configuration(IOS, "test")[0])
WRONG = (
    f"ip slb dfp password 0 {SECRETS[0]} 60 60",
    f"crypto isakmp key {SECRETS[1]} adress 15.1.1.51",
    f"crypto isakmp key {SECRETS[1]} address 15.1.1",
    f"ip slb dfp password 0 {SECRETS[0]} {SECRETS[1]}",
    f"crypto isakmp key 6 {SECRETS[1]} {SECRETS[2]} address 15.1.1.51",
    f"no crypto isakmp key {SECRETS[2]} address 15.1.1.9",
)


class Recorder(logging.Handler):
    """Keeps what is logged at any level, as the handlers of the product format it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.addFilter(LogFilter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(name="log")
def recorder() -> Any:
    log, root = Recorder(), logging.getLogger()
    before = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    yield log
    root.removeHandler(log)
    root.setLevel(before)


def require_no_secret(text: str) -> None:
    assert [form for form in FORMS if form in text] == [], text


def run(application: Application, *words: str) -> str:
    """What a command answers to root, errors included."""
    try:
        return "\n".join(line for line in execution.execute(application, words, True).lines if line is not None)
    except Exception as error:
        return str(error)


@pytest.mark.parametrize(("suffix", "text"), [(".ios", IOS), (".yaml", YAML)])
def test_no_secret_stands_in_any_line_that_a_change_logs_or_answers(
    tmp_path: Path, log: Recorder, suffix: str, text: str
) -> None:
    """By a file, by SIGHUP, by commands; applied, shown before, taken back, confirmed and rolled back."""
    application = Application()
    file, without = tmp_path / f"secret{suffix}", tmp_path / f"without{suffix}"
    file.write_text(text)
    without.write_text("!\n" if suffix == ".ios" else "{}\n")
    answers = [
        run(application, "configure", "replace", str(file), option) for option in ("--dry-run", "--yes", "--yes")
    ]
    assert application.configuration.dfp is not None
    answers.append(run(application, "configure", "confirm", "5"))
    answers.append(run(application, "configure", "replace", str(without), "--yes"))
    answers.append(run(application, "configure", "revert", "now"))
    application.startup_file = StartupFile(str(without))
    reloading.reload(application, None)
    application.startup_file = StartupFile(str(file))
    reloading.reload(application, None)
    answers += [run(application, "show", "running-config"), run(application, "show", "logging")]
    assert "%SLB-5-CONFIG" in "\n".join(log.lines)
    for each in (*answers, *log.lines):
        require_no_secret(each)


@pytest.mark.parametrize("line", [*IOS.splitlines(), *WRONG])
def test_no_secret_stands_in_what_a_command_logs_or_answers(log: Recorder, line: str) -> None:
    """Each line by itself, whether it can stand by itself or not, and its ``no`` form."""
    application = Application()
    for command in (line.strip(), f"no {line.strip()}", f"{line.strip()} trailing"):
        require_no_secret(run(application, "config", *command.split(" ")))
    for each in log.lines:
        require_no_secret(each)


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE_SIZE + 1)


NO_FILES = {
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": lambda path: path.mkdir(),
    "a loop": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
    "a pipe": os.mkfifo,
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "an endless one": lambda path: path.symlink_to("/proc/kcore") if os.path.exists("/proc/kcore") else _sparse(path),
    "one that is too large": _sparse,
    "one without text": lambda path: path.write_bytes(bytes(100)),
}


@pytest.mark.parametrize("made", NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("merged", [False, True])
def test_what_is_no_file_of_commands_is_refused_in_words_and_changes_nothing(
    tmp_path: Path, made: Any, merged: bool
) -> None:
    application = Application()
    before, path = application.configuration, tmp_path / "file.ios"
    made(path)
    words = ["configure", str(path), "--yes"] if merged else ["configure", "replace", str(path), "--yes"]
    answer = run(application, *words)
    assert "nothing was changed" in answer
    assert str(path) in answer
    assert application.configuration is before


@pytest.mark.parametrize("path", ["", "\0", "a\0b", "/" * 5000, "x" * 5000, "/proc/self/fd/99999", "\ud800"])
def test_what_is_no_path_is_refused_in_words(path: str) -> None:
    application = Application()
    before = application.configuration
    assert "nothing was changed" in run(application, "configure", "replace", path, "--yes") or not path
    assert application.configuration is before
    assert configuring.apply_commands(application, "", "test").changes == ()
