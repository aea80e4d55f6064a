"""Whether this member of a cluster serves a switch: the leader asks to be MASTER, the others to be SLAVE.

Theory of operation
===================

The cluster decides who leads, and with which generation (:class:`Leadership`). The switch enforces it: it rejects
MASTER and SLAVE with an older generation than it has seen (OFPRRFC_STALE), and what a SLAVE would change. No member
ever asks for EQUAL, which needs no generation::

    connected -> ASKING: which generation has the switch seen?
                    this member leads      -> CLAIMING: MASTER with its generation  -> MASTER
                    another one leads      -> SLAVE with the switch's generation    -> WAITING
                                              rejected: SLAVE again, a second later
                    the switch has no roles                                         -> served by the leader, unfenced
    CLAIMING  -> rejected, by a switch that knows of no generation before and after -> served by the leader, unfenced
    MASTER    -> asks once a second for its role
                    this member leads with another generation                       -> MASTER with that
                    another member is MASTER                                        -> WAITING
                    it leads no more: asks for its role, until another member is MASTER, or asks for SLAVE
    WAITING   -> this member leads                                                  -> CLAIMING

:data:`FENCING_TRANSITIONS` has all changes of the role; ``docs/states.md`` is drawn from it.

A member that leads no more serves a switch until the switch has another MASTER (:data:`LINGER_TIMEOUT` at most). The
database reports the new leader to both members in the same moment: if the former one asked for SLAVE at once, the
switch would have no MASTER until the new one's request arrives, and would drop requests.

A generation at the switch that is newer than this member's is reported to the cluster, which decides what it means. A
switch may lie: the report says whether other switches still accept this member. When another member has become MASTER
with the same generation, the next one is reported: a newer one is needed to tell them apart.

A switch that does not say its generation (Lagopus) may let the former MASTER be MASTER as well. So a MASTER asks such a
switch for MASTER anew after each question, and is rejected if another member has become it since. A leader then reports
the next generation, since the switch has seen that one at least.

A relay may keep the connection while the switch behind it begins anew (BOFUSS). A leader that is EQUAL by then, or that
was rejected and would not be now by the generation that the switch says, begins anew as well.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Callable, Optional

from ryu_haslb.configuration.model import MAX_SESSIONS
from ryu_haslb.openflow.recovery.session_view import Budget
from ryu_haslb.openflow.roles.arbiter import Arbiter, Listener, Role
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire.role import UNDEFINED_GENERATION, ControllerRole, RoleReply

LOG = logging.getLogger(__name__)

#: Seconds between two questions of the leader for its role.
QUESTION_INTERVAL = 1.0
#: Seconds for which a member that leads no more serves a switch that has no other MASTER, and between its questions.
LINGER_TIMEOUT, LINGERING_QUESTION_INTERVAL = 0.5, 0.01


class RoleEvent(Enum):
    """What changes the role of a member for a switch; the text labels an arrow in ``docs/states.md``."""

    LEADS = "this member leads, and asks for MASTER"
    ACCEPTED = "the switch accepts it"
    FOLLOWS = "another member leads, and this one asks for SLAVE"
    DEPOSED = "another member is MASTER"
    REJECTED = "the switch has seen a newer generation (OFPRRFC_STALE)"
    LEADS_UNFENCED = "this member leads, and the switch has no roles"
    FOLLOWS_UNFENCED = "another member leads, and the switch has no roles"


#: The whole state machine. A pair that is not here leaves the role as it is.
FENCING_TRANSITIONS: dict[tuple[Role, RoleEvent], Role] = {
    (Role.ASKING, RoleEvent.LEADS): Role.CLAIMING,
    (Role.ASKING, RoleEvent.FOLLOWS): Role.WAITING,
    (Role.ASKING, RoleEvent.DEPOSED): Role.WAITING,
    (Role.ASKING, RoleEvent.LEADS_UNFENCED): Role.UNFENCED,
    (Role.ASKING, RoleEvent.FOLLOWS_UNFENCED): Role.WAITING,
    (Role.CLAIMING, RoleEvent.ACCEPTED): Role.MASTER,
    (Role.CLAIMING, RoleEvent.FOLLOWS): Role.WAITING,
    (Role.CLAIMING, RoleEvent.DEPOSED): Role.WAITING,
    (Role.CLAIMING, RoleEvent.REJECTED): Role.WAITING,
    (Role.MASTER, RoleEvent.FOLLOWS): Role.WAITING,
    (Role.MASTER, RoleEvent.DEPOSED): Role.WAITING,
    (Role.MASTER, RoleEvent.REJECTED): Role.WAITING,
    (Role.WAITING, RoleEvent.LEADS): Role.CLAIMING,
    (Role.WAITING, RoleEvent.ACCEPTED): Role.MASTER,
    (Role.WAITING, RoleEvent.LEADS_UNFENCED): Role.UNFENCED,
    (Role.UNFENCED, RoleEvent.FOLLOWS_UNFENCED): Role.WAITING,
    (Role.UNFENCED, RoleEvent.DEPOSED): Role.WAITING,
}


class Leadership:
    """What the cluster has decided, for all switches: whether this member leads, and with which generation.

    A member that resigns leads until its successor does. ``awaited`` are the switches that have not confirmed yet what
    was on its way to them before; ``on_ready`` is called when all have. ``masters`` are the connections whose switches
    have accepted it as MASTER. ``followed`` is the budget of what is followed while it stands by. ``report``
    is called with a generation at a switch that is newer, and with whether there are ``masters``.
    """

    def __init__(self, report: Callable[[int, bool], None]) -> None:
        self.is_leading = self.is_resigning = False
        self.generation = 0
        self.awaited: set[object] = set()
        self.on_ready: Callable[[], None] = lambda: None
        self.masters: set[FencedMastership] = set()
        self.followed = Budget(MAX_SESSIONS)
        self.report = report

    @property
    def is_ending(self) -> bool:
        """Whether another member may be MASTER of a switch at any moment."""
        return self.is_resigning or not self.is_leading

    def on_confirmed(self, switch: object) -> None:
        """A switch has confirmed what was on its way before this member resigned, or is not to be served any more."""
        if switch in self.awaited:
            self.awaited.discard(switch)
            if not self.awaited:
                self.on_ready()


class FencedMastership(Arbiter):
    """The role of this member over one connection; the counterpart of :class:`.Mastership` in a cluster."""

    def __init__(
        self, datapath_id: int, channel: Channel, leadership: Leadership, listener: Listener, generation: Optional[int]
    ) -> None:
        super().__init__(datapath_id, channel, listener, generation)
        self._leadership = leadership
        self._has_roles = True
        self._has_answered = False  # whether a question for the role has had a reply
        self._stands_by = self._is_deposed = False
        self._at_switch: Optional[int] = None
        self._rejected: Optional[int] = None
        self._claimed = 0
        self._has_claimed = False  # whether MASTER was asked for last
        self._role_at_switch: Optional[int] = None  # the role that the switch has reported last
        self._lingers_since: Optional[float] = None

    def tick(self, now: float) -> None:
        """Follow what the cluster has decided, and ask when it is time."""
        if self.role is Role.NONE or self._question or self._change_xid is not None:
            return
        if not self._has_roles:
            self._follow_without_roles()
        elif self._is_lingering(now):
            if now - self._asked_at >= LINGERING_QUESTION_INTERVAL:
                self.ask(now)
        elif self._must_change():
            self._follow(now)
        elif now - self._asked_at < QUESTION_INTERVAL:
            return
        elif not self._leadership.is_leading and self._role_at_switch not in (None, ControllerRole.SLAVE):
            self._follow(now)  # another member's MASTER came first, and SLAVE with an older generation was rejected
        else:
            self.ask(now)

    def end(self) -> None:
        """The connection is lost or left: send nothing more."""
        self._leadership.masters.discard(self)
        super().end()

    def _is_lingering(self, now: float) -> bool:
        """Whether this member leads no more, and the switch may have no other MASTER yet."""
        if self._leadership.is_leading or self.role is not Role.MASTER:
            self._lingers_since = None
            return False
        if self._lingers_since is None:
            self._lingers_since = now
        return now - self._lingers_since < LINGER_TIMEOUT

    def _must_change(self) -> bool:
        leadership = self._leadership
        if not leadership.is_leading:
            return self.role is not Role.WAITING
        if self._is_rejected():
            return False
        return self.role is not Role.MASTER or self.generation != leadership.generation

    def _is_rejected(self) -> bool:
        """Whether the switch has rejected the generation with which this member leads."""
        return self._leadership.is_leading and self._rejected == self._leadership.generation

    def _follow(self, now: float) -> None:
        """Ask for the role that follows from what the cluster has decided."""
        leadership = self._leadership
        if leadership.is_leading:
            self._claimed = leadership.generation
            self._move(RoleEvent.LEADS)
        else:
            self._claimed = max(leadership.generation, self._at_switch or 0)
            self._lose(now, RoleEvent.FOLLOWS)
        self._asked_at, self._role_at_switch = now, None
        self._has_claimed = leadership.is_leading
        self._change(ControllerRole.MASTER if self._has_claimed else ControllerRole.SLAVE, self._claimed)

    def _on_changed(self, reply: RoleReply, now: float) -> None:
        """The reply is not believed if it is not about the requested role; the next tick asks again."""
        if self._has_claimed != (reply.role == ControllerRole.MASTER):
            return
        if self._has_claimed and self._leadership.is_leading:
            self._become_master()
        self.tick(now)

    def _on_change_rejected(self, now: float) -> None:
        self._rejected = self._claimed
        self._lose(now, RoleEvent.REJECTED)
        if not self._question:
            self.ask(now)

    def _decide(self, answer: Optional[RoleReply], now: float) -> None:
        if answer is None:
            if not self._has_answered:  # else the reply is lost, and the next question is answered
                self._serve_without_roles()
            return
        before = self._at_switch
        self._at_switch = None if answer.generation == UNDEFINED_GENERATION else answer.generation
        self._role_at_switch, self._has_answered = answer.role, True
        if self._has_begun_anew(before):
            self._listener.on_forgotten()
            return
        if self._at_switch is None and self._says_generation and self._is_rejected():
            self._serve_without_roles()  # it knows no generation, and rejects one as older all the same
            return
        if self.role is Role.MASTER and answer.role != ControllerRole.MASTER:
            self._lose(now)
        newer = self._newer_generation()
        if newer is not None:
            self._leadership.report(newer, bool(self._leadership.masters - {self}))
        self._is_deposed = False
        may_be_second = self.role is Role.MASTER and not self._says_generation
        self.tick(now)
        if may_be_second and self.role is Role.MASTER and self._change_xid is None:
            self._change(ControllerRole.MASTER, self._claimed)  # rejected if another member has become it since

    def _has_begun_anew(self, before: Optional[int]) -> bool:
        """Whether the switch has forgotten its controllers behind this connection; ``before``: what it said last."""
        if self.role is Role.MASTER and self._role_at_switch == ControllerRole.EQUAL:
            return True
        if before is None or not self._says_generation or not self._is_rejected():
            return False
        return self._at_switch is None or self._at_switch <= self._leadership.generation < before

    def _newer_generation(self) -> Optional[int]:
        """The generation to report: one that the switch has seen, or is likely to have seen; None: no newer one."""
        own = self._leadership.generation
        if self._at_switch is not None and self._at_switch > own:
            return self._at_switch
        if not self._says_generation and self._is_rejected():
            return own + 1
        # Another leader may have the same generation.
        is_same = self._at_switch == own or not self._says_generation
        return own + 1 if self._is_deposed and is_same and self.generation == own else None

    def _serve_without_roles(self) -> None:
        self._has_roles = False
        self._follow_without_roles()

    def _follow_without_roles(self) -> None:
        if self._leadership.is_leading and self.role is not Role.UNFENCED:
            self._move(RoleEvent.LEADS_UNFENCED)
            LOG.warning(
                "Switch %016x has no controller roles: it cannot reject a former leader that is cut off from the "
                "cluster, and then each request may be dispatched twice",
                self._datapath_id,
            )
            self._listener.on_mastership(True)
        elif not self._leadership.is_leading and self.role is not Role.WAITING:
            self._move(RoleEvent.FOLLOWS_UNFENCED)
            self._listener.on_mastership_lost()

    def _become_master(self) -> None:
        others_served = self._at_switch not in (None, self.generation)
        if not self._says_generation:  # then a newer one says that others have led
            others_served = self.generation not in (None, self._claimed)
        self.generation = self._at_switch = self._claimed
        self._leadership.masters.add(self)
        if self.role is Role.MASTER:
            return
        self._move(RoleEvent.ACCEPTED)
        self._stands_by = False
        LOG.info("Switch %016x: this balancer is master (generation %d)", self._datapath_id, self._claimed)
        self._listener.on_mastership(others_served)

    def _move(self, event: RoleEvent) -> None:
        self.role = FENCING_TRANSITIONS.get((self.role, event), self.role)

    def _lose(self, now: float, event: RoleEvent = RoleEvent.DEPOSED) -> None:
        """Another member is MASTER, or is about to be."""
        was = self.role
        self._move(event)
        self._leadership.masters.discard(self)
        self._is_deposed |= was is Role.MASTER and self._leadership.is_leading
        if was is Role.MASTER:
            LOG.info("Switch %016x: this balancer is no longer master", self._datapath_id)
        if not self._stands_by:
            self._stands_by = True
            self._listener.on_mastership_lost()
        if was is Role.MASTER and self._leadership.is_leading and not self._question:
            self.ask(now)  # for the generation of the new master
