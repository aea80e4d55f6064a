"""`haslb check FILE` in a shell: output, errors, exit status."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHAPTER = Path(__file__).parents[2] / "topologies" / "chapter"
COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())"]


def haslb(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    result = subprocess.run([*COMMAND, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in result.stderr
    return result


def shell(command: str) -> subprocess.CompletedProcess[str]:
    haslb_command = " ".join(f"'{word}'" for word in COMMAND)
    script = f'haslb() {{ {haslb_command} "$@"; }}; set -o pipefail; {command}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_a_configuration_in_order_is_printed() -> None:
    result = haslb("check", str(CHAPTER / "2-dispatched-dfp.ios"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("ip slb serverfarm HAFARM\n real 10.1.1.51\n  inservice\n")


def test_keys_are_printed_only_if_they_are_asked_for() -> None:
    path = str(CHAPTER / "6-direct-ipsec-transport.ios")
    masked, whole = haslb("check", path).stdout, haslb("check", "--secrets", path).stdout
    (key,) = (line for line in whole.splitlines() if line.startswith("crypto isakmp key"))
    assert key not in masked
    assert "crypto isakmp key" in masked
    refused = haslb("check", "-", text=masked)
    assert refused.returncode == 1
    assert "it is masked" in refused.stderr


def test_what_is_printed_can_be_checked_again() -> None:
    first = haslb("check", "--secrets", str(CHAPTER / "6-direct-ipsec-transport.ios"))
    again = haslb("check", "--secrets", "-", text=first.stdout)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert all(line.startswith("note: ") for line in again.stderr.splitlines())


def test_replaced_algorithms_are_named() -> None:
    """An operator who configured DES must learn which algorithm is used instead."""
    result = haslb("check", str(CHAPTER / "6-direct-ipsec-transport.ios"))
    for replaced in ("esp-des -> esp-aes 128", "ah-sha-hmac -> esp-sha-hmac", "mode transport -> tunnel"):
        assert f"note: Vlan15: transform set esp-des-sha-transport: {replaced}: " in result.stderr


def test_warnings_are_beside_the_configuration_and_no_failure() -> None:
    path = str(CHAPTER / "1-dispatched-static.ios")
    result = haslb("check", path)
    assert result.returncode == 0
    assert result.stderr.startswith(f"{path}:9: 'ip slb vserver MIPS LB' is a scanning mistake")
    assert "vserver MIPSLB" in result.stdout


def test_errors_are_one_a_line_and_nothing_is_printed() -> None:
    result = haslb("check", "-", text="ip slb serverfarm F\n real 10.1.1\nip slb vservers V\n")
    assert (result.returncode, result.stdout) == (1, "")
    assert [line[:10] for line in result.stderr.splitlines()] == ["<stdin>:2:", "<stdin>:3:"]


def test_yaml_is_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "slb.yaml"
    path.write_text("serverfarms: {F: {reals: [{address: 10.1.1.51, inservice: true}]}}\n")
    result = haslb("check", str(path))
    warning = f"{path}:1: farm F is of no virtual server; expected 'serverfarm F' in one\n"
    assert (result.returncode, result.stderr) == (0, warning)
    assert result.stdout == "ip slb serverfarm F\n real 10.1.1.51\n  inservice\n !\n!\n"


def test_a_file_that_cannot_be_read_is_one_line() -> None:
    result = haslb("check", "/nonexistent")
    assert result.returncode == 1
    assert result.stderr == "/nonexistent: cannot be read: No such file or directory; expected a file\n"


def test_what_a_shell_has_a_command_print_is_checked() -> None:
    result = shell("haslb check <(printf 'ip slb serverfarm F\\n real 10.1.1\\n')")
    assert result.returncode == 1
    assert re.match(r"/dev/fd/\d+:2: ", result.stderr)


def test_a_pipe_that_no_program_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = haslb("check", str(pipe))
    assert result.returncode == 1
    assert result.stderr.startswith(f"{pipe}: empty; expected a configuration")


@pytest.mark.parametrize("arguments", [["check"], ["frobnicate"], ["check", "a", "b"]])
def test_a_wrong_command_line_has_status_2(arguments: list[str]) -> None:
    assert haslb(*arguments).returncode == 2


def test_the_help_has_examples() -> None:
    assert "haslb check haslb.yaml" in haslb("check", "--help").stdout


def test_a_reader_that_has_seen_enough_causes_no_complaint(tmp_path: Path) -> None:
    path = tmp_path / "many.ios"
    path.write_text("".join(f"ip slb serverfarm F{i}\n real 10.1.{i // 250}.{i % 250 + 1}\n" for i in range(5000)))
    result = shell(f"haslb check {path} 2>&- | head -1")
    assert (result.stdout, result.stderr) == ("ip slb serverfarm F0\n", "")
    assert result.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line() -> None:
    result = shell(f"haslb check {CHAPTER / '2-dispatched-dfp.ios'} > /dev/full")
    assert (result.returncode, result.stderr) == (1, "haslb: cannot write: No space left on device\n")


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_failure(redirection: str) -> None:
    result = shell(f"haslb check {CHAPTER / '1-dispatched-static.ios'} {redirection}")
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert "scanning mistake" not in result.stdout


def test_a_closed_standard_input_cannot_be_read() -> None:
    result = shell("haslb check - <&-")
    assert (result.returncode, result.stderr) == (1, "<stdin>: cannot be read: Bad file descriptor\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("nowhere", ["2> /dev/full", "2>&-"])
def test_errors_that_cannot_be_written_are_still_a_failure(nowhere: str) -> None:
    """The exit status is 1, and not the 120 of a Python that cannot flush its streams."""
    assert shell(f"haslb check /nonexistent {nowhere}").returncode == 1
