"""What the simulator's README says about seeds, worlds and faults of one's own works to the letter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from budget import seconds

import simulation
from simulation.faults import FAULTS

README = Path(simulation.__file__).with_name("README.md").read_text()


def blocks() -> list[str]:
    """The indented blocks of the README, without their indentation."""
    found = re.findall(r"(?:^(?: {4}.*)?\n)+", README, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE).strip() + "\n" for block in found if block.strip()]


def block_with(text: str) -> str:
    return next(block for block in blocks() if text in block)


def test_a_seed_a_world_and_a_fault_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FAULTS, "first rule is deleted", raising=False)
    code = block_with("random_run(4711")
    for written, full, least in ("86400.0", 1200.0, 120.0), ("3600.0", 1000.0, 100.0), ("600.0", 600.0, 90.0):
        assert written in code
        code = code.replace(f"seconds={written}", f"seconds={seconds(full, least)}")
    exec(code, {})
    del FAULTS["first rule is deleted"]


def test_faults_of_a_file_strike_among_those_of_a_seed(tmp_path: Path) -> None:
    file = tmp_path / "my_faults.py"
    file.write_text(block_with("def faults(") + '\nprint("read")\n')
    command = block_with("--faults my_faults.py --seed").splitlines()[0]
    assert command.startswith("PYTHONPATH=.:tests .venv/bin/python ")
    arguments = command.split("python ", 1)[1].replace("my_faults.py", str(file)).replace("--hours 24", "--seconds 700")
    environment = {"PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(
        [sys.executable, *arguments.split()], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.startswith("read\n"), ran.stderr
    assert "0 failed, 1 passed" in ran.stdout
