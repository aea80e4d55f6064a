"""The messages of a DFP connection, the same at both ends: decoding, authentication, encoding, and counters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from ryu_haslb.dfp.framing import FrameReader, FramingError
from ryu_haslb.dfp.messages import Message, UnknownMessageError, decode, encode
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import MalformedMessageError


@dataclass(frozen=True)
class Send:
    """Write ``data``, one whole message, in one write: some balancers reject a message that comes in two segments."""

    data: bytes


@dataclass(frozen=True)
class Close:
    """Close the connection. ``reason`` is for the log."""

    reason: str


@dataclass
class Counters:
    """Events on the connections with one peer. The names are the keys in JSON and the labels of metrics."""

    connections: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    #: Wrong versions or impossible lengths; each closed the connection.
    framing_errors: int = 0
    #: Messages without a valid Security TLV, discarded.
    authentication_failures: int = 0
    #: Messages of a type that the draft does not define, discarded.
    unknown_messages: int = 0
    #: Messages with a TLV that is broken, missing or there twice, discarded.
    malformed_messages: int = 0
    #: Messages that are not for this end, or reports that were not requested, discarded.
    unexpected_messages: int = 0
    #: Connections closed because no message was accepted for the keep-alive time.
    keep_alive_timeouts: int = 0
    #: Servers and bind ids beyond the maximum for one agent, discarded.
    excess_entries: int = 0
    #: Weights of real servers that the agent may not set, ignored.
    unauthorized_weights: int = 0


class MessageChannel:
    """The messages of one TCP connection."""

    def __init__(self, keys: KeyRing, counters: Counters) -> None:
        self._keys = keys
        self._counters = counters
        self._reader = FrameReader()

    def receive(self, data: bytes, now: float) -> Iterator[Message]:
        """The messages that ``data`` completes. Those that cannot be accepted are counted and discarded.

        :raises FramingError: the stream is broken; raised behind the messages before it. Close the connection.
        """
        try:
            for frame in self._reader.feed(data):
                self._counters.messages_received += 1
                message = self._read(frame, now)
                if message is not None:
                    yield message
        except FramingError:
            self._counters.framing_errors += 1
            raise

    def send(self, message: Message, now: float) -> Send:
        """Encode a message, and sign it if there is a key."""
        self._counters.messages_sent += 1
        return Send(self._keys.sign(encode(message), now))

    def _read(self, frame: bytes, now: float) -> Optional[Message]:
        if not self._keys.accepts(frame, now):
            self._counters.authentication_failures += 1
            return None
        try:
            return decode(frame)
        except UnknownMessageError:
            self._counters.unknown_messages += 1
        except MalformedMessageError:
            self._counters.malformed_messages += 1
        return None
