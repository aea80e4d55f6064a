"""Bodies of requests are read in slices, between which Registration Requests are served (RFC 9112 section 7.1)."""

from __future__ import annotations

from io import BufferedReader, BytesIO

import eventlet
import pytest

from ryu_haslb.web.protocol import BodyReader
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
