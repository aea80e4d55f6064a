"""A manager and an agent that talk over a network which cuts, delays and breaks, in simulated time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Optional

from budget import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.agent_connection import AgentConnection, Connect, SetWeight, State, WithdrawWeights
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.manager_connection import ManagerConnection
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import HostPreference, Load
from ryu_haslb.dfp.weight_table import WeightTable

HOME_AGENT = IPv4Address("10.1.1.51")
KEEP_ALIVE = 40
RETRY_INTERVAL = 20


@dataclass
class Pipe:
    """One TCP connection: bytes that are under way in each direction."""

    agent: ManagerConnection
    to_agent: bytearray = field(default_factory=bytearray)
    to_manager: bytearray = field(default_factory=bytearray)


class Network:
    """Both ends, the wire between them, and the clock."""

    def __init__(self, manager_password: str = "", agent_password: str = "") -> None:
        self.now = 0.0
        self.weight = 25
        self.reported = {25}
        self.table = WeightTable()
        self.manager_keys, self.agent_keys = KeyRing(manager_password), KeyRing(agent_password)
        agent = DfpAgent(HOME_AGENT, 500, timeout=KEEP_ALIVE, retry_interval=RETRY_INTERVAL)
        self.manager = AgentConnection(agent, self.manager_keys)
        self.pipe: Optional[Pipe] = None
        self.reachable = True
        self.manager_does(self.manager.start())

    def loads(self) -> tuple[Load, ...]:
        return (Load(434, 17, (HostPreference(HOME_AGENT, 65535, self.weight),)),)

    def manager_does(self, actions: Iterable[object]) -> None:
        for action in actions:
            if isinstance(action, Connect):
                self.connect()
            elif isinstance(action, Send):
                assert self.pipe is not None
                self.pipe.to_agent += action.data
            elif isinstance(action, Close):
                self.pipe = None
            elif isinstance(action, SetWeight):
                self.table.set(action.server, action.weight, self.manager.name, self.now)
            elif isinstance(action, WithdrawWeights):
                self.table.withdraw(self.manager.name)

    def agent_does(self, actions: Iterable[object]) -> None:
        for action in actions:
            assert isinstance(action, Send), "a correct manager never makes the agent close"
            assert self.pipe is not None
            self.pipe.to_manager += action.data

    def connect(self) -> None:
        if not self.reachable:
            self.manager_does(self.manager.closed(self.now))
            return
        self.pipe = Pipe(ManagerConnection(self.agent_keys, self.loads()))
        self.agent_does(self.pipe.agent.connected(self.now))
        self.manager_does(self.manager.connected(self.now))

    def deliver(self, size: int) -> None:
        """Up to ``size`` bytes arrive at either end."""
        if self.pipe is not None:
            piece, self.pipe.to_agent[:size] = bytes(self.pipe.to_agent[:size]), b""
            self.agent_does(self.pipe.agent.received(piece, self.now))
        if self.pipe is not None:
            piece, self.pipe.to_manager[:size] = bytes(self.pipe.to_manager[:size]), b""
            self.manager_does(self.manager.received(piece, self.now))

    def cut(self) -> None:
        """The connection breaks; what was under way is lost."""
        if self.pipe is not None:
            self.pipe = None
            self.manager_does(self.manager.closed(self.now))

    def change_weight(self, weight: int) -> None:
        self.weight = weight
        self.reported.add(weight)
        if self.pipe is not None:
            self.agent_does(self.pipe.agent.report(self.loads(), self.now))

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            if self.pipe is not None:
                self.agent_does(self.pipe.agent.tick(self.now))
            self.manager_does(self.manager.tick(self.now))

    def run_calmly(self, seconds: int) -> None:
        """Everything arrives within the second."""
        for _ in range(seconds):
            self.pass_time(1)
            for _ in range(3):
                self.deliver(10**6)


steps = st.one_of(
    st.tuples(st.just("deliver"), st.integers(1, 60)),
    st.tuples(st.just("pass_time"), st.integers(1, 60)),
    st.tuples(st.just("change_weight"), st.integers(0, 25)),
    st.just(("cut",)),
    st.tuples(st.just("reach"), st.booleans()),
)


@settings(max_examples=examples(150))
@given(st.lists(steps, max_size=40), st.sampled_from(["", "cisco"]))
def test_the_weight_arrives_through_any_network_and_never_outlives_the_connection(
    journey: list[Any], password: str
) -> None:
    """Sections 5.3 and 7.1: while the agent is disconnected its server has the static weight, then a weight that the
    agent has reported, and once the network is calm the present one.
    """
    network = Network(password, password)
    for name, *arguments in journey:
        if name == "reach":
            (network.reachable,) = arguments
        else:
            getattr(network, name)(*arguments)
        weight = network.table.weight(HOME_AGENT)
        assert weight is None or (network.manager.state is State.CONNECTED and weight in network.reported)
    network.reachable = True
    network.run_calmly(KEEP_ALIVE + KEEP_ALIVE // 4 + RETRY_INTERVAL + 2)
    assert network.table.weight(HOME_AGENT) == network.weight
    assert network.manager.counters.malformed_messages == network.manager.counters.framing_errors == 0


def test_a_calm_connection_is_kept_for_ever() -> None:
    """The agent's reports at three quarters of the keep-alive suffice."""
    network = Network()
    network.run_calmly(100 * KEEP_ALIVE)
    assert (network.manager.counters.connections, network.manager.counters.keep_alive_timeouts) == (1, 0)


def test_the_keep_alive_timeout_detects_a_network_that_delivers_nothing() -> None:
    network = Network()
    network.run_calmly(1)
    network.pass_time(KEEP_ALIVE + KEEP_ALIVE // 4)  # silence is found, and what has arrived would be read
    assert network.table.weight(HOME_AGENT) == 25
    network.pass_time(1)
    assert network.table.weight(HOME_AGENT) is None


def test_different_passwords_never_set_a_weight() -> None:
    network = Network("cisco", "other")
    for _ in range(5 * KEEP_ALIVE):
        network.run_calmly(1)
        assert network.table.weight(HOME_AGENT) is None
    assert network.manager.counters.authentication_failures > 0


@settings(max_examples=examples(60))
@given(st.integers(0, 179))
def test_a_password_is_changed_on_both_ends_without_losing_the_agent(later: int) -> None:
    """Section 5.1.1: all ends have to be changed within the time-out, before the first of them (180 s after its change)
    signs with the new password.
    """
    network = Network("old", "old")
    network.run_calmly(5)
    network.manager_keys.replace("new", network.now)
    network.run_calmly(later)
    network.agent_keys.replace("new", network.now)
    network.run_calmly(180 - later)
    assert network.table.weight(HOME_AGENT) == 25
    assert network.manager.counters.keep_alive_timeouts == 0
    network.run_calmly(later + KEEP_ALIVE + RETRY_INTERVAL + 180)
    assert network.table.weight(HOME_AGENT) == 25
