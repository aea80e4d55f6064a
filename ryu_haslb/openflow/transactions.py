"""Groups of flow-mods that a switch confirms: a bundle and a barrier, or one by one where bundles are unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Protocol

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.wire_flow_mod import bundle

#: Errors, as type and code, with which a switch without bundles rejects one.
_BUNDLES_UNSUPPORTED = frozenset(
    (wire.OFPET_BAD_REQUEST, code)
    for code in (
        wire.OFPBRC_BAD_TYPE,
        wire.OFPBRC_BAD_MULTIPART,
        wire.OFPBRC_BAD_EXPERIMENTER,
        wire.OFPBRC_BAD_EXP_TYPE,
    )
)

Builder = Callable[[int], list[bytes]]
Conclusion = Callable[[bool], None]


class Channel(Protocol):
    """The way to the switch."""

    def transmit(self, message: bytes) -> None:
        """Send OpenFlow messages, in order."""

    def next_xid(self) -> int:
        """A transaction id that is not in use."""

    @property
    def bytes_sent(self) -> int:
        """Bytes that :meth:`transmit` was given."""


@dataclass
class _Transaction:
    build: Builder
    conclude: Conclusion
    failed: bool = False
    unbundled: bool = False


class Transactions:
    """What one connection has asked for and the switch has not confirmed yet."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._under_way: dict[int, _Transaction] = {}
        self._bundles = True

    def submit(self, build: Builder, conclude: Conclusion) -> int:
        """Send the messages that ``build(xid)`` gives, and call ``conclude(whether all went well)`` once.

        The transaction id of the barrier behind them is returned.
        """
        return self._send(_Transaction(build, conclude))

    def confirmed(self, xid: int) -> bool:
        """A barrier reply: the transaction is over. False when it is none of ours."""
        transaction = self._under_way.pop(xid, None)
        if transaction is None:
            return False
        if transaction.unbundled:
            self._send(_Transaction(transaction.build, transaction.conclude))
        else:
            transaction.conclude(not transaction.failed)
        return True

    def refused(self, xid: int, error: wire.Error) -> bool:
        """An error for one of its messages. False when it is none of ours."""
        transaction = self._under_way.get(xid)
        if transaction is None:
            return False
        if self._bundles and (error.type, error.code) in _BUNDLES_UNSUPPORTED:
            self._bundles = False
            transaction.unbundled = True
        transaction.failed = True
        return True

    def abandon(self) -> None:
        """The connection is lost: nobody will ever confirm what is under way."""
        self._under_way.clear()

    def _send(self, transaction: _Transaction) -> int:
        xid = self.channel.next_xid()
        messages = transaction.build(xid)
        self._under_way[xid] = transaction
        body = bundle(xid, xid, messages) if self._bundles and len(messages) > 1 else b"".join(messages)
        self.channel.transmit(body + wire.barrier_request(xid))
        return xid
