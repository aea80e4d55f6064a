"""The command ``haslb-dfp-agent`` as an operator runs it."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ryu_haslb import log_limit
from ryu_haslb.dfp.agent_server import DfpAgentServer
from ryu_haslb.dfp.command_line import EXAMPLES, main
from ryu_haslb.dfp.messages import PreferenceInformation, decode
from ryu_haslb.dfp.security import KeyRing

TIMEOUT = 20
COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.dfp.command_line import main; sys.exit(main())"]


@pytest.fixture(autouse=True)
def unlimited_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command limits the log of its process, which is here that of all tests which follow."""
    monkeypatch.setattr(log_limit, "install", lambda: None)


def start(*options: str) -> tuple[subprocess.Popen[str], int, str]:
    """A running agent, the port it chose and its ready line."""
    agent = subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    ready = agent.stdout.readline()
    match = re.fullmatch(r"ready: DFP agent on port (\d+), weight \d+\n", ready)
    assert match, agent.communicate()[1]
    return agent, int(match[1]), ready


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_agent_reports_until_a_signal_ends_it(tmp_path: Path, end: signal.Signals) -> None:
    source = tmp_path / "bindings.json"
    source.write_text(json.dumps({"bindings": 1250, "max_bindings": 1250}))
    password = tmp_path / "password"
    password.write_text("cisco\n")
    agent, port, ready = start("--bindings-from", str(source), "--password-file", str(password))
    assert ready.endswith("weight 0\n")
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as manager:
        frame = manager.recv(4096)
        assert KeyRing("cisco").accepts(frame, 0)
        message = decode(frame)
        assert isinstance(message, PreferenceInformation)
        assert message.loads[0].hosts[0].weight == 0
        agent.send_signal(end)
        _, complaints = agent.communicate(timeout=TIMEOUT)
    assert agent.returncode == 0
    assert "Traceback" not in complaints


def test_a_source_that_fails_means_weight_0_and_a_reason_in_the_log(tmp_path: Path) -> None:
    agent, _, ready = start("--bindings-from", str(tmp_path / "absent"))
    agent.terminate()
    _, complaints = agent.communicate(timeout=TIMEOUT)
    assert ready.endswith("weight 0\n")
    assert re.search("load measurement failed, reporting weight 0: .*absent", complaints)
    assert agent.returncode == 0


def test_no_inservice_prints_the_weight_only(capsys: pytest.CaptureFixture[str]) -> None:
    """IOS: without inservice the agent does not serve."""
    assert main(["--no-inservice", "--bindings-command", "echo 0", "--max-bindings", "9", "--max-weight", "0"]) == 0
    assert capsys.readouterr().out == "0\n"


def test_no_inservice_fails_if_the_weight_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-inservice", "--bindings-command", "echo many"]) == 1
    assert capsys.readouterr().err == (
        "haslb-dfp-agent: expected a number or {\"bindings\": NUMBER, ...}, got 'many'\n"
    )


def test_a_port_in_use_is_an_error_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--address", "127.0.0.1", "--port", str(port)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "address already in use" in captured.err


def test_a_port_that_needs_root_is_an_error_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(server: DfpAgentServer) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(DfpAgentServer, "start", refuse)
    assert main([]) == 1
    assert capsys.readouterr().err == (
        "haslb-dfp-agent: [Errno 13] Permission denied; a port below 1024 needs root or CAP_NET_BIND_SERVICE, "
        "or choose another with --port\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "65536"], "argument --port: '65536'; expected a whole number from 0 to 65535"),
        (["--port", "x" * 50], "expected a whole number from 0 to 65535"),
        (["--port", "9" * 5000], "expected a whole number"),
        (["--port", "\u0663"], "expected a whole number"),
        (["--interval", "0"], "expected a whole number from 1 to 65535"),
        (["--address", "10.1.1"], "expected an IPv4 address such as 10.1.1.51"),
        (["--password", "k" * 65], "1 to 64 ASCII characters"),
        (["--password-file", "/no/such/file"], "No such file"),
        (["--password", "a", "--password-file", "/dev/null"], "not a regular file|not allowed with"),
        (["--bindings-from", "a", "--bindings-command", "b"], "not allowed with"),
        (["--bogus"], "unrecognized arguments"),
    ],
)
def test_wrong_options_are_named_with_what_was_expected(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert re.search(complaint, capsys.readouterr().err)


def test_every_example_of_the_help_can_be_parsed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each command line in the help text can be parsed."""
    (tmp_path / "password").write_text("cisco")
    examples = [line.strip() for line in EXAMPLES.splitlines() if line.startswith("  haslb-dfp-agent")]
    assert len(examples) == 5
    for example in examples:
        arguments = shlex.split(example.replace("/etc/haslb/dfp-password", str(tmp_path / "password")))[1:]
        assert main([*arguments, "--no-inservice"]) in (0, 1)
    assert "usage" not in capsys.readouterr().err


def test_help_shows_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert EXAMPLES.strip() in capsys.readouterr().out
