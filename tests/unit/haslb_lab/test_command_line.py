"""The command ``haslb-lab``: its arguments, what it does without a lab, and how it is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from haslb_lab import command_line
from haslb_lab.errors import LabError
from haslb_lab.runner import claim
from haslb_lab.scenarios import state
from haslb_lab.scenarios.state import Running, note, running, whole
from ryu_haslb import product
from ryu_haslb.cli import lab as entry

REPOSITORY = Path(__file__).parents[3]


def test_list_names_the_scenarios(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command_line, "running", lambda: None)  # another process may run a lab on this machine
    assert command_line.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "dispatched-static        Dispatched mode with static weights, 4 sessions"
    assert len(lines) >= 6


@pytest.mark.parametrize(
    "words",
    [[], ["fly"], ["run"], ["run", "direct-static", "--sessions", "0"], ["run", "direct-static", "--sessions", "1001"]],
)
def test_a_wrong_command_line_is_status_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(words)
    assert ended.value.code == 2


@pytest.mark.parametrize("words", [["run", "nothing"], ["draw", "nothing"]])
def test_an_unknown_scenario_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("haslb-lab: nothing is neither a scenario nor a file; there are: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("ip link add a: File exists"), "ip link add a: File exists"),
        (FileNotFoundError(2, "No such file or directory", "x.yaml"), "x.yaml: No such file or directory"),
        (OSError(28, "No space left on device"), "output: No space left on device"),
    ],
)
def test_an_error_of_the_machine_is_one_line_that_says_which(
    error: OSError, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors that this project raises carry a text, the system's a number."""

    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(command_line, "find", fail)
    monkeypatch.setattr(command_line, "_discard_output", lambda: None)
    assert command_line.main(["run", "direct-static"]) == 1
    assert capsys.readouterr().err == f"haslb-lab: {expected}\n"


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_a_drawing_of_a_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A drawing of any chassis description, SVG by graphviz."""
    output = tmp_path / "chassis.svg"
    assert command_line.main(["draw", "direct-ipsec-tunnel", "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    drawing = output.read_text()
    assert "<svg" in drawing
    assert "10.99.11.12" in drawing


def test_a_drawing_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder.svg"
    folder.mkdir()
    assert command_line.main(["draw", "direct-static", "-o", str(folder)]) == 1
    assert capsys.readouterr().err.startswith(f"haslb-lab: cannot write {folder}: ")


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize(("name", "begins"), [("c.png", b"\x89PNG"), ("c.PDF", b"%PDF"), ("c.svg", b"<?xml")])
def test_a_drawing_is_what_its_name_says(tmp_path: Path, name: str, begins: bytes) -> None:
    assert command_line.main(["draw", "direct-static", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["c.jpg", "c", ".svg"])
def test_a_drawing_of_another_kind_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["draw", "direct-static", "-o", str(tmp_path / name)]) == 1
    expected = f"{tmp_path / name}: expected a name that ends in .svg, .png, .pdf"
    assert capsys.readouterr().err == f"haslb-lab: {expected}\n"
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("streams", "status", "complaint"),
    [(">/dev/full", 1, "haslb-lab: output: No space left on device\n"), (">&-", 0, ""), (">&- <&-", 0, "")],
)
def test_an_output_that_leads_nowhere_is_no_traceback(streams: str, status: int, complaint: str) -> None:
    program = f"{sys.executable} -m ryu_haslb.cli.lab list {streams}"
    ran = subprocess.run(program, shell=True, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (status, complaint)


def test_nodes_are_found_by_prompt_and_by_name() -> None:
    up = Running("direct-static", {"controller": "SLB-7600", "HA1-7600": "HA1-7600"})
    assert [up.node(name) for name in ("SLB-7600", "slb-7600", "controller", "ha1-7600")] == [
        *["controller"] * 3,
        "HA1-7600",
    ]


def test_programs_run_in_every_node_also_in_those_without_commands() -> None:
    """One wants to ping from a mobile and to capture at a host."""
    up = Running("direct-static", {"controller": "SLB-7600", "mobile1": "mobile1"}, {"controller": 7, "host1": 8})
    assert [up.process(name) for name in ("SLB-7600", "controller", "HOST1")] == [7, 7, 8]
    with pytest.raises(LabError, match=r"mars is not a node of direct-static; there are: SLB-7600, host1"):
        up.process("mars")
    with pytest.raises(LabError, match="host1 takes no commands; run programs in it: haslb-lab exec host1 ip address"):
        up.node("host1")


def test_a_scenario_that_is_coming_up_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But is known, so that it can be ended."""
    monkeypatch.setattr(state, "_FILE", tmp_path / "scenario.json")
    monkeypatch.setattr(claim, "is_held", lambda: True)
    note(Running("direct-static", {"controller": "SLB-7600"}))
    assert running() is not None
    with pytest.raises(LabError, match="direct-static is still coming up; try again in a few seconds"):
        whole()
    note(Running("direct-static", {"controller": "SLB-7600"}, {"controller": 7}))
    assert whole().process("SLB-7600") == 7


def test_the_command_is_the_checkouts(tmp_path: Path) -> None:
    """The command runs the lab of the checkout from any current folder."""
    program = [sys.executable, "-m", "ryu_haslb.cli.lab", "list"]
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ran = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("dispatched-static ")


def test_without_a_checkout_it_has_a_version_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["--version"], checkout=tmp_path) == 0
    assert capsys.readouterr().out == f"{product()}\n"
    assert entry.main([], checkout=tmp_path) == 1
    assert capsys.readouterr().err == (
        f"haslb-lab: no lab at {tmp_path}/mininet/haslb_lab/command_line.py; "
        "run pip install -e '.[lab]' in a checkout\n"
    )
