"""Which member of a cluster leads. Pure: what the database shows comes in, and what is to be done goes out.

Theory of operation
===================

The members hold connections to a database (OVSDB on Raft, :mod:`.database`). It gives its lock to one of them. The lock
alone makes no leader: a member whose server has lost its Raft leader still has the lock for seconds. A member leads
when it has committed a transaction that asserts the lock and raises the *generation*. With the generation it asks every
switch to be MASTER, and a switch rejects an older generation (OpenFlow 1.3.5, section 6.3.6). A leader that was
suspended, or is cut off, therefore cannot do harm when it wakes up: the switches no longer accept it.

:data:`ELECTION_TRANSITIONS` is the whole state machine; ``docs/states.md`` is drawn from it.

A leader that loses the database goes on. If all members have lost it, no other one can lead. If this member alone has
lost it, another one gets the lock, raises the generation, and the switches reject the former leader.

A leader that resigns releases the lock for a while, and goes on until its successor has raised the generation: so
requests are served all the time.

A leader commits a newer generation, and goes on meanwhile, in two cases. One is that the database shows an older one.
The other is that a switch reports a newer one: it may remember an earlier database, or may lie. While the leader has
the lock, the commit proves that it leads, and the switch accepts the new generation. Such commits are limited in rate.
Without the lock or the database, the leader goes on as long as any other switch accepts it as MASTER, since each switch
by itself rejects a former leader.

A claim may be committed although the reply is lost with the connection. The member then finds the generation in the
database under its own name, and leads with it.

A database that was made anew may give a generation away a second time, while the former leader hangs or is cut off. A
switch accepts both leaders then (the same generation is not stale), and each of the two deposes the other. The one that
the database does not confirm stands by; the other one commits a newer generation. A member therefore claims a
generation that is newer than all that it has seen, also in an earlier database. For the same reason ``haslb cluster
create`` gives a database a first generation that is newer than those of all databases before. No member leads with the
first generation: the leader at that time, or the first one, commits the next.

No member commits a generation above :data:`MAX_COMMITTED_GENERATION`. If the database shows one, it is ignored, and the
next commit replaces it. It is sent to no switch, which would reject the generations of all members from then on.

When the Raft leader changes, or the database was made anew, all members connect again, and the lock is free. Standbys
leave it to the leader for :data:`LOCK_GRACE_INTERVAL`. Meanwhile each of them asks for the lock at short intervals, and
gives it back at once, until another client has held it for :data:`LOCK_TRIAL_INTERVAL`. That client is the leader: if
its connection ends, they need not wait. A member that has just been started and finds its own name as that of the
leader need not wait either, since it was the leader itself. If it finds its name later, another member has the same
name (:mod:`.name_conflict`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Optional, Union

#: Seconds for which a member that has resigned does not ask for the lock, so that another one gets it.
RESIGNATION_INTERVAL = 10.0
#: Seconds for which a member that has just connected leaves the lock to the leader. And seconds between two requests
#: for the lock, which show whether the leader holds it again; other members that ask hold it for some milliseconds.
LOCK_GRACE_INTERVAL, LOCK_TRIAL_INTERVAL = 1.0, 0.1
#: Seconds from a claim until the next.
CLAIM_INTERVAL = 0.2
#: Claims because of a generation at a switch that may follow each other at once, and seconds until a further one may.
MAX_CLAIMS_FOR_SWITCHES, CLAIM_FOR_SWITCH_INTERVAL = 5, 10.0
#: The newest generation of a switch that counts. OpenFlow's generations have 64 bits, the database's integers 63.
MAX_GENERATION = 1 << 62
#: The newest generation in the database that counts. None that members commit comes near it, and the next one after the
#: largest integer of the database could not be committed.
MAX_COMMITTED_GENERATION = (1 << 63) - (1 << 32)


class MemberState(Enum):
    """What a member is. The value is the token of ``show`` and metrics."""

    STANDBY = "standby"
    CLAIMING = "claiming"
    LEADER = "leader"
    ISOLATED = "isolated"


class ElectionEvent(Enum):
    """What changes a member's state; the text labels an arrow in ``docs/states.md``."""

    LOCKED = "it has the lock, and commits the next generation"
    COMMITTED = "its generation is committed, and it leads with it"
    NOT_COMMITTED = "its generation is not committed"
    CLAIM_FOUND = "the database has its last claim, and it leads with it"
    DATABASE_LOST = "database lost"
    DATABASE_BACK = "database back"
    SUCCEEDED = "the database has another leader"
    DEPOSED = "newer generation at a switch; neither confirmed by the database, nor MASTER of another switch"


#: The whole state machine. A pair that is not here leaves the state as it is.
ELECTION_TRANSITIONS: dict[tuple[MemberState, ElectionEvent], MemberState] = {
    (MemberState.STANDBY, ElectionEvent.LOCKED): MemberState.CLAIMING,
    (MemberState.STANDBY, ElectionEvent.CLAIM_FOUND): MemberState.LEADER,
    (MemberState.CLAIMING, ElectionEvent.COMMITTED): MemberState.LEADER,
    (MemberState.CLAIMING, ElectionEvent.NOT_COMMITTED): MemberState.STANDBY,
    (MemberState.CLAIMING, ElectionEvent.DATABASE_LOST): MemberState.STANDBY,
    (MemberState.LEADER, ElectionEvent.DATABASE_LOST): MemberState.ISOLATED,
    (MemberState.LEADER, ElectionEvent.SUCCEEDED): MemberState.STANDBY,
    (MemberState.LEADER, ElectionEvent.DEPOSED): MemberState.STANDBY,
    (MemberState.ISOLATED, ElectionEvent.DATABASE_BACK): MemberState.LEADER,
    (MemberState.ISOLATED, ElectionEvent.CLAIM_FOUND): MemberState.LEADER,
    (MemberState.ISOLATED, ElectionEvent.COMMITTED): MemberState.LEADER,
    (MemberState.ISOLATED, ElectionEvent.SUCCEEDED): MemberState.STANDBY,
    (MemberState.ISOLATED, ElectionEvent.DEPOSED): MemberState.STANDBY,
}


class View(NamedTuple):
    """What the database shows: whether it is connected, whether this member has the lock, and the last commit.

    ``is_contended``: this member has asked for the lock, and another client has it.
    """

    is_connected: bool
    has_lock: bool
    generation: int
    leader: str
    is_contended: bool = False

    @property
    def is_impossible(self) -> bool:
        """Whether no member can have committed this generation."""
        return self.generation > MAX_COMMITTED_GENERATION


@dataclass(frozen=True)
class Claim:
    """Commit this generation, with the lock asserted."""

    generation: int


@dataclass(frozen=True)
class Lead:
    """Serve the switches as MASTER with this generation."""

    generation: int


@dataclass(frozen=True)
class StandBy:
    """Serve no switch: another member leads with this generation."""

    generation: int
    leader: str


Action = Union[Claim, Lead, StandBy]


class Election:
    """The election as one member sees it. ``generation`` is the one with which it leads, or led last.

    ``claimed_at`` is when it last began to claim that it leads.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = MemberState.STANDBY
        self.generation = 0
        self._view = View(False, False, 0, "")
        self._newest_in_database = 0  # at any time: a database that was made anew shows 0
        self._newest_at_switch = 0
        self._has_seen_leader = False
        self._claims_left, self._claims_left_at = float(MAX_CLAIMS_FOR_SWITCHES), 0.0
        self._is_committing = False
        self._claimed: Optional[int] = None
        self.claimed_at = 0.0
        self._claim_at = 0.0
        self._resigned_until: Optional[float] = None
        self._must_queue_anew = False
        self._connected_at: Optional[float] = None
        self._has_been_connected = self._was_leader_before = False
        self._is_leader_back, self._lock_trial_at = False, 0.0
        self._contended_since: Optional[float] = None

    @property
    def is_leading(self) -> bool:
        """Whether this member serves the switches."""
        return self.state in (MemberState.LEADER, MemberState.ISOLATED)

    @property
    def newest_generation(self) -> int:
        """The newest generation that this member knows of, with which it asks a switch to be SLAVE."""
        return max(self.generation, self._newest_in_database, self._newest_at_switch)

    def wants_lock(self, now: float) -> bool:
        """Whether the database is to be asked for the lock."""
        if self._resigned_until is not None and now < self._resigned_until:
            return False
        if self._must_queue_anew:
            return False
        if not self._leaves_lock(now):
            return True
        return self._connected_at is not None and now >= self._lock_trial_at

    def observe(self, view: View, now: float) -> list[Action]:
        """The database may have changed, or time has passed."""
        if view.is_impossible and view.generation != self._claimed:  # the next claim replaces it
            view = view._replace(generation=0, leader="")
        self._view = view
        if not (view.has_lock or view.is_contended):
            self._must_queue_anew = False
        self._newest_in_database = max(self._newest_in_database, view.generation)
        self._has_seen_leader |= view.leader != ""
        if not view.is_connected:
            self._connected_at, self._is_leader_back = None, False
        elif self._connected_at is None:
            self._was_leader_before = view.leader == self.name and not self._has_been_connected
            self._has_been_connected = True
            self._connected_at = self._lock_trial_at = now
        if not (view.is_connected and view.is_contended):
            self._contended_since = None
        elif self._contended_since is None:
            self._contended_since = now
        elif now >= self._contended_since + LOCK_TRIAL_INTERVAL:
            self._is_leader_back = True
        if self._is_claim_found():
            return self._lead(view.generation, ElectionEvent.CLAIM_FOUND)
        if self.is_leading and view.is_connected and self._is_succeeded():
            return self._stand_by(ElectionEvent.SUCCEEDED)
        self._move(ElectionEvent.DATABASE_BACK if view.is_connected else ElectionEvent.DATABASE_LOST)
        if not self._must_claim(now) or not view.has_lock or now < self._claim_at:
            return []
        if self._leaves_lock(now):
            self._lock_trial_at = now + LOCK_TRIAL_INTERVAL
            return []
        return self._claim(now)

    def on_committed(self, generation: int) -> list[Action]:
        """The claim of this generation is in the database."""
        self._is_committing = False
        if generation < self._view.generation or self.state is MemberState.STANDBY:
            return []
        return self._lead(generation, ElectionEvent.COMMITTED)

    def on_not_committed(self) -> None:
        """The claim has failed, or its outcome is unknown."""
        self._is_committing = False
        self._move(ElectionEvent.NOT_COMMITTED)

    def on_generation_at_switch(self, generation: int, is_master_elsewhere: bool) -> list[Action]:
        """A switch reports the newest generation that it has seen.

        ``is_master_elsewhere``: another switch has accepted this member with its own generation.
        """
        if generation > MAX_GENERATION:
            return []
        self._newest_at_switch = max(self._newest_at_switch, generation)
        if self.is_leading and generation > self.generation and not (self._is_confirmed or is_master_elsewhere):
            return self._stand_by(ElectionEvent.DEPOSED)
        return []

    def queue_anew(self) -> None:
        """Let the other standbys precede this one in the queue for the lock: leave the queue, and ask again."""
        self._must_queue_anew = True

    def resign(self, now: float) -> None:
        """Let another member lead. This one goes on until it does."""
        self._resigned_until = now + RESIGNATION_INTERVAL

    @property
    def _is_confirmed(self) -> bool:
        view = self._view
        return self.state is MemberState.LEADER and view.has_lock and view.generation == self.generation

    def _leaves_lock(self, now: float) -> bool:
        """Whether to leave the lock to the leader, which has connected again as well."""
        knows_leader = self._has_seen_leader or self._newest_at_switch > 0
        if self.is_leading or self._was_leader_before or not knows_leader or self._is_leader_back:
            return False
        return self._connected_at is None or now < self._connected_at + LOCK_GRACE_INTERVAL

    def _is_succeeded(self) -> bool:
        """Whether the database shows another leader: one with a newer generation, or with the same one."""
        view = self._view
        is_same = view.generation == self.generation and view.leader != self.name
        return view.leader != "" and (is_same or view.generation > self.generation)

    def _is_claim_found(self) -> bool:
        """Whether the database shows a claim of this member that it does not know to be committed."""
        view = self._view
        if self._is_committing or not view.is_connected or view.generation <= self.generation:
            return False
        is_own = view.leader == self.name and view.generation == self._claimed
        return is_own and (self.is_leading or view.has_lock)

    def _must_claim(self, now: float) -> bool:
        if self._is_committing:
            return False
        if self.state is MemberState.LEADER:
            is_none_led = self._view.generation < self.generation or not self._view.leader
            return is_none_led or self._may_claim_for_switch(now)
        return self.state is MemberState.STANDBY

    def _may_claim_for_switch(self, now: float) -> bool:
        """Whether a switch has seen a newer generation, and the limit of claims for that reason is not reached."""
        if self._newest_at_switch <= self.generation:
            return False
        left = self._claims_left + (now - self._claims_left_at) / CLAIM_FOR_SWITCH_INTERVAL
        self._claims_left, self._claims_left_at = min(left, MAX_CLAIMS_FOR_SWITCHES), now
        return self._claims_left >= 1

    def _claim(self, now: float) -> list[Action]:
        if self.state is MemberState.STANDBY:
            self._move(ElectionEvent.LOCKED)
            self.claimed_at = now
        elif self._view.generation == self.generation:
            self._claims_left -= 1
        self._is_committing = True
        self._claim_at = now + CLAIM_INTERVAL
        self._claimed = self.newest_generation + 1
        return [Claim(self._claimed)]

    def _move(self, event: ElectionEvent) -> None:
        self.state = ELECTION_TRANSITIONS.get((self.state, event), self.state)

    def _lead(self, generation: int, event: ElectionEvent) -> list[Action]:
        if not self.is_leading:  # a claim that a leader had begun does not end its resignation
            self._resigned_until = None
        self._move(event)
        self.generation = generation
        return [Lead(generation)]

    def _stand_by(self, event: ElectionEvent) -> list[Action]:
        self._move(event)
        self._resigned_until = None
        leader = self._view.leader if self._view.generation == self.newest_generation else ""
        return [StandBy(self.newest_generation, leader)]
