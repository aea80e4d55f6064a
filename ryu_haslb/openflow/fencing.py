"""Whether this member of a cluster serves a switch: the leader asks to be MASTER, the others to be SLAVE.

Theory of operation
===================

The cluster decides who leads, and with which generation (:class:`Leadership`). The switch enforces it: it rejects
MASTER and SLAVE with an older generation than it has seen (OFPRRFC_STALE), it rejects what a SLAVE would change, and
sends it no packet-ins (OpenFlow 1.3.5, section 6.3.6). No member ever asks for EQUAL, which needs no generation::

    connected -> ASKING: which generation has the switch seen?
                    this member leads      -> CLAIMING: MASTER with its generation  -> MASTER
                    another one leads      -> SLAVE with the switch's generation    -> WAITING
                    the switch has no roles                                         -> served by the leader, unfenced
    MASTER    -> asks once a second for its role
                    this member leads with another generation                       -> MASTER with that
                    it leads no more, or another member is MASTER                   -> WAITING
    WAITING   -> this member leads                                                  -> CLAIMING

A generation at the switch that is newer than this member's is reported to the cluster, which decides what it means.
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.channel import Channel
from ryu_haslb.openflow.mastership import Listener, Role
from ryu_haslb.openflow.wire_role import (
    UNDEFINED_GENERATION,
    ControllerRole,
    RoleReply,
    read_role_reply,
    read_role_status,
    role_request,
)

LOG = logging.getLogger(__name__)

#: Seconds between two questions of the leader for its role.
QUESTION_INTERVAL = 1.0


class Leadership:
    """What the cluster has decided, for all switches: whether this member leads, and with which generation.

    A member that resigns leads until its successor does. ``report`` is called with a generation at a switch that is
    newer.
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self.is_leading = self.is_resigning = False
        self.generation = 0
        self.report = report


class FencedMastership:
    """The role of this member over one connection; the counterpart of :class:`.Mastership` in a cluster."""

    def __init__(
        self, datapath_id: int, channel: Channel, leadership: Leadership, listener: Listener, generation: Optional[int]
    ) -> None:
        self.role = Role.ASKING
        self.generation = generation
        self._datapath_id = datapath_id
        self._channel = channel
        self._leadership = leadership
        self._listener = listener
        self._has_roles = True
        self._stands_by = False
        self._at_switch: Optional[int] = None
        self._rejected: Optional[int] = None
        self._claimed = 0
        self._question_xid: Optional[int] = None
        self._end_xid: Optional[int] = None
        self._change_xid: Optional[int] = None
        self._asked_at = 0.0

    def ask(self, now: float) -> None:
        """Ask for role and generation. The barrier's reply without another one shows a switch without roles."""
        self._asked_at = now
        self._question_xid, self._end_xid = self._channel.next_xid(), self._channel.next_xid()
        self._channel.transmit(
            role_request(self._question_xid, ControllerRole.NOCHANGE) + wire.barrier_request(self._end_xid)
        )

    def tick(self, now: float) -> None:
        """Follow what the cluster has decided, and ask when it is time."""
        if self.role is Role.NONE or self._question_xid is not None or self._change_xid is not None:
            return
        if not self._has_roles:
            self._follow_without_roles()
        elif self._must_change():
            self._change(now)
        elif now - self._asked_at >= QUESTION_INTERVAL:
            self.ask(now)

    def end(self) -> None:
        """The connection is lost or left: send nothing more."""
        self.role = Role.NONE
        self._question_xid = self._end_xid = self._change_xid = None

    def unanswered_for(self, now: float) -> float:
        """Seconds for which the switch has not answered a question."""
        return now - self._asked_at if self._question_xid is not None or self._change_xid is not None else 0.0

    def give_up(self, xid: int) -> list[bytes]:
        """Nothing: in a cluster another member takes over when it leads (``xid`` is not used)."""
        return []

    def on_message(self, kind: int, xid: int, message: bytes, now: float) -> bool:
        """Handle a message that concerns the role. False when it is another."""
        try:
            if kind == wire.OFPT_ROLE_REPLY:
                return self._on_role_reply(xid, read_role_reply(message), now)
        except wire.MalformedMessage as error:
            LOG.warning("Switch %016x: %s; ignored", self._datapath_id, error)
            return True
        if kind == wire.OFPT_BARRIER_REPLY and xid == self._end_xid:
            self._end_xid = None
            if self._question_xid is not None:
                self._on_question_rejected()
            return True
        if kind == wire.OFPT_EXPERIMENTER:
            role = read_role_status(message)
            if role is not None and role != ControllerRole.MASTER:
                self._lose(now)
            return role is not None
        return False

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error. False when it does not concern the role."""
        if (error.type, error.code) == (wire.OFPET_BAD_REQUEST, wire.OFPBRC_IS_SLAVE):
            self._lose(now)
            return True
        if xid == self._change_xid:  # OFPRRFC_STALE: the switch has seen a newer generation
            self._change_xid, self._rejected = None, self._claimed
            self._lose(now)
            self.ask(now)
            return True
        if xid == self._question_xid:
            self._on_question_rejected()
            return True
        return False

    def _must_change(self) -> bool:
        leadership = self._leadership
        if not leadership.is_leading:
            return self.role is not Role.WAITING
        if leadership.generation == self._rejected:
            return False
        return self.role is not Role.MASTER or self.generation != leadership.generation

    def _change(self, now: float) -> None:
        """Ask for the role that follows from what the cluster has decided."""
        leadership = self._leadership
        if leadership.is_leading:
            self._claimed = leadership.generation
            if self.role is not Role.MASTER:
                self.role = Role.CLAIMING
        else:
            self._claimed = max(leadership.generation, self._at_switch or 0)
            self._lose(now)
        self._change_xid, self._asked_at = self._channel.next_xid(), now
        role = ControllerRole.MASTER if leadership.is_leading else ControllerRole.SLAVE
        self._channel.transmit(role_request(self._change_xid, role, self._claimed))

    def _on_role_reply(self, xid: int, reply: RoleReply, now: float) -> bool:
        if xid == self._question_xid:
            self._question_xid = None
            self._on_answer(reply, now)
        elif xid == self._change_xid:
            self._change_xid = None
            if reply.role == ControllerRole.MASTER:
                self._become_master()
        else:
            return False
        self.tick(now)
        return True

    def _on_answer(self, reply: RoleReply, now: float) -> None:
        self._at_switch = None if reply.generation == UNDEFINED_GENERATION else reply.generation
        if self.role is Role.MASTER and reply.role != ControllerRole.MASTER:
            self._lose(now)
        if self._at_switch is not None and self._at_switch > self._leadership.generation:
            self._leadership.report(self._at_switch)

    def _on_question_rejected(self) -> None:
        self._question_xid = self._end_xid = None
        self._has_roles = False
        self._follow_without_roles()

    def _follow_without_roles(self) -> None:
        if self._leadership.is_leading and self.role is not Role.UNFENCED:
            self.role = Role.UNFENCED
            LOG.warning(
                "Switch %016x has no controller roles: it cannot reject a former leader that is cut off from the "
                "cluster, and then each request may be dispatched twice",
                self._datapath_id,
            )
            self._listener.on_mastership(True)
        elif not self._leadership.is_leading and self.role is not Role.WAITING:
            self.role = Role.WAITING
            self._listener.on_mastership_lost()

    def _become_master(self) -> None:
        others_served = self._at_switch is not None and self._at_switch != self.generation
        self.generation = self._at_switch = self._claimed
        if self.role is Role.MASTER:
            return
        self.role, self._stands_by = Role.MASTER, False
        LOG.info("Switch %016x: this balancer is master (generation %d)", self._datapath_id, self._claimed)
        self._listener.on_mastership(others_served)

    def _lose(self, now: float) -> None:
        """Another member is MASTER, or is about to be."""
        was, self.role = self.role, Role.WAITING
        if was is Role.MASTER:
            LOG.info("Switch %016x: this balancer is master no more", self._datapath_id)
        if not self._stands_by:
            self._stands_by = True
            self._listener.on_mastership_lost()
        if was is Role.MASTER and self._leadership.is_leading and self._question_xid is None:
            self.ask(now)  # for the generation of the new master
