"""Which of several balancers serves a switch: the one that is MASTER by OpenFlow's roles. The others wait.

Theory of operation
===================

The switch itself keeps two balancers from acting at the same time (:mod:`.arbiter`). It remains to decide *when* a
balancer asks for MASTER; the lease (:mod:`.lease`) decides that::

    connected -> ASKING: role and generation (NOCHANGE), lease
                    no lease, given up, too old, or our own    -> CLAIMING: MASTER with the next generation -> MASTER
                    another balancer's                         -> SLAVE with this generation -> WAITING
                    the switch has no roles                    -> UNFENCED: served as if no other balancer existed
                    the switch rejects every generation        -> UNFENCED
    MASTER  -> renews the lease every second
               another balancer has become MASTER              -> WAITING
    WAITING -> asks twice a second
               lease given up, or too old                      -> CLAIMING

Two balancers must not take the switch from each other again and again. So a balancer that has lost the switch waits,
and asks for MASTER only when the other has not renewed its lease for :data:`LEASE_TIMEOUT` by the switch's clock. If it
loses the switch repeatedly (for example because the switch does not accept the lease), it waits twice as long each time
after the first. When two claim in the same moment, the switch puts them in order: the later one is MASTER, and the
other one is notified (role status, IS_SLAVE, or the answer to its next question) and waits.

Some switches (Lagopus) let the former MASTER be MASTER as well. So a master looks for leases of others as well, and
waits when its own one is gone, or the holder of the other one has the higher number. One that did not renew its lease
for :data:`LEASE_TIMEOUT`, since it was suspended for example, looks before it renews it.
"""

from __future__ import annotations

import logging
from typing import Optional

from ryu_haslb.openflow.roles import lease
from ryu_haslb.openflow.roles.arbiter import Arbiter, Listener, Role
from ryu_haslb.openflow.roles.lease import Lease
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.multipart import has_more
from ryu_haslb.openflow.wire.role import UNDEFINED_GENERATION, ControllerRole, RoleReply, is_newer, next_generation

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
#: The generations that are asked for, one after the other, where the switch does not say which one it has seen: the
#: later one is newer than all that are likely to have been seen.
_BLIND_GENERATIONS = (0, 1 << 62)


class Mastership(Arbiter):
    """The role of this balancer over one connection, by a lease; ``holder`` is its name in it."""

    def __init__(
        self, datapath_id: int, channel: Channel, holder: int, listener: Listener, generation: Optional[int]
    ) -> None:
        super().__init__(datapath_id, channel, listener, generation)
        self._holder = holder
        self._timeout = LEASE_TIMEOUT
        self._has_lost = False
        self._turn = 0
        self._leases: list[Lease] = []
        self._is_lease_readable = True
        self._absent_since: Optional[float] = None
        self._claimed: Optional[int] = None
        self._blind_claims = 0
        self._renewed_at = 0.0
        self._others_served = False

    def tick(self, now: float) -> None:
        """Do what is due: renew the lease, or ask."""
        if self.role in (Role.UNFENCED, Role.NONE):
            return
        if self.role is Role.MASTER and RENEWAL_INTERVAL <= now - self._renewed_at < LEASE_TIMEOUT:
            self._renew(now)
        interval = RENEWAL_INTERVAL if self.role is Role.MASTER else QUESTION_INTERVAL
        if self._question:
            if self._question.keys() == {"lease"} and now - self._asked_at >= LEASE_TIMEOUT:
                self._is_lease_readable = False
                self._on_part("lease", now)
        elif self._change_xid is None and now - self._asked_at >= interval:
            self.ask(now)

    def give_up(self, xid: int) -> list[bytes]:
        """The messages that let another balancer serve the switch at once; this one stops serving it."""
        return [lease.given_up(xid)] if self.role is Role.MASTER else []

    def on_message(self, kind: int, xid: int, message: bytes, now: float) -> bool:
        """Handle a message that concerns the role. False when it is another."""
        if kind != wire.OFPT_MULTIPART_REPLY or xid != self._question.get("lease"):
            return super().on_message(kind, xid, message, now)
        try:
            self._leases += lease.read(message)
            if not has_more(message):
                self._on_part("lease", now)
        except wire.MalformedMessage as error:
            LOG.warning("Switch %016x: %s; ignored", self._datapath_id, error)
        return True

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error. False when it does not concern the role."""
        self._is_lease_readable &= xid != self._question.get("lease")
        return super().on_error(xid, error, now)

    def _further_question(self) -> bytes:
        self._leases = []
        self._question["lease"] = self._channel.next_xid()
        return lease.request(self._question["lease"])

    def _renew(self, now: float) -> None:
        self._renewed_at = now
        self._channel.transmit(self._renewal(self._channel.next_xid(), self._holder))

    def _renewal(self, xid: int, holder: int) -> bytes:
        self._turn = 1 - self._turn
        return lease.renewal(xid, holder, self._turn)

    def _on_changed(self, reply: RoleReply, now: float) -> None:
        if self._claimed is None:
            return  # SLAVE was asked for
        if reply.role == ControllerRole.MASTER:
            self._become_master(self._claimed, now)
        else:
            self._on_change_rejected(now)

    def _on_change_rejected(self, now: float) -> None:
        """Another balancer was faster, or the switch has given another role. Without SLAVE this one waits as EQUAL."""
        if self._claimed is not None:
            self._claimed = None
            self.role = Role.ASKING

    def _decide(self, answer: Optional[RoleReply], now: float) -> None:
        found = min(self._leases, key=lambda each: each.age, default=None)
        if answer is None:
            if self.role is Role.ASKING:
                self._serve_unfenced("has no controller roles")
        elif self.role is Role.MASTER:
            if answer.role == ControllerRole.EQUAL:
                self._listener.on_forgotten()
            elif answer.role != ControllerRole.MASTER or self._is_another_master():
                self._lose(now)
            elif now - self._renewed_at >= LEASE_TIMEOUT:
                self._renew(now)
        elif self.role in (Role.ASKING, Role.WAITING):
            if self._is_free(found, now):
                self._claim(answer.generation, found)
            elif self.role is Role.ASKING:
                self._wait(answer.generation)

    def _is_another_master(self) -> bool:
        """Whether another balancer serves the switch as well, and this one is the one to wait."""
        fresh = {each.holder for each in self._leases if each.age < LEASE_TIMEOUT} - {lease.NO_HOLDER}
        return bool(fresh) and (self._holder not in fresh or self._holder < max(fresh))

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
        is_told = generation != UNDEFINED_GENERATION
        if not is_told and self._blind_claims == len(_BLIND_GENERATIONS):
            self._serve_unfenced("rejects every generation, as if it had no controller roles")
            return
        # A switch that restarted knows no generation, but no lease either: then no other balancer has served it.
        own = (self._holder,) if self.generation is not None and not is_told else (self._holder, lease.NO_HOLDER)
        foreign = found is not None and found.holder not in own
        since = self.generation is not None and is_told
        self._others_served = foreign or (since and is_newer(generation, self.generation or 0))
        self.role = Role.CLAIMING
        self._claimed = next_generation(generation) if is_told else _BLIND_GENERATIONS[self._blind_claims]
        self._blind_claims = 0 if is_told else self._blind_claims + 1
        self._change(ControllerRole.MASTER, self._claimed)

    def _wait(self, generation: int) -> None:
        self.role = Role.WAITING
        LOG.warning(
            "Switch %016x is served by another balancer; waiting, and taking over %g s after that one has ended",
            *(self._datapath_id, LEASE_TIMEOUT),
        )
        self._change(ControllerRole.SLAVE, 0 if generation == UNDEFINED_GENERATION else generation)
        self._listener.on_mastership_lost()

    def _become_master(self, generation: int, now: float) -> None:
        self.role, self.generation, self._claimed = Role.MASTER, generation, None
        self._asked_at, self._absent_since, self._blind_claims = now, None, 0
        for _ in range(2):  # the lease of the one before may have either priority
            self._renew(now)
        LOG.info("Switch %016x: this balancer is master (generation %d)", self._datapath_id, generation)
        self._listener.on_mastership(self._others_served)

    def _lose(self, now: float) -> None:
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

    def _serve_unfenced(self, why: str) -> None:
        self.role = Role.UNFENCED
        LOG.info(  # with each connection; the warning that it lacks roles comes once
            "Switch %016x %s: a second balancer would dispatch every request again; run only one",
            *(self._datapath_id, why),
        )
        self._listener.on_mastership(False)
