"""Plays a scenario: brings its lab up, plays the call flow, and compares its outputs with the chapter's."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Optional

from haslb_lab.chassis.cisco7600 import Cisco7600
from haslb_lab.chassis.description import CONTROLLER, Description
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import Lab
from haslb_lab.runner.waiting import CHECK_INTERVAL, wait_until
from haslb_lab.scenarios import state
from haslb_lab.scenarios.associations import await_associations, clear_associations, translations
from haslb_lab.scenarios.call_flow import CallFlow
from haslb_lab.scenarios.chapter_block import Block
from haslb_lab.scenarios.comparison import Pair, Tally, agree, lay_beside
from haslb_lab.scenarios.debugging import Debugging
from haslb_lab.scenarios.dfp_pace import wait_between_measures
from haslb_lab.scenarios.display import Display
from haslb_lab.scenarios.reach import meet_routers
from haslb_lab.scenarios.scenario import Scenario

#: Seconds until home agents have reported their weight to the balancer, and have measured it again.
_REPORT_TIMEOUT = 60.0


class Play:
    """One run of a scenario with ``sessions`` sessions, by default the chapter's number.

    ``tally`` counts the outputs that were compared with the chapter's, and their lines. Any other deviation raises
    :class:`LabError`.
    """

    def __init__(self, scenario: Scenario, sessions: Optional[int], display: Display) -> None:
        self._scenario = scenario
        self.sessions = scenario.sessions if sessions is None else sessions
        self._display = display
        self.description: Description = scenario.chassis()
        for what, parts in (("PDSN", self.description.pdsns), ("home agent", self.description.home_agents)):
            if not parts:
                raise LabError(f"{scenario.description} has no {what}; a call flow needs one")
        self._nodes = {prompt: node for node, prompt in self.description.prompts.items()}
        self._agents = 0
        self.tally = Tally()

    def bring_up(self) -> Lab:
        """The running lab with all its nodes, before any session. Raises: LabError."""
        configuration = self.description.balancer.configuration.read_text("utf-8")
        with self._display.activity() as report:
            up = state.Running(self._scenario.name, self.description.prompts)
            topology = Cisco7600(self.description)
            lab = Lab(topology, configuration, report=report, claimed=lambda: state.note(up)).__enter__()
        state.note(replace(up, processes={node: lab.node(node).pid for node in lab.hosts}))
        return lab

    def run(self, lab: Lab, keep: bool) -> None:
        """Play the call flow and show the outputs; with ``keep`` only steps 1 to 4, at which the chapter shows them."""
        self._agents = len(lab.query(CONTROLLER, "show ip slb dfp"))
        if self._agents:
            with self._display.activity() as report:
                report("waiting for the home agents' weights")
                self._await_weights(lab)
        meet_routers(lab, self.description)
        for block in self._scenario.shown_before:
            self._lay_beside(lab, block, block)
        if self._agents:
            wait_between_measures(self.description.home_agents)
        if self.description.ipsec_modules:
            self._associate(lab)
        with ExitStack() as stack:
            debugging = [
                (block, stack.enter_context(Debugging(lab, block.command))) for block in self._scenario.debugged
            ]
            flow = stack.enter_context(CallFlow(lab, self.description, self.sessions, self._display.progress))
            for step in flow.open():
                self._display.step(step)
            self._show(lab)
            for block, debug in debugging:
                with self._display.activity() as report:
                    report("waiting for what the debug prints")
                    lines = debug.lines_like(block.expected)
                self._judge(block, lay_beside(block.lines, lines))
            if not keep:
                for step in flow.close():
                    self._display.step(step)

    def _show(self, lab: Lab) -> None:
        """Show all outputs, beside the chapter's where it has them; then compare balancer and home agents."""
        for block in self._scenario.shown:
            self._lay_beside(lab, block, block.for_sessions(self.sessions, self._scenario.sessions))
        if not self._scenario.shown:
            self._answer(lab, CONTROLLER, "show ip slb reals")
            self._answer(lab, CONTROLLER, "show ip slb sessions ipmobile")
            for agent in self.description.home_agents:
                self._answer(lab, agent.name, "show ip mobile binding summary")
            if self.description.ipsec_modules:
                self._answer(lab, CONTROLLER, "show crypto ipsec sa")
        self._compare(lab)

    def _answer(self, lab: Lab, node: str, command: str) -> None:
        self._display.answer(self.description.prompts[node], command, lab.command(node, command).splitlines())

    def _lay_beside(self, lab: Lab, block: Block, expected: Optional[Block]) -> None:
        """Compare an output with the chapter's. If the chapter has none for this number of sessions, print it."""
        node = self._nodes[block.prompt]
        if expected is None:
            self._display.say(f"\nThe chapter shows this for {self._scenario.sessions} sessions:", style="dim")
            self._answer(lab, node, block.command)
            return
        self._judge(block, self._take(lab, node, expected))

    def _judge(self, block: Block, pairs: Sequence[Pair]) -> None:
        self.tally.add(pairs)
        self._display.beside(block.prompt, block.command, pairs)

    def _take(self, lab: Lab, node: str, expected: Block) -> Sequence[Pair]:
        """An output beside the chapter's. Home agents with DFP get time to report their weight."""
        deadline = time.monotonic() + (_REPORT_TIMEOUT if self._agents else 0)
        while True:
            pairs = lay_beside(expected.lines, lab.command(node, expected.command).splitlines())
            if agree(pairs) or time.monotonic() >= deadline:
                return pairs
            time.sleep(CHECK_INTERVAL)

    def _associate(self, lab: Lab) -> None:
        """Establish IPsec; then, for the chapter's number of sessions, clear it as the chapter does."""
        for note in translations(self.description):
            self._display.say(f"IPsec: {note}")
        with self._display.activity() as report:
            report("waiting for the security associations")
            await_associations(lab, self.description)
        if self._scenario.shown and self.sessions == self._scenario.sessions:
            for node, command in clear_associations(lab, self.description):
                self._display.answer(self.description.prompts[node], command, ())

    def _await_weights(self, lab: Lab) -> None:
        def last_line() -> str:
            told = [line for line in lab.log(CONTROLLER).splitlines() if "DFP agent" in line]
            last = told[-1] if told else "nothing about them"
            return f"the balancer receives every home agent's weight; its log says: {last}"

        wait_until(
            lambda: len(lab.query(CONTROLLER, "show ip slb dfp weights")) >= self._agents, last_line, _REPORT_TIMEOUT
        )

    def _compare(self, lab: Lab) -> None:
        """Check that every home agent has as many bindings as the balancer has sessions for it. Raises: LabError."""
        sessions: Counter[str] = Counter()
        for real in lab.query(CONTROLLER, "show ip slb reals"):
            sessions[real["real"]] += real["conns"]
        bindings = {
            str(agent.address.ip): lab.query(agent.name, "show ip mobile binding summary")["total"]
            for agent in self.description.home_agents
        }
        if sessions != bindings:
            raise LabError(f"the balancer counts sessions {dict(sessions)}, the home agents have bindings {bindings}")
        self._display.say(f"\nThe balancer and the home agents agree about {self.sessions} sessions.", style="bold")
