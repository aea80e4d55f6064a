"""Standing rules as OpenFlow messages: installed when a switch connects, removed when the application ends."""

from __future__ import annotations

from typing import Any

from ryu_haslb.openflow.pipeline import Action, Purpose, Rule, Table
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK

_WHOLE_COOKIE = 0xFFFFFFFFFFFFFFFF


#: Seconds' worth of packets that may pass a meter at once.
_BURST = 0.1


def _serialized(message: Any, xid: int) -> bytes:
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def _flow_mod(datapath: Any, rule: Rule, flags: int, metered: bool) -> Any:
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
            Action.DROP: [],
        }[rule.action]
        instruction = parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, actions)
    meters = [parser.OFPInstructionMeter(rule.meter)] if metered and rule.meter is not None else []
    return parser.OFPFlowMod(
        datapath,
        cookie=rule.purpose.cookie,
        table_id=rule.table,
        priority=rule.priority,
        flags=flags,
        match=parser.OFPMatch(**rule.match),
        instructions=[*meters, instruction],
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


def replacement(datapath: Any, rules: list[Rule], metered: bool, xid: int) -> list[bytes]:
    """Messages that put these rules in the place of all that are there from before, but for PASS_OTHER."""
    messages = [
        _deletion(datapath, datapath.ofproto.OFPTT_ALL, purpose.cookie, _WHOLE_COOKIE)
        for purpose in Purpose
        if purpose is not Purpose.PASS_OTHER
    ]
    messages += [_flow_mod(datapath, rule, 0, metered) for rule in rules if rule.purpose is not Purpose.PASS_OTHER]
    return [_serialized(message, xid) for message in messages]


def additions(datapath: Any, rules: list[Rule], xid: int) -> list[bytes]:
    """Messages that add rules of single clients to those that are there."""
    return [_serialized(_flow_mod(datapath, rule, 0, True), xid) for rule in rules]


def meter(datapath: Any, command: int, number: int, rate: int, xid: int) -> bytes:
    """The message that adds, modifies or deletes a meter that lets ``rate`` packets a second through."""
    protocol, parser = datapath.ofproto, datapath.ofproto_parser
    flags = protocol.OFPMF_PKTPS | protocol.OFPMF_BURST | protocol.OFPMF_STATS
    bands = [parser.OFPMeterBandDrop(rate, max(1, int(rate * _BURST)))]
    if command == protocol.OFPMC_DELETE:
        bands = []
    return _serialized(parser.OFPMeterMod(datapath, command, flags, number, bands), xid)


def table_miss(datapath: Any, rules: list[Rule], xid: int) -> list[bytes]:
    """The message that adds PASS_OTHER; the switch refuses it where it has a table-miss rule, whosever that is."""
    flags = datapath.ofproto.OFPFF_CHECK_OVERLAP
    return [
        _serialized(_flow_mod(datapath, rule, flags, False), xid)
        for rule in rules
        if rule.purpose is Purpose.PASS_OTHER
    ]


def removal(datapath: Any, xid: int) -> list[bytes]:
    """The message that removes everything that bears our mark, and nothing else."""
    everything = _deletion(datapath, datapath.ofproto.OFPTT_ALL, COOKIE_MARK, COOKIE_MARK_MASK)
    return [_serialized(everything, xid)]
