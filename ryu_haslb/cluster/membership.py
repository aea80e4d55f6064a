"""What this balancer says of itself to the other members, and what it knows of them and of the last switchovers."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from typing import Callable, Optional

from ryu_haslb import __version__
from ryu_haslb.cluster.election import MemberState
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.member_rows import (
    BEAT_INTERVAL,
    MEMBER,
    SWITCHOVER,
    MemberInfo,
    Switchover,
    read_switchovers,
    switchovers_to_publish,
)
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.reach import Reach, counted
from ryu_haslb.cluster.rows import Columns
from ryu_haslb.cluster.switchover_reason import SwitchoverReason, reason_of
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)

#: Seconds from the beginning of a leadership until it is recorded: by then the reason is known. And at most, if there
#: are switches that it does not serve.
RECORD_INTERVAL = 1.0
RECORD_TIMEOUT = 10.0
#: Seconds from the beginning of a leadership for which the leader before may still say that it leads.
RIVAL_TIMEOUT = 1.0
#: Seconds after which a member that stands by, and reaches fewer switches than another one, queues for the lock anew.
QUEUE_INTERVAL = 3.0
#: Rivals that are counted and logged.
MAX_RIVALS = 1000


class Membership:
    """Connects a member with the tables Member and Switchover. ``url`` is where its HTTP server is; empty without."""

    def __init__(
        self,
        member: Member,
        fleet: Fleet,
        balancer: Balancer,
        url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._member, self._fleet, self._balancer, self._url, self._clock = member, fleet, balancer, url, clock
        self._began_at = clock()
        self._sample: Optional[MemberInfo] = None
        self._said_beat = -1
        self._reach = Reach()
        self._queued_at = -QUEUE_INTERVAL
        self._latest: Optional[Switchover] = None
        self._reason = "", ""  # the leader before, or that of now, and why it has resigned
        self._rivals: set[tuple[str, int, int]] = set()
        member.shared.add(
            Publication(MEMBER, self._state, self._wanted, self._on_rows, self._is_owned, by_leader=False)
        )
        member.shared.add(Publication(SWITCHOVER, self._record, self._wanted_switchovers, self._on_switchovers))

    def _state(self) -> object:
        """Sessions and lag are taken with each beat; anything else counts at once."""
        member, beat = self._member, int((self._clock() - self._began_at) / BEAT_INTERVAL)
        member.name_conflict.on_time(member.is_leading, self._clock())
        if self._sample is None or self._sample.beat != beat:
            self._sample = self._info(beat)
        agreement = member.agreement
        state = beat, member.state, member.election.generation, member.resigning, agreement.shared, agreement.refused
        return state, member.name_conflict.gives_way, self._reached()

    def _count_reached(self) -> int:
        now, switches = self._clock(), self._fleet.switches
        return counted({key for key, each in switches.items() if each.answers(now)}, self._fleet.established)

    def _reached(self) -> int:
        """Let another member lead that reaches more switches. Returns how many this one reaches."""
        member, now = self._member, self._clock()
        reached = self._count_reached()
        if member.state is MemberState.STANDBY:
            self._queue(reached, now)
        if not member.is_leading or member.leadership.is_resigning or not member.is_connected:
            self._reach.forget()
            return reached
        others = [each.switches for each in member.members.present(now) if each.name != member.name]
        is_silent = any(each.is_connected and not each.answers(now) for each in self._fleet.switches.values())
        if self._reach.must_resign(reached, max(others, default=0), now, is_silent):
            LOG.warning(
                "cluster: %s reaches %d switches, and another member reaches more; it resigns", member.name, reached
            )
            member.resign(SwitchoverReason.REACHES_FEWER_SWITCHES)
        return reached

    def _queue(self, reached: int, now: float) -> None:
        """The database gives the lock to the member that has asked for it first: that should reach all switches."""
        member = self._member
        others = [each for each in member.members.present(now) if each.name not in (member.name, member.leader)]
        if now >= self._queued_at + QUEUE_INTERVAL and any(each.switches > reached for each in others):
            self._queued_at = now
            member.election.queue_anew()

    def _info(self, beat: int) -> MemberInfo:
        member = self._member
        followers = [each.follower for each in self._fleet.switches.values() if each.follower is not None]
        lags = [follower.lag for follower in followers if follower.lag is not None]
        followed = sum(follower.sessions for follower in followers)
        return MemberInfo(
            member.name,
            member.name_conflict.instance,
            beat,
            member.state.value,
            member.election.generation,
            member.resigning,
            self._url,
            __version__,
            len(self._balancer.sessions) if member.is_leading else followed,
            self._count_reached(),
            None if member.is_leading or not lags else round(max(lags) * 1000),
            0 if member.agreement.shared is None else member.agreement.shared.revision,
            member.agreement.refused,
        )

    def _wanted(self, rows: Collection[Columns], _: float) -> Iterable[Columns]:
        """Its own row. One that gives way to another member of its name takes that once for each beat."""
        beat = 0 if self._sample is None else self._sample.beat
        present = [row for row in rows if row["name"] == self._member.name]
        if self._member.name_conflict.gives_way and beat == self._said_beat and present:
            return present
        self._said_beat = beat
        return [self._info(beat).row()]

    def _is_owned(self, row: Columns) -> bool:
        """Its own row is this member's, and the leader deletes those of members that are gone."""
        if row["name"] == self._member.name:
            return True
        return self._member.is_leading and self._member.members.is_forgotten(row, self._clock())

    def _on_rows(self, rows: Collection[Columns]) -> None:
        self._member.members.on_rows(rows, self._clock())
        self._look_for_rivals()
        self._remember_reason()
        self._look_for_name_conflict()

    def _look_for_name_conflict(self) -> None:
        member = self._member
        conflict = member.name_conflict
        if conflict.on_row(member.members.get(member.name), member.is_leading, self._clock()):
            LOG.error(
                "cluster: another member has the name %s as well%s; give one of them another HASLB_NAME",
                *(member.name, ", so this one does not lead" if conflict.gives_way else ""),
            )

    def _remember_reason(self) -> None:
        """Remember why a leader resigns: it may be started again, and say nothing of it, before that is recorded."""
        member = self._member
        name = member.leader if member.lead is None else member.lead.previous
        said = member.members.get(name)
        if said is not None and said.resigning:
            self._reason = name, said.resigning
        elif said is not None and said.state == MemberState.LEADER.value:
            self._reason = "", ""

    def _look_for_rivals(self) -> None:
        """Count the members that say that they lead, although this one does."""
        member, lead = self._member, self._member.lead
        if lead is None:
            return
        for rival in member.members.rivals(member.name, lead.at + RIVAL_TIMEOUT):
            seen = rival.name, rival.generation, lead.generation
            if seen in self._rivals or len(self._rivals) >= MAX_RIVALS:
                continue
            self._rivals.add(seen)
            member.rivals_seen += 1
            LOG.warning(
                "cluster: %s says that it leads (generation %d), and %s leads (generation %d); switches with roles "
                "reject the older one",
                *(rival.name, rival.generation, member.name, lead.generation),
            )

    def _record(self) -> object:
        """The record of this leadership, when it can be made."""
        member, now = self._member, self._clock()
        lead = member.lead
        if lead is None:
            self._latest = None
        elif (self._latest is None or self._latest.generation != lead.generation) and now >= lead.at + RECORD_INTERVAL:
            connected = [each for each in self._fleet.switches.values() if each.is_connected]
            served = [each for each in connected if each.role in (Role.MASTER, Role.UNFENCED)]
            if len(served) == len(connected) or now >= lead.at + RECORD_TIMEOUT:
                ended = max((each.served_since for each in served), default=lead.at)
                name, reason = self._reason
                self._latest = Switchover(
                    lead.generation,
                    member.name,
                    lead.previous,
                    member.leader_since,
                    reason_of(member.name, lead.previous, reason if name == lead.previous else ""),
                    round((max(ended, lead.at) - lead.claimed_at) * 1000) if len(served) == len(connected) else None,
                )
        return self._latest

    def _wanted_switchovers(self, rows: Collection[Columns], _: float) -> Iterable[Columns]:
        return switchovers_to_publish(rows, self._latest)

    def _on_switchovers(self, rows: Collection[Columns]) -> None:
        self._member.switchovers = read_switchovers(rows)
