"""The command ``haslb``: in a shell, in a pipe, and without a balancer."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from control_process import control_process

import ryu_haslb.cli
from haslb_lab.runner.waiting import wait_until

COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("control") / "haslb.sock"
    with control_process(path, sessions=20_000):
        yield path


def haslb(control: Path, *words: str, text: str = "", cwd: str = ".") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HASLB_CONTROL": str(control), "PYTHONPATH": os.getcwd()}
    result = subprocess.run(
        [*COMMAND, *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        cwd=cwd,
    )
    assert "Traceback" not in result.stderr
    return result


def test_a_command_of_the_chapter_from_the_shell(control: Path) -> None:
    result = haslb(control, "show", "ip", "slb", "reals")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("real                farm name          weight  state          conns\n")
    assert haslb(control, "sh", "ip", "sl", "rea").stdout == result.stdout


def test_json_and_filters(control: Path) -> None:
    reals = json.loads(haslb(control, "show", "ip", "slb", "reals", "--json").stdout)
    assert [real["conns"] for real in reals] == [10_000, 10_000]
    assert haslb(control, "show", "ip", "slb", "sessions", "|", "count").stdout == "Number of lines: 20000\n"


def test_a_path_may_be_given_instead_of_the_environment(control: Path, tmp_path: Path) -> None:
    assert haslb(tmp_path / "absent", "--control", str(control), "show", "ip", "slb", "reals").returncode == 0


def test_a_refusal_has_status_1_and_goes_to_standard_error(control: Path) -> None:
    result = haslb(control, "show", "ip", "slb", "raels")
    assert (result.returncode, result.stdout) == (1, "")
    assert "did you mean 'reals'?" in result.stderr


@pytest.mark.parametrize("words", [["frobnicate"], ["config"], ["configure"], ["con", "x"], ["--x"]])
def test_a_wrong_command_line_has_status_2(control: Path, words: list[str]) -> None:
    assert haslb(control, *words).returncode == 2


def test_a_balancer_that_is_down_is_one_line(tmp_path: Path) -> None:
    result = haslb(tmp_path / "none", "show", "ip", "slb", "reals")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"haslb: no balancer serves {tmp_path}/none; start it, "
        "or name its socket with --control PATH or HASLB_CONTROL\n"
    )


def test_a_path_that_is_no_socket_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert (
        "file is no socket; name the control socket of the balancer" in haslb(tmp_path / "file", "show", "run").stderr
    )
    assert "AF_UNIX path too long" in haslb(tmp_path / ("x" * 200), "show", "run").stderr


def test_a_balancer_that_breaks_off_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "haslb.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        environment = {**os.environ, "HASLB_CONTROL": str(path)}
        argv = [*COMMAND, "show", "ip", "slb", "reals"]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment) as process:
            listener.accept()[0].close()
            assert process.stderr is not None
            assert "closed the connection before the end of its answer; see its log" in process.stderr.read()
            assert process.wait(60) == 1


def test_a_reader_that_has_seen_enough_causes_no_complaint(control: Path) -> None:
    environment = {**os.environ, "HASLB_CONTROL": str(control)}
    words = " ".join(f"'{word}'" for word in COMMAND)
    script = f"set -o pipefail; {words} show ip slb sessions | head -1"
    result = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("vserver ")


def test_debug_ends_with_an_interrupt_and_that_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "haslb.sock"
    with control_process(path) as balancer:
        environment = {**os.environ, "HASLB_CONTROL": str(path)}
        argv = [*COMMAND, "debug", "ip", "slb", "sessions", "ipmobile"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as debug:
            assert balancer.stdin is not None
            assert debug.stdout is not None
            os.set_blocking(debug.stdout.fileno(), False)
            while not (line := debug.stdout.readline()):  # sessions begin until debug is there to see one
                balancer.stdin.write("\n")
                balancer.stdin.flush()
                haslb(path, "show", "ip", "slb", "stats")
            assert "SLB_SESSION_IPMOBILE" in line
            debug.send_signal(signal.SIGINT)
            try:
                assert debug.wait(60) == 0
            finally:
                debug.kill()


def test_a_file_is_found_from_where_the_operator_is(control: Path, tmp_path: Path) -> None:
    (tmp_path / "new.ios").write_text(haslb(control, "show", "running-config").stdout)
    result = haslb(control, "configure", "new.ios", "--yes", cwd=str(tmp_path))
    assert (result.returncode, result.stdout) == (0, "no changes\n")


def asked(control: Path, answer: bytes, *words: str) -> tuple[int, str]:
    """The exit status and the output of ``haslb`` at a terminal that answers its question."""
    terminal, slave = os.openpty()
    environment = {**os.environ, "HASLB_CONTROL": str(control), "PYTHONPATH": os.getcwd()}
    with subprocess.Popen([*COMMAND, *words], stdin=slave, stdout=subprocess.PIPE, text=True, env=environment) as haslb:
        os.close(slave)
        os.write(terminal, answer)
        output = haslb.communicate(timeout=60)[0]
        os.close(terminal)
    return haslb.returncode, output


def test_an_interrupt_at_the_question_changes_nothing(control: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.ios"
    path.write_text("ip slb serverfarm HAFARM\nno real 10.1.1.51\n")
    terminal, slave = os.openpty()
    environment = {**os.environ, "HASLB_CONTROL": str(control), "PYTHONPATH": os.getcwd()}
    argv = [*COMMAND, "configure", str(path)]
    with subprocess.Popen(argv, stdin=slave, stdout=subprocess.PIPE, text=True, env=environment) as haslb:
        os.close(slave)
        assert haslb.stdout is not None
        output = ""
        while not output.endswith("[no]: "):
            piece = haslb.stdout.read(1)
            assert piece, output
            output += piece
        process = psutil.Process(haslb.pid)  # while it is about to read, Python does not see an interrupt
        wait_until(lambda: process.status() == psutil.STATUS_SLEEPING, "it reads the terminal", 60.0)
        haslb.send_signal(signal.SIGINT)
        output += haslb.communicate(timeout=60)[0]
        os.close(terminal)
        assert haslb.returncode == 1
    assert output.endswith("\n% nothing was changed\n")


@pytest.mark.parametrize("entry", ["ryu_haslb.cli.entry", "ryu_haslb.manager"])
def test_an_interrupt_while_modules_are_imported_leaves_no_traceback(entry: str) -> None:
    script = (
        "import builtins, os, signal, sys, importlib; entry = importlib.import_module(sys.argv[1]);"
        "builtins.__import__ = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT); entry.main()"
    )
    ended = subprocess.run([sys.executable, "-c", script, entry], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


def test_an_interrupt_is_ignored_where_a_script_ignores_it() -> None:
    script = (
        "import signal; from ryu_haslb.cli.entry import end_at_interrupt; assert not end_at_interrupt();"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN"
    )
    ignoring = ["sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable, "-c", script]
    subprocess.run(ignoring, check=True, timeout=60)


def test_a_file_is_applied_when_the_operator_has_seen_the_plan(control: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.ios"
    path.write_text("ip slb serverfarm HAFARM\nno real 10.1.1.51\n")
    status, output = asked(control, b"\n", "configure", str(path))
    assert (status, "10000 sessions of virtual server MIPSLB move" in output) == (1, True)
    assert output.endswith("Apply these changes? [no]: % nothing was changed\n")
    status, output = asked(control, b"yes\n", "configure", str(path))
    assert (status, output.endswith("[no]: applied, 3 lines changed\n")) == (0, True)
    path.write_text("ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 1\ninservice\n")
    assert asked(control, b"y\n", "configure", str(path))[0] == 0
    assert asked(control, b"", "configure", str(path)) == (0, "no changes\n")


def test_a_file_is_not_applied_without_a_terminal_to_ask_at(control: Path, tmp_path: Path) -> None:
    (tmp_path / "new.ios").write_text("ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 9\n")
    refused = haslb(control, "configure", "new.ios", cwd=str(tmp_path))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no terminal to ask at; --yes applies it, --dry-run shows" in refused.stderr
    assert "weight 9" in haslb(control, "configure", "new.ios", "--dry-run", cwd=str(tmp_path)).stdout
    assert "weight 9" not in haslb(control, "show", "running-config").stdout


def test_commands_are_applied_together(control: Path) -> None:
    farm = "ip slb serverfarm HAFARM"
    result = haslb(control, "config", farm, "real 10.1.1.51", "no inservice")
    assert (result.returncode, result.stdout.splitlines()) == (
        0,
        [
            f"- {farm} / real 10.1.1.51 / inservice",
            "real server 10.1.1.51 of farm HAFARM goes out of service: 10000 sessions stay until they end",
        ],
    )
    assert haslb(control, "config", farm, "real 10.1.1.51", "inservice").returncode == 0
    refused = haslb(control, "config", farm, "real 10.1.1.51", "no inservice", "weight 300")
    assert refused.returncode == 1
    assert refused.stderr.endswith("% nothing was changed\n")


def test_configure_terminal_takes_commands_from_a_pipe(control: Path) -> None:
    text = "ip slb vserver MIPSLB\ndo show ip slb vservers | count\n idle ipmobile request 77\nend\n"
    result = haslb(control, "configure", "terminal", text=text)
    assert result.stdout.startswith("Number of lines: 1\n")
    assert "+ ip slb vserver MIPSLB / idle ipmobile request 77\n" in result.stdout


@pytest.mark.parametrize(("last", "seconds"), [("end", 78), ("exit\nexit", 79)])
def test_what_follows_configuration_mode_in_a_pipe_are_commands_of_the_prompt(
    control: Path, last: str, seconds: int
) -> None:
    """A script for IOS goes on after its configuration, mostly with ``write memory``."""
    idle = f"idle ipmobile request {seconds}"
    text = f"configure terminal\nip slb vserver MIPSLB\n{idle}\n{last}\nshow ip slb vservers | count\n"
    result = haslb(control, text=text)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(f"+ ip slb vserver MIPSLB / {idle}\nNumber of lines: 1\n")


def test_the_prompt_takes_lines_from_a_pipe(control: Path) -> None:
    result = haslb(control, text="show ip slb vservers | count\n\nfrobnicate\nexit\nshow ip slb reals\n")
    assert result.returncode == 1
    assert result.stdout == "Number of lines: 1\n"
    assert result.stderr.startswith("% 'frobnicate' is not a command here")


@pytest.mark.parametrize("mark", ["?", "--help"])
def test_help_says_what_may_come_next(control: Path, mark: str) -> None:
    assert "  reals " in haslb(control, "show", "ip", "slb", mark).stdout
    assert "examples:" in haslb(control, "--help").stdout


@pytest.mark.parametrize("module", sorted(each.name for each in pkgutil.iter_modules(ryu_haslb.cli.__path__)))
def test_no_module_of_the_operators_process_needs_the_engine_or_eventlet(module: str) -> None:
    """``haslb`` starts fast, and runs where the engine is not installed."""
    script = f"import sys, ryu_haslb.cli.{module}; print({{'ryu', 'os_ken', 'eventlet'}} & set(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    assert imported.stdout == "set()\n"


def test_a_command_of_the_balancer_imports_no_more_than_it_needs(control: Path) -> None:
    """An operator waits for each import: with the readers of configurations a command took twice as long."""
    script = COMMAND[2].replace("sys.exit(main())", "main(); print(*sys.modules)")
    environment = {**os.environ, "HASLB_CONTROL": str(control), "PYTHONPATH": os.getcwd()}
    words = ["show", "ip", "slb", "reals"]
    ran = subprocess.run([*COMMAND[:2], script, *words], capture_output=True, text=True, env=environment, check=True)
    assert "10.1.1.51" in ran.stdout
    imported = set(ran.stdout.splitlines()[-1].split())
    assert "ryu_haslb.cli.operator" in imported
    assert not imported & {"argparse", "json", "prompt_toolkit", "ryu_haslb.configuration", "subprocess", "yaml"}
