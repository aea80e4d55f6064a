"""An honest switch in a process of its own, which asks a balancer for echoes as long as it is served.

A balancer hangs up on a switch that answers no barrier for 15 s. A thread beside those that attack waits for their
interpreter, and a process of their session for the processor that they have used up: on a busy machine such a switch
was silent for so long by itself. This one has a session of its own, and its own share of the processors with it
(sched(7), autogroup).
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fake_switch import HEADER, FakeSwitch, message

from ryu_haslb.openflow.wire import wire

#: Seconds between an answer and the next echo request, and until the socket's end when the balancer says nothing.
_ECHO_INTERVAL, _TIMEOUT = 0.02, 60.0


class Answers(NamedTuple):
    """The seconds that each echo took, and for how many of all seconds the process waited for a processor."""

    took: list[float]
    waited: float

    def __str__(self) -> str:
        ordered = sorted(self.took) or [0.0]
        middle, tail = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        times = f"median {middle * 1000:.1f} ms, 99 % {tail * 1000:.1f} ms, most {ordered[-1]:.3f} s"
        return f"{len(self.took)} echoes: {times}; {self.waited:.1f} s without a processor"


@contextmanager
def honest_switch(host: str, port: int, datapath_id: int) -> Iterator[list[Answers]]:
    """The list has its answers at the end. Raises: AssertionError if it was disconnected."""
    words = [sys.executable, __file__, host, str(port), str(datapath_id)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe, answers = subprocess.PIPE, list[Answers]()
    with subprocess.Popen(
        words, stdin=pipe, stdout=pipe, env=environment, text=True, start_new_session=True
    ) as process:
        try:
            yield answers
        finally:
            told = json.loads(process.communicate("")[0])
            answers.append(Answers(told["took"], told["waited"]))
            print(answers[0])
        assert not told["end"], f"the honest switch was disconnected: {told['end']}; {answers[0]}"


def _serve(host: str, port: int, datapath_id: int, took: list[float]) -> str:
    """Be a switch until the end of standard input; why it ended before."""
    switch = FakeSwitch(datapath_id)
    with socket.create_connection((host, port), _TIMEOUT) as peer:
        peer.sendall(message(wire.OFPT_HELLO, 0))
        asked, mark, asks_at = 0.0, b"", time.monotonic()
        while True:
            pause = max(0.0, asks_at - time.monotonic()) if not mark else _TIMEOUT
            readable, _, _ = select.select([peer, sys.stdin], [], [], pause)
            if sys.stdin in readable:
                return ""
            if not readable and mark:
                return f"no answer for {_TIMEOUT:g} s"
            if peer in readable:
                data = peer.recv(1 << 16)
                if not data:
                    return "the balancer has closed the connection"
                for received, replies in switch.receive(data):
                    peer.sendall(b"".join(replies))
                    if mark and received[1] == wire.OFPT_ECHO_REPLY and received[HEADER.size :] == mark:
                        took.append(time.monotonic() - asked)
                        mark, asks_at = b"", time.monotonic() + _ECHO_INTERVAL
            if not mark and time.monotonic() >= asks_at:
                asked, mark = time.monotonic(), b"%d" % len(took)
                peer.sendall(message(wire.OFPT_ECHO_REQUEST, 0, mark))


def main() -> None:
    took: list[float] = []
    try:
        end = _serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3], 0), took)
    except OSError as error:
        end = str(error)
    waited = int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    print(json.dumps({"took": took, "waited": waited, "end": end}))


if __name__ == "__main__":
    main()
