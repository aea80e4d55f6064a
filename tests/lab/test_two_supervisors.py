"""Two chassis under one balancer, with a mobile that moves from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from bench import wait_until
from described import SHAPES, address_of, bindings, conns, homes, ping, punted, register, running, statistics
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from haslb_lab.chassis.description import CONTROLLER, Description
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

IP_IN_IP = 4


@pytest.fixture(scope="module")
def two_supervisors() -> Iterator[tuple[Lab, Description]]:
    """Two chassis under one balancer, each of which has found both home agents."""
    with running(SHAPES / "two-supervisors.yaml") as (lab, description):
        wait_until(lambda: both_switches_know_both_home_agents(lab), "each supervisor has found each home agent")
        yield lab, description


def test_users_who_move_to_the_other_supervisor_keep_their_home_agents(
    two_supervisors: tuple[Lab, Description],
) -> None:
    """One session table for both chassis (chapter: the session is the mobile's, by its NAI): the same users register
    through the PDSN of one supervisor and then through that of the other, and stay where their bindings are."""
    lab, description = two_supervisors
    assert register(lab, "PDSN1-7600", 1, 4) == {"10.1.1.51": 2, "10.1.1.52": 2}
    first = punted(lab, "haslb1")
    assert first >= 4 and punted(lab, "haslb2") == 0
    before = homes(lab, description)
    assert register(lab, "PDSN2-7600", 1, 4) == {"10.1.1.51": 2, "10.1.1.52": 2}
    assert punted(lab, "haslb1") == first and punted(lab, "haslb2") >= 4
    after = homes(lab, description)
    assert {name: home for name, (home, _) in after.items()} == {name: home for name, (home, _) in before.items()}
    assert {care_of for _, care_of in before.values()} == {"15.1.1.51"}
    assert {care_of for _, care_of in after.values()} == {"16.1.1.51"}
    assert conns(lab) == bindings(lab, description) == {"10.1.1.51": 2, "10.1.1.52": 2}
    assert statistics(lab)["requests"] == first + punted(lab, "haslb2")


def test_a_mobile_that_moves_to_the_other_supervisor_keeps_its_address(
    two_supervisors: tuple[Lab, Description],
) -> None:
    """Its home agent sends what comes for it through the tunnel to the PDSN where it is now (RFC 5944 section 4)."""
    lab, _ = two_supervisors
    for pdsn, mobile in (("PDSN1-7600", "mobile1"), ("PDSN2-7600", "moved1"), ("PDSN1-7600", "mobile1")):
        register(lab, pdsn, 1, 1)
        wait_until(partial(address_of, lab, mobile), f"{mobile} has its home address")
        home = address_of(lab, mobile)
        assert home == address_of(lab, "mobile1")
        with lab.capture(pdsn) as capture:
            ping(lab, "host1", home)
            ping(lab, mobile, "20.1.1.200")
            capture.wait_for(lambda frame: Ether(frame).haslayer(IP) and Ether(frame)[IP].proto == IP_IN_IP)


def both_switches_know_both_home_agents(lab: Lab) -> bool:
    """Each of the two supervisors has logged where each home agent is."""
    log = lab.log(CONTROLLER)
    return all(f"{number:016d}: real server 10.1.1.{real}" in log for number in (1, 2) for real in (51, 52))
