"""A sweep at the OpenFlow port: every message that lies, in every state, each over a connection of its own.

``HASLB_ATTACK_SECONDS`` says for how long (5 by default; all cases take an hour), ``HASLB_ATTACK_SEED`` in which order.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from attacked import CONFIGURATION, HARD_LIMIT, HELLO, message
from bench import REALS, Bench, PlainChassis, farm, virtual_server
from cluster_pair import Cluster
from fake_switch import FakeSwitch
from lied_to import SECONDS, SEED, listed
from mobile import registration
from process_size import Trend, resident
from secured import secured_with
from sweep import BEFORE_ROLE, FOLLOWED, STATES, Sweep

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow import wire

LAB = farm((address, 1) for address in REALS.values()) + virtual_server(65535) + "\nip slb entries conn 1000 4000\n"
#: Bytes by which the process may grow: what the allocator keeps, and what is remembered of strangers.
MAX_GROWTH = 24 << 20
_ECHO_INTERVAL, _OWN_ID = 0.02, 0xACE
HONEST = [f"honest-{number}@isp.com" for number in range(6)]


@contextmanager
def watched(host: str, port: int, log_about: Callable[[int], list[str]]) -> Iterator[list[float]]:
    """An honest switch that sends an echo request fifty times a second; the seconds that each answer took.

    ``log_about`` returns the lines of the log about a datapath id.
    """
    took: list[float] = []
    ended = threading.Event()
    peer = socket.create_connection((host, port), HARD_LIMIT)
    switch = FakeSwitch(_OWN_ID)

    def answer() -> Iterator[bytes]:
        while data := peer.recv(1 << 16):
            for received, replies in switch.receive(data):
                peer.sendall(b"".join(replies))
                yield received

    def watch() -> None:
        peer.sendall(HELLO)
        messages = answer()
        while not ended.wait(_ECHO_INTERVAL):
            asked, mark = time.monotonic(), b"%d" % len(took)
            peer.sendall(message(wire.OFPT_ECHO_REQUEST, mark))
            while (received := next(messages))[1] != wire.OFPT_ECHO_REPLY or received[8:] != mark:
                pass
            took.append(time.monotonic() - asked)

    failed: list[BaseException] = []

    def run() -> None:
        try:
            watch()
        except (OSError, StopIteration) as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()
        peer.close()
        ordered = sorted(took) or [0.0]
        middle, tail = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        print(f"{len(took)} echoes: median {middle * 1000:.1f} ms, 99 % {tail * 1000:.1f} ms, most {ordered[-1]:.3f} s")
        assert not failed, f"the honest switch was disconnected: {failed}, {log_about(_OWN_ID)}"


@pytest.mark.lab
def test_every_lie_in_every_state_changes_nothing_for_a_real_switch() -> None:
    with Bench(Lab(PlainChassis(), LAB)) as bench:
        address, process = bench.lab.node(CONTROLLER).IP(), bench.controller.pid
        homes = {name: REALS[bench.deliver(registration(name))] for name in HONEST}
        before, trend, end = resident(process), Trend(process), time.monotonic() + SECONDS
        print(f"HASLB_ATTACK_SEED={SEED}")
        sweep = Sweep(lambda: socket.create_connection((address, 6653), HARD_LIMIT), STATES, SEED, end)

        def log_about(datapath_id: int) -> list[str]:
            return [line for line in bench.lab.log(CONTROLLER).splitlines() if f"{datapath_id:016x}" in line]

        with watched(address, 6653, log_about), sweep:
            for number in count():
                assert bench.deliver(registration(f"new-{number}@isp.com")) in REALS
                sessions = listed(bench)  # nothing answers the mobiles: retransmissions would move them
                assert {name: sessions[name]["real"] for name in homes} == homes
                trend.note(rounds=number, log=len(bench.lab.log(CONTROLLER)))
                if sweep.has_ended or time.monotonic() > end:
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
                if sweep.has_ended or time.monotonic() > end:
                    break
        for port, process in cluster.processes.items():
            assert process.poll() is None
            assert "Traceback" not in cluster.log(port)
        assert resident(cluster.processes[standby].pid) - before < MAX_GROWTH
