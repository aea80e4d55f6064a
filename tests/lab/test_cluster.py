"""Two members of a cluster at one switch, with a database of three servers: one leads, the other stands by."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from cluster_pair import Cluster
from mobile import registration
from openflow_capture import OpenFlowCapture, is_refused_to_slave
from pair import PORTS

from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.node import control
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.wire import wire

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Cluster(bench)


def test_one_member_leads_and_each_request_comes_to_one_home_agent_once(cluster: Cluster) -> None:
    first = cluster.register("once")
    assert cluster.homes(first) == first
    assert "leads (generation" in cluster.log(cluster.master)


def test_the_standby_has_the_home_agents_that_the_leader_has_found(cluster: Cluster) -> None:
    """It sends no ARP request: a switch rejects the packet-outs of a slave (OpenFlow 1.3.5, section 6.3.6)."""
    wait_until(lambda: cluster.reaches_all(cluster.waiting), "the standby has every home agent")
    leader, standby = (cluster.query(port, "show ip slb reals detail") for port in (cluster.master, cluster.waiting))
    assert [each["places"] for each in standby] == [each["places"] for each in leader]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_the_standby_takes_over_with_every_session(cluster: Cluster, number: signal.Signals) -> None:
    first = cluster.register(number.name, 100)
    ended, successor = cluster.master, cluster.waiting
    cluster.await_followed(successor)
    before = len(cluster.log(successor))
    seconds = cluster.end(ended, number)
    assert cluster.homes(reversed(list(first))) == first
    print(f"{number.name}: taken over after {seconds:.3f} s")
    log = cluster.log(successor)[before:]
    assert re.search(r"taking over with \d\d+ sessions that were followed\n", log), "and it reads none"
    assert "recovered" not in log
    cluster.restart(ended)
    assert cluster.master == successor


def test_sessions_of_a_home_agent_that_is_lost_survive_a_takeover(cluster: Cluster) -> None:
    """A mobile that sends a request meanwhile moves at once, as without a takeover; the others find it back there."""
    bench, leader, standby = cluster.bench, cluster.master, cluster.waiting
    first = cluster.register("lost", 12)
    moves, *others = [name for name, home in first.items() if home == "sami2"]
    cluster.await_followed(standby)
    try:
        with bench.without("sami2"):
            bench.lab.node("sami2").cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")
            lost = [{"op": "select", "table": "Lost_Neighbour", "where": []}]
            wait_until(lambda: REALS["sami2"] in cluster.servers.transact(lost), "the leader has published the loss")
            cluster.end(leader, signal.SIGKILL)
            assert bench.deliver(registration(moves)) in {"sami1", "sami3"}
    finally:
        bench.lab.node("sami2").cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
    wait_until(lambda: cluster.reaches_all(standby), "it is found again")
    assert cluster.homes(others) == dict.fromkeys(others, "sami2")
    cluster.restart(leader)


def test_a_standby_follows_what_the_leader_installs_and_removes(cluster: Cluster) -> None:
    """The figures of ``show ip slb switches`` are those of the leader's sessions."""
    cluster.register("followed")
    cluster.await_followed(cluster.waiting)
    (row,) = cluster.query(cluster.waiting, "show ip slb switches")
    assert (row["standby"], row["lag"] is not None) == ("following", True)
    (row,) = cluster.query(cluster.master, "show ip slb switches")
    assert (row["standby"], row["sessions_followed"], row["lag"]) == ("off", 0, None)
    control.request(cluster.socket(cluster.master), "clear ip slb sessions")
    cluster.await_followed(cluster.waiting)


def test_the_leader_goes_on_without_a_database(cluster: Cluster) -> None:
    first = cluster.register("alone")
    master = cluster.master
    for server in cluster.servers.processes:
        cluster.servers.end(server)
    wait_until(lambda: "goes on leading" in cluster.log(master), "the leader notices")
    assert cluster.homes(first) == first
    for server in cluster.servers.processes:
        cluster.servers.start(server)
    wait_until(lambda: cluster.log(master).count("connected to the database") > 1, "the database is back")
    assert cluster.master == master


def test_nothing_is_interrupted_when_the_raft_leader_is_killed(cluster: Cluster) -> None:
    first, master = cluster.register("raft"), cluster.master
    raft_leader = cluster.servers.raft_leader()
    cluster.servers.end(raft_leader)
    assert cluster.homes(first) == first
    assert cluster.servers.raft_leader() != raft_leader
    assert cluster.master == master
    cluster.servers.start(raft_leader)


def test_a_leader_that_was_suspended_changes_nothing_when_it_wakes_up(cluster: Cluster) -> None:
    """The switch rejects what it sends (OFPBRC_IS_SLAVE), and its old generation (OFPRRFC_STALE).

    Requests wait for it, which it dispatches before it reads the first rejection. The database does not answer it then:
    else it may hear first that another member leads, and send nothing.
    """
    storm = [registration(f"woken-{number}@isp.com") for number in range(400)]
    for each in controllers():
        subprocess.run(["ovs-vsctl", "set", "Controller", each, "inactivity_probe=0"], check=True)
    suspended, other = cluster.master, cluster.waiting
    with OpenFlowCapture(suspended) as capture:
        for port in PORTS:  # the other one takes over when they have come to the leader
            cluster.processes[port].send_signal(signal.SIGSTOP)
        cluster.bench.send(*storm)
        wait_until(lambda: punted(capture) >= len(storm) // 2, "many requests have come to the leader")
        cluster.processes[other].send_signal(signal.SIGCONT)
        wait_until(lambda: cluster.role(other) == "master", "the other one leads")
        cluster.await_service(other)
        first = cluster.register("suspended")
        rules = cluster.rules()
        cluster.signal_servers(signal.SIGSTOP)
        cluster.processes[suspended].send_signal(signal.SIGCONT)
        try:
            wait_until(lambda: any(map(is_refused_to_slave, capture.messages())), "the switch rejects what it sends")
        finally:
            cluster.signal_servers(signal.SIGCONT)
        wait_until(lambda: cluster.role(suspended) == "waiting", "it stands by")
    assert cluster.rules() == rules
    assert cluster.homes(first) == first
    assert cluster.master == other


def test_a_switch_that_comes_back_empty_has_its_sessions_again_before_the_leader_hands_over(cluster: Cluster) -> None:
    """The next leader knows what is on the switch, and nothing else (docs/cluster.md, "What is promised")."""
    first = cluster.register("empty", 200)
    before, successor = cluster.master, cluster.waiting
    cluster.await_followed(successor)
    targets = [f"tcp:{cluster.address}:{port}" for port in PORTS]
    subprocess.run(["ovs-vsctl", "del-controller", SWITCH], check=True)  # it discards all of its rules then
    wait_until(lambda: not cluster.rules(), "the switch is empty")
    subprocess.run(["ovs-vsctl", "set-controller", SWITCH, *targets], check=True)
    assert cluster.hand_over() == before
    wait_until(lambda: cluster.role(successor) == "master", "the other one leads")
    cluster.await_service(successor)
    assert cluster.homes(reversed(list(first))) == first


def controllers() -> list[str]:
    """The rows of the switch's controllers in Open vSwitch's database."""
    words = ["ovs-vsctl", "--bare", "--columns=_uuid", "list", "Controller"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def punted(capture: OpenFlowCapture) -> int:
    """The number of packet-ins in a capture."""
    return sum(message[1] == wire.OFPT_PACKET_IN for message in capture.messages())
