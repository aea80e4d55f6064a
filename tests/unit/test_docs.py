"""Documents that are generated from the code are up to date, and contain what a reader looks for in them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.configuration.crypto_model import Crypto
from ryu_haslb.openflow.flow_tables.pipeline import (
    PIPELINE,
    SESSION_PRIORITY,
    Purpose,
    Rule,
    Table,
    chassis_address,
    dispatch_address,
    udp_match,
)
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.wire.wire import Value
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.health import HEALTH_TRANSITIONS, Health

DOCS = Path(__file__).parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert SPEC is not None
assert SPEC.loader is not None
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("document", generate.PARTS)
def test_generated_parts_are_up_to_date(document: str) -> None:
    assert (DOCS / document).read_text() == generate.generated(document), "run python docs/generate.py"


def test_the_drawn_life_of_a_failure_has_transitions_of_the_state_machine() -> None:
    _, _, section = (DOCS / "states.md").read_text().partition("### The life of a failure")
    arrows = re.findall(r"^    (\w+)(?:\[.*?\])? -->(?:\|.*?\|)? (\w+)", section.partition("###")[0], re.MULTILINE)
    names = {health.value for health in Health}
    drawn = {(before, after) for before, after in arrows if before in names and after in names}
    assert len(drawn) > 8
    assert drawn <= {(before.value, after.value) for (before, _), after in HEALTH_TRANSITIONS.items()}


def meets(rule: Rule, packet: Mapping[str, Value]) -> bool:
    """Whether a packet matches a rule; where the rule has a mask, it is one of Ethernet addresses."""

    def masked(address: str, mask: str) -> int:
        return int(address.replace(":", ""), 16) & int(mask.replace(":", ""), 16)

    return all(
        masked(str(packet[name]), value[1]) == masked(value[0], value[1])
        if isinstance(value, tuple)
        else packet.get(name, 0) == value
        for name, value in rule.match.items()
    )


def test_the_drawn_way_of_a_request_begins_with_the_rule_that_it_meets() -> None:
    """That of a request whose client has learned the chassis address by ARP."""
    text = (DOCS / "architecture.md").read_text()
    drawn = re.findall(r"table (\d), priority (\d+)<br/>([a-z ]+), cookie (0x\w+)", text)
    assert len(drawn) == 3
    for table, priority, name, cookie in drawn:
        purpose = Purpose[name.upper().replace(" ", "_")]
        assert PIPELINE[purpose][:2] == (Table(int(table)), int(priority))
        assert purpose.cookie == int(cookie, 16)
    request: dict[str, Value] = {
        **udp_match("10.1.1.10", 434),
        **{"in_port": 5, "eth_src": "02:00:00:00:01:01", "eth_dst": chassis_address(1).hex(":")},
    }
    plain = replace(generate.EXAMPLE, vlan_interfaces=(), crypto=Crypto())
    rules = [rule for rule in standing_rules(plain, 1) if rule.table is Table.CLASSIFIER and meets(rule, request)]
    first = max(rules, key=lambda rule: rule.priority)
    assert drawn[0][2] == generate.purpose_name(first.purpose)


@pytest.mark.parametrize("reason", DropReason)
def test_troubleshooting_says_what_to_do_about_each_reason_of_a_drop(reason: DropReason) -> None:
    assert f"`{reason.value}`" in (DOCS / "troubleshooting.md").read_text()


@pytest.mark.parametrize("reason", SwitchoverReason)
def test_the_cluster_s_page_tells_each_reason_of_a_switchover(reason: SwitchoverReason) -> None:
    assert f"`{reason.value}`" in (DOCS / "cluster.md").read_text().split("| reason of a switchover |")[1]


def flows() -> str:
    return (DOCS / "flows.md").read_text()


#: The last byte of the Ethernet source of what switch 1 dispatches; the others are secret.
LAST_BYTE = dispatch_address(1, b"any key")[5:].hex()


def flow_rows() -> list[list[str]]:
    """The cells of the table of rules: table, priority, cookie, match, action, why."""
    rows = [line.strip("| ").split(" | ") for line in flows().splitlines() if line.startswith("|")]
    return [row for row in rows if len(row) == 6]


@pytest.mark.parametrize(
    ("mode", "rewrites"),
    [
        ("dispatched", f"eth_src=SECRET:{LAST_BYTE}, eth_dst=HOME AGENT"),
        ("direct", f"eth_src=SECRET:{LAST_BYTE}, eth_dst=HOME AGENT, ipv4_dst=10.1.1.51"),
    ],
)
def test_the_table_of_rules_has_the_rule_of_a_session(mode: str, rewrites: str) -> None:
    (row,) = [row for row in flow_rows() if row[5] == f"session, {mode} mode"]
    assert row == [
        "1",
        "50000",
        "TAG followed by 51b7",
        "eth_src=TAG, eth_type=0x0800, ip_proto=17, ipv4_dst=10.1.1.10, udp_dst=434",
        f"set {rewrites}; out to the home agent; idle time-out 10 s",
        f"session, {mode} mode",
    ]
    assert (int(row[0]), int(row[1])) == (Table.SESSIONS, SESSION_PRIORITY)


@pytest.mark.parametrize("purpose", Purpose)
def test_the_table_of_rules_has_each_purpose_and_the_text_explains_it(purpose: Purpose) -> None:
    entry, name = PIPELINE[purpose], purpose.name.lower().replace("_", " ")
    rows = [row for row in flow_rows() if row[5] == name]
    assert rows
    for row in rows:
        assert row[:2] == [str(entry.table.value), str(entry.priority)]
        assert row[2].endswith(f"{purpose.cookie:x}")
        assert row[4] == entry.action.value + (", metered" if entry.metered else "")
    assert f"**{name}**" in " ".join(flows().split())


def test_rows_are_in_the_order_in_which_a_switch_tries_them() -> None:
    order = [(int(row[0]), -int(row[1])) for row in flow_rows() if row[0].isdigit()]
    assert order == sorted(order)
    assert len(order) > len(Purpose)
