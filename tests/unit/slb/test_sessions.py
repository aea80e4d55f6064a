"""Sessions: a mobile stays at its home agent (the chapter, "HA Server Load Balancing")."""

from __future__ import annotations

import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from farm_builder import ANY, SWITCH, VIRTUAL, Bench, address

from ryu_haslb.configuration.model import ClientRule
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.request import Request, make_request


def test_a_mobile_keeps_its_real_behind_every_client_address() -> None:
    bench = Bench(1, 1)
    first = bench.request("anna@example.org", client="15.1.1.51")
    bench.request("bert@example.org", client="15.1.1.51")
    again = bench.request("anna@example.org", client="20.2.2.2")
    assert again.real is first.real
    assert again.session is first.session
    assert bench.balancer.statistics.assignments == 2


def test_two_mobiles_of_one_client_are_two_sessions() -> None:
    bench = Bench(1, 1)
    assert bench.letters("anna@example.org", "bert@example.org") == "AB"


def test_a_session_ends_idle_seconds_after_its_last_request() -> None:
    """ "The session object will be stored for a configurable period of time"; a request resets it; 10 by default."""
    bench = Bench(1, 1)
    bench.request("anna@example.org")
    bench.wait(9.9)
    assert bench.letter(bench.request("anna@example.org")) == "A"
    bench.wait(9.9)
    assert len(bench.balancer.sessions) == 1
    bench.wait(0.4)
    assert not bench.balancer.sessions
    assert bench.letter(bench.request("anna@example.org")) == "B"
    assert bench.balancer.statistics.timeouts == 1


def test_a_request_at_the_deadline_opens_a_new_session_even_before_the_timer_rings() -> None:
    bench = Bench(1, 1)
    bench.request("anna@example.org")
    bench.now += 10.0
    assert bench.letter(bench.request("anna@example.org")) == "B"
    assert bench.reals[0].sessions == 0


def test_100_000_sessions_end_in_time_and_in_slices() -> None:
    bench = Bench(1, 1)
    for number in range(100_000):
        bench.request(f"user{number}@example.org")
    bench.now += 10.3
    rounds = 0
    while bench.balancer.advance(bench.now, 500):
        rounds += 1
    assert rounds >= 200
    assert not bench.balancer.sessions
    assert [real.sessions for real in bench.reals] == [0, 0]


def test_the_memory_of_a_storm_is_given_back_when_its_sessions_are_over() -> None:
    """A dictionary by itself keeps the size that it once had."""
    bench = Bench(1, 1)
    bench.new_sessions(40_000)
    storm = sum(map(sys.getsizeof, bench.balancer.sessions._by_tag.shards))
    bench.now += 8
    staying = bench.request("staying@example.org").session
    bench.wait(5)
    assert list(bench.balancer.sessions) == [staying]
    assert staying is not None
    assert bench.balancer.sessions.by_tag(staying.tag) is staying
    assert bench.request("staying@example.org").session is staying
    assert sum(map(sys.getsizeof, bench.balancer.sessions._by_tag.shards)) < storm / 10


@pytest.mark.parametrize("field", [b"\0\0\0\0", b"\xff\xff\xff\xff", VIRTUAL.packed])
def test_any_home_agent_is_balanced(field: bytes) -> None:
    bench = Bench(1, 1)
    verdicts = [bench.request(f"user{number}@example.org", home_agent=field) for number in range(2)]
    assert [bench.letter(verdict) for verdict in verdicts] == ["A", "B"]


def test_a_real_server_that_the_request_names_gets_it() -> None:
    bench = Bench(1, 1, 1)
    assert bench.letter(bench.request("anna@example.org", home_agent=address(3).packed)) == "C"
    assert bench.letter(bench.request("anna@example.org")) == "C"
    assert bench.new_sessions(2) == "AB", "the rotation does not notice"


def test_a_home_agent_outside_the_farm_is_dropped() -> None:
    bench = Bench(1, 1)
    assert bench.request("anna@example.org", home_agent=b"\x0a\x09\x09\x09").drop is DropReason.UNKNOWN_HOME_AGENT
    assert not bench.balancer.sessions


@pytest.mark.parametrize("named", [ANY, address(1).packed])
def test_a_deregistration_goes_to_the_binding_and_leaves_the_session_alone(named: bytes) -> None:
    """RFC 5944 section 3.6.2.2. The balancer cannot know whether the mobile has sent it: its session only runs out."""
    bench = Bench(1, 1)
    opened = bench.request("anna@example.org")
    closed = bench.request("anna@example.org", home_agent=named, lifetime=0)
    assert (closed.real, closed.session) == (opened.real, None)
    assert bench.balancer.statistics.retries == 0
    assert bench.balancer.statistics.deregistrations == 1
    assert bench.session("anna@example.org") is opened.session
    bench.wait(10.3)
    assert bench.reals[0].sessions == 0


@pytest.mark.parametrize("lifetime", [0, 600])
def test_a_request_that_names_another_home_agent_goes_there_and_does_not_move_the_session(lifetime: int) -> None:
    """Any host may have sent it: with a forged source address, and any number of copies."""
    bench = Bench(1, 1)
    session = bench.request("anna@example.org").session
    assert session is not None
    session.rule_at = SWITCH
    names = [name for name in dir(session) if not name.startswith("_") and not callable(getattr(session, name))]
    before = {name: getattr(session, name) for name in names}
    for _ in range(9):
        bench.now += 1.0
        verdict = bench.request("anna@example.org", home_agent=address(2).packed, lifetime=lifetime, client="6.6.6.6")
        assert (verdict.real, verdict.session) == (bench.reals[1], None)
    assert {name: getattr(session, name) for name in names} == before
    assert [real.sessions for real in bench.reals] == [1, 0]
    assert not bench.balancer.ending.take_stale_rules()
    bench.reals[1].in_service = False
    bench.now += 0.5
    assert bench.letter(bench.request("anna@example.org", home_agent=address(2).packed)) == "-", "not in service"
    assert bench.letter(bench.request("anna@example.org")) == "A"


@pytest.mark.parametrize("why", ["unreachable", "failed", "out of the farm"])
def test_a_session_whose_real_server_is_gone_moves_to_the_one_that_its_mobile_names(why: str) -> None:
    """RFC 5944 section 3.6.1.2: there the mobile gets its binding, and its next attempt, which names none, finds it."""
    bench = Bench(1, 1, 1)
    bench.request("anna@example.org")
    if why == "unreachable":
        bench.reals[0].reachable_from.clear()
    elif why == "failed":
        bench.reals[0].health = Health.FAILED
    else:
        farm = bench.server.farm
        farm.configure(replace(farm.configuration, reals=farm.configuration.reals[1:]))
    bench.now += 2.0
    assert bench.letter(bench.request("anna@example.org", home_agent=address(3).packed)) == "C"
    assert bench.letter(bench.request("anna@example.org")) == "C"
    assert [real.sessions for real in bench.reals] == [0, 0, 1]


@pytest.mark.parametrize("obstacle", ["deregistration", "full", "failed", "out of service"])
def test_no_session_moves_to_a_named_real_server_that_cannot_have_it(obstacle: str) -> None:
    bench = Bench(1, 1, 1, maxconns=1)
    session = bench.request("anna@example.org").session
    bench.reals[0].reachable_from.clear()
    if obstacle == "full":
        assert bench.new_sessions(2) == "BC"
    elif obstacle == "failed":
        bench.reals[2].health = Health.FAILED
    elif obstacle == "out of service":
        bench.reals[2].in_service = False
    verdict = bench.request(
        "anna@example.org", home_agent=address(3).packed, lifetime=0 if obstacle == "deregistration" else 600
    )
    delivered = None if obstacle == "out of service" else bench.reals[2]
    assert (verdict.real, verdict.session) == (delivered, None)
    assert session is not None
    assert session.real is bench.reals[0]


def test_a_session_that_has_run_out_begins_anew_where_the_request_asks_to_go() -> None:
    bench = Bench(1, 1)
    bench.request("anna@example.org")
    bench.wait(10.3)
    assert bench.letter(bench.request("anna@example.org", home_agent=address(2).packed)) == "B"
    assert bench.letter(bench.request("anna@example.org")) == "B"


def test_only_a_live_session_makes_a_mobile_known() -> None:
    """Any host may write a home agent's address into a request."""
    bench = Bench(1, 1)

    def request(mobile: bytes) -> Request:
        return make_request(bench.server, b"\x01" + mobile, bytes(4), 434, address(1).packed, 600, SWITCH, 1)

    bench.request("anna@example.org")
    assert bench.balancer.has_session(request(b"anna@example.org"))
    assert not bench.balancer.has_session(request(b"bert@example.org"))
    bench.wait(10.3)
    assert not bench.balancer.has_session(request(b"anna@example.org"))


def test_a_deregistration_that_nobody_can_place_is_dropped() -> None:
    bench = Bench(1, 1)
    assert bench.request("anna@example.org", lifetime=0).drop is DropReason.DEREGISTRATION_WITHOUT_SESSION
    assert bench.letter(bench.request("anna@example.org", home_agent=address(2).packed, lifetime=0)) == "B"


def test_clients_are_let_in_by_their_rules() -> None:
    """``client A.B.C.D MASK [exclude]``."""
    rules = (ClientRule(IPv4Network("15.0.0.0/8")), ClientRule(IPv4Network("15.1.1.0/24"), exclude=True))
    bench = Bench(1, server={"clients": rules})
    assert bench.request("anna@example.org", client="15.2.0.1").drop is None
    assert bench.request("bert@example.org", client="15.1.1.51").drop is DropReason.CLIENT_DENIED
    assert bench.request("carl@example.org", client="16.0.0.1").drop is DropReason.CLIENT_DENIED


def test_a_session_whose_real_is_out_of_reach_moves_with_its_next_request() -> None:
    bench = Bench(1, 1, server={"idle": 300})
    bench.request("anna@example.org")
    bench.reals[0].reachable_from.discard(SWITCH)
    assert bench.letter(bench.request("anna@example.org")) == "B"
    assert bench.balancer.statistics.reassignments == 1
    assert bench.reals[0].connection_failures == 0, "no request has reached it"
    bench.reals[0].reachable_from.add(SWITCH)
    assert bench.letter(bench.request("anna@example.org")) == "B"


def test_a_session_whose_real_is_reached_from_another_switch_only_moves_as_well() -> None:
    bench = Bench(1, 1)
    bench.request("anna@example.org")
    bench.reals[0].reachable_from = {SWITCH + 1}
    assert bench.letter(bench.request("anna@example.org")) == "B"


def test_a_session_whose_real_is_out_of_reach_stays_when_there_is_no_other() -> None:
    bench = Bench(1, reassign=1)
    bench.request("anna@example.org")
    bench.reals[0].reachable_from.discard(SWITCH)
    for _ in range(5):
        bench.now += 1.0
        assert bench.request("anna@example.org").drop is DropReason.REAL_UNREACHABLE
    bench.reals[0].reachable_from.add(SWITCH)
    bench.now += 1.0
    assert bench.letter(bench.request("anna@example.org")) == "A"
    assert bench.reals[0].connection_failures == 0, "requests that reached no home agent are no failures"


def test_a_session_whose_real_has_left_the_farm_moves_with_its_next_request() -> None:
    bench = Bench(1, 1)
    bench.request("anna@example.org")
    farm = bench.configuration.farms["HAFARM"]
    bench.balancer.configure(replace(bench.configuration, farms={"HAFARM": replace(farm, reals=farm.reals[1:])}))
    assert bench.request("anna@example.org").real is bench.server.farm.reals[0]
    assert [real.sessions for real in bench.server.farm.reals] == [1]


def test_a_real_that_comes_back_has_its_sessions_again_but_for_those_that_have_moved() -> None:
    """A change that is rolled back must not cost mobiles the home agent that has their bindings."""
    bench = Bench(1, 1, server={"idle": 100})
    assert bench.new_sessions(6) == "ABABAB"
    removed = bench.reals[0]
    farm = bench.configuration.farms["HAFARM"]
    bench.balancer.configure(replace(bench.configuration, farms={"HAFARM": replace(farm, reals=farm.reals[1:])}))
    assert bench.request("user0@example.org").real is bench.reals[1]
    bench.balancer.configure(bench.configuration)
    assert bench.server.farm.reals[0] is removed
    assert [real.sessions for real in bench.server.farm.reals] == [2, 4]
    assert [bench.request(f"user{number}@example.org").real is removed for number in (0, 2, 4)] == [False, True, True]


def test_a_real_that_comes_back_without_sessions_begins_anew() -> None:
    bench = Bench(1, 1)
    removed = bench.reals[0]
    farm = bench.configuration.farms["HAFARM"]
    bench.balancer.configure(replace(bench.configuration, farms={"HAFARM": replace(farm, reals=farm.reals[1:])}))
    bench.balancer.configure(bench.configuration)
    assert bench.server.farm.reals[0] is not removed


def test_a_real_whose_test_has_ended_with_its_removal_is_tested_anew_when_it_comes_back() -> None:
    bench = Bench(1, 1, retry=1)
    bench.reals[0].fail(bench.now, is_last=False)
    bench.wait(1.1)
    assert bench.letters("anna@example.org") == "A"
    assert bench.reals[0].state == "TESTING"
    farm = bench.configuration.farms["HAFARM"]
    bench.balancer.configure(replace(bench.configuration, farms={"HAFARM": replace(farm, reals=farm.reals[1:])}))
    bench.balancer.configure(bench.configuration)
    assert bench.reals[0].state == "READY_TO_TEST"


def test_sessions_know_their_client() -> None:
    bench = Bench(1)
    bench.request("anna@example.org", client="15.1.1.51")
    bench.wait(1.0)
    session = bench.request("anna@example.org", client="15.1.1.52").session
    assert session is not None
    assert IPv4Address(session.client) == IPv4Address("15.1.1.52")


def test_a_shorter_idle_time_ends_sessions_that_live_already() -> None:
    """The wheel holds the longer deadlines: they are scheduled anew, some in each step."""
    bench = Bench(1, server={"idle": 600})
    bench.new_sessions(1200)
    servers = {"MIPSLB": replace(bench.configuration.virtual_servers["MIPSLB"], idle=20)}
    bench.balancer.configure(replace(bench.configuration, virtual_servers=servers))
    bench.wait(10)
    assert len(bench.balancer.sessions) == 1200
    bench.request("user7@example.org")
    bench.wait(10.3)
    assert len(bench.balancer.sessions) == 1
    bench.wait(10)
    assert len(bench.balancer.sessions) == 0


def test_a_longer_idle_time_holds_for_sessions_that_live_already() -> None:
    bench = Bench(1, server={"idle": 20})
    bench.new_sessions(3)
    servers = {"MIPSLB": replace(bench.configuration.virtual_servers["MIPSLB"], idle=40)}
    bench.balancer.configure(replace(bench.configuration, virtual_servers=servers))
    bench.wait(21)
    assert len(bench.balancer.sessions) == 3
    bench.wait(20)
    assert len(bench.balancer.sessions) == 0
