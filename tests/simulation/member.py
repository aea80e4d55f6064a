"""A balancer that is a member of a cluster: the product's election, fencing and sharing on the simulated database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

from ryu_haslb.cluster.hand_over import HandOver
from ryu_haslb.cluster.health_rows import Clocks
from ryu_haslb.cluster.member import TICK_INTERVAL as STEP_INTERVAL
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.membership import Membership
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.cluster.sharing import Sharing
from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.dfp.agent_connection import SetWeight
from ryu_haslb.dfp.steering import steer
from ryu_haslb.openflow.fleet.fleet import Fleet
from simulation.controller import Controller
from simulation.idl import engine_of
from simulation.ovsdb import SimulatedDatabase
from simulation.shared_configuration import MemberConfiguration, SharedTexts
from simulation.switch import SimulatedSwitch
from simulation.transport import Transport

#: Seconds after which a switch leaves a controller from which nothing comes.
SWITCH_PROBE_TIMEOUT = 10.0
#: Seconds between something that comes from the database and the step that reads it.
WAKE_DELAY = 0.0002


class MemberController(Controller):
    """One process of a cluster. ``on_change`` is called when it begins to lead or stands by."""

    member: Member

    def join(self, database: SimulatedDatabase, texts: SharedTexts, on_change: Callable[[], None]) -> None:
        """Have a database, and a configuration file. To be called before the first start."""
        self._database, self._texts, self._on_change = database, texts, on_change
        self._file = self.configuration

    @property
    def is_hung(self) -> bool:
        """Whether the process was sent SIGSTOP."""
        return self.process.is_stopped

    @property
    def is_acting(self) -> bool:
        """Whether this member leads, as far as it can tell."""
        return self.is_running and not self.is_hung and self.member.is_leading

    def is_connected(self, switch: SimulatedSwitch) -> bool:
        """Whether this member leads, and has a connection over which the switch is to be served."""
        transport = self.transports.get(switch.datapath_id)
        return super().is_connected(switch) and self.is_acting and transport is not None and not transport.is_stalled

    @property
    def can_lead(self) -> bool:
        """Whether it runs and reaches the leader of the database."""
        leader = self._database.leader
        is_alive = self.is_running and not self.is_hung and not self.is_retired
        return is_alive and leader is not None and self._database.reaches(self.name, leader)

    def start(self) -> None:
        """Start the process, and join the cluster."""
        was_running = self.is_running
        if not was_running:
            self.configuration = self._file
        super().start()
        if not was_running:
            self.shared = MemberConfiguration(self, write_configuration(self._file), self._texts)
            self.sharing = Sharing(self.member, self.fleet, self.balancer, self.dfp, self._clocks)
            Membership(self.member, self.fleet, self.balancer, "", self._time)
            self._step(self._start_count)

    def kill(self) -> None:
        """End the process without a word."""
        super().kill()
        self.process = type(self.process)(self.clock)
        self._database.hung.discard(self.name)
        self._database.kill(self.name)

    def stop(self) -> None:
        """End the process as SIGTERM does: another member takes over first."""
        if self.is_running:
            self.process.timers.call(self._stop, self._start_count)

    def apply(self, text: str) -> None:
        """Apply the configuration that all members share."""
        self.configure(self._texts.parameters_of(text).configuration())

    def on_applied(self) -> None:
        """The agreement names the configuration that was applied as the one in force here."""
        self._on_change()

    def resign(self) -> None:
        """Let another member lead, as ``haslb redundancy switch-activity`` does."""
        if self.is_running:
            self.process.timers.call(self._resign)

    def hang(self) -> None:
        """Stop the process (SIGSTOP). Switches and database give its connections up after a while."""
        if self.is_running and not self.is_hung:
            self.process.stop()
            self._database.hung.add(self.name)
            for transport in list(self.transports.values()):
                self.clock.after(SWITCH_PROBE_TIMEOUT, self._give_up, transport)

    def wake(self, timers_first: bool) -> None:
        """Let the process go on (SIGCONT), with its old beliefs and all that has come meanwhile."""
        if self.is_hung:
            self._database.hung.discard(self.name)
            self.process.go_on(timers_first)

    def stall(self, switch: SimulatedSwitch) -> None:
        """Cut the network to a switch without a sign to either end."""
        transport = self.transports.get(switch.datapath_id)
        if transport is None:
            self._cut.add(switch.datapath_id)
        elif not transport.is_stalled:
            transport.stall()
            self.clock.after(SWITCH_PROBE_TIMEOUT, self._give_up_stalled, transport)

    def mend(self, switch: SimulatedSwitch) -> None:
        """The network to a switch is whole again."""
        transport = self.transports.get(switch.datapath_id)
        if transport is not None and transport.is_stalled:
            transport.go_on()
        super().mend(switch)

    def _make_fleet(self) -> Fleet:
        settings = ClusterSettings("simulated", self.name)
        self.member = Member(settings, self._time, engine_of(self._database, self._wake_of(self._start_count)))
        self.member.on_change = self._on_leadership_changed
        return Fleet(self.configuration, self.balancer, self._time, self.member.leadership)

    def _clocks(self) -> Clocks:
        return Clocks(self.clock.now, self.clock.now)

    def _on_leadership_changed(self) -> None:
        self.sharing.on_leadership_changed(self.clock.now)
        self.fleet.on_leadership_changed()
        self._on_change()
        self.flush_soon()

    def _on_weights_changed(self, reports: Optional[Sequence[SetWeight]]) -> None:
        steer(self.balancer.reals(), self.dfp.weights, reports if self.member.is_leading else None)

    def _wake_of(self, start_count: int) -> Callable[[float], None]:
        def wake(seconds: float) -> None:
            self.process.inputs.after(seconds + WAKE_DELAY, self._run_step, start_count)

        return wake

    def _run_step(self, start_count: int) -> None:
        if self.is_running and start_count == self._start_count:
            self.member.step()

    def _step(self, start_count: int) -> None:
        if self.is_running and start_count == self._start_count:
            self.member.step()
            self.process.timers.after(STEP_INTERVAL, self._step, start_count)

    def _stop(self, start_count: int) -> None:
        if self.is_running and start_count == self._start_count:
            if self.member.resign(SwitchoverReason.SIGTERM):
                self._go_on_until_over(HandOver(self.member, self.fleet), start_count)
            else:
                super().stop()

    def _go_on_until_over(self, hand_over: HandOver, start_count: int) -> None:
        if not self.is_running or start_count != self._start_count:
            return
        if hand_over.is_over(self.clock.now):
            super().stop()
        else:
            self.process.timers.after(STEP_INTERVAL, self._go_on_until_over, hand_over, start_count)

    def _resign(self) -> None:
        self.member.resign(SwitchoverReason.SWITCH_ACTIVITY)

    def _give_up(self, transport: Transport) -> None:
        if self.is_hung:
            transport.close()

    def _give_up_stalled(self, transport: Transport) -> None:
        if transport.is_stalled and self.transports.get(transport.id) is transport:
            self._cut.add(transport.id)
            transport.close()
