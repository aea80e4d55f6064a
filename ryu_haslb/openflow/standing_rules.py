"""Standing rules as OpenFlow messages: installed when a switch connects, removed when the application ends."""

from __future__ import annotations

from typing import Any

from ryu_haslb.openflow.pipeline import Action, Purpose, Rule, Table
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK

_WHOLE_COOKIE = 0xFFFFFFFFFFFFFFFF


def _serialized(message: Any, xid: int) -> bytes:
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def _flow_mod(datapath: Any, rule: Rule, flags: int) -> Any:
    protocol, parser = datapath.ofproto, datapath.ofproto_parser
    to_controller = parser.OFPActionOutput(protocol.OFPP_CONTROLLER, protocol.OFPCML_NO_BUFFER)
    normal = parser.OFPActionOutput(protocol.OFPP_NORMAL)
    if rule.action is Action.GOTO_SESSIONS:
        instruction = parser.OFPInstructionGotoTable(Table.SESSIONS)
    else:
        actions = {
            Action.PUNT: [to_controller],
            Action.PUNT_AND_PASS: [to_controller, normal],
            Action.PASS: [normal],
        }[rule.action]
        instruction = parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, actions)
    return parser.OFPFlowMod(
        datapath,
        cookie=rule.purpose.cookie,
        table_id=rule.table,
        priority=rule.priority,
        flags=flags,
        match=parser.OFPMatch(**rule.match),
        instructions=[instruction],
    )


def _deletion(datapath: Any, table: int, cookie: int, mask: int) -> Any:
    protocol, parser = datapath.ofproto, datapath.ofproto_parser
    return parser.OFPFlowMod(
        datapath,
        cookie=cookie,
        cookie_mask=mask,
        table_id=table,
        command=protocol.OFPFC_DELETE,
        out_port=protocol.OFPP_ANY,
        out_group=protocol.OFPG_ANY,
    )


def replacement(datapath: Any, rules: list[Rule], xid: int) -> list[bytes]:
    """Messages that put these rules in the place of all that are there from before, but for PASS_OTHER."""
    messages = [
        _deletion(datapath, datapath.ofproto.OFPTT_ALL, purpose.cookie, _WHOLE_COOKIE)
        for purpose in Purpose
        if purpose is not Purpose.PASS_OTHER
    ]
    messages += [_flow_mod(datapath, rule, 0) for rule in rules if rule.purpose is not Purpose.PASS_OTHER]
    return [_serialized(message, xid) for message in messages]


def table_miss(datapath: Any, rules: list[Rule], xid: int) -> list[bytes]:
    """The message that adds PASS_OTHER; the switch refuses it where it has a table-miss rule, whosever that is."""
    flags = datapath.ofproto.OFPFF_CHECK_OVERLAP
    return [_serialized(_flow_mod(datapath, rule, flags), xid) for rule in rules if rule.purpose is Purpose.PASS_OTHER]


def removal(datapath: Any, xid: int) -> list[bytes]:
    """The message that removes everything that bears our mark, and nothing else."""
    everything = _deletion(datapath, datapath.ofproto.OFPTT_ALL, COOKIE_MARK, COOKIE_MARK_MASK)
    return [_serialized(everything, xid)]
