"""The agent's end of one DFP connection (draft-eck-dfp-01, section 7), without I/O.

An agent has one :class:`ManagerConnection` for each manager that has connected. Events go in, actions come out.
"""

from __future__ import annotations

from typing import Optional, Union

from ryu_haslb.dfp.channel import Close, Counters, MessageChannel, Send
from ryu_haslb.dfp.framing import FramingError
from ryu_haslb.dfp.messages import (
    BindIdChangeNotify,
    BindIdReport,
    BindIdRequest,
    DfpParameters,
    Message,
    PreferenceInformation,
    ServerState,
)
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import END_OF_BINDIDS, BindIdTable, Load

#: Part of the keep-alive time after which the agent reports again. The rest is a reserve for a slow network.
REPORT_SHARE = 0.75

Action = Union[Send, Close]


class ManagerConnection:
    """The connection to one manager. Reports are due at each change of a weight, and at 3/4 of the keep-alive time."""

    def __init__(self, keys: KeyRing, loads: tuple[Load, ...] = (), bind_tables: tuple[BindIdTable, ...] = ()) -> None:
        self.counters = Counters()
        #: Whether a message of this manager was accepted: with a password, the manager has proved that it has the key.
        self.is_accepted = False
        #: The keep-alive time that the manager asked for, in seconds; 0: it never times out.
        self.keep_alive = 0
        #: The last Server State of the manager. It is for the log and changes no weight (section 6.2).
        self.server_state: tuple[Load, ...] = ()
        self._channel = MessageChannel(keys, self.counters)
        self._loads = loads
        self._bind_tables = bind_tables
        self._reported_at = 0.0
        self._open = False

    def connected(self, now: float) -> list[Action]:
        """The manager has connected: send the weights, without waiting for a change."""
        self._open = True
        self.counters.connections += 1
        return [self._preference_information(now)]

    def closed(self) -> None:
        """The connection has ended: there are no further actions."""
        self._open = False

    def received(self, data: bytes, now: float) -> list[Action]:
        """Bytes have arrived, in pieces of any size."""
        actions: list[Action] = []
        if not self._open:
            return actions
        try:
            for message in self._channel.receive(data, now):
                self.is_accepted = True
                actions += self._read(message, now)
        except FramingError as error:
            self._open = False
            actions.append(Close(str(error)))
        return actions

    def report(self, loads: tuple[Load, ...], now: float) -> list[Action]:
        """Set the weights, and send them if they have changed. A report without weights is a keep-alive only.

        :raises InvalidValueError: more than 128 hosts.
        """
        changed = loads != self._loads
        self._loads = loads
        return [self._preference_information(now)] if self._open and changed else []

    def change_bind_tables(self, bind_tables: tuple[BindIdTable, ...], now: float) -> list[Action]:
        """Set the bind id tables, and notify the manager of a change: it requests what it needs (section 7.6)."""
        changed = bind_tables != self._bind_tables
        self._bind_tables = bind_tables
        return [self._channel.send(BindIdChangeNotify(), now)] if self._open and changed else []

    def tick(self, now: float) -> list[Action]:
        """Send the report that is due. To be called at :meth:`next_deadline`; early or late calls do no harm."""
        deadline = self.next_deadline()
        return [] if deadline is None or now < deadline else [self._preference_information(now)]

    def next_deadline(self) -> Optional[float]:
        """The time at which the next report is due; None: not before another event."""
        return self._reported_at + REPORT_SHARE * self.keep_alive if self._open and self.keep_alive else None

    def _read(self, message: Message, now: float) -> list[Action]:
        if isinstance(message, DfpParameters):
            self.keep_alive = message.keep_alive.seconds
            return []
        if isinstance(message, ServerState):
            self.server_state = message.loads
            return []
        if isinstance(message, BindIdRequest):
            return [self._channel.send(BindIdReport(table), now) for table in (*self._bind_tables, END_OF_BINDIDS)]
        self.counters.unexpected_messages += 1
        return []

    def _preference_information(self, now: float) -> Send:
        self._reported_at = now
        return self._channel.send(PreferenceInformation(self._loads), now)
