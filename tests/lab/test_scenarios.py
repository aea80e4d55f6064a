"""The chapter's six examples, brought up and played by the command: every output is the chapter's.

Other numbers of sessions, and a chassis that the chapter does not have, are played as well.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from haslb_lab.command_line import main
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.scenarios import scenario
from haslb_lab.scenarios.scenario import FOLDER, scenarios

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
STEP = re.compile(r"^Step (\d)  ", re.MULTILINE)

STRANGERS_CHASSIS = """\
balancer: {configuration: slb.ios}
chassis:
  EDGE-7600:
    supervisor: {switch: haslb7, datapath_id: 7}
    vlans:
      210: {interface: 10.1.1.1/24}
      777: {interface: 15.1.1.15/8}
    line_cards:
      GigabitEthernet4/1: {vlan: 777}
      GigabitEthernet4/2: {vlan: 777}
    sami:
      2: {vlan: 210, home_agents: {HA-A: {address: 10.1.1.61/24}}}
      3: {vlan: 210, home_agents: {HA-B: {address: 10.1.1.62/24}}}
      8: {vlan: 210, home_agents: {HA-C: {address: 10.1.1.63/24}}}
pdsns:
  PDSN-E: {port: EDGE-7600 GigabitEthernet4/1, interface: FastEthernet1/0, address: 15.2.1.1/8, home_agent: 10.1.1.10}
  PDSN-W: {port: EDGE-7600 GigabitEthernet4/2, interface: FastEthernet1/0, address: 15.3.1.1/8, home_agent: 10.1.1.10}
"""
STRANGERS_FARM = """\
ip slb serverfarm STRANGE
  nat server
  real 10.1.1.61
    weight 1
    inservice
  real 10.1.1.62
    weight 2
    inservice
  real 10.1.1.63
    weight 3
    inservice
ip slb vserver STRANGER
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm STRANGE
  idle ipmobile request 300
  inservice
"""


def haslb_lab(*words: str) -> subprocess.CompletedProcess[str]:
    """What the command says when it is not on a terminal."""
    program = [sys.executable, "-m", "ryu_haslb.cli.lab", *words]
    return subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def assert_played(ran: subprocess.CompletedProcess[str]) -> None:
    """All steps were proved, nothing was different, nothing is left."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert sorted({int(number) for number in STEP.findall(ran.stdout)}) == [1, 2, 3, 4, 5, 6]
    assert ran.stderr == ""
    assert not DIRECTORY.exists()


@pytest.mark.parametrize("name", [each.name for each in scenarios()])
def test_every_output_is_the_chapters(name: str) -> None:
    """Each scenario prints each show of the chapter and compares it with the chapter's block."""
    ran = haslb_lab("run", name)
    assert_played(ran)
    blocks = list((FOLDER / name / "shows").iterdir())
    assert ran.stdout.count("(as in the chapter") == len(blocks) >= 3
    assert f"\nAll {len(blocks)} outputs are as in the chapter: " in ran.stdout
    (counted,) = re.findall(r": (\d+) lines as printed, (\d+) adapted", ran.stdout)
    assert int(counted[0]) > 0
    assert int(counted[1]) == sum(len(re.findall("^[<]", block.read_text(), re.MULTILINE)) for block in blocks)
    assert "reached each other" in ran.stdout, "a mobile's traffic goes through its tunnel"


def test_what_ipsec_is_made_of_here_is_said_out_loud() -> None:
    """The translation of algorithms that no current package carries is said out loud."""
    said = [
        line for line in haslb_lab("run", "direct-ipsec-transport").stdout.splitlines() if line.startswith("IPsec: ")
    ]
    for translated in ("esp-des -> esp-aes 128", "ah-sha-hmac -> esp-sha-hmac", "mode transport -> tunnel"):
        assert sum(f" {translated}: " in line for line in said) == 1, said
    assert any(line.endswith("(PDSN-7600, SLB1-7600)") for line in said), said


@pytest.mark.parametrize(
    ("name", "sessions", "share"),
    [
        ("direct-static", 100, 50),
        ("direct-ipsec-transport", 20, 10),
        ("direct-static", 1000, 500),
        ("direct-ipsec-tunnel", 1000, 500),
    ],
)
def test_counts_follow_the_number_of_sessions(name: str, sessions: int, share: int) -> None:
    """4 sessions give the chapter's counts; others are multiples of them, and marked as what is not printed."""
    ran = haslb_lab("run", name, "--sessions", str(sessions))
    assert_played(ran)
    assert len(re.findall(rf"^Total 2 .*~ Total {share}$", ran.stdout, re.MULTILINE)) == 2
    assert "NOT as" not in ran.stdout


def test_a_strangers_chassis_is_played_without_the_chapter(tmp_path: Path) -> None:
    """A chassis description with three SAMI slots, two PDSNs and other VLAN numbers. Weights 1, 2 and 3."""
    (tmp_path / "chassis.yaml").write_text(STRANGERS_CHASSIS)
    (tmp_path / "slb.ios").write_text(STRANGERS_FARM)
    ran = haslb_lab("run", str(tmp_path / "chassis.yaml"), "--sessions", "60")
    assert_played(ran)
    assert "10 bindings at HA-A, 20 bindings at HA-B, 30 bindings at HA-C; 30 visitors at PDSN-E, 30" in ran.stdout
    assert "agree about 60 sessions" in ran.stdout
    assert "as in the chapter" not in ran.stdout


def test_a_difference_is_shown_and_is_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same scenario but for a weight: everything works, and it is not what the chapter prints."""
    shutil.copytree(FOLDER / "dispatched-static", tmp_path / "other-weight")
    farm = tmp_path / "other-weight" / "slb.ios"
    farm.write_text(farm.read_text().replace("weight 1", "weight 2"))
    monkeypatch.setattr(scenario, "FOLDER", tmp_path)
    assert main(["run", "other-weight"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("(NOT as in the chapter)") == 1
    assert re.search(r"^20\.1\.1\.51 +HAFARM +1 +OPERATIONAL +2 +≠ 10\.1\.1\.51 +HAFARM +2 +OPER", shown, re.MULTILINE)
    assert shown.endswith("\n1 of 4 outputs are NOT as in the chapter; ≠ marks the lines.\n")
