"""A storm of registrations that goes on while something happens to the balancer, and what becomes of it."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from bench import PDSN, REALS, WAIT_TIMEOUT, Bench, farm, virtual_server, wait_until
from mobile import registration

#: No home agent replies here, and no request of the storm is to move a mobile for that.
CONFIGURATION = (
    farm((address, 1) for address in REALS.values()).replace("inservice", "reassign 4\nno faildetect inband\ninservice")
    + virtual_server()
)
#: New mobiles in one go, with half as many of before; seconds between two goes.
_AT_ONCE, _PAUSE = 20, 0.01
_NAME = b"storm-0000000@isp.com"


class Storm:
    """Ever more mobiles, which are numbered, and of which many ask again. Use it as a context manager.

    ``homes`` are the home agents that the requests of each mobile have come to, one for each request that arrived.
    ``sent`` mobiles have sent a request.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._frame = registration(_NAME.decode(), udp={"chksum": 0})
        self._ended = Event()
        self._thread = Thread(target=self._blow)
        self._marks = 0
        self.sent = 0
        self.homes: dict[int, list[str]] = {}

    def __enter__(self) -> Storm:
        self._thread.start()
        self.await_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._bench.finish_sending()
        self._take(self._bench.settle())

    def _blow(self) -> None:
        while not self._ended.is_set():
            new = range(self.sent, self.sent + _AT_ONCE)
            self._bench.send(*map(self.frame, [*new, *(number // 2 for number in new if number % 2)]))
            self.sent = new.stop
            time.sleep(_PAUSE)

    def frame(self, number: int) -> bytes:
        """A request of a mobile."""
        return self._frame.replace(_NAME, _NAME.replace(b"0000000", b"%07d" % number))

    def await_more(self) -> None:
        """Wait until a few thousand more mobiles have sent a request."""
        enough = self.sent + 2000
        wait_until(lambda: self.sent >= enough, "more mobiles send")

    def arrived(self) -> list[int]:
        """The mobiles whose requests have arrived. While no balancer runs, that is all that was dispatched.

        Behind what the switch has sent to each home agent comes a ping with a number.
        """
        self._marks += 1
        mark = f"{self._marks:08x}"
        for node, address in REALS.items():
            ping = ["ping", "-n", "-c", "1", "-s", "20", "-p", mark, address]
            assert self._bench.lab.run(PDSN, ping, stdout=subprocess.DEVNULL).wait(WAIT_TIMEOUT) == 0
            self._bench._captures[node].wait_for(lambda each: each.endswith(bytes.fromhex(mark)))
        self._take({node: self._bench._captures[node].frames for node in REALS})
        return sorted(self.homes)

    def ask_again(self, mobiles: Iterable[int]) -> None:
        """Have these mobiles ask once more, so slowly that each request arrives."""
        self._take(self._bench.exchange(*map(self.frame, mobiles)))

    @property
    def requests(self) -> int:
        """Requests that were sent."""
        return self.sent + self.sent // 2

    @property
    def lost(self) -> int:
        """Requests that have not arrived."""
        return self.requests - sum(map(len, self.homes.values()))

    def moved(self) -> list[int]:
        """The mobiles whose requests have not all come to one home agent."""
        return sorted(mobile for mobile, homes in self.homes.items() if len(set(homes)) > 1)

    def _take(self, received: dict[str, list[bytes]]) -> None:
        for home, frames in received.items():
            for each in frames:
                if b"storm-" in each:
                    self.homes.setdefault(int(each.partition(b"storm-")[2][:7]), []).append(home)
            frames.clear()


@contextmanager
def bystanders(bench: Bench) -> Iterator[None]:
    """One home agent pings another meanwhile. Each ping must be answered."""
    ping = ["ping", "-n", "-i", "0.02", REALS["sami3"]]
    with bench.lab.run("sami1", ping, stdout=subprocess.PIPE) as process:
        yield
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    answered = list(map(int, re.findall(rb"icmp_seq=(\d+) ttl", output)))
    assert sorted(answered) == list(range(1, len(answered) + 1)), "all up to the last one that was answered"
    assert len(answered) > 50
