"""An HTTP server over a balancer that has something to show, hostile names among it. As a program it serves until its
standard input ends, and prints the port that it serves on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import eventlet
from cluster_member import leading_member
from fake_switch import FakeTransport
from lone_application import LoneApplication

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import DfpManager
from ryu_haslb.dfp.manager_sockets import DfpConnections
from ryu_haslb.dfp.weight_table import AgentAddress, Server
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.state_history import Kind, StateHistory
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import make_request
from ryu_haslb.web import protocol
from ryu_haslb.web.server import HttpServer

TOKEN = "correct-horse-battery-staple"
#: When what it shows has happened, by the clock that ages are counted with: a machine may be up for seconds.
NOW = time.monotonic()
MANY_SESSIONS = 40_000
HASTY_TIMEOUT = 0.2
TIMEOUTS = {"hasty": HASTY_TIMEOUT, "patient": 3600.0}
QUIETLY = ("-W", "ignore")
CONFIGURATION = """\
ip slb probe ALIVE ipmobile
  source 10.1.1.9
ip slb serverfarm HAFARM
  probe ALIVE
  real 10.1.1.51
    weight 3
    faildetect numconns 1 numclients 1
    reassign 1
    inservice
  real 10.1.1.52
    inservice
  real 10.1.1.53
ip slb serverfarm <b>&"farm
  nat server
ip slb vserver MIPSLB
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm HAFARM
  idle ipmobile request 300
  inservice
ip slb dfp password 0 cisco
  agent 10.1.1.51 500 60 0 10
"""
HOSTILE_NAI = b"<script>alert(1)</script>\xff\x00\n@isp.com"


class WebBench(LoneApplication):
    """What the application is to the HTTP side: something to show, and something to change."""

    def __init__(self) -> None:
        configuration = read_configuration(CONFIGURATION, "bench")[0]
        super().__init__(configuration, Balancer(configuration))
        self.member = leading_member()
        self.history = StateHistory()
        self.history.record(Kind.FARM, "HAFARM", "OPERATIONAL", "FAILED")
        self.dfp = DfpConnections(self.configuration.dfp or DfpManager(), lambda _: None)
        self.dfp.weights.set(Server(IPv4Address("10.1.1.52"), 434, 17, 65535), 25, _AGENT, NOW)
        self.channel = FakeTransport()
        self.channel.latency.observe(0.0002, 3)
        self.channel.latency.observe(7.0, 1)
        switch = Switch(1, self.configuration, self.balancer)
        switch.connect(Transactions(self.channel), NOW)
        self.switches = {1: switch, 2: Switch(2, self.configuration, self.balancer)}
        for real in self.balancer.reals():
            real.reachable_from.add(1)

    @property
    def sources(self) -> Sources:
        return Sources(self.configuration, self.balancer, self.dfp, self.switches, self.member, self.history)

    def request(self, nai: bytes, retries: int = 0) -> None:
        """A registration request of this mobile, after so many others."""
        server = self.balancer.virtual_servers["MIPSLB"]
        client = IPv4Address("15.1.1.51").packed
        self.balancer.request(
            make_request(server, b"\x01" + nai, client, 434, bytes(4), 600, 1, retries), NOW + retries
        )

    def fill(self) -> None:
        """Sessions of all sorts, a failed real server, a drop."""
        for nai in (b"anna@isp.com", b"bert@isp.com", HOSTILE_NAI):
            self.request(nai)
        server = self.balancer.virtual_servers["MIPSLB"]
        self.balancer.recover(server, 0x020000000001, server.farm.reals[1], NOW)
        for retry in (1, 2):
            self.request(b"anna@isp.com", retry)
        self.balancer.statistics.count_dropped(DropReason.FRAGMENT)


_AGENT = AgentAddress(IPv4Address("10.1.1.51"), 500)


@contextmanager
def served(*options: str) -> Iterator[str]:
    """The address of a server in a process of its own.

    ``options``: ``token`` allows changes, ``hasty`` makes time limits short, ``patient`` so long that they end nothing,
    ``many`` makes the list of sessions longer than the buffers of a connection.
    """
    process = subprocess.Popen(
        [sys.executable, *QUIETLY, str(Path(__file__)), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert process.stdin is not None
        process.stdin.close()


def main(options: list[str]) -> None:
    bench = WebBench()
    bench.fill()
    for option, timeout in TIMEOUTS.items():
        if option in options:
            protocol.IDLE_TIMEOUT = protocol.HEAD_TIMEOUT = protocol.BODY_TIMEOUT = protocol.SEND_TIMEOUT = timeout
    if "many" in options:
        for number in range(MANY_SESSIONS):
            bench.request(b"%d@isp.com" % number)
    server = HttpServer(bench, "127.0.0.1", 0, TOKEN if "token" in options else None)
    server.tick(bench.balancer.reals(), NOW)
    serving: Any = eventlet.spawn(server.serve)
    print(server.port, flush=True)
    eventlet.hubs.trampoline(sys.stdin, read=True)
    serving.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
