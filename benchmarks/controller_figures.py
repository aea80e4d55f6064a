"""The measurements of the controller alone: capacity, cost, memory, start-up, expiry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

from benchmarks.alone import PRODUCT, Alone, Run
from benchmarks.figures import Figure
from benchmarks.programs import HERE
from benchmarks.request_path import Costs, costs
from ryu_haslb.collector import QuietCollector

TUTORIAL = str(HERE / "contenders" / "tutorial_app.py")
FEW, MANY = 1_000, 1_000_000
PORTION = 50_000
CAPACITY_SESSIONS = 100_000
#: Seconds that a million sessions live, longer than it takes to open them; and seconds in which they then must expire.
IDLE = 90
EXPIRY_TIMEOUT = 15.0

Report = Callable[[str], None]


def controller_figures(rounds: int, report: Report) -> Iterator[Figure]:
    """Measure everything, which takes a few minutes; ``report`` is called with a line at the begin of each part."""
    report("controller alone: capacity")
    ours = [_capacity(PRODUCT, CAPACITY_SESSIONS) for _ in range(rounds)]
    tutorial = [_capacity(TUTORIAL, CAPACITY_SESSIONS // 10) for _ in range(rounds)]
    rate = median(run.sent / run.to_last_rule for run in ours)
    yield Figure("controller alone: new sessions a second, rules included", rate, "", 30_000, True)
    dispatched = median(run.sent / run.to_last_answer for run in ours)
    yield Figure("controller alone: new sessions a second, dispatched", dispatched, "")
    others = median(run.sent / run.to_last_rule for run in tutorial)
    yield Figure("controller alone, against the tutorials' way", rate / others, "times")
    yield Figure("controller alone: not answered exactly once", sum(run.sent - run.once for run in ours), "requests", 0)
    report("controller alone: start-up")
    yield Figure("start-up to the first dispatched request", median(_start_up() for _ in range(rounds)), "s", 2)
    report("controller alone: 100,000 sessions expire at once")
    yield Figure("longest delay while 100,000 sessions expire", median(_expiry() for _ in range(rounds)), "ms", 10)
    yield from _a_million_sessions(rounds, report)


def _capacity(application: str, sessions: int) -> Run:
    with Alone(application) as alone:
        alone.new_sessions(FEW)
        return alone.new_sessions(sessions)


def _start_up() -> float:
    with Alone() as alone:
        return alone.start_up


def _expiry() -> float:
    """The longest delay, in milliseconds, of new mobiles' requests while sessions recovered from the switch end.

    All were recovered at the same moment, so all end at the same moment, while 2000 requests a second come.
    """
    idle = 4
    with Alone(idle=idle, rows=100_000) as alone:
        return alone.new_sessions(2000 * (idle + 2), 2000).longest


def _costs(live: int, batches: int) -> Costs:
    """The cost of a request, in a process of its own: a million sessions leave the memory of a process fragmented."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=QuietCollector, initargs=(0.0,)) as process:
        return process.submit(costs, live, FEW, batches).result()


def _a_million_sessions(rounds: int, report: Report) -> Iterator[Figure]:
    report("request path: 1,000 and 1,000,000 sessions")
    few, many = (Costs(*map(median, zip(*(_costs(live, 3) for _ in range(rounds))))) for live in (FEW, MANY))
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
    yield Figure("resident memory of a session", (full - before) / MANY, "bytes", 700)
    yield Figure("cost of a new session, 1,000,000 live against 1,000", many.new / few.new, "times", 1.25)
    yield Figure("cost of a known session, 1,000,000 live against 1,000", many.known / few.known, "times", 1.25)
    yield Figure("memory of 1,000,000 sessions that is back after them", 100 * (full - left) / (full - before), "%")
