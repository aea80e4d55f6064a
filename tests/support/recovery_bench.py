"""A balancer that has just started, and the session rules that its switch reports."""

from __future__ import annotations

from typing import Optional

from farm_builder import VIRTUAL, Bench
from statistics_replies import FlowRow, flow_stats_reply, table_stats_reply
from wired_switch import Wired

from ryu_haslb.openflow.flow_tables.pipeline import Table, chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions, session_match, session_rewrites
from ryu_haslb.openflow.recovery.recovery import Recovery
from ryu_haslb.openflow.wire.flow_mod import apply_actions, match
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, tag_of

MACS = (bytes.fromhex("020000000051"), bytes.fromhex("020000000052"))
TO_A, TO_B = (
    delivery_actions(session_rewrites(chassis_address(1), mac), port, None) for port, mac in enumerate(MACS, 1)
)
TABLE_XID, XID = 6, 7


def reply(*rules: tuple[int, bytes], xid: int = XID, more: bool = False) -> bytes:
    """A flow statistics reply: a row for each tag, with its actions."""
    return flow_stats_reply(*(_row(*rule) for rule in rules), xid=xid, more=more)


def _row(number: int, actions: bytes) -> FlowRow:
    return FlowRow(
        number << COOKIE_MARK_BITS | COOKIE_MARK, match(session_match(number, str(VIRTUAL))), apply_actions(actions)
    )


def tag(mobile: str) -> int:
    """The tag of the session of a mobile."""
    return tag_of(VIRTUAL.packed, b"\x01" + mobile.encode())


def rule_of(mobile: str) -> FlowRow:
    """The rule that leads a mobile to the second real server of a :class:`Wired`, as the previous run has left it."""
    before = Wired()
    before.request("bert")
    before.request("anna")
    delivery = before.sent[0][24:-1]
    actions = delivery[: int.from_bytes(before.sent[0][16:18], "big")]
    return _row(tag(mobile), actions)


class Restarted:
    """A balancer that has just started, and the recovery of one switch. ``reachable`` real servers have been found."""

    def __init__(self, *reachable: int, rules: int = 10, bench: Optional[Bench] = None) -> None:
        self.bench = bench or Bench(1, 1)
        self.recovered: list[tuple[Session, bytes]] = []
        self.lost: list[int] = []
        self.recovery = Recovery(
            1, self.bench.balancer, lambda *each: self.recovered.append(each), lambda tag, _: self.lost.append(tag)
        )
        self.find(*reachable)
        self.recovery.request(TABLE_XID, 0.0)
        table_stats = table_stats_reply({0: 12, Table.SESSIONS: rules, 2: 0}, xid=TABLE_XID)
        assert self.recovery.reading.on_reply(TABLE_XID, table_stats, 0.0)
        self.request = self.recovery.request(XID, 0.0)

    def find(self, *reachable: int) -> None:
        actions = {self.bench.reals[number]: (TO_A, TO_B)[number] for number in reachable}
        self.recovery.locate({VIRTUAL.packed: self.bench.server}, actions)

    def read(self, *rules: tuple[int, bytes], now: Optional[float] = None, more: bool = False) -> None:
        when = self.bench.now if now is None else now
        assert self.recovery.reading.on_reply(XID, reply(*rules, more=more), when) is not None

    def sessions(self) -> int:
        return len(self.bench.balancer.sessions)
