"""This balancer as a member of a cluster: what the election decides is handed to the switches, and shown."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Callable, NamedTuple, Optional

import ovs.poller

from ryu_haslb.cluster.configuration_rows import Agreement
from ryu_haslb.cluster.database import Database
from ryu_haslb.cluster.election import Action, Election, Lead, MemberState, StandBy
from ryu_haslb.cluster.idl import OVS, Engine
from ryu_haslb.cluster.member_rows import MEMBER, Members, Switchover
from ryu_haslb.cluster.name_conflict import NameConflict
from ryu_haslb.cluster.rows import shown
from ryu_haslb.cluster.settings import MAX_NAME_LENGTH, ClusterSettings
from ryu_haslb.cluster.shared_state import SharedState
from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.openflow.roles.fencing import Leadership

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the election when the database shows nothing new.
TICK_INTERVAL = 0.1
#: Seconds that the switches have to confirm what was on its way to them before this member resigned, until it releases
#: the lock all the same. Open vSwitch connects again 1 s after it has lost a connection.
RELEASE_TIMEOUT = 2.0
#: Seconds for which a member may be without the database before it says what the reasons may be.
CONNECTION_TIMEOUT = 10.0


class Leading(NamedTuple):
    """A leadership: its generation, the leader before, and when it was claimed and began."""

    generation: int
    previous: str
    claimed_at: float
    at: float


class Member:
    """A member of a cluster. ``leadership`` is for the switches; ``on_change`` is called when it has changed.

    ``may_lead`` says whether it knows enough to lead: the configuration of the cluster. ``lead`` is its leadership,
    None while it stands by; ``resigning`` is why it has let another member lead, until it leads again. ``members``,
    ``switchovers`` and ``agreement`` are what it knows of the others, of the past and of the configuration.
    ``rivals_seen`` counts others that said that they led while this one did; ``name_conflict`` is with one of its name.
    """

    def __init__(
        self, settings: ClusterSettings, clock: Callable[[], float] = time.monotonic, engine: Engine = OVS
    ) -> None:
        self.name = settings.name
        self._clock = clock
        self.on_change: Callable[[], None] = lambda: None
        self.election = Election(settings.name)
        self.may_lead: Callable[[], bool] = lambda: True
        self.agreement = Agreement("")
        self.members = Members()
        self.switchovers: list[Switchover] = []
        self.lead: Optional[Leading] = None
        self.resigning = ""
        self.rivals_seen = 0
        self.name_conflict = NameConflict(uuid.uuid4().hex)
        self._previous = ""
        self._database = Database(settings, self.election, self.act, self._may_lead, engine)
        self.shared = SharedState(settings, self.election, engine)
        self.leadership = Leadership(self._database.on_generation_at_switch)
        self.leadership.on_ready = self._release_lock
        self._release_at: Optional[float] = None
        self._was_connected = False
        self._remotes = settings.remotes
        self._must_connect_by: Optional[float] = clock() + CONNECTION_TIMEOUT

    @property
    def state(self) -> MemberState:
        """What this member is."""
        return self.election.state

    @property
    def is_leading(self) -> bool:
        """Whether this member serves the switches."""
        return self.election.is_leading

    @property
    def generation(self) -> int:
        """The newest generation that this member knows of."""
        return self.election.newest_generation

    @property
    def leader(self) -> str:
        """The name of the member that leads, as the database shows it; empty if none has led yet."""
        return shown(self._database.view.leader, MAX_NAME_LENGTH)

    @property
    def leader_since(self) -> str:
        """When it began to lead (ISO 8601, UTC)."""
        return shown(self._database.leader_since, MAX_NAME_LENGTH)

    def former_leaders(self) -> set[str]:
        """The members that cannot change what they have said: that they lead (:meth:`.Members.former_leaders`)."""
        view = self._database.view
        has_led = view.leader and not view.is_impossible
        return self.members.former_leaders(view.leader, view.generation) if has_led else set()

    @property
    def is_connected(self) -> bool:
        """Whether the database is connected."""
        return self._database.is_connected

    @property
    def is_awaiting_switches(self) -> bool:
        """Whether it has resigned, and keeps the lock until the switches have confirmed what was sent to them."""
        return self._release_at is not None

    @property
    def has_published_reason(self) -> bool:
        """Whether the database has the reason why this member has resigned, or cannot take it."""
        own = self.members.get(self.name)
        return (
            not self.is_connected
            or MEMBER.table in self.shared.missing_tables
            or (own is not None and own.resigning == self.resigning)
        )

    def others_without_refusal(self, now: float) -> list[str]:
        """The other members that are present and have not refused the configuration of the cluster."""
        return [each.name for each in self.members.present(now) if each.name != self.name and not each.refused]

    def objection_to_hand_over(self, now: float) -> str:
        """Why no other member would serve as many switches as this one; empty if one would."""
        if not self.is_connected:
            return "the database is not connected, so no other member can take over"
        others = [each for each in self.members.present(now) if each.name != self.name]
        if not others:
            return "no other member is there; see show redundancy members"
        own, best = self.members.get(self.name), max(others, key=lambda each: each.switches)
        if own is None or best.switches >= own.switches:
            return ""
        return (
            f"{best.name} reaches {best.switches} of the {own.switches} switches that this member reaches; try again "
            "when show redundancy members says that it reaches all"
        )

    def run(self) -> None:
        """Take part in the cluster until the process ends."""
        while True:
            self.step()
            poller = ovs.poller.Poller()
            self._database.wait(poller)
            self.shared.wait(poller)
            poller.timer_wait(int(TICK_INTERVAL * 1000))
            poller.block()

    def step(self) -> None:
        """Do what is due: what the database shows is handed to the election, and its decisions to the switches."""
        if self.state is MemberState.STANDBY:  # once it claims, the database may show itself
            self._previous = self.leader
        self._database.step(self._clock())
        if self._release_at is not None and self._clock() >= self._release_at:
            self._release_lock()
        self._follow(self._database.is_connected)
        self._share(self._clock())

    def _may_lead(self) -> bool:
        return self.may_lead() and not self.name_conflict.gives_way

    def _share(self, now: float) -> None:
        try:
            self.shared.step(now)
        except Exception:  # what members share must not end the process that serves the switches
            LOG.exception("cluster: sharing state with the other members failed; continuing")

    def resign(self, reason: SwitchoverReason) -> bool:
        """Let another member lead. This one goes on until it does. False when this member does not lead.

        It releases the lock when every switch has confirmed the session rules that were on their way before: a new
        leader would have the switch reject them. A switch that has just lost its connection gets them when it is served
        again.
        """
        if not self.is_leading:
            return False
        LOG.info("cluster: %s resigns (%s); it serves until another member leads", self.name, reason.value)
        if not self.leadership.is_resigning:
            self.leadership.awaited.clear()
        self.leadership.is_resigning, self.resigning = True, reason.value
        self.shared.publish_soon()
        if self._release_at is None:
            self._release_at = self._clock() + RELEASE_TIMEOUT
        self.on_change()
        if not self.leadership.awaited:
            self._release_lock()
        return True

    def _release_lock(self) -> None:
        if self._release_at is not None:
            self._release_at = None
            self._database.resign(self._clock())

    def act(self, action: Action) -> None:
        """Carry out what the election has decided."""
        leadership = self.leadership
        if isinstance(action, Lead):
            leadership.is_leading, leadership.generation = True, action.generation
            why = (
                " anew, since a switch has seen a newer one, or the database has an older one. If that repeats, a "
                "member of another cluster leads the same switches"
            )
            if self.lead is None:
                leadership.is_resigning, self.resigning, why = False, "", ""
                self.lead = Leading(action.generation, self._previous, self.election.claimed_at, self._clock())
            LOG.warning("cluster: %s leads (generation %d)%s", self.name, action.generation, why)
        elif isinstance(action, StandBy):
            leadership.is_leading, leadership.generation, self.lead = False, action.generation, None
            leadership.is_resigning, self._release_at = False, None
            LOG.warning(
                "cluster: %s leads (generation %d); %s stands by",
                shown(action.leader, MAX_NAME_LENGTH) or "another member",
                action.generation,
                self.name,
            )
        self.on_change()

    def _follow(self, is_connected: bool) -> None:
        """Report the connection to the database, and end a resignation that no other member has followed."""
        is_released = self.leadership.is_resigning and self._release_at is None
        if is_released and self.election.wants_lock(self._clock()):
            self.leadership.is_resigning, self.resigning = False, ""
            LOG.warning("cluster: no other member has taken over; %s goes on leading", self.name)
            self.on_change()
        self._report_connection(is_connected)

    def _report_connection(self, is_connected: bool) -> None:
        if self._must_connect_by is not None and not is_connected and self._clock() >= self._must_connect_by:
            self._must_connect_by = None
            LOG.warning(
                "cluster: not connected to the database within %g s; %s cannot take over. Its servers (%s) cannot be "
                "reached, most of them do not run, what answers is no database server, or a certificate does not fit "
                "or has expired; the log of each server says which",
                *(CONNECTION_TIMEOUT, self.name, self._remotes),
            )
        if is_connected == self._was_connected:
            return
        self._was_connected = is_connected
        self._must_connect_by = None if is_connected else self._clock() + CONNECTION_TIMEOUT
        if is_connected:
            LOG.info("cluster: connected to the database")
        elif self.is_leading:
            LOG.warning(
                "cluster: no connection to the database; %s goes on leading until a switch has a newer leader",
                self.name,
            )
        else:
            LOG.warning("cluster: no connection to the database; %s cannot lead", self.name)
