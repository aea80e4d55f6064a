"""``haslb cluster`` makes files for real database servers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ryu_haslb.cli.command_line import main
from ryu_haslb.cluster.servers import SCHEMA

with_ovsdb_tool = pytest.mark.skipif(shutil.which("ovsdb-tool") is None, reason="needs openvswitch-common")


def name_of_database(file: Path) -> str:
    """What ``ovsdb-tool`` says of the database in a file."""
    words = ["ovsdb-tool", "db-name", str(file)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@with_ovsdb_tool
def test_three_files_are_made_and_each_answer_is_the_command_that_starts_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "a" / f"{number}.db" for number in range(3)]
    assert main(["cluster", "create", "192.0.2.1", "--file", str(files[0])]) == 0
    for number in (1, 2):
        own = f"192.0.2.{number + 1}"
        assert main(["cluster", "join", own, "192.0.2.1", "--file", str(files[number])]) == 0
    commands = capsys.readouterr().out.splitlines()
    assert [command.split()[:2] for command in commands] == [["ovsdb-server", str(file)] for file in files]
    assert all("--remote=db:HASLB,Cluster,connections" in command for command in commands)
    assert [name_of_database(file) for file in files] == ["HASLB"] * 3


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "haslb.db"
    file.write_text("precious")
    assert main(["cluster", "create", "192.0.2.1", "--file", str(file)]) == 1
    assert "is there already; remove it, or name another with --file" in capsys.readouterr().err
    assert file.read_text() == "precious"


def test_the_schema_that_the_package_brings_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "schema"]) == 0
    assert capsys.readouterr().out == f"{SCHEMA}\n"
    assert SCHEMA.is_file()


@pytest.mark.parametrize("words", [["create"], ["create", "host.example"], ["join", "192.0.2.2"], ["leave"]])
def test_words_that_make_no_command_are_an_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["cluster", *words])
    assert error.value.code == 2
    assert "usage: haslb cluster" in capsys.readouterr().err


def test_without_ovsdb_tool_the_package_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["cluster", "create", "192.0.2.1", "--file", str(tmp_path / "haslb.db")]) == 1
    assert "apt-get install openvswitch-common" in capsys.readouterr().err
