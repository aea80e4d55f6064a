"""Storms beyond what can be served: which requests are served and dropped, and whether ``show`` and DFP still work.

    python -m benchmarks.overload 20000 40000 80000      # one line for each rate, storms of four seconds (root)

One foreign agent sends the requests of so many new mobiles a second, and of 500 known ones; another one sends those of
200 new mobiles a second. A DFP agent changes its weight five times a second, and an operator runs ``show ip slb stats``
without a pause.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles
from threading import Event
from typing import Any, NamedTuple

from benchmarks.labs import CONFIGURATION, PRODUCT, BareChassis, ProductLab
from benchmarks.programs import HERE, CompilerError, program
from benchmarks.storm import START_TIMEOUT, Outcome, Storm
from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import NETWORK, PDSN, PDSN_ADDRESS, SWITCH, VIRTUAL_SERVER, in_network
from haslb_lab.chassis.topology import NodePort, SwitchPort
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import Lab
from haslb_lab.runner.termination import end_in_order
from ryu_haslb.cli.client import ControlError

QUIET = "pdsn2"
QUIET_ADDRESS = PDSN_ADDRESS + 1
QUIET_RATE = 200
KNOWN_RATE = 500
DFP_AGENT = "sami1"
SUPERVISOR = NETWORK[1]
DFP_TEXT = "ip slb dfp\n agent 10.1.1.51 500 30 0 1\n!\n"
SECONDS = 4.0


class CrowdedChassis(BareChassis):
    """The chassis with a second PDSN, and with the balancer at one of its ports, as the supervisor is."""

    def build(self, *arguments: Any, **parameters: Any) -> None:
        """Describe the nodes and links."""
        super().build(*arguments, **parameters)
        self.add_node(QUIET)
        self.attach(NodePort(QUIET, 0, in_network(QUIET_ADDRESS)), SwitchPort(SWITCH, number=9))
        self.attach(NodePort(CONTROLLER, 1, in_network(SUPERVISOR)), SwitchPort(SWITCH, number=100))


class CrowdedLab(ProductLab):
    """The product with a DFP agent."""

    def __init__(self) -> None:
        Lab.__init__(self, CrowdedChassis(), DFP_TEXT + CONFIGURATION.read_text())

    def _start_programs(self) -> None:
        """Start the DFP agent. It logs each weight before it reports it, so each weight that is shown is in its log."""
        super()._start_programs()
        with self._log(DFP_AGENT).open("wb") as log:
            self.run(DFP_AGENT, [sys.executable, str(HERE / "fickle_agent.py")], stdout=log)


class Shown(NamedTuple):
    """One ``show ip slb stats``: when it was asked and answered, and how many requests were dispatched until then."""

    asked: float
    answered: float
    dispatched: int


class Weight(NamedTuple):
    """One weight of the DFP agent: when it was reported, and when the balancer showed it."""

    reported: float
    shown: float


@dataclass(frozen=True)
class Overload:
    """The results of one storm. Shares are of the requests that were sent; times are in seconds.

    ``counted`` has the counters of the balancer that have increased, and by how much.
    """

    rate: float
    served: float
    new: float
    known: float
    quiet: float
    astray: int
    longest: float
    show: list[Shown]
    dfp: list[Weight]
    counted: dict[str, int]

    def ahead_of_show(self) -> list[int]:
        """For each ``show``, the requests that were dispatched since the one before, and so at most ahead of it."""
        return [later.dispatched - former.dispatched for former, later in zip(self.show, self.show[1:])]

    def ahead_of_weights(self) -> list[int]:
        """For each weight, the requests that were dispatched at most until it was in force.

        What ``show`` answered around the report and the sight of it frames the count.
        """
        return [
            min(each.dispatched for each in self.show if each.answered >= weight.shown)
            - max(each.dispatched for each in self.show if each.answered <= weight.reported)
            for weight in self.dfp
            if self.show[0].answered <= weight.reported and weight.shown <= self.show[-1].answered
        ]


class Crowd(Storm):
    """A lab with several clients and an operator at the same time; a context manager."""

    def __init__(self) -> None:
        super().__init__(PRODUCT._replace(lab=CrowdedLab, even=False))

    def storm(self, rate: float, seconds: float) -> Overload:
        """Send the requests of more new mobiles than can be served, and measure the service that each client gets."""
        known = int(KNOWN_RATE * seconds)
        self.new_sessions(1000, known / 1000)
        first_known = self._next - known
        count, quiet = int(rate * seconds), int(QUIET_RATE * seconds)
        before, done = self.counters(), Event()
        with ThreadPoolExecutor() as pool:
            shows, weights = pool.submit(self._watch_show, done), pool.submit(self._watch_dfp, done)
            try:
                storms = [
                    self._start(PDSN, self._take(count), count, rate),
                    self._start(PDSN, first_known, known, KNOWN_RATE),
                    self._start(QUIET, self._take(quiet), quiet, QUIET_RATE),
                ]
                sent = [json.loads(storm.communicate()[0]) for storm in storms]
            finally:
                done.set()
        came = self._report()
        of_quiet = came["from"].get(str(QUIET_ADDRESS), {"received": 0})["received"]
        after = self.counters()
        return Overload(
            rate=sent[0]["sent"] / sent[0]["seconds"],
            served=came["received"] / sent[0]["seconds"],
            new=(came["distinct"] - of_quiet) / count,
            known=came["repeated"] / known,
            quiet=of_quiet / quiet,
            astray=came["astray"],
            longest=came["longest"] / 1000,
            show=shows.result(),
            dfp=weights.result(),
            counted={name: after[name] - before[name] for name in after if after[name] != before[name]},
        )

    def calm(self) -> Outcome:
        """Let a few new mobiles register after the storm."""
        return self.new_sessions(1000, 2)

    def counters(self) -> dict[str, int]:
        """The rows of ``show ip slb stats``."""
        return {row["counter"]: row["value"] for row in self.lab.query(CONTROLLER, "show ip slb stats")}

    def meters(self) -> str:
        """The meters of the switch, as ``ovs-ofctl`` prints them."""
        words = ["ovs-ofctl", "-O", "OpenFlow13", "dump-meters", SWITCH]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def _take(self, count: int) -> int:
        first, self._next = self._next, self._next + count
        return first

    def _start(self, node: str, first: int, count: int, rate: float) -> subprocess.Popen[bytes]:
        words = [program("storm"), "send", str(VIRTUAL_SERVER), str(first), str(count), str(rate)]
        return self.lab.run(node, words, stdout=subprocess.PIPE)

    def _wait_until_served(self) -> None:
        """Wait until the balancer has connected to the DFP agent as well."""
        super()._wait_until_served()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._shown_weight():
            if time.monotonic() > deadline:
                raise LabError("the balancer shows no weight of the DFP agent")
            time.sleep(0.1)

    def _watch_show(self, done: Event) -> list[Shown]:
        """Every ``show ip slb stats`` of an operator who asks without a pause."""
        seen = []
        while not done.is_set():
            asked = time.monotonic()
            dispatched = self.counters()["dispatched"]
            seen.append(Shown(asked, time.monotonic(), dispatched))
        return seen

    def _watch_dfp(self, done: Event) -> list[Weight]:
        """Every weight that the balancer shows."""
        seen = []
        shown = self._shown_weight()
        while not done.is_set():
            weight = self._shown_weight()
            if weight != shown:
                seen.append(Weight(self._reported(weight), time.monotonic()))
                shown = weight
        return seen

    def _reported(self, weight: int) -> float:
        """The time at which the agent last reported this weight."""
        reports = dict(line.split() for line in self.lab.log(DFP_AGENT).splitlines())
        return float(reports[str(weight)])

    def _shown_weight(self) -> int:
        rows = self.lab.query(CONTROLLER, "show ip slb dfp weights")
        return int(rows[0]["weight"]) if rows else 0


def percentile(values: Sequence[float], share: int) -> float:
    """A percentile of the values: ``share`` per cent of them are no larger."""
    return quantiles(values, n=100)[share - 1] if len(values) > 1 else max(values, default=0.0)


HEADINGS = (
    *("sent a second", "served a second", "of the new", "of the known", "of the quiet client's"),
    *("longest delay", "show, p99", "DFP, p99"),
)


def row(seen: Overload) -> Iterator[str]:
    """The cells of a table."""
    yield from (f"{rate:,.0f}" for rate in (seen.rate, seen.served))
    yield from (f"{share:.0%}" for share in (seen.new, seen.known, seen.quiet))
    show = [each.answered - each.asked for each in seen.show]
    weights = [each.shown - each.reported for each in seen.dfp]
    for seconds in (seen.longest, percentile(show, 99), percentile(weights, 99)):
        yield f"{seconds * 1000:.0f} ms"


def main(words: Sequence[str]) -> int:
    """Print a Markdown table with a line for each rate, and the counters of drops to standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", type=float, nargs="+", metavar="RATE", help="new mobiles a second, such as 40000")
    options = parser.parse_args(words)
    end_in_order()
    print(f"| {' | '.join(HEADINGS)} |")
    print(f"| {' | '.join('---' for _ in HEADINGS)} |", flush=True)
    try:
        for rate in options.rates:
            with Crowd() as crowd:
                seen = crowd.storm(rate, SECONDS)
            print(f"| {' | '.join(row(seen))} |", flush=True)
            for name, count in seen.counted.items():
                if name.startswith("dropped_"):
                    print(f"  {name}: {count:,}", file=sys.stderr)
    except (LabError, ControlError, CompilerError) as error:
        print(f"overload: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
