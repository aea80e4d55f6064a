"""Which of several balancers serves a switch: the one that is MASTER by OpenFlow's roles. The others wait.

Theory of operation
===================

The switch itself keeps two balancers from acting at the same time. It has at most one MASTER; a SLAVE gets no
packet-ins, and the switch rejects its flow-mods and packet-outs (OFPBRC_IS_SLAVE). A balancer acts as MASTER only,
never as EQUAL. It remains to decide *when* a balancer asks for MASTER; the lease (:mod:`.lease`) decides that::

    connected -> ASKING: role and generation (NOCHANGE), lease
                    no lease, given up, too old, or our own    -> CLAIMING: MASTER with the next generation -> MASTER
                    another balancer's                         -> SLAVE with this generation -> WAITING
                    the switch has no roles                    -> UNFENCED: served as if no other balancer existed
    MASTER  -> renews the lease every second
               another balancer has become MASTER              -> WAITING
    WAITING -> asks twice a second
               lease given up, or too old                      -> CLAIMING

Two balancers must not take the switch from each other again and again. So a balancer that has lost the switch waits,
and asks for MASTER only when the other has not renewed its lease for :data:`LEASE_TIMEOUT` by the switch's clock. If it
loses the switch repeatedly (for example because the switch does not accept the lease), it waits twice as long each time
after the first. When two claim in the same moment, the switch puts them in order: the later one is MASTER, and the
other one is notified (role status, IS_SLAVE, or the answer to its next question) and waits.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Optional, Protocol

from ryu_haslb.openflow import lease, wire
from ryu_haslb.openflow.channel import Channel
from ryu_haslb.openflow.lease import Lease
from ryu_haslb.openflow.wire_multipart import has_more
from ryu_haslb.openflow.wire_role import (
    UNDEFINED_GENERATION,
    ControllerRole,
    RoleReply,
    is_newer,
    next_generation,
    read_role_reply,
    read_role_status,
    role_request,
)

LOG = logging.getLogger(__name__)

#: Seconds between two renewals of the lease.
RENEWAL_INTERVAL = 1.0
#: Seconds between two questions of a balancer that waits.
QUESTION_INTERVAL = 0.5
#: Seconds without a renewal after which the holder of the lease counts as dead. A balancer whose event loop is busy for
#: longer loses the switch.
LEASE_TIMEOUT = 5.0
#: The longest such time, of a balancer that has lost the switch repeatedly.
MAX_LEASE_TIMEOUT = 320.0


class Role(Enum):
    """What a balancer is for one switch. The value is the token of ``show`` and metrics."""

    NONE = "none"
    ASKING = "asking"
    CLAIMING = "claiming"
    MASTER = "master"
    WAITING = "waiting"
    UNFENCED = "unfenced"


class Listener(Protocol):
    """Is notified when this balancer may serve the switch, and when it may no longer."""

    def on_mastership(self, others_served: bool) -> None:
        """Serve the switch. ``others_served``: another balancer may have served it since this one did."""

    def on_mastership_lost(self) -> None:
        """Another balancer serves the switch, or has begun to: do nothing to it."""


class Arbiter(Protocol):
    """Decides over one connection whether this balancer serves the switch, and tells a :class:`Listener`.

    ``generation`` is that of its last mastership.
    """

    role: Role
    generation: Optional[int]

    def ask(self, now: float) -> None:
        """Ask for role and generation."""

    def tick(self, now: float) -> None:
        """Do what is due."""

    def end(self) -> None:
        """The connection is lost or left: send nothing more."""

    def unanswered_for(self, now: float) -> float:
        """Seconds for which the switch has not answered a question."""

    def give_up(self, xid: int) -> list[bytes]:
        """The messages that let another balancer serve the switch at once; this one stops serving it."""

    def on_message(self, kind: int, xid: int, message: bytes, now: float) -> bool:
        """Handle a message that concerns the role. False when it is another."""

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error. False when it does not concern the role."""


class Mastership:
    """The role of this balancer over one connection; ``holder`` is its name in the lease.

    ``generation`` is that of its last mastership, over an earlier connection.
    """

    def __init__(
        self, datapath_id: int, channel: Channel, holder: int, listener: Listener, generation: Optional[int]
    ) -> None:
        self.role = Role.ASKING
        self.generation = generation
        self._datapath_id = datapath_id
        self._channel = channel
        self._holder = holder
        self._listener = listener
        self._timeout = LEASE_TIMEOUT
        self._has_lost = False
        self._question: dict[str, int] = {}
        self._asked_at = 0.0
        self._answer: Optional[RoleReply] = None
        self._lease: Optional[Lease] = None
        self._is_lease_readable = True
        self._absent_since: Optional[float] = None
        self._claimed: Optional[int] = None
        self._change_xid: Optional[int] = None
        self._renewed_at = 0.0
        self._others_served = False

    def ask(self, now: float) -> None:
        """Ask for role, generation and lease. A part that the switch rejects is missing in the answer."""
        channel = self._channel
        self._question = {name: channel.next_xid() for name in ("role", "lease", "end")}
        self._asked_at, self._answer, self._lease = now, None, None
        channel.transmit(
            role_request(self._question["role"], ControllerRole.NOCHANGE)
            + lease.request(self._question["lease"])
            + wire.barrier_request(self._question["end"])
        )

    def tick(self, now: float) -> None:
        """Do what is due: renew the lease, or ask."""
        if self.role in (Role.UNFENCED, Role.NONE):
            return
        if self.role is Role.MASTER and now - self._renewed_at >= RENEWAL_INTERVAL:
            self._renew(now)
        interval = RENEWAL_INTERVAL if self.role is Role.MASTER else QUESTION_INTERVAL
        if self._question:
            if self._question.keys() == {"lease"} and now - self._asked_at >= LEASE_TIMEOUT:
                self._is_lease_readable = False
                self._question.clear()
                self._decide(now)
        elif self._change_xid is None and now - self._asked_at >= interval:
            self.ask(now)

    def end(self) -> None:
        """The connection is lost or left: send nothing more."""
        self.role = Role.NONE
        self._question, self._change_xid = {}, None

    def unanswered_for(self, now: float) -> float:
        """Seconds for which the switch has not answered a question."""
        return now - self._asked_at if self._question or self._change_xid is not None else 0.0

    def give_up(self, xid: int) -> list[bytes]:
        """The messages that let another balancer serve the switch at once; this one stops serving it."""
        return [lease.renewal(xid, lease.NO_HOLDER)] if self.role is Role.MASTER else []

    def on_message(self, kind: int, xid: int, message: bytes, now: float) -> bool:
        """Handle a message that concerns the role. False when it is another."""
        try:
            if kind == wire.OFPT_ROLE_REPLY:
                return self._on_role_reply(xid, read_role_reply(message), now)
            if kind == wire.OFPT_MULTIPART_REPLY and xid == self._question.get("lease"):
                self._lease = lease.read(message) or self._lease
                if not has_more(message):
                    del self._question["lease"]
                    self._on_part(now)
                return True
        except wire.MalformedMessage as error:
            LOG.warning("Switch %016x: %s; ignored", self._datapath_id, error)
            return True
        if kind == wire.OFPT_BARRIER_REPLY and xid == self._question.get("end"):
            del self._question["end"]
            self._on_part(now)
            return True
        if kind == wire.OFPT_EXPERIMENTER:
            role = read_role_status(message)
            if role is not None and role != ControllerRole.MASTER:
                self._lose()
            return role is not None
        return False

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error. False when it does not concern the role."""
        if (error.type, error.code) == (wire.OFPET_BAD_REQUEST, wire.OFPBRC_IS_SLAVE):
            self._lose()
            return True
        if xid == self._change_xid:  # OFPRRFC_STALE: another balancer was faster
            self._change_xid = self._claimed = None
            self.role = Role.ASKING
            return True
        for name in ("role", "lease"):
            if xid == self._question.get(name):
                self._is_lease_readable &= name != "lease"
                del self._question[name]
                self._on_part(now)
                return True
        return False

    def _renew(self, now: float) -> None:
        self._renewed_at = now
        self._channel.transmit(lease.renewal(self._channel.next_xid(), self._holder))

    def _on_role_reply(self, xid: int, reply: RoleReply, now: float) -> bool:
        if xid == self._question.get("role"):
            del self._question["role"]
            self._answer = reply
            self._on_part(now)
        elif xid == self._change_xid:
            self._change_xid = None
            if reply.role == ControllerRole.MASTER and self._claimed is not None:
                self._become_master(self._claimed, now)
        else:
            return False
        return True

    def _on_part(self, now: float) -> None:
        """A part of the answer came. The barrier reply is the last, unless the statistics come late."""
        if not self._question or ("role" in self._question and "end" not in self._question):
            self._question = {}
            self._decide(now)

    def _decide(self, now: float) -> None:
        answer, found = self._answer, self._lease
        if answer is None:
            if self.role is Role.ASKING:
                self._serve_unfenced()
        elif self.role is Role.MASTER:
            if answer.role != ControllerRole.MASTER:
                self._lose()
        elif self.role in (Role.ASKING, Role.WAITING):
            if self._is_free(found, now):
                self._claim(answer.generation, found)
            elif self.role is Role.ASKING:
                self._wait(answer.generation)

    def _is_free(self, found: Optional[Lease], now: float) -> bool:
        """Whether no other balancer serves the switch."""
        if found is not None:
            self._absent_since = None
            is_own = found.holder == self._holder and self.role is Role.ASKING
            return is_own or found.holder == lease.NO_HOLDER or found.age >= self._timeout
        if self.role is Role.ASKING:
            return True
        # The lease was there before: another controller has deleted it, and its holder is about to renew it.
        if self._absent_since is None:
            self._absent_since = now
        return self._is_lease_readable and now - self._absent_since >= self._timeout

    def _claim(self, generation: int, found: Optional[Lease]) -> None:
        foreign = found is not None and found.holder not in (self._holder, lease.NO_HOLDER)
        since = self.generation is not None and generation != UNDEFINED_GENERATION
        self._others_served = foreign or (since and is_newer(generation, self.generation or 0))
        self.role = Role.CLAIMING
        self._claimed = next_generation(generation)
        self._change(ControllerRole.MASTER, self._claimed)

    def _wait(self, generation: int) -> None:
        self.role = Role.WAITING
        LOG.warning(
            "Switch %016x is served by another balancer; waiting, and taking over %g s after that one has ended",
            *(self._datapath_id, LEASE_TIMEOUT),
        )
        self._change(ControllerRole.SLAVE, generation)
        self._listener.on_mastership_lost()

    def _change(self, role: ControllerRole, generation: int) -> None:
        self._change_xid = self._channel.next_xid()
        self._channel.transmit(role_request(self._change_xid, role, generation))

    def _become_master(self, generation: int, now: float) -> None:
        self.role, self.generation, self._claimed = Role.MASTER, generation, None
        self._asked_at, self._absent_since = now, None
        self._renew(now)
        LOG.info("Switch %016x: this balancer is master (generation %d)", self._datapath_id, generation)
        self._listener.on_mastership(self._others_served)

    def _lose(self) -> None:
        if self.role is not Role.MASTER:
            return
        self.role = Role.WAITING
        if self._has_lost:
            self._timeout = min(2 * self._timeout, MAX_LEASE_TIMEOUT)
        self._has_lost = True
        self._absent_since = None
        LOG.warning(
            "Switch %016x: another balancer has taken over; waiting, and taking over %g s after that one has ended",
            *(self._datapath_id, self._timeout),
        )
        self._listener.on_mastership_lost()

    def _serve_unfenced(self) -> None:
        self.role = Role.UNFENCED
        LOG.warning(
            "Switch %016x has no controller roles: a second balancer would dispatch every request again; run only one",
            self._datapath_id,
        )
        self._listener.on_mastership(False)
