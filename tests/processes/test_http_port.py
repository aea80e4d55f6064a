"""HTTP is off by default, and listens on loopback unless another address is set."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import psutil
import requests
from balancer_process import balancer_process, free_port, read_until
from web_bench import CONFIGURATION

FARM = CONFIGURATION.partition("ip slb dfp")[0]


def listening(process: subprocess.Popen[str]) -> set[tuple[str, int]]:
    """Wait until the application is up; where it listens for TCP then."""
    read_until(process, " started: configuration ")
    connections = psutil.Process(process.pid).net_connections("tcp")
    return {(each.laddr.ip, each.laddr.port) for each in connections if each.status == psutil.CONN_LISTEN}


def test_http_is_off_until_asked_for(tmp_path: Path) -> None:
    with balancer_process(tmp_path, FARM, free_port()) as process:
        assert len(listening(process)) <= 1, "the OpenFlow port"


def test_a_port_alone_means_loopback(tmp_path: Path) -> None:
    port = free_port()
    with balancer_process(tmp_path, FARM, free_port(), HASLB_HTTP=str(port)) as process:
        assert ("127.0.0.1", port) in listening(process)
        assert requests.get(f"http://127.0.0.1:{port}/api/v1/reals", timeout=30).json()[0]["real"] == "10.1.1.51"
        assert requests.post(f"http://127.0.0.1:{port}/api/v1/clear/counters", timeout=30).status_code == 403


def test_a_taken_port_ends_the_application_with_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as another Ryu does
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with balancer_process(tmp_path, FARM, free_port(), HASLB_HTTP=str(port)) as process:
            _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(rf"^ryu_haslb: cannot serve HTTP on 127\.0\.0\.1 port {port}: .*; set HASLB_HTTP to", said, re.M)
    assert "Traceback" not in said
