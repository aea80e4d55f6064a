"""Members of a cluster at one simulated switch: their connections to it, and what they send."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Callable, Optional

from fake_switch import packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, StaticLocation, VirtualServer
from ryu_haslb.openflow.fleet.connection import Connection
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Table
from ryu_haslb.openflow.roles.fencing import Leadership
from ryu_haslb.openflow.sockets.channel import MessageHandler
from ryu_haslb.openflow.sockets.tls import PeerCertificate
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.multipart import flow_stats_request
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch

PORTS = (5, 6, 7)
REALS = [
    RealServer(
        IPv4Address("10.1.1.50") + port,
        in_service=True,
        locations=(StaticLocation(bytes([2, 0, 0, 0, 0, port]), port),),
    )
    for port in PORTS
]
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=tuple(REALS))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", idle=300, in_service=True)},
)


def last_output(actions: bytes) -> int:
    """The port of the action at the end."""
    return int.from_bytes(actions[-12:-8], "big")


class Member:
    """A member of a cluster, with its connection to the switch. ``sent`` are its messages since a test cleared it."""

    id = 1
    address = ("192.0.2.1", 40000)
    local_address = ("192.0.2.2", 6653)
    tables = 254
    certificate: Optional[PeerCertificate] = None
    close_reason = "connection lost"

    def __init__(self, network: Network, key: bytes) -> None:
        self._network = network
        self.handler: Optional[MessageHandler] = None
        self.on_handled: Optional[Callable[[], None]] = None
        self.sent: list[bytes] = []
        self.bytes_sent = self._xid = 0
        self.leadership = Leadership(lambda *_: None)
        self.balancer = Balancer(CONFIGURATION, key=key)
        self.received: list[bytes] = []
        clock = network.clock
        self.fleet = Fleet(CONFIGURATION, self.balancer, lambda: clock.now, self.leadership)
        self.connect()

    @property
    def switch(self) -> Switch:
        return self.fleet.switches[self.id]

    @property
    def connection(self) -> Connection:
        return self.fleet._connections[self.id]

    def connect(self) -> None:
        """The switch connects to this member."""
        self.link = self._network.switch.connect(self.received.append)
        self.link.receive(wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, 8, 0))
        self.fleet.on_connected(self)

    def lose(self) -> None:
        """The connection of the switch is lost, and what is on its way over it."""
        self.link.close()
        self.received.clear()
        self.fleet.on_disconnected(self)

    def port_names(self) -> dict[int, str]:
        return {}

    @staticmethod
    def is_port_usable(_: int) -> bool:
        return True

    def next_xid(self) -> int:
        self._xid += 1
        return self._xid

    def transmit(self, message: bytes) -> None:
        self.sent.append(message)
        self.link.receive(message)

    def close(self) -> None:
        raise AssertionError("no connection is to be closed")

    def deliver(self, message: bytes) -> None:
        _, kind, _, xid = wire.HEADER.unpack_from(message)
        if self.handler is not None:
            self.handler(kind, xid, message)
        if self.on_handled is not None:
            self.on_handled()

    def lead(self, generation: int) -> None:
        self.leadership.is_leading, self.leadership.generation = True, generation
        self.fleet.on_leadership_changed()

    def packet_in(self, mobile: str) -> bytes:
        """A request of a mobile, as the switch punts it."""
        nai = mobile.encode()
        payload = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), bytes(4), bytes(4), 1) + bytes([131, len(nai)]) + nai
        frame = Ether() / IP(src="15.1.1.51", dst="10.1.1.10") / UDP(sport=434, dport=434) / payload
        return packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(frame))

    def request(self, mobile: str) -> int:
        """The port that the request of a mobile is sent to, by packet-out or by its session's rule."""
        before = len(self.sent)
        self.deliver(self.packet_in(mobile))
        (out,) = (each for each in self.sent[before:] if each[1] == wire.OFPT_PACKET_OUT)
        port = last_output(out[24 : 24 + int.from_bytes(out[16:18], "big")])
        if port != wire.OFPP_TABLE:
            return port
        tag = int.from_bytes(out[32:38], "big")
        (flow,) = (each for each in self._network.switch.datapath.tables[1] if each.cookie >> COOKIE_MARK_BITS == tag)
        return last_output(flow.instructions)

    def read_sessions(self) -> bool:
        """Whether it has asked for session rules."""
        request = flow_stats_request(0, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)
        return request[8:] in {each[8:] for each in self.sent}


class FurtherConnection(Member):
    """The connection of another switch, that of ``network``, to a member."""

    def __init__(self, member: Member, network: Network) -> None:
        self._network = network
        self.id = network.switch.datapath_id
        self.on_handled = None
        self.sent, self.received = [], []
        self.bytes_sent = self._xid = 0
        self.leadership, self.balancer, self.fleet = member.leadership, member.balancer, member.fleet
        network.members.append(self)
        self.connect()


class Network:
    """The switch, its clock, and the members."""

    def __init__(self, flow_monitor: bool = True, datapath_id: int = 1) -> None:
        self.clock = Clock()
        ports = dict.fromkeys(range(3, 9), "port")
        capabilities = Capabilities(flow_monitor=flow_monitor)
        self.switch = SimulatedSwitch(datapath_id, ports, self.clock, lambda *_: None, capabilities)
        self.members: list[Member] = []

    def join(self, key: bytes) -> Member:
        self.members.append(Member(self, key))
        return self.members[-1]

    def run(self, seconds: float) -> None:
        """Let time pass in ticks."""
        for _ in range(round(seconds * 50)):
            self.clock.run_until(self.clock.now + 0.02)
            for member in self.members:
                self.settle()
                member.fleet.tick(self.clock.now)
                member.fleet.flush(self.clock.now)
        self.settle()

    def settle(self) -> None:
        """Deliver all messages of the switch."""
        while any(member.received for member in self.members):
            for member in self.members:
                while member.received:
                    member.deliver(member.received.pop(0))


class Led(Network):
    """The first member leads and has sessions; the second stands by."""

    def __init__(self, flow_monitor: bool = True) -> None:
        super().__init__(flow_monitor)
        self.leader, self.standby = self.join(b"1st secret"[:KEY_LENGTH]), self.join(b"2nd secret"[:KEY_LENGTH])
        self.leader.lead(1)
        self.run(0.2)
        self.homes = {f"mobile-{number}@isp.com": 0 for number in range(60)}
        for mobile in self.homes:
            self.homes[mobile] = self.leader.request(mobile)
        self.run(2.5)

    def kill_leader(self) -> None:
        """The leader is gone; the standby is MASTER as soon as the switch has answered."""
        self.members.remove(self.leader)
        self.leader.link.close()
        self.standby.sent.clear()
        self.standby.lead(2)
        self.settle()
