"""A fleet with one switch, for tests of connections."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Optional

from fake_switch import FakeSwitch, FakeTransport, packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from wired_switch import MACS, OTHER

from ryu_haslb.configuration.model import Configuration, Datapath, RealServer, ServerFarm, VirtualServer
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, chassis_address
from ryu_haslb.openflow.sockets.tls import PeerCertificate
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer as RealServerState
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK

STRANGER = "192.0.2.66"
"""The address of a host that is not the switch's."""
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=(RealServer(IPv4Address("10.1.1.51"), in_service=True),))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)


def configured(*datapaths: Datapath) -> Configuration:
    """The configuration in which these switches may connect, and no others."""
    return replace(CONFIGURATION, datapaths={each.id: each for each in datapaths})


class Served:
    """A fleet with one switch, connected and served."""

    def __init__(self, switch: Optional[FakeSwitch] = None, configuration: Configuration = CONFIGURATION) -> None:
        self.now = 1000.0
        self.balancer = Balancer(configuration)
        self.fleet = Fleet(configuration, self.balancer, lambda: self.now)
        self.switch = switch or FakeSwitch()
        self.transport = self.connect()

    def connect(
        self, host: str = "192.0.2.1", certificate: Optional[PeerCertificate] = None, answers: bool = True
    ) -> FakeTransport:
        """A further connection of the switch."""
        transport = FakeTransport(self.switch)
        transport.certificate = certificate
        transport.address, transport.listener = (host, 40000), self.fleet
        self.fleet.on_connected(transport)
        if answers:
            transport.answer()
        return transport

    def find_real(self) -> RealServerState:
        """Have the switch find the real server by ARP."""
        (real,) = self.balancer.reals()
        arp = ARP(op=2, hwsrc=MACS[0], psrc=str(real.configuration.address), hwdst=chassis_address(1), pdst="0.0.0.0")
        self.punt(Purpose.PUNT_ARP_REPLY, bytes(Ether(src=MACS[0], dst=chassis_address(1)) / arp))
        self.fleet.flush(self.now)
        return real

    def request(self) -> None:
        """A Registration Request arrives, and its session gets a rule."""
        nai = b"user@isp.com"
        payload = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), bytes(4), bytes(4), 1) + bytes([131, len(nai)]) + nai
        self.punt(
            Purpose.PUNT_REQUEST,
            bytes(Ether(src=OTHER) / IP(src="15.1.1.51", dst="10.1.1.10") / UDP(sport=434, dport=434) / payload),
        )
        self.fleet.flush(self.now)
        self.transport.answer()

    def punt(self, purpose: Purpose, frame: bytes) -> None:
        assert self.transport.deliver(packet_in(purpose.cookie, 3, frame))

    def wait(self, seconds: float) -> None:
        """Let time pass in which no switch answers."""
        for _ in range(int(seconds * 10)):
            self.now += 0.1
            self.fleet.tick(self.now)

    @property
    def is_connected(self) -> bool:
        return self.fleet.switches[1].channel is not None


def sent_kinds(transport: FakeTransport) -> list[int]:
    """The kinds of the messages that were sent over a connection."""
    return [each[1] for each in transport.sent]


def purposes(switch: FakeSwitch) -> set[int]:
    """Why the rules with our mark are there."""
    return {flow.cookie >> COOKIE_MARK_BITS for flow in switch.flows if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK}
