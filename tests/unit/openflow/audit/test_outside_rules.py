"""Packets outside of the IPsec module are switched as usual: the rules, and how they follow ports and configuration."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address

import pytest
from fake_switch import FakeTransport

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration, Port, RealServer, ServerFarm, VirtualServer
from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, PIPELINE, Action, Purpose, Rule, Table, chassis_address
from ryu_haslb.openflow.flow_tables.standing_rules import client_rules, standing_rules
from ryu_haslb.openflow.ports.changes import MAX_PORT_CHANGES, PORTS_INTERVAL
from ryu_haslb.slb.balancer import Balancer

PORTS = (
    Port("GigabitEthernet", "6/1", allowed_vlans=frozenset({15})),
    Port("GigabitEthernet", "6/2", allowed_vlans=frozenset({16})),
    Port("FastEthernet", "3/15", crypto_connect_vlan=15),
)


def configuration(*ports: Port) -> Configuration:
    return Configuration(
        {"F": ServerFarm("F", reals=(RealServer(IPv4Address("10.1.1.51"), in_service=True),))},
        {"V": VirtualServer("V", IPv4Address("10.1.1.10"), "F", in_service=True)},
        ports=ports,
    )


class Wire(FakeTransport):
    """A switch with these ports, and the connection to it."""

    def __init__(self, **ports: int) -> None:
        super().__init__()
        self.ports = {number: _port_name(name) for name, number in ports.items()}

    @property
    def outside(self) -> list[int]:
        """The ports of PASS_OUTSIDE."""
        return sorted(self._ports_of(Purpose.PASS_OUTSIDE))

    @property
    def taken_from(self) -> list[int]:
        """The ports of PUNT_REQUEST, in the order in which they were added."""
        return self._ports_of(Purpose.PUNT_REQUEST)

    def _ports_of(self, purpose: Purpose) -> list[int]:
        matches = [flow.match for flow in self.switch.flows_for(purpose.cookie)]
        return [match["in_port"] for match in matches if "in_port" in match]


def _port_name(name: str) -> str:
    return name.replace("_", "-")


def served(connection: Wire, *ports: Port) -> Fleet:
    wanted = configuration(*ports)
    fleet = Fleet(wanted, Balancer(wanted))
    fleet.on_connected(connection)
    connection.answer()
    return fleet


def test_packets_from_outside_ports_are_switched_as_usual_before_every_other_rule() -> None:
    """Neither requests in clear nor ARP for the virtual address are taken there."""
    rules = [
        rule
        for rule in standing_rules(configuration(), 1, Sides(frozenset({9, 4})))
        if rule.purpose is Purpose.PASS_OUTSIDE
    ]
    assert rules == [Rule(Purpose.PASS_OUTSIDE, {"in_port": 4}), Rule(Purpose.PASS_OUTSIDE, {"in_port": 9})]
    assert {(rule.table, rule.action) for rule in rules} == {(Table.CLASSIFIER, Action.PASS)}
    assert all(
        entry.priority < PIPELINE[Purpose.PASS_OUTSIDE].priority
        for purpose, entry in PIPELINE.items()
        if purpose is not Purpose.PASS_OUTSIDE
    )


def test_a_switch_gets_the_rules_of_the_outside_ports_that_it_has() -> None:
    connection = Wire(haslb1_fa3_15=3, haslb1_gi6_1=6, haslb1_gi6_2=7)
    served(connection, *PORTS)
    assert connection.outside == [3, 7]


PROTECTED = """\
ip slb serverfarm F
 real 10.1.1.51
  inservice
ip slb vserver V
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm F
 inservice
crypto isakmp policy 1
 authentication pre-share
crypto isakmp key cisco address 10.1.1.101
crypto ipsec transform-set SET esp-aes
crypto map MAP 10 ipsec-isakmp
 set peer 10.1.1.101
 set transform-set SET
 match address 101
interface GigabitEthernet6/1
 switchport trunk allowed vlan 15
interface GigabitEthernet6/2
 switchport trunk allowed vlan 16
interface FastEthernet3/15
 crypto connect vlan 15
interface Vlan15
 ip address 10.1.1.15 255.0.0.0
 crypto map MAP
access-list 101 deny ip host 10.1.1.10 host 10.9.9.9
"""


def protected(rule: str = "host 10.1.1.10 10.1.1.0 0.0.0.255") -> Configuration:
    return read_configuration(f"{PROTECTED}access-list 101 permit ip {rule}\n", "slb.ios")[0]


#: The module's inside port is 6, the VLAN interface's 4.
INSIDE = Sides(inside={15: Inside(frozenset({6}), frozenset({4}))})
PUNTED = {
    Purpose.PUNT_REQUEST,
    Purpose.PUNT_FRAGMENT,
    Purpose.PUNT_REQUEST_TO_CHASSIS,
    Purpose.PUNT_ARP_REQUEST,
    Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE,
}


def unprotected(rule: str) -> list[dict[str, object]]:
    rules = standing_rules(protected(rule), 1, INSIDE)
    return [dict(each.match) for each in rules if each.purpose is Purpose.DROP_UNPROTECTED]


def test_a_protected_address_is_served_at_inside_ports_only() -> None:
    """These are the module's inside port and the port of the VLAN interface. At other ports neither requests
    nor ARP requests are taken."""
    found: dict[Purpose, list[object]] = {purpose: [] for purpose in PUNTED}
    for rule in standing_rules(protected(), 1, INSIDE):
        if rule.purpose in PUNTED:
            assert "10.1.1.10" in (rule.match.get("ipv4_dst"), rule.match.get("arp_tpa"))
            found[rule.purpose].append(rule.match.get("in_port"))
    assert found == {purpose: [4, 6] for purpose in PUNTED}


def test_a_switch_without_inside_ports_does_not_serve_a_protected_address() -> None:
    """The second supervisor, say: the address is not served there at all."""
    assert [rule for rule in standing_rules(protected(), 1) if rule.purpose in PUNTED] == []


def test_an_address_that_no_crypto_map_protects_is_served_everywhere() -> None:
    rules = [rule for rule in standing_rules(protected("host 10.1.1.11 any"), 1, INSIDE) if rule.purpose in PUNTED]
    assert {rule.purpose for rule in rules} == PUNTED - {Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE}
    assert not any("in_port" in rule.match for rule in rules)


def test_packets_to_the_chassis_address_do_not_bypass_the_module() -> None:
    """ARP through the module makes it known outside; what is sent to it there is switched as usual."""
    (left,) = [rule for rule in standing_rules(protected(), 1, INSIDE) if rule.purpose is Purpose.PASS_TO_MODULE]
    assert left.match == {"eth_type": 0x0800, "ipv4_dst": "10.1.1.10", "eth_dst": chassis_address(1).hex(":")}
    assert left.action is Action.PASS
    assert all(
        PIPELINE[each].priority > left.priority > PIPELINE[Purpose.PUNT_OTHER_TO_CHASSIS].priority for each in PUNTED
    )


@pytest.mark.parametrize("sides", [INSIDE, Sides()])
def test_the_rules_of_a_client_are_copies_of_the_metered_rules(sides: Sides) -> None:
    """Each copy precedes its original, and no other rule."""
    rules = list(standing_rules(protected(), 1, sides))
    metered = [rule for rule in rules if rule.meter == FIRST_METER]
    copies = list(client_rules(protected(), 1, sides, "10.1.1.101", 7))
    assert [(copy.purpose, copy.match) for copy in copies] == [
        (rule.purpose, {**rule.match, "ipv4_src": "10.1.1.101"}) for rule in metered
    ]
    assert {copy.meter for copy in copies} == {7}
    for copy, rule in zip(copies, metered):
        assert not any(rule.priority < each.priority <= copy.priority for each in rules)


def test_packets_that_the_access_list_protects_are_dropped_in_clear() -> None:
    """IOS drops a packet in clear that the crypto map protects, in every VLAN."""
    packet = {"eth_type": 0x0800, "ipv4_dst": "10.1.1.10", "ipv4_src": ("10.1.1.0", "255.255.255.0")}
    assert unprotected("host 10.1.1.10 10.1.1.0 0.0.0.255") == [{"in_port": 4, **packet}]
    assert unprotected("10.1.1.0 0.0.0.255 any")[0]["ipv4_dst"] == "10.1.1.10"
    assert unprotected("host 10.1.1.11 any") == []


def test_requests_that_return_to_their_session_are_not_dropped_as_unprotected() -> None:
    """A known mobile's request returns to its session from the controller, with the PDSN's address in it."""
    assert PIPELINE[Purpose.RETURN_TO_SESSION].priority > PIPELINE[Purpose.DROP_UNPROTECTED].priority
    lower = [
        Purpose.PUNT_REQUEST,
        Purpose.PUNT_REQUEST_TO_CHASSIS,
        Purpose.PUNT_FRAGMENT,
        Purpose.PUNT_OTHER_TO_CHASSIS,
    ]
    # A client's own meter raises a rule by one.
    assert all(PIPELINE[each].priority + 1 < PIPELINE[Purpose.DROP_UNPROTECTED].priority for each in lower)


def test_without_crypto_connect_there_are_no_outside_rules() -> None:
    connection = Wire(haslb1_fa3_15=3, haslb1_gi6_2=7)
    served(connection, *PORTS[:2])
    assert connection.outside == []


def test_a_configured_port_that_a_switch_lacks_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        served(Wire(haslb1_gi6_2=7), *PORTS)
    assert [record.getMessage() for record in caplog.records] == [
        "Switch 0000000000000001 has no port FastEthernet3/15 (fa3-15), which the configuration places outside of "
        "the IPsec module"
    ]


def test_the_rules_follow_ports_that_come_and_go_and_change_their_numbers() -> None:
    connection = Wire(haslb1_gi6_2=7)
    fleet = served(connection, *PORTS)
    connection.ports[3] = "haslb1-fa3-15"
    fleet.on_port_changed(connection, 3, True)
    connection.answer()
    assert connection.outside == [3, 7]
    connection.ports[5] = connection.ports.pop(3)
    fleet.on_port_changed(connection, 5, True)
    connection.answer()
    assert connection.outside == [5, 7]
    del connection.ports[7]
    fleet.on_port_changed(connection, 7, False)
    connection.answer()
    assert connection.outside == [5]


def test_ports_that_change_again_and_again_are_followed_once_a_second() -> None:
    """A switch may send thousands of port status messages in a second."""
    now = 100.0
    wanted = configuration(*PORTS)
    connection = Wire(haslb1_gi6_2=7)
    fleet = Fleet(wanted, Balancer(wanted), lambda: now)
    fleet.on_connected(connection)
    connection.answer()
    fleet.tick(now)
    read = 0

    def port_names() -> dict[int, str]:
        nonlocal read
        read += 1
        return dict(connection.ports)

    connection.port_names = port_names  # type: ignore[method-assign]
    for number in range(1000):
        connection.ports = {1000 + number: "haslb1-fa3-15", 7: "haslb1-gi6-2"}
        fleet.on_port_changed(connection, 1000 + number, True)
    assert read <= 2 * MAX_PORT_CHANGES, "to follow them, and to install rules"
    for _ in range(50):
        now += PORTS_INTERVAL / 50
        fleet.tick(now)
    connection.answer()
    assert connection.outside == [7, 1999]
    assert read <= 2 * (MAX_PORT_CHANGES + 1)


def test_a_port_that_is_not_outside_leaves_the_rules_alone() -> None:
    connection = Wire(haslb1_fa3_15=3, haslb1_gi6_2=7)
    fleet = served(connection, *PORTS)
    before = connection.xid
    connection.ports[4] = "haslb1-fa3-16"
    fleet.on_port_changed(connection, 4, True)
    connection.answer()
    assert connection.xid == before


def test_the_rules_follow_inside_ports_and_a_missing_one_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    wanted = protected()
    connection = Wire(haslb1_fa3_15=3, haslb1_fa3_16=4, haslb1_gi6_2=7)
    fleet = Fleet(wanted, Balancer(wanted))
    with caplog.at_level(logging.WARNING):
        fleet.on_connected(connection)
        connection.answer()
        assert connection.taken_from == []
        connection.ports[5] = "haslb1-vlan15"
        fleet.on_port_changed(connection, 5, True)
        connection.answer()
        assert connection.taken_from == [5]
        fleet.configure(wanted)
        connection.answer()
        connection.ports[6] = "haslb1-gi6-1"
        fleet.on_port_changed(connection, 6, True)
        connection.answer()
        assert connection.taken_from == [5, 6]
    told = [record.getMessage().partition("MAP protects, it accepts ")[2] for record in caplog.records]
    assert told == ["none", "only those that Vlan15 routes"]


def test_the_rules_follow_the_configuration() -> None:
    connection = Wire(haslb1_fa3_15=3, haslb1_gi6_2=7)
    fleet = served(connection)
    assert connection.outside == []
    fleet.configure(configuration(*PORTS))
    connection.answer()
    assert connection.outside == [3, 7]
    fleet.configure(configuration())
    connection.answer()
    assert connection.outside == []
