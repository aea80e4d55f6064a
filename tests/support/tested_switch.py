"""``haslb switch-test`` against the simulated switch, on a virtual clock: neither sockets nor waiting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Optional

from ryu_haslb.openflow.wire.wire import HEADER
from ryu_haslb.switch_test.bench import Bench, Identity
from ryu_haslb.switch_test.examination import Examination, Findings
from ryu_haslb.switch_test.exchange import Conversation
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch

#: Two ports that are connected to each other.
CABLE = (1, 2)
PORTS = {1: "eth1", 2: "eth2", 3: "eth3"}
#: Seconds of the virtual clock between two looks at it, and that a reply takes.
STEP, DELAY = 0.25, 0.001
#: Bytes a second that the switch processes: some 200 messages, so that a measurement needs few of them.
SPEED = 20_000
#: Seconds of the virtual clock after which a test does not end.
MAX_DURATION = 1200.0


class TestedSwitch:
    """A simulated switch under test. ``cable`` are the two ports that are connected, ``ports`` names by number.

    ``answers`` may change what the switch sends: it gets a message and returns those that arrive. It may raise
    ConnectionError to close the connection. ``seconds_for`` is how long it takes for messages that it is sent together.
    """

    __test__ = False

    def __init__(self, cable: Optional[tuple[int, int]] = None, ports: Any = PORTS, **capabilities: Any) -> None:
        self.clock = Clock()
        self.cable = cable
        self.switch = SimulatedSwitch(0x51, dict(ports), self.clock, self._transmit, Capabilities(**capabilities))
        self.answers: Callable[[bytes], Iterable[bytes]] = lambda message: [message]
        self.seconds_for: Callable[[bytes], float] = lambda outgoing: DELAY + len(outgoing) / SPEED
        self.connects_again = True
        self.connections = 0
        self._arrived: list[bytes] = []
        self._is_connected = False
        self._connect()
        identity = Identity(0x51, min(254, self.switch.capabilities.tables), ports, "192.0.2.7")
        self.bench = Bench(identity, cable)
        self.remarks: list[str] = []

    def examine(self, fill: Optional[int] = None) -> Findings:
        """The findings of the whole test."""
        examination = Examination(self.bench, fill)
        self.remarks = self.run(examination.script()).remarks
        return examination.findings

    def run(self, script: Any) -> Conversation[Any]:
        """Run a script to its end."""
        conversation = Conversation(script, lambda: self.bench.settling_time)
        conversation.start(self.clock.now)
        end = self.clock.now + MAX_DURATION
        while not conversation.is_done:
            assert self.clock.now < end, "the test does not end"
            self._step(conversation)
        return conversation

    def _step(self, conversation: Conversation[Any]) -> None:
        if conversation.awaits_connection:
            self.clock.run_until(self.clock.now + 1.0)
            if self.connects_again:
                self._connect()
                conversation.on_connected(self.clock.now)
            conversation.tick(self.clock.now)
            return
        outgoing = conversation.take_outgoing()
        self._connection.receive(outgoing)
        if self._arrived:
            self.clock.run_until(self.clock.now + self.seconds_for(outgoing))
            conversation.tick(self.clock.now)  # the test has waited for the replies meanwhile
        else:
            self.clock.run_until(self.clock.now + STEP)
        self.switch.expire()
        arrived = list(self._arrived)
        self._arrived.clear()
        try:
            for message in (each for sent in arrived for each in self.answers(sent)):
                _, kind, _, xid = HEADER.unpack_from(message)
                conversation.on_message(kind, xid, message, self.clock.now)
        except ConnectionError as error:
            self._connection.close()
            self._arrived.clear()
            conversation.on_lost(str(error), self.clock.now)
        conversation.tick(self.clock.now)

    def _connect(self) -> None:
        self.connections += 1
        self._arrived.clear()
        self._connection = self.switch.connect(self._arrived.append)

    def _transmit(self, port: int, frame: bytes) -> None:
        if self.cable is not None and port in self.cable:
            other = self.cable[1 - self.cable.index(port)]
            self.clock.after(DELAY / 10, self.switch.receive, other, frame)


def assert_nothing_is_left(tested: TestedSwitch) -> None:
    """Neither rules nor meters of the test are on the switch."""
    assert not [flow for table in tested.switch.datapath.tables for flow in table]
    assert not tested.switch.datapath.meters
