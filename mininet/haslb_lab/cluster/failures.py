"""What may fail in a cluster. A failure begins, lasts until another member serves or for a while, and is undone."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Callable, Optional

from haslb_lab.chassis.topology import SWITCH_MANAGEMENT
from haslb_lab.cluster.chassis import BEHIND_ROUTER, DATABASES, SWITCHES, database_address, member_address
from haslb_lab.cluster.lab import START_TIMEOUT, ClusterLab
from haslb_lab.runner.waiting import wait_until

#: Seconds for which a failure lasts that no other member has to take over for.
LASTING = 4.0


class Next(Enum):
    """Who is to serve during a failure."""

    #: The same member as before.
    SAME = "the same"
    #: Another one.
    OTHER = "another"
    #: Either.
    EITHER = "either"


@dataclass(frozen=True)
class Failure:
    """A failure of a cluster. ``apply`` is its context manager, which gets the name of the leader.

    ``max_pause`` is the time in seconds without service that is promised at most, ``median_pause`` that at the median.
    Without a promise it is infinite.
    """

    name: str
    title: str
    apply: Callable[[ClusterLab, str], AbstractContextManager[None]]
    next_leader: Next
    max_pause: float
    median_pause: Optional[float] = None


def _ended(number: signal.Signals) -> Callable[[ClusterLab, str], AbstractContextManager[None]]:
    @contextmanager
    def apply(lab: ClusterLab, leader: str) -> Iterator[None]:
        lab.processes[leader].send_signal(number)
        yield
        lab.processes[leader].wait()
        lab.start(leader)

    return apply


@contextmanager
def _nothing(_: ClusterLab, __: str) -> Iterator[None]:
    yield
    time.sleep(LASTING)


@contextmanager
def _suspended(lab: ClusterLab, leader: str) -> Iterator[None]:
    lab.processes[leader].send_signal(signal.SIGSTOP)
    try:
        yield
        time.sleep(1.0)
    finally:
        lab.processes[leader].send_signal(signal.SIGCONT)


@contextmanager
def _handed_over(lab: ClusterLab, leader: str) -> Iterator[None]:
    lab.command(leader, "redundancy switch-activity")
    yield


def _cut_off(lab: ClusterLab, leader: str) -> AbstractContextManager[None]:
    own = [member_address(leader, switch) for switch in SWITCHES]
    return lab.cut(own, [BEHIND_ROUTER, SWITCH_MANAGEMENT.network])


def _cut_from_database(lab: ClusterLab, leader: str) -> AbstractContextManager[None]:
    return lab.cut([member_address(leader, 1)], [database_address(server) for server in DATABASES])


def _standby_ended(number: signal.Signals) -> Callable[[ClusterLab, str], AbstractContextManager[None]]:
    @contextmanager
    def apply(lab: ClusterLab, leader: str) -> Iterator[None]:
        standby, *_ = lab.others(leader)
        lab.end(standby, number)
        yield
        lab.start(standby)

    return apply


def _cut_from_switch(lab: ClusterLab, leader: str) -> AbstractContextManager[None]:
    """The leader is cut off from the second switch; it reaches the first one and the database."""
    return lab.cut([member_address(leader, 2)], [SWITCH_MANAGEMENT.network])


@contextmanager
def _raft_leader_killed(lab: ClusterLab, _: str) -> Iterator[None]:
    server = lab.databases.raft_leader()
    lab.databases.end(server)
    yield
    lab.databases.start(server)
    lab.databases.await_followers()


@contextmanager
def _raft_leader_cut_off(lab: ClusterLab, _: str) -> Iterator[None]:
    """The servers are cut off from the one that leads by Raft. Members reach all of them."""
    server = lab.databases.raft_leader()
    others = [database_address(other) for other in DATABASES if other != server]
    with lab.cut([database_address(server)], others):
        yield
    lab.databases.await_followers()


@contextmanager
def _databases_killed(lab: ClusterLab, _: str) -> Iterator[None]:
    for server in DATABASES:
        lab.databases.end(server)
    yield
    for server in DATABASES:
        lab.databases.start(server)
    lab.databases.await_followers()


@contextmanager
def _members_killed(lab: ClusterLab, _: str) -> Iterator[None]:
    """All members are killed in one moment, and started again: until then no request is served.

    Without ``fail_mode=secure`` a switch discards its rules when it has had no controller for 15 s.
    """
    for switch in SWITCHES.values():
        subprocess.run(["ovs-vsctl", "set-fail-mode", switch, "secure"], check=True)
    try:
        for name in lab.members:
            lab.processes[name].kill()
        for name in lab.members:
            lab.processes[name].wait()
            lab.start(name)
        wait_until(lambda: lab.leader() is not None, "a member leads again", START_TIMEOUT)
        yield
    finally:
        for switch in SWITCHES.values():
            subprocess.run(["ovs-vsctl", "del-fail-mode", switch], check=True)


@contextmanager
def _killed_with_raft_leader(lab: ClusterLab, leader: str) -> Iterator[None]:
    with _raft_leader_killed(lab, leader), _ended(signal.SIGKILL)(lab, leader):
        yield


FAILURES = (
    Failure("killed", "the leader is killed (`kill -9`)", _ended(signal.SIGKILL), Next.OTHER, 1.0, 0.5),
    Failure("stopped", "the leader is stopped (SIGTERM)", _ended(signal.SIGTERM), Next.OTHER, 1.0, 0.1),
    Failure("handed_over", "`haslb redundancy switch-activity`", _handed_over, Next.OTHER, 1.0, 0.1),
    Failure("suspended", "the leader is suspended (SIGSTOP), and wakes up", _suspended, Next.OTHER, 3.0),
    Failure("cut_off", "the leader is cut off from all others", _cut_off, Next.OTHER, 3.0),
    Failure("cut_from_database", "the leader is cut off from the database", _cut_from_database, Next.OTHER, 3.0),
    Failure("cut_from_switch", "the leader is cut off from one of two switches", _cut_from_switch, Next.OTHER, 12.0),
    Failure("standby_killed", "the standby is killed", _standby_ended(signal.SIGKILL), Next.SAME, 0.5),
    Failure("raft_leader_killed", "the Raft leader is killed", _raft_leader_killed, Next.EITHER, 2.0),
    Failure(
        "raft_leader_cut_off", "the Raft leader is cut off from the others", _raft_leader_cut_off, Next.EITHER, 2.0
    ),
    Failure("databases_killed", "all database servers are killed", _databases_killed, Next.SAME, 2.0),
)


#: Several failures at once, of which only the sessions survive for certain.
DISASTERS = (
    Failure("members_killed", "all members are killed at once", _members_killed, Next.EITHER, inf),
    Failure(
        "killed_with_raft_leader",
        "the leader and the Raft leader are killed at once",
        _killed_with_raft_leader,
        Next.OTHER,
        inf,
    ),
)


def failure_named(name: str) -> Failure:
    """The failure with this name. Raises: StopIteration if there is none."""
    return next(failure for failure in FAILURES if failure.name == name)


def _handed_over_at_reconnection(is_back: bool) -> Callable[[ClusterLab, str], AbstractContextManager[None]]:
    """The leader hands over when a switch has just lost its connection to it, or has just connected again."""

    @contextmanager
    def apply(lab: ClusterLab, leader: str) -> Iterator[None]:
        lab.connect_to(1, lab.others(leader))
        if is_back:
            lab.connect_to(1, lab.members)
        lab.command(leader, "redundancy switch-activity")
        if not is_back:
            lab.connect_to(1, lab.members)
        yield

    return apply


#: Hand-overs at which a leader that does not wait for a switch loses sessions whose rules were on their way to it.
RECONNECTIONS = (
    Failure(
        "handed_over_lost",
        "hand-over when a switch is lost",
        _handed_over_at_reconnection(is_back=False),
        Next.OTHER,
        inf,
    ),
    Failure(
        "handed_over_back",
        "hand-over when a switch is back",
        _handed_over_at_reconnection(is_back=True),
        Next.OTHER,
        inf,
    ),
)

#: What everything else is compared with.
CONTROL = Failure("nothing", "nothing fails", _nothing, Next.SAME, 0.5)
#: What a rolling upgrade does: it stops and starts each member, the leader last.
UPGRADE = (
    Failure("standby_stopped", "the standby is stopped (SIGTERM)", _standby_ended(signal.SIGTERM), Next.SAME, 0.5),
    failure_named("stopped"),
)
