"""The state machine of the manager's end as a whole (draft-eck-dfp-01, section 7)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.agent_connection import (
    TRANSITIONS,
    AgentConnection,
    Connect,
    Event,
    SetWeight,
    State,
)
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.messages import (
    BindIdChangeNotify,
    BindIdReport,
    PreferenceInformation,
    encode,
)
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import END_OF_BINDIDS, BindId, BindIdTable, HostPreference, Load
from ryu_haslb.dfp.weight_table import Server

HOME_AGENT = IPv4Address("10.1.1.51")
AGENT = DfpAgent(HOME_AGENT, 500, timeout=30, retry_count=0, retry_interval=180)
SERVER = Server(HOME_AGENT, 434, 17, 65535)


TABLE = BindIdTable(HOME_AGENT, 434, 17, (BindId(1, IPv4Address("15.0.0.0"), IPv4Address("255.0.0.0")),))


def weight_report(weight: int) -> bytes:
    return encode(PreferenceInformation((Load(434, 17, (HostPreference(HOME_AGENT, 65535, weight),)),)))


def test_every_state_can_be_reached_and_stopped() -> None:
    """The table that the documentation draws: no dead ends."""
    reachable, todo = set(), [State.IDLE]
    while todo:
        state = todo.pop()
        if state not in reachable:
            reachable.add(state)
            todo += TRANSITIONS[state].values()
    assert reachable == set(State) == set(TRANSITIONS)
    assert all(TRANSITIONS[state].get(Event.STOP) is State.IDLE for state in State if state is not State.IDLE)


events = st.one_of(
    st.sampled_from(["start", "stop", "connected", "closed", "tick", "bind"]),
    st.binary(max_size=60),
    st.sampled_from(
        [
            weight_report(4),
            encode(BindIdChangeNotify()),
            encode(BindIdReport(TABLE)),
            encode(BindIdReport(END_OF_BINDIDS)),
        ]
    ),
)


@given(st.lists(st.tuples(events, st.integers(0, 400)), max_size=40), st.integers(0, 2))
def test_no_order_of_events_breaks_the_rules(steps: list[tuple[Any, int]], retry_count: int) -> None:
    """In every order: writes only on an open connection, weights only while connected, and all of them withdrawn."""
    connection = AgentConnection(replace(AGENT, retry_count=retry_count), KeyRing())
    now, weights = 0.0, False
    for event, later in steps:
        now += later
        before = connection.state
        if isinstance(event, bytes):
            actions = connection.received(event, now)
        elif event in ("start", "stop"):
            actions = getattr(connection, event)()
        else:
            actions = getattr(connection, "request_bind_tables" if event == "bind" else event)(now)
        for action in actions:
            if isinstance(action, Send):
                assert State.CONNECTED in (before, connection.state)
            elif isinstance(action, Connect):
                assert connection.state is State.CONNECTING
            elif isinstance(action, Close):
                assert before in (State.CONNECTING, State.CONNECTED)
            else:
                weights = isinstance(action, SetWeight)
        assert not weights or connection.state is State.CONNECTED
        assert connection.state is before or connection.state in TRANSITIONS[before].values()
        assert (connection.state is State.WAITING) <= (connection.next_deadline() is not None)
