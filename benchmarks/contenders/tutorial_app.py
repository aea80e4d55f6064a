"""The balancer written in the manner of Ryu's tutorials; the product is compared with it.

Parsed packet-ins, ``ryu.lib.packet``, ``OFPMatch``, one ``OFPFlowMod`` and one ``OFPPacketOut`` for each new session.
In what the storm checks it behaves like the product: a session by NAI keeps its home agent, rotation is weighted, each
session has a rule that matches a tag in the Ethernet source address, and the session ends when its rule is idle.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Optional

from ryu.base.app_manager import RyuApp
from ryu.controller import ofp_event
from ryu.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.lib.packet import arp, ethernet, ipv4, packet, udp
from ryu.ofproto import ofproto_v1_3

VIRTUAL_ADDRESS = "10.1.1.10"
WEIGHTS = {"10.1.1.51": 1, "10.1.1.52": 1}
IDLE_TIMEOUT = 300
CHASSIS_MAC = "02:51:b7:00:00:01"
BROADCAST = "ff:ff:ff:ff:ff:ff"
PORT = 434
SESSION_TABLE = 1
NAI_EXTENSION = 131
FIXED_PART = 24  # of a registration request (RFC 5944, section 3.3)


class TutorialApp(RyuApp):  # type: ignore[misc]
    """Home agent load balancing on one switch."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.locations: dict[str, tuple[str, int]] = {}
        self.sessions: dict[bytes, str] = {}
        self.identities: dict[int, bytes] = {}
        self.rotation = [address for address, weight in WEIGHTS.items() for _ in range(weight)]
        self.turn = 0

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)  # type: ignore[untyped-decorator]
    def switch_features(self, event: Any) -> None:
        """Install the standing rules, and look for the home agents."""
        datapath = event.msg.datapath
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        to_controller = parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, ofproto.OFPCML_NO_BUFFER)
        request = {"eth_type": 0x0800, "ip_proto": 17, "ipv4_dst": VIRTUAL_ADDRESS, "udp_dst": PORT}
        self.add_flow(datapath, 0, parser.OFPMatch(), [parser.OFPActionOutput(ofproto.OFPP_NORMAL)])
        self.add_flow(datapath, 10, parser.OFPMatch(**request), [to_controller])
        self.add_flow(datapath, 10, parser.OFPMatch(eth_type=0x0806, arp_tpa=VIRTUAL_ADDRESS), [to_controller])
        self.add_flow(datapath, 10, parser.OFPMatch(eth_type=0x0806, eth_dst=CHASSIS_MAC), [to_controller])
        returned = parser.OFPMatch(in_port=ofproto.OFPP_CONTROLLER, **request)
        goto = [parser.OFPInstructionGotoTable(SESSION_TABLE)]
        datapath.send_msg(parser.OFPFlowMod(datapath=datapath, priority=20, match=returned, instructions=goto))
        hub.spawn(self.find_home_agents, datapath)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def packet_in(self, event: Any) -> None:
        """Balance a registration request, or take part in ARP."""
        message = event.msg
        parsed = packet.Packet(message.data)
        resolution = parsed.get_protocol(arp.arp)
        if resolution is not None:
            self.resolve(message, resolution)
        elif parsed.get_protocol(ipv4.ipv4) is not None and parsed.get_protocol(udp.udp) is not None:
            payload = parsed.protocols[-1]
            identity = nai(payload) if isinstance(payload, bytes) else None
            if identity is not None:
                self.balance(message, identity)

    @set_ev_cls(ofp_event.EventOFPFlowRemoved, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def flow_removed(self, event: Any) -> None:
        """The rule was idle: the session is over."""
        identity = self.identities.pop(event.msg.cookie, None)
        if identity is not None:
            del self.sessions[identity]

    def balance(self, message: Any, identity: bytes) -> None:
        """Return the request to the switch, marked with its session's tag; a new session gets its rule first."""
        datapath = message.datapath
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        tag = tag_of(identity)
        if identity not in self.sessions:
            home_agent = self.choose()
            if home_agent is None:
                return
            self.sessions[identity] = home_agent
            self.add_session_flow(datapath, tag, identity, *self.locations[home_agent])
        actions = [parser.OFPActionSetField(eth_src=tag), parser.OFPActionOutput(ofproto.OFPP_TABLE)]
        self.send(datapath, actions, message.data)

    def choose(self) -> Optional[str]:
        """The next home agent of the rotation whose location is known."""
        for _ in self.rotation:
            home_agent = self.rotation[self.turn]
            self.turn = (self.turn + 1) % len(self.rotation)
            if home_agent in self.locations:
                return home_agent
        return None

    def add_session_flow(self, datapath: Any, tag: str, identity: bytes, mac: str, port: int) -> None:
        """Add the rule of one session: requests with its tag go to its home agent."""
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        cookie = int(tag.replace(":", ""), 16)
        self.identities[cookie] = identity
        match = parser.OFPMatch(eth_src=tag, eth_type=0x0800, ip_proto=17, ipv4_dst=VIRTUAL_ADDRESS, udp_dst=PORT)
        actions = [
            parser.OFPActionSetField(eth_src=CHASSIS_MAC),
            parser.OFPActionSetField(eth_dst=mac),
            parser.OFPActionOutput(port),
        ]
        instructions = [parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)]
        datapath.send_msg(
            parser.OFPFlowMod(
                datapath=datapath,
                cookie=cookie,
                table_id=SESSION_TABLE,
                priority=10,
                idle_timeout=IDLE_TIMEOUT,
                flags=ofproto.OFPFF_SEND_FLOW_REM,
                match=match,
                instructions=instructions,
            )
        )

    def add_flow(self, datapath: Any, priority: int, match: Any, actions: list[Any]) -> None:
        """Add a rule, as every tutorial does."""
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        instructions = [parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions)]
        message = parser.OFPFlowMod(datapath=datapath, priority=priority, match=match, instructions=instructions)
        datapath.send_msg(message)

    def send(self, datapath: Any, actions: list[Any], data: bytes) -> None:
        """Have the switch apply actions to a frame."""
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        message = parser.OFPPacketOut(
            datapath=datapath,
            buffer_id=ofproto.OFP_NO_BUFFER,
            in_port=ofproto.OFPP_CONTROLLER,
            actions=actions,
            data=data,
        )
        datapath.send_msg(message)

    def resolve(self, message: Any, resolution: Any) -> None:
        """Reply to ARP for the virtual address; learn from ARP replies where the home agents are."""
        port = message.match["in_port"]
        if resolution.opcode == arp.ARP_REPLY and resolution.src_ip in WEIGHTS:
            self.locations[resolution.src_ip] = (resolution.src_mac, port)
        elif resolution.opcode == arp.ARP_REQUEST and resolution.dst_ip == VIRTUAL_ADDRESS:
            answer = arp.arp(
                opcode=arp.ARP_REPLY,
                src_mac=CHASSIS_MAC,
                src_ip=VIRTUAL_ADDRESS,
                dst_mac=resolution.src_mac,
                dst_ip=resolution.src_ip,
            )
            self.send_arp(message.datapath, port, answer)

    def find_home_agents(self, datapath: Any) -> None:
        """Send ARP requests for the home agents until all have replied."""
        flood = datapath.ofproto.OFPP_FLOOD
        while len(self.locations) < len(WEIGHTS):
            for address in WEIGHTS:
                question = arp.arp(
                    opcode=arp.ARP_REQUEST, src_mac=CHASSIS_MAC, src_ip="0.0.0.0", dst_mac=BROADCAST, dst_ip=address
                )
                self.send_arp(datapath, flood, question)
            hub.sleep(0.2)

    def send_arp(self, datapath: Any, port: int, resolution: Any) -> None:
        """Send an ARP packet from the chassis address."""
        built = packet.Packet()
        built.add_protocol(ethernet.ethernet(ethertype=0x0806, dst=resolution.dst_mac, src=CHASSIS_MAC))
        built.add_protocol(resolution)
        built.serialize()
        self.send(datapath, [datapath.ofproto_parser.OFPActionOutput(port)], bytes(built.data))


def nai(payload: bytes) -> Optional[bytes]:
    """The NAI in a registration request; None when there is none."""
    offset = FIXED_PART
    while offset + 2 <= len(payload):
        kind, length = payload[offset], payload[offset + 1]
        if kind == NAI_EXTENSION:
            return bytes(payload[offset + 2 : offset + 2 + length])
        offset += 2 + length
    return None


def tag_of(identity: bytes) -> str:
    """A locally administered unicast address that stands for the session."""
    digest = bytearray(blake2b(identity, digest_size=6).digest())
    digest[0] = digest[0] & 0xFC | 0x02
    return ":".join(f"{byte:02x}" for byte in digest)
