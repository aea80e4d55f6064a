"""Connections that have ended leave nothing to a collection of cycles, which comes seldom under load."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import eventlet
import pytest
from cycles import no_cycles_left
from eventlet.green import socket
from fake_switch import HEADER, message
from served_switch import Served

from ryu_haslb.engine import ofproto_v1_3 as ofp
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.sockets.server import AcceptedConnection, OpenFlowServer
from ryu_haslb.openflow.sockets.unserved_connections import Unserved

HELLO = message(ofp.OFPT_HELLO, 1)


def reconnect(served: Served) -> None:
    served.fleet.on_disconnected(served.transport)
    served.transport = served.connect()
    served.wait(1)
    served.transport.answer()


def test_a_switch_that_reconnects() -> None:
    served = Served()
    served.find_real()
    served.request()
    reconnect(served)
    with no_cycles_left():
        for _ in range(3):
            reconnect(served)


def test_a_switch_that_answers_nothing() -> None:
    served = Served()
    served.fleet.on_disconnected(served.transport)
    with no_cycles_left():
        for _ in range(3):
            served.fleet.on_disconnected(served.connect(answers=False))


class Listener:
    """Serves no switch."""

    def on_connected(self, transport: SwitchChannel) -> None: ...

    def on_disconnected(self, transport: SwitchChannel) -> None: ...

    def on_echo_reply(self, transport: SwitchChannel, xid: int) -> None: ...

    def on_port_changed(self, transport: SwitchChannel, port: int, usable: bool) -> None: ...


@pytest.mark.usefixtures("handshakes")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x04", id="the begin of a header"),
        pytest.param(HELLO, id="a hello"),
        pytest.param(HEADER.pack(1, ofp.OFPT_HELLO, 8, 1), id="a hello of OpenFlow 1.0"),
        pytest.param(HELLO + HEADER.pack(4, ofp.OFPT_ECHO_REQUEST, 4, 1), id="a length that lies"),
    ],
)
def test_a_peer_that_is_no_switch(sent: bytes) -> None:
    """What it sends may be read before the engine's green threads for this connection have begun."""
    unserved: Unserved[AcceptedConnection] = Unserved.within(1024)
    server = OpenFlowServer([], None, Listener(), lambda _: False, unserved)

    def connect(listener: Any) -> None:
        with closing(socket.create_connection(listener.getsockname())) as peer:
            peer.sendall(sent)
            server.serve(*listener.accept())
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(4096):
                pass
        while list(unserved):
            eventlet.sleep(0)
        eventlet.sleep(0)  # the last green thread of the connection has ended

    with closing(eventlet.listen(("127.0.0.1", 0))) as listener:
        connect(listener)
        with no_cycles_left():
            for _ in range(3):
                connect(listener)
