"""Bodies of requests are read in slices, between which Registration Requests are served (RFC 9112 section 7.1).

A connection is closed however it ends.
"""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from io import BufferedReader, BytesIO

import eventlet
import pytest

from ryu_haslb.web.protocol import BodyReader, Protocol
from ryu_haslb.web.route import MAX_BODY


@pytest.mark.parametrize("extension", [b"", b";" + b"a" * 100], ids=["bare", "with an extension"])
def test_a_body_of_many_small_chunks_lets_other_work_be_done(extension: bytes) -> None:
    """All of it has arrived: nothing else would. It took 0.1 to 0.2 s, of a client without a token."""
    body = (b"1" + extension + b"\r\nx\r\n") * MAX_BODY + b"0\r\n\r\n"
    reader = BodyReader(BufferedReader(BytesIO(body)), None)
    turns = 0

    def count() -> None:
        nonlocal turns
        while not reader.is_at_end:
            turns += 1
            eventlet.sleep(0)

    other = eventlet.spawn(count)
    assert reader.read(MAX_BODY + 1) == b"x" * MAX_BODY
    other.wait()
    assert turns > MAX_BODY // 1000


class _Settings:
    """What eventlet's server says to each connection."""

    minimum_chunk_size = None
    capitalize_response_headers = True


class _Answering(Protocol):
    """Answers a client that has reset the connection meanwhile."""

    client: socket.socket

    def handle(self) -> None:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()
        self.wfile.write(b"an answer")


def test_a_connection_is_closed_though_its_client_has_left_with_bytes_on_their_way() -> None:
    """Some health checks reset each connection: without an explicit end each would keep a descriptor."""
    with closing(eventlet.listen(("127.0.0.1", 0))) as listener:
        _Answering.client = socket.create_connection(listener.getsockname())
        accepted, address = listener.accept()
        protocol = _Answering([address, accepted, "request", (None, None)], _Settings())
        assert accepted.fileno() == -1
        assert protocol.rfile.closed
