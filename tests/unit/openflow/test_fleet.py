"""Switches that connect, are served, stop replying, and are retired."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.connection import BARRIER_TIMEOUT
from ryu_haslb.openflow.fleet import Fleet
from ryu_haslb.openflow.pipeline import FIRST_METER, Purpose
from ryu_haslb.slb.balancer import Balancer

CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=(RealServer(IPv4Address("10.1.1.51"), in_service=True),))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)


class Served:
    """A fleet with one switch, connected and served."""

    def __init__(self, switch: Optional[FakeSwitch] = None, configuration: Configuration = CONFIGURATION) -> None:
        self.now = 1000.0
        self.fleet = Fleet(configuration, Balancer(configuration), lambda: self.now)
        self.switch = switch or FakeSwitch()
        self.transport = self.connect()

    def connect(self) -> FakeTransport:
        """A further connection of the switch."""
        transport = FakeTransport(self.switch)
        self.fleet.on_connected(transport)
        transport.answer()
        return transport

    @property
    def is_connected(self) -> bool:
        return self.fleet.switches[1].channel is not None


@pytest.mark.parametrize("meters", [True, False])
def test_standing_rules_have_their_meter_where_the_switch_has_meters(meters: bool) -> None:
    """OpenFlow 1.3.5, section 5.7: meters are optional; a switch without them is served."""
    served = Served(FakeSwitch(has_meters=meters))
    (rule,) = served.switch.flows_for(Purpose.PUNT_REQUEST.cookie)
    assert rule.match["udp_dst"] == 434
    metered = [each.meter_id for each in rule.instructions if each.type == ofproto_v1_3.OFPIT_METER]
    assert metered == ([FIRST_METER] if meters else [])


def test_a_connection_without_barrier_replies_is_closed() -> None:
    """What would be sent to it would pile up, and the switch could not connect anew."""
    served = Served()
    for _ in range(100):
        served.now += 1
        served.fleet.tick(served.now)
        served.transport.answer()
    assert not served.transport.is_closed
    for _ in range(int(BARRIER_TIMEOUT) + 3):
        served.now += 1
        served.fleet.tick(served.now)
    assert served.transport.is_closed


def test_a_switch_that_connects_again_is_served_over_the_new_connection() -> None:
    served = Served()
    newer = served.connect()
    assert served.transport.is_closed
    assert served.transport.handler is None
    assert newer.handler is not None
    served.fleet.on_disconnected(served.transport)
    assert served.is_connected, "the loss of the older connection is none of the newer one"
    served.fleet.on_disconnected(newer)
    assert not served.is_connected


def test_a_switch_that_rejects_the_standing_rules_is_not_served(caplog: pytest.LogCaptureFixture) -> None:
    switch = FakeSwitch()
    table_full = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)
    switch.rejects = lambda message: table_full if message[1] == ofproto_v1_3.OFPT_FLOW_MOD else None
    served = Served(switch)
    assert not served.is_connected
    assert "0000000000000001 rejected the standing rules" in caplog.text


def test_a_switch_that_is_configured_no_longer_loses_our_rules_and_gets_them_again_when_it_is() -> None:
    served = Served(configuration=replace(CONFIGURATION, datapaths=(1,)))
    installed = len(served.switch.flows)
    assert installed > 0
    served.fleet.configure(replace(CONFIGURATION, datapaths=(2,)))
    served.transport.answer()
    assert (served.switch.flows, served.is_connected) == ([], False)
    served.fleet.configure(CONFIGURATION)
    served.transport.answer()
    assert (len(served.switch.flows), served.is_connected) == (installed, True)


def test_a_switch_that_is_not_configured_is_left_alone() -> None:
    served = Served(configuration=replace(CONFIGURATION, datapaths=(2,)))
    assert served.transport.sent == []
    assert served.transport.handler is None


def test_at_the_end_every_switch_deletes_our_rules_and_meters_and_says_so() -> None:
    served, concluded = Served(), list[bool]()
    assert served.fleet.retire(concluded.append) == 1
    assert concluded == []
    served.transport.answer()
    assert (concluded, served.switch.flows, served.switch.meters) == ([True], [], {})
