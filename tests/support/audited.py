"""A bench whose rules others delete, change or add to: what they may do, and what is seen of the audit."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from bench import REALS, Bench, PlainChassis, comes_and_goes, farm, virtual_server, wait_until
from mobile import registration

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(300)
MARK = 0x51B7
MOBILES = [f"audited-{number}@isp.com" for number in range(40)]

Rule = tuple[int, int, int, str, str]


@contextmanager
def audited_bench() -> Iterator[Bench]:
    """A bench with a session of each of :data:`MOBILES`, whose rules are on the switch."""
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        for name in MOBILES:
            running.deliver(registration(name))
        wait_until(lambda: len(session_rules(running)) == len(MOBILES), "every mobile has its rule")
        yield running


def ofctl(*command: str) -> bytes:
    return subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", *command], check=True, capture_output=True).stdout


def rules(bench: Bench) -> set[Rule]:
    """All rules of ours that stay, without their counters."""
    return {
        (flow.table, flow.priority, flow.cookie, str(sorted(flow.match.items())), flow.actions)
        for flow in bench.lab.flows()
        if flow.cookie & 0xFFFF == MARK and not comes_and_goes(flow)
    }


def await_rules(bench: Bench, expected: set[Rule], what: str) -> None:
    """Wait until our rules are these; ``what`` is that."""
    wait_until(lambda: rules(bench) == expected, lambda: f"{what}, but {rules(bench) ^ expected} differ")


def session_rules(bench: Bench) -> list[Rule]:
    return [rule for rule in rules(bench) if rule[0] == 1 and rule[2] >> 32]


def restorations(bench: Bench) -> int:
    (row,) = bench.lab.query(CONTROLLER, "show ip slb switches")
    return int(row["restorations"])
