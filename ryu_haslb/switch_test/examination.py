"""The whole test: trials in their order, measurements, removal of all that was made. Pure.

A trial that fails in an unforeseen way costs its own result alone. When a switch closes its connection during a trial,
the test waits until it has connected again, removes what is left, and goes on with the next trial. A switch that does
not reply to a barrier ends the test; it cannot be served, unless all trials are over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable, Optional

from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES, Capability
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.handshake import set_config
from ryu_haslb.switch_test import lag_trial, measurements, packet_trials, request_trials, rule_trials, switching_trials
from ryu_haslb.switch_test.bench import Bench
from ryu_haslb.switch_test.cleanup import REMOVAL_TIMEOUT, clean_up
from ryu_haslb.switch_test.exchange import RECONNECTION, ConnectionLostError, Exchange, Script, SilentSwitchError
from ryu_haslb.switch_test.measurements import Measurement
from ryu_haslb.switch_test.packet_trials import set_field
from ryu_haslb.switch_test.trial import Outcome, Result

#: How often the switch may close its connection.
MAX_RECONNECTIONS = 10
#: Seconds for the removal from a switch that has been silent for long.
SILENT_REMOVAL_TIMEOUT = 2.0

#: A trial gets the bench and returns its outcome.
Trial = Callable[[Bench], Script[Outcome]]

#: The trials, in an order in which each has the ways that it needs: first those that find a way into the tables.
TRIALS: Mapping[Capability, Trial] = {
    Capability.TABLE_OUTPUT: packet_trials.table_output,
    Capability.OUTPUT: packet_trials.output,
    Capability.BARRIERS: lag_trial.barriers,
    Capability.PACKET_OUT: packet_trials.packet_outs,
    Capability.PACKET_IN: packet_trials.packet_ins,
    Capability.MATCHES: rule_trials.matches,
    Capability.METADATA: rule_trials.metadata_match,
    Capability.VLAN_MATCH: rule_trials.vlan_match,
    Capability.SET_ETH_SRC: set_field("eth_src"),
    Capability.SET_ETH_DST: packet_trials.set_eth_dst,
    Capability.SET_IPV4_DST: packet_trials.set_ipv4_dst,
    Capability.SET_UDP_DST: set_field("udp_dst"),
    Capability.PUSH_VLAN: packet_trials.push_vlan,
    Capability.SESSION_TABLE: rule_trials.session_table,
    Capability.LEARNING_TABLES: rule_trials.learning_tables,
    Capability.NORMAL: switching_trials.normal,
    Capability.FLOOD: switching_trials.flood,
    Capability.FLOW_STATISTICS: rule_trials.flow_statistics,
    Capability.COOKIE_DELETION: rule_trials.cookie_deletion,
    Capability.FLOW_REMOVED: rule_trials.flow_removed,
    Capability.IDLE_TIMEOUT: rule_trials.idle_timeout,
    Capability.BUNDLES: request_trials.bundles,
    Capability.METERS: request_trials.meters,
    Capability.FLOW_MONITOR: request_trials.flow_monitor,
    Capability.ROLES: request_trials.roles,
    Capability.TABLE_FEATURES: request_trials.table_features,
    Capability.METER_FEATURES: request_trials.meter_features,
    Capability.GROUP_FEATURES: request_trials.group_features,
}


@dataclass
class Findings:
    """What the test has found out so far.

    ``failure`` says why it ended early; ``is_silent`` that the switch did not reply to a barrier before all trials were
    over; ``left`` is the number of rules of the test that are still on the switch, None while that is not known.
    """

    outcomes: dict[Capability, Outcome] = field(default_factory=dict)
    measured: list[Measurement] = field(default_factory=list)
    failure: str = ""
    is_silent: bool = False
    left: Optional[int] = None
    reconnections: int = 0

    def works(self, capability: Capability) -> bool:
        """Whether the trial of a capability has shown that it works."""
        return capability in self.outcomes and self.outcomes[capability].result is Result.WORKS


@dataclass
class Examination:
    """Tests one switch. ``fill`` is the number of rules to fill its table with, at most; None does not.

    ``progress`` is called with the share that is done, from 0 to 1, and with what is done now.
    """

    bench: Bench
    fill: Optional[int] = None
    progress: Callable[[float, str], None] = lambda _share, _text: None
    findings: Findings = field(default_factory=Findings)

    def script(self) -> Script[None]:
        """The test; what it finds out is in ``findings``."""
        steps = self._steps()
        number, name = 0, ""
        try:
            for number, (name, step) in enumerate(steps):
                self.progress(number / len(steps), name)
                try:
                    yield from step()
                except ConnectionLostError as error:
                    yield from self._recover(error)
        except SilentSwitchError as error:
            self.findings.is_silent = number <= len(TRIALS)  # step 0 precedes the trials
            self.findings.failure = (
                f"{name}: {error}; restart the switch or its OpenFlow agent, and test again while it and this "
                "machine are idle"
            )
            yield from self.removal(SILENT_REMOVAL_TIMEOUT)
        except ConnectionLostError as error:
            self.findings.left = None
            self.findings.failure = f"the connection ended: {error}; once the switch is back, test again"
        self._conclude()

    def stop(self) -> None:
        """The operator has ended the test: what was not tried yet is not tried."""
        self.findings.failure = "interrupted"
        self._conclude()

    def removal(self, limit: float = REMOVAL_TIMEOUT) -> Script[None]:
        """Remove what the test has made, after an interruption. The messages go also to a switch that is silent."""
        try:
            yield from self._remove(limit)
        except (SilentSwitchError, ConnectionLostError):
            self.findings.left = None

    def _conclude(self) -> None:
        for capability in TRIALS:
            self.findings.outcomes.setdefault(capability, Outcome(Result.NOT_TRIED, "the test ended before"))

    def _steps(self) -> list[tuple[str, Callable[[], Script[None]]]]:
        steps: list[tuple[str, Callable[[], Script[None]]]] = [("removing what an earlier test has left", self._begin)]
        for capability, trial in TRIALS.items():
            steps.append((CAPABILITIES[capability].name, self._trying(capability, trial)))
        steps += [
            ("barriers", self._measuring(measurements.barriers)),
            ("packets a second", self._measuring(measurements.packet_rates)),
            ("rules a second", self._measuring(self._rule_rates)),
        ]
        if self.fill is not None:
            steps.append(("capacity of the table", self._measuring(self._capacity)))
        return [*steps, ("removing what the test has made", self._remove)]

    def _begin(self) -> Script[None]:
        yield from self._remove()
        yield Exchange(lambda xid: [set_config(xid)])
        yield from request_trials.describe(self.bench)

    def _rule_rates(self, bench: Bench) -> Script[list[Measurement]]:
        found = yield from measurements.rule_rates(bench, self.findings.works(Capability.BUNDLES))
        return found

    def _capacity(self, bench: Bench) -> Script[list[Measurement]]:
        found = yield from measurements.capacity(bench, self.fill or 0, lambda text: self.progress(0.97, text))
        return found

    def _trying(self, capability: Capability, trial: Trial) -> Callable[[], Script[None]]:
        def step() -> Script[None]:
            try:
                outcome = yield from trial(self.bench)
            except wire.MalformedMessage as error:
                self.findings.outcomes[capability] = Outcome(Result.MALFORMED, str(error))
                yield from self._remove()
            except ConnectionLostError as error:
                self.findings.outcomes[capability] = Outcome(Result.CLOSED, f"the connection ended: {error}")
                raise
            except SilentSwitchError as error:
                self.findings.outcomes[capability] = Outcome(Result.IGNORED, str(error))
                raise
            else:
                self.findings.outcomes[capability] = outcome

        return step

    def _measuring(self, measure: Callable[[Bench], Script[list[Measurement]]]) -> Callable[[], Script[None]]:
        def step() -> Script[None]:
            try:
                self.findings.measured += yield from measure(self.bench)
            except wire.MalformedMessage:
                yield from self._remove()

        return step

    def _recover(self, error: ConnectionLostError) -> Script[None]:
        """Wait until the switch has connected again. Raises: the error, if it does not."""
        while self.findings.reconnections < MAX_RECONNECTIONS:
            self.findings.reconnections += 1
            answer = yield RECONNECTION
            if not answer.is_connected:
                break
            try:
                yield from self._remove()
            except ConnectionLostError:
                continue
            return
        raise ConnectionLostError(str(error)) from error

    def _remove(self, limit: float = REMOVAL_TIMEOUT) -> Script[None]:
        self.findings.left = None
        self.findings.left = yield from clean_up(self.bench.meters, limit)
        self.bench.meters.clear()
