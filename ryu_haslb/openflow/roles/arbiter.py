"""The role of this balancer for a switch (OpenFlow's controller roles), and how it is requested. Over one connection.

The switch has at most one MASTER. A SLAVE gets no packet-ins, and the switch rejects its flow-mods and packet-outs
(OpenFlow 1.3.5, section 6.3.6). A balancer acts as MASTER only, never as EQUAL. Two kinds of arbiters decide when to
ask for MASTER: :mod:`.mastership` by a lease, :mod:`.fencing` by what the cluster has decided.

A question has several parts, and ends with a barrier request: a switch without roles, or without statistics, answers
that one alone.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from enum import Enum
from typing import Optional, Protocol

from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.role import (
    QUESTION_GENERATION,
    UNDEFINED_GENERATION,
    ControllerRole,
    RoleReply,
    read_role_reply,
    read_role_status,
    role_question,
    role_request,
)

LOG = logging.getLogger(__name__)


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

    def on_forgotten(self) -> None:
        """The switch has forgotten what it was told over this connection."""


class Arbiter(ABC):
    """Decides over one connection whether this balancer serves the switch, and tells a :class:`Listener`.

    ``generation`` is that of its last mastership, which may have been over an earlier connection.
    """

    def __init__(self, datapath_id: int, channel: Channel, listener: Listener, generation: Optional[int]) -> None:
        self.role = Role.ASKING
        self.generation = generation
        self._datapath_id = datapath_id
        self._channel = channel
        self._listener = listener
        #: The transaction ids of those parts of a question that are not answered yet.
        self._question: dict[str, int] = {}
        self._answer: Optional[RoleReply] = None
        self._says_generation = True
        self._asked_at = 0.0
        self._change_xid: Optional[int] = None

    def ask(self, now: float) -> None:
        """Ask for role and generation, and what else the decision needs."""
        self._asked_at, self._answer = now, None
        self._question = {"role": self._channel.next_xid()}
        question = role_question(self._question["role"]) + self._further_question()
        self._question["end"] = self._channel.next_xid()
        self._channel.transmit(question + wire.barrier_request(self._question["end"]))

    @abstractmethod
    def tick(self, now: float) -> None:
        """Do what is due."""

    def end(self) -> None:
        """The connection is lost or left: send nothing more."""
        self.role = Role.NONE
        self._question, self._change_xid = {}, None

    def unanswered_for(self, now: float) -> float:
        """Seconds for which the switch has not answered a question."""
        return now - self._asked_at if self._question or self._change_xid is not None else 0.0

    def give_up(self, xid: int) -> list[bytes]:
        """The messages that let another balancer serve the switch at once; this one stops serving it."""
        return []

    def on_message(self, kind: int, xid: int, message: bytes, now: float) -> bool:
        """Handle a message that concerns the role. False when it is another."""
        if kind == wire.OFPT_ROLE_REPLY:
            try:
                return self._on_role_reply(xid, read_role_reply(message), now)
            except wire.MalformedMessage as error:
                LOG.warning("Switch %016x: %s; ignored", self._datapath_id, error)
                return True
        if kind == wire.OFPT_BARRIER_REPLY and xid == self._question.get("end"):
            self._on_part("end", now)
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
            self._change_xid = None
            self._on_change_rejected(now)
            return True
        for part in [each for each, asked in self._question.items() if asked == xid]:
            self._on_part(part, now)
            return True
        return False

    def _change(self, role: ControllerRole, generation: int) -> None:
        """Ask for another role."""
        self._change_xid = self._channel.next_xid()
        self._channel.transmit(role_request(self._change_xid, role, generation))

    def _on_role_reply(self, xid: int, reply: RoleReply, now: float) -> bool:
        if xid == self._question.get("role"):
            self._says_generation = reply.generation != QUESTION_GENERATION
            self._answer = reply if self._says_generation else reply._replace(generation=UNDEFINED_GENERATION)
            self._on_part("role", now)
        elif xid == self._change_xid:
            self._change_xid = None
            self._on_changed(reply, now)
        else:
            return False
        return True

    def _on_part(self, part: str, now: float) -> None:
        """A part is answered or rejected. The barrier reply is the last, unless the statistics come late."""
        del self._question[part]
        if not self._question or ("role" in self._question and "end" not in self._question):
            self._question = {}
            self._decide(self._answer, now)

    def _further_question(self) -> bytes:
        """What else the decision needs to know. The transaction ids are to be noted in the question."""
        return b""

    @abstractmethod
    def _decide(self, answer: Optional[RoleReply], now: float) -> None:
        """The question is answered; None: the switch has no roles."""

    @abstractmethod
    def _on_changed(self, reply: RoleReply, now: float) -> None:
        """The switch has given the requested role."""

    @abstractmethod
    def _on_change_rejected(self, now: float) -> None:
        """The switch has rejected the requested role."""

    @abstractmethod
    def _lose(self, now: float) -> None:
        """Another balancer is MASTER, or is about to be."""
