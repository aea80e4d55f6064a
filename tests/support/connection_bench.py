"""One connection to a switch, for tests of what is installed over it."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address

from fake_switch import FakeSwitch, FakeTransport, packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from served_switch import CONFIGURATION

from ryu_haslb.configuration.model import Configuration, VirtualServer
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.fleet.connection import Connection
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, chassis_address
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session_tag import UNKEYED

#: The same with a second virtual server, which takes several further standing rules.
OTHER_CONFIGURATION = replace(
    CONFIGURATION,
    virtual_servers={
        **CONFIGURATION.virtual_servers,
        "OTHER": VirtualServer("OTHER", IPv4Address("10.1.1.11"), "HAFARM", in_service=True),
    },
)
KEY = bytes(range(1, KEY_LENGTH + 1))
REAL_MAC = "02:00:00:00:00:51"
TABLE_FULL = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)


class Connected:
    """A connection over which a switch is served."""

    def __init__(self, has_bundles: bool = True, answers: bool = True, key: bytes = UNKEYED) -> None:
        self.now = 1000.0
        self.balancer = Balancer(CONFIGURATION, key=key)
        self.fake = FakeSwitch(bundles=has_bundles)
        self.transport = FakeTransport(self.fake)
        self.switch = Switch(1, CONFIGURATION, self.balancer)
        self.connection = Connection(self.transport, self.switch, self.balancer, CONFIGURATION, lambda: self.now)
        if answers:
            self.transport.answer()

    def connect_again(self, configuration: Configuration) -> None:
        """The connection is lost, and the switch connects once more."""
        self.connection.leave()
        self.fake.reconnect()
        self.transport = FakeTransport(self.fake)
        self.connection = Connection(self.transport, self.switch, self.balancer, configuration, lambda: self.now)
        self.transport.answer()

    def start_again(self, configuration: Configuration) -> None:
        """The balancer starts again with another configuration and key."""
        self.balancer = Balancer(configuration, key=bytes(KEY_LENGTH))
        self.switch = Switch(1, configuration, self.balancer)
        self.connect_again(configuration)

    def find_real(self) -> None:
        reply = Ether(src=REAL_MAC) / ARP(op=2, hwsrc=REAL_MAC, psrc="10.1.1.51", hwdst=chassis_address(1))
        assert self.transport.deliver(packet_in(Purpose.PUNT_ARP_REPLY.cookie, 7, bytes(reply)))

    def request(self) -> list[bytes]:
        """The packet-outs that a request leads to."""
        payload = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes([10, 0, 0, 1]), bytes(4), bytes(4), 1)
        frame = Ether() / IP(src="15.1.1.51", dst="10.1.1.10") / UDP(sport=434, dport=434) / payload
        self.transport.sent.clear()
        assert self.transport.deliver(packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(frame)))
        return self.transport.sent_of(wire.OFPT_PACKET_OUT)


def adds_another(received: bytes) -> bool:
    """Whether a message adds a standing rule of OTHER_CONFIGURATION that CONFIGURATION does not have."""
    is_addition = received[1] == wire.OFPT_FLOW_MOD and received[25] == wire.OFPFC_ADD
    return is_addition and IPv4Address("10.1.1.11").packed in received


def rules_on(fake: FakeSwitch) -> list[str]:
    """The rules of a switch without their counters."""
    return sorted(
        str((each.table_id, each.priority, each.cookie, each.match, each.instructions)) for each in fake.flows
    )


def seconds_pass(connected: Connected, seconds: int) -> None:
    for _ in range(seconds):
        connected.now += 1.0
        connected.connection.tick(connected.now)
        connected.transport.answer()
