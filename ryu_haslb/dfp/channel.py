"""What both ends of a DFP connection share: bytes to accepted messages, messages to bytes, and the counting of both."""

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
    """Write these bytes, which are one message, in one write: some balancers refuse a message in two segments."""

    data: bytes


@dataclass(frozen=True)
class Close:
    """Close the connection. ``reason`` is for the log."""

    reason: str


@dataclass
class Counters:
    """What happened on the connections with one peer since the counters were cleared."""

    connections: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    framing_errors: int = 0
    """Wrong version or impossible length; each cost the connection."""
    authentication_failures: int = 0
    """Messages without a valid Security TLV, discarded."""
    unknown_messages: int = 0
    malformed_messages: int = 0
    unexpected_messages: int = 0
    """Messages that are not for this end, or answer a question that was not asked, discarded."""
    silences: int = 0
    """Connections closed because the keep-alive time ran out."""
    excess_entries: int = 0
    """Servers and bind ids beyond what one agent may report, discarded."""


class MessageChannel:
    """One TCP connection's messages."""

    def __init__(self, keys: KeyRing, counters: Counters) -> None:
        self._keys = keys
        self._counters = counters
        self._reader = FrameReader()

    def receive(self, data: bytes, now: float) -> Iterator[Message]:
        """The messages that ``data`` completes, without those that are counted and discarded.

        :raises FramingError: (after the messages before it) close the connection.
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
        """The message as bytes, signed if there is a key."""
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
