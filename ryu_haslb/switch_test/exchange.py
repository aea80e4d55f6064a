"""What a test sends to the switch and what comes back, and the machine that carries it out. Pure.

Theory of operation
===================

A test is a *script*: a generator that yields an :class:`Exchange` and gets the :class:`Answer` to it. It has neither
sockets nor a clock. :class:`Conversation` runs it::

    script               Conversation                                      switch
      | -- Exchange -->       | -- messages, then a barrier request -->       |
      |                       | <-- replies, packet-ins, errors               |
      |                       | <-- barrier reply                             |
      |                       | <-- what is wanted, within ``wait`` seconds   |
      | <-- Answer ---        |                                               |

An exchange ends when the barrier reply and all that is wanted are there, ``wait`` seconds after the barrier reply if
something is missing, and after ``limit`` seconds without a barrier reply. One that changes rules ends no sooner than
the rules act, where a switch takes its time for that behind the barrier reply (:mod:`.lag_trial`). An error that
carries the transaction id of the exchange ends the waiting: what the switch has rejected has no effect.

Only :meth:`Conversation.tick` judges that something is late. It is called when all that has arrived was handed over, so
a process that got no processor for a minute first finds the replies that have arrived meanwhile.

When the connection ends, the script gets a :class:`ConnectionLostError`, and may yield :data:`RECONNECTION` to wait
until the switch has connected again.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Callable, Generic, NamedTuple, Optional, TypeVar

from ryu_haslb.errors import HaslbError
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.wire import MalformedMessage

#: Seconds in which a switch must reply to a barrier: as long as the balancer waits.
BARRIER_TIMEOUT = 15.0
#: Seconds behind a barrier reply in which a packet-in may arrive.
PACKET_IN_TIMEOUT = 0.5
#: Seconds in which a switch that has closed its connection connects again.
RECONNECT_TIMEOUT = 20.0
#: Bytes of the messages of one exchange that are kept, at most: the statistics of a million rules.
MAX_FOUND = 1 << 28
#: Remarks about what a switch did that it should not, at most.
MAX_REMARKS = 20

#: The types of messages that change rules; bundles are among them.
_CHANGES = (wire.OFPT_FLOW_MOD, wire.OFPT_METER_MOD, wire.OFPT_EXPERIMENTER)
T = TypeVar("T")


class Message(NamedTuple):
    """A message of the switch: its type, its transaction id, and all its bytes."""

    kind: int
    xid: int
    data: bytes


class ConnectionLostError(HaslbError):
    """The connection ended in the middle of an exchange; the text says how."""


class SilentSwitchError(HaslbError):
    """The switch has not replied to a barrier in time: no further answer of it can be waited for."""


def _nothing(_: int) -> Sequence[bytes]:
    return ()


def _not_wanted(_: Message) -> bool:
    return False


def first(found: Sequence[Message]) -> bool:
    """One message is enough."""
    return bool(found)


@dataclass(frozen=True)
class Exchange:
    """What is sent, and what is waited for.

    ``build`` returns the messages, with the transaction id that it is given. ``wanted`` says which messages of the
    switch are kept, ``enough`` whether those that are kept are all. Without ``wanted`` the barrier reply is enough.
    The barrier reply may take ``limit`` seconds, and what is wanted ``wait`` seconds more.
    """

    build: Callable[[int], Sequence[bytes]] = _nothing
    wanted: Callable[[Message], bool] = _not_wanted
    enough: Callable[[Sequence[Message]], bool] = first
    wait: float = PACKET_IN_TIMEOUT
    limit: float = BARRIER_TIMEOUT
    awaits_connection: bool = False

    @property
    def awaits_more(self) -> bool:
        """Whether more than the barrier reply is waited for."""
        return self.wanted is not _not_wanted


#: Waits until the switch has connected again.
RECONNECTION = Exchange(awaits_connection=True, limit=RECONNECT_TIMEOUT)


@dataclass
class Answer:
    """What came back: the messages that were wanted, the first error, and the number of errors.

    ``barrier`` and ``elapsed`` are the seconds until the barrier reply, and until the last message that was wanted.
    ``took`` is those until the exchange has ended.
    """

    found: list[Message] = field(default_factory=list)
    error: Optional[wire.Error] = None
    errors: int = 0
    barrier: float = 0.0
    elapsed: float = 0.0
    took: float = 0.0
    is_connected: bool = True


#: A test, or a part of one, that returns ``T``.
Script = Generator[Exchange, Answer, T]


@dataclass
class _Running:
    exchange: Exchange
    xid: int
    began: float
    settling_time: float
    answer: Answer = field(default_factory=Answer)
    replied_at: Optional[float] = None
    is_enough: bool = False
    size: int = 0

    @property
    def has_all(self) -> bool:
        return self.replied_at is not None and (self.is_enough or not self.exchange.awaits_more)

    def deadline(self) -> float:
        if self.replied_at is None:
            return self.began + self.exchange.limit
        return self.replied_at + max(self.settling_time, 0.0 if self.has_all else self.exchange.wait)

    def is_complete(self, now: float) -> bool:
        is_rejected = self.replied_at is not None and self.answer.error is not None
        return is_rejected or (self.has_all and now >= self.deadline())

    def is_over(self, now: float) -> bool:
        return self.is_complete(now) or now >= self.deadline()


class Conversation(Generic[T]):
    """Runs a script. What it wants to send is taken by :meth:`take_outgoing`; ``remarks`` are for the report.

    ``settling_time`` is the seconds behind a barrier reply after which rules act.
    """

    def __init__(self, script: Script[T], settling_time: Callable[[], float] = lambda: 0.0) -> None:
        self.result: Optional[T] = None
        self.is_done = False
        self.remarks: list[str] = []
        self._script = script
        self._settling_time = settling_time
        self._xid = 0x7E570000
        self._outgoing: list[bytes] = []
        self._running: Optional[_Running] = None

    @property
    def awaits_connection(self) -> bool:
        """Whether the script waits for the switch to connect again."""
        return self._running is not None and self._running.exchange.awaits_connection

    @property
    def deadline(self) -> float:
        """When :meth:`tick` must be called next."""
        return 0.0 if self._running is None else self._running.deadline()

    def take_outgoing(self) -> bytes:
        """The bytes to send now."""
        outgoing = b"".join(self._outgoing)
        self._outgoing.clear()
        return outgoing

    def start(self, now: float) -> None:
        """Begin; the switch is connected."""
        self._advance(lambda: next(self._script), now)

    def on_message(self, kind: int, xid: int, data: bytes, now: float) -> None:
        """A message of the switch arrived."""
        if kind == wire.OFPT_ECHO_REQUEST:
            self._outgoing.append(wire.echo_reply(xid, data))
            return
        running = self._running
        if running is None or running.exchange.awaits_connection:
            return
        try:
            self._take(running, Message(kind, xid, data), now)
        except MalformedMessage as error:
            self.remark(f"malformed message of type {kind}: {error}")
        if running.is_complete(now):
            self._end(running, now)

    def tick(self, now: float) -> None:
        """End an exchange that is complete, or whose time is over. Hand over all that has arrived before."""
        running = self._running
        if running is not None and running.is_over(now):
            self._end(running, now)

    def _end(self, running: _Running, now: float) -> None:
        running.answer.took = now - running.began
        if running.exchange.awaits_connection:
            running.answer.is_connected = False
        elif running.replied_at is None:
            error, seconds = running.answer.error, running.exchange.limit
            rejected = "" if error is None else f" ({error})"
            self._throw(SilentSwitchError(f"no barrier reply within {seconds:g} s{rejected}"), now)
            return
        self._advance(lambda: self._script.send(running.answer), now)

    def on_lost(self, reason: str, now: float) -> None:
        """The connection has ended."""
        self._outgoing.clear()
        if self._running is not None and not self.awaits_connection:
            self._throw(ConnectionLostError(reason), now)

    def on_connected(self, now: float) -> None:
        """The switch has connected again."""
        running = self._running
        if running is not None and running.exchange.awaits_connection:
            self._advance(lambda: self._script.send(running.answer), now)

    def remark(self, text: str) -> None:
        """Record what the switch should not have done."""
        if len(self.remarks) < MAX_REMARKS and text not in self.remarks:
            self.remarks.append(text)

    def _take(self, running: _Running, message: Message, now: float) -> None:
        answer = running.answer
        if message.kind == wire.OFPT_BARRIER_REPLY and message.xid == running.xid:
            running.replied_at = now
            answer.barrier = now - running.began
            if not running.exchange.awaits_more:
                answer.elapsed = answer.barrier
        elif message.kind == wire.OFPT_ERROR:
            error = wire.read_error(message.data)
            if message.xid == running.xid:
                answer.error = answer.error or error
                answer.errors += 1
            else:
                self.remark(f"an error with a transaction id that is not in use: {error}")
        elif running.size < MAX_FOUND and running.exchange.wanted(message):
            running.size += len(message.data)
            answer.found.append(message)
            answer.elapsed = now - running.began
            running.is_enough = running.exchange.enough(answer.found)

    def _throw(self, error: HaslbError, now: float) -> None:
        self._advance(lambda: self._script.throw(error), now)

    def _advance(self, step: Callable[[], Exchange], now: float) -> None:
        self._running = None
        try:
            exchange = step()
        except StopIteration as end:
            self.result, self.is_done = end.value, True
            return
        self._xid += 1
        messages = exchange.build(self._xid)
        changes_rules = any(each[1] in _CHANGES for each in messages)
        self._running = _Running(exchange, self._xid, now, self._settling_time() if changes_rules else 0.0)
        if not exchange.awaits_connection:
            self._outgoing += [*messages, wire.barrier_request(self._xid)]
