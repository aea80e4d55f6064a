"""Attacks on the balancer over the TCP connection to a DFP agent: none stops timers or an operator's command."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import eventlet
import pytest

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import MAX_SERVERS, State
from ryu_haslb.dfp.manager_sockets import DfpConnections, SocketLink
from ryu_haslb.dfp.messages import PreferenceInformation, encode
from ryu_haslb.dfp.tlv import ANY_BIND_ID, MAX_HOSTS, UDP, HostPreference, Load

LOCALHOST = IPv4Address("127.0.0.1")
SERVERS = [IPv4Address("10.1.0.0") + number for number in range(MAX_SERVERS)]


def report() -> bytes:
    """The weights of as many servers as one agent may report on."""
    hosts = [HostPreference(address, ANY_BIND_ID, 1) for address in SERVERS]
    loads = (Load(434, UDP, tuple(hosts[first : first + MAX_HOSTS])) for first in range(0, MAX_SERVERS, MAX_HOSTS))
    return b"".join(encode(PreferenceInformation((load,))) for load in loads)


@pytest.fixture(name="listener")
def agent() -> Iterator[socket.socket]:
    with eventlet.Timeout(60), eventlet.listen((str(LOCALHOST), 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield listener


def test_an_agent_that_does_not_read_is_disconnected_and_nothing_waits_for_it(listener: socket.socket) -> None:
    """Each state of its servers is a message to it; a command and the timers send at the same time."""
    configured = DfpAgent(LOCALHOST, listener.getsockname()[1], 0, 0, 1, reals=None)
    connections = DfpConnections(DfpManager(agents=(configured,)), lambda _: None)
    connections.start()
    manager, _ = listener.accept()
    manager.sendall(report())
    (link,) = connections.links
    assert isinstance(link, SocketLink)
    while SERVERS[-1] not in link.connection.reported_addresses:
        eventlet.sleep(0.001)
    link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # by default it takes 2 MB to fill it
    others: list[None] = []
    weight = 0
    while link.connection.state is State.CONNECTED:
        others.clear()
        eventlet.spawn_n(others.append, None)
        connections.send_server_states(dict.fromkeys(SERVERS, weight), time.monotonic())
        assert not others, "it has waited"
        eventlet.sleep(0.001)
        weight = 1 - weight
    assert link.lost_because.startswith("the agent does not read what it is sent; next attempt in ")
