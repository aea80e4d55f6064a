"""SIGTERM ends a lab or a benchmark in order: nothing that it started stays behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from haslb_lab.runner.termination import end_in_order


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_stack_is_unwound_once_and_the_exit_status_is_the_signals() -> None:
    """timeout(1) signals the process and then its group: the second signal must not disturb the cleaning up."""
    cleaned = False
    end_in_order()
    with pytest.raises(SystemExit) as ended:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert ended.value.code == 128 + signal.SIGTERM
