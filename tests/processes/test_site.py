"""The HTTP server, asked by well-behaved and hostile clients. It runs in a process of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, Optional
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from web_bench import TOKEN, served

from ryu_haslb.web.route import JSON, MAX_BODY
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.wrong_tokens import MAX_WRONG_TOKENS

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
CHANGES = [route for route in ROUTES if route.method == "POST"]
TABLES = [route.path for route in ROUTES if route.method == "GET" and route.media_type == JSON]


@pytest.fixture(scope="module")
def read_only() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def with_token() -> Iterator[str]:
    with served("token") as address:
        yield address


@pytest.fixture
def fresh() -> Iterator[str]:
    with served("token") as address:
        yield address


def send(address: str, path: str, body: Any = None, headers: Optional[dict[str, str]] = None) -> requests.Response:
    if isinstance(body, str):
        return requests.post(address + path, body.encode(), headers={"Content-Type": "text/plain", **(headers or {})})
    return requests.post(address + path, json=body, headers=headers)


def raw(address: str, data: bytes) -> bytes:
    """What comes back for these bytes."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=30) as stream:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := stream.recv(65536):
            received += chunk
        return received


# Reading


@pytest.mark.parametrize("path", TABLES)
def test_every_table_is_there_without_a_token(read_only: str, path: str) -> None:
    answer = requests.get(read_only + path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() or "/crypto/" in path  # this balancer has no crypto map


def test_sessions_are_those_of_the_balancer_and_hostile_nais_are_harmless_text(read_only: str) -> None:
    """A NAI comes from the network (RFC 2794) and is not trusted: its control characters are escaped."""
    sessions = requests.get(f"{read_only}/api/v1/sessions").json()
    assert len(sessions) == 4
    identities = [session["identity"] for session in sessions]
    assert r"<script>alert(1)</script>\xff\x00\n@isp.com" in identities
    assert None in identities, "one was adopted from a switch"


def test_answers_are_not_cached_and_the_page_loads_nothing_from_elsewhere(read_only: str) -> None:
    for path in ("/", "/api/v1/reals", "/metrics", "/nowhere"):
        headers = requests.get(read_only + path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_get_without_a_body(read_only: str) -> None:
    answer = requests.head(f"{read_only}/api/v1/reals")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/clear/counters"])
def test_other_methods_are_refused_with_the_allowed_ones(read_only: str, path: str, method: str) -> None:
    """RFC 9110 section 15.5.6."""
    answer = requests.request(method, read_only + path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == ("POST" if "clear" in path else "GET, HEAD")


@pytest.mark.parametrize("path", ["/nowhere", "/page/page.js", "/../api.py", "/%2e%2e/api.py", "/%ff%00"])
def test_an_unknown_path_is_a_404_in_json(read_only: str, path: str) -> None:
    answer = raw(read_only, f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"/openapi.json" in answer


def test_foreign_names_in_the_host_header_are_refused(read_only: str) -> None:
    """DNS rebinding: a page from elsewhere must not read NAIs through the browser of an operator."""
    for host, status in {
        "evil.example": 421,
        "localhost.evil.example:80": 421,
        "": 421,
        "[": 400,
        "localhost:1234": 200,
        "127.0.0.1": 200,
        "[::1]:80": 200,
    }.items():
        assert raw(read_only, f"GET /metrics HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())[9:12] == b"%d" % status, host


# Changing


@pytest.mark.parametrize("path", [route.path for route in CHANGES])
@pytest.mark.parametrize("headers", [{}, AUTHORIZED])
def test_without_a_token_file_nothing_can_be_changed(read_only: str, path: str, headers: dict[str, str]) -> None:
    answer = send(read_only, path, {}, headers)
    assert answer.status_code == 403
    assert "HASLB_HTTP_TOKEN_FILE" in answer.json()["error"]


@pytest.mark.parametrize("path", [route.path for route in CHANGES])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff"],
)
def test_a_change_needs_the_token(with_token: str, path: str, authorization: Optional[str]) -> None:
    """RFC 6750 section 3: 401, and the scheme that is asked for."""
    answer = send(with_token, path, {}, {"Authorization": authorization} if authorization is not None else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_too_many_wrong_tokens_are_refused_as_such_and_the_right_one_never(fresh: str) -> None:
    """RFC 6585 section 4. A client that shares an address with a stranger is not locked out."""
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [send(fresh, "/api/v1/clear/counters", headers=wrong).status_code for _ in range(150)]
    assert set(statuses) == {401, 429}
    assert statuses.index(429) >= MAX_WRONG_TOKENS
    assert send(fresh, "/api/v1/clear/counters", headers=AUTHORIZED).status_code == 204


def test_a_request_without_a_token_is_no_attempt(fresh: str) -> None:
    statuses = {send(fresh, "/api/v1/clear/counters").status_code for _ in range(30)}
    assert statuses == {401}


def test_sessions_of_one_virtual_server_and_of_all_are_cleared(fresh: str) -> None:
    cleared = "/api/v1/clear/sessions"
    assert send(fresh, cleared, {"vserver": "NOBODY"}, AUTHORIZED).status_code == 404
    assert send(fresh, cleared, {"vserver": "MIPSLB"}, AUTHORIZED).json() == {"cleared": 4}
    assert requests.get(f"{fresh}/api/v1/sessions").json() == []
    assert send(fresh, cleared, {}, AUTHORIZED).json() == {"cleared": 0}


def test_counters_are_cleared(fresh: str) -> None:
    assert send(fresh, "/api/v1/clear/counters", headers=AUTHORIZED).status_code == 204
    rows = requests.get(f"{fresh}/api/v1/statistics").json()
    states = {"sessions", "unconfirmed_sessions", "session_limit"}
    assert {row["value"] for row in rows if row["counter"] not in states} == {0}


def test_the_configuration_is_read_with_masked_secrets(fresh: str) -> None:
    answer = requests.get(f"{fresh}/api/v1/config")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "ip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n" in answer.text
    assert "ip slb dfp password 7 ****\n" in answer.text


def test_configuration_commands_are_applied_all_or_none(fresh: str) -> None:
    path, farm = "/api/v1/config", "ip slb serverfarm HAFARM\n real 10.1.1.51\n"
    applied = send(fresh, path, f"{farm}  weight 5\n", AUTHORIZED)
    assert "+ ip slb serverfarm HAFARM / real 10.1.1.51 / weight 5" in applied.json()["changes"]
    refused = send(fresh, path, f"{farm}  weight 6\n  weight 999\n", AUTHORIZED)
    assert refused.status_code == 422
    assert [error["line"] for error in refused.json()["errors"]] == [4]
    assert requests.get(f"{fresh}/api/v1/reals").json()[0]["weight"] == 5


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", '{"vserver": 1}', '{"vserver": null}', '{"server": "MIPSLB"}', "[" * 50000, "\ud800"],
)
def test_a_malformed_body_is_refused_with_what_is_expected(with_token: str, body: str) -> None:
    headers = {**AUTHORIZED, "Content-Type": "application/json"}
    data = body.encode("utf-8", "surrogatepass")
    answer = requests.post(f"{with_token}/api/v1/clear/sessions", data, headers=headers)
    assert answer.status_code == 400
    assert '{"vserver": "MIPSLB"}' in answer.json()["error"]


def test_a_body_that_is_too_long_or_of_another_type_is_refused(with_token: str) -> None:
    path = "/api/v1/config"
    for length, status in ((MAX_BODY, 422), (MAX_BODY + 1, 413), (50 * MAX_BODY, 413)):
        assert send(with_token, path, "x" * length, AUTHORIZED).status_code == status
    assert send(with_token, path, {}, AUTHORIZED).status_code == 415


# Hostile clients


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"GET ", b"GET / HTTP/1.1\r\n", b"POST /api/v1/config HTTP/1.1\r\n"])
)
def test_no_bytes_end_the_server_or_get_a_traceback(read_only: str, data: bytes, beginning: bytes) -> None:
    assert b"Traceback" not in raw(read_only, beginning + data)
    assert raw(read_only, b"HEAD / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /api/v1/config HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/config HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        b"POST /api/v1/config HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["long path", "many headers", "long header", "negative length", "huge length", "broken chunk"],
)
def test_hostile_requests_are_refused(with_token: str, request_: bytes) -> None:
    try:
        answer = raw(with_token, request_)
    except OSError:  # it closed while we were still sending
        answer = b""
    assert not answer or answer[9:10] == b"4", answer[:100]
    assert requests.get(f"{with_token}/metrics").ok


def test_silent_clients_do_not_delay_other_clients(read_only: str) -> None:
    """Each is closed after ten seconds: a server that waited for one after the other would need 200."""
    parts = urlsplit(read_only)
    idle = [socket.create_connection((str(parts.hostname), parts.port or 0)) for _ in range(20)]
    assert requests.get(f"{read_only}/api/v1/reals", timeout=60).ok
    for stream in idle:
        stream.close()


def test_the_overview_has_the_same_rows_as_the_tables(read_only: str) -> None:
    def without_age(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: value for key, value in row.items() if key not in ("served_for", "silent")} for row in rows]

    paths = {"changes": "history/changes", "members": "redundancy/members", "dfp_agents": "dfp/agents"}
    overview = requests.get(f"{read_only}/api/v1/overview").json()
    assert overview.pop("notices") is not None  # no table has them
    assert overview
    for name, rows in overview.items():
        table = requests.get(f"{read_only}/api/v1/{paths.get(name, name)}").json()
        assert without_age(rows) == without_age(table), name
