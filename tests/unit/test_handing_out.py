"""How tests are handed out to workers: what shares a lab stays together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from handing_out import LONGEST, SEPARABLE, FilesAndTests, together_with

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


class Worker:
    """What the scheduler sees of a worker."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.handed_out: list[int] = []

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.handed_out += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_test_during_which_its_worker_ends_is_not_tried_again() -> None:
    """It has failed. What it had run before stays done, and what was to follow goes to the worker that replaces it."""
    tests = [f"tests/{file}.py::test_{number}" for file in "abc" for number in range(4)]
    option = SimpleNamespace(loadscopereorder=False)
    scheduler = FilesAndTests(SimpleNamespace(getvalue=lambda _: ["popen", "popen"], option=option))
    first, second, third = workers = [Worker(name) for name in ("first", "second", "third")]
    for worker in workers[:2]:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    assert (first.handed_out, second.handed_out) == ([0, 1, 2, 3], [4, 5, 6, 7])
    for number in range(4, 8):
        scheduler.mark_test_complete(second, number)
    scheduler.mark_test_complete(first, 0)
    assert scheduler.remove_node(first) == tests[1]
    scheduler.add_node(third)
    scheduler.add_node_collection(third, tests)
    scheduler.schedule()
    assert sorted(second.handed_out + third.handed_out) == list(range(2, 12))
