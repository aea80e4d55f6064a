"""Two switches under one controller: one balancer, one session table, two chassis addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import MACS, PDSN, SECOND_SWITCH, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import CHASSIS_MAC, VIRTUAL, arp_request, as_dispatched, nai, registration, request
from mobile import frame as frame_of
from scapy.layers.l2 import ARP, Ether

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

SECOND_PDSN = "pdsn2"
SECOND_CHASSIS_MAC = "02:51:b7:00:00:02"
CHASSIS = {PDSN: CHASSIS_MAC, SECOND_PDSN: SECOND_CHASSIS_MAC}
SWITCHES = {PDSN: SWITCH, SECOND_PDSN: SECOND_SWITCH}
REALS = {"sami1": "10.1.1.51", "sami2": "10.1.1.52"}
CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    topology = PlainChassis(reals=("sami1",), second=(SECOND_PDSN, "sami2"))
    with Bench(Lab(topology, CONFIGURATION), reals=REALS, switches=(SWITCH, SECOND_SWITCH)) as running:
        wait_until(lambda: both_know_everybody(running), "both switches know both home agents")
        yield running


def both_know_everybody(bench: Bench) -> bool:
    log = bench.lab.log(CONTROLLER)
    return all(f"{number:016d}: real server {real}" in log for number in (1, 2) for real in REALS.values())


@pytest.mark.parametrize("pdsn", CHASSIS)
def test_each_chassis_answers_its_own_side_for_the_virtual_address(bench: Bench, pdsn: str) -> None:
    """One answer, by the switch where the question came in."""
    with bench.lab.capture(pdsn) as capture:
        bench.send(arp_request(VIRTUAL, mac=MACS[pdsn], sender="10.1.1.102"), node=pdsn)
        bench.settle(pdsn)
        capture.wait_for(lambda each: Ether(each)[ARP].op == 2 if ARP in Ether(each) else False)
        answers = [Ether(each) for each in capture.listen(0.2)]
    assert [each.hwsrc for each in answers if ARP in each and each[ARP].op == 2] == [CHASSIS[pdsn]]


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("pdsn", CHASSIS)
def test_a_real_server_is_reached_from_either_switch(bench: Bench, pdsn: str, real: str) -> None:
    """Through the link between them if need be; the other switch passes it on and does not balance it once more."""
    name = f"{pdsn}-{real}@isp.com"
    for _ in range(2):
        sent = frame_of(request(nai(name), home_agent=REALS[real]), mac=MACS[pdsn], to=CHASSIS[pdsn])
        before = bench.statistics()["requests"]
        received = bench.exchange(sent, node=pdsn)
        assert received == bench.only(real, as_dispatched(sent, MACS[real], bench.source(SWITCHES[pdsn])))
        assert bench.statistics()["requests"] == before + 1
        bench.rule(name, SWITCH if pdsn == PDSN else SECOND_SWITCH)


def test_a_session_is_the_same_on_both_switches(bench: Bench) -> None:
    """The mobile roams from one PDSN to another that is attached elsewhere; it keeps its home agent."""
    for number in range(4):
        name = f"roamer-{number}@isp.com"
        first = bench.deliver(registration(name))
        bench.deliver(registration(f"between-{number}@isp.com"))
        assert bench.retransmit(registration(name, mac=MACS[SECOND_PDSN]), node=SECOND_PDSN) == first
        assert bench.retransmit(registration(name)) == first
        assert bench.sessions()[name]["retries"] == 2


def test_the_rotation_goes_on_across_switches(bench: Bench) -> None:
    """One farm has one rotation for the requests of all switches."""
    nodes = [
        bench.deliver(registration(f"rotation-{number}@isp.com", mac=MACS[pdsn]), node=pdsn)
        for number, pdsn in enumerate((PDSN, SECOND_PDSN, SECOND_PDSN, PDSN))
    ]
    assert nodes in (["sami1", "sami2"] * 2, ["sami2", "sami1"] * 2)


def test_one_switch_works_on_while_the_other_has_lost_its_controller(bench: Bench) -> None:
    """And sessions meet again when it is back."""
    name = "separated@isp.com"
    first = bench.deliver(frame_of(request(nai(name), home_agent=REALS["sami1"])))
    bench.disconnect(SECOND_SWITCH)
    with bench.without("sami2"):
        assert bench.deliver(registration(name)) == first
    bench.connect(SECOND_SWITCH)
    wait_until(lambda: reaches_everybody(bench), "each switch reaches each home agent")
    assert bench.deliver(registration(name, mac=MACS[SECOND_PDSN]), node=SECOND_PDSN) == first


def reaches_everybody(bench: Bench) -> bool:
    """Whether each home agent is reached from both switches."""
    rows = bench.lab.query(CONTROLLER, "show ip slb reals detail")
    return all(len(row["reachable_from"]) == len(SWITCHES) for row in rows)


def test_both_switches_are_left_clean_when_the_balancer_is_retired(bench: Bench) -> None:
    """Nothing with our mark stays on either but the rule that switches other traffic."""
    bench.lab.retire()
    for switch in (SWITCH, SECOND_SWITCH):
        assert [flow.cookie for flow in bench.lab.flows(switch=switch)] == [0x851B7]
    bench.restart()
