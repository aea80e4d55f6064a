"""A cluster's database that lies to its members, beside a real switch with mobiles that register.

It can end the service, since it says who leads (docs/security.md). It cannot move a mobile, have two home agents get
one request, end a member or fill its memory; once it speaks the truth, one member serves.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Optional

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from lied_to import SECONDS, SEED
from lying_database import LIES
from mobile import registration
from process_size import resident

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(3600)
PROGRAM = Path(__file__).parents[1] / "support" / "lying_database.py"
#: The ports of the loopback at which members find the stranger, one for each server.
LIARS_PORTS = (7001, 7002, 7003)
#: Bytes by which a member may grow: a message of 16 MiB is read before it is refused.
MAX_GROWTH = 64 << 20


class LiedTo(Cluster):
    """Members that reach their database through a stranger."""

    def __init__(self, bench: Bench) -> None:
        self._liar: Optional[subprocess.Popen[bytes]] = None
        super().__init__(bench, {"HASLB_CLUSTER": ",".join(f"tcp:127.0.0.1:{port}" for port in LIARS_PORTS)})

    def start(self, port: int) -> None:
        """Start a member, and before the first one the stranger."""
        if self._liar is None:
            servers = (remote.partition(":")[2] for remote in self.servers.remotes.split(","))
            words = [f"{own}={server}" for own, server in zip(LIARS_PORTS, servers)]
            argv = [sys.executable, str(PROGRAM), str(SEED), *words]
            self._liar = self.bench.lab.run(CONTROLLER, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._liar.stdout is not None
            assert self._liar.stdout.readline() == b"ready\n"
        super().start(port)

    def tell(self, lie: str) -> None:
        """Have the stranger tell this lie from now on."""
        assert self._liar is not None
        assert self._liar.stdin is not None
        self._liar.stdin.write(f"{lie}\n".encode())
        self._liar.stdin.flush()


@pytest.fixture(scope="module")
def cluster() -> Iterator[LiedTo]:
    print(f"HASLB_ATTACK_SEED={SEED}")
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield LiedTo(bench)


@pytest.mark.parametrize("lie", LIES)
def test_a_database_that_lies_moves_no_mobile_and_ends_no_member(cluster: LiedTo, lie: str) -> None:
    before = {port: resident(process.pid) for port, process in cluster.processes.items()}
    rules = cluster.rules()
    homes = {name: deliver(cluster, name) for name in (f"before-{lie}-{number}@isp.com" for number in range(7))}
    wait_until(lambda: len(cluster.rules() - rules) >= len(homes), "every session has its rule")
    cluster.tell(lie)
    end = time.monotonic() + SECONDS / 2
    for number in count():
        cluster.bench.send(*[registration(f"{lie}-{number}@isp.com")] * 2)
        assert all(cluster.query(port, "show redundancy") for port in cluster.processes)
        if time.monotonic() > end:
            break
    cluster.tell("the truth")
    cluster.await_whole()
    came = home_agents(cluster.bench.settle())
    assert came, "some were served"
    assert {name: nodes for name, nodes in came.items() if len(set(nodes)) > 1 or len(nodes) > 2} == {}
    assert {name: deliver(cluster, name) for name in homes} == homes
    for port, process in cluster.processes.items():
        assert process.poll() is None
        assert "Traceback" not in cluster.log(port)
        assert resident(process.pid) - before[port] < MAX_GROWTH


def deliver(cluster: LiedTo, name: str) -> str:
    """The home agent that gets a request, which is sent again if the lead passes to the other member meanwhile: members
    that were lied to about the lock may pass it once more."""
    for _ in range(5):
        came = [node for node, frames in cluster.bench.exchange(registration(name)).items() for _ in frames]
        if came:
            break
    (node,) = came
    return node


def home_agents(received: dict[str, list[bytes]]) -> dict[bytes, list[str]]:
    """The home agents that got requests of each mobile, once for each request."""
    found = defaultdict(list)
    for node, frames in received.items():
        for name in re.findall(rb"[a-z]+-[0-9]+@isp.com", b" ".join(frames)):
            found[name].append(node)
    return found
