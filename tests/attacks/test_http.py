"""Attacks on HTTP: slow, idle, silent and greedy clients, and requests that two programs could read in two ways.

Each attack is done to a server in a process of its own. While it goes on, ``/metrics`` and other clients are answered.
No test measures time: a client that is kept out gets no answer at all within the hard limit.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from web_bench import HASTY_TIMEOUT, TOKEN, served

from ryu_haslb.web.connection_limit import MAX_ANSWERS, MAX_WAITING

#: Seconds after which a client counts as kept out. The server of these tests waits an hour for a slow one.
HARD_LIMIT = 60.0
MANY = 2 * MAX_WAITING
HEAD = b"GET /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\n"
CHANGE = (
    b"POST /api/v1/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
    b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
)
SLOW = {
    "silent": b"",
    "within the first line": b"GE",
    "within the header": HEAD,
    "idle after a request": HEAD + b"\r\n",
    "within the body": CHANGE + b"Content-Length: 1000\r\n\r\nip slb",
    "within a body without token": b"POST /api/v1/clear/counters HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    "a body without end": b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n",
    "within a chunk": CHANGE + b"Transfer-Encoding: chunked\r\n\r\nff\r\nip slb",
    "within the length of a chunk": CHANGE + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100,
    "waiting for 100 Continue": CHANGE + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
}


@pytest.fixture(scope="module", name="address")
def running() -> Iterator[str]:
    with served("token", "patient") as address:
        yield address


def connect(address: str, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    parts = urlsplit(address)
    stream = socket.create_connection((str(parts.hostname), parts.port or 0), HARD_LIMIT, (source, 0))
    stream.sendall(data)
    return stream


def answers(address: str, data: bytes) -> bytes:
    """All that comes back until the server closes; a client that is reset has what came before."""
    received = b""
    with connect(address) as stream, suppress(ConnectionError):
        with suppress(ConnectionError):  # it may have closed while we were still sending
            stream.sendall(data)
        while chunk := stream.recv(65536):
            received += chunk
    return received


def get(address: str, path: str, source: str = "127.0.0.1") -> bytes:
    """The status line of an answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(address, request.encode(), source) as stream:
        return stream.recv(65536).partition(b"\r\n")[0]


@contextmanager
def many(address: str, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(connect(address, data)) for _ in range(count)]


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
def test_slow_clients_keep_nobody_out(address: str, data: bytes) -> None:
    with many(address, MANY, data) as clients:
        if data == SLOW["idle after a request"]:  # not idle before its answer has come
            for client in clients:
                with suppress(ConnectionError):
                    client.recv(65536)
        for path in ("/metrics", "/api/v1/reals", "/"):
            assert get(address, path) == b"HTTP/1.1 200 OK", path


@pytest.fixture(scope="module")
def hasty() -> Iterator[str]:
    """A server with short time limits: what they end, ends; nothing is measured."""
    with served("token", "hasty") as address:
        yield address


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
def test_each_part_of_a_request_has_a_time_limit(hasty: str, data: bytes) -> None:
    """RFC 9110 section 15.5.9. A client that has begun a request is told so; one that has not is closed."""
    if b"Expect" in data:
        data = data.replace(b"Expect: 100-continue\r\n", b"")
    answer = answers(hasty, data)
    if data in (b"", SLOW["idle after a request"]):
        assert answer.count(b"HTTP/1.1 ") == (1 if data else 0)
    elif data == SLOW["a body without end"]:
        assert answer.startswith(b"HTTP/1.1 405 ")
    else:
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_client_that_sends_a_byte_now_and_then_has_no_more_time(hasty: str) -> None:
    """The limit holds for the whole header. The server closes while the client goes on."""
    with connect(hasty, HEAD) as stream:
        stream.settimeout(HASTY_TIMEOUT / 10)
        while True:
            try:
                if not (answer := stream.recv(100)).startswith(b"HTTP/1.1 408"):
                    pytest.fail(f"not refused: {answer!r}")
                return
            except socket.timeout:
                stream.sendall(b"X: y\r\n")


def test_when_there_are_too_many_the_oldest_that_waits_is_closed(address: str) -> None:
    with many(address, MAX_WAITING + 1, HEAD) as clients:
        assert clients[0].recv(1) == b""
        clients[-1].sendall(b"\r\n")
        assert clients[-1].recv(12) == b"HTTP/1.1 200"


def test_a_stranger_with_many_connections_pushes_out_his_own(address: str) -> None:
    with connect(address, HEAD, "127.0.0.2") as honest, many(address, MANY, b""):
        honest.sendall(b"\r\n")
        assert honest.recv(12) == b"HTTP/1.1 200"


def test_clients_that_do_not_read_leave_room_for_metrics_and_for_other_addresses() -> None:
    """A long list, of which each client reads nothing: its answer does not end."""
    with served("token", "many", "patient") as address, many(address, 2 * MAX_ANSWERS, HEAD + b"\r\n") as clients:
        assert any(client.recv(1) for client in clients), "none is answered"
        assert get(address, "/metrics") == b"HTTP/1.1 200 OK"
        assert get(address, "/api/v1/reals", "127.0.0.2") == b"HTTP/1.1 200 OK"


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
AMBIGUOUS = {
    "length and encoding": b"Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "encoding and length": b"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"Host: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "a list of lengths": b"Host: a\r\nContent-Length: 0, 44\r\n\r\n",
    "a signed length": b"Host: a\r\nContent-Length: +0\r\n\r\n",
    "a length with underscore": b"Host: a\r\nContent-Length: 1_0\r\n\r\n",
    "a negative length": b"Host: a\r\nContent-Length: -1\r\n\r\n",
    "a hexadecimal length": b"Host: a\r\nContent-Length: 0x0\r\n\r\n",
    "an empty length": b"Host: a\r\nContent-Length: \r\n\r\n",
    "digits of another script": b"Host: a\r\nContent-Length: \xd9\xa0\r\n\r\n",
    "an unknown encoding": b"Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "encodings in a list": b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two encodings": b"Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Host: a\r\nContent-Length : 44\r\n\r\n",
    "a folded field": b"Host: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a field without colon": b"Host: a\r\nContent-Length\r\n\r\n",
    "a carriage return in a value": b"Host: a\r\nX: y\rContent-Length: 44\r\n\r\n",
    "a null in a value": b"Host: a\r\nX: y\0\r\n\r\n",
    "a line feed alone": b"Host: a\nContent-Length: 0\r\n\r\n",
    "an end by a line feed alone": b"Host: a\r\n\n",
    "a user in the host": b"Host: evil@localhost\r\n\r\n",
    "a path in the host": b"Host: localhost/\r\n\r\n",
    "no host": b"\r\n",
    "two hosts": b"Host: localhost\r\nHost: evil.example\r\n\r\n",
}


@pytest.mark.parametrize("fields", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(address: str, fields: bytes) -> None:
    """RFC 9112 section 11.2. What comes behind it is not taken for a request."""
    for line in (b"POST /api/v1/clear/counters HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n"):
        answer = answers(address, line + fields + SMUGGLED)
        assert answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), answer[:100]
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize(
    "line",
    [
        b"GET",
        b"GET /",
        b"GET /metrics HTTP/2.0",
        b"GET  /metrics HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"G\xc4T / HTTP/1.1",
        b"GET metrics HTTP/1.1",
        b"GET http:///metrics HTTP/1.1",
        b"GET http://evil@localhost/metrics HTTP/1.1",
        b"GET ftp://localhost/metrics HTTP/1.1",
        b"CONNECT localhost:80 HTTP/1.1",
        b"PRI * HTTP/2.0",
    ],
)
def test_a_malformed_request_line_is_refused(address: str, line: bytes) -> None:
    """HTTP/0.9 included: a line of anything must not be taken for a request."""
    answer = answers(address, line + b"\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize(
    "path", ["/%6detrics", "/api%2fv1%2Fsessions", "/api/v1/%2e%2e/v1/sessions", "//metrics", "/./metrics"]
)
def test_a_path_in_another_spelling_is_no_path(address: str, path: str) -> None:
    """A proxy in front may permit or refuse paths, and may decode none (RFC 3986 section 2.2: ``%2F`` is no slash)."""
    assert get(address, path) == b"HTTP/1.1 404 Not Found"


def test_the_authority_of_a_target_counts_as_host(address: str) -> None:
    """RFC 9112 section 3.2.2: the field Host is ignored then. So DNS rebinding finds no way by it either."""
    for target, host, expected in (
        ("http://localhost/metrics", "evil.example", b"HTTP/1.1 200"),
        ("HTTP://127.0.0.1:8080/api/v1/sessions", "a", b"HTTP/1.1 200"),
        ("http://[::1]", "a", b"HTTP/1.1 200"),
        ("http://evil.example/metrics", "localhost", b"HTTP/1.1 421"),
    ):
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert answers(address, request.encode())[:12] == expected


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "get", "PATCH"])
def test_a_method_that_no_path_has_is_refused_and_repeats_nothing(address: str, method: str) -> None:
    """RFC 9110 sections 9.1 and 9.3.8: methods are case-sensitive, and TRACE would repeat the token."""
    fields = "Host: localhost\r\nX: secret\r\nConnection: close\r\n\r\n"
    answer = answers(address, f"{method} /metrics HTTP/1.1\r\n{fields}".encode())
    assert answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert b"secret" not in answer


BROKEN_CHUNKS = {
    "no length": b"\r\n\r\n",
    "a negative length": b"-5\r\nabcde\r\n0\r\n\r\n",
    "a prefix": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n",
    "no line end behind it": b"5\r\nabcdefg\r\n0\r\n\r\n",
    "a bare line feed": b"5\nabcde\n0\n\n",
    "a length that lies": b"ffffffff\r\nabcde",
    "a line without end": b"5;" + b"x" * 100_000,
    "trailers without end": b"0\r\n" + b"X: y\r\n" * 200,
    "no last chunk": b"5\r\nabcde\r\n",
}


@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_broken_chunks_are_refused_and_change_nothing(address: str, body: bytes) -> None:
    """RFC 9112 section 7.1."""
    with suppress(OSError), connect(address, CHANGE + b"Transfer-Encoding: chunked\r\n\r\n" + body) as stream:
        stream.shutdown(socket.SHUT_WR)  # it may have closed while we were still sending
        assert stream.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_change_whose_body_is_cut_off_is_not_applied(address: str) -> None:
    """Half a command may mean something else than the whole."""
    commands = b"ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 77"
    with connect(address, CHANGE + b"Content-Length: %d\r\n\r\n" % (len(commands) + 1) + commands) as stream:
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert b'"static_weight": 77' not in answers(
        address, HEAD.replace(b"sessions", b"reals") + b"Connection: close\r\n\r\n"
    )


def test_a_change_whose_header_is_cut_off_is_not_carried_out(address: str) -> None:
    with connect(address, CHANGE.replace(b"config", b"clear/counters")) as stream:
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(65536) == b""


@pytest.mark.parametrize("line", [b"", b"X: ", b"X: a\r\n" * 10], ids=["no end", "one field", "many fields"])
def test_a_header_of_a_megabyte_is_refused_before_it_is_read(address: str, line: bytes) -> None:
    said = answers(address, HEAD + line + b"x" * (1 << 20) + b"\r\n\r\n")
    assert said[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b""), (
        "nothing is left of the answer to a client that is reset"
    )
    assert answers(address, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_their_order(address: str) -> None:
    """RFC 9112 section 9.3.2."""
    last = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = answers(address, (HEAD + b"\r\n") * 50 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 50
    assert answer.rindex(b"HTTP/1.1 404") > answer.rindex(b"HTTP/1.1 200")


def test_chunked_changes_are_applied(address: str) -> None:
    body = b"12;name=value\r\nip slb serverfarm \r\n6\r\nHAFARM\r\n0\r\nTrailer: x\r\n\r\n"
    answer = answers(address, CHANGE + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("field", ["X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Server", "Forwarded", "X-Host"])
def test_what_a_client_says_about_a_proxy_is_not_believed(address: str, field: str) -> None:
    """The Host header field protects against DNS rebinding; the address of the client is that of the connection."""
    request = f"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n{field}: localhost\r\nConnection: close\r\n\r\n"
    assert answers(address, request.encode()).startswith(b"HTTP/1.1 421 ")
