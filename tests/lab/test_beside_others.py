"""The application shares its switches with others, and its port with the world."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import registration

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.chassis.topology import CONTROLLER_MANAGEMENT
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(300)
TABLE_MISSES = {0: 0x79, 1: 0x80}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def table_misses(bench: Bench) -> dict[int, int]:
    """The cookie of each table's own table-miss rule: everything, at priority 0."""
    return {flow.table: flow.cookie for flow in bench.lab.flows() if flow.priority == 0 and not flow.match}


def test_table_miss_rules_of_others_stay_and_are_not_taken_along_in_the_end(bench: Bench) -> None:
    """The balancer leaves all other traffic alone, and removes its own flows (only those) when it is retired.

    Where the switch has a table-miss rule of its own, none of ours stays.
    """
    bench.lab.retire()
    bench.lab.stop_controller()
    subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "del-flows", SWITCH], check=True)
    for table, cookie in TABLE_MISSES.items():
        rule = f"table={table},priority=0,cookie={cookie:#x},actions=NORMAL"
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", SWITCH, rule], check=True)
    bench.start()
    assert bench.deliver(registration("beside@isp.com")) in REALS
    assert table_misses(bench) == TABLE_MISSES
    bench.lab.retire()
    assert table_misses(bench) == TABLE_MISSES
    assert [flow for flow in bench.lab.flows() if flow.cookie & 0xFFFF == 0x51B7] == []
    bench.lab.stop_controller()


IMPOSTOR = """
import socket, struct, sys
peer = socket.create_connection((sys.argv[1], 6653), 60)
peer.sendall(struct.pack("!BBHI", 4, 0, 8, 1))
received = b""
while True:
    received += peer.recv(4096)
    while len(received) >= 8:
        kind, length, xid = received[1], *struct.unpack_from("!HI", received, 2)
        if len(received) < length:
            break
        received = received[length:]
        if kind == 5:
            peer.sendall(struct.pack("!BBHIQIBBxxII", 4, 6, 32, xid, 1, 0, 2, 0, 0, 0))
        elif kind == 18:
            peer.sendall(struct.pack("!BBHIHH4x", 4, 19, 16, xid, 13, 0))
            print("connected", flush=True)
            sys.exit(sys.stdin.read() and 0)
"""


def test_a_connection_that_claims_a_switchs_id_does_not_keep_the_switch_from_being_served(bench: Bench) -> None:
    """A cloned switch, or another program at the OpenFlow port: the real one answers echo requests and stays."""
    address = str(CONTROLLER_MANAGEMENT.ip)
    impostor = bench.lab.run(
        CONTROLLER, [sys.executable, "-c", IMPOSTOR, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert impostor.stdout is not None
    assert impostor.stdout.readline() == b"connected\n"
    wait_until(lambda: "closing a further connection" in bench.lab.log(CONTROLLER), "the impostor is refused")
    impostor.communicate(b"enough")
    wait_until(lambda: bench.reals()["10.1.1.51"]["reachable"], "the switch is served")
    assert bench.deliver(registration("again@isp.com")) in REALS
