"""The rule of a session as an OpenFlow message is what Ryu builds of it (OpenFlow 1.3.5, section 7.3.4)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from engine_messages import packed

from ryu_haslb.configuration.model import RealServer
from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule, delivery_actions, session_match, session_rewrites
from ryu_haslb.openflow.wire import wire

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
parser = ofproto_v1_3_parser
XID = 7
VIRTUAL = IPv4Address("10.1.1.10").packed


def delivery(real: RealServer, nat_server: bool, vlan: Any) -> bytes:
    rewrites = session_rewrites(b"\x02\x51\xb7\0\0\1", "02:00:00:00:00:51", real if nat_server else None)
    return delivery_actions(rewrites, 3, vlan)


@pytest.mark.parametrize("vlan", [None, 15])
@pytest.mark.parametrize("port", [None, 435])
@pytest.mark.parametrize("nat_server", [False, True])
@pytest.mark.parametrize("command", [wire.OFPFC_ADD, wire.OFPFC_DELETE_STRICT])
def test_session_rule(command: int, nat_server: bool, port: Any, vlan: Any) -> None:
    """Dispatched mode rewrites the Ethernet addresses, direct mode also the destination."""
    actions = [
        parser.OFPActionSetField(eth_src="02:51:b7:00:00:01"),
        parser.OFPActionSetField(eth_dst="02:00:00:00:00:51"),
    ]
    if nat_server:
        actions.append(parser.OFPActionSetField(ipv4_dst="10.1.1.51"))
        actions += [parser.OFPActionSetField(udp_dst=port)] if port else []
    if vlan:
        actions += [parser.OFPActionPushVlan(0x8100), parser.OFPActionSetField(vlan_vid=0x1000 | vlan)]
    actions.append(parser.OFPActionOutput(3, ofproto_v1_3.OFPCML_NO_BUFFER))
    expected = parser.OFPFlowMod(
        DATAPATH,
        cookie=0xEADAF5D49D3751B7,
        table_id=Table.SESSIONS,
        command=command,
        idle_timeout=300,
        flags=ofproto_v1_3.OFPFF_SEND_FLOW_REM,
        priority=SESSION_PRIORITY,
        out_port=ofproto_v1_3.OFPP_ANY,
        out_group=ofproto_v1_3.OFPG_ANY,
        match=parser.OFPMatch(**session_match("ea:da:f5:d4:9d:37", "10.1.1.10")),
        instructions=[parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions)],
    )
    real = RealServer(IPv4Address("10.1.1.51"), port=port)
    rule = SessionRule(0xEADAF5D49D37, VIRTUAL, 434, 300, delivery(real, nat_server, vlan))
    assert rule.flow_mod(XID, command) == packed(expected, XID)


def test_a_session_rule_matches_its_tag_first() -> None:
    """The tag is written into a packed match at a fixed place (:func:`wire.flow_mod.with_tag`)."""
    assert next(iter(session_match(0, "10.1.1.10"))) == "eth_src"
