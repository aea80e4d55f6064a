"""The OpenFlow handshake, as a controller does it. Pure."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.openflow.sockets.screening import State, Treatment, screen
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.handshake import (
    Features,
    features_request,
    hello,
    port_description_request,
    read_features,
)
from ryu_haslb.openflow.wire.ports import Ports


class Handshake:
    """One connection until the ports of its switch are known. ``features`` and ``ports`` are valid when it is done."""

    def __init__(self) -> None:
        self.state = State.HELLO
        self.features: Optional[Features] = None
        self._ports = Ports()

    @property
    def ports(self) -> dict[int, str]:
        """The names of the ports by their numbers."""
        return dict(self._ports.names)

    @staticmethod
    def begin() -> bytes:
        """What to send first."""
        return hello(1)

    def on_message(self, version: int, kind: int, xid: int, data: bytes) -> bytes:
        """What to send behind a message of the switch.

        Raises:
            ProtocolError: the peer breaks OpenFlow, or is no switch.
        """
        treatment, _ = screen(self.state, version, kind, data)
        if treatment is Treatment.ANSWER_ECHO:
            return wire.echo_reply(xid, data)
        if treatment is Treatment.PARSE and self.state is State.HELLO:
            self.state = State.FEATURES
            return features_request(2)
        if treatment is Treatment.PARSE:
            self.features = read_features(data)
            self.state = State.PORTS
            return port_description_request(3)
        if treatment is Treatment.READ_PORTS and self._ports.read_description(data):
            self.state = State.MAIN
        return b""
