"""Several farms and virtual servers at once, told places, client rules: a configuration in YAML."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import MACS, Bench, PlainChassis, YamlLab
from mobile import as_directed, as_dispatched, nai, registration, request
from mobile import frame as frame_of

pytestmark = pytest.mark.lab

DISPATCHED, DIRECT, GUARDED, CLOSED = "10.1.1.10", "10.1.1.11", "10.1.1.12", "10.1.1.13"
HANDLED_BY = {"sami1": "10.1.1.51", "sami2": "10.1.1.52", "sami3": "10.7.7.53"}
STATIC_MAC = "00:00:5e:00:53:bb"
CONFIGURATION = f"""\
serverfarms:
  DISPATCHED:
    reals:
      - {{address: 10.1.1.51, weight: 2, inservice: true}}
      - {{address: 10.1.1.52, weight: 1, inservice: true}}
      - {{address: 10.1.1.54, weight: 9, inservice: false}}
  DIRECT:
    nat_server: true
    predictor: leastconns
    reals:
      - {{address: 10.1.1.52, weight: 1, inservice: true}}
      - address: 10.7.7.53
        weight: 1
        maxconns: 2
        inservice: true
        locations: [{{mac: "{STATIC_MAC}", port: 4}}]
vservers:
  ONE: {{virtual: {DISPATCHED}, serverfarm: DISPATCHED, idle: 300, inservice: true}}
  TWO: {{virtual: {DIRECT}, serverfarm: DIRECT, idle: 300, inservice: true}}
  GUARDED:
    virtual: {GUARDED}
    serverfarm: DISPATCHED
    clients:
      - {{network: 15.1.0.0/16}}
      - {{network: 15.1.9.0/24, exclude: true}}
    inservice: true
  CLOSED: {{virtual: {CLOSED}, serverfarm: DISPATCHED, idle: 300, inservice: false}}
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(YamlLab(PlainChassis(), CONFIGURATION), HANDLED_BY, {"sami3": DIRECT}) as running:
        yield running


def test_each_virtual_server_has_its_farm_and_mode(bench: Bench) -> None:
    """10.1.1.52 is in both farms: dispatched for one, direct for the other."""
    for virtual, expected in ((DISPATCHED, as_dispatched), (DIRECT, as_directed)):
        sent = frame_of(request(nai("both@isp.com"), home_agent="10.1.1.52"), dst=virtual)
        address = ("10.1.1.52",) if expected is as_directed else ()
        assert bench.exchange(sent)["sami2"] == [expected(sent, MACS["sami2"], bench.source(), *address)]


def test_a_mobile_has_a_session_at_each_virtual_server(bench: Bench) -> None:
    """Sessions belong to the virtual server; another's are no concern of it."""
    for virtual in (DISPATCHED, DIRECT):
        bench.deliver(registration("twice@isp.com", dst=virtual))
    rows = bench.lab.query("controller", "show ip slb sessions")
    twice = [row for row in rows if row["identity"] == "twice@isp.com"]
    assert sorted(row["vserver"] for row in twice) == ["ONE", "TWO"]
    assert len({row["nai_hash"] for row in twice}) == 2


def test_farms_have_rotations_of_their_own(bench: Bench) -> None:
    """Weights 2 and 1 with requests of another virtual server in between; a real out of service takes no part."""
    bench.restart()
    order = []
    for number in range(6):
        order.append(bench.deliver(registration(f"farm-{number}@isp.com")))
        bench.deliver(registration(f"farm-{number}@isp.com", dst=DIRECT))
    assert order == ["sami1", "sami1", "sami2"] * 2


def test_leastconns_and_maxconns_fill_the_other_real_server(bench: Bench) -> None:
    """The fewest sessions first; a real that is full takes no more."""
    bench.restart()
    nodes = [bench.deliver(registration(f"least-{number}@isp.com", dst=DIRECT)) for number in range(6)]
    assert sorted(nodes) == ["sami2"] * 4 + ["sami3"] * 2
    assert nodes[:2] == ["sami2", "sami3"]
    assert bench.reals()["10.7.7.53"]["state"] == "MAXCONNS"


def test_a_told_place_is_used_unasked(bench: Bench) -> None:
    """MAC and port of 10.7.7.53 are configured; no host with this address would reply to ARP."""
    sent = frame_of(request(nai("told@isp.com"), home_agent="10.7.7.53"), dst=DIRECT)
    assert bench.exchange(sent)["sami3"] == [as_directed(sent, STATIC_MAC, bench.source(), "10.7.7.53")]


@pytest.mark.parametrize(
    ("client", "served"),
    [("15.1.1.51", True), ("15.1.255.255", True), ("15.1.9.1", False), ("10.1.1.101", False), ("9.9.9.9", False)],
)
def test_client_rules_decide_who_is_served(bench: Bench, client: str, served: bool) -> None:
    """Permitted are 15.1/16, but not 15.1.9/24. The markers' client is not among them, so this asks the counters."""
    counted = bench.counted(registration(f"from-{client}@isp.com", dst=GUARDED, src=client))
    assert counted.get("dispatched", 0) == int(served)
    assert counted.get("dropped_client_denied", 0) == int(not served)


def test_a_session_lives_ten_seconds_where_nothing_else_is_said(bench: Bench) -> None:
    """The default of ``idle ipmobile request``."""
    bench.exchange(registration("default@isp.com", dst=GUARDED, src="15.1.1.51"))
    assert bench.rule("default@isp.com").idle_timeout == 10


def test_the_real_server_of_another_farm_is_a_stranger(bench: Bench) -> None:
    """10.7.7.53 is of farm DIRECT only."""
    sent = frame_of(request(nai("foreign@isp.com"), home_agent="10.7.7.53"), dst=DISPATCHED)
    assert bench.counted(sent)["dropped_unknown_home_agent"] == 1


def test_a_virtual_server_out_of_service_is_not_there(bench: Bench) -> None:
    """Its address belongs to no virtual server in service: requests are not intercepted, and no session is opened."""
    before = bench.statistics()
    sent = frame_of(request(nai("closed@isp.com")), dst=CLOSED, to=MACS["sami1"])
    assert bench.exchange(sent)["sami1"] == [sent]
    assert bench.moved_since(before) == {}
