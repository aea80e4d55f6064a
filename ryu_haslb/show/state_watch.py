"""Log lines for what changes its state, tagged as on IOS: ``%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=FAILED``.

Pure: :meth:`StateWatch.changes` compares what is with what was said last. Whatever flaps is spoken of once an interval,
and in the end with the state that it came to rest in, so no limit ever hides how things stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.dfp.manager import State
from ryu_haslb.show.snapshot import Sources

#: Seconds between two looks at everything.
INTERVAL = 0.2
#: Seconds between two lines about the same thing.
QUIET = 1.0
#: Lines a second about all things together.
MOST_LINES = 20


class Subject(NamedTuple):
    """What a line is about: its tag and what names it; ``switch`` by its id, real servers by farm and address."""

    tag: str
    farm: str
    name: object

    def __str__(self) -> str:
        if self.tag == REAL:
            assert isinstance(self.name, bytes)
            return f"farm={self.farm} real={IPv4Address(self.name)}"
        return f"datapath={self.name:016x}" if self.tag == SWITCH else f"agent={self.name}"


REAL, SWITCH, DFP = "REAL", "SWITCH", "DFP"


class StateWatch:
    """Remembers which state of everything was reported last. What is there at first is only remembered."""

    def __init__(self, sources: Sources, now: float) -> None:
        self._reported = dict(_states(sources))
        self._reported_at: dict[Subject, float] = {}
        self._configuration = sources.configuration
        self._looked = self._second = now
        self._lines = 0

    def changes(self, sources: Sources, now: float) -> Iterator[str]:
        """The lines that are due at ``now``, in seconds of a monotonic clock; call it as often as you like."""
        if now - self._looked < INTERVAL:
            return
        self._looked = now
        if sources.configuration is not self._configuration:
            self._configuration = sources.configuration
            yield _configured(sources.configuration)
        if now - self._second >= 1.0:
            self._second, self._lines = now, 0
        states = dict(_states(sources))
        if states == self._reported:
            return
        changed = [subject for subject in {**self._reported, **states} if self._is_due(subject, states, now)]
        changed.sort(key=lambda subject: self._reported_at.get(subject, 0.0))  # what flaps lets others go first
        for subject in changed[: MOST_LINES - self._lines]:
            self._lines += 1
            before, after = self._reported.get(subject), states.get(subject)
            yield f"%SLB-6-{subject.tag}: {subject} state={after or 'removed'} was={before or 'none'}"
            self._report(subject, after, now)

    def _is_due(self, subject: Subject, states: dict[Subject, str], now: float) -> bool:
        if self._reported.get(subject) == states.get(subject):
            return False
        return now - self._reported_at.get(subject, now - QUIET) >= QUIET

    def _report(self, subject: Subject, state: Optional[str], now: float) -> None:
        if state is None:
            del self._reported[subject]
            self._reported_at.pop(subject, None)
        else:
            self._reported[subject] = state
            self._reported_at[subject] = now


def _states(sources: Sources) -> Iterator[tuple[Subject, str]]:
    for real in sources.balancer.reals():
        yield Subject(REAL, real.farm_name, real.packed_address), real.state
    for datapath_id, switch in sources.switches.items():
        yield Subject(SWITCH, "", datapath_id), "lost" if switch.channel is None else "connected"
    for link in sources.dfp.links:
        connected = link.connection.state is State.CONNECTED
        yield Subject(DFP, "", link.connection.name), "connected" if connected else "lost"


def _configured(configuration: Configuration) -> str:
    reals = sum(len(farm.reals) for farm in configuration.farms.values())
    counts = f"farms={len(configuration.farms)} reals={reals} vservers={len(configuration.virtual_servers)}"
    return f"%SLB-5-CONFIG: applied {counts}"
