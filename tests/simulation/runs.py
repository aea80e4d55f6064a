"""Random runs side by side, one in each process, and what they found."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from math import inf
from typing import NamedTuple

from simulation.faults import Fault
from simulation.faults_from_file import with_faults_of_file
from simulation.parameters import Parameters
from simulation.simulation import Outcome, random_run, simulate


def prepare(is_verbose: bool) -> None:
    """Prepare a process for runs; ``is_verbose``: the balancer's log is shown as well."""
    gc.freeze()  # the modules are never garbage: no collection looks at them
    logging.basicConfig(level=logging.INFO if is_verbose else logging.CRITICAL, stream=sys.stdout)


class Batch(NamedTuple):
    """Runs of some seeds: of ``seconds`` each, so many ``jobs`` side by side; the last one begins before ``ends``.

    ``faults`` is the path of a file with further faults, or empty.
    """

    seeds: range
    seconds: float
    is_crowded: bool = False
    jobs: int = 1
    is_verbose: bool = False
    ends: float = inf
    faults: str = ""

    def run_of(self, seed: int) -> tuple[Parameters, list[Fault]]:
        """The world and the history of a seed."""
        parameters, history = random_run(seed, self.seconds, self.is_crowded)
        if self.faults:
            history = with_faults_of_file(self.faults, parameters, history, self.seconds, seed)
        return parameters, history


class Result(NamedTuple):
    """The outcome of one seed."""

    seed: int
    outcome: Outcome


def _run(seed: int, batch: Batch) -> Result:
    return Result(seed, simulate(*batch.run_of(seed), batch.seconds))


def results(batch: Batch) -> Iterator[Result]:
    """The results, in any order, until one breaks a rule or time is over. A run that has begun ends."""
    jobs = min(batch.jobs, len(batch.seeds))
    waiting = iter(batch.seeds)
    if jobs == 1:
        for seed in waiting:
            if time.monotonic() > batch.ends:
                return
            result = _run(seed, batch)
            yield result
            if result.outcome.violation is not None:
                return
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, context, partial(prepare, batch.is_verbose)) as pool:
        running: set[Future[Result]] = set()
        is_broken = False
        while True:
            while len(running) < jobs and not is_broken and time.monotonic() < batch.ends:
                following = next(waiting, None)
                if following is None:
                    break
                running.add(pool.submit(_run, following, batch))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                is_broken |= each.result().outcome.violation is not None
                yield each.result()
