"""Failure after failure of a cluster under traffic, and the judgement of all of them.

Mobiles register all the time. Each round waits until the cluster is whole, lets something fail at a random moment,
waits until a member serves every switch, and undoes the failure. In the end every mobile registers once more, and what
the home agents captured is compared with what was sent, with the switches' tables, and with the leader's sessions.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, Callable, NamedTuple

from haslb_lab.cluster.chassis import HOME_AGENTS
from haslb_lab.cluster.failures import LASTING, Failure, Next
from haslb_lab.cluster.hand_overs import Losses, Phase
from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.cluster.ledger import Ledger, Moved, Pauses, first_rules
from haslb_lab.cluster.rule_record import Rule
from haslb_lab.errors import LabError
from haslb_lab.runner.waiting import wait_until

#: Seconds until the last requests have arrived, on a busy machine.
ARRIVAL_TIMEOUT = 60.0
#: Requests a second of each PDSN with which all mobiles register once more in the end.
CENSUS_RATE = 1000.0


class Past(NamedTuple):
    """A failure that has happened: when it began, who led before and during it."""

    failure: Failure
    begin: int
    leader: str
    successor: str


@dataclass(frozen=True)
class Round:
    """One failure: when it began and when the next round did, who led before and during it, the time without service at
    each switch, and what became of the requests."""

    failure: Failure
    begin: int
    end: int
    leader: str
    successor: str
    pauses: Pauses
    phase: Phase

    @property
    def seconds(self) -> float:
        """The longer of the times without service at the switches."""
        return max(pause.seconds for pause in self.pauses.values())


@dataclass(frozen=True)
class Verdict:
    """What became of all mobiles, and of the requests before all registered once more.

    ``lost`` are requests outside of the times without service, ``lost_in_pauses`` those within. ``at_other_agent`` are
    mobiles that came to another home agent although their session's rule was not on its way to the switch when the
    leader changed (``under_way``), and why that is known. ``mismatches`` says where tables, sessions and captures
    differ.
    """

    rounds: Sequence[Round]
    requests: int
    mobiles: int
    lost: int
    lost_in_pauses: int
    twice: int
    under_way: Sequence[int]
    at_other_agent: Sequence[str]
    mismatches: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The counts, and of each round the failure, the members, and the time without service."""
        rounds = [
            {
                "failure": each.failure.name,
                "leader": each.leader,
                "successor": each.successor,
                "seconds": each.seconds,
                **asdict(each.phase),
            }
            for each in self.rounds
        ]
        return {**asdict(replace(self, rounds=())), "rounds": rounds}

    def seconds_of(self, failure: str) -> list[float]:
        """The times without service of all failures of this name."""
        return [each.seconds for each in self.rounds if each.failure.name == failure]

    @property
    def faults(self) -> list[str]:
        """What must not be, in words."""
        found = [*self.at_other_agent[:10], *self.mismatches[:10]]
        if self.twice:
            found.append(f"{self.twice} requests arrived twice")
        return found


class Rounds:
    """Lets things fail in ``lab``, at moments from ``random``; ``report`` is called with a line about each."""

    def __init__(self, lab: ClusterLab, random: Random, report: Callable[[str], None]) -> None:
        self._lab, self._random, self._report = lab, random, report
        self._past: list[Past] = []

    @property
    def count(self) -> int:
        """The number of rounds so far."""
        return len(self._past)

    def begin(self, traffic: str) -> None:
        """Start the traffic of each PDSN, in the words of :mod:`.traffic`: ``steady 100``."""
        self._lab.tell_all(traffic)
        time.sleep(1.0)

    def run(self, failure: Failure) -> None:
        """One round."""
        lab = self._lab
        lab.wait_until_balancing()
        time.sleep(self._random.uniform(0.2, 1.0))
        leader = lab.leader()
        if leader is None:
            raise LabError("no member leads, though none has failed")
        begin = time.time_ns()
        with failure.apply(lab, leader):
            successor = self._await_successor(failure, leader)
        self._past.append(Past(failure, begin, leader, successor))
        self._report(f"{failure.name}: {leader}, then {successor}")

    def _await_successor(self, failure: Failure, leader: str) -> str:
        lab = self._lab
        if failure.next_leader is Next.OTHER:
            successor = lab.await_leader(lab.others(leader))
        else:
            time.sleep(LASTING)
            successor = lab.await_leader([leader] if failure.next_leader is Next.SAME else lab.members)
        wait_until(lambda: lab.serves(successor), f"{successor} reaches every home agent", ARRIVAL_TIMEOUT)
        return successor

    def conclude(self) -> Verdict:
        """End the traffic, let all mobiles register once more, and judge."""
        lab = self._lab
        lab.wait_until_balancing()
        time.sleep(1.0)
        end = time.time_ns()
        lab.tell_all("pause", wait=True)
        lab.tell_all(f"again {CENSUS_RATE}", wait=True)
        ledger = self._await_arrivals()
        return judge(self._past, ledger, end, ledger.moved(rules_of(lab)), compare(lab, ledger, end))

    def _await_arrivals(self) -> Ledger:
        """All that was sent and arrived, when nothing has come for a moment."""
        ledger, before = self._lab.ledger(), -1
        while len(ledger.arrivals) != before:
            before = len(ledger.arrivals)
            time.sleep(0.5)
            ledger = self._lab.ledger()
        return ledger


def judge(past: Sequence[Past], ledger: Ledger, end: int, moved: Moved, mismatches: Sequence[str]) -> Verdict:
    """The verdict of what was recorded; ``end`` is that of the last round.

    Where a switch has got another master, the time without service is from the last request of the old one to the first
    of the new one; else it is the longest time between two requests.
    """
    ends = [*(each.begin for each in past[1:]), end]
    losses = Losses(ledger)
    judged = [
        Round(each.failure, each.begin, until, each.leader, each.successor, pauses, losses.phase(each.begin, until))
        for each, until in zip(past, ends)
        for pauses in [{**ledger.pauses(each.begin, until), **ledger.takeovers(each.begin, until)}]
    ]
    pauses = [each.pauses for each in judged]
    before_census = Ledger([record for record in ledger.sent if record[0] <= end], ledger.arrivals)
    lost = before_census.lost(pauses)
    return Verdict(
        judged,
        requests=len(before_census.sent),
        mobiles=len(ledger.homes()),
        lost=lost,
        lost_in_pauses=before_census.lost([]) - lost,
        twice=ledger.twice,
        under_way=moved.under_way,
        at_other_agent=moved.others,
        mismatches=mismatches,
    )


def rules_of(lab: ClusterLab) -> dict[tuple[int, str], Rule]:
    """The first rule that a switch has had for each mobile and home agent. All mobiles have sessions by now."""
    leader = lab.leader()
    rows = [] if leader is None else lab.query(leader, "show ip slb sessions")
    mobiles = {int(row["nai_hash"], 16): int(row["identity"][6:13]) for row in rows if row["identity"]}
    agents = {bytes.fromhex(lab.node(name).MAC().replace(":", "")): name for name in HOME_AGENTS}
    return first_rules(lab.rule_history(), mobiles, agents)


def compare(lab: ClusterLab, ledger: Ledger, since: int) -> list[str]:
    """Where the leader's sessions, the switches' tables and the home agents' captures differ.

    The mobile of a session is known when it has sent a request to this leader: what arrived since then counts.
    """
    leader = lab.leader()
    if leader is None:
        return ["no member leads"]
    homes = {arrival.mobile: arrival.agent for arrival in ledger.arrivals if arrival.at >= since}
    rules = lab.rules()
    sessions = {int(row["identity"][6:13]): row for row in lab.query(leader, "show ip slb sessions") if row["identity"]}
    agents = {str(address): name for name, address in HOME_AGENTS.items()}
    macs = {name: lab.node(name).MAC() for name in HOME_AGENTS}
    found = []
    for mobile, home in homes.items():
        session = sessions.get(mobile)
        if session is None:
            found.append(f"mobile {mobile} of {home} has no session")
        elif agents[session["real"]] != home:
            found.append(f"mobile {mobile} of {home} has a session at {agents[session['real']]}")
        elif rules.get(int(session["nai_hash"], 16)) != {macs[home]}:
            found.append(f"mobile {mobile} of {home} has rules to {rules.get(int(session['nai_hash'], 16))}")
    return found
