"""The request path of a switch: packet-ins go in, OpenFlow messages come out."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from fake_switch import packet_in
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Dot1Q, Ether
from wired_switch import MACS, OTHER, REALS, VIRTUAL, Wired, goes_to

from ryu_haslb.openflow.flow_tables.pipeline import Purpose, chassis_address
from ryu_haslb.openflow.overload.backlog import Load
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.drop_reason import DropReason


def test_the_first_request_is_forwarded_at_once_and_later_ones_by_the_session_rule() -> None:
    wired = Wired()
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert [goes_to(message) for message in wired.request("anna")] == [7], "the rule is not there yet"
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_a_frame_that_no_packet_out_can_carry_is_dropped() -> None:
    wired = Wired()
    assert wired.request("anna", padding=65_400) == []
    assert wired.drops(DropReason.OVERSIZED) == 1


@pytest.mark.parametrize(("nat_server", "looped"), [(False, True), (True, False)])
def test_a_request_that_a_home_agent_returns_is_dropped(nat_server: bool, looped: bool) -> None:
    """A home agent without the virtual address that forwards requests would make one circle until its TTL expires. In
    direct mode the Ethernet address may be that of a router with clients behind it."""
    wired = Wired(nat_server=nat_server)
    wired.request("anna")
    assert bool(wired.request("anna", source=MACS[0])) != looped
    assert wired.drops(DropReason.RETURNED_BY_HOME_AGENT) == looped
    assert wired.balancer.statistics.retries == (not looped)


def test_a_request_that_the_home_agent_which_it_names_returns_is_dropped() -> None:
    """It would go there regardless of its session, and come back for ever."""
    wired = Wired()
    wired.request("anna")
    for mac, real in zip(MACS, REALS):
        assert not wired.request("anna", source=mac, home_agent=real.address.packed)
    assert wired.drops(DropReason.RETURNED_BY_HOME_AGENT) == 2


def ping(wired: Wired, vlan: Optional[int] = None, address: str = str(VIRTUAL)) -> list[bytes]:
    """What is sent to the switch when a client pings an address."""
    ethernet = Ether(src=OTHER, dst=chassis_address(1).hex(":"))
    packet = IP(src="10.1.1.101", dst=address) / ICMP(id=1, seq=2) / b"data"
    frame = bytes(ethernet / packet) if vlan is None else bytes(ethernet / Dot1Q(vlan=vlan) / packet)
    wired.sent.clear()
    wired.switch.on_packet_in(packet_in(Purpose.PUNT_ECHO.cookie, 3, frame), wired.now)
    return wired.sent


def test_a_ping_of_the_virtual_address_is_answered_and_is_no_request() -> None:
    """RFC 1122 section 3.2.2.6. It goes back where it came from, with the VLAN tag that it had."""
    wired = Wired()
    (untagged,) = ping(wired)
    assert goes_to(untagged) == 3
    assert Ether(untagged[40:])[ICMP].type == 0
    (tagged,) = ping(wired, vlan=15)
    assert wire.push_vlan(15) + wire.output(3) in tagged
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dropped) == (0, 0)


def test_only_a_virtual_address_that_is_in_service_is_answered_for() -> None:
    wired = Wired()
    assert ping(wired, address="10.1.1.51") == []
    (server,) = wired.configuration.virtual_servers.values()
    changed = replace(wired.configuration, virtual_servers={"MIPSLB": replace(server, in_service=False)})
    wired.balancer.configure(changed)
    wired.switch.configure(changed)
    assert ping(wired) == []


def test_under_load_requests_come_before_pings() -> None:
    wired = Wired()
    wired.switch.admission.load = Load.HIGH
    assert ping(wired) == []


def test_a_switch_that_returns_what_it_was_not_sent_takes_back_no_counter() -> None:
    """Only what was dispatched to a switch can come back from it: another one may lie."""
    wired = Wired()
    (sent,) = wired.request("anna")
    frame = sent[24 + int.from_bytes(sent[16:18], "big") :]
    liar = Wired(beside=wired, found=False)
    for number in range(20):
        liar.punt(Purpose.PUNT_SESSION_MISS, frame[:6] + number.to_bytes(6, "big") + frame[12:], wire.OFPP_CONTROLLER)
    counted = wired.balancer.statistics
    assert (counted.requests, counted.dispatched, counted.dropped) == (21, 1, 20)
