"""Where HTTP is served, and the token that allows changes: what ``HASLB_HTTP`` and its kin may say."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from balancer_process import free_port
from web_bench import TOKEN, WebBench

from ryu_haslb.web.server import HttpServer
from ryu_haslb.web.settings import HttpSettingError, http_server


@pytest.mark.parametrize(
    "value",
    ["x", "0", "65536", "-1", "80 ", "٨٠٨٠", "localhost:80", "1.2.3:80", "[::1:80", "::1:80", ":80", "1.1.1.1:"],
)
def test_an_address_that_is_none_is_refused_with_examples(value: str) -> None:
    with pytest.raises(HttpSettingError, match=r"expected \[ADDRESS:\]PORT, such as 8080"):
        http_server(WebBench(), {"HASLB_HTTP": value})


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"short", b"two words that are long", "tökentökentöken".encode(), b"\0" * 20, None]
)
def test_a_token_file_without_a_token_is_refused_and_how_to_make_one_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.touch(0o600)
        path.write_bytes(content)
    with pytest.raises(HttpSettingError, match=re.escape(str(path))):
        http_server(WebBench(), {"HASLB_HTTP": str(free_port()), "HASLB_HTTP_TOKEN_FILE": str(path)})


def token_file(folder: Path, mode: int = 0o600, content: str = f"{TOKEN}\n") -> Path:
    path = folder / "token"
    path.write_text(content)
    path.chmod(mode)
    return path


def settings(path: Path) -> dict[str, str]:
    return {"HASLB_HTTP": str(free_port()), "HASLB_HTTP_TOKEN_FILE": str(path)}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o666, 0o777])
def test_a_token_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = token_file(tmp_path, mode)
    link = tmp_path / "link"
    link.symlink_to(path)
    for each in (path, link):
        with pytest.raises(HttpSettingError, match=rf"has mode {mode:04o}: .*; make it private with: chmod 600 "):
            http_server(WebBench(), settings(each))


@pytest.mark.parametrize("content", [f"{TOKEN}", f" \t{TOKEN}\r\n", f"\n{TOKEN}\n\n"])
def test_white_space_around_a_token_does_not_count(tmp_path: Path, content: str) -> None:
    server = http_server(WebBench(), settings(token_file(tmp_path, 0o400, content)))
    assert server is not None
    server.close()


def test_a_token_behind_a_symbolic_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(token_file(tmp_path))
    server = http_server(WebBench(), settings(tmp_path / "link"))
    assert server is not None
    server.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_token_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = token_file(tmp_path)
    os.chown(path, 12345, -1)
    with pytest.raises(HttpSettingError, match="belongs to user 12345; expected root or the balancer's user"):
        http_server(WebBench(), settings(path))


def test_a_token_file_that_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "dangling", "loop", "."):
        with pytest.raises(HttpSettingError, match="token file"):
            http_server(WebBench(), settings(tmp_path / name))


def test_a_token_file_may_end_in_a_line_feed(tmp_path: Path) -> None:
    path = token_file(tmp_path)
    server = http_server(WebBench(), {"HASLB_HTTP": str(free_port()), "HASLB_HTTP_TOKEN_FILE": str(path)})
    assert isinstance(server, HttpServer)
    server.close()


def test_an_ipv6_address_stands_in_brackets() -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    server = http_server(WebBench(), {"HASLB_HTTP": f"[::1]:{free_port()}"})
    assert server is not None
    server.close()


def test_empty_means_off() -> None:
    assert http_server(WebBench(), {}) is None
    assert http_server(WebBench(), {"HASLB_HTTP": ""}) is None
