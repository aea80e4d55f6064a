"""Which of several balancers serves a switch: by roles, and by a lease on the switch."""

from __future__ import annotations

import logging
from typing import Optional

import pytest
from roles_bench import Bench, End

from ryu_haslb.openflow.roles import lease
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.roles.mastership import LEASE_TIMEOUT, QUESTION_INTERVAL, RENEWAL_INTERVAL, Mastership
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.role import ONF_ET_ROLE_STATUS, ControllerRole
from simulation.packet import METADATA
from simulation.switch_connection import SwitchConnection


class Balancer(End):
    """The end of a balancer that no other one knows."""

    mastership: Mastership

    def __init__(self, bench: Bench, holder: int, generation: Optional[int] = None) -> None:
        super().__init__(bench)
        self.mastership = Mastership(1, self, holder, self, generation)
        self.mastership.ask(bench.clock.now)

    def leave(self) -> None:
        self.link.close()


def test_the_first_is_master_and_the_one_that_comes_later_waits(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(60.0, first, later)
    assert (first.events, later.events) == (["serve"], ["wait"])
    assert [each.role for each in bench.switch.connections] == [ControllerRole.MASTER, ControllerRole.SLAVE]
    assert caplog.text.count("is served by another balancer; waiting") == 1


def test_the_one_that_waits_takes_over_when_the_lease_was_not_renewed_in_time() -> None:
    bench = Bench()
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(10.0, first, later)
    first.leave()
    bench.run(LEASE_TIMEOUT - RENEWAL_INTERVAL - QUESTION_INTERVAL, later)
    assert later.events == ["wait"]
    bench.run(RENEWAL_INTERVAL + 2 * QUESTION_INTERVAL, later)
    assert later.events == ["wait", "serve, and read anew"]


def test_a_switch_that_does_not_match_metadata_has_a_lease_all_the_same() -> None:
    bench = Bench(rejected_matches=frozenset({METADATA}))
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(10.0, first, later)
    assert (first.events, later.events) == (["serve"], ["wait"])
    assert [flow.cookie for flow in bench.switch.datapath.tables[0]] == 2 * [0x0000_0001_00FE_51B7]
    first.transmit(b"".join(first.mastership.give_up(first.next_xid())))
    bench.run(2 * QUESTION_INTERVAL, later)
    assert later.events == ["wait", "serve"]


def test_a_stop_gives_the_lease_up_and_the_other_takes_over_at_its_next_question() -> None:
    bench = Bench()
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(10.0, first, later)
    for message in first.mastership.give_up(99):
        first.transmit(message)
    assert later.mastership.give_up(99) == [], "only the master has something to give up"
    first.leave()
    bench.run(2 * QUESTION_INTERVAL, later)
    assert later.mastership.role is Role.MASTER


def test_a_balancer_that_starts_again_goes_on_at_once_by_its_own_lease() -> None:
    bench = Bench()
    first = Balancer(bench, 1)
    bench.run(10.0, first)
    first.leave()
    assert Balancer(bench, 1).events == ["serve"]


@pytest.mark.parametrize("turn", [0, 1])
def test_a_full_table_keeps_the_lease_of_the_last_turn(turn: int) -> None:
    """The switch rejects the addition, and what is deleted before it is the rule of the same priority."""
    message = lease.renewal(7, 1, turn)
    length = int.from_bytes(message[2:4], "big")
    deletion, addition = message[:length], message[length:]
    assert (deletion[25], addition[25]) == (wire.OFPFC_DELETE_STRICT, wire.OFPFC_ADD)
    assert deletion[30:32] == addition[30:32] != lease.renewal(7, 1, 1 - turn)[30:32]


def test_a_deposed_master_waits_and_two_never_take_the_switch_from_each_other_for_ever() -> None:
    """It was suspended, another one has taken over; what it sends is rejected (OFPBRC_IS_SLAVE)."""
    bench = Bench()
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(10.0, first, later)
    bench.run(LEASE_TIMEOUT + 1.0, later)
    assert first.events == ["serve", "wait"], "the role status told it"
    bench.run(600.0, first, later)
    assert (first.events, later.events) == (["serve", "wait"], ["wait", "serve, and read anew"])


@pytest.mark.parametrize("sign", ["error", "question"])
def test_a_switch_without_role_status_shows_the_loss_by_an_error_or_by_its_answer(sign: str) -> None:
    bench = Bench()
    master = Balancer(bench, 1)
    bench.switch.connections[0].role = ControllerRole.SLAVE
    if sign == "error":
        master.transmit(lease.renewal(5, 1, 0))
    else:
        master.mastership.ask(bench.clock.now)
    assert master.events == ["serve", "wait"]


def test_when_two_claim_in_the_same_moment_one_is_master_and_they_stay_so() -> None:
    """A switch that has restarted: no lease, and both connect."""
    bench = Bench()
    first, second = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(5.0, first, second)
    bench.switch.restart()
    again = [Balancer(bench, 1, 5), Balancer(bench, 2)]
    bench.run(100.0, *again)
    roles = [each.mastership.role for each in again]
    assert sorted(role.value for role in roles) == ["master", "waiting"]
    assert sum(len(each.events) for each in again) <= 3


def test_a_lease_that_somebody_deletes_changes_nothing_since_its_holder_renews_it() -> None:
    bench = Bench()
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(10.0, first, later)
    for _ in range(20):
        first.transmit(lease.removal(7))
        bench.run(2.0, first, later)
    assert (first.events, later.events) == (["serve"], ["wait"])


def test_a_master_that_cannot_renew_its_lease_loses_the_switch_ever_more_rarely() -> None:
    """For instance when the flow table is full: two balancers must not take turns every few seconds."""
    bench = Bench()
    first, later = Balancer(bench, 1), Balancer(bench, 2)

    def delete() -> None:
        first.transmit(lease.removal(7))
        later.transmit(lease.removal(7))
        bench.clock.after(0.05, delete)

    delete()
    bench.run(600.0, first, later)
    assert len(first.events) + len(later.events) < 20


def test_after_another_balancer_has_served_the_sessions_are_read_anew() -> None:
    """It may have moved them: the generation has gone on, though its lease is gone."""
    bench = Bench()
    first = Balancer(bench, 1)
    first.leave()
    bench.run(10.0)
    second = Balancer(bench, 2)
    for message in second.mastership.give_up(99):
        second.transmit(message)
    second.leave()
    assert Balancer(bench, 1, first.mastership.generation).events == ["serve, and read anew"]


def test_after_a_restart_of_the_switch_the_sessions_are_kept() -> None:
    bench = Bench()
    first = Balancer(bench, 1)
    bench.switch.restart()
    assert Balancer(bench, 1, first.mastership.generation).events == ["serve"]


def test_a_switch_without_roles_is_served_and_the_log_says_what_that_means(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(roles=False)
    balancer = Balancer(bench, 1)
    bench.run(30.0, balancer)
    assert (balancer.events, balancer.mastership.role) == (["serve"], Role.UNFENCED)
    (line,) = [each for each in caplog.messages if "roles" in each]
    assert "has no controller roles: a second balancer would dispatch every request again" in line


def test_a_switch_that_ignores_role_requests_is_served_after_the_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SwitchConnection, "_role", lambda *_: None)
    assert Balancer(Bench(), 1).events == ["serve"]


def test_a_switch_that_gives_another_role_than_master_is_asked_again() -> None:
    bench = Bench()
    given = [ControllerRole.EQUAL]

    class Misled(Balancer):
        def _on_message(self, message: bytes) -> None:
            if message[1] == wire.OFPT_ROLE_REPLY and message[11] == ControllerRole.MASTER and given:
                message = message[:11] + bytes([given.pop()]) + message[12:]
            super()._on_message(message)

    balancer = Misled(bench, 1)
    assert balancer.events == []
    bench.run(2 * QUESTION_INTERVAL, balancer)
    assert (balancer.events, balancer.mastership.role) == (["serve"], Role.MASTER)


def test_a_switch_that_does_not_demote_the_former_master_has_one_all_the_same_when_that_one_wakes_up() -> None:
    """Lagopus. It was suspended, and another one has taken over: it looks before it renews its lease."""
    bench = Bench(demotes_master=False, repeats_generation=True)
    first, later = Balancer(bench, 9), Balancer(bench, 2)
    bench.run(10.0, first, later)
    bench.run(LEASE_TIMEOUT + 1.0, later)
    assert later.events == ["wait", "serve, and read anew"]
    bench.run(60.0, first, later)
    assert (first.events, later.events) == (["serve", "wait"], ["wait", "serve, and read anew"])


def test_of_two_masters_one_waits() -> None:
    """They have claimed in the same moment, and the switch has made both of them MASTER."""
    bench = Bench(demotes_master=False)
    both = [Balancer(bench, 1), Balancer(bench, 2)]
    for each, connection in zip(both, bench.switch.connections):
        connection.role = ControllerRole.MASTER
        each.mastership._become_master(0, bench.clock.now)
    bench.run(100.0, *both)
    assert [each.mastership.role for each in both] == [Role.WAITING, Role.MASTER]
    assert both[1].events.count("wait") <= 1


def test_a_master_alone_that_was_suspended_goes_on() -> None:
    bench = Bench()
    only = Balancer(bench, 1)
    bench.run(LEASE_TIMEOUT + 10.0)
    bench.run(1.0, only)
    assert (only.events, only.mastership.role) == (["serve"], Role.MASTER)
    (_, age), *_ = [(flow.cookie, bench.clock.now - flow.installed) for flow in bench.switch.datapath.tables[0]][::-1]
    assert age < LEASE_TIMEOUT


def test_a_switch_that_does_not_say_its_generation_has_a_slave_that_waits(caplog: pytest.LogCaptureFixture) -> None:
    """Lagopus repeats the generation of the question; SLAVE with an older one than that of the master is rejected."""
    bench = Bench(repeats_generation=True)
    first, later = Balancer(bench, 1), Balancer(bench, 2)
    bench.run(60.0, first, later)
    assert [each.role for each in bench.switch.connections] == [ControllerRole.MASTER, ControllerRole.SLAVE]
    assert caplog.text.count("is served by another balancer; waiting") == 1


def test_a_switch_that_does_not_say_its_generation_is_served_though_it_has_seen_others() -> None:
    """A cluster has served it before, whose generations go on."""
    bench = Bench(repeats_generation=True)
    bench.switch.generation = 70
    balancer = Balancer(bench, 1)
    bench.run(2.0, balancer)
    assert (balancer.events, balancer.mastership.role) == (["serve"], Role.MASTER)


def test_sessions_are_read_anew_where_generations_do_not_say_that_another_has_served() -> None:
    bench = Bench(repeats_generation=True)
    first = Balancer(bench, 1)
    bench.run(1.0, first)
    first.leave()
    later = Balancer(bench, 2)
    bench.run(LEASE_TIMEOUT + 2.0, later)
    for message in later.mastership.give_up(99):
        later.transmit(message)
    later.leave()
    assert Balancer(bench, 1, first.mastership.generation).events == ["serve, and read anew"]


def test_a_balancer_whose_slave_is_rejected_waits_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    first = Balancer(bench, 1)
    bench.switch.capabilities.rejects_generations = True
    later = Balancer(bench, 2)
    bench.run(60.0, first, later)
    assert (first.events, later.events) == (["serve"], ["wait"])
    assert caplog.text.count("is served by another balancer; waiting") == 1


def test_a_switch_that_rejects_every_generation_is_served_as_if_it_had_no_roles(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    balancer = Balancer(bench := Bench(rejects_generations=True), 1)
    bench.run(10.0, balancer)
    assert (balancer.events, balancer.mastership.role) == (["serve"], Role.UNFENCED)
    assert "rejects every generation" in caplog.text


def test_a_master_that_the_switch_has_forgotten_begins_anew() -> None:
    """The switch restarted behind a relay (BOFUSS), which keeps the connection: no other balancer makes it EQUAL."""
    bench = Bench()
    balancer = Balancer(bench, 1)
    bench.switch.connections[0].role = ControllerRole.EQUAL
    bench.run(RENEWAL_INTERVAL, balancer)
    assert balancer.events == ["serve", "begin anew"]


def test_a_malformed_reply_is_ignored() -> None:
    balancer = Balancer(Bench(), 1)
    assert balancer.mastership.on_message(25, 1, b"\4\x19\0\x08\0\0\0\1", 0.0)
    assert not balancer.mastership.on_message(wire.OFPT_EXPERIMENTER, 1, bytes(ONF_ET_ROLE_STATUS), 0.0)


def test_the_lease_is_a_rule_that_no_packet_matches_and_says_who_holds_it() -> None:
    bench = Bench()
    Balancer(bench, 0xABCDEF01)
    assert {flow.cookie for flow in bench.switch.datapath.tables[0]} == {0xABCDEF01_00FE_51B7}
    assert lease.holder_id(("192.0.2.1", 6653)) != lease.holder_id(("192.0.2.1", 6654))
