"""A standby's follower at a real Open vSwitch: its view of the session rules is always that of the switch."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from own_switch import HARD_LIMIT, OwnSwitch, accepts, wait_until

from haslb_lab.runner import waiting
from ryu_haslb.openflow.flow_tables.key_rules import key_rules
from ryu_haslb.openflow.flow_tables.pipeline import Rule, chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule, delivery_actions, session_rewrites
from ryu_haslb.openflow.recovery.follower import Follower
from ryu_haslb.openflow.recovery.follower_states import FollowerState
from ryu_haslb.openflow.recovery.session_view import Budget
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, bundle, match
from ryu_haslb.openflow.wire.role import ControllerRole, role_request

pytestmark = pytest.mark.lab

VIRTUAL = bytes([10, 1, 1, 10])
KEY = b"nine byte"
#: Rules in a bundle, and more than a switch sends to a standby that does not read.
BUNDLE, MANY = 1000, 80_000


class Peer:
    """A controller's connection to the switch; it answers echo requests while it reads."""

    def __init__(self, path: Path) -> None:
        self.bytes_sent = self.xid = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._received = b""
        self.transmit(wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, 8, 0))

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def transmit(self, message: bytes) -> None:
        self._socket.sendall(message)

    def close(self) -> None:
        self._socket.close()

    def messages(self) -> Iterator[bytes]:
        """The messages that have come by now."""
        while select.select([self._socket], [], [], 0)[0]:
            received = self._socket.recv(1 << 20)
            if not received:
                return
            self._received += received
        while len(self._received) >= wire.HEADER.size:
            (length,) = struct.unpack_from("!H", self._received, 2)
            if length > len(self._received):
                return
            message, self._received = self._received[:length], self._received[length:]
            if message[1] == wire.OFPT_ECHO_REQUEST:
                self.transmit(message[:1] + bytes([wire.OFPT_ECHO_REPLY]) + message[2:])
            yield message


class Leader(Peer):
    """The MASTER of the switch."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.transmit(role_request(self.next_xid(), ControllerRole.MASTER, 1))

    def change(self, *messages: Callable[[int], bytes]) -> None:
        """Have the switch carry out flow-mods in bundles, and wait until it has."""
        for first in range(0, len(messages), BUNDLE):
            xid = self.next_xid()
            self.transmit(bundle(xid, xid, [build(xid) for build in messages[first : first + BUNDLE]]))
        barrier = self.next_xid()
        self.transmit(wire.barrier_request(barrier))
        found: list[bytes] = []

        def is_done() -> bool:
            found.extend(self.messages())
            return any(each[1] == wire.OFPT_BARRIER_REPLY and each[4:8] == barrier.to_bytes(4, "big") for each in found)

        wait_until(is_done)
        assert not [each.hex() for each in found if each[1] == wire.OFPT_ERROR]


class Standby(Peer):
    """A follower over a connection of its own, as SLAVE."""

    def __init__(self, path: Path, limit: int = 1 << 20) -> None:
        super().__init__(path)
        self.transmit(role_request(self.next_xid(), ControllerRole.SLAVE, 1))
        self.states: list[FollowerState] = []
        self.follower = Follower(1, self, Budget(limit))
        self.follower.begin(False, time.monotonic())

    def run_until(self, holds: Callable[[], bool]) -> None:
        """Handle what comes, and time, until something holds."""

        def has_come() -> bool:
            self.follower.tick(time.monotonic())
            for message in self.messages():
                self._handle(message)
            return holds()

        waiting.wait_until(has_come, lambda: f"{self.follower.state}, {self.follower.sessions} sessions", HARD_LIMIT)

    def follow(self, rules: int) -> None:
        """Handle what comes until so many rules are followed, as they are on the switch."""
        self.run_until(lambda: self.follower.is_current and self.follower.sessions == rules)

    def _handle(self, message: bytes) -> None:
        _, kind, _, xid = wire.HEADER.unpack_from(message)
        if kind == wire.OFPT_ERROR:
            self.follower.on_error(xid, wire.read_error(message), time.monotonic())
        else:
            self.follower.on_message(kind, xid, message, time.monotonic())
        if self.states[-1:] != [self.follower.state]:
            self.states.append(self.follower.state)


def session_rule(number: int, port: int = 1) -> SessionRule:
    tag = 1 << 41 | number
    actions = delivery_actions(session_rewrites(chassis_address(1), bytes.fromhex("020000000051")), port, None)
    return SessionRule(tag, VIRTUAL, 434, 0, actions)


def add(number: int, port: int = 1) -> Callable[[int], bytes]:
    return lambda xid: session_rule(number, port).flow_mod(xid, wire.OFPFC_ADD)


def delete(number: int) -> Callable[[int], bytes]:
    return lambda xid: session_rule(number).flow_mod(xid, wire.OFPFC_DELETE_STRICT)


def standing(rule: Rule) -> Callable[[int], bytes]:
    return lambda xid: FlowMod(
        wire.OFPFC_ADD, rule.table, rule.cookie, priority=rule.priority, match=match(rule.match)
    ).pack(xid)


def modify_all(port: int) -> Callable[[int], bytes]:
    """Others may change what rules do; the match is that of every session rule."""
    actions = apply_actions(wire.output(port))
    return lambda xid: FlowMod(1, 1, 0, match=match({}), instructions=actions).pack(xid)


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[tuple[OwnSwitch, Path]]:
    folder = tmp_path / "ovs"
    with OwnSwitch(folder, 1).running() as own:
        own.add_bridge()
        path = folder / "br.mgmt"
        wait_until(lambda: accepts(path))
        yield own, path


def ports(standby: Standby) -> dict[int, int]:
    """The port of each rule that is followed."""
    return {
        tag & ~(1 << 41): int.from_bytes(target.actions[-12:-8], "big")
        for tag, target in standby.follower._view.rules.items()
    }


def test_the_view_is_that_of_the_switch_whatever_changes(switch: tuple[OwnSwitch, Path]) -> None:
    leader = Leader(switch[1])
    leader.change(*(add(number) for number in range(3000)), *map(standing, key_rules([KEY])))
    standby = Standby(switch[1])
    standby.follow(3000)
    leader.change(add(7, port=2), delete(8), add(5000), delete(5000), add(5001, port=3), delete(9), add(9, port=4))
    expected = {**dict.fromkeys(range(3000), 1), 7: 2, 9: 4, 5001: 3}
    del expected[8]
    standby.run_until(lambda: ports(standby) == expected)
    leader.change(modify_all(6))
    standby.run_until(lambda: set(ports(standby).values()) == {6})
    followed = standby.follower.conclude()
    assert followed is not None
    assert (len(followed.rules), followed.keys, followed.is_current) == (3000, [KEY], True)


def test_rules_that_come_while_it_reads_are_there_once_it_has_read(switch: tuple[OwnSwitch, Path]) -> None:
    leader = Leader(switch[1])
    leader.change(*(add(number) for number in range(20_000)))
    standby = Standby(switch[1])
    standby.run_until(lambda: standby.follower.sessions > 0)
    leader.change(
        *(delete(number) for number in range(0, 10_000, 2)), *(add(number, 2) for number in range(1, 30_000, 2))
    )
    expected = dict.fromkeys(range(10_000, 20_000, 2), 1)
    expected.update(dict.fromkeys(range(1, 30_000, 2), 2))
    standby.run_until(lambda: standby.follower.is_current and ports(standby) == expected)


def test_a_standby_that_does_not_read_for_a_while_has_everything_afterwards(switch: tuple[OwnSwitch, Path]) -> None:
    """The switch pauses its monitor, and reports all that it has held back when it resumes."""
    leader = Leader(switch[1])
    leader.change(*map(add, range(10)))
    standby = Standby(switch[1])
    standby.follow(10)
    leader.change(*map(add, range(10, MANY)))
    leader.change(delete(1), delete(MANY - 1), add(2, port=5), add(MANY), delete(MANY))
    standby.follow(MANY - 2)
    assert FollowerState.PAUSED in standby.states
    expected = {**dict.fromkeys(range(MANY - 1), 1), 2: 5}
    del expected[1]
    assert ports(standby) == expected


def test_a_standby_that_connects_again_and_a_switch_that_restarts(switch: tuple[OwnSwitch, Path]) -> None:
    own, path = switch
    leader = Leader(path)
    leader.change(*map(add, range(100)))
    first = Standby(path)
    first.follow(100)
    first.close()
    leader.change(delete(5))
    second = Standby(path)
    second.follow(99)
    own.kill()
    path.unlink(missing_ok=True)
    own.start()
    wait_until(lambda: accepts(path))
    Leader(path).change(*map(add, range(7)))
    third = Standby(path)
    third.follow(7)


def test_a_takeover_on_the_same_connection_and_another_standby_later(switch: tuple[OwnSwitch, Path]) -> None:
    """A monitor that ends and another one do not disturb each other; its own changes are not reported."""
    leader = Leader(switch[1])
    leader.change(*map(add, range(50)))
    standby = Standby(switch[1])
    standby.follow(50)
    followed = standby.follower.conclude()
    assert followed is not None and len(followed.rules) == 50
    standby.transmit(role_request(standby.next_xid(), ControllerRole.MASTER, 2))
    standby.transmit(add(50)(standby.next_xid()))
    standby.transmit(role_request(standby.next_xid(), ControllerRole.SLAVE, 2))
    standby.follower.begin(True, time.monotonic())
    standby.follow(51)


def test_more_rules_than_the_limit_end_it(switch: tuple[OwnSwitch, Path]) -> None:
    leader = Leader(switch[1])
    leader.change(*map(add, range(100)))
    standby = Standby(switch[1], limit=100)
    standby.follow(100)
    leader.change(add(100))
    standby.run_until(lambda: standby.follower.state is FollowerState.WAITING)
    assert standby.follower.sessions == 0
