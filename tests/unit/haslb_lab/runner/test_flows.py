"""Rules as Open vSwitch prints them (ovs-ofctl(8), dump-flows)."""

from __future__ import annotations

import pytest

from haslb_lab.runner.flows import Flow, parse_flows

HEADING = "OFPST_FLOW reply (OF1.3) (xid=0x2):\n"


def rule(line: str) -> Flow:
    [flow] = parse_flows(f"{HEADING} {line}\n")
    return flow


def test_every_field_of_a_session_rule_is_read() -> None:
    """The rule of a session: flags stand before the priority, commas within the actions are theirs."""
    flow = rule(
        "cookie=0xabcd, duration=2.039s, table=1, n_packets=3, n_bytes=420, idle_timeout=300, hard_timeout=9, "
        "send_flow_rem priority=7,udp,dl_src=02:00:00:00:00:01,tp_dst=434 actions=set_field:10.1.1.51->ip_dst,output:3"
    )
    assert flow == Flow(
        table=1,
        priority=7,
        cookie=0xABCD,
        packets=3,
        bytes=420,
        duration=2.039,
        idle_timeout=300,
        hard_timeout=9,
        flags=frozenset({"send_flow_rem"}),
        match={"udp": "udp", "dl_src": "02:00:00:00:00:01", "tp_dst": "434"},
        actions="set_field:10.1.1.51->ip_dst,output:3",
    )


@pytest.mark.parametrize(
    ("tail", "priority", "match", "flags"),
    [
        ("actions=drop", 32768, {}, set()),
        ("in_port=3 actions=drop", 32768, {"in_port": "3"}, set()),
        ("priority=0 actions=NORMAL", 0, {}, set()),
        ("send_flow_rem actions=drop", 32768, {}, {"send_flow_rem"}),
        ("reset_counts send_flow_rem priority=1 actions=drop", 1, {}, {"send_flow_rem", "reset_counts"}),
    ],
)
def test_what_is_not_printed_has_its_default(tail: str, priority: int, match: dict[str, str], flags: set[str]) -> None:
    """OpenFlow's default priority is not printed, nor are time-outs that are not set."""
    flow = rule(f"cookie=0x0, duration=0.1s, table=0, n_packets=0, n_bytes=0, {tail}")
    assert (flow.priority, dict(flow.match), set(flow.flags), flow.idle_timeout) == (priority, match, flags, 0)


def test_a_switch_without_rules_has_none() -> None:
    """The heading of the reply is no rule."""
    assert parse_flows(HEADING) == []
