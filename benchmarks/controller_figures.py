"""The measurements of the controller alone: capacity, cost, memory, start-up, expiry.

Targets are ratios: to the same application as Ryu's tutorials write it, or to the start of a bare Python process. So
they mean the same on every machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

from benchmarks.alone import PRODUCT, Alone, Run
from benchmarks.figures import Figure
from benchmarks.programs import HERE
from benchmarks.request_path import Costs, costs
from ryu_haslb.garbage_collection import QuietCollector

TUTORIAL = str(HERE / "contenders" / "tutorial_app.py")
FEW, MANY = 1_000, 1_000_000
PORTION = 50_000
CAPACITY_SESSIONS, TUTORIAL_SESSIONS = 100_000, 10_000
#: Batches of requests by which the costs with few and with many sessions are measured.
BATCHES = 7
#: Starts of a bare Python process that are measured.
BARE_STARTS = 9
#: Seconds that a million sessions live, longer than it takes to open them; and seconds in which they then must expire.
IDLE = 90
EXPIRY_TIMEOUT = 15.0

Report = Callable[[str], None]


def controller_figures(rounds: int, report: Report) -> Iterator[Figure]:
    """Measure everything, which takes a few minutes; ``report`` is called with a line at the begin of each part."""
    report("controller alone: capacity")
    ours, others, memory = [], [], []
    for _ in range(rounds):
        ours.append(_capacity())
        tutorial, grown = _tutorial()
        others.append(tutorial)
        memory.append(grown)
    rate = median(run.sent / run.to_last_rule for run in ours)
    tutorials_rate = median(run.sent / run.to_last_rule for run in others)
    name = "controller alone: new sessions a second, rules included"
    yield Figure(f"{name}, against the tutorials' way", rate / tutorials_rate, "times", 15, True)
    yield Figure("controller alone: not answered exactly once", sum(run.sent - run.once for run in ours), "requests", 0)
    yield Figure(name, rate, "")
    report("controller alone: start-up")
    start_up, bare = median(_start_up() for _ in range(rounds)), median(_bare_start() for _ in range(BARE_STARTS))
    yield Figure(
        "start-up to the first dispatched request, against a bare Python process", start_up / bare, "times", 150
    )
    yield Figure("start-up to the first dispatched request", start_up, "s")
    report("controller alone: 100,000 sessions expire at once")
    delay = median(_expiry() for _ in range(rounds))
    name = "longest delay while 100,000 sessions expire"
    yield Figure(
        f"{name}, against the time of a request of the tutorials' way", delay * tutorials_rate / 1000, "times", 50
    )
    yield Figure(name, delay, "ms")
    yield from _a_million_sessions(median(memory), report)


def _capacity() -> Run:
    with Alone(PRODUCT) as alone:
        alone.new_sessions(FEW)
        return alone.new_sessions(CAPACITY_SESSIONS)


def _tutorial() -> tuple[Run, float]:
    """The tutorials' way, and the bytes of resident memory that a session takes there."""
    with Alone(TUTORIAL) as alone:
        alone.new_sessions(FEW)
        before = alone.resident()
        run = alone.new_sessions(TUTORIAL_SESSIONS)
        return run, (alone.resident() - before) / TUTORIAL_SESSIONS


def _start_up() -> float:
    with Alone() as alone:
        return alone.start_up


def _bare_start() -> float:
    """Seconds from the start to the end of a Python process that does nothing."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    return time.monotonic() - begin


def _expiry() -> float:
    """The longest delay, in milliseconds, of new mobiles' requests while sessions recovered from the switch end.

    All were recovered within about a second before, and end within a second, while 2000 requests a second come.
    """
    idle = 4
    with Alone(idle=idle, rows=100_000) as alone:
        return alone.new_sessions(2000 * (idle + 2), 2000).longest


def _costs() -> tuple[Costs, Costs]:
    """The costs of a request with few and with many sessions, in a process of their own."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=QuietCollector, initargs=(0.0,)) as process:
        few, many = process.submit(costs, (FEW, MANY), FEW, BATCHES).result()
        return few, many


def _a_million_sessions(tutorials_bytes: float, report: Report) -> Iterator[Figure]:
    report("request path: 1,000 and 1,000,000 sessions")
    few, many = _costs()
    with Alone(idle=IDLE) as alone:
        alone.new_sessions(FEW)
        before = alone.resident()
        for sessions in range(PORTION, MANY + 1, PORTION):
            alone.new_sessions(PORTION)
            report(f"controller alone: {sessions:,} sessions")
        full = alone.resident()
        report("controller alone: 1,000,000 sessions expire")
        time.sleep(IDLE + EXPIRY_TIMEOUT)
        left = alone.resident()
    size = (full - before) / MANY
    yield Figure("resident memory of a session, against the tutorials' way", size / tutorials_bytes, "times", 2)
    yield Figure("resident memory of a session", size, "bytes")
    yield Figure("cost of a new session, 1,000,000 live against 1,000", many.new / few.new, "times", 1.25)
    yield Figure("cost of a known session, 1,000,000 live against 1,000", many.known / few.known, "times", 1.25)
    yield Figure("memory of 1,000,000 sessions that is back after them", 100 * (full - left) / (full - before), "%")
