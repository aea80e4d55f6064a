"""A balancer that serves its control socket as a process, without the engine and without switches.

``python control_process.py PATH SESSIONS`` prints ``ready`` once it serves. With each line that it reads from standard
input another session begins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from cluster_member import leading_member
from farm_builder import Bench
from lone_application import LoneApplication

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.control import execution
from ryu_haslb.dfp.manager_sockets import DfpConnections
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.state_history import StateHistory


class Application(LoneApplication):
    """The application that commands act on, around a bench of real servers."""

    def __init__(self, sessions: int = 0, weights: Sequence[int] = (1, 1), **server: object) -> None:
        self.bench = Bench(*weights, server={"idle": 65535, **server})
        super().__init__(self.bench.configuration, self.bench.balancer)
        self.begun = 0
        self.switches: Mapping[int, Switch] = {}
        self.member = leading_member()
        self.history = StateHistory()
        self.dfp = DfpConnections(self.configuration.dfp or DfpManager(), lambda _: None)
        self.begin(sessions)

    def begin(self, sessions: int) -> None:
        for _ in range(sessions):
            self.begun += 1
            self.bench.request(f"mwts-mip-np-user{self.begun}@ispxyz.com")

    @property
    def sources(self) -> Sources:
        return Sources(self.configuration, self.balancer, self.dfp, self.switches, self.member, self.history)

    def add_agents(self, *agents: DfpAgent) -> None:
        self.dfp = DfpConnections(DfpManager(agents=agents), lambda _: None)


@contextmanager
def control_process(path: Path, sessions: int = 0) -> Iterator[Popen[str]]:
    """Run the process; it is ready to serve."""
    argv = [sys.executable, __file__, str(path), str(sessions)]
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"}
    with Popen(argv, stdin=PIPE, stdout=PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def main() -> None:
    import eventlet  # noqa: PLC0415  # not in the process of the tests
    from eventlet import tpool  # noqa: PLC0415

    from ryu_haslb.control.server import ControlServer  # noqa: PLC0415

    application = Application(int(sys.argv[2]))
    server = ControlServer(sys.argv[1], lambda words: execution.execute(application, words))
    eventlet.spawn(server.serve)
    print("ready", flush=True)
    while tpool.execute(sys.stdin.readline):
        application.begin(1)


if __name__ == "__main__":
    main()
