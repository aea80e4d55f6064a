"""Attacks on the balancer by a DFP agent, or by who sits at its port or between the two.

What an agent sends changes the weights of its own real servers, or nothing. No message raises an error.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import (
    MAX_SERVERS,
    MAX_SERVERS_OF_ADDRESS,
    AgentConnection,
    Connect,
    SetWeight,
    State,
    WithdrawWeights,
)
from ryu_haslb.dfp.channel import Close
from ryu_haslb.dfp.configured_agents import DfpAgents, Link
from ryu_haslb.dfp.framing import MAX_MESSAGE_LENGTH
from ryu_haslb.dfp.messages import HEADER, DfpParameters, PreferenceInformation, ServerState, encode
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import MAX_HOSTS, UDP, HostPreference, KeepAlive, Load

OWN, OTHER = IPv4Address("10.1.1.51"), IPv4Address("10.1.1.52")
AGENT = DfpAgent(OWN, 500, timeout=30)
PASSWORD = "cisco"
MESSAGE_TYPES = (0x0101, 0x0201, 0x0301, 0x0401, 0x0402, 0x0403, 0, 0xFFFF)
TLV_TYPES = (0x0001, 0x0002, 0x0101, 0x0301, 0, 0xFFFF)
LYING = (0, 1, 3, 4, 5, 8, 16, 28, 255, 0x7FFF, 0xFFFF)


def connected(password: str = "", agent: DfpAgent = AGENT) -> AgentConnection:
    connection = AgentConnection(agent, KeyRing(password))
    connection.start()
    connection.connected(100.0)
    return connection


def report(address: IPv4Address, weight: int, port: int = 434, protocol: int = UDP, bind_id: int = 65535) -> bytes:
    return encode(PreferenceInformation((Load(port, protocol, (HostPreference(address, bind_id, weight),)),)))


def lies() -> Iterator[bytes]:
    """Messages of every type with TLVs of every type whose lengths and counts lie."""
    for kind, tlv, length, count in itertools.product(MESSAGE_TYPES, TLV_TYPES, LYING, (0, 1, 129, 0xFFFF)):
        value = struct.pack("!HBxHxx", 434, UDP, count) + OTHER.packed + bytes(20)
        body = struct.pack("!HH", tlv, length) + value
        yield HEADER.pack(1, kind, HEADER.size + len(body)) + body
        yield HEADER.pack(1, kind, HEADER.size + len(body) * 2) + body * 2


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_no_length_that_lies_sets_a_weight_or_raises(password: str) -> None:
    connection = connected(password)
    for message in lies():
        assert not [action for action in connection.received(message, 101.0) if isinstance(action, SetWeight)]
    assert connection.state is State.CONNECTED


@pytest.mark.parametrize("length", [0, 1, 7, MAX_MESSAGE_LENGTH + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_impossible_length_closes_the_connection_and_keeps_no_bytes(length: int) -> None:
    connection = connected()
    actions = connection.received(struct.pack("!BxHI", 1, 0x0101, length) + bytes(1 << 20), 101.0)
    assert [type(action) for action in actions] == [Close, WithdrawWeights]


def test_a_message_that_never_ends_is_no_sign_of_life() -> None:
    """The keep-alive time counts accepted messages (draft-eck-dfp-01, section 5.3)."""
    connection = connected()
    connection.received(struct.pack("!BxHI", 1, 0x0101, MAX_MESSAGE_LENGTH), 101.0)
    deadline = connection.next_deadline()
    for second in range(102, 130):
        connection.received(b"\0", float(second))
    assert connection.next_deadline() == deadline


def test_millions_of_weights_take_no_memory_and_change_no_other_server() -> None:
    """Wildcards, made-up addresses, and the addresses of other real servers."""
    connection = connected()
    for first in range(0, 20_000, MAX_HOSTS):
        hosts = tuple(HostPreference(IPv4Address(0x0A010100 + first + each), 0, 0) for each in range(MAX_HOSTS))
        for port, protocol in ((0, 0), (434, UDP), (0, UDP), (434, 0)):
            actions = connection.received(encode(PreferenceInformation((Load(port, protocol, hosts),))), 101.0)
            assert {action.server.address for action in actions if isinstance(action, SetWeight)} <= {OWN}
    assert len(connection._servers) <= 4


def test_a_server_has_few_ports_protocols_and_bind_ids() -> None:
    """Each is a row of the database of a cluster."""
    connection = connected()
    for number in range(2 * MAX_SERVERS_OF_ADDRESS):
        connection.received(report(OWN, 1, bind_id=number), 101.0)
    assert len(connection._servers) == MAX_SERVERS_OF_ADDRESS
    assert connection.counters.excess_entries == MAX_SERVERS_OF_ADDRESS


def test_an_agent_that_may_set_any_weight_still_has_a_limit() -> None:
    connection = connected(agent=replace(AGENT, reals=None))
    for number in range(2 * MAX_SERVERS):
        connection.received(report(IPv4Address(0x0A000000 + number), 1), 101.0)
    assert len(connection._servers) == MAX_SERVERS


class SilentLink(Link):
    """The connection to an agent that is sent nothing."""

    def connect(self, target: Connect) -> None:
        """It is."""

    def send(self, data: bytes) -> None:
        """It does not arrive."""


def test_an_agent_with_many_servers_is_not_searched_for_each_server_that_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With 50 such agents, a switch that loses 1,000 real servers would have stopped the event loop for 14 s."""
    agents = DfpAgents(DfpManager(agents=(replace(AGENT, reals=None),)), lambda _: None, SilentLink, lambda: 100.0)
    agents.start()
    (link,) = agents.links
    link.carry_out(link.connection.connected(100.0))
    for number in range(MAX_SERVERS):
        link.carry_out(link.connection.received(report(OWN - number, 1), 101.0))
    compared = 0

    def is_equal(first: IPv4Address, second: object) -> bool:
        nonlocal compared
        compared += 1
        return isinstance(second, IPv4Address) and int(first) == int(second)

    monkeypatch.setattr(IPv4Address, "__eq__", is_equal)
    agents.send_server_states(dict.fromkeys((OWN + number for number in range(100)), 0), 102.0)
    assert compared < 2 * MAX_SERVERS
    assert link.connection.counters.messages_sent == 2, "the parameters, and the state of its own server"


@pytest.mark.parametrize("keys", [None, KeyRing("wrong"), KeyRing(PASSWORD + "x")])
def test_without_the_password_nothing_is_heard(keys: KeyRing | None) -> None:
    connection = connected(PASSWORD)
    deadline = connection.next_deadline()
    message = report(OWN, 0)
    assert connection.received(message if keys is None else keys.sign(message, 0.0), 110.0) == []
    assert (connection.next_deadline(), connection.has_reported) == (deadline, False)
    assert connection.counters.authentication_failures == 1


def test_a_changed_byte_anywhere_voids_the_signature() -> None:
    signed = KeyRing(PASSWORD).sign(report(OWN, 25), 0.0)
    for index in range(HEADER.size, len(signed)):
        damaged = signed[:index] + bytes([signed[index] ^ 1]) + signed[index + 1 :]
        connection = connected(PASSWORD)
        assert connection.received(damaged, 101.0) == [], index


def test_a_security_tlv_that_is_not_first_does_not_count() -> None:
    """Section 5.1: always first."""
    signed = KeyRing(PASSWORD).sign(report(OWN, 25), 0.0)
    security, load = signed[HEADER.size : HEADER.size + 28], signed[HEADER.size + 28 :]
    assert connected(PASSWORD).received(signed[: HEADER.size] + load + security, 101.0) == []


def test_what_the_balancer_or_another_agent_has_signed_cannot_be_used_against_it() -> None:
    """All ends share one key: a message is of use only in its direction and about the agent's own real servers."""
    keys = KeyRing(PASSWORD)
    connection = connected(PASSWORD)
    for message in (encode(DfpParameters(KeepAlive(1))), encode(ServerState(())), report(OTHER, 0)):
        assert not connection.received(keys.sign(message, 0.0), 101.0)
    assert (connection.counters.unexpected_messages, connection.counters.unauthorized_weights) == (2, 1)
