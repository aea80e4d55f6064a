"""Groups of messages that a switch carries out and confirms: a bundle and a barrier.

A bundle is carried out as a whole or not at all (ONF EXT-230). The first bundle shows whether the switch has bundles:
without them, it rejects the bundle or does not reply to its commit request. Such a switch gets the messages one by one.
A switch that has carried out a bundle gets bundles as long as it is connected.

A barrier follows the messages. Its reply ends the transaction, and an error before the reply makes it fail. Some
hardware confirms first, and rejects when it writes its tables: errors count for :data:`LATE_REJECTION_TIMEOUT` after
the reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Final, Optional

from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import bundle, is_commit_reply

#: Seconds after the barrier reply in which a switch may still reject what it has confirmed.
LATE_REJECTION_TIMEOUT: Final = 5.0

#: Returns the messages of a transaction; each must have the transaction id that it is given.
Builder = Callable[[int], list[bytes]]
#: Is called with the error that made a transaction fail, or with None when it succeeded.
Conclusion = Callable[[Optional[wire.Error]], None]
#: Is called with an error that comes after the barrier reply. False: it concerns all messages; no further error counts.
Revocation = Callable[[wire.Error], bool]
#: Is called with the seconds that the switch took for a transaction.
Measure = Callable[[float], None]


@dataclass
class _Transaction:
    build: Builder
    conclude: Conclusion
    measure: Optional[Measure] = None
    revoke: Optional[Revocation] = None
    begin_xid: Optional[int] = None
    begun_at: Optional[float] = None
    error: Optional[wire.Error] = None
    repeat: bool = False
    #: Whether it was sent as a bundle before it was known whether the switch has them, and whether it was committed.
    is_tried: bool = False
    is_committed: bool = False


class Transactions:
    """The transactions of one connection that the switch has not confirmed yet.

    ``has_bundles`` is known after the first bundle.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._open: dict[int, _Transaction] = {}
        #: The transactions whose duration is measured, by the transaction id of the barrier in front of their messages.
        self._measured: dict[int, _Transaction] = {}
        #: By transaction id: until when errors of a confirmed transaction count, and what they call; the oldest first.
        self._revocable: dict[int, tuple[float, Revocation]] = {}
        self.has_bundles: Optional[bool] = None

    def submit(
        self,
        build: Builder,
        conclude: Conclusion,
        measure: Optional[Measure] = None,
        revoke: Optional[Revocation] = None,
    ) -> int:
        """Send the messages that ``build(xid)`` returns; ``conclude(error)`` is called once when they are confirmed.

        ``measure(seconds)`` is called first, with the time that the switch took; a further barrier in front of the
        messages shows when it began. ``revoke(error)`` is called for each error that comes after the confirmation.

        Returns:
            The transaction id, which is also that of the barrier that follows the messages.
        """
        return self._send(_Transaction(build, conclude, measure, revoke))

    def on_barrier_reply(self, xid: int, now: float = 0.0) -> bool:
        """Conclude a transaction. ``now`` counts for those that are measured. False if the barrier belongs to none."""
        begun = self._measured.pop(xid, None)
        if begun is not None:
            begun.begun_at = now
            return True
        transaction = self._open.pop(xid, None)
        if transaction is None:
            return False
        if transaction.begin_xid is not None:
            self._measured.pop(transaction.begin_xid, None)  # a switch that replies to the other barrier only
        if transaction.measure is not None and transaction.begun_at is not None:
            transaction.measure(now - transaction.begun_at)
        if transaction.is_tried and not self.has_bundles:
            transaction.repeat |= transaction.error is None and not transaction.is_committed
            self.has_bundles = not transaction.repeat
        if transaction.repeat:
            self._send(_Transaction(transaction.build, transaction.conclude, transaction.measure, transaction.revoke))
        else:
            self._await_late_errors(xid, transaction, now)
            transaction.conclude(transaction.error)
        return True

    def on_error(self, xid: int, error: wire.Error) -> bool:
        """Make a transaction fail, or repeat it without a bundle. False when the rejected message belongs to none."""
        transaction = self._open.get(xid)
        if transaction is None:
            return self._revoke(xid, error)
        if transaction.is_tried and not self.has_bundles and error.type == wire.OFPET_BAD_REQUEST:
            self.has_bundles, transaction.repeat = False, True
        transaction.error = transaction.error or error
        return True

    def on_experimenter(self, xid: int, message: bytes) -> bool:
        """Note that the switch has carried out a bundle. False when the message says something else."""
        if not is_commit_reply(message):
            return False
        transaction = self._open.get(xid)
        if transaction is not None:
            transaction.is_committed = True
        return True

    def tick(self, now: float) -> None:
        """Forget transactions whose late errors no longer count: each holds the sessions whose rules it had."""
        while self._revocable and next(iter(self._revocable.values()))[0] < now:
            del self._revocable[next(iter(self._revocable))]

    def abandon(self) -> None:
        """The connection is lost: open transactions are never concluded."""
        self._open.clear()
        self._measured.clear()
        self._revocable.clear()

    def _await_late_errors(self, xid: int, transaction: _Transaction, now: float) -> None:
        self.tick(now)
        if transaction.revoke is not None and transaction.error is None:
            self._revocable[xid] = now + LATE_REJECTION_TIMEOUT, transaction.revoke

    def _revoke(self, xid: int, error: wire.Error) -> bool:
        """The switch rejects what it has confirmed. False when the rejected message belongs to no transaction."""
        if xid not in self._revocable:
            return False
        _, revoke = self._revocable[xid]
        if not revoke(error):
            self._revocable.pop(xid, None)
        return True

    def _send(self, transaction: _Transaction) -> int:
        before = b""
        if transaction.measure is not None:
            begin = transaction.begin_xid = self.channel.next_xid()
            self._measured[begin] = transaction
            before = wire.barrier_request(begin)
        xid = self.channel.next_xid()
        messages = transaction.build(xid)
        self._open[xid] = transaction
        use_bundle = self.has_bundles is not False and len(messages) > 1
        transaction.is_tried = use_bundle and self.has_bundles is None
        body = bundle(xid, xid, messages) if use_bundle else b"".join(messages)
        self.channel.transmit(before + body + wire.barrier_request(xid))
        return xid
