"""Attacks on a cluster: switches that lie about generations and roles, and a stranger in its database.

A host that reaches the database can lead (docs/cluster.md); what it writes must not end or hang a member.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any, Optional

import pytest
from attacked import HARD_LIMIT, HELLO, message
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from fake_switch import FakeSwitch
from lied_to import SECONDS, lied_to
from mobile import registration
from process_size import resident

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import ONF_EXPERIMENTER_ID
from ryu_haslb.openflow.wire.role import ONF_ET_ROLE_STATUS

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()
STRANGERS_ID = 0xBAD
NEVER = 1 << 62
_RUN = 5.0
#: Bytes by which a member may grow that is lied to.
MAX_GROWTH = 32 << 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Cluster(bench)


class LiarAboutRoles:
    """A switch of a stranger's own: it reports ``generation`` when it is asked for its role; None: what is so."""

    def __init__(self, address: str, port: int) -> None:
        self.generation: Optional[int] = None
        self.asked = 0
        self._socket = socket.create_connection((address, port), HARD_LIMIT)
        self._socket.settimeout(None)  # the member may have nothing to say for a while
        self._socket.sendall(HELLO)
        self._switch = FakeSwitch(STRANGERS_ID)
        threading.Thread(target=self._answer, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _answer(self) -> None:
        with suppress(OSError):
            while True:
                data = self._socket.recv(1 << 16)
                if not data:
                    return
                for _, replies in self._switch.receive(data):
                    for reply in replies:
                        self._socket.sendall(self._lie(reply))

    def _lie(self, reply: bytes) -> bytes:
        if reply[1] != wire.OFPT_ROLE_REPLY or self.generation is None:
            return reply
        self.asked += 1
        return reply[:16] + struct.pack("!Q", self.generation)


@contextmanager
def lying(cluster: Cluster, port: int) -> Iterator[LiarAboutRoles]:
    liar = LiarAboutRoles(cluster.address, port)
    try:
        served = f"Switch {STRANGERS_ID:016x}: this balancer is master"
        wait_until(lambda: served in cluster.log(port), "the liar is served")
        yield liar
    finally:
        liar.close()


def master_of(cluster: Cluster) -> int:
    """The member that serves the real switch; there may be a stranger's beside it. While the role passes from one to
    the other there may be none."""
    found: list[int] = []

    def is_found() -> bool:
        found[:] = [each for each in cluster.processes if role(cluster, each) == "master"]
        return len(found) == 1

    wait_until(is_found, "one member serves the real switch")
    return found[0]


def generation(cluster: Cluster) -> int:
    """That of the member that serves the real switch; -1 while there is none."""
    masters = [each for each in cluster.processes if role(cluster, each) == "master"]
    return max((int(cluster.query(each, "show redundancy")[0]["generation"]) for each in masters), default=-1)


def role(cluster: Cluster, port: int) -> str:
    rows = cluster.query(port, "show ip slb switches")
    return next((str(row["role"]) for row in rows if row["datapath"] == f"{1:016x}"), "")


def require_served(cluster: Cluster, name: str, retransmissions: int = 0) -> None:
    """A mobile gets to one home agent, with so many retransmissions at most."""
    came: set[str] = set()
    for _ in range(1 + retransmissions):
        came = came or {node for node, frames in cluster.bench.exchange(registration(name)).items() if frames}
    assert len(came) == 1
    for port in cluster.processes:
        assert cluster.processes[port].poll() is None
        assert "Traceback" not in cluster.log(port)


@pytest.mark.parametrize("generation", [0, NEVER - 1, NEVER, 1 << 63, (1 << 64) - 2, (1 << 64) - 1])
def test_a_generation_that_is_made_up_changes_no_leader(cluster: Cluster, generation: int) -> None:
    master = master_of(cluster)
    with lying(cluster, master) as liar:
        liar.generation = generation
        wait_until(lambda: liar.asked > 2, "it was believed or not")
        require_served(cluster, f"generation-{generation}@isp.com")
    assert master_of(cluster) == master


def test_a_liar_does_not_end_the_service_while_the_database_is_gone(cluster: Cluster) -> None:
    master = master_of(cluster)
    with lying(cluster, master) as liar:
        for server in cluster.servers.processes:
            cluster.servers.end(server)
        wait_until(lambda: "goes on leading" in cluster.log(master), "the leader notices")
        liar.generation = 1 << 61
        wait_until(lambda: liar.asked > 2, "it has lied")
        require_served(cluster, "isolated@isp.com")
        assert master_of(cluster) == master
    for server in cluster.servers.processes:
        cluster.servers.start(server)
    connected = "connected to the database"
    wait_until(lambda: cluster.log(master).count(connected) > 1, "the database is back")
    require_served(cluster, "back@isp.com")


def test_a_role_status_that_is_made_up_takes_no_other_switch(cluster: Cluster) -> None:
    """OFPRR_MASTER_REQUEST with SLAVE, which a switch sends when another controller took MASTER (ONF EXT-191)."""
    master = master_of(cluster)
    status = struct.pack("!IIIB3xQ", ONF_EXPERIMENTER_ID, ONF_ET_ROLE_STATUS, 3, 0, NEVER)
    is_slave = struct.pack("!HH", wire.OFPET_BAD_REQUEST, wire.OFPBRC_IS_SLAVE)
    with lying(cluster, master) as liar:
        for _ in range(200):
            liar.send(message(wire.OFPT_EXPERIMENTER, status) + message(wire.OFPT_ERROR, is_slave + bytes(64)))
        require_served(cluster, "status@isp.com")
    assert master_of(cluster) == master


def test_lies_to_both_members_end_no_service_and_take_no_memory(cluster: Cluster) -> None:
    """To the one that stands by as well: it follows the session rules of every switch."""
    before = {port: resident(cluster.processes[port].pid) for port in cluster.processes}
    end = time.monotonic() + SECONDS
    with ExitStack() as stack:
        for port in cluster.processes:
            stack.enter_context(lied_to(cluster.address, port, end))
        for number in count():
            require_served(cluster, f"lies-{number}@isp.com", retransmissions=2)
            if time.monotonic() > end:
                break
    for port, process in cluster.processes.items():
        assert resident(process.pid) - before[port] < MAX_GROWTH


def transact(cluster: Cluster, *operations: dict[str, Any]) -> list[Any]:
    """Write to the database as any host can that reaches it."""
    words = ["ovsdb-client", "transact", cluster.servers.remotes, json.dumps(["HASLB", *operations])]
    process = cluster.bench.lab.run(CONTROLLER, words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answer, _ = process.communicate(timeout=60)
    result: list[Any] = json.loads(answer)
    return result


ROWS: dict[str, dict[str, Any]] = {
    "Neighbour": {"datapath": "\x1b[2J", "address": "10.1.1.51\n", "mac": "not a MAC", "port": 1},
    "Health": {"farm": "HAFARM", "address": "999.1.1.1", "port": 1, "state": "\u202eDEAD", "failed_at": 2**62},
    "Dfp_Weight": {
        **{"agent": "x" * 9000, "agent_port": 1, "address": "::1", "port": 0, "protocol": 0, "bind_id": 0},
        "weight": 65535,
    },
    "Configuration": {
        **{"revision": 2**62, "format": "ios", "text": "ip slb vserver \x1b", "changed_by": "\x1b]0;x\x07"},
        "changed_at": "never",
    },
}


@pytest.mark.parametrize("table", ROWS)
def test_rows_of_a_stranger_end_no_member(cluster: Cluster, table: str) -> None:
    before = transact(cluster, {"op": "select", "table": table, "where": []})[0]["rows"]
    clear = {"op": "delete", "table": table, "where": []}
    written = transact(cluster, clear, {"op": "insert", "table": table, "row": ROWS[table]})
    assert "error" not in json.dumps(written), written
    require_served(cluster, f"rows-{table}@isp.com")
    insert = [
        {"op": "insert", "table": table, "row": {key: row[key] for key in row if not key.startswith("_")}}
        for row in before
    ]
    transact(cluster, clear, *insert)
    require_served(cluster, f"rows-{table}-again@isp.com")


def test_a_name_that_a_stranger_writes_in_place_of_the_leaders_is_shown_as_text(cluster: Cluster) -> None:
    """The leader takes the name for another leader of its generation, stands by, and leads again with a newer one."""
    before = generation(cluster)
    row = {"leader": "\x1b[2J\nleader", "leader_since": "\u202e"}
    transact(cluster, {"op": "update", "table": "Cluster", "where": [], "row": row})
    wait_until(lambda: generation(cluster) > before, "a member is master with a newer generation")
    require_served(cluster, "name@isp.com")
    for port in cluster.processes:
        assert cluster.query(port, "show redundancy")
        assert all(line.isprintable() for line in cluster.log(port).splitlines())


def test_a_stranger_who_takes_the_lock_ends_no_service(cluster: Cluster) -> None:
    """The leader goes on until the database has a newer generation: a lock alone makes no leader."""
    master = master_of(cluster)
    words = ["ovsdb-client", "steal", cluster.servers.remotes, "haslb_leader"]
    thief = cluster.bench.lab.run(CONTROLLER, words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with suppress(subprocess.TimeoutExpired):
        thief.wait(_RUN)
    require_served(cluster, "stolen@isp.com")
    assert master_of(cluster) == master
    thief.kill()
    thief.wait()
    require_served(cluster, "returned@isp.com")
