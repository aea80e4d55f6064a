"""A learning table of one switch, and the switch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from fake_switch import FakeSwitch, FakeTransport

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.learning.table import Learning, Numbers
from ryu_haslb.openflow.wire import wire

OWN = bytes.fromhex("0251b7000001")
HOST = bytes.fromhex("020000000007")
OTHER_HOST = bytes.fromhex("020000000008")


class Bench:
    """The learning table, and a switch that may lack ``capabilities`` and rejects flow-mods with ``rejects``."""

    def __init__(self, rejects: Optional[tuple[int, int]] = None, **capabilities: Any) -> None:
        self.fake = FakeSwitch(**capabilities)
        if rejects is not None:
            self.fake.rejects = lambda message: rejects if message[1] == wire.OFPT_FLOW_MOD else None
        self.transport = FakeTransport(self.fake)
        self.transport.handler = self._on_message
        self.transactions = Transactions(self.transport)
        self.learning = Learning(1, self.transactions, Layout(Switching.LEARN), lambda mac: mac == OWN, Numbers())
        self.now = 100.0

    def _on_message(self, kind: int, xid: int, message: bytes) -> bool:
        if kind == wire.OFPT_ERROR:
            return self.transactions.on_error(xid, wire.read_error(message))
        if kind == wire.OFPT_EXPERIMENTER:
            return self.transactions.on_experimenter(xid, message)
        return kind == wire.OFPT_BARRIER_REPLY and self.transactions.on_barrier_reply(xid, self.now)

    def show(
        self, mac: bytes, port: int, vlan: Optional[int] = None, answers: bool = True, tagged_as: int = 0x8100
    ) -> None:
        tag = b"" if vlan is None else tagged_as.to_bytes(2, "big") + vlan.to_bytes(2, "big")
        self.learning.on_packet(b"\xff" * 6 + mac + tag + b"\x08\x00" + bytes(46), port, self.now)
        if answers:
            self.transport.answer()

    def rules(self, purpose: Purpose) -> list[tuple[int, dict[str, object]]]:
        """The number and the match of each rule with a purpose."""
        return [
            (flow.cookie >> 32, dict(flow.match.items()))
            for flow in self.fake.flows
            if flow.cookie & 0xFFFFFFFF == purpose.cookie
        ]


def shown(count: int, first: int = 0) -> Iterator[bytes]:
    """Addresses of hosts."""
    yield from ((0x060000000000 + number).to_bytes(6, "big") for number in range(first, first + count))


def flow_mods(bench: Bench) -> list[int]:
    """The commands of the flow-mods that were sent, by themselves or in bundles."""
    sent = [each if each[1] == wire.OFPT_FLOW_MOD else each[24:] for each in bench.transport.sent]
    return [each[25] for each in sent if each[1:2] == bytes([wire.OFPT_FLOW_MOD])]
