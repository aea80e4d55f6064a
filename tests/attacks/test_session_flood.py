"""Attacks on the session table: made-up mobiles in any number, from one address, from many, and from a PDSN's own.

The switch is a fake one; requests are real frames. A thousand honest mobiles are beside each flood.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from wired_switch import VIRTUAL, Wired

from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.packets.icmp import checksum
from ryu_haslb.openflow.wire.wire import PROTOCOL_UDP
from ryu_haslb.slb.request import make_request
from ryu_haslb.slb.session import Session

#: Packets of each flood, as a multiple of what the limit allows.
FLOOD = 3
PDSN = IPv4Address("15.1.1.51")
IDLE = 3600


class Target(Wired):
    """A balancer with honest mobiles behind one PDSN, each registered anew once."""

    def __init__(self, limit: int = 4000, honest: int = 1000) -> None:
        super().__init__()
        self.limit, self._honest = limit, honest
        server = replace(self.configuration.virtual_servers["MIPSLB"], idle=IDLE)
        self.configuration = replace(self.configuration, virtual_servers={"MIPSLB": server}, max_sessions=limit)
        self.balancer.configure(self.configuration)
        self.switch.configure(self.configuration)
        self._sent = 0
        self.honest: dict[str, Session] = {}
        for _ in range(2):
            self.register_honest()
        for name in self.names():
            session = self.session(name)
            assert session is not None
            self.honest[name] = session
        self.reals = {name: session.real for name, session in self.honest.items()}

    def names(self) -> list[str]:
        return [f"honest-{number}@isp.com" for number in range(self._honest)]

    def register_honest(self) -> int:
        """All honest mobiles register; the number of their requests that were dispatched."""
        before = self.balancer.statistics.dispatched
        for name in self.names():
            self.send(name, PDSN)
        self.now += 600
        return self.balancer.statistics.dispatched - before

    def send(self, name: str, client: IPv4Address, home_agent: bytes = bytes(4)) -> None:
        self._sent += 1
        nai = name.encode()
        message = struct.pack("!BBH4s4s4sQ", 1, 0, 600, bytes(4), home_agent, bytes(4), self._sent)
        message += bytes([131, len(nai)]) + nai
        udp = struct.pack("!HHHH", 434, 434, 8 + len(message), 0)
        header = struct.pack("!BBHHHBB", 0x45, 0, 28 + len(message), 0, 0, 64, PROTOCOL_UDP)
        addresses = client.packed + VIRTUAL.packed
        header += checksum(header + bytes(2) + addresses).to_bytes(2, "big") + addresses
        frame = bytes.fromhex("0251b70000010200000000990800") + header + udp + message
        self.sent.clear()
        self.punt(Purpose.PUNT_REQUEST, frame)

    def session(self, name: str) -> Session | None:
        server = self.balancer.virtual_servers["MIPSLB"]
        identity = b"\x01" + name.encode()
        return self.balancer.sessions.find(make_request(server, identity, bytes(4), 434, bytes(4), 600, 1, 0))

    def flood(self, kind: str) -> None:
        for number in range(FLOOD * self.limit):
            client = {"one": IPv4Address("15.6.6.6"), "pdsn": PDSN}.get(kind, IPv4Address("20.0.0.1") + number)
            named = IPv4Address("10.1.1.51").packed if number % 2 else bytes(4)
            self.send(f"{kind}-{number}@made-up.example", client, named)


@pytest.fixture(scope="module")
def target() -> Target:
    return Target()


@pytest.mark.parametrize("kind", ["one", "many", "pdsn"])
def test_a_flood_moves_and_ends_no_confirmed_session(target: Target, kind: str) -> None:
    """All honest mobiles are served where they were, and the table is no larger than its limit."""
    target.flood(kind)
    assert len(target.balancer.sessions) == target.limit
    assert {name: target.session(name) for name in target.names()} == target.honest
    assert target.register_honest() == len(target.honest)
    assert {name: session.real for name, session in target.honest.items()} == target.reals
    statistics = target.balancer.statistics
    assert statistics.requests == statistics.dispatched + statistics.dropped
    assert statistics.evictions >= (FLOOD - 1) * target.limit


def test_who_uses_the_names_of_mobiles_without_a_pause_does_not_keep_them_unconfirmed() -> None:
    """They seem to retransmit, and never to get a reply. Their home agents answer somebody, so they do not move."""
    target = Target(limit=60, honest=0)
    names = [f"victim-{number}@isp.com" for number in range(10)]
    for second in range(30):
        for real in target.balancer.reals():
            target.balancer.failure_detection.on_reply(real, None, target.now)
        for name in names:
            target.send(name, PDSN if second % 10 == 0 else IPv4Address("15.6.6.6"))
        target.now += 1.0
    sessions = {name: target.session(name) for name in names}
    target.flood("one")
    target.flood("pdsn")
    assert {name: target.session(name) for name in names} == sessions


def test_new_honest_mobiles_get_in_during_a_flood(target: Target) -> None:
    target.flood("one")
    for number in range(100):
        target.send(f"new-{number}@isp.com", IPv4Address("15.2.2.2"))
        target.send(f"again-{number}@made-up.example", IPv4Address("15.6.6.6"))
    assert all(target.session(f"new-{number}@isp.com") for number in range(100))


def test_the_rules_of_displaced_sessions_leave_the_switch() -> None:
    """The switch holds no more session rules than there are sessions."""
    target = Target(limit=60, honest=20)
    for kind in ("one", "many"):
        target.flood(kind)
        for _ in range(10):
            target.settle()
        cookies = {session.cookie for session in target.balancer.sessions}
        in_table = {flow.cookie for flow in target.fake.flows if flow.table_id == 1}
        assert in_table - {Purpose.PUNT_SESSION_MISS.cookie} == cookies


def test_who_sends_everything_twice_leaves_room_for_others(target: Target) -> None:
    """Forged confirmations take seven eighths of the table at most."""
    for number in range(2):
        for mobile in range(target.limit):
            target.send(f"twice-{mobile}@made-up.example", IPv4Address("15.6.6.6"))
        target.now += 600 * (1 + number)
    target.send("late@isp.com", IPv4Address("15.2.2.2"))
    assert target.session("late@isp.com") is not None
    assert target.register_honest() == len(target.honest)
