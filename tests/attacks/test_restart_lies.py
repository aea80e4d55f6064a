"""A stranger passes for a switch while the balancer starts anew, before the real switch has connected.

He was served as a switch before, so he knows the keys of tags and how rules look, and he knows the NAIs of mobiles. He
reports what would move them, or have their sessions forgotten, and sends requests in their names.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from attacked import HARD_LIMIT, HELLO
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from fake_switch import FakeSwitch, packet_in
from mobile import VIRTUAL, frame, nai, registration, request
from statistics_replies import FlowRow

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab
from ryu_haslb.cli.client import ControlError
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH, key_rules
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.flow_tables.session_rule import session_match
from ryu_haslb.openflow.wire import flow_mod, wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS
from ryu_haslb.slb.tag_keys import MAX_KEYS

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(3600)
HONEST = [f"honest-{number}@isp.com" for number in range(9)]
NODES = list(REALS)
STRANGERS_ID, PORT = 0xBAD, 5
_ARP_REQUEST = bytes.fromhex("08060001080006040001")
_KEY_COOKIE = Purpose.TAG_KEY.cookie.to_bytes(4, "big")


class Stranger:
    """A switch of a stranger, which has rules of his own choice and claims to reach every home agent.

    ``actions`` has where packet-outs of his requests led, by the first part of the NAI.
    """

    def __init__(self, address: str, datapath_id: int, rules: Iterable[FlowRow]) -> None:
        self._switch, self.actions, self.key_rules = FakeSwitch(datapath_id), dict[str, bytes](), list[FlowRow]()
        self._switch.install(rules)
        self.served = threading.Event()
        self._peer = socket.create_connection((address, 6653), HARD_LIMIT)
        self._peer.settimeout(None)
        self._peer.sendall(HELLO)
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def ask(self, request: bytes) -> dict[str, bytes]:
        """Send a request; where earlier ones led."""
        self._peer.sendall(packet_in(Purpose.PUNT_REQUEST.cookie, PORT + 1, request))
        return self.actions

    def close(self) -> None:
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._peer.close()

    def _answer(self) -> None:
        with suppress(OSError):
            while data := self._peer.recv(1 << 16):
                for received, replies in self._switch.receive(data):
                    self._note(received)
                    self._peer.sendall(b"".join([*replies, *arp_answers(received)]))

    def _note(self, received: bytes) -> None:
        """Where a packet-out of a request leads, and the rules that hold keys."""
        found = re.search(rb"(\w+)@spy", received)
        if received[1] == wire.OFPT_PACKET_OUT and found:
            (length,) = struct.unpack_from("!H", received, 16)
            self.actions[found[1].decode()] = received[24 : 24 + length]
        rule = received[24:] if received[1] == wire.OFPT_EXPERIMENTER else received
        if rule[1:2] != bytes([wire.OFPT_FLOW_MOD]):
            return
        self.served.set()
        if rule[12:16] == _KEY_COOKIE:
            (cookie,), (length,) = struct.unpack_from("!Q", rule, 8), struct.unpack_from("!H", rule, 50)
            self.key_rules.append(FlowRow(cookie, rule[48 : 48 + length + -length % 8], table=0))


def arp_answers(received: bytes) -> Iterator[bytes]:
    """Packet-ins with the answer to an ARP probe in a packet-out."""
    at = received.find(_ARP_REQUEST) - 12
    if received[1] != wire.OFPT_PACKET_OUT or at < 0:
        return
    probe = received[at:]
    mac = bytes.fromhex("02660000") + probe[40:42]
    body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, mac, probe[38:42], probe[22:28], probe[28:32])
    for purpose in (Purpose.PUNT_ARP_ANSWER, Purpose.PUNT_ARP_REPLY):
        yield packet_in(purpose.cookie, PORT, probe[6:12] + mac + b"\x08\x06" + body)


def spied(stranger: Stranger) -> dict[str, bytes]:
    """The actions that lead to each home agent at the stranger's switch, by node: he has a request sent to each."""

    def knows_all() -> bool:
        for node, home_agent in REALS.items():
            stranger.ask(frame(request(nai(f"{node}@spy"), home_agent=home_agent)))
        return stranger.actions.keys() == REALS.keys()

    wait_until(knows_all, "the way to each home agent is known")
    return stranger.actions


def rule(tag: int, actions: bytes) -> FlowRow:
    match = flow_mod.match(session_match(tag, VIRTUAL))
    return FlowRow(tag << COOKIE_MARK_BITS | COOKIE_MARK, match, apply_actions(actions))


def keys() -> list[FlowRow]:
    """As many keys as a switch can hold."""
    rules = key_rules([os.urandom(KEY_LENGTH) for _ in range(MAX_KEYS)])
    return [FlowRow(each.cookie, flow_mod.match(each.match), table=0, priority=each.priority) for each in rules]


@contextmanager
def passing_for_switches(
    bench: Bench, rules: Iterable[Sequence[FlowRow]], first_id: int = STRANGERS_ID
) -> Iterator[list[Stranger]]:
    """A switch of the stranger for each of these lists of rules, all of them served."""
    with ExitStack() as stack:
        strangers = []
        for datapath_id, each in enumerate(rules, first_id):
            stranger = Stranger(bench.lab.node(CONTROLLER).IP(), datapath_id, each)
            strangers.append(stack.enter_context(closing(stranger)))
            wait_until(stranger.served.is_set, "the stranger is served")
        yield strangers


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


@contextmanager
def restarted(bench: Bench) -> Iterator[dict[str, int]]:
    """The balancer crashes and starts again; no switch is connected yet. Yields the tags of the honest mobiles."""
    wait_until(lambda: all(bench.sessions()[name]["rule_at"] for name in HONEST), "the sessions have their rules")
    tags = {name: int(bench.sessions()[name]["nai_hash"], 16) >> COOKIE_MARK_BITS for name in HONEST}
    bench.disconnect()
    bench.kill_controller()
    bench.lab.start_controller()
    wait_until(lambda: answers(bench), "the balancer listens")
    yield tags


def answers(bench: Bench) -> bool:
    with suppress(ControlError, ValueError):
        return bool(bench.statistics())
    return False


def require_unmoved(bench: Bench, homes: dict[str, str]) -> None:
    """In another order than before: new sessions would be elsewhere."""
    assert {name: bench.deliver(registration(name)) for name in reversed(homes)} == homes
    assert "Traceback" not in bench.lab.log(CONTROLLER)


def test_keys_that_strangers_report_have_no_session_forgotten(bench: Bench) -> None:
    homes = {name: bench.deliver(registration(name)) for name in HONEST}
    with restarted(bench), passing_for_switches(bench, [keys()]):
        bench.connect()
        bench.lab.wait_until_balancing()
        with passing_for_switches(bench, [keys() for _ in range(3)], STRANGERS_ID + 1):
            require_unmoved(bench, homes)


def test_rules_and_requests_of_a_stranger_move_no_mobile(bench: Bench) -> None:
    """He reports a rule to another home agent for each, and then asks for half of them."""
    homes = {name: bench.deliver(registration(name)) for name in HONEST}
    with passing_for_switches(bench, [[]]) as (stranger,):
        ways = spied(stranger)
        known = stranger.key_rules
    other = {name: NODES[(NODES.index(home) + 1) % len(NODES)] for name, home in homes.items()}
    with restarted(bench) as tags:
        lies = [rule(tags[name], ways[other[name]]) for name in HONEST]
        with passing_for_switches(bench, [[*known, *lies]]) as (stranger,):
            wait_until(
                lambda: len(bench.lab.query(CONTROLLER, "show ip slb sessions")) == len(HONEST), "he is believed"
            )
            for name in HONEST[::2]:
                stranger.ask(frame(request(nai(name))))
            bench.connect()
            bench.lab.wait_until_balancing()
            require_unmoved(bench, homes)
            for name in HONEST:
                stranger.ask(frame(request(nai(name))))
            require_unmoved(bench, homes)
        require_unmoved(bench, homes)
