"""What requests feel of a reload and of ``clear ip slb sessions``: the longest gap between two requests.

One process with the balancer's event loop, without a switch: a green thread serves requests one after the other and
notes the longest time between two of them; first alone, then during each operation, in the same run. Compare the
ratios; milliseconds depend on the machine::

    python -m benchmarks.reload --reals 5000 --sessions 200000
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Callable, Optional

import eventlet

from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration, DfpManager
from ryu_haslb.control import configuring, operations
from ryu_haslb.control.coalescing import Coalesced
from ryu_haslb.control.rollback import Rollback
from ryu_haslb.control.startup_file import StartupFile
from ryu_haslb.dfp.manager_sockets import DfpConnections
from ryu_haslb.dfp.steering import steer
from ryu_haslb.garbage_collection import QuietCollector
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.show.sources import Sources
from ryu_haslb.slb.balancer import MAX_SESSIONS_PER_STEP, Balancer
from ryu_haslb.slb.request import make_request
from ryu_haslb.slb.session_filter import SessionFilter

#: Seconds for which requests are served without anything else.
QUIET_TIME = 3.0
FIRST_REAL = IPv4Address("10.2.0.1")
_TAIL = """vservers:
  MIPSLB: {virtual: 20.1.1.10, serverfarm: HAFARM, idle: 65535, inservice: true}
"""


def configuration_text(reals: int, weight: int) -> str:
    """A farm in YAML, the form that takes longest to read."""
    lines = (
        f"      - address: {FIRST_REAL + number}\n        weight: {weight}\n        inservice: true\n"
        for number in range(reals)
    )
    return "serverfarms:\n  HAFARM:\n    nat_server: true\n    reals:\n" + "".join(lines) + _TAIL


class Application:
    """The parts of the balancer that an operation changes."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.balancer = Balancer(configuration)
        self.fleet = Fleet(configuration, self.balancer)
        self.startup_file, self.rollback = StartupFile("/etc/haslb/haslb.ios"), Rollback()
        self.dfp = DfpConnections(DfpManager(), lambda _: None)

    @property
    def sources(self) -> Sources:
        return Sources(self.configuration, self.balancer, self.dfp, self.fleet.switches)

    def configure(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.balancer.configure(configuration)
        self.dfp.configure(configuration.dfp or DfpManager(), time.monotonic())
        steer(self.balancer.reals(), self.dfp.weights, None)
        self.fleet.configure(configuration)

    def clear_sessions(self, wanted: SessionFilter) -> Iterator[int]:
        return self.balancer.clear_in_slices(wanted, MAX_SESSIONS_PER_STEP)

    def commit_configuration(self, text: str, source: str, basis: Basis) -> Callable[[], Iterable[str]]:
        """There is no cluster."""
        return tuple

    def clear_counters(self) -> None:
        self.balancer.clear_counters()

    def end_retirement(self) -> None:
        """It is not retired."""

    def retire(self) -> Mapping[int, Optional[bool]]:
        return {}


class Mobiles:
    """Serves a request of the next mobile whenever it has its turn, and notes the longest gap between two."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._served = 0
        self.longest = 0.0
        self._thread = eventlet.spawn(self._run)

    def serve(self) -> None:
        """Serve one request."""
        self._served += 1
        server = self._balancer.virtual_servers["MIPSLB"]
        identity = b"\x01user%d" % (self._served % 1000)
        request = make_request(server, identity, bytes([15, 1, 1, 51]), 434, bytes(4), 600, 1, self._served)
        self._balancer.request(request, time.monotonic())

    def _run(self) -> None:
        before = time.perf_counter()
        while True:
            self.serve()
            eventlet.sleep(0.0005)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before)
            before = now

    def longest_gap_during(self, operation: Callable[[], None]) -> tuple[float, float]:
        """Seconds: the longest gap between two requests, and how long the operation took."""
        self.longest = 0.0
        begin = time.perf_counter()
        operation()
        took = time.perf_counter() - begin
        eventlet.sleep(0.05)
        return self.longest, took


def main() -> None:
    """Run the operations, each after a quiet time, and print the gaps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reals", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        run(Path(directory) / "farm.yaml", options.reals, options.sessions)


def _open(balancer: Balancer, sessions: int) -> None:
    server = balancer.virtual_servers["MIPSLB"]
    for number in range(sessions):
        balancer.request(
            make_request(server, b"\x01live%d" % number, bytes([15, 1, 1, 51]), 434, bytes(4), 600, 1, number),
            time.monotonic(),
        )


def run(path: Path, reals: int, sessions: int) -> None:
    """Measure with so many real servers and sessions."""
    path.write_text(configuration_text(reals, 1))
    application = Application(load(path).configuration)
    balancer = application.balancer
    for real in balancer.reals():
        real.reachable_from.add(1)
    _open(balancer, sessions)
    QuietCollector(time.monotonic())  # as the balancer: else the pauses of Python's collector are measured
    mobiles = Mobiles(balancer)
    quiet, _ = mobiles.longest_gap_during(lambda: eventlet.sleep(QUIET_TIME))
    print(f"{'nothing else':34} longest gap {1000 * quiet:8.1f} ms")
    reloads: list[float] = []

    def reload_once() -> None:
        configuring.apply_file(application, str(path))
        reloads.append(time.perf_counter())

    def reload_often() -> None:
        reloading = Coalesced("reload", reload_once)
        before = len(reloads)
        for _ in range(50):
            reloading.request()
            eventlet.sleep(0.02)
        while reloading.is_running:
            eventlet.sleep(0.01)
        print(f"{'':4}50 requests to reload in a second: {len(reloads) - before} reloads")

    path.write_text(configuration_text(reals, 2))
    for name, operation in (
        (f"reload of {reals} reals", reload_once),
        ("50 reloads asked for", reload_often),
        (f"clear of {sessions} sessions", lambda: print(f"{'':4}{operations.clear_sessions(application)} cleared")),
    ):
        gap, took = mobiles.longest_gap_during(operation)
        print(f"{name:34} longest gap {1000 * gap:8.1f} ms, {gap / quiet:6.1f} times; it took {took:.2f} s")


if __name__ == "__main__":
    main()
