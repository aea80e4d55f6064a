"""Groups of flow-mods that a switch confirms: a bundle and a barrier, or one by one where bundles are unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Protocol

from ryu_haslb.openflow import wire

#: OpenFlow 1.3 errors that say that the switch does not know bundles: (type, code) of OFPET_BAD_REQUEST.
_BUNDLES_UNKNOWN = frozenset({(1, 1), (1, 2), (1, 3), (1, 4)})

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
        self._channel = channel
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

    def refused(self, xid: int, error: tuple[int, int]) -> bool:
        """An error (type, code) for one of its messages. False when it is none of ours."""
        transaction = self._under_way.get(xid)
        if transaction is None:
            return False
        if self._bundles and error in _BUNDLES_UNKNOWN:
            self._bundles = False
            transaction.unbundled = True
        transaction.failed = True
        return True

    def abandon(self) -> None:
        """The connection is lost: nobody will ever confirm what is under way."""
        self._under_way.clear()

    def _send(self, transaction: _Transaction) -> int:
        xid = self._channel.next_xid()
        messages = transaction.build(xid)
        self._under_way[xid] = transaction
        body = wire.bundle(xid, xid, messages) if self._bundles and len(messages) > 1 else b"".join(messages)
        self._channel.transmit(body + wire.barrier_request(xid))
        return xid
