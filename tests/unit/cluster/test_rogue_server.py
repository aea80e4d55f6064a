"""A stranger in the place of the database's server: what it sends ends no member, and is not taken for a database."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable

import pytest
from budget import some
from ovs.db.idl import SchemaHelper

from ryu_haslb.cluster import json_stream
from ryu_haslb.cluster.idl import FollowingIdl, connect, is_synchronized
from ryu_haslb.cluster.servers import SCHEMA
from ryu_haslb.cluster.settings import ClusterSettings

#: Bytes of what has no end: several times what is kept of one message in this test.
ENDLESS = 1 << 20
MAX_KEPT = 1 << 18
#: Connections after which a member has shown that it connects again.
CONNECTIONS = 3
STREAMS: dict[str, bytes] = {
    "no end of a list": b"[" + b"[]," * (ENDLESS // 3),
    "no end of a text": b'["' + b"x" * ENDLESS,
    "no end of spaces": b" " * ENDLESS,
    "nesting": b"[" * ENDLESS,
    "a huge number": b'{"id":null,"method":"echo","params":[' + b"9" * 100_000 + b"]}",
    "no finite number": b'{"id":"x","method":"echo","params":[1e999,NaN,-Infinity]}' + b"[",
    "no UTF-8": b'{"id":null,"method":"\xff\xfe","params":[]}',
    "half a character": b'{"id":null,"method":"update3","params":["\\ud800"]}[',
    "no object": b'"text"',
    "a list": b"[1,2,3]",
    "no JSON": b"HTTP/1.1 200 OK\r\n\r\n{",
    "a message that is none": b'{"id":{},"method":[],"params":{},"result":7,"error":[]}',
    "updates of nothing": b'{"id":null,"method":"update3","params":[null,"0",{"Cluster":{"x":{"insert":{}}}}]}[',
    "a lock that was not asked for": b'{"id":null,"method":"locked","params":["haslb_leader"]}[',
}
RESULTS: tuple[Any, ...] = (
    None,
    [],
    {},
    7,
    1e308,
    [[[]]],
    {"tables": {}},
    {"tables": {"Cluster": {"columns": {"generation": {"type": "integer"}}}}},
    [True, "0", {"Cluster": {"not-a-uuid": {"initial": {"generation": "x"}}}}],
    [False, "0", {"Cluster": {"00000000-0000-0000-0000-000000000000": {"insert": {"generation": 1 << 80}}}}],
    {"locked": True},
    "x" * 100_000,
)


class Rogue:
    """Serves one connection after the other; ``say`` does it, and ``served`` counts them."""

    def __init__(self, path: str, say: Callable[[socket.socket], None]) -> None:
        self.served = 0
        self._say = say
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(5)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError, ValueError):
                    self._say(client)
                self.served += 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def rogue(path: Path, say: Callable[[socket.socket], None]) -> Iterator[tuple[Rogue, FollowingIdl]]:
    server = Rogue(str(path), say)
    helper = SchemaHelper(str(SCHEMA))
    helper.register_columns("Cluster", ["generation", "leader"])
    idl = connect(FollowingIdl, ClusterSettings(f"unix:{path}", "member-a"), helper)
    try:
        yield server, idl
    finally:
        idl.close()
        server.close()


def follow(server: Rogue, idl: FollowingIdl) -> None:
    """Run the member's side until it has come again and again, or takes the server for one of an empty database."""
    while server.served < CONNECTIONS and not is_synchronized(idl):
        idl._session.reconnect.set_backoff(1, 1)
        idl.run()
    assert not idl.tables["Cluster"].rows


@pytest.mark.parametrize("stream", some(STREAMS.values()), ids=some(STREAMS))
def test_nothing_that_it_says_ends_a_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bytes) -> None:
    monkeypatch.setattr(json_stream, "MAX_MESSAGE_SIZE", MAX_KEPT)
    with rogue(tmp_path / "db", lambda client: client.sendall(stream)) as (server, idl):
        follow(server, idl)
        assert not is_synchronized(idl)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: str(result)[:20])
def test_nothing_that_it_replies_ends_a_member(tmp_path: Path, result: Any) -> None:
    def reply(client: socket.socket) -> None:
        decoder, received = json.JSONDecoder(), ""
        for _ in range(8):
            received += client.recv(65536).decode()
            while received:
                request, end = decoder.raw_decode(received)
                received = received[end:].lstrip()
                client.sendall(json.dumps({"id": request.get("id"), "error": None, "result": result}).encode())

    with rogue(tmp_path / "db", reply) as (server, idl):
        follow(server, idl)
