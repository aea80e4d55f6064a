"""What the switch code needs of a connection to a switch; :mod:`.transport` is the one over TCP."""

from __future__ import annotations

from typing import Callable, Optional, Protocol

from ryu_haslb.openflow.sockets.tls import PeerCertificate

#: Handles a message, given its type, its transaction id and its bytes. False leaves it to the engine.
MessageHandler = Callable[[int, int, bytes], bool]


class Channel(Protocol):
    """Sends OpenFlow messages to one switch."""

    def transmit(self, message: bytes) -> None:
        """Send one or more OpenFlow messages, in order."""

    def next_xid(self) -> int:
        """A transaction id that is not in use."""

    @property
    def bytes_sent(self) -> int:
        """The number of bytes that :meth:`transmit` was given."""


class SwitchChannel(Channel, Protocol):
    """A channel whose handshake is over: its datapath id and its ports are known.

    ``handler`` is offered each message first. ``on_handled`` is called, if it is set, when all messages of one read are
    handled. ``address`` is host and port of the switch's end, ``local_address`` of this end, ``tables`` the number of
    its flow tables. ``certificate`` is the one that the switch has proved to hold, None without TLS or without
    ``--ca-certs``. ``close_reason`` says why the connection has ended, once it has.
    """

    id: int
    address: tuple[str, int]
    local_address: tuple[str, int]
    tables: int
    certificate: Optional[PeerCertificate]
    handler: Optional[MessageHandler]
    on_handled: Optional[Callable[[], None]]
    close_reason: str

    def port_names(self) -> dict[int, str]:
        """The names of the switch's ports by their numbers, at this moment."""

    def is_port_usable(self, port: int) -> bool:
        """Whether the switch has this port, and it is up."""

    def close(self) -> None:
        """End the connection."""


class SwitchListener(Protocol):
    """Is called by every connection, at once and in the green thread of the connection: there is no queue between.

    A bounded queue of events between a connection and the code that handles them would block for ever when the handler
    closes connections: closing one is an event as well, and only the handler empties the queue.
    """

    def on_connected(self, transport: SwitchChannel) -> None:
        """A switch has completed the handshake."""

    def on_disconnected(self, transport: SwitchChannel) -> None:
        """A connection whose handshake was complete has ended, or :meth:`SwitchChannel.close` was called."""

    def on_echo_reply(self, transport: SwitchChannel, xid: int) -> None:
        """A switch answers an echo request."""

    def on_port_changed(self, transport: SwitchChannel, port: int, usable: bool) -> None:
        """A port of a switch came up, went down or was removed."""
