"""The call flow among nodes that behave well, and among nodes that do not: each proof can fail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Optional

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from haslb_lab.errors import LabError
from haslb_lab.runner.flows import Flow
from haslb_lab.scenarios import evidence
from haslb_lab.scenarios.call_flow import CallFlow, shares_of_users
from haslb_lab.scenarios.reach import left_out
from haslb_lab.scenarios.scenario import find
from ryu_haslb.mobile_ip.extensions import nai_extension
from ryu_haslb.mobile_ip.registration import RegistrationReply, RegistrationRequest, ReplyCode
from ryu_haslb.openflow.flow_tables.pipeline import Purpose

PDSN, VIRTUAL = IPv4Address("15.1.1.51"), IPv4Address("10.1.1.10")
HOME_AGENTS = {"HA1-7600": IPv4Address("10.1.1.51"), "HA2-7600": IPv4Address("10.1.1.52")}
SESSIONS = 4


class Wire:
    """Stands in for a capture: all that comes is there at once."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.lost = 0

    def listen(self, _: float) -> list[bytes]:
        if self.lost:
            raise LabError(f"the capture lost {self.lost} frames")
        return self.frames


class World:
    """A lab of two home agents, a PDSN and a balancer that shares out in turn. ``fault`` may put something wrong:
    it gets this world after registrations or deregistrations have happened."""

    def __init__(self, fault: Callable[[World, str], None] = lambda world, what: None) -> None:
        self._fault = fault
        self.wires = {name: Wire() for name in ("PDSN-7600", *HOME_AGENTS)}
        self.rules = dict.fromkeys(Purpose, 0)
        self.bindings = dict.fromkeys(HOME_AGENTS, 0)
        self.visitors = 0
        self.sent = 0

    def capture(self, node: str, port: Optional[str] = None) -> Any:
        assert port is None
        return nullcontext(self.wires[node])

    def stream(self, node: str, command: str) -> Iterator[str]:
        what, first, count = command.split()
        accepted: Counter[str] = Counter()
        for number in range(int(count)):
            name = list(HOME_AGENTS)[number % 2]
            self.exchange(name, f"user{int(first) + number}@isp", 600 if what == "register" else 0)
            accepted[str(HOME_AGENTS[name])] += 1
        if what == "register":
            self.rules[Purpose.PUNT_REQUEST] += int(count)
        self.visitors += int(count) if what == "register" else -int(count)
        self._fault(self, what)
        yield json.dumps({f"{what}ed": int(count), "failed": 0, "home_agents": accepted, "failures": {}})

    def exchange(self, name: str, nai: str, lifetime: int) -> None:
        address = HOME_AGENTS[name]
        request = RegistrationRequest(
            IPv4Address(0), IPv4Address(0), PDSN, 1, lifetime, extensions=(nai_extension(nai.encode()),)
        )
        reply = RegistrationReply(ReplyCode.ACCEPTED, IPv4Address("10.201.0.1"), address, 1, lifetime)
        self.wires[name].frames.append(frame(PDSN, address, request.encode()))
        self.wires["PDSN-7600"].frames.append(frame(address, PDSN, reply.encode()))
        self.bindings[name] += 1 if lifetime else -1
        self.sent += 1

    def query(self, node: str, command: str) -> Any:
        if command == "show ip mobile traffic":
            return {"sent": self.sent}
        return {"total": self.visitors if command.startswith("show ip mobile visitor") else self.bindings[node]}

    def flows(self, switch: str) -> list[Flow]:
        assert switch == "haslb1"
        return [
            Flow(
                1 if purpose is Purpose.PUNT_SESSION_MISS else 0, 1, purpose.cookie, n, 0, 0, 0, 0, frozenset(), {}, ""
            )
            for purpose, n in self.rules.items()
        ]


def frame(source: IPv4Address, destination: IPv4Address, payload: bytes) -> bytes:
    packet = Ether() / IP(src=str(source), dst=str(destination)) / UDP(sport=434, dport=434) / Raw(payload)
    return bytes(packet)


@contextmanager
def progress(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@pytest.fixture(autouse=True)
def without_a_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_settle", lambda: None)
    monkeypatch.setattr(evidence, "_SETTLE_TIMEOUT", 0.0)


def play(world: World) -> list[int]:
    """The numbers of the steps that were proved."""
    description = find("direct-static").chassis()
    pdsns = tuple(replace(pdsn, mobiles={}) for pdsn in description.pdsns)
    with CallFlow(world, replace(description, pdsns=pdsns), SESSIONS, progress) as flow:  # type: ignore[arg-type]
        return [step.number for step in (*flow.open(), *flow.close())]


def test_all_six_steps_are_proved() -> None:
    """Chapter: "A typical call flow would have the following sequence of events"."""
    assert play(World()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("sessions", "users"),
    [(100, [(1, 50), (51, 100)]), (5, [(1, 3), (4, 5)]), (1, [(1, 1), (2, 1)])],
)
def test_pdsns_share_the_sessions(sessions: int, users: list[tuple[int, int]]) -> None:
    """Every user is registered exactly once."""
    shared = shares_of_users(["PDSN1", "PDSN2"], sessions)
    assert shared == {name: range(first, last + 1) for name, (first, last) in zip(("PDSN1", "PDSN2"), users)}


@pytest.mark.parametrize(
    ("registered", "reasons"),
    [
        (range(1, 5), []),
        (range(5, 9), ["mobile1 is user 1; PDSN-7600 registered users 5 to 8"]),
        (range(5, 5), ["mobile1 is user 1; PDSN-7600 registered no user"]),
    ],
)
def test_a_mobile_that_is_not_registered_is_named(registered: range, reasons: list[str]) -> None:
    description = find("direct-static").chassis()
    assert list(left_out(description, {"PDSN-7600": registered})) == reasons


def fault(what: str) -> Callable[[Callable[[World], None]], Callable[[World, str], None]]:
    """Something that goes wrong when sessions are opened (``register``) or closed (``deregister``)."""

    def decorate(happen: Callable[[World], None]) -> Callable[[World, str], None]:
        return lambda world, under_way: happen(world) if under_way == what else None

    return decorate


@fault("register")
def request_past_the_balancer(world: World) -> None:
    world.rules[Purpose.PUNT_REQUEST] -= 1


@fault("register")
def request_to_two_home_agents(world: World) -> None:
    world.wires["HA2-7600"].frames.append(world.wires["HA1-7600"].frames[0])


@fault("register")
def request_lost(world: World) -> None:
    world.wires["HA1-7600"].frames.pop()


@fault("register")
def reply_to_the_balancer(world: World) -> None:
    world.rules[Purpose.PUNT_OTHER_TO_CHASSIS] += 1


@fault("register")
def reply_from_the_virtual_address(world: World) -> None:
    replies = world.wires["PDSN-7600"].frames
    replies[0] = replies[0].replace(HOME_AGENTS["HA1-7600"].packed, VIRTUAL.packed, 1)


@fault("register")
def binding_lost(world: World) -> None:
    world.bindings["HA2-7600"] -= 1


@fault("register")
def visitor_lost(world: World) -> None:
    world.visitors -= 1


@fault("deregister")
def deregistration_through_the_balancer(world: World) -> None:
    world.rules[Purpose.PUNT_REQUEST] += 1


@fault("deregister")
def deregistration_through_a_session(world: World) -> None:
    world.rules[Purpose.PUNT_SESSION_MISS] += 1


@fault("deregister")
def deregistration_with_a_lifetime(world: World) -> None:
    world.exchange("HA1-7600", "user1@isp", 600)


@fault("deregister")
def deregistration_unanswered(world: World) -> None:
    world.wires["PDSN-7600"].frames.pop()


@fault("deregister")
def binding_left(world: World) -> None:
    world.bindings["HA1-7600"] += 1


@fault("deregister")
def frame_not_captured(world: World) -> None:
    world.wires["HA2-7600"].lost = 1


@pytest.mark.parametrize(
    ("happens", "complaint"),
    [
        (request_past_the_balancer, "4 requests were sent, and the balancer received 3"),
        (request_to_two_home_agents, "requests of the same mobile arrived at different home agents"),
        (request_lost, "not captured in time: 2 Mobile IP messages for HA1-7600"),
        (reply_to_the_balancer, "the balancer received packets that are not requests"),
        (reply_from_the_virtual_address, "not captured in time: 4 Mobile IP messages for PDSN-7600"),
        (binding_lost, "the bindings are"),
        (visitor_lost, "the visitor tables have"),
        (deregistration_through_the_balancer, "the balancer's rules took packets of the deregistration"),
        (deregistration_through_a_session, "the balancer's rules took packets of the deregistration"),
        (deregistration_with_a_lifetime, "a request has a lifetime"),
        (deregistration_unanswered, "not captured in time: 4 Mobile IP messages for PDSN-7600"),
        (binding_left, "bindings are left"),
        (frame_not_captured, "the capture lost 1 frames"),
    ],
)
def test_what_is_not_the_chapters_is_found_out(happens: Callable[[World, str], None], complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        play(World(happens))
