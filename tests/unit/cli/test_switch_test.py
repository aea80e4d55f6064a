"""``haslb switch-test``: its command line, its report, its progress bar. The switch has a virtual clock."""

from __future__ import annotations

import io
import json
import socket
from functools import partial
from pathlib import Path

import pytest
from balancer_process import free_port
from socket_switch import SocketSwitch
from stepped_switch import SteppedListener, SteppedSwitch

from ryu_haslb.cli import switch_test
from ryu_haslb.cli.progress import ProgressBar


def test_a_switch_is_tested_and_reported_as_table_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, file = free_port(), tmp_path / "switch.json"
    switch = SteppedSwitch(bundles=False)
    words = ["--listen", f"127.0.0.1:{port}", "--json", str(file), "--fill", "100"]
    status = switch_test.run(words, partial(SteppedListener, switch))
    assert not switch.cookies
    output, errors = capsys.readouterr()
    assert status == 0, errors
    assert errors == f"waiting for a switch at tcp:127.0.0.1:{port}\nswitch {0x51:016x} connected from 127.0.0.1\n"
    assert output.startswith(f"switch {0x51:016x}: simulation, table pipeline, 1\n")
    assert "bundles (ONF EXT-230)              no: rejected  OFPBRC_BAD_EXPERIMENTER" in output
    assert "dispatched mode        works without bundles (ONF EXT-230)" in output
    assert output.splitlines()[-1] == "all that the test has made is removed"
    report = json.loads(file.read_text())
    assert report["capabilities"]["bundles"] == {"result": "rejected", "detail": "OFPBRC_BAD_EXPERIMENTER"}
    assert report["modes"]["dispatched"] == {"verdict": "works_without", "lacks": ["bundles"], "not_tried": []}
    assert (report["switch"]["datapath_id"], report["rules_left"], report["is_complete"]) == (f"{0x51:016x}", 0, True)
    assert report["measurements"]["flow_mods"]["value"] > 0
    assert report["measurements"]["table_capacity"]["value"] == 100
    assert "127.0.0.1" not in file.read_text(), "it can be sent to others"


def test_a_switch_that_cannot_serve_has_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    listening = partial(SteppedListener, SteppedSwitch(max_packet_in=128))
    assert switch_test.run(["--listen", f"127.0.0.1:{free_port()}", "--json"], listening) == 1
    output, errors = capsys.readouterr()
    assert json.loads(output)["modes"]["dispatched"]["verdict"] == "cannot_serve"
    assert errors.endswith("all that the test has made is removed\n")


def test_ports_that_the_switch_does_not_have_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with SocketSwitch(port):
        assert switch_test.run(["--listen", f"127.0.0.1:{port}", "--ports", "eth1,9"]) == 1
    output, errors = capsys.readouterr()
    assert not output
    assert "the switch has no port 9; it has 1 (eth1), 2 (eth2)" in errors


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--json", "/absent/switch.json"], "there is no folder /absent"),
        (["--ctl-cert", "own.pem"], "TLS needs --ctl-privkey and --ctl-cert"),
        (["--ca-certs", "ca.pem"], "TLS needs --ctl-privkey and --ctl-cert"),
        (["--ctl-privkey", "/absent.key", "--ctl-cert", "/absent.pem"], "--ctl-privkey /absent.key: cannot be read"),
        (["--wait", "0.1"], "no switch has connected within 0.1 s"),
    ],
)
def test_what_is_wrong_is_said_before_a_switch_is_tested(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert switch_test.run(["--listen", f"127.0.0.1:{free_port()}", *words]) == 1
    output, errors = capsys.readouterr()
    assert not output
    assert text in errors


def test_an_address_that_another_process_has_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert switch_test.run(["--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 1
    assert "does a balancer run here? Stop it, or name another address with --listen" in capsys.readouterr()[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--ports", "1"], "expected two ports, such as 7,8 or eth1,eth2, not '1'"),
        (["--ports", "1,1"], "expected two ports"),
        (["--fill", "0"], "expected a number of rules from 1 to 1000000, not '0'"),
        (["--wait", "inf"], "expected seconds, such as 60, not 'inf'"),
        (["--wait", "soon"], "expected seconds, such as 60, not 'soon'"),
        (["--listen", "here"], "expected ADDRESS[:PORT]"),
    ],
)
def test_a_wrong_command_line_has_status_2(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        switch_test.run(words)
    assert ended.value.code == 2
    assert text in capsys.readouterr()[1]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_only_and_fits_a_line() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file, None):
        bar = ProgressBar(stream)
        bar.show(0.5, "the match of everything" * 9)
        bar.clear()
    drawn = terminal.getvalue().split("\r\033[K")
    assert drawn[1].startswith("[###############---------------]  50% the match")
    assert len(drawn[1]) < 80
    assert drawn[2] == file.getvalue() == ""
