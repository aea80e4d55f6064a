"""A test that hangs is ended, so that a run of all tests has an end (CONTRIBUTING.md, ``faulthandler_timeout``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
HANGS_AFTER_A_FAILURE = """
import threading
import pytest

@pytest.fixture
def lab():
    yield
    threading.Event().wait()

def test_that_fails(lab):
    assert False
"""


def test_a_fixture_that_hangs_after_its_test_has_failed_is_ended(tmp_path: Path) -> None:
    """pytest lifts the limit then, and a lab that does not stop would hold up the run."""
    (tmp_path / "test_hangs.py").write_text(HANGS_AFTER_A_FAILURE)
    words = ["-p", "conftest", "-o", "faulthandler_timeout=1", "-o", "faulthandler_exit_on_timeout=true"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "support")))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 1
    assert "Timeout (0:00:01)!" in ran.stderr
    assert "in lab" in ran.stderr
