"""What all tests share: the budgets of properties, and the rule that the lab's tests need root."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
from pathlib import Path
from typing import Optional

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from handing_out import LONGEST, FilesAndTests
from xdist.remote import Producer

from ryu_haslb import product

# As ``haslb-manager`` does: eventlet's resolver takes a quarter of a second of every process that imports it.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

# Unless it is told before, Hypothesis imports trio, which no test needs: a third of a second in each process.
os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "yes")
from hypothesis import settings

# A run in the background of a shell ignores SIGINT; the programs that tests start and interrupt would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is imported and collected stays until the end. The garbage collector would visit it again and again, for a third
# of the time that collecting the tests takes.
gc.disable()

# No property has a deadline: a busy machine must not decide a test. ``make unit`` and a bare pytest take the profile
# "dev"; CI takes "ci", by pytest's --hypothesis-profile, which overrides what is loaded here.
settings.register_profile("ci", max_examples=100, deadline=None, print_blob=True)
settings.register_profile("dev", max_examples=10, deadline=None)
settings.load_profile("dev")

TESTS = Path(__file__).parent


def pytest_report_header() -> str:
    """Whether what is tested is compiled or pure."""
    return product()


def pytest_xdist_auto_num_workers() -> int:
    """A worker for each processor, and one for the tests that wait; xdist itself would count cores."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Optional[FilesAndTests]:
    """What ``--dist loadfile`` is here."""
    return FilesAndTests(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: object) -> None:
    """A test has failed, and its fixtures may hang now. pytest has just lifted its limit, for those who debug."""
    if isinstance(node, pytest.Item) and not node.config.getoption("usepdb"):
        timeout = float(node.config.getini("faulthandler_timeout"))
        if timeout:
            stderr = node.config.stash[fault_handler_stderr_fd_key]
            faulthandler.dump_traceback_later(timeout, exit=True, file=stderr)


def pytest_collection_finish() -> None:
    """From here on the garbage collector visits only what tests make."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first. Skip the lab's tests where they cannot run, and say why."""
    ranks = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))
    if os.geteuid() == 0:
        return
    needs_root = pytest.mark.skip(reason="the lab needs root: sudo make test")
    for item in items:
        if item.get_closest_marker("lab"):
            item.add_marker(needs_root)
