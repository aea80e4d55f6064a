"""The dashboard and the alert rules of docs/monitoring query metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from web_bench import WebBench

from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.web.metrics import BalancerCollector, exposition

DOCS = Path(__file__).parents[3] / "docs"
DASHBOARD = json.loads((DOCS / "monitoring" / "grafana-dashboard.json").read_text())
ALERTS = [
    rule
    for group in yaml.safe_load((DOCS / "monitoring" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]

METRIC = re.compile(r"\b(?:haslb|process)_\w+")
SELECTOR = re.compile(r"\b((?:haslb|process)_\w+)\{([^}]*)\}")
#: Labels that Prometheus adds to everything that it scrapes.
TARGET_LABELS = {"job", "instance"}


@pytest.fixture(scope="module")
def exposed() -> dict[str, list[dict[str, str]]]:
    """The labels of each series, by the name of its samples."""
    bench = WebBench()
    bench.fill()
    real = next(iter(bench.balancer.reals()))
    bench.switches[2].adjacencies.preload({real.packed_address: Location(b"\2\0\0\0\0\x51", 7, 15)}, {})
    series: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(exposition(BalancerCollector(lambda: bench.sources)).decode()):
        for sample in family.samples:
            series.setdefault(sample.name, []).append(sample.labels)
    return series


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in ALERTS)


@pytest.mark.parametrize("expression", list(expressions()))
def test_queried_metrics_and_labels_are_exposed(expression: str, exposed: dict[str, list[dict[str, str]]]) -> None:
    names = METRIC.findall(expression)
    assert names or expression.startswith("up{"), "Prometheus' own metric is the one that is not ours"
    assert exposed.keys() >= set(names)
    for name, matchers in SELECTOR.findall(expression):
        for label, operator, values in re.findall(r'(\w+)(=~|=)"([^"]*)"', matchers):
            if label in TARGET_LABELS:
                continue
            found = {labels[label] for labels in exposed[name]}
            wanted = values.split("|") if operator == "=~" else [values]
            assert found.issuperset(wanted), f"{label} of {name}"


@pytest.mark.parametrize(
    "what",
    [
        "haslb_requests_total",
        "haslb_requests_dropped_total",
        "haslb_sessions",
        "haslb_assignments_total",
        "haslb_retries_total",
        "haslb_reassignments_total",
        "haslb_real_state",
        "haslb_real_weight",
        "haslb_dfp_agent_connected",
        "haslb_packet_in_latency_seconds_bucket",
        "haslb_flow_mod_errors_total",
    ],
)
def test_the_dashboard_shows_every_metric_that_an_operator_watches(what: str) -> None:
    assert any(what in target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alert_has_a_severity_and_a_summary() -> None:
    assert ALERTS
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]


def test_the_documentation_lists_every_metric(exposed: dict[str, list[dict[str, str]]]) -> None:
    text = (DOCS / "monitoring.md").read_text()
    listed = set(re.findall(r"`(haslb_\w+)", text))
    assert listed == {re.sub(r"_(bucket|count|sum)$", "", name) for name in exposed if name.startswith("haslb_")}


@pytest.mark.parametrize("reason", DropReason)
def test_the_table_of_drop_reasons_has_each_label_and_its_words(reason: DropReason) -> None:
    _, _, table = (DOCS / "monitoring.md").read_text().partition("### Drop reasons\n")
    (row,) = [line for line in table.splitlines() if f"`{reason.value}`" in line.split(" | ")[0]]
    assert reason.text in row.split(" | ")[1]
