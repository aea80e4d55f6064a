"""Prometheus metrics: read back by Prometheus' own parser, named by its conventions, true to the balancer."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from web_bench import NOW, WebBench

from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.show.clients import Order, clients
from ryu_haslb.show.reals import REAL_STATES
from ryu_haslb.slb.client_counts import KEPT_CLIENTS, MAX_CLIENTS
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import make_request
from ryu_haslb.web.metrics import BalancerCollector, exposition


class Scrape:
    """What one scrape says."""

    def __init__(self, bench: WebBench) -> None:
        text = exposition(BalancerCollector(lambda: bench.sources)).decode()
        self.families = list(text_string_to_metric_families(text))
        self.samples = {
            (sample.name, *(sorted(sample.labels.items()))): sample.value
            for family in self.families
            for sample in family.samples
        }
        assert len(self.samples) == sum(len(family.samples) for family in self.families), "a series occurs twice"

    def value(self, name: str, **labels: str) -> float:
        return self.samples[(name, *sorted(labels.items()))]


@pytest.fixture
def bench() -> WebBench:
    made = WebBench()
    made.fill()
    return made


def test_names_follow_the_conventions(bench: WebBench) -> None:
    """https://prometheus.io/docs/practices/naming/: one prefix, base units, _total for counters and for them alone."""
    for family in Scrape(bench).families:
        assert re.fullmatch(r"(haslb|process)_[a-z_]+", family.name)
        assert not re.search(r"_(ms|milliseconds|minutes|percent|count|total)$", family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{family.name}_total"}


def test_requests_are_counted_by_result_and_drops_by_reason(bench: WebBench) -> None:
    scrape = Scrape(bench)
    assert scrape.value("haslb_requests_total", result="dispatched") == 5
    assert scrape.value("haslb_requests_total", result="dropped") == 1
    drops = {reason: scrape.value("haslb_requests_dropped_total", reason=reason.value) for reason in DropReason}
    assert [reason for reason, count in drops.items() if count] == [DropReason.FRAGMENT]


def test_clients_and_mobiles_that_are_made_up_add_no_series(bench: WebBench) -> None:
    """Every spoofed source may send requests; a time series for each would fill the memory of Prometheus."""
    before = set(Scrape(bench).samples)
    server, balancer = bench.balancer.virtual_servers["MIPSLB"], bench.balancer
    for number in range(2 * MAX_CLIENTS):
        fields = server, b"\x01made-up-%d" % number, number.to_bytes(4, "big"), 434, bytes(4), 600, 1, number
        balancer.request(make_request(*fields), NOW)
    balancer.advance(NOW, 1)
    assert set(Scrape(bench).samples) == before
    assert len(balancer.client_counts.requests) <= MAX_CLIENTS
    everyone = Order.REQUESTS, 10 * MAX_CLIENTS
    assert sum(row is not None for row in clients(bench.sources, *everyone)) <= 2 * KEPT_CLIENTS


def test_sessions_assignments_retries_and_reassignments(bench: WebBench) -> None:
    scrape = Scrape(bench)
    assert scrape.value("haslb_sessions", vserver="MIPSLB") == 4
    assert scrape.value("haslb_assignments_total") == 3
    assert scrape.value("haslb_retries_total") == 2
    assert scrape.value("haslb_reassignments_total") == 1


def test_each_real_has_exactly_one_state_and_its_weight(bench: WebBench) -> None:
    scrape = Scrape(bench)
    for address, state, weight in (
        ("10.1.1.51", "FAILED", 3),
        ("10.1.1.52", "OPERATIONAL", 8),
        ("10.1.1.53", "OUTOFSERVICE", 8),
    ):
        real = {"farm": "HAFARM", "real": address}
        states = {each: scrape.value("haslb_real_state", **real, state=each) for each in REAL_STATES}
        assert [each for each, is_so in states.items() if is_so] == [state]
        assert scrape.value("haslb_real_weight", **real) == weight


def test_dfp_connections(bench: WebBench) -> None:
    scrape = Scrape(bench)
    assert scrape.value("haslb_dfp_agent_connected", agent="10.1.1.51:500") == 0
    bench.dfp.links[0].connection.start()
    bench.dfp.links[0].connection.connected(1.0)
    scrape = Scrape(bench)
    assert scrape.value("haslb_dfp_agent_connected", agent="10.1.1.51:500") == 1
    assert scrape.value("haslb_dfp_connections_total", agent="10.1.1.51:500") == 1
    assert scrape.value("haslb_dfp_agent_reporting", agent="10.1.1.51:500") == 0


def test_packet_in_latency_is_a_histogram_in_seconds(bench: WebBench) -> None:
    """Cumulative buckets, the last one everything."""
    scrape = Scrape(bench)
    datapath = "0" * 15 + "1"
    name = "haslb_packet_in_latency_seconds"
    assert scrape.value(f"{name}_bucket", datapath=datapath, le="0.0001") == 0
    assert scrape.value(f"{name}_bucket", datapath=datapath, le="0.00025") == 3
    assert scrape.value(f"{name}_bucket", datapath=datapath, le="+Inf") == 4
    assert scrape.value(f"{name}_count", datapath=datapath) == 4
    assert scrape.value(f"{name}_sum", datapath=datapath) == pytest.approx(7.0006)


def test_a_disconnected_switch_has_no_latency(bench: WebBench) -> None:
    bench.switches[1].disconnect()
    scrape = Scrape(bench)
    assert scrape.value("haslb_switch_connected", datapath="0" * 15 + "1") == 0
    assert not [key for key in scrape.samples if str(key[0]).startswith("haslb_packet_in_latency")]


def test_flow_mod_errors(bench: WebBench) -> None:
    bench.switches[2].rules.rejected.errors = 7
    assert Scrape(bench).value("haslb_flow_mod_errors_total", datapath="0" * 15 + "2") == 7


def test_what_was_restored_is_counted_by_kind(bench: WebBench) -> None:
    bench.switches[2].restored.session_rules = 5
    kinds = {"standing_rule": 0, "session_rule": 5, "meter": 0}
    scrape = Scrape(bench)
    for kind, count in kinds.items():
        assert scrape.value("haslb_switch_restored_total", datapath="0" * 15 + "2", kind=kind) == count


def test_rules_of_others_that_override_ours_are_a_gauge_of_each_switch(bench: WebBench) -> None:
    """What was found at one that is not served any more may not be true any more."""
    served, lost = bench.switches[1], bench.switches[2]
    assert served.channel is not None and lost.channel is None
    served.overridden.count = lost.overridden.count = 3
    assert Scrape(bench).value("haslb_switch_overriding_rules", datapath="0" * 15 + "1") == 3
    assert Scrape(bench).value("haslb_switch_overriding_rules", datapath="0" * 15 + "2") == 0


def test_a_switch_that_rejects_its_standing_rules_is_seen(bench: WebBench) -> None:
    bench.switches[1].rejection = "OFPFMFC_TABLE_FULL"
    assert Scrape(bench).value("haslb_switch_standing_rules_rejected", datapath="0" * 15 + "1") == 1
    assert Scrape(bench).value("haslb_switch_standing_rules_rejected", datapath="0" * 15 + "2") == 0


def test_sessions_without_a_rule_are_a_gauge_of_each_switch(bench: WebBench) -> None:
    bench.switches[2].rules.install(next(iter(bench.balancer.sessions)))
    assert Scrape(bench).value("haslb_sessions_without_rule", datapath="0" * 15 + "2") == 1
    assert Scrape(bench).value("haslb_sessions_without_rule", datapath="0" * 15 + "1") == 0


def test_what_is_known_of_a_switch_is_shown(bench: WebBench) -> None:
    switch = bench.switches[2]
    switch.rules.room.reported = 2000
    switch.rules.pace.rate = 300.0
    switch.rules.counted = 17
    real = next(iter(bench.balancer.reals()))
    switch.adjacencies.preload({real.packed_address: Location(b"\2\0\0\0\0\x51", 7, 15)}, {})
    scrape, labels = Scrape(bench), {"datapath": "0" * 15 + "2"}
    assert scrape.value("haslb_session_rule_limit", **labels) == 2000
    assert scrape.value("haslb_flow_mod_rate", **labels) == 300
    assert scrape.value("haslb_session_rules", **labels) == 17
    place = {"neighbour": str(real.configuration.address), "place": "port 7 VLAN 15"}
    assert scrape.value("haslb_switch_neighbour_info", **labels, **place) == 1


def test_the_process_is_measured_too(bench: WebBench) -> None:
    assert Scrape(bench).value("process_resident_memory_bytes") > 1e6
