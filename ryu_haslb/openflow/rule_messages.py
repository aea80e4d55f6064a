"""The rules of ``pipeline.py`` as OpenFlow messages: standing rules and session rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from socket import inet_ntoa
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import (
    REPLY_PURPOSES,
    SESSION_KEY_MASK,
    SESSION_PRIORITY,
    STORM_PURPOSES,
    Action,
    Purpose,
    Rule,
    Table,
    session_match,
)
from ryu_haslb.openflow.wire_flow_mod import FlowMod, apply_actions, goto_table, match, meter
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK

_EXACT_COOKIE = 0xFFFFFFFFFFFFFFFF
_SESSIONS = Table.SESSIONS.value
_XID_AND_COOKIE = Struct("!IQ")

_CONTROLLER, _NORMAL = wire.output(wire.OFPP_CONTROLLER), wire.output(wire.OFPP_NORMAL)
_INSTRUCTIONS = {
    Action.PUNT: apply_actions(_CONTROLLER),
    Action.PUNT_AND_PASS: apply_actions(_CONTROLLER + _NORMAL),
    Action.PASS: apply_actions(_NORMAL),
    Action.DROP: apply_actions(b""),
    Action.GOTO_SESSIONS: goto_table(Table.SESSIONS),
    Action.PASS_AND_GOTO_REPLIES: apply_actions(_NORMAL) + goto_table(Table.REPLIES),
}


def replacement(rules: Iterable[Rule], metered: bool, xid: int) -> list[bytes]:
    """Messages that put these rules in the place of those of a previous run, all but the rule PASS_OTHER."""
    return standing_removal(xid) + [
        _add(rule, metered, xid) for rule in rules if rule.purpose is not Purpose.PASS_OTHER
    ]


def additions(rules: Iterable[Rule], xid: int) -> list[bytes]:
    """Messages that add these rules, those of a client with a meter of its own, to those that are there."""
    return [_add(rule, True, xid) for rule in rules]


def changes(added: Iterable[Rule], removed: Iterable[Rule], metered: bool, xid: int) -> list[bytes]:
    """Messages that remove rules, and add others: those for replies. The switch need not report that they are gone."""
    removals = [
        FlowMod(
            wire.OFPFC_DELETE_STRICT,
            *(rule.table, rule.purpose.cookie, _EXACT_COOKIE, rule.priority),
            match=match(rule.match),
        ).pack(xid)
        for rule in removed
    ]
    return removals + [_add(rule, metered, xid) for rule in added]


def temporary(rules: Iterable[Rule], seconds: int, xid: int) -> list[bytes]:
    """Messages that add these rules, without a meter, for some seconds."""
    return [_add(rule, False, xid, hard_timeout=seconds) for rule in rules]


def restoration(rules: Iterable[Rule], metered: bool, xid: int) -> list[bytes]:
    """Messages that add those of these rules that are missing, all but the rule PASS_OTHER. The others stay."""
    return [_add(rule, metered, xid) for rule in rules if rule.purpose is not Purpose.PASS_OTHER]


def table_miss(rules: Iterable[Rule], xid: int) -> list[bytes]:
    """The message that adds PASS_OTHER. A switch that has a table-miss rule rejects it: OFPFF_CHECK_OVERLAP."""
    flags = wire.OFPFF_CHECK_OVERLAP
    return [_add(rule, False, xid, flags) for rule in rules if rule.purpose is Purpose.PASS_OTHER]


def session_removal(xid: int) -> list[bytes]:
    """The message that deletes every rule with our cookie mark in the session table, and no other rule."""
    return [FlowMod(wire.OFPFC_DELETE, _SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK).pack(xid)]


def standing_removal(xid: int) -> list[bytes]:
    """Messages that delete our standing rules, all but the rule PASS_OTHER."""
    return [
        FlowMod(wire.OFPFC_DELETE, wire.OFPTT_ALL, purpose.cookie, _EXACT_COOKIE).pack(xid)
        for purpose in Purpose
        if purpose not in (Purpose.PASS_OTHER, Purpose.SESSION_KEY)
    ] + [FlowMod(wire.OFPFC_DELETE, Table.CLASSIFIER, Purpose.SESSION_KEY.cookie, SESSION_KEY_MASK).pack(xid)]


def _add(rule: Rule, metered: bool, xid: int, flags: int = 0, hard_timeout: int = 0) -> bytes:
    instructions = _INSTRUCTIONS[rule.action]
    if metered and rule.meter is not None:
        instructions = meter(rule.meter) + instructions
    return FlowMod(
        command=wire.OFPFC_ADD,
        table=rule.table,
        cookie=rule.cookie,
        priority=rule.priority,
        flags=flags if rule.purpose in REPLY_PURPOSES | STORM_PURPOSES else flags | wire.OFPFF_SEND_FLOW_REM,
        match=match(rule.match),
        instructions=instructions,
        hard_timeout=hard_timeout,
    ).pack(xid)


def delivery_actions(rewrites: Mapping[str, wire.Value], port: int, vlan: Optional[int]) -> bytes:
    """The actions that send a request to its home agent: those of a session's rule, and of a packet-out."""
    actions = b"".join(wire.set_field(name, value) for name, value in rewrites.items())
    if vlan is not None:
        actions += wire.push_vlan(vlan)
    return actions + wire.output(port)


class SessionRule(NamedTuple):
    """The rule of one session: its tag at a virtual address and port, and the actions that lead to its real server."""

    cookie: int
    tag: int
    virtual_address: bytes
    port: int
    idle_timeout: int
    actions: bytes

    def flow_mod(self, xid: int, command: int) -> bytes:
        """The message that adds the rule, or deletes it; to delete it the actions are not needed."""
        cookie, tag, virtual_address, port, idle_timeout, actions = self
        head, before_tag, after_tag = _session_template(command, virtual_address, port, idle_timeout, actions)
        return b"".join((head, _XID_AND_COOKIE.pack(xid, cookie), before_tag, tag.to_bytes(6, "big"), after_tag))


@lru_cache(maxsize=1024)
def _session_template(
    command: int, virtual_address: bytes, port: int, idle_timeout: int, actions: bytes
) -> tuple[bytes, bytes, bytes]:
    """What the messages of all sessions of one real server share: the parts around transaction id and cookie, and tag.

    The tag is the first field of the match, which begins with byte 48.
    """
    packed = FlowMod(
        command=command,
        table=_SESSIONS,
        cookie=0,
        priority=SESSION_PRIORITY,
        idle_timeout=idle_timeout,
        flags=wire.OFPFF_SEND_FLOW_REM if idle_timeout else 0,
        match=match(session_match(0, inet_ntoa(virtual_address), port)),
        instructions=apply_actions(actions),
    ).pack(0)
    return packed[:4], packed[16:56], packed[62:]
