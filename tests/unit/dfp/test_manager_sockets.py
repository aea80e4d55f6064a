"""The manager's sockets, talked to by agents on loopback that are written here (draft-eck-dfp-01)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any, ClassVar, Optional

import eventlet
import pytest

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import State
from ryu_haslb.dfp.framing import FrameReader
from ryu_haslb.dfp.manager_sockets import DfpConnections
from ryu_haslb.dfp.messages import DfpParameters, Message, PreferenceInformation, ServerState, decode, encode
from ryu_haslb.dfp.tlv import ANY_BIND_ID, UDP, HostPreference, Load

REAL = IPv4Address("10.1.1.51")
OTHER = IPv4Address("10.1.1.52")
LOCALHOST = IPv4Address("127.0.0.1")


class Agent:
    """A DFP agent with one manager."""

    def __init__(self) -> None:
        self.listener = eventlet.listen(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.manager: Any = None
        self._frames = FrameReader()
        self._messages: list[Message] = []

    def accept(self) -> None:
        self.manager, _ = self.listener.accept()
        self._frames = FrameReader()

    def report(self, weight: int, address: IPv4Address = REAL) -> None:
        load = Load(434, UDP, (HostPreference(address, ANY_BIND_ID, weight),))
        self.manager.sendall(encode(PreferenceInformation((load,))))

    def receive(self) -> Message:
        while not self._messages:
            data = self.manager.recv(4096)
            assert data, "the manager has closed the connection"
            self._messages += [decode(frame) for frame in self._frames.feed(data)]
        return self._messages.pop(0)


class Manager:
    """The connections under test, with a note of every change of weights."""

    running: ClassVar[list[Manager]] = []

    def __init__(self, *agents: Agent, timeout: int = 0, password: Optional[str] = None) -> None:
        self.changes: eventlet.queue.LightQueue = eventlet.queue.LightQueue()
        self.configuration = DfpManager(
            password, 180, tuple(DfpAgent(LOCALHOST, agent.port, timeout, 0, 1, None) for agent in agents)
        )
        self.connections = DfpConnections(self.configuration, self.changes.put)
        self.connections.start()
        self.running.append(self)

    def close(self) -> None:
        """End the connections, and let their readers see it: another test must not find them in its log."""
        self.connections.configure(DfpManager(), time.monotonic())
        eventlet.sleep(0)

    def weight(self, address: IPv4Address = REAL) -> Optional[int]:
        return self.connections.weights.weight(address)


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """No wait in these tests is for ever."""
    with eventlet.Timeout(30):
        yield
        while Manager.running:
            Manager.running.pop().close()


def connected(agent: Agent, **options: Any) -> Manager:
    manager = Manager(agent, **options)
    agent.accept()
    assert isinstance(agent.receive(), DfpParameters)
    return manager


def report_and_close(agent: Agent, manager: Manager) -> None:
    """The agent reports a weight, and closes the connection: that withdraws the weight."""
    agent.report(25)
    manager.changes.get()
    agent.manager.close()
    assert manager.changes.get() is None


def test_a_report_sets_the_weight_and_names_its_server() -> None:
    agent = Agent()
    manager = connected(agent)
    agent.report(25)
    assert [(report.server.address, report.weight) for report in manager.changes.get()] == [(REAL, 25)]
    assert manager.weight() == 25


def test_a_lost_connection_withdraws_the_weights_and_is_made_again() -> None:
    agent = Agent()
    manager = connected(agent)
    report_and_close(agent, manager)
    assert manager.weight() is None
    manager.connections.tick(time.monotonic() + 1.5)
    agent.accept()
    agent.report(24)
    assert manager.changes.get() is not None
    assert manager.weight() == 24


def test_the_loss_of_an_agent_is_left_to_the_line_about_its_state_unless_it_was_not_seen_connected(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for one event: that of ``state_log`` has the severity, and gets its reason here."""
    caplog.set_level(logging.INFO)
    for brief, logged in ((60.0, 1), (0.0, 0)):
        monkeypatch.setattr("ryu_haslb.dfp.manager_sockets._MIN_SEEN_TIME", brief)
        caplog.clear()
        agent = Agent()
        manager = connected(agent)
        report_and_close(agent, manager)
        eventlet.sleep(0)
        (link,) = manager.connections.links
        assert link.lost_because == "connection lost; next attempt in 1 s"
        line = f"connection to DFP agent 127.0.0.1:{agent.port} failed: {link.lost_because}"
        assert [record.getMessage() for record in caplog.records] == [line] * logged


def test_an_agent_with_another_password_is_warned_of_once_for_each_connection(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each report would be all that a log has of a night."""
    agent = Agent()
    manager = connected(agent, password="cisco")
    (link,) = manager.connections.links
    for connection in (1, 2):
        for _ in range(3):
            before = link.connection.counters.authentication_failures
            agent.report(25)
            while link.connection.counters.authentication_failures == before:
                eventlet.sleep(0.001)
        agent.manager.close()
        assert manager.changes.get() is None
        manager.connections.tick(time.monotonic() + 1.5)
        agent.accept()
        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(lines) == connection
    assert all("sent a message without a valid signature" in line for line in lines)


def test_an_agent_that_was_never_connected_has_its_reason_too() -> None:
    agent = Agent()
    agent.listener.close()
    (link,) = Manager(agent).connections.links
    while not link.lost_because:
        eventlet.sleep(0.001)
    assert link.lost_because == "Connection refused; next attempt in 1 s"


def test_an_agent_is_tried_at_once_when_its_host_is_found() -> None:
    """A switch that finds the host ends the retry interval, which is three minutes by default."""
    agent = Agent()
    agent.listener.close()
    manager = Manager(agent)
    (link,) = manager.connections.links

    def state() -> State:
        return link.connection.state

    while state() is not State.WAITING:
        eventlet.sleep(0.001)
    agent.listener = eventlet.listen(("127.0.0.1", agent.port))
    manager.connections.set_reachable(frozenset({REAL}), time.monotonic())
    assert state() is State.WAITING, "another host has appeared"
    manager.connections.set_reachable(frozenset({REAL, LOCALHOST}), time.monotonic())
    assert state() is State.CONNECTING
    agent.accept()
    agent.report(7)
    manager.changes.get()
    assert manager.weight() == 7


def test_the_keep_alive_timeout_closes_the_connection() -> None:
    """Nothing heard for the keep-alive time: the manager closes (section 5.3)."""
    begin = time.monotonic()  # before the report, however long that takes
    agent = Agent()
    manager = connected(agent, timeout=2)
    agent.report(25)
    manager.changes.get()
    manager.connections.tick(begin + 2.9)
    assert manager.weight() == 25
    for _ in range(2):
        manager.connections.tick(time.monotonic() + 3.1)
    assert manager.changes.get() is None
    assert agent.manager.recv(4096) == b""


def test_a_broken_stream_closes_only_its_own_connection() -> None:
    good, bad = Agent(), Agent()
    manager = Manager(good, bad)
    good.accept()
    bad.accept()
    good.report(25)
    manager.changes.get()
    bad.report(7, OTHER)
    manager.changes.get()
    bad.manager.sendall(b"\x02\x00\x01\x01\xff\xff\xff\xff")
    assert manager.changes.get() is None
    assert (manager.weight(), manager.weight(OTHER)) == (25, None)
    good.report(24)
    manager.changes.get()
    assert manager.weight() == 24


def test_an_agent_receives_the_states_of_its_own_servers() -> None:
    """The Server State message (section 6.2): weight 0 means out of service."""
    agent = Agent()
    manager = connected(agent)
    agent.report(25)
    manager.changes.get()
    for weights in ({REAL: 8, OTHER: 8}, {REAL: 0, OTHER: 0}, {REAL: 0, OTHER: 8}, {REAL: 8, OTHER: 8}):
        manager.connections.send_server_states(weights, time.monotonic())
    told = [agent.receive(), agent.receive()]
    assert told == [ServerState((Load(434, UDP, (HostPreference(REAL, ANY_BIND_ID, weight),)),)) for weight in (0, 8)]


def test_agents_come_and_go_by_configuration_and_the_others_stay_connected() -> None:
    first, second = Agent(), Agent()
    manager = connected(first)
    first.report(25)
    manager.changes.get()
    both = DfpManager(
        None, 180, (DfpAgent(LOCALHOST, first.port, reals=None), DfpAgent(LOCALHOST, second.port, reals=None))
    )
    manager.connections.configure(both, time.monotonic())
    second.accept()
    second.report(9, OTHER)
    manager.changes.get()
    assert (manager.weight(), manager.weight(OTHER)) == (25, 9)
    manager.connections.configure(DfpManager(None, 180, both.agents[1:]), time.monotonic())
    assert manager.changes.get() is None
    assert (manager.weight(), manager.weight(OTHER)) == (None, 9)
    assert [link.connection.state for link in manager.connections.links] == [State.CONNECTED]


def test_an_agent_that_may_no_longer_set_a_weight_loses_it_at_once() -> None:
    agent = Agent()
    manager = connected(agent)
    agent.report(25)
    manager.changes.get()
    own = DfpManager(None, 180, (DfpAgent(LOCALHOST, agent.port),))
    manager.connections.configure(own, time.monotonic())
    assert manager.weight() is None
    agent.report(24)
    agent.report(7, LOCALHOST)
    manager.changes.get()
    assert (manager.weight(), manager.weight(LOCALHOST)) == (None, 7)
