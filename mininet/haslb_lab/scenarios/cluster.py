"""The scenario ``cluster``: sessions are open and mobiles register, the leader is killed, and the standby takes over.

It is not the chapter's. It shows what a cluster does, and proves it by what the home agents capture.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from haslb_lab.chassis.one_switch import VIRTUAL_SERVER
from haslb_lab.cluster.chassis import HOME_AGENTS, PDSNS, SWITCHES
from haslb_lab.cluster.failures import failure_named
from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.cluster.rounds import Round, Rounds, Verdict
from haslb_lab.errors import LabError
from haslb_lab.scenarios import state
from haslb_lab.scenarios.display import Display

NAME = "cluster"
TITLE = "A cluster whose leader is killed: three database servers, two members, two switches"
DEFAULT_SESSIONS = 1000

#: Requests a second of each PDSN: when the sessions are opened, and afterwards.
_OPENING_RATE, _RATE = 500.0, 100
#: Seconds for which mobiles go on to register before and after the failure.
_CALM = 2.0


class ClusterPlay:
    """One run with ``sessions`` sessions. ``lost`` counts mobiles that came to another home agent, and other faults."""

    def __init__(self, sessions: int, display: Display) -> None:
        self._sessions, self._display = sessions, display
        self.faults: list[str] = []

    def bring_up(self) -> ClusterLab:
        """The running cluster. Raises: LabError."""
        with self._display.activity() as report:
            prompts: dict[str, str] = {}
            up = state.Running(NAME, prompts)
            lab = ClusterLab(report=report, claimed=lambda: state.note(up))
            prompts.update((member, member) for member in lab.members)
            lab.__enter__()
        state.note(replace(up, processes={node: lab.node(node).pid for node in lab.hosts}))
        return lab

    def run(self, lab: ClusterLab, keep: bool) -> None:
        """Open the sessions, kill the leader, and print what happened; with ``keep`` the traffic goes on."""
        say = self._display.say
        leader = lab.leader()
        if leader is None:
            raise LabError("no member leads, though none has failed")
        process = lab.processes[leader].pid
        (standby,) = lab.others(leader)
        say(f"{leader} leads: it is MASTER of {' and '.join(SWITCHES.values())}. {standby} stands by.", style="bold")
        self._show(lab, leader)
        with self._display.activity() as report:
            report(f"{self._sessions} mobiles register at {VIRTUAL_SERVER}")
            lab.tell_all(f"new {self._sessions // len(PDSNS)} {_OPENING_RATE}", wait=True)
        rounds = Rounds(lab, Random(), lambda _: None)
        rounds.begin(f"steady {_RATE}")
        self._show_sessions(lab, leader)
        say(f"\n{_RATE} more mobiles a second register at each switch. Then:")
        time.sleep(_CALM)
        say(f"# kill -9 {process}   ({leader})", style="bold red")
        rounds.run(failure_named("killed"))
        say(f"{standby} leads. {leader} was started again, and stands by.", style="bold")
        time.sleep(_CALM)
        self._show(lab, standby)
        self._show_sessions(lab, standby)
        with self._display.activity() as report:
            report("every mobile registers once more")
            verdict = rounds.conclude()
        self.faults = verdict.faults
        say("")
        for line in table(verdict):
            say(line)
        if keep:
            lab.tell_all(f"steady {_RATE}")

    def _show(self, lab: ClusterLab, member: str) -> None:
        for command in ("show redundancy", "show ip slb switches"):
            self._display.answer(member, command, lab.command(member, command).splitlines())

    def _show_sessions(self, lab: ClusterLab, member: str) -> None:
        command = "show ip slb reals"
        self._display.answer(member, command, lab.command(member, command).splitlines())


def table(verdict: Verdict) -> Iterator[str]:
    """What happened, as lines."""
    (done,) = verdict.rounds
    yield from _row("What happened", "", "")
    for switch, name in SWITCHES.items():
        yield from _row(f"  {name}: without service", f"{done.pauses[switch].seconds:.3f} s", _between(done, switch))
    agents = " and ".join(HOME_AGENTS)
    yield from _row("  mobiles that registered", verdict.mobiles, f"their requests were captured at {agents}")
    kept = verdict.mobiles - len(verdict.under_way) - len(verdict.at_other_agent)
    yield from _row("  kept their home agent", kept, "when all of them registered once more in the end")
    yield from _row(
        "  lost their session", len(verdict.under_way), "its rule was on the way when the leader was killed"
    )
    yield from _row("  lost it without that reason", len(verdict.at_other_agent), "must be 0")
    yield from _row("  requests", verdict.requests, "")
    yield from _row("  lost without service", verdict.lost_in_pauses, "phones send them again")
    yield from _row("  lost otherwise", verdict.lost, "")
    yield from _row("  arrived twice", verdict.twice, "must be 0: two leaders would do that")
    yield from _row("  tables that differ", len(verdict.mismatches), "must be 0: rules, sessions and captures")


def _between(done: Round, switch: int) -> str:
    pause = done.pauses[switch]
    first, last = ((at - done.begin) / 1e9 for at in (pause.begin, pause.end))
    return f"the last request of {done.leader} at {first:+.3f} s, the first of {done.successor} at {last:+.3f} s"


def _row(what: str, value: object, remark: str) -> Iterator[str]:
    yield f"{what:32} {value!s:>9}   {remark}".rstrip()


def invitation(lab: ClusterLab) -> Iterator[str]:
    """The lines to print when the cluster is left up."""
    yield "Mobiles go on to register. Ask the members:"
    for member in lab.members:
        yield f"    haslb-lab prompt {member} show redundancy"
    yield "Let the other one lead, or kill the one that leads:"
    yield f"    haslb-lab prompt {lab.leader()} redundancy switch-activity"
    for member in lab.members:
        yield f"    kill -9 {lab.processes[member].pid}   # {member}; it is not started again"
    yield "Look at what a switch has:"
    for switch in SWITCHES.values():
        yield f"    ovs-ofctl -O OpenFlow13 dump-aggregate {switch} table=1"
    yield "End it:"
    yield "    haslb-lab stop"
