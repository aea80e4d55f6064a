"""A real server that is drained: no new session goes there, and mobiles stay served (docs/configuration.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from farm_builder import Bench, address

from ryu_haslb.configuration.model import Drain
from ryu_haslb.slb.drop_reason import DropReason


def drain(bench: Bench, number: int, how: Optional[Drain]) -> None:
    """Drain a real server of the bench by its configuration."""
    farm = bench.configuration.farms["HAFARM"]
    reals = tuple(replace(real, drain=how) if index == number else real for index, real in enumerate(farm.reals))
    farms = {"HAFARM": replace(farm, reals=reals)}
    bench.configuration = replace(bench.configuration, farms=farms)
    bench.balancer.configure(bench.configuration)


def drained(*weights: int, how: Drain = Drain.STAY, sessions: int = 0) -> Bench:
    """A bench whose first real server is drained after so many sessions have begun."""
    bench = Bench(*weights, server={"idle": 100})
    bench.new_sessions(sessions)
    drain(bench, 0, how)
    return bench


@pytest.mark.parametrize("how", Drain)
def test_no_new_session_goes_there(how: Drain) -> None:
    bench = drained(3, 1, how=how, sessions=4)
    assert bench.new_sessions(20, start=100) == "B" * 20


@pytest.mark.parametrize("weight", [1, 200, None])
def test_dfp_does_not_undo_it(weight: Optional[int]) -> None:
    bench = drained(1, 1)
    bench.reals[0].set_dfp_weight(weight)
    assert bench.new_sessions(4) == "BBBB"
    drain(bench, 0, None)
    assert bench.reals[0].weight == (1 if weight is None else weight)
    assert "A" in bench.new_sessions(10, start=100)


def test_no_new_session_goes_there_if_no_other_can_take_it() -> None:
    """The operator's word counts, also where every other real server has failed."""
    bench = drained(1, 1)
    bench.reals[1].reachable_from.clear()
    verdict = bench.request("anna@isp")
    assert (verdict.real, verdict.drop) == (None, DropReason.NO_REAL_AVAILABLE)


def test_its_sessions_stay_until_they_end() -> None:
    bench = drained(1, 1, sessions=2)
    assert bench.reals[0].state == "DRAINING"
    bench.wait(60)
    assert bench.letters("user0@example.org", "user1@example.org") == "AB"
    bench.wait(60)
    assert (bench.reals[0].state, bench.reals[0].sessions) == ("DRAINING", 1)
    bench.wait(50)
    assert (bench.reals[0].state, bench.reals[0].sessions) == ("DRAINED", 0)


def test_its_sessions_move_with_their_next_request() -> None:
    bench = drained(1, 1, how=Drain.MOVE, sessions=4)
    bench.wait(10)
    assert bench.letters("user0@example.org", "user1@example.org") == "BB"
    assert (bench.reals[0].state, bench.reals[0].sessions) == ("DRAINING", 1)
    assert bench.letters("user2@example.org") == "B"
    assert (bench.reals[0].state, bench.reals[0].connection_failures) == ("DRAINED", 0), "it has not failed"


def test_a_session_that_no_other_real_server_can_take_stays() -> None:
    bench = drained(1, 1, how=Drain.MOVE, sessions=2)
    bench.reals[1].reachable_from.clear()
    bench.wait(10)
    assert bench.letters("user0@example.org") == "A"
    assert bench.reals[0].state == "DRAINING"


@pytest.mark.parametrize("how", Drain)
def test_a_request_that_names_it_is_delivered(how: Drain) -> None:
    """Its mobile may have a binding there (RFC 5944 section 3.6.1.1): only this home agent can renew it."""
    bench = drained(1, 1, how=how)
    named = address(1).packed
    assert bench.letter(bench.request("anna@isp", home_agent=named)) == "A"
    bench.wait(10)
    assert bench.letter(bench.request("anna@isp", home_agent=named)) == "A"
    assert bench.letter(bench.request("anna@isp", home_agent=named, lifetime=0)) == "A"


def test_a_session_leaves_it_if_it_fails() -> None:
    bench = drained(1, 1, sessions=2)
    for _ in range(5):
        bench.wait(2)
        letter = bench.letters("user0@example.org")
    assert letter == "B"


def test_the_last_other_real_server_is_not_taken_out() -> None:
    """A drained one can serve no new session, so the other one is the last that can: it is DEMOTED, not FAILED."""
    bench = drained(1, 1)
    assert not bench.server.farm.serves_without(bench.reals[1])
    drain(bench, 0, None)
    assert bench.server.farm.serves_without(bench.reals[1])


def test_a_farm_whose_real_servers_are_all_drained_says_so() -> None:
    bench = drained(1, sessions=1)
    assert bench.server.farm.state == "DRAINING"
    bench.balancer.clear_sessions()
    assert (bench.reals[0].state, bench.server.farm.state) == ("DRAINED", "DRAINING")


def test_a_farm_says_so_as_well_when_the_real_that_is_drained_had_failed_and_still_served() -> None:
    bench = Bench(1)
    bench.reals[0].fail(bench.now, is_last=True)
    assert (bench.reals[0].state, bench.server.farm.state) == ("DEMOTED", "OPERATIONAL")
    drain(bench, 0, Drain.STAY)
    assert bench.new_sessions(1) == "-"
    assert (bench.reals[0].state, bench.server.farm.state) == ("DEMOTED", "DRAINING")
