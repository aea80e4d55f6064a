"""``make install`` deletes nothing that is not its own: ``VENV`` names a folder, and what is in it goes first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "tools" / "install-python"


@pytest.mark.parametrize(("is_link", "reason"), [(False, "is no virtual environment"), (True, "is a link")])
def test_a_folder_that_is_no_environment_of_its_own_is_left_alone(tmp_path: Path, is_link: bool, reason: str) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "letter").touch()
    named = folder
    if is_link:
        (folder / "pyvenv.cfg").touch()
        named = tmp_path / "link"
        named.symlink_to(folder)
    done = subprocess.run([INSTALL, sys.executable, named], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert reason in done.stderr
    assert (folder / "letter").exists()
