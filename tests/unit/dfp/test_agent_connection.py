"""The manager's end of one connection (draft-eck-dfp-01, sections 5.3, 6 and 7; IOS ``ip slb dfp`` / ``agent``)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Optional

import pytest
from dfp_actions import frames

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp import agent_connection
from ryu_haslb.dfp.agent_connection import (
    AgentConnection,
    Connect,
    SetWeight,
    State,
    WithdrawWeights,
)
from ryu_haslb.dfp.channel import Close
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
from ryu_haslb.dfp.weight_table import Server

HOME_AGENT = IPv4Address("10.1.1.51")
AGENT = DfpAgent(HOME_AGENT, 500, timeout=30, retry_count=0, retry_interval=180)
SERVER = Server(HOME_AGENT, 434, 17, 65535)


def weight_report(weight: int) -> bytes:
    return encode(PreferenceInformation((Load(434, 17, (HostPreference(HOME_AGENT, 65535, weight),)),)))


@pytest.fixture
def connection() -> AgentConnection:
    """A connection that came about at second 100."""
    connection = AgentConnection(AGENT, KeyRing())
    connection.start()
    connection.connected(100)
    return connection


def test_the_manager_opens_the_connection_and_sends_its_keep_alive() -> None:
    """Sections 3.1 and 7.2."""
    connection = AgentConnection(AGENT, KeyRing())
    assert connection.start() == [Connect(HOME_AGENT, 500)]
    (send,) = frames(connection.connected(100))
    assert decode(send) == DfpParameters(KeepAlive(30))
    assert (connection.counters.connections, connection.counters.messages_sent) == (1, 1)


def test_a_weight_is_set_whenever_it_is_reported(connection: AgentConnection) -> None:
    """Sections 6.1 and 7.3; a report that repeats itself still says that the server is alive."""
    assert connection.received(weight_report(25) + weight_report(25), 101) == [SetWeight(SERVER, 25)] * 2
    assert connection.received(weight_report(0), 102) == [SetWeight(SERVER, 0)]


def connected(reals: Optional[tuple[IPv4Address, ...]]) -> AgentConnection:
    """A connection to an agent that may set the weights of these real servers beside its own; None: of all."""
    connection = AgentConnection(replace(AGENT, reals=reals), KeyRing())
    connection.start()
    connection.connected(100)
    return connection


@pytest.mark.parametrize("reals", [None, (IPv4Address("10.1.1.52"),)])
def test_an_agent_may_report_on_several_servers(reals: Optional[tuple[IPv4Address, ...]]) -> None:
    """Section 5.2: a Load TLV for each port and protocol, in it the hosts and their bind ids."""
    connection, other = connected(reals), IPv4Address("10.1.1.52")
    loads = (
        Load(434, 17, (HostPreference(HOME_AGENT, 65535, 5), HostPreference(other, 65535, 6))),
        Load(80, 6, (HostPreference(other, 7, 8),)),
    )
    assert connection.received(encode(PreferenceInformation(loads)), 101) == [
        SetWeight(SERVER, 5),
        SetWeight(Server(other, 434, 17, 65535), 6),
        SetWeight(Server(other, 80, 6, 7), 8),
    ]


def test_the_keep_alive_timeout_closes_the_connection_and_withdraws_the_weights(connection: AgentConnection) -> None:
    """Section 5.3; the agent is then tried again at the retry interval."""
    connection.received(weight_report(25), 110)
    assert connection.next_deadline() == 147.5
    assert connection.tick(147.4) == []
    assert connection.tick(147.5) == []
    assert connection.tick(147.52) == [Close("no message for the keep-alive time of 30 s"), WithdrawWeights()]
    assert connection.state is State.WAITING
    assert connection.counters.keep_alive_timeouts == 1
    assert connection.tick(327.5) == []
    assert connection.next_deadline() == 327.52
    assert connection.tick(327.52) == [Connect(HOME_AGENT, 500)]


@pytest.mark.parametrize("timeout", [1, 3, 30, 3600])
def test_an_agent_that_uses_all_of_the_keep_alive_time_stays_connected(timeout: int) -> None:
    """Section 5.3 lets an agent report once in the keep-alive time; the report takes a moment to arrive."""
    connection = AgentConnection(replace(AGENT, timeout=timeout), KeyRing())
    connection.start()
    connection.connected(0)
    for report in range(1, 10):
        at = report * timeout + 0.9
        assert connection.tick(at) == []
        connection.received(encode(PreferenceInformation()), at)


def test_a_report_that_came_while_the_balancer_did_not_run_is_read_before_silence_counts(
    connection: AgentConnection,
) -> None:
    """A process that was suspended, or waited for its processor, finds the time over and the report unread."""
    for end in (200.0, 300.0):
        assert connection.tick(end) == []
        connection.received(weight_report(25), end + 0.01)
        assert connection.tick(end + 0.02) == []
    assert connection.state is State.CONNECTED
    assert connection.counters.keep_alive_timeouts == 0


def test_an_agent_that_never_reports_is_told_from_one_that_does(connection: AgentConnection) -> None:
    """Section 6.1: the first Preference Information, even one without weights, shows that the agent works."""
    assert not connection.has_reported
    connection.received(encode(BindIdChangeNotify()), 101)
    assert not connection.has_reported
    connection.received(encode(PreferenceInformation()), 102)
    assert connection.has_reported
    connection.closed(103)
    assert not connection.has_reported


def test_a_report_without_weights_keeps_the_connection(connection: AgentConnection) -> None:
    """Section 6.1: an application level keep-alive."""
    assert connection.received(encode(PreferenceInformation()), 120) == []
    assert connection.next_deadline() == 157.5


@pytest.mark.parametrize("junk", [b"\1\0\1", encode(DfpParameters(KeepAlive(1))), b"\1\0\5\0\0\0\0\x08"])
def test_bytes_that_are_no_message_of_an_agent_do_not_extend_the_keep_alive(
    connection: AgentConnection, junk: bytes
) -> None:
    """Half a message, a message meant for agents and an unknown one say nothing about the servers."""
    assert connection.received(junk, 120) == []
    assert connection.next_deadline() == 137.5


def test_a_keep_alive_of_0_never_times_out() -> None:
    """Section 5.3, and the default of IOS."""
    connection = AgentConnection(replace(AGENT, timeout=0), KeyRing())
    connection.start()
    connection.connected(100)
    assert connection.next_deadline() is None
    assert connection.tick(1e9) == []


def test_a_new_keep_alive_is_sent_to_the_agent(connection: AgentConnection) -> None:
    """Section 7.2: the manager must report changes; the time that counts begins with them."""
    (send,) = frames(connection.configure(replace(AGENT, timeout=5), 120))
    assert decode(send) == DfpParameters(KeepAlive(5))
    assert connection.next_deadline() == 126.25
    assert connection.configure(replace(AGENT, timeout=5, retry_interval=7), 121) == []
    connection.closed(122)
    assert connection.next_deadline() == 129
    with pytest.raises(ValueError, match=r"to 10\.1\.1\.51:500, not to 10\.1\.1\.51:501"):
        connection.configure(replace(AGENT, port=501), 123)


def test_a_lost_agent_is_tried_again_and_its_weights_are_withdrawn(connection: AgentConnection) -> None:
    """Section 7.1."""
    assert connection.closed(200) == [WithdrawWeights()]
    assert connection.tick(380) == [Connect(HOME_AGENT, 500)]
    assert connection.closed(390) == []
    assert connection.tick(570) == [Connect(HOME_AGENT, 500)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_retry_count_ends_the_attempts_and_a_connection_renews_it(count: int) -> None:
    """IOS: agent ADDRESS PORT TIMEOUT RETRY-COUNT RETRY-INTERVAL; a start by the operator tries anew."""
    connection = AgentConnection(replace(AGENT, retry_count=count, retry_interval=10), KeyRing())

    def attempts_until_it_gives_up(now: float) -> int:
        connection.closed(now)
        attempts = 0
        while connection.state is State.WAITING:
            now += 10
            assert connection.tick(now) == [Connect(HOME_AGENT, 500)]
            connection.closed(now)
            attempts += 1
        assert connection.state is State.FAILED
        assert connection.next_deadline() is None
        return attempts

    connection.start()
    assert attempts_until_it_gives_up(0) == count
    assert connection.start() == [Connect(HOME_AGENT, 500)]
    assert attempts_until_it_gives_up(1000) == count
    connection.start()
    connection.connected(2000)
    assert attempts_until_it_gives_up(2001) == count


def test_a_retry_count_of_0_never_ends() -> None:
    connection = AgentConnection(replace(AGENT, retry_interval=0), KeyRing())
    connection.start()
    for attempt in range(1000):
        connection.closed(attempt)
        assert connection.tick(attempt + 1) == [Connect(HOME_AGENT, 500)]


def test_an_agent_whose_host_is_found_is_tried_at_once() -> None:
    """At a start the first switch may connect after the first attempt has failed: the agent was out of reach before,
    and the retry interval would be three minutes without DFP.
    """
    connection = AgentConnection(AGENT, KeyRing())
    connection.start()
    connection.closed(3)
    assert connection.host_found(4) == [Connect(HOME_AGENT, 500)]
    connection.closed(5)
    assert connection.next_deadline() == 5 + AGENT.retry_interval, "the attempt to the host that was found has failed"


def test_an_attempt_under_way_when_the_host_is_found_is_repeated_after_a_second() -> None:
    connection = AgentConnection(AGENT, KeyRing())
    connection.start()
    assert connection.host_found(2) == []
    connection.closed(3)
    assert connection.tick(4) == [Connect(HOME_AGENT, 500)]
    connection.closed(5)
    assert connection.next_deadline() == 5 + AGENT.retry_interval


def test_a_host_that_is_found_changes_nothing_for_a_connected_agent() -> None:
    connection = AgentConnection(AGENT, KeyRing())
    connection.start()
    connection.host_found(1)
    connection.connected(2)
    assert connection.host_found(3) == []
    connection.closed(4)
    assert connection.next_deadline() == 4 + AGENT.retry_interval
    connection.stop()
    assert connection.host_found(5) == []


def test_stop_closes_and_withdraws_for_good(connection: AgentConnection) -> None:
    assert connection.stop() == [Close("DFP agent is no longer configured"), WithdrawWeights()]
    assert connection.closed(101) == connection.received(weight_report(1), 101) == connection.tick(1e9) == []
    assert connection.state is State.IDLE


def test_stop_ends_an_attempt_to_connect() -> None:
    connection = AgentConnection(AGENT, KeyRing())
    connection.start()
    assert connection.stop() == [Close("DFP agent is no longer configured")]
    assert connection.connected(1) == []


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"\2\0\1\1\0\0\0\x08", "DFP version is 2; expected 1"),
        (b"\1\0\1\1\0\0\0\0", "message length is 0; expected 8 to 65536"),
        (b"\1\0\1\1\xff\xff\xff\xff", "message length is 4294967295; expected 8 to 65536"),
    ],
)
def test_a_broken_stream_closes_the_connection(connection: AgentConnection, stream: bytes, reason: str) -> None:
    """The messages before the fault count; the bytes behind it are not read."""
    actions = connection.received(weight_report(9) + stream + weight_report(1), 101)
    assert actions == [SetWeight(SERVER, 9), Close(reason), WithdrawWeights()]
    assert connection.received(weight_report(1), 102) == []
    assert connection.counters.framing_errors == 1
    assert connection.tick(281) == [Connect(HOME_AGENT, 500)]
    connection.connected(282)
    assert connection.received(weight_report(1), 283) == [SetWeight(SERVER, 1)]


def test_each_broken_message_is_counted_and_nothing_else(connection: AgentConnection) -> None:
    bad = [
        b"\1\0\5\0\0\0\0\x08",
        b"\1\0\1\1\0\0\0\x09\0",
        encode(ServerState()),
        encode(BindIdReport(END_OF_BINDIDS)),
    ]
    assert connection.received(b"".join(bad) + weight_report(3), 101) == [SetWeight(SERVER, 3)]
    counters = connection.counters
    assert (counters.unknown_messages, counters.malformed_messages, counters.unexpected_messages) == (1, 1, 2)
    assert counters.messages_received == 5


def test_with_a_password_only_signed_messages_are_accepted() -> None:
    """Section 5.1."""
    keys = KeyRing("cisco")
    connection = AgentConnection(AGENT, keys)
    connection.start()
    (send,) = frames(connection.connected(100))
    assert keys.accepts(send, 100)
    assert connection.received(weight_report(0), 110) == []
    assert connection.counters.authentication_failures == 1
    assert connection.next_deadline() == 137.5
    assert connection.received(keys.sign(weight_report(7), 110), 110) == [SetWeight(SERVER, 7)]


@pytest.mark.parametrize("load", [(434, 17, 65535), (0, 0, 65535), (0, 0, 0), (80, 6, 7)])
def test_an_agent_sets_no_weight_of_a_real_server_that_it_is_not_configured_for(
    connection: AgentConnection, load: tuple[int, int, int]
) -> None:
    """By default it speaks for the host that it runs on. The rest of its report counts."""
    port, protocol, bind_id = load
    hosts = (HostPreference(IPv4Address("10.1.1.52"), bind_id, 0), HostPreference(HOME_AGENT, bind_id, 7))
    actions = connection.received(encode(PreferenceInformation((Load(port, protocol, hosts),))), 101)
    assert actions == [SetWeight(Server(HOME_AGENT, port, protocol, bind_id), 7)]
    assert connection.counters.unauthorized_weights == 1
    assert IPv4Address("10.1.1.52") not in connection.reported_addresses


def test_the_servers_of_one_agent_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that it has reported already stay; what is over the limit is counted."""
    connection = connected(None)
    monkeypatch.setattr(agent_connection, "MAX_SERVERS", 3)
    hosts = tuple(HostPreference(IPv4Address(number), 65535, 1) for number in range(5))
    report = encode(PreferenceInformation((Load(434, 17, hosts),)))
    assert len(connection.received(report, 101)) == 3
    assert len(connection.received(report, 102)) == 3
    assert connection.counters.excess_entries == 4


TABLE = BindIdTable(HOME_AGENT, 434, 17, (BindId(1, IPv4Address("15.0.0.0"), IPv4Address("255.0.0.0")),))


def test_bind_tables_are_taken_over_when_the_report_is_complete(connection: AgentConnection) -> None:
    """Section 6.5: the all-zero table ends the report."""
    (send,) = frames(connection.request_bind_tables(101))
    assert decode(send) == BindIdRequest()
    connection.received(encode(BindIdReport(TABLE)), 102)
    assert len(connection.bind_tables) == 0
    connection.received(encode(BindIdReport(END_OF_BINDIDS)), 103)
    assert list(connection.bind_tables) == [TABLE]
    connection.closed(104)
    assert len(connection.bind_tables) == 0


def test_a_change_notify_brings_a_request_and_no_second_one_until_it_is_answered(connection: AgentConnection) -> None:
    """Section 6.6. A change during the report asks again after it, and any number of them once."""
    notify, end = encode(BindIdChangeNotify()), encode(BindIdReport(END_OF_BINDIDS))
    assert len(connection.received(notify * 50, 101)) == 1
    (again,) = frames(connection.received(end, 102))
    assert decode(again) == BindIdRequest()
    assert connection.received(end, 103) == []
    assert len(connection.received(notify, 104)) == 1


def test_the_bind_ids_of_one_agent_are_limited(connection: AgentConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_connection, "MAX_BINDID_ENTRIES", 4)
    connection.request_bind_tables(101)
    connection.received(encode(BindIdReport(TABLE)) * 10 + encode(BindIdReport(END_OF_BINDIDS)), 102)
    assert connection.bind_tables == (TABLE, TABLE)
    assert connection.counters.excess_entries == 16


def test_server_state_is_sent_to_a_connected_agent(connection: AgentConnection) -> None:
    """Section 7.4."""
    loads = (Load(434, 17, (HostPreference(HOME_AGENT, 65535, 0),)),)
    (send,) = frames(connection.send_server_state(loads, 101))
    assert decode(send) == ServerState(loads)
    connection.closed(102)
    assert connection.send_server_state(loads, 103) == connection.request_bind_tables(103) == []
