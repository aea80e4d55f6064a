"""A sweep at the OpenFlow port: every message that lies, in every state, each over a connection of its own.

``HASLB_ATTACK_SECONDS`` says for how long (5 by default; all cases take an hour), ``HASLB_ATTACK_SEED`` in which order,
``HASLB_ATTACK_SKIP`` how many of that order an earlier run has tried.
"""

from __future__ import annotations

import socket
import time
from itertools import count
from pathlib import Path

import pytest
from attacked import CONFIGURATION, HARD_LIMIT
from bench import REALS, Bench, PlainChassis, farm, virtual_server
from cluster_pair import Cluster
from honest_switch import honest_switch
from lied_to import SECONDS, SEED, listed
from mobile import registration
from process_size import Trend, resident
from secured import secured_with
from sweep import BEFORE_ROLE, FOLLOWED, STATES, Sweep

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab

LAB = farm((address, 1) for address in REALS.values()) + virtual_server(65535) + "\nip slb entries conn 1000 4000\n"
#: Bytes by which the process may grow: what the allocator keeps, and what is remembered of strangers.
MAX_GROWTH = 24 << 20
#: Cases between two looks at the real switch.
_CASES_PER_ROUND = 20
_OWN_ID = 0xACE
HONEST = [f"honest-{number}@isp.com" for number in range(6)]


@pytest.mark.lab
def test_every_lie_in_every_state_changes_nothing_for_a_real_switch() -> None:
    with Bench(Lab(PlainChassis(), LAB)) as bench:
        address, process = bench.lab.node(CONTROLLER).IP(), bench.controller.pid
        homes = {name: REALS[bench.deliver(registration(name))] for name in HONEST}
        before, trend, end = resident(process), Trend(process), time.monotonic() + SECONDS
        print(f"HASLB_ATTACK_SEED={SEED}")
        sweep = Sweep(lambda: socket.create_connection((address, 6653), HARD_LIMIT), STATES, SEED, end)

        with honest_switch(address, 6653, _OWN_ID), sweep:
            for number in count():
                assert bench.deliver(registration(f"new-{number}@isp.com")) in REALS
                sessions = listed(bench)  # nothing answers the mobiles: retransmissions would move them
                assert {name: sessions[name]["real"] for name in homes} == homes
                trend.note(cases=sweep.taken, rounds=number, log=len(bench.lab.log(CONTROLLER)))
                if not sweep.goes_on_for(_CASES_PER_ROUND):
                    break
        print(f"{(resident(process) - before) >> 10} KiB more memory, {len(bench.lab.log(CONTROLLER))} bytes of log")
        assert bench.controller.poll() is None
        assert "Traceback" not in bench.lab.log(CONTROLLER)
        assert resident(process) - before < MAX_GROWTH


def test_every_lie_in_every_state_within_tls_stops_nothing(tmp_path: Path) -> None:
    with secured_with(tmp_path, CONFIGURATION) as secured:
        switch, before = secured.authority.issue("switch"), resident(secured.controller.process.pid)
        with Sweep(lambda: secured.connect(switch), STATES, SEED, time.monotonic() + SECONDS):
            pass
        secured.require_served(switch)
        secured.controller.require_running()
        assert resident(secured.controller.process.pid) - before < MAX_GROWTH


def deliver_sooner_or_later(bench: Bench, name: str) -> None:
    """Send a request as a mobile does: again, when it was in flight while the lead passed to the other member.

    It does, since made-up switches count among those that a member reaches (docs/security.md).
    """
    for _ in range(5):
        came = [frame for frames in bench.exchange(registration(name)).values() for frame in frames]
        if came:
            break
    assert len(came) == 1, name


@pytest.mark.lab
def test_every_lie_to_a_member_that_stands_by_ends_no_service() -> None:
    with Bench(Lab(PlainChassis(), LAB)) as bench:
        cluster = Cluster(bench)
        (standby,) = (port for port in cluster.processes if port != cluster.master)
        before, end = resident(cluster.processes[standby].pid), time.monotonic() + SECONDS
        states = (*BEFORE_ROLE, *FOLLOWED)
        sweep = Sweep(lambda: socket.create_connection((cluster.address, standby), HARD_LIMIT), states, SEED, end)
        with sweep:
            for number in count():
                deliver_sooner_or_later(bench, f"new-{number}@isp.com")
                if not sweep.goes_on_for(_CASES_PER_ROUND):
                    break
        for port, process in cluster.processes.items():
            assert process.poll() is None
            assert "Traceback" not in cluster.log(port)
        assert resident(cluster.processes[standby].pid) - before < MAX_GROWTH
