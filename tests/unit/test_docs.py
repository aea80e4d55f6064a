"""Documents that are generated from the code are up to date, and contain what a reader looks for in them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from ryu_haslb.openflow.pipeline import PIPELINE, SESSION_PRIORITY, Purpose, Table, dispatch_address
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import HEALTH_TRANSITIONS, Health

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


@pytest.mark.parametrize("reason", DropReason)
def test_troubleshooting_says_what_to_do_about_each_reason_of_a_drop(reason: DropReason) -> None:
    assert f"`{reason.value}`" in (DOCS / "troubleshooting.md").read_text()


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
