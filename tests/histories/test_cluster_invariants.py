"""Each rule about clusters can be broken: by another product, or by a world that is not what it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Optional

import pytest

from ryu_haslb.cluster.election import Action, Election, ElectionEvent, Lead, MemberState, View
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.openflow.roles.fencing import FencedMastership
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.slb.balancer import Balancer
from simulation.faults import Fault
from simulation.idl import SimulatedRow
from simulation.member import MemberController
from simulation.openflow import ROLE_MASTER
from simulation.ovsdb import SimulatedDatabase
from simulation.ovsdb_server import Server, Session
from simulation.parameters import Parameters
from simulation.shared_configuration import MemberConfiguration
from simulation.simulation import simulate
from simulation.switch_connection import SwitchConnection

CLUSTER = Parameters(
    seed=5, mobiles=40, controllers=2, is_cluster=True, switches=2, idle=60, lifetime=60, arrivals=100.0
)
KILL = [Fault(60.0, "controller is killed", (0,))]
HANG = [Fault(60.0, "member hangs", (0,)), Fault(64.0, "member wakes", (0, False))]


def broken_rule(history: Sequence[Fault] = ()) -> Optional[str]:
    violation = simulate(CLUSTER, list(history), 100.0).violation
    return None if violation is None else violation.rule


@pytest.mark.parametrize("history", [[], KILL, HANG], ids=["nothing", "kill", "hang"])
def test_the_product_breaks_no_rule(history: list[Fault]) -> None:
    assert broken_rule(history) is None


def test_a_member_that_leads_by_the_lock_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lead(election: Election, _: float) -> list[Action]:
        election.state, election.generation = MemberState.LEADER, election.newest_generation + 1
        return [Lead(election.generation)]

    monkeypatch.setattr(Election, "_claim", lead)
    assert broken_rule() == "a leader has committed its generation"


def test_a_member_that_serves_without_a_role_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(mastership: FencedMastership, _: float) -> None:
        mastership._claimed = mastership._leadership.generation
        if mastership._leadership.is_leading:
            mastership._become_master()

    monkeypatch.setattr(FencedMastership, "_follow", serve)
    assert broken_rule() == "only the leader changes a switch"


def test_a_switch_without_a_fence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves the former leader its role, and so executes what that one sends when it wakes up."""
    take: Callable[..., None] = SwitchConnection._role

    def leave(connection: SwitchConnection, message: bytes, xid: int) -> None:
        masters = [(each, each.generation) for each in connection._switch.connections if each.role == ROLE_MASTER]
        take(connection, message, xid)
        for each, generation in masters:
            each.role, each.generation = ROLE_MASTER, generation

    monkeypatch.setattr(SwitchConnection, "_role", leave)
    assert broken_rule(HANG) == "nothing of a deposed leader is executed"


def test_a_database_whose_lock_has_several_holders_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither lock nor generation is asserted."""

    def grant(_: SimulatedDatabase, session: Session, lock: str) -> None:
        session.deliver("lock", (lock, True))

    monkeypatch.setattr(SimulatedDatabase, "lock", grant)
    monkeypatch.setattr(Server, "holds", lambda *_: True)
    monkeypatch.setattr(SimulatedRow, "verify", lambda *_: None)
    assert broken_rule() == "leaders do not alternate"


def test_members_of_which_none_takes_over_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    must_claim = Election._must_claim
    monkeypatch.setattr(Election, "_must_claim", lambda each, now: not each._view.generation and must_claim(each, now))
    assert broken_rule(KILL) == "somebody leads"


def test_leaders_that_take_turns_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Member.step

    def resign(member: Member) -> None:
        step(member)
        if member.is_leading and not member.leadership.is_resigning:
            member.resign(SwitchoverReason.SWITCH_ACTIVITY)

    monkeypatch.setattr(Member, "step", resign)
    assert broken_rule() == "leaders do not alternate"


def test_a_leader_that_forgets_the_sessions_of_a_switch_that_it_loses_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mobiles leave that switch, which no member reaches. Only a leader that has never served it may not know them."""
    parameters = replace(CLUSTER, pdsns=2, refresh=15.0, lifetime=600)
    history = [Fault(40.0, "control connection breaks", (number, 1)) for number in range(2)]
    history += [Fault(45.0 + number / 10, "move", (number, 0)) for number in range(parameters.mobiles)]
    assert simulate(parameters, history, 70.0).violation is None
    disconnect = Switch.disconnect

    def lose(switch: Switch) -> None:
        disconnect(switch)
        switch._balancer.ending.forget(switch.datapath_id, 0.0, lambda _: set(), lambda _: None)

    monkeypatch.setattr(Switch, "disconnect", lose)
    violation = simulate(parameters, history, 70.0).violation
    assert violation is not None
    assert violation.rule == "no mobile is bound twice"


def test_a_leader_that_stands_by_without_a_database_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    observe = Election.observe

    def stand_by(election: Election, view: View, now: float) -> list[Action]:
        actions = observe(election, view, now)
        return election._stand_by(ElectionEvent.SUCCEEDED) if election.state is MemberState.ISOLATED else actions

    monkeypatch.setattr(Election, "observe", stand_by)
    history = [Fault(60.0, "database server fails", (number,)) for number in range(3)]
    assert broken_rule(history) == "the leader goes on without a database"


def test_a_member_that_begins_to_lead_without_a_database_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    observe = Election.observe

    def lead(election: Election, view: View, now: float) -> list[Action]:
        actions = observe(election, view, now)
        if now < 1075.0 or election.is_leading:
            return actions
        election.state, election.generation = MemberState.LEADER, 1
        return [Lead(1)]

    monkeypatch.setattr(Election, "observe", lead)
    history = [Fault(60.0, "database server fails", (number,)) for number in range(3)]
    assert broken_rule(history) in ("a generation has one leader", "no member begins to lead without a database")


def test_a_member_that_takes_over_sessions_with_another_home_agent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    recover = Balancer.recover

    def move(balancer: Balancer, server: Any, tag: int, _: object, now: float) -> Any:
        return recover(balancer, server, tag, server.farm.reals[0], now)

    monkeypatch.setattr(Balancer, "recover", move)
    assert broken_rule(KILL) == "sessions survive a restart"


def test_members_that_all_serve_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(mastership: FencedMastership, now: float) -> None:
        mastership._leadership.is_leading = True
        mastership._decide(None, now)

    monkeypatch.setattr(FencedMastership, "ask", serve)
    assert broken_rule() in ("only the leader changes a switch", "each request is dispatched once")


def test_a_member_that_does_not_apply_the_shared_configuration_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemberController, "apply", lambda *_: None)
    assert broken_rule([Fault(60.0, "configuration", ((1, 4), frozenset()))]) == "members have one configuration"


def test_an_accepted_change_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator was told that it is done (docs/cluster.md)."""
    commit = MemberConfiguration.commit

    def forget(member: MemberConfiguration, text: str) -> None:
        member._texts.accept(member.agreement.next(text, "", ""))
        commit(member, member.agreement.text)

    monkeypatch.setattr(MemberConfiguration, "commit", forget)
    assert broken_rule([Fault(60.0, "configuration", ((1, 4), frozenset()))]) == "a change that was accepted stays"
