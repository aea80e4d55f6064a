"""What the switches held when a balancer began anew, or another member took them over: no session may be lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS
from simulation.actions import OFPAT_SET_FIELD
from simulation.clock import Clock
from simulation.flow_table import Flow
from simulation.packet import ETH_DST
from simulation.switch import SimulatedSwitch

#: Seconds within which a new leader takes one switch over after another.
TAKEOVER_TIME = 0.1


class Restarts:
    """The last restart or takeover: when it was, and the Ethernet address to which each session rule led (by tag).

    ``faults`` are the kinds of what has gone wrong since. ``expired`` are the tags of the rules that a switch has
    removed since, because their time was over, or a balancer to make room for others, and ``ended`` those of them whose
    sessions had ended by then: if the mobile comes again, it begins another session.
    """

    def __init__(self, clock: Clock) -> None:
        self.at = 0.0
        self.rules: dict[int, bytes] = {}
        self.faults: list[str] = []
        self.expired: set[int] = set()
        self.ended: set[int] = set()
        #: The tags of the session rules that were in use when a balancer was stopped, and until when they must stay.
        self.left: set[int] = set()
        #: Those of them that were gone before their time, as text.
        self.lost: set[str] = set()
        self._stays_until = 0.0
        self._clock = clock

    def note_stop(self, switches: Sequence[SimulatedSwitch], idle: float) -> None:
        """A balancer is stopped: rules that were used in the last half of the idle time stay for the other half."""
        since, self._stays_until = self._clock.now - idle / 2, self._clock.now + idle / 2
        self.left = {
            flow.cookie >> COOKIE_MARK_BITS
            for switch in switches
            for table in switch.datapath.tables[1:2]
            for flow in table
            if _is_session_rule(flow) and flow.used > since
        }

    def note_end_of_stop(self, switches: Sequence[SimulatedSwitch], is_disturbed: bool) -> None:
        """A balancer starts again. ``is_disturbed``: others than the balancer may have removed rules meanwhile."""
        if self._clock.now < self._stays_until and not is_disturbed:
            self.lost = {f"{tag:012x}" for tag in self.left - session_rules(switches).keys()}
        self.left = set()

    def note_restart(self, switches: Sequence[SimulatedSwitch]) -> None:
        """A balancer starts again, and takes over these switches."""
        self.at = self._clock.now
        self.rules = session_rules(switches)
        for each in (self.faults, self.expired, self.ended):
            each.clear()

    def note_takeover(self, switch: SimulatedSwitch) -> None:
        """Another member begins to change a switch. Others may follow at once."""
        if self._clock.now > self.at + TAKEOVER_TIME:
            self.note_restart([switch])
        else:
            rules = session_rules([switch])
            self.rules.update(rules)
            self.expired -= rules.keys()
            self.ended -= rules.keys()

    def note_displacement(self, session: Optional[Session], cookie: int) -> None:
        """A balancer has removed a rule where there is not room for all. It may be that of a ``session`` that lives.

        That is lost if another member takes over before it has a rule again.
        """
        if session is not None:
            self.expired.add(cookie >> COOKIE_MARK_BITS)

    def note_expiry(self, switch: SimulatedSwitch, session: Optional[Session], cookie: int) -> None:
        """A switch removes a rule, because its time is over. ``session`` is the one that the balancer has for it.

        A recovered session ends with its rule, unless a request has come since: when the last one came before, the
        balancer does not know.
        """
        tag = cookie >> COOKIE_MARK_BITS
        self.expired.add(tag)
        if session is None or session.deadline <= self._clock.now or _ends_with_rule(session, switch):
            self.ended.add(tag)


def _ends_with_rule(session: Session, switch: SimulatedSwitch) -> bool:
    return session.rule_at == switch.datapath_id and not session.has_requested


def _is_session_rule(flow: Flow) -> bool:
    return flow.cookie & 0xFFFF == 0x51B7 and flow.cookie >> 32 > 0


def session_rules(switches: Sequence[SimulatedSwitch]) -> dict[int, bytes]:
    """The tags of the session rules on these switches, and the Ethernet address to which each leads."""
    return {
        flow.cookie >> COOKIE_MARK_BITS: mac
        for switch in switches
        for table in switch.datapath.tables[1:2]  # a switch may have but one
        for flow in table
        if _is_session_rule(flow)
        for kind, argument in flow.actions
        if kind == OFPAT_SET_FIELD and isinstance(argument, tuple)
        for number, mac in [argument]
        if number == ETH_DST
    }
