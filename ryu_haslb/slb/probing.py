"""Probes (IOS SLB, ``ip slb probe``): which real server is asked when, and what an answer or a silence means. Pure.

Theory of operation. Each probe of a farm asks each real server in service once an interval::

    asked ---- answered in time ------------> no failures; a PROBE_FAILED real server is OPERATIONAL again
      |------- no answer in time -----------> one failure more
      |          half of faildetect            -> replies to mobiles are looked for (:mod:`.doubt`)
      |          a reply to a mobile is seen   -> it serves: no failures
      |          faildetect failures           -> PROBE_FAILED; the last one that can serve is DEMOTED
      |------- the question or the answer may be lost: the switch is lost or overloaded, or has
               rejected the rule for the answer, or this process was late -> shows nothing

A probe that no real server of a farm has ever answered is UNPROVEN: its source address, the home agents' routes, or a
filter may be wrong. It fails no real server, since it would take out a whole farm that serves.

Questions are spread over the interval, and limited to :data:`MAX_PROBE_RATE` a second for all real servers together.
Beyond that the intervals are longer, and no real server is left out: the one that has waited longest is next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import Callable, Optional

from ryu_haslb.configuration.model import Configuration, Probe
from ryu_haslb.configuration.probe_checks import MAX_PROBE_RATE
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer

#: Questions that may be sent at once after a pause.
MAX_PROBE_BURST = 20.0
#: Seconds that a real server has for an answer: half of the interval, and at most this.
MAX_ANSWER_TIMEOUT = 2.0
#: Seconds between two calls of :meth:`Probing.advance` after which silence shows nothing: answers may wait unread.
MAX_LATENESS = 0.5
#: Seconds between two times when failed real servers that no probe asks are looked for.
UNASKED_INTERVAL = 1.0


class TargetState(Enum):
    """What is known of a real server by one probe. The first three are words of IOS, as far as it has any."""

    OPERATIONAL = "OPERATIONAL"
    FAILED = "FAILED"
    #: The real server has not answered yet, or is not asked at the moment.
    TESTING = "TESTING"
    #: The real server does not answer, and none of the farm has ever answered this probe.
    UNPROVEN = "UNPROVEN"
    #: No switch reaches the real server, so it is not asked.
    UNREACHABLE = "UNREACHABLE"
    #: There is no address that the question could come from.
    NO_SOURCE = "NO_SOURCE"


class Outcome(Enum):
    """What became of the attempt to ask a real server."""

    ASKED = "asked"
    UNREACHABLE = "unreachable"
    NO_SOURCE = "no source"


@dataclass
class Target:
    """One real server that one probe asks. Times are those of the monotonic clock, in seconds.

    ``asked_at`` is when the question without an answer was sent (None: there is none), ``datapath_id`` the switch that
    sent it, and ``token`` what its answer must have. ``round_trip`` is how long the last answer took, ``failed_since``
    when its present outage began, ``past_outages`` how long the others have lasted.
    """

    farm: ServerFarm
    real: RealServer
    probe: Probe
    next_at: float = 0.0
    asked_at: Optional[float] = None
    datapath_id: int = 0
    token: bytes = b""
    failures: int = 0
    unanswered_since: float = 0.0
    outcome: Outcome = Outcome.ASKED
    has_answered: bool = False
    is_proven: bool = False
    questions: int = 0
    answers: int = 0
    outages: int = 0
    failed_since: Optional[float] = None
    past_outages: float = 0.0
    round_trip: Optional[float] = None

    @property
    def state(self) -> TargetState:
        """What is known of the real server by this probe."""
        if self.outcome is Outcome.NO_SOURCE:
            return TargetState.NO_SOURCE
        if self.probe.name in self.real.failed_probes:
            return TargetState.FAILED
        if self.outcome is Outcome.UNREACHABLE:
            return TargetState.UNREACHABLE
        if self.failures >= self.probe.faildetect and not self.is_proven:
            return TargetState.UNPROVEN
        return TargetState.OPERATIONAL if self.has_answered else TargetState.TESTING

    @property
    def group(self) -> tuple[str, str]:
        """The farm and the probe, by name."""
        return self.farm.name, self.probe.name

    @property
    def timeout(self) -> float:
        """Seconds that the real server has for an answer."""
        return min(self.probe.interval / 2, MAX_ANSWER_TIMEOUT)

    def outage(self, now: float) -> float:
        """Seconds of the present outage; 0 if there is none."""
        return 0.0 if self.failed_since is None else now - self.failed_since


_Key = tuple[str, tuple[bytes, int], str]


@dataclass
class Probing:
    """The probes of all farms. ``targets`` are what is asked, in the order of farms, their probes, and real servers."""

    targets: list[Target] = field(default_factory=list)
    _by_key: dict[_Key, Target] = field(default_factory=dict)
    #: The farms and probes of which an answer was seen.
    _proven: set[tuple[str, str]] = field(default_factory=set)
    _new: list[Target] = field(default_factory=list)
    #: Targets by the time of their next question, and by that at which the answer to the last one is overdue.
    _questions: list[tuple[float, int, Target]] = field(default_factory=list)
    _overdue: list[tuple[float, int, Target]] = field(default_factory=list)
    _allowance: float = MAX_PROBE_BURST
    _advanced_at: Optional[float] = None
    _looked_for_unasked_at: float = 0.0
    _entries: int = 0
    _farms: Mapping[str, ServerFarm] = field(default_factory=dict)
    _awaited: dict[bytes, Target] = field(default_factory=dict)

    def configure(self, configuration: Configuration, farms: Mapping[str, ServerFarm]) -> None:
        """Apply another configuration; the farms must have applied it before. What both ask goes on."""
        before, self._by_key = self._by_key, {}
        unscheduled, self._new = {id(target) for target in self._new}, []
        self._farms = farms
        for name, farm in farms.items():
            for probe_name in configuration.farms[name].probes:
                probe = configuration.probes[probe_name]
                for real in farm.reals:
                    if real.in_service:
                        self._keep(before, (name, real.key, probe_name), Target(farm, real, probe), unscheduled)
        self.targets = list(self._by_key.values())
        for key, target in before.items():
            if self._by_key.get(key) is not target:
                target.real.pass_probe(target.probe.name)
        self._proven &= {target.group for target in self.targets if target.is_proven}
        self._questions = [entry for entry in self._questions if self._is_current(entry[2])]
        heapify(self._questions)
        self._awaited = {token: target for token, target in self._awaited.items() if self._is_current(target)}
        self._end_failures_without_probe()

    def _keep(self, before: Mapping[_Key, Target], key: _Key, target: Target, unscheduled: Set[int]) -> None:
        known = before.get(key)
        if known is not None and known.real is target.real and _is_alike(known.probe, target.probe):
            if known.probe.interval != target.probe.interval or id(known) in unscheduled:
                self._new.append(known)
            known.farm, known.probe = target.farm, target.probe
            self._by_key[key] = known
        else:
            self._by_key[key] = target
            self._new.append(target)

    def advance(self, now: float, ask: Callable[[Target], Outcome], may_be_lost: Callable[[Target], bool]) -> None:
        """Draw the conclusions from missing answers, and ask what is due.

        ``ask`` sends a question. ``may_be_lost`` is whether the last question to a real server, or its answer, may have
        been lost on our side.
        """
        if now >= self._looked_for_unasked_at + UNASKED_INTERVAL:
            self._looked_for_unasked_at = now
            self._end_failures_without_probe()
        if not self.targets:
            return
        self._schedule_new(now)
        is_late = self._advanced_at is not None and now > self._advanced_at + MAX_LATENESS
        while self._overdue and self._overdue[0][0] <= now:
            at, _, target = heappop(self._overdue)
            if target.asked_at is not None and at == target.asked_at + target.timeout:
                asked_at = target.asked_at
                self._end_question(target)
                if not is_late and not may_be_lost(target):
                    self._on_silence(target, asked_at, now)
        self._ask_due(now, ask)
        self._advanced_at = now

    def awaited(self, token: bytes) -> Optional[Target]:
        """What was asked with this token and has not answered yet; None if nothing was."""
        return self._awaited.get(token)

    def on_answer(self, target: Target, now: float) -> None:
        """A real server has answered the question that is awaited of it."""
        if target.asked_at is None:
            return
        target.round_trip = now - target.asked_at
        self._end_question(target)
        target.answers += 1
        target.has_answered = True
        self._prove(target)
        _end_outage(target, now)
        target.real.pass_probe(target.probe.name)

    def _end_question(self, target: Target) -> None:
        target.asked_at = None
        self._awaited.pop(target.token, None)

    def _prove(self, target: Target) -> None:
        group = target.group
        if group not in self._proven:
            self._proven.add(group)
            for each in self.targets:
                if each.group == group:
                    each.is_proven = True

    def _schedule_new(self, now: float) -> None:
        """Spread the first questions of what is new over their interval."""
        new, self._new = self._new, []
        for number, target in enumerate(new):
            target.is_proven = target.group in self._proven
            target.next_at = now + target.probe.interval * number / len(new)
            self._push(self._questions, target.next_at, target)

    def _ask_due(self, now: float, ask: Callable[[Target], Outcome]) -> None:
        if self._advanced_at is not None:
            self._allowance = min(self._allowance + (now - self._advanced_at) * MAX_PROBE_RATE, MAX_PROBE_BURST)
        while self._questions and self._questions[0][0] <= now and self._allowance >= 1.0:
            at, _, target = heappop(self._questions)
            if at != target.next_at or not self._is_current(target):
                continue
            self._end_question(target)  # one may be without an answer: the interval was shortened
            target.next_at = now + target.probe.interval
            self._push(self._questions, target.next_at, target)  # before: a fault must not end the questions
            target.outcome = ask(target)
            if target.outcome is Outcome.ASKED:
                self._allowance -= 1.0
                target.questions += 1
                target.asked_at = now
                self._awaited[target.token] = target
                self._push(self._overdue, now + target.timeout, target)
            elif target.probe.name not in target.real.failed_probes:
                _end_outage(target, now)  # meanwhile others may ask, and be answered: former silence shows nothing

    def _on_silence(self, target: Target, asked_at: float, now: float) -> None:
        """A real server has left a question without an answer."""
        real, needed = target.real, target.probe.faildetect
        if not self._is_current(target):
            return
        if not target.failures:
            target.unanswered_since = asked_at
        target.failures += 1
        if real.doubt.has_answered_since(target.unanswered_since):
            _end_outage(target, now)
            return
        if 2 * target.failures >= needed:
            real.doubt.look(now)
        if target.failures >= needed and target.is_proven:
            if target.failed_since is None:
                target.outages += 1
                target.failed_since = target.unanswered_since
            real.fail_probe(target.probe.name, now, is_last=not target.farm.serves_without(real))

    def _is_current(self, target: Target) -> bool:
        return self._by_key.get((target.farm.name, target.real.key, target.probe.name)) is target

    def _push(self, heap: list[tuple[float, int, Target]], at: float, target: Target) -> None:
        self._entries += 1
        heappush(heap, (at, self._entries, target))

    def _end_failures_without_probe(self) -> None:
        """End the failure of real servers that a probe has failed and that no probe asks any more.

        Another member of the cluster may have failed them.
        """
        failed = [real for farm in self._farms.values() for real in farm.reals if real.health is _PROBE_FAILED]
        if failed:
            asked = {id(target.real) for target in self.targets}
            for real in failed:
                if id(real) not in asked:
                    real.end_probes()

    def groups(self) -> Iterator[tuple[str, str]]:
        """The farms and their probes, by name."""
        yield from {each.group: None for each in self.targets}

    def unproven(self) -> Iterator[tuple[str, str]]:
        """Those of :meth:`groups` whose probe has shown nothing yet, although it was sent often enough."""
        silent = (each for each in self.targets if each.state is TargetState.UNPROVEN)
        yield from {each.group: None for each in silent}


_PROBE_FAILED = Health.PROBE_FAILED


def _end_outage(target: Target, now: float) -> None:
    target.failures = 0
    target.past_outages += target.outage(now)
    target.failed_since = None


def _is_alike(before: Probe, after: Probe) -> bool:
    """Whether two probes of one name ask the same question; how often does not matter."""
    return (before.kind, before.source, before.nai) == (after.kind, after.source, after.nai)
