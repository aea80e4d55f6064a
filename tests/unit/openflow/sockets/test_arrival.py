"""What waits for a message of a switch goes on when one has arrived."""

from __future__ import annotations

from contextlib import closing

import eventlet
import pytest
from eventlet.green import socket
from served_switch import Served

from ryu_haslb.openflow.sockets import transport
from ryu_haslb.openflow.wire.wire import HEADER, OFP_VERSION, OFPT_HELLO


@pytest.mark.usefixtures("handshakes")
def test_a_message_ends_the_wait_for_one() -> None:
    transport.arrival.clear()
    with closing(eventlet.listen(("127.0.0.1", 0))) as listener, closing(socket.socket()) as peer:
        peer.connect(listener.getsockname())
        accepted, address = listener.accept()
        served = transport.Transport(accepted, address, Served().fleet)
        serving = eventlet.spawn(served.serve_until_closed)
        eventlet.sleep(0)
        assert not transport.arrival.is_set()
        peer.sendall(HEADER.pack(OFP_VERSION, OFPT_HELLO, HEADER.size, 1))
        assert transport.arrival.wait(60)
        peer.shutdown(socket.SHUT_RDWR)
        serving.wait()
