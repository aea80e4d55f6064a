"""The leader of a cluster at switches that do not say their generation, reject every one, or lie about roles."""

from __future__ import annotations

import pytest
from roles_bench import Bench, Member

from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.roles.fencing import QUESTION_INTERVAL, FencedMastership, Leadership
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.role import OFPT_ROLE_REQUEST, ControllerRole, role_request


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


def cut_off(bench: Bench) -> tuple[Member, Member]:
    """A leader with generation 5 that is MASTER, and another member; 6 is to follow."""
    former, successor = Member(bench, leads_with=5), Member(bench)
    bench.run(1, former, successor)
    assert former.events == ["serve"]
    return former, successor


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
