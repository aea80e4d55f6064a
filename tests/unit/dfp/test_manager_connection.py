"""The agent's end of one connection (draft-eck-dfp-01, sections 5.3, 6 and 7)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from dfp_actions import frames
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.manager_connection import ManagerConnection
from ryu_haslb.dfp.messages import (
    BindIdChangeNotify,
    BindIdReport,
    BindIdRequest,
    DfpParameters,
    PreferenceInformation,
    ServerState,
    decode,
    encode,
)
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import END_OF_BINDIDS, BindId, BindIdTable, HostPreference, KeepAlive, Load

HOME_AGENT = IPv4Address("10.1.1.51")


def loads(weight: int) -> tuple[Load, ...]:
    return (Load(434, 17, (HostPreference(HOME_AGENT, 65535, weight),)),)


@pytest.fixture
def connection() -> ManagerConnection:
    """A manager that connected at second 100 to an agent of weight 25."""
    connection = ManagerConnection(KeyRing(), loads(25))
    connection.connected(100)
    return connection


def test_the_weights_are_sent_as_soon_as_a_manager_connects() -> None:
    connection = ManagerConnection(KeyRing(), loads(25))
    assert connection.report(loads(25), 99) == connection.received(encode(BindIdRequest()), 99) == []
    (send,) = frames(connection.connected(100))
    assert decode(send) == PreferenceInformation(loads(25))
    assert (connection.counters.connections, connection.counters.messages_sent) == (1, 1)


def test_a_change_is_reported_at_once_and_no_change_is_not(connection: ManagerConnection) -> None:
    (send,) = frames(connection.report(loads(24), 101))
    assert decode(send) == PreferenceInformation(loads(24))
    assert connection.report(loads(24), 102) == []


def test_an_agent_with_nothing_to_report_still_sends() -> None:
    """Section 6.1: the message without a Load TLV is the keep-alive."""
    (send,) = frames(ManagerConnection(KeyRing()).connected(100))
    assert decode(send) == PreferenceInformation()


def test_it_reports_at_three_quarters_of_the_keep_alive(connection: ManagerConnection) -> None:
    """Section 5.3: at least that often; a report of a change counts."""
    assert connection.next_deadline() is None
    connection.received(encode(DfpParameters(KeepAlive(40))), 101)
    assert connection.next_deadline() == 130
    assert connection.tick(129.9) == []
    (send,) = frames(connection.tick(130))
    assert decode(send) == PreferenceInformation(loads(25))
    connection.report(loads(24), 140)
    assert connection.next_deadline() == 170


def test_a_keep_alive_of_0_asks_for_no_reports_but_changes(connection: ManagerConnection) -> None:
    connection.received(encode(DfpParameters(KeepAlive(40))) + encode(DfpParameters(KeepAlive(0))), 101)
    assert connection.next_deadline() is None
    assert connection.tick(1e9) == []


def test_server_state_is_noted_and_changes_no_weight(connection: ManagerConnection) -> None:
    """Section 6.2."""
    assert connection.received(encode(ServerState(loads(0))), 101) == []
    assert connection.server_state == loads(0)
    connection.received(encode(DfpParameters(KeepAlive(4))), 102)
    (send,) = frames(connection.tick(103))
    assert decode(send) == PreferenceInformation(loads(25))


def test_all_bind_tables_and_the_end_are_reported_on_request() -> None:
    """Section 6.5: one message a table, then the all-zero one."""
    table = BindIdTable(HOME_AGENT, 434, 17, (BindId(1, IPv4Address("15.0.0.0"), IPv4Address("255.0.0.0")),))
    connection = ManagerConnection(KeyRing(), bind_tables=(table,))
    connection.connected(100)
    sent = [decode(frame) for frame in frames(connection.received(encode(BindIdRequest()), 101))]
    assert sent == [BindIdReport(table), BindIdReport(END_OF_BINDIDS)]
    (notify,) = frames(connection.change_bind_tables((), 102))
    assert decode(notify) == BindIdChangeNotify()
    assert connection.change_bind_tables((), 103) == []
    (end,) = frames(connection.received(encode(BindIdRequest()), 104))
    assert decode(end) == BindIdReport(END_OF_BINDIDS)


def test_with_a_password_messages_are_signed_and_unsigned_ones_discarded() -> None:
    """Section 5.1."""
    keys = KeyRing("cisco")
    connection = ManagerConnection(keys, loads(25))
    (send,) = frames(connection.connected(100))
    assert keys.accepts(send, 100)
    connection.received(encode(DfpParameters(KeepAlive(40))), 101)
    assert (connection.keep_alive, connection.counters.authentication_failures) == (0, 1)
    connection.received(keys.sign(encode(DfpParameters(KeepAlive(40))), 101), 101)
    assert connection.keep_alive == 40


def test_messages_meant_for_managers_are_counted(connection: ManagerConnection) -> None:
    assert connection.received(encode(PreferenceInformation()), 101) == []
    assert connection.counters.unexpected_messages == 1


def test_a_broken_stream_closes_the_connection_and_ends_all_actions(connection: ManagerConnection) -> None:
    connection.received(encode(DfpParameters(KeepAlive(40))), 101)
    assert connection.received(b"\2\0\1\1\0\0\0\x08", 102) == [Close("DFP version is 2; expected 1")]
    assert connection.received(encode(BindIdRequest()), 103) == connection.report(loads(1), 104) == []
    assert connection.next_deadline() is None


def test_a_closed_connection_sends_nothing(connection: ManagerConnection) -> None:
    connection.received(encode(DfpParameters(KeepAlive(40))), 101)
    connection.closed()
    assert connection.tick(1e9) == connection.report(loads(1), 104) == connection.change_bind_tables((), 1) == []


@given(st.lists(st.binary(max_size=60) | st.just(encode(DfpParameters(KeepAlive(1)))), max_size=20))
def test_any_bytes_of_a_manager_leave_readable_answers(pieces: list[bytes]) -> None:
    connection = ManagerConnection(KeyRing(), loads(25))
    actions = connection.connected(0)
    for now, piece in enumerate(pieces):
        actions += connection.received(piece, now) + connection.tick(now)
    *sent, last = actions
    assert all(isinstance(action, Send) and decode(action.data) for action in sent)
    assert isinstance(last, Close) or decode(last.data)
