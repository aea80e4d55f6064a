"""What a standby costs: processor time for a new session, with a standby and without, in short alternations.

Rates of storms depend on what else the machine does; processor time hardly does. The standby is connected to the switch
and disconnected again and again, in the order with, without, without, with, so that what grows during the run (the
table, the heap) counts as often for one as for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any, Callable

from benchmarks.cluster_labs import FOLLOWED, FollowedLab
from benchmarks.storm import Storm

#: New sessions a second, and seconds, of each stretch; blocks of four stretches.
RATE, SECONDS, BLOCKS = 1500.0, 2.0, 10
#: Whether the standby is connected, in the stretches of a block.
ORDER = (True, False, False, True)


@dataclass(frozen=True)
class Cost:
    """Processor time for a new session, in microseconds: of the leader, of the switch, of the standby."""

    leader: float
    switch: float
    standby: float


@dataclass(frozen=True)
class Block:
    """The costs with a standby and without, each the mean of two stretches."""

    followed: Cost
    alone: Cost


def measure_costs(report: Callable[[str], None], blocks: int = BLOCKS) -> list[Block]:
    """Measure block after block."""
    found = []
    with Storm(FOLLOWED) as storm:
        lab = storm.lab
        assert isinstance(lab, FollowedLab)
        processes = lab.processes()
        storm.new_sessions(RATE, SECONDS)  # the first sessions have idle time-outs, and everything is cold
        for number in range(1, blocks + 1):
            report(f"processor time with and without a standby: {number} of {blocks}")
            costs: dict[bool, list[Cost]] = {True: [], False: []}
            for is_followed in ORDER:
                lab.connect_standby(is_followed)
                costs[is_followed].append(_stretch(storm, processes))
            found.append(Block(_mean(costs[True]), _mean(costs[False])))
    return found


def _stretch(storm: Storm, processes: Sequence[int]) -> Cost:
    before = [_processor_time(process) for process in processes]
    outcome = storm.new_sessions(RATE, SECONDS)
    served = outcome.sent - outcome.lost
    took = [_processor_time(process) - begin for process, begin in zip(processes, before)]
    return Cost(*(1e6 * seconds / served for seconds in took))


def _processor_time(process: int) -> float:
    """Seconds that all threads of a process have run."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


def _mean(costs: Sequence[Cost]) -> Cost:
    return Cost(*(sum(getattr(cost, each.name) for cost in costs) / len(costs) for each in fields(Cost)))


def share(blocks: Sequence[Block], of: str) -> float:
    """The cost with a standby divided by that without, the median of all blocks."""
    return float(median(getattr(each.followed, of) / getattr(each.alone, of) for each in blocks))


def rules_a_second(blocks: Sequence[Block]) -> float:
    """The new rules that one processor follows in a second, by what a rule costs the standby."""
    return float(1e6 / median(each.followed.standby - each.alone.standby for each in blocks))


def as_json(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """The blocks, as they are stored in the record."""
    return [asdict(block) for block in blocks]
