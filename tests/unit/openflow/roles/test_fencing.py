"""In a cluster the leader is MASTER at every switch, by a generation (OpenFlow 1.3.5, section 6.3.6)."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.roles.fencing import (
    FENCING_TRANSITIONS,
    LINGER_TIMEOUT,
    QUESTION_INTERVAL,
    FencedMastership,
    Leadership,
)
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.role import OFPT_ROLE_REQUEST, ControllerRole, role_request
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch
from simulation.switch_connection import SwitchConnection


class Bench:
    """A simulated switch, and the members that connect to it."""

    def __init__(self, roles: bool = True, **capabilities: Any) -> None:
        self.clock = Clock()
        can = Capabilities(roles=roles, **capabilities)
        self.switch = SimulatedSwitch(1, {1: "port1"}, self.clock, lambda *_: None, can)

    def run(self, seconds: float, *members: Member) -> None:
        """Let time pass; members tick ten times a second."""
        for _ in range(round(seconds * 10)):
            self.clock.run_until(self.clock.now + 0.1)
            for each in members:
                each.mastership.tick(self.clock.now)


class Member:
    """A member's end of a connection. ``events`` is what it is to do, ``reported`` the generations at the switch."""

    def __init__(self, bench: Bench, leads_with: int = 0, generation: Optional[int] = None) -> None:
        self.events: list[str] = []
        self.reported: list[int] = []
        self.leadership = Leadership(lambda generation, _: self.reported.append(generation))
        self.lead(leads_with)
        self.bytes_sent = self.xid = 0
        self._bench = bench
        self.link: SwitchConnection = bench.switch.connect(self._on_message)
        self.mastership = FencedMastership(1, self, self.leadership, self, generation)
        self.mastership.ask(bench.clock.now)

    def lead(self, generation: int) -> None:
        self.leadership.is_leading, self.leadership.generation = generation > 0, generation

    def stand_by(self, generation: int) -> None:
        self.leadership.is_leading, self.leadership.generation = False, generation

    def on_mastership(self, others_served: bool) -> None:
        self.events.append("serve, and read anew" if others_served else "serve")

    def on_mastership_lost(self) -> None:
        self.events.append("wait")

    def on_forgotten(self) -> None:
        self.events.append("begin anew")

    def transmit(self, message: bytes) -> None:
        self.link.receive(message)

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def role_at_switch(self) -> Optional[int]:
        """The role that the switch has reported last; a question for it is asked now."""
        self.mastership.ask(self._bench.clock.now)
        self._bench.run(0.1)
        return self.mastership._role_at_switch

    def _on_message(self, message: bytes) -> None:
        _, kind, _, xid = wire.HEADER.unpack_from(message)
        now = self._bench.clock.now
        if kind == wire.OFPT_ERROR:
            self.mastership.on_error(xid, wire.read_error(message), now)
        else:
            self.mastership.on_message(kind, xid, message, now)


@pytest.mark.parametrize(
    "habits",
    [{}, {"repeats_generation": True}, {"repeats_generation": True, "demotes_master": False}],
    ids=["conforming", "repeats", "repeats_and_does_not_demote"],
)
def test_a_former_leader_serves_until_the_switch_has_another_master(habits: dict[str, Any]) -> None:
    """A switch without a MASTER drops what it punts; the database reports the new leader to both at the same time."""
    bench = Bench(**habits)
    former, successor = Member(bench, leads_with=1), Member(bench)
    bench.run(1, former, successor)
    former.stand_by(2)
    bench.run(LINGER_TIMEOUT / 2, former, successor)
    assert (former.events, former.mastership.role) == (["serve"], Role.MASTER)
    successor.lead(2)
    successor.mastership.tick(bench.clock.now)
    bench.run(0.2, former, successor)
    assert (former.events, former.mastership.role) == (["serve", "wait"], Role.WAITING)
    assert successor.mastership.role is Role.MASTER


def test_a_former_leader_gives_up_a_switch_that_gets_no_other_master() -> None:
    """Its successor may not reach the switch, and it may not lead again."""
    bench = Bench()
    former, other = Member(bench, leads_with=1), Member(bench)
    bench.run(1, former, other)
    former.stand_by(2)
    bench.run(LINGER_TIMEOUT + 0.2, former, other)
    assert (former.events, former.mastership.role) == (["serve", "wait"], Role.WAITING)
    assert former.role_at_switch() == ControllerRole.SLAVE


def test_a_leader_that_leads_again_meanwhile_goes_on_with_its_new_generation() -> None:
    bench = Bench()
    leader = Member(bench, leads_with=1)
    bench.run(1, leader)
    leader.stand_by(2)
    bench.run(0.1, leader)
    leader.lead(3)
    bench.run(LINGER_TIMEOUT + 0.2, leader)
    assert (leader.events, leader.mastership.generation) == (["serve"], 3)


def test_where_a_switch_has_no_roles_a_former_leader_ends_at_once() -> None:
    """Nothing but the former leader itself keeps it from dispatching what its successor dispatches."""
    bench = Bench(roles=False)
    former = Member(bench, leads_with=1)
    bench.run(1, former)
    former.stand_by(2)
    former.mastership.tick(bench.clock.now)
    assert (former.events, former.mastership.role) == (["serve, and read anew", "wait"], Role.WAITING)


def test_the_leader_serves_and_the_others_stand_by() -> None:
    bench = Bench()
    leader, standby = Member(bench, leads_with=1), Member(bench)
    bench.run(3, leader, standby)
    assert (leader.events, leader.mastership.role) == (["serve"], Role.MASTER)
    assert (standby.events, standby.mastership.role) == (["wait"], Role.WAITING)


def test_a_standby_serves_when_it_leads_and_the_former_leader_knows_at_once() -> None:
    bench = Bench()
    former, successor = Member(bench, leads_with=1), Member(bench)
    bench.run(1, former, successor)
    successor.lead(2)
    successor.mastership.tick(bench.clock.now)
    bench.run(1, former, successor)
    assert (successor.events, successor.mastership.role) == (["wait", "serve, and read anew"], Role.MASTER)
    assert (former.events, former.mastership.role) == (["serve", "wait"], Role.WAITING)
    assert set(former.reported) == {2}, "the cluster decides what the newer generation means"


def test_a_former_leader_that_was_suspended_changes_nothing_when_it_wakes_up() -> None:
    """The switch rejects its MASTER with the old generation (OFPRRFC_STALE), and its changes (OFPBRC_IS_SLAVE)."""
    bench = Bench()
    former, successor = Member(bench, leads_with=1), Member(bench)
    bench.run(1, former, successor)
    former.link.close()
    successor.lead(2)
    bench.run(1, successor)
    again = Member(bench, leads_with=1, generation=1)
    bench.run(3, again, successor)
    assert (again.mastership.role, again.events) == (Role.WAITING, ["wait"])
    assert 2 in again.reported
    assert successor.mastership.role is Role.MASTER


def test_a_leader_that_stands_by_gives_the_switch_to_the_new_one() -> None:
    bench = Bench()
    former = Member(bench, leads_with=1)
    bench.run(1, former)
    former.stand_by(2)
    bench.run(1, former)
    assert (former.mastership.role, former.events) == (Role.WAITING, ["serve", "wait"])


def test_a_new_generation_of_the_same_leader_interrupts_nothing() -> None:
    bench = Bench()
    leader = Member(bench, leads_with=1)
    bench.run(1, leader)
    leader.lead(5)
    bench.run(1, leader)
    assert (leader.mastership.role, leader.mastership.generation, leader.events) == (Role.MASTER, 5, ["serve"])


def test_a_switch_that_remembers_a_newer_generation_is_reported_and_served_with_the_next_one() -> None:
    bench = Bench()
    intruder = Member(bench)
    intruder.link.receive(role_request(9, ControllerRole.SLAVE, 40))
    leader = Member(bench, leads_with=3)
    bench.run(2, leader)
    assert (leader.mastership.role, set(leader.reported)) == (Role.WAITING, {40})
    leader.lead(41)
    bench.run(1, leader)
    assert leader.mastership.role is Role.MASTER


def test_a_leader_asks_for_its_role_since_not_every_switch_sends_role_status() -> None:
    bench = Bench()
    leader = Member(bench, leads_with=1)
    bench.run(1, leader)
    before = leader.xid
    bench.run(3 * QUESTION_INTERVAL, leader)
    assert leader.xid > before


def test_every_role_can_be_taken_and_left() -> None:
    roles = set(Role) - {Role.NONE}
    assert {before for before, _ in FENCING_TRANSITIONS} == roles
    assert set(FENCING_TRANSITIONS.values()) == roles - {Role.ASKING}


def test_a_connection_of_the_leader_that_was_lost_loses_no_session() -> None:
    bench = Bench()
    leader = Member(bench, leads_with=1)
    bench.run(1, leader)
    leader.link.close()
    again = Member(bench, leads_with=1, generation=1)
    bench.run(1, again)
    assert again.events == ["serve"], "no other member can have served the switch"


def test_a_switch_without_roles_is_served_by_the_leader_alone() -> None:
    bench = Bench(roles=False)
    member = Member(bench)
    bench.run(1, member)
    assert (member.mastership.role, member.events) == (Role.WAITING, ["wait"])
    member.lead(1)
    bench.run(1, member)
    assert (member.mastership.role, member.events[-1]) == (Role.UNFENCED, "serve, and read anew")
    member.stand_by(2)
    bench.run(1, member)
    assert (member.mastership.role, member.events[-1]) == (Role.WAITING, "wait")


def test_a_standby_whose_slave_is_rejected_asks_again_and_does_not_stay_equal() -> None:
    """A switch that connects to all members at once may see the leader's MASTER before the SLAVE of another one."""
    bench = Bench()
    leader = Member(bench)

    class Late(Member):
        def transmit(self, message: bytes) -> None:
            is_slave = message[1] == OFPT_ROLE_REQUEST and message[11] == ControllerRole.SLAVE
            if is_slave and leader.link.role != ControllerRole.MASTER:
                leader.link.receive(role_request(9, ControllerRole.MASTER, 7))
            super().transmit(message)

    standby = Late(bench)
    assert standby.link.role == ControllerRole.EQUAL
    bench.run(3, standby)
    assert (standby.link.role, standby.events) == (ControllerRole.SLAVE, ["wait"])
    assert leader.link.role == ControllerRole.MASTER


class LyingSwitch:
    """Answers each request for a role with one and the same role."""

    def __init__(self, leads_with: int, role: ControllerRole) -> None:
        self.events: list[str] = []
        self.requests = self.xid = self.bytes_sent = 0
        self._role = role
        self.leadership = Leadership(lambda *_: None)
        self.leadership.is_leading, self.leadership.generation = leads_with > 0, leads_with
        self._waiting: list[bytes] = []
        self.mastership = FencedMastership(1, self, self.leadership, self, None)
        self.mastership.ask(0.0)

    def on_mastership(self, _: bool) -> None:
        self.events.append("serve")

    def on_mastership_lost(self) -> None:
        self.events.append("wait")

    def on_forgotten(self) -> None:
        self.events.append("begin anew")

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def transmit(self, message: bytes) -> None:
        self._waiting.append(message)

    def answer(self, most: int = 20) -> None:
        """Answer what was asked, and what is asked because of the answers."""
        while self._waiting and most:
            most -= 1
            stream = self._waiting.pop(0)
            while stream:
                _, kind, length, xid = wire.HEADER.unpack_from(stream)
                stream = stream[length:]
                if kind == OFPT_ROLE_REQUEST:
                    self.requests += 1
                    reply = bytearray(role_request(xid, self._role, 3))
                    reply[1] = wire.OFPT_ROLE_REPLY
                    self.mastership.on_message(wire.OFPT_ROLE_REPLY, xid, bytes(reply), 0.0)
                else:
                    self.mastership.on_message(wire.OFPT_BARRIER_REPLY, xid, b"", 0.0)


def test_a_switch_that_rejects_every_generation_is_served_by_the_leader_alone() -> None:
    """It says that it knows none, so the cluster cannot go on to a newer one."""
    bench = Bench(rejects_generations=True)
    leader, other = Member(bench, leads_with=3), Member(bench)
    bench.run(10, leader, other)
    assert (leader.events[-1], leader.mastership.role) == ("serve, and read anew", Role.UNFENCED)
    assert (other.events, other.mastership.role) == (["wait"], Role.WAITING)


def test_a_switch_that_does_not_say_its_generation_is_read_anew_by_one_that_leads_again() -> None:
    """Lagopus repeats the generation of the question. Another member has led while this one was not connected."""
    bench = Bench(repeats_generation=True)
    first = Member(bench, leads_with=1)
    bench.run(1, first)
    generation = first.mastership.generation
    assert (first.events, generation) == (["serve"], 1)
    assert Member(bench, leads_with=1, generation=generation).events == ["serve"]
    assert Member(bench, leads_with=3, generation=generation).events == ["serve, and read anew"]


def cut_off(bench: Bench) -> tuple[Member, Member]:
    """A leader with generation 5 that is MASTER, and another member; 6 is to follow."""
    former, successor = Member(bench, leads_with=5), Member(bench)
    bench.run(1, former, successor)
    assert former.events == ["serve"]
    return former, successor


@pytest.mark.parametrize("demotes", [True, False], ids=["demotes", "does_not_demote"])
def test_a_leader_that_is_cut_off_and_connects_again_does_not_serve_where_no_generation_is_said(demotes: bool) -> None:
    """A rejection (OFPRRFC_STALE) shows that a newer generation was seen, although the switch does not say which."""
    bench = Bench(repeats_generation=True, demotes_master=demotes)
    former, successor = cut_off(bench)
    former.link.close()
    successor.lead(6)
    bench.run(1, successor)
    again = Member(bench, leads_with=5, generation=5)
    bench.run(5, again, successor)
    assert (again.mastership.role, again.events, set(again.reported)) == (Role.WAITING, ["wait"], {6})
    assert (successor.mastership.role, successor.events) == (Role.MASTER, ["wait", "serve"])


@pytest.mark.parametrize("demotes", [True, False], ids=["demotes", "does_not_demote"])
def test_a_leader_that_is_cut_off_from_the_cluster_alone_waits_where_no_generation_is_said(demotes: bool) -> None:
    """Lagopus leaves it MASTER beside its successor: it finds out by asking for MASTER anew."""
    bench = Bench(repeats_generation=True, demotes_master=demotes)
    former, successor = cut_off(bench)
    successor.lead(6)
    successor.mastership.tick(bench.clock.now)
    bench.run(QUESTION_INTERVAL + 0.2, former, successor)
    assert (former.mastership.role, former.events, set(former.reported)) == (Role.WAITING, ["serve", "wait"], {6})
    bench.run(5, former, successor)
    assert (former.mastership.role, successor.mastership.role) == (Role.WAITING, Role.MASTER)
    assert successor.reported == [], "asking for MASTER anew takes nothing from it"
    former.lead(7)
    bench.run(0.2, former, successor)
    assert former.events == ["serve", "wait", "serve, and read anew"], "the cluster has confirmed it"


def test_a_leader_that_stands_by_is_slave_where_a_former_master_stays_master() -> None:
    bench = Bench(repeats_generation=True, demotes_master=False)
    former, successor = cut_off(bench)
    successor.lead(6)
    bench.run(2, former, successor)
    former.stand_by(6)
    bench.run(2, former, successor)
    assert (former.link.role, successor.link.role) == (ControllerRole.SLAVE, ControllerRole.MASTER)


def test_two_leaders_of_one_generation_ask_for_a_newer_one_where_none_is_said() -> None:
    """The database was made anew, and gave the generation away a second time: the switch accepts both."""
    bench = Bench(repeats_generation=True)
    former, successor = cut_off(bench)
    successor.lead(5)
    bench.run(2, former, successor)
    assert set(former.reported) == {6}


@pytest.mark.parametrize("generation", [None, 5], ids=["none", "that_of_the_leader"])
def test_a_leader_whose_rejection_a_switch_has_forgotten_begins_anew(generation: Optional[int]) -> None:
    """A relay keeps the connection while the switch restarts. Another member may be the first to ask for SLAVE then."""
    bench = Bench()
    Member(bench).link.receive(role_request(9, ControllerRole.SLAVE, 40))
    leader = Member(bench, leads_with=5)
    bench.run(2, leader)
    assert (leader.mastership.role, set(leader.reported)) == (Role.WAITING, {40})
    bench.switch.generation = generation
    leader.mastership.ask(bench.clock.now)
    bench.run(0.1, leader)
    assert (leader.mastership.role, leader.events) == (Role.WAITING, ["wait", "begin anew"])


def test_a_lost_reply_does_not_mean_that_a_switch_has_no_roles() -> None:
    """A relay loses messages while the switch restarts; the reply to the barrier request may come all the same."""

    class Lossy(Member):
        is_losing = False

        def ask_in_vain(self) -> None:
            self.is_losing = True
            self.mastership.ask(bench.clock.now)
            self.is_losing = False

        def transmit(self, message: bytes) -> None:
            is_lost = message[1] == OFPT_ROLE_REQUEST and self.is_losing
            super().transmit(message[len(role_request(0, ControllerRole.NOCHANGE)) :] if is_lost else message)

    bench = Bench()
    former, successor = Lossy(bench, leads_with=5), Member(bench)
    bench.run(1, former, successor)
    former.ask_in_vain()
    assert (former.mastership.role, former.events) == (Role.MASTER, ["serve"])
    successor.lead(6)
    bench.run(1, successor)
    former.ask_in_vain()
    bench.run(2, former, successor)
    assert (former.mastership.role, former.events) == (Role.WAITING, ["serve", "wait"])


def test_a_leader_that_the_switch_has_forgotten_begins_anew() -> None:
    bench = Bench()
    leader = Member(bench, leads_with=1)
    leader.link.role = ControllerRole.EQUAL
    bench.run(QUESTION_INTERVAL, leader)
    assert leader.events == ["serve", "begin anew"]


def test_a_switch_that_gives_another_role_than_master_is_asked_again_by_the_timer_alone() -> None:
    switch = LyingSwitch(4, ControllerRole.EQUAL)
    switch.answer()
    assert (switch.requests, switch.events) == (2, [])
    switch.mastership.tick(0.1)
    switch.answer()
    assert (switch.requests, switch.events) == (3, [])


def test_a_switch_that_makes_a_standby_master_is_not_served() -> None:
    switch = LyingSwitch(0, ControllerRole.MASTER)
    switch.answer()
    assert (switch.requests, switch.events) == (2, ["wait"])
    assert switch.mastership.role is Role.WAITING


def test_a_claim_that_is_accepted_after_the_leader_stands_by_is_given_back() -> None:
    switch = LyingSwitch(4, ControllerRole.MASTER)
    switch.answer(1)
    assert switch.requests == 1, "it claims, and has no answer"
    switch.leadership.is_leading, switch.leadership.generation = False, 5
    switch.answer()
    assert (switch.requests, switch.events) == (3, ["wait"])
    assert switch.mastership.role is Role.WAITING
