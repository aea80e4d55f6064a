"""Log lines for state changes, tagged as on IOS: ``%SLB-3-REAL: farm=HAFARM real=10.1.1.51 state=FAILED was=...``.

Each line is in the history as well (:mod:`.state_history`), which also has who leads the cluster.

:meth:`StateLog.changes` compares the states now with the states that were logged last. An object whose state flaps is
logged at most once in :data:`LOG_INTERVAL`, and after some lines once a minute. A change that had to wait is logged
later if it still holds: the last line about an object always gives the state that it stays in. ``left_out`` is the
number of changes since the line before that have no line of their own.

What is not as it should be at the start, or when an object comes, is logged if it stays so for
:data:`SETTLING_TIMEOUT`: meanwhile switches connect, rules are installed and ARP is answered.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Optional

from ryu_haslb.dfp.agent_connection import State
from ryu_haslb.log_limit import Bucket
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.state_history import Kind, StateHistory
from ryu_haslb.slb.farm import FARM_FAILED, FARM_STATES
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.probing import TargetState

LOG = logging.getLogger(__name__)

#: Seconds between two comparisons of all states.
CHECK_INTERVAL = 0.2
#: Seconds for which an object that has just come may be what it should not be, before that is logged.
SETTLING_TIMEOUT = 30.0
#: Seconds between two lines about the same object.
LOG_INTERVAL = 1.0
#: Lines that one object may cause at once, and a minute from then on, so that no object fills the disk by flapping.
SUBJECT_BURST, SUBJECT_LINES_PER_MINUTE = 30, 1.0
#: The same for all switches together: a stranger can make up datapath ids, but no other objects.
SWITCHES_BURST, SWITCHES_LINES_PER_MINUTE = 300, 20.0
#: Objects whose allowance is remembered; beyond it those with a full one are forgotten.
MAX_REMEMBERED = 1000
#: Lines in one second, about all objects together. Further changes are logged in the next second.
MAX_LINES_PER_SECOND = 20

#: The ends of the lines about a real server that serves no more, and about one that no switch finds.
_SILENT = " (its mobiles get no replies; see 'show ip slb reals detail')"
_SILENT_TO_PROBE = " (it does not answer the probe; see 'show ip slb probe detail')"
_NOWHERE = " (no switch has its answer to ARP; see 'show ip slb reals detail')"
#: The end of the line about a real server that has failed and still serves.
_DEMOTED = " (it has failed, and still serves because no other real server of the farm can; check them all)"
#: The end of the line about a probe that no real server answers.
_SHOWS_NOTHING = " (no real server of the farm has ever answered it, so it fails none; check its source and the routes)"
#: The end of the line about a farm in which a new session has no real server.
_NO_ROOM = " (new mobiles get no answer; see 'show ip slb reals')"
_NO_SWITCH = " (new mobiles get no answer: no switch is connected and served; see 'show ip slb switches')"

REAL, SWITCH, DFP, FARM, PROBE = "REAL", "SWITCH", "DFP", "FARM", "PROBE"
#: The states of a probe of a farm: whether it shows something.
_PROVEN, _UNPROVEN = "PROVEN", TargetState.UNPROVEN.value
#: The tag of a line about whether a switch can reach a real server.
REACH = "REACH"
_REACHABLE, _UNREACHABLE = "reachable", "unreachable"
#: What an object was before it has come.
_UNKNOWN = "unknown"
#: States of a farm in which a new session has no real server.
_WITHOUT_ROOM = FARM_STATES[2:]
_NOTES = {
    (REAL, Health.FAILED.value): _SILENT,
    (REAL, Health.PROBE_FAILED.value): _SILENT_TO_PROBE,
    (REAL, Health.DEMOTED.value): _DEMOTED,
    (REACH, _UNREACHABLE): _NOWHERE,
    (PROBE, _UNPROVEN): _SHOWS_NOTHING,
    **{(FARM, state): _NO_ROOM for state in _WITHOUT_ROOM},
}
_KINDS = {
    PROBE: Kind.PROBE,
    REAL: Kind.REAL,
    REACH: Kind.REAL,
    SWITCH: Kind.SWITCH,
    DFP: Kind.DFP_AGENT,
    FARM: Kind.FARM,
}
#: The severities of lines, as on IOS: a farm without a home agent, something lost, less than there should be, the rest.
_CRITICAL, _ERROR, _WARNING, _INFORMATIONAL = 2, 3, 4, 6
_DISCONNECTED = "disconnected"
_SEVERITIES = {
    **{(FARM, state): _WARNING for state in _WITHOUT_ROOM},
    (FARM, FARM_FAILED): _CRITICAL,
    (REAL, Health.FAILED.value): _ERROR,
    (REAL, Health.DEMOTED.value): _ERROR,
    (REAL, Health.PROBE_FAILED.value): _ERROR,
    (PROBE, _UNPROVEN): _WARNING,
    (REACH, _UNREACHABLE): _ERROR,
    (SWITCH, _DISCONNECTED): _ERROR,
    (DFP, _DISCONNECTED): _WARNING,
}


class Subject(NamedTuple):
    """The object that a line is about: a farm, a real server, a switch or a DFP agent, as ``tag`` says.

    ``name`` is the name of a real server (with the ``farm`` that it belongs to) or of a farm, the datapath id of a
    switch, or the address of an agent.
    """

    tag: str
    farm: str
    name: object

    def __str__(self) -> str:
        if self.tag in (REAL, REACH):
            return f"farm={self.farm} real={self.name}"
        if self.tag == PROBE:
            return f"farm={self.farm} probe={self.name}"
        if self.tag == FARM:
            return f"farm={self.name}"
        return f"datapath={self.name:016x}" if self.tag == SWITCH else f"agent={self.name}"

    @property
    def title(self) -> str:
        """Its name in the history."""
        if self.tag in (REAL, REACH, PROBE):
            return f"{self.name} ({self.farm})"
        return f"{self.name:016x}" if self.tag == SWITCH else str(self.name)


class StateLog:
    """The states that were logged last. The states at the start count as logged, for a while."""

    def __init__(self, sources: Sources, now: float, history: Optional[StateHistory] = None) -> None:
        self._history = StateHistory() if history is None else history
        self._leader = _leader(sources)
        self._logged = dict(_states(sources))
        self._logged_at: dict[Subject, float] = {}
        self._unsettled = {each: now for each, state in self._logged.items() if _severity(each, state) < _INFORMATIONAL}
        self._checked_at = self._second = now
        self._lines = 0
        self._seen = dict(self._logged)
        self._left_out: Counter[Subject] = Counter()
        self._allowances: dict[Subject, Bucket] = {}
        self._switches = Bucket(SWITCHES_BURST, SWITCHES_LINES_PER_MINUTE, now)

    def changes(self, sources: Sources, now: float) -> Iterator[str]:
        """The lines that are due at ``now``, in seconds of a monotonic clock. Calls within :data:`CHECK_INTERVAL` of
        the last comparison return nothing."""
        if now - self._checked_at < CHECK_INTERVAL:
            return
        self._checked_at = now
        self._record_leader(sources)
        if now - self._second >= 1.0:
            self._second, self._lines = now, 0
        states = dict(_states(sources))
        self._settle(sources, now)
        if states == self._logged and states == self._seen:
            return
        self._count_changes(states)
        changed = [subject for subject in {**self._logged, **states} if self._is_due(subject, states, now)]
        changed.sort(key=lambda subject: self._logged_at.get(subject, 0.0))  # objects that flap come last
        for subject in changed[: MAX_LINES_PER_SECOND - self._lines]:
            before, after = self._logged.get(subject), states.get(subject)
            if subject.tag == REACH and after is None:
                self._record(subject, after, now)  # a real server goes
                continue
            if before is None and _severity(subject, after) < _INFORMATIONAL:
                self._record(subject, after, now)  # it has just come
                self._left_out.pop(subject, None)
                self._unsettled[subject] = now
                continue
            if subject.tag == PROBE and _UNPROVEN not in (before, after):
                self._record(subject, after, now)  # a probe comes, or goes
                continue
            self._lines += 1
            note = _note(sources, subject, after)
            left_out = self._left_out.pop(subject, 1) - 1
            count = f" left_out={left_out}" if left_out > 0 else ""
            # Of what has just come, and becomes well, nothing was known before.
            was = _UNKNOWN if after and subject in self._unsettled else before or "none"
            states_text = f"state={after or 'removed'} was={was}"
            yield f"%SLB-{_severity(subject, after)}-{subject.tag}: {subject} {states_text}{count}{note}"
            self._record(subject, after, now)
            kind = _KINDS[subject.tag]
            self._history.record(kind, subject.title, after or "removed", was, max(left_out, 0))

    def _settle(self, sources: Sources, now: float) -> None:
        """Have the states logged that have lasted since the start. While it stands by it finds no real server."""
        if not _serves(sources):
            self._unsettled = dict.fromkeys(self._unsettled, now)
        for subject in [each for each, since in self._unsettled.items() if now - since >= SETTLING_TIMEOUT]:
            del self._unsettled[subject]
            self._left_out.pop(subject, None)
            self._logged[subject] = _UNKNOWN

    def _record_leader(self, sources: Sources) -> None:
        before, self._leader = self._leader, _leader(sources)
        if self._leader != before:
            self._history.record(Kind.REDUNDANCY, "leader", self._leader or "none", before or "none")

    def _is_due(self, subject: Subject, states: dict[Subject, str], now: float) -> bool:
        if self._logged.get(subject) == states.get(subject):
            return False
        if now - self._logged_at.get(subject, now - LOG_INTERVAL) < LOG_INTERVAL:
            return False
        allowances = [each for each in (self._allowances.get(subject), self._shared(subject)) if each is not None]
        return all(each.fill(now) >= 1.0 for each in allowances)

    def _shared(self, subject: Subject) -> Optional[Bucket]:
        return self._switches if subject.tag == SWITCH else None

    def _count_changes(self, states: dict[Subject, str]) -> None:
        """Count the changes since the last comparison, logged or not."""
        for subject in {**self._seen, **states}:
            if self._seen.get(subject) != states.get(subject):
                self._left_out[subject] += 1
        self._seen = states
        if len(self._left_out) > len(states) + MAX_REMEMBERED:
            self._left_out = Counter({each: count for each, count in self._left_out.items() if each in states})

    def _record(self, subject: Subject, state: Optional[str], now: float) -> None:
        shared = self._shared(subject)
        if shared is not None:
            shared.take()
        if len(self._allowances) > MAX_REMEMBERED:
            self._allowances = {each: left for each, left in self._allowances.items() if not left.is_full(now)}
        self._allowances.setdefault(subject, Bucket(SUBJECT_BURST, SUBJECT_LINES_PER_MINUTE, now)).take()
        self._unsettled.pop(subject, None)
        if state is None:
            del self._logged[subject]
            self._logged_at.pop(subject, None)
        else:
            self._logged[subject] = state
            self._logged_at[subject] = now


def write(line: str) -> None:
    """Log a line of :meth:`StateLog.changes` at the level that its severity stands for."""
    severity = int(line.partition("-")[2][:1])
    if severity <= _CRITICAL:
        LOG.critical("%s", line)
    elif severity == _ERROR:
        LOG.error("%s", line)
    elif severity == _WARNING:
        LOG.warning("%s", line)
    else:
        LOG.info("%s", line)


def _note(sources: Sources, subject: Subject, state: Optional[str]) -> str:
    """The end of a line: what the state means, or why the connection was lost."""
    if subject.tag == FARM and state == FARM_FAILED and all(each.channel is None for each in sources.switches.values()):
        return _NO_SWITCH
    if state != _DISCONNECTED:
        return _NOTES.get((subject.tag, state or ""), "")
    if subject.tag == SWITCH:
        reasons = (switch.lost_because for number, switch in sources.switches.items() if number == subject.name)
    else:
        reasons = (link.lost_because for link in sources.dfp.links if link.connection.name == subject.name)
    return "".join(f" ({reason})" for reason in reasons if reason)


def _severity(subject: Subject, state: Optional[str]) -> int:
    return _SEVERITIES.get((subject.tag, state or ""), _INFORMATIONAL)


def _serves(sources: Sources) -> bool:
    """Whether it is this balancer, and no other one, that serves the switches."""
    is_standby = sources.member is not None and not sources.member.is_leading
    return not is_standby and all(switch.role is not Role.WAITING for switch in sources.switches.values())


def _leader(sources: Sources) -> str:
    return "" if sources.member is None else sources.member.leader


def _states(sources: Sources) -> Iterator[tuple[Subject, str]]:
    for farm in sources.balancer.farms.values():
        if farm.reals:
            yield Subject(FARM, "", farm.name), farm.state
    for real in sources.balancer.reals():
        yield Subject(REAL, real.farm_name, real.name), real.state
        yield Subject(REACH, real.farm_name, real.name), _REACHABLE if real.reachable_from else _UNREACHABLE
    unproven = set(sources.balancer.probing.unproven())
    for farm_name, probe in sources.balancer.probing.groups():
        yield Subject(PROBE, farm_name, probe), _UNPROVEN if (farm_name, probe) in unproven else _PROVEN
    for datapath_id, switch in sources.switches.items():
        yield (
            Subject(SWITCH, "", datapath_id),
            (Role.WAITING.value if switch.role is Role.WAITING else _connection(switch.channel is not None)),
        )
    for link in sources.dfp.links:
        yield Subject(DFP, "", link.connection.name), _connection(link.connection.state is State.CONNECTED)


def _connection(connected: bool) -> str:
    return "connected" if connected else _DISCONNECTED
