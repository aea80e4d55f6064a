"""In a cluster the leader is MASTER at every switch, by a generation (OpenFlow 1.3.5, section 6.3.6)."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from roles_bench import Bench, Member

from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.roles.fencing import FENCING_TRANSITIONS, LINGER_TIMEOUT, QUESTION_INTERVAL
from ryu_haslb.openflow.wire.role import OFPT_ROLE_REQUEST, ControllerRole, role_request


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
