"""What a shell completes behind ``haslb``, and that each command says its version."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable

import pytest

from haslb_lab import command_line as lab
from ryu_haslb import product
from ryu_haslb.cli import command_line, completion
from ryu_haslb.cli.parsers import PARSERS
from ryu_haslb.control.command_table import COMMANDS
from ryu_haslb.dfp import command_line as dfp_agent


def completed(tmp_path: Path, *words: str) -> list[str]:
    """The completions while no balancer runs."""
    return [word for word, _ in completion.completions(words, str(tmp_path / "absent"))]


def test_the_first_word_can_be_each_command(tmp_path: Path) -> None:
    first_words = {command.template.split()[0] for command in COMMANDS if command.template[0] != "{"}
    assert first_words | {"run", "exit"} <= set(completed(tmp_path, ""))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["show", "ip", "slb", "re"], ["reals"]),
        (["--control", "/run/other.sock", "retir"], ["retire"]),
        (["configure", "--f"], ["--from-file"]),
        (["--con"], ["--control"]),
        (["check", "--"], ["--help", "--secrets", "--version"]),
        (["run", "farm.ios", "--http-"], ["--http-token-file"]),
        (["cluster", "c"], ["create"]),
        (["cluster", "create", "--"], ["--file", "--help", "--port", "--raft-port", "--ssl"]),
        (["cluster", "join", "192.0.2.1", "--s"], ["--ssl"]),
        (["cluster", "join", ""], []),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["completion", "bash", ""], []),
        (["--"], ["--control", "--help", "--version"]),
        (["check", "farm"], []),
        (["check", ""], []),
        (["cluster", ""], ["create", "join", "schema"]),
        (["frobnicate", ""], []),
        (["show", "'ip"], []),
    ],
)
def test_words_and_options_are_completed(tmp_path: Path, words: list[str], expected: list[str]) -> None:
    assert completed(tmp_path, *words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["configure", "/etc/ha"], True),
        (["configure", "replace", ""], True),
        (["check", ""], True),
        (["run", "farm.ios", "--ca-certs", ""], True),
        (["--control", ""], True),
        (["show", "ip", "slb", "sessions", "vserver", ""], False),
        (["--control", "/run/other.sock", "show", "ip", "slb", "reals", "sfarm", ""], False),
        (["frobnicate", ""], False),
        (["show", "'ip"], False),
    ],
)
def test_files_are_offered_only_where_one_can_stand(tmp_path: Path, words: list[str], expected: bool) -> None:
    assert completion.takes_file(words, str(tmp_path / "absent")) is expected
    assert completion.run(["words", *words], str(tmp_path / "absent")) == (0 if expected else 1)


def test_bash_offers_what_haslb_prints(tmp_path: Path) -> None:
    haslb = tmp_path / "haslb"
    haslb.write_text("#!/bin/sh\nprintf 'reals\\tReal servers\\nredo\\t%s\\n' \"$*\"\n")
    haslb.chmod(0o755)
    script = completion.SCRIPTS["bash"] + 'COMP_WORDS=(haslb show re); COMP_CWORD=2; _haslb; echo "${COMPREPLY[@]}"'
    run = ["bash", "-c", f'PATH="{tmp_path}:$PATH"\n{script}']
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "reals redo\n"


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_each_shell_has_a_script_that_asks_haslb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["completion", shell]) == 0
    assert "haslb completion words" in capsys.readouterr().out


@pytest.mark.parametrize("main", [command_line.main, dfp_agent.main, lab.main])
def test_each_command_prints_the_version(main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"{product()}\n"


@pytest.mark.parametrize("parser", PARSERS.values())
def test_each_command_that_argparse_reads_has_a_version(parser: Callable[[], object]) -> None:
    assert "--version" in vars(parser())["_option_string_actions"]
