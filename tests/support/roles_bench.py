"""Balancers at one switch, for tests of their roles."""

from __future__ import annotations

from typing import Any, Optional

from ryu_haslb.openflow.roles.arbiter import Arbiter
from ryu_haslb.openflow.roles.fencing import FencedMastership, Leadership
from ryu_haslb.openflow.wire import wire
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch
from simulation.switch_connection import SwitchConnection


class Bench:
    """A simulated switch, and the balancers that connect to it."""

    def __init__(self, roles: bool = True, **capabilities: Any) -> None:
        self.clock = Clock()
        can = Capabilities(roles=roles, **capabilities)
        self.switch = SimulatedSwitch(1, {1: "port1"}, self.clock, lambda *_: None, can)

    def run(self, seconds: float, *ends: End) -> None:
        """Let time pass; balancers tick ten times a second."""
        for _ in range(round(seconds * 10)):
            self.clock.run_until(self.clock.now + 0.1)
            for each in ends:
                each.mastership.tick(self.clock.now)


class End:
    """A balancer's end of a connection. ``events`` is what its mastership has it do."""

    mastership: Arbiter

    def __init__(self, bench: Bench) -> None:
        self.events: list[str] = []
        self.bytes_sent = self.xid = 0
        self._bench = bench
        self.link: SwitchConnection = bench.switch.connect(self._on_message)

    def on_mastership(self, others_served: bool) -> None:
        self.events.append("serve, and read anew" if others_served else "serve")

    def on_mastership_lost(self) -> None:
        self.events.append("wait")

    def on_forgotten(self) -> None:
        self.events.append("begin anew")

    def transmit(self, message: bytes) -> None:
        self.link.receive(message)

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def _on_message(self, message: bytes) -> None:
        _, kind, _, xid = wire.HEADER.unpack_from(message)
        now = self._bench.clock.now
        if kind == wire.OFPT_ERROR:
            self.mastership.on_error(xid, wire.read_error(message), now)
        else:
            self.mastership.on_message(kind, xid, message, now)


class Member(End):
    """The end of a member of a cluster. ``reported`` are the generations that it has found at the switch."""

    mastership: FencedMastership

    def __init__(self, bench: Bench, leads_with: int = 0, generation: Optional[int] = None) -> None:
        super().__init__(bench)
        self.reported: list[int] = []
        self.leadership = Leadership(lambda generation, _: self.reported.append(generation))
        self.lead(leads_with)
        self.mastership = FencedMastership(1, self, self.leadership, self, generation)
        self.mastership.ask(bench.clock.now)

    def lead(self, generation: int) -> None:
        self.leadership.is_leading, self.leadership.generation = generation > 0, generation

    def stand_by(self, generation: int) -> None:
        self.leadership.is_leading, self.leadership.generation = False, generation

    def role_at_switch(self) -> Optional[int]:
        """The role that the switch has reported last; a question for it is asked now."""
        self.mastership.ask(self._bench.clock.now)
        self._bench.run(0.1)
        return self.mastership._role_at_switch
