"""How tests are handed out to workers: what shares a lab stays together."""

from __future__ import annotations

from pathlib import Path

import pytest
from handing_out import LONGEST, SEPARABLE, together_with

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted({*LONGEST, *SEPARABLE}))
def test_the_files_that_are_named_are_there(name: str) -> None:
    assert (TESTS / name).is_file()


@pytest.mark.parametrize("name", SEPARABLE)
def test_tests_that_are_handed_out_by_themselves_share_nothing(name: str) -> None:
    assert 'scope="module"' not in (TESTS / name).read_text()


def test_a_file_stays_together_unless_its_tests_are_separable() -> None:
    assert together_with("tests/lab/test_audit.py::test_a[b]") == "tests/lab/test_audit.py"
    scenario = "tests/lab/test_scenarios.py::test_a[b]"
    assert together_with(scenario) == scenario
    kept = "tests/lab/test_haslb_lab.py::TestKept"
    assert together_with(f"{kept}::test_a") == together_with(f"{kept}::test_b[c]") == kept
