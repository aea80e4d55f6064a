"""A switch with one farm, connected to a fake switch: packet-ins go in, OpenFlow messages come out."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Optional

from fake_switch import FakeSwitch, FakeTransport, packet_in
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from statistics_replies import FlowRow

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.openflow.delivery.table_output import probe_frame
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, chassis_address
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import cookie_of, tag_of

VIRTUAL = IPv4Address("10.1.1.10")
REALS = tuple(RealServer(IPv4Address("10.1.1.50") + number, weight=1, in_service=True) for number in (1, 2))
MACS = ("02:00:00:00:00:51", "02:00:00:00:00:52")
PORTS = (7, 8)
OTHER = "02:00:00:00:00:99"


class Wired:
    """A switch with one farm, connected. ``sent`` is what was sent to it since a test has last cleared it."""

    def __init__(  # noqa: PLR0913, PLR0917 - each test names the one that it needs
        self,
        on_switch: Iterable[FlowRow] = (),
        nat_server: bool = False,
        found: bool = True,
        beside: Optional[Wired] = None,
        answers: bool = True,
        fake: Optional[FakeSwitch] = None,
    ) -> None:
        self.configuration = Configuration(
            farms={"HAFARM": ServerFarm("HAFARM", nat_server, reals=REALS)},
            virtual_servers={"MIPSLB": VirtualServer("MIPSLB", VIRTUAL, "HAFARM", idle=300, in_service=True)},
        )
        self.now = 100.0
        self.fake = fake or FakeSwitch(1 if beside is None else 2)
        for rule in rule_messages.additions(standing_rules(self.configuration, self.fake.datapath_id), 0):
            self.fake.receive(rule)
        self.fake.install(on_switch)
        self.balancer: Balancer = Balancer(self.configuration) if beside is None else beside.balancer
        self.switch = Switch(self.fake.datapath_id, self.configuration, self.balancer)
        self.connect()
        if answers:
            self.confirm()
        else:
            self.transport.forget_replies()
        if found:
            self.find(0)
            self.find(1)
        self.sent.clear()

    def connect(self) -> None:
        """Make a new connection; what the switch has not replied to over the old one is lost."""
        self.transport = FakeTransport(self.fake)
        self.transport.handler = self._on_message
        self.transactions = Transactions(self.transport)
        self.switch.connect(self.transactions, self.now)
        self.switch.on_ready(self.transport.is_port_usable, self.now)

    def _on_message(self, kind: int, xid: int, message: bytes) -> None:
        if kind == wire.OFPT_BARRIER_REPLY:
            self.switch.admission.on_barrier_reply(xid, self.now)
            self.transactions.on_barrier_reply(xid, self.now)
        elif kind == wire.OFPT_ERROR:
            error = wire.read_error(message)
            assert self.transactions.on_error(xid, error) or self.switch.on_error(xid, error, self.now)
        elif kind == wire.OFPT_PACKET_IN:
            assert self.switch.on_packet_in(message, self.now)
        elif kind == wire.OFPT_EXPERIMENTER:
            self.transactions.on_experimenter(xid, message)
        elif kind != wire.OFPT_FLOW_REMOVED:  # that is the connection's
            assert kind == wire.OFPT_MULTIPART_REPLY
            assert self.switch.unrecovered.on_multipart_reply(self.switch.channel, xid, message, self.now)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration, as an operator does."""
        self.balancer.configure(configuration)
        self.switch.configure(configuration)

    def return_probe(self) -> None:
        """Let the switch return the probe that tries output to TABLE."""
        self.punt(Purpose.PUNT_SESSION_MISS, probe_frame(chassis_address(1), VIRTUAL.packed), wire.OFPP_CONTROLLER)

    @property
    def sent(self) -> list[bytes]:
        return self.transport.sent

    def punt(self, purpose: Purpose, frame: bytes, port: int = 3) -> None:
        assert self.switch.on_packet_in(packet_in(purpose.cookie, port, frame), self.now)

    def find(self, number: int, port: int = 0, vlan: int = 0, mac: str = "") -> None:
        """An ARP reply for a real server's address arrives: its own, or that of another machine."""
        mac = mac or MACS[number]
        arp = ARP(op=2, hwsrc=mac, psrc=str(REALS[number].address), hwdst=chassis_address(1), pdst="0.0.0.0")
        head = Ether(src=mac, dst=chassis_address(1))
        frame = head / Dot1Q(vlan=vlan) / arp if vlan else head / arp
        self.punt(Purpose.PUNT_ARP_REPLY, bytes(frame), port or PORTS[number])

    def replug(self, number: int, port: int, vlan: int = 0) -> None:
        """A real server is plugged into another port: its old one goes down."""
        self.switch.on_port_changed(PORTS[number], False)
        self.find(number, port, vlan)

    def request(
        self, mobile: str, source: str = OTHER, padding: int = 0, home_agent: bytes = bytes(4), lifetime: int = 600
    ) -> list[bytes]:
        """The messages that a request brings about."""
        nai = mobile.encode()
        payload = (
            struct.pack("!BBH4s4s4sQ", 1, 0, lifetime, bytes(4), home_agent, bytes(4), 1) + bytes([131, len(nai)]) + nai
        )
        frame = Ether(src=source) / IP(src="15.1.1.51", dst=str(VIRTUAL)) / UDP(sport=434, dport=434) / payload
        self.sent.clear()
        self.punt(Purpose.PUNT_REQUEST, bytes(frame) + bytes(padding))
        return list(self.sent)

    def time_out(self, mobile: str) -> None:
        """The switch removes the rule that an earlier run has left for a mobile, and says so."""
        tag = tag_of(VIRTUAL.packed, b"\x01" + mobile.encode())
        self.fake.lose(cookie=cookie_of(tag))
        assert not self.switch.on_session_rule_removed(tag, by_timeout=True, now=self.now)

    def flush(self) -> None:
        """What the fleet does in short intervals."""
        self._remove_stale_rules()
        self.switch.flush(self.now)

    def tick(self) -> None:
        """What the fleet does in long intervals."""
        self._remove_stale_rules()
        self.switch.tick(self.now)

    def _remove_stale_rules(self) -> None:
        for datapath_id, session in self.balancer.ending.take_stale_rules():
            assert datapath_id == self.switch.datapath_id
            self.switch.rules.remove(session)

    def settle(self) -> None:
        """Let the switch take the rules that wait, and confirm them."""
        self.tick()
        self.confirm()

    def confirm(self) -> None:
        """Let the switch reply to all that was sent so far."""
        self.transport.answer()

    def has_rule(self, session: Session) -> bool:
        """Whether the session's rule is in the switch's table."""
        return self.fake.has_flow(session.cookie)

    def drops(self, reason: DropReason) -> int:
        return self.balancer.statistics.drops[reason]


def goes_to(message: bytes) -> int:
    """The port that the last action of a packet-out sends to."""
    actions_length = int.from_bytes(message[16:18], "big")
    assert message[1] == wire.OFPT_PACKET_OUT
    return int.from_bytes(message[24 + actions_length - 12 : 24 + actions_length - 8], "big")
