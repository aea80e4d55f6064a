"""A scenario from nothing to its tables: brought up, its call flow played, its outputs laid beside the chapter's."""

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
from haslb_lab.runner.lab import POLL_INTERVAL, Lab
from haslb_lab.scenarios import state
from haslb_lab.scenarios.associations import await_associations, clear_associations, translations
from haslb_lab.scenarios.call_flow import CallFlow
from haslb_lab.scenarios.chapter_block import Block
from haslb_lab.scenarios.comparison import Pair, agree, lay_beside
from haslb_lab.scenarios.debugging import Debugging
from haslb_lab.scenarios.dfp_pace import wait_between_measures
from haslb_lab.scenarios.display import Display
from haslb_lab.scenarios.reach import meet_routers
from haslb_lab.scenarios.scenario import Scenario

#: Seconds within which home agents have told the balancer their weight, and have measured it anew.
_REPORT_TIMEOUT = 20.0


class Play:
    """A scenario that is played with so many sessions (as many as the chapter has, unless given).

    ``compared`` counts the outputs that the chapter has as well, ``differences`` those of them that are not the same.
    What else is not as it should be ends in a
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
        self.compared = 0
        self.differences = 0

    def bring_up(self) -> Lab:
        """The lab with all its nodes and nothing open yet."""
        configuration = self.description.balancer.configuration.read_text("utf-8")
        with self._display.activity() as report:
            up = state.Running(self._scenario.name, self.description.prompts)
            topology = Cisco7600(self.description)
            lab = Lab(topology, configuration, report=report, claimed=lambda: state.note(up)).__enter__()
        state.note(replace(up, processes={node: lab.node(node).pid for node in lab.hosts}))
        return lab

    def run(self, lab: Lab, keep: bool) -> None:
        """Play the call flow and show the outputs; with ``keep`` only to the moment at which the chapter shows them."""
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
                    lines = debug.lines_like(block.lines)
                self._judge(block, lay_beside(block.lines, lines))
            if not keep:
                for step in flow.close():
                    self._display.step(step)

    def _show(self, lab: Lab) -> None:
        """All outputs, those of the chapter beside the chapter's; then balancer and home agents compared."""
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
        """Take an output and lay it beside the chapter's; where that shows no such number of sessions, print it."""
        node = self._nodes[block.prompt]
        if expected is None:
            self._display.say(f"\nThe chapter shows this for {self._scenario.sessions} sessions:", style="dim")
            self._answer(lab, node, block.command)
            return
        self._judge(block, self._take(lab, node, expected))

    def _judge(self, block: Block, pairs: Sequence[Pair]) -> None:
        self.compared += 1
        if not agree(pairs):
            self.differences += 1
        self._display.beside(block.prompt, block.command, pairs)

    def _take(self, lab: Lab, node: str, expected: Block) -> Sequence[Pair]:
        """An output beside the chapter's. Where home agents report their weight it may take them a while to do so."""
        deadline = time.monotonic() + (_REPORT_TIMEOUT if self._agents else 0)
        while True:
            pairs = lay_beside(expected.lines, lab.command(node, expected.command).splitlines())
            if agree(pairs) or time.monotonic() >= deadline:
                return pairs
            time.sleep(POLL_INTERVAL)

    def _associate(self, lab: Lab) -> None:
        """Have IPsec up; then, for the chapter's number of sessions, clear it as the chapter does."""
        for note in translations(self.description):
            self._display.say(f"IPsec: {note}")
        with self._display.activity() as report:
            report("waiting for the security associations")
            await_associations(lab, self.description)
        if self._scenario.shown and self.sessions == self._scenario.sessions:
            for node, command in clear_associations(lab, self.description):
                self._display.answer(self.description.prompts[node], command, ())

    def _await_weights(self, lab: Lab) -> None:
        deadline = time.monotonic() + _REPORT_TIMEOUT
        while len(lab.query(CONTROLLER, "show ip slb dfp weights")) < self._agents:
            if time.monotonic() > deadline:
                told = [line for line in lab.log(CONTROLLER).splitlines() if "DFP agent" in line]
                last = told[-1] if told else "its log has nothing about them"
                raise LabError(f"not every home agent's weight has come to the balancer: {last}")
            time.sleep(POLL_INTERVAL)

    def _compare(self, lab: Lab) -> None:
        """Every home agent has as many bindings as the balancer gave it sessions."""
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
