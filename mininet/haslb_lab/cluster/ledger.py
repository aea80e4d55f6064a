"""What the mobiles of a cluster sent and where it arrived, and what follows from that. Pure but for the reading.

Times are nanoseconds of one clock, that of the machine on which senders and captures run.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Optional

from haslb_lab.cluster.rule_record import NEW_MASTER, RULE, NewMaster, Rule
from haslb_lab.cluster.traffic import ARRIVED, MAX_MOBILES, SENT

SECOND = 1_000_000_000

#: Nanoseconds before a pause in which a request may have been sent that was still in flight when it began.
IN_FLIGHT = SECOND // 10


class Arrival(NamedTuple):
    """A request at a home agent."""

    at: int
    sent: int
    mobile: int
    agent: str


class Pause(NamedTuple):
    """A time without service at one switch: from the last request that was served before to the first one after."""

    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.begin) / SECOND


#: The pause of each switch in a time.
Pauses = Mapping[int, Pause]


def switch_of(mobile: int) -> int:
    """The number of the switch at which a mobile's PDSN is."""
    return mobile // MAX_MOBILES


def _is_within(sent: int, pause: Pause) -> bool:
    return pause.begin - IN_FLIGHT <= sent <= pause.end


@dataclass(frozen=True)
class Ledger:
    """All requests: ``sent`` in the order of sending (time, mobile), ``arrivals`` in the order of arrival.

    ``masters`` are those that each switch has had.
    """

    sent: Sequence[tuple[int, int]]
    arrivals: Sequence[Arrival]
    masters: Mapping[int, Sequence[NewMaster]] = field(default_factory=dict)

    def pauses(self, begin: int, end: int) -> Pauses:
        """For each switch the longest pause between two arrivals of its requests, from ``begin`` to ``end``.

        It may have begun before ``begin``, and the part after the last arrival counts.
        """
        gaps = {switch: self._gaps(switch, begin, end) for switch in self._times_by_switch}
        return {
            switch: max(each, key=lambda pause: pause.seconds, default=Pause(begin, end))
            for switch, each in gaps.items()
        }

    def takeovers(self, begin: int, end: int) -> Pauses:
        """For each switch that has got another master from ``begin`` to ``end``: from the last arrival before to the
        first one after. Where the arrivals between two times may be before or after, the longest pause counts."""
        found = {}
        for switch in self.masters.keys() & self._times_by_switch.keys():
            gaps = self._gaps(switch, begin, end)
            within = [each for each in self.masters[switch] if each.end >= begin and each.begin <= end]
            near = [gap for gap in gaps if any(gap.end >= each.begin and gap.begin <= each.end for each in within)]
            if near:
                found[switch] = max(near, key=lambda pause: pause.seconds)
        return found

    def _gaps(self, switch: int, begin: int, end: int) -> list[Pause]:
        arrivals = self._times_by_switch[switch]
        first = max(bisect_left(arrivals, begin) - 1, 0)
        times = [*arrivals[first : bisect_right(arrivals, end)], end]
        return [Pause(before, after) for before, after in zip(times, times[1:])]

    @cached_property
    def _times_by_switch(self) -> dict[int, list[int]]:
        times: dict[int, list[int]] = {switch_of(mobile): [] for _, mobile in self.sent}
        for arrival in self.arrivals:
            times[switch_of(arrival.mobile)].append(arrival.at)
        return times

    @property
    def twice(self) -> int:
        """Requests that arrived more often than once."""
        counted = Counter((arrival.mobile, arrival.sent) for arrival in self.arrivals)
        return sum(count - 1 for count in counted.values())

    def lost(self, pauses: Sequence[Pauses]) -> int:
        """Requests that did not arrive, but for those that were sent in these pauses or shortly before (in flight)."""
        arrived = {(arrival.mobile, arrival.sent) for arrival in self.arrivals}
        return sum(
            not any(_is_within(sent, each[switch_of(mobile)]) for each in pauses)
            for sent, mobile in self.sent
            if (mobile, sent) not in arrived
        )

    def homes(self) -> dict[int, str]:
        """The home agent to which each mobile's last request went."""
        return {arrival.mobile: arrival.agent for arrival in self.arrivals}

    def moved(self, rules: Mapping[tuple[int, str], Rule]) -> Moved:
        """The mobiles whose requests arrived at more than one home agent, and why.

        ``rules`` has the first rule by which a switch has led the session of a mobile to a home agent, in the order in
        which the switch got them.
        """
        under_way, others = [], []
        for stays in self._stays_by_switch.values():
            for place, stay in enumerate(stays):
                if stay.next_agent is not None:
                    fault = _fault(stays, place, rules)
                    if fault is None:
                        under_way.append(stay.mobile)
                    else:
                        others.append(f"mobile {stay.mobile} of {stay.agent} came to {stay.next_agent}: {fault}")
        return Moved(sorted(under_way), sorted(others))

    @property
    def _stays_by_switch(self) -> Mapping[int, list[Stay]]:
        """At which home agents mobiles were one after the other, in the order in which their requests were sent.

        The leader serves the requests of a PDSN in this order. A switch that forwards several at once may deliver those
        to one home agent some milliseconds before earlier ones to another, which is longer than a rule waits.
        """
        found: dict[int, list[Stay]] = defaultdict(list)
        latest: dict[int, Stay] = {}
        for arrival in sorted(self.arrivals, key=lambda each: each.sent):
            before = latest.get(arrival.mobile)
            if before is None or before.agent != arrival.agent:
                if before is not None:
                    before.next_agent = arrival.agent
                latest[arrival.mobile] = stay = Stay(arrival.mobile, arrival.agent)
                found[switch_of(arrival.mobile)].append(stay)
        return found


@dataclass
class Stay:
    """A mobile at a home agent, which it came to with a new session; and the next one, if it came to another."""

    mobile: int
    agent: str
    next_agent: Optional[str] = None

    @property
    def key(self) -> tuple[int, str]:
        """Mobile and home agent."""
        return self.mobile, self.agent


class Moved(NamedTuple):
    """Mobiles that came to another home agent: those whose rule was under way when the leader changed, and others."""

    under_way: list[int]
    others: list[str]


def _fault(stays: Sequence[Stay], place: int, rules: Mapping[tuple[int, str], Rule]) -> Optional[str]:
    """Why the loss of a session is a fault; None if its rule was on its way to the switch when the leader changed.

    A leader installs the rules of sessions in the order in which these began. So if a rule was on its way, the switch
    has never had it, and the next rule of a session that began later is from another leader. Of the sessions that began
    earlier those count that had their rules by then: others were under way as well, and got theirs when their mobiles
    registered again.
    """
    own = rules.get(stays[place].key)
    if own is not None:
        return f"the switch had its rule (generation {own.newest})"
    earlier = {stay.key: at for at, stay in enumerate(stays[:place])}
    later = {stay.key for stay in stays[place + 1 :]}
    before: Optional[Rule] = None
    began = -1
    for key, rule in rules.items():
        if key in later:
            if before is not None and before.oldest < rule.newest:
                return None
            return f"the switch never had its rule, and next that of a later session, {rule}"
        if earlier.get(key, -1) > began:
            before, began = rule, earlier[key]
    return "the switch never had its rule, and none of a later session"


def read_ledger(sent: Iterable[Path], arrived: Mapping[str, Path], masters: Mapping[int, Path]) -> Ledger:
    """Read the files of senders, captures and records of switches; a record whose end is missing is left out."""
    requests = [record for path in sent for record in SENT.iter_unpack(_whole(path, SENT.size))]
    arrivals = [
        Arrival(at, sent_at, mobile, agent)
        for agent, path in arrived.items()
        for at, sent_at, mobile in ARRIVED.iter_unpack(_whole(path, ARRIVED.size))
    ]
    return Ledger(sorted(requests), sorted(arrivals), {switch: _masters(path) for switch, path in masters.items()})


def _whole(path: Path, size: int) -> bytes:
    content = path.read_bytes()
    return content[: len(content) // size * size]


def read_rules(path: Path) -> Iterator[Rule]:
    """Read the file that the record of a switch writes."""
    return map(Rule._make, RULE.iter_unpack(_whole(path, RULE.size)))


def _masters(path: Path) -> list[NewMaster]:
    return list(map(NewMaster._make, NEW_MASTER.iter_unpack(_whole(path, NEW_MASTER.size))))


def first_rules(
    rules: Iterable[Rule], mobiles: Mapping[int, int], agents: Mapping[bytes, str]
) -> dict[tuple[int, str], Rule]:
    """The first rule of each mobile and home agent: ``mobiles`` by their cookies, ``agents`` by Ethernet addresses."""
    found: dict[tuple[int, str], Rule] = {}
    for rule in rules:
        mobile, agent = mobiles.get(rule.cookie), agents.get(rule.mac)
        if mobile is not None and agent is not None:
            found.setdefault((mobile, agent), rule)
    return found
