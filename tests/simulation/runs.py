"""Random runs side by side, one in each process."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial

from simulation.simulation import Outcome, random_run, simulate


def prepare(is_verbose: bool) -> None:
    """Prepare a process for runs; ``is_verbose``: the balancer's log is shown as well."""
    gc.freeze()  # the modules are never garbage: no collection looks at them
    logging.basicConfig(level=logging.INFO if is_verbose else logging.CRITICAL, stream=sys.stdout)


def _run(seed: int, seconds: float, is_crowded: bool) -> tuple[int, Outcome]:
    return seed, simulate(*random_run(seed, seconds, is_crowded), seconds)


def outcomes(seeds: range, options: Namespace, ends: float) -> Iterator[tuple[int, Outcome]]:
    """The outcome of each seed, in any order, until one breaks a rule or time is over. A run that has begun ends."""
    jobs = min(options.jobs, len(seeds))
    waiting = iter(seeds)
    if jobs == 1:
        for seed in waiting:
            if time.monotonic() > ends:
                return
            outcome = _run(seed, options.seconds, options.crowd)
            yield outcome
            if outcome[1].violation is not None:
                return
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, context, partial(prepare, options.verbose)) as pool:
        running: set[Future[tuple[int, Outcome]]] = set()
        is_broken = False
        while True:
            while len(running) < jobs and not is_broken and time.monotonic() < ends:
                following = next(waiting, None)
                if following is None:
                    break
                running.add(pool.submit(_run, following, options.seconds, options.crowd))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                is_broken |= each.result()[1].violation is not None
                yield each.result()
