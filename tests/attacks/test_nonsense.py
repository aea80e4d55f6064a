"""Nonsense at every door of one balancer, all at the same time: it goes on, logs no fault, and keeps no descriptor.

``HASLB_ATTACK_CASES`` says how much at each door (30 by default), ``HASLB_ATTACK_SEED`` which.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from attacked import CONFIGURATION, HARD_LIMIT, Controller, started
from balancer_process import free_port
from nonsense import configuration, control_request, dfp_message, http_request
from process_size import descriptors, open_files, resident

from haslb_lab.node import control
from haslb_lab.runner.waiting import wait_until
from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.agent_connection import AgentConnection, SetWeight
from ryu_haslb.dfp.security import KeyRing

CASES = int(os.environ.get("HASLB_ATTACK_CASES", "30"))
SEED = int(os.environ.get("HASLB_ATTACK_SEED", str(random.randrange(1 << 32))))
#: Seconds that a client waits for an answer; what it sent may be half of a request.
ANSWER_TIMEOUT = 0.1
#: Bytes by which the process may grow.
MAX_GROWTH = 48 << 20
TOKEN = "correct-horse-battery-staple"


def test_nonsense_at_every_door_stops_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    print(f"HASLB_ATTACK_SEED={SEED}")
    port, path, token = free_port(), str(tmp_path / "control"), tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with started(tmp_path, CONFIGURATION, HASLB_HTTP=str(port), HASLB_HTTP_TOKEN_FILE=str(token)) as controller:
        wait_until(lambda: answers(path), "the control socket answers", HARD_LIMIT)
        process = controller.process.pid
        before, open_before = resident(process), descriptors(process)
        doors = [
            lambda chance: at_http(port, http_request(chance), chance),
            lambda chance: at_control(path, control_request(chance)),
            lambda chance: by_signal(controller, tmp_path / "farm.ios", configuration(chance)),
        ]
        answered = [0] * len(doors)
        threads = [threading.Thread(target=attack, args=(door, SEED + n, answered)) for n, door in enumerate(doors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(answered), f"each door has answered something: {answered}"
        assert answers(path)
        controller.require_alive()
        # nonsense may have named DFP agents, to which there are connections now
        by_signal(controller, tmp_path / "farm.ios", CONFIGURATION)
        wait_until(
            lambda: descriptors(process) <= open_before + 3, lambda: f"open: {open_files(process)}", 5 * HARD_LIMIT
        )
        print(f"{(resident(process) - before) >> 10} KiB more memory, {len(controller.log())} bytes of log")
        assert resident(process) - before < MAX_GROWTH


def attack(door: Callable[[random.Random], int], seed: int, answered: list[int]) -> None:
    """Count the bytes of all answers."""
    chance = random.Random(seed)
    for _ in range(CASES):
        with suppress(OSError):
            answered[seed - SEED] += door(chance)


def answers(path: str) -> bool:
    with suppress(Exception):
        return "counter" in control.request(path, "show ip slb stats")
    return False


def at_http(port: int, request: bytes, chance: random.Random) -> int:
    request = request.replace(b"Bearer x", f"Bearer {TOKEN}".encode())
    with socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT) as client:
        with suppress(ConnectionError):  # it may have been refused while we were still sending
            for begin in range(0, len(request), chance.choice((1000, 1 << 20))):
                client.sendall(request[begin : begin + 1000])
        return read(client)


def at_control(path: str, request: bytes) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_TIMEOUT)
        client.connect(path)
        with suppress(ConnectionError):
            client.sendall(request)
        return read(client)


def by_signal(controller: Controller, path: Path, text: str) -> int:
    path.write_bytes(text.encode("utf-8", "replace"))
    os.kill(controller.process.pid, signal.SIGHUP)
    time.sleep(ANSWER_TIMEOUT / 4)
    return len(controller.log())


def read(client: socket.socket) -> int:
    count = 0
    with suppress(OSError):
        while data := client.recv(1 << 16):
            count += len(data)
    return count


@pytest.mark.parametrize("password", ["", "cisco"])
def test_nonsense_of_a_dfp_agent_raises_nothing(password: str) -> None:
    chance, now = random.Random(SEED), 100.0
    print(f"HASLB_ATTACK_SEED={SEED}")
    for _ in range(CASES):
        connection = AgentConnection(DfpAgent(IPv4Address("10.1.1.51"), 500, timeout=30), KeyRing(password))
        connection.start()
        connection.connected(now)
        for _ in range(chance.randrange(20)):
            for action in connection.received(dfp_message(chance), now):
                assert not password or not isinstance(action, SetWeight)
            now += chance.random()
            connection.tick(now)
