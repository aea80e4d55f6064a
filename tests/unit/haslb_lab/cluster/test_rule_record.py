"""Which rules a switch has had, and under which generations, from the messages of a switch."""

from __future__ import annotations

from haslb_lab.cluster.rule_record import Rule, RuleRecord, split
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, match
from ryu_haslb.openflow.wire.flow_monitor import ONFFMF_ACTIONS, ONFFMF_ADD, flow_monitor_request
from ryu_haslb.openflow.wire.role import ControllerRole, role_request
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch

MAC = b"\x02home!"


def rule(xid: int, cookie: int) -> bytes:
    instructions = apply_actions(wire.set_field("eth_dst", MAC) + wire.output(2))
    fields = match({"eth_src": cookie.to_bytes(6, "big")})
    flow = FlowMod(wire.OFPFC_ADD, Table.SESSIONS, cookie, priority=SESSION_PRIORITY, match=fields)
    return flow._replace(instructions=instructions).pack(xid)


def test_rules_are_recorded_with_the_generations_before_and_after_them() -> None:
    clock = Clock()
    switch = SimulatedSwitch(1, {2: "port"}, clock, lambda *_: None, Capabilities(flow_monitor=True))
    received: list[bytes] = []
    hello = wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, 8, 0)
    recording, leader = switch.connect(received.append), switch.connect(lambda _: None)
    rules = RuleRecord()
    found: list[Rule] = []

    def ask() -> None:
        recording.receive(rules.question())
        clock.run_until(clock.now + 1)
        while received:
            for message in split(received.pop(0))[0]:
                found.extend(rules.on_message(message))

    recording.receive(hello + flow_monitor_request(1, 1, Table.SESSIONS, ONFFMF_ADD | ONFFMF_ACTIONS))
    leader.receive(hello)
    ask()
    leader.receive(role_request(1, ControllerRole.MASTER, 4))
    ask()
    leader.receive(rule(2, 17))
    ask()
    leader.receive(rule(3, 18))
    leader.receive(role_request(4, ControllerRole.MASTER, 5))
    assert not rules.has_waiting
    ask()
    assert not rules.is_asking
    assert found == [Rule(4, 4, 17, MAC), Rule(4, 5, 18, MAC)]


def test_what_has_not_arrived_whole_waits() -> None:
    message = wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, 8, 0)
    assert split(message * 2 + message[:3]) == ([message] * 2, message[:3])
    assert split(message[:7]) == ([], message[:7])
