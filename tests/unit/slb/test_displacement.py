"""Sessions that make room: where their mobiles go then, and who gets a place in a full farm (docs/states.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from farm_builder import ANY, SWITCH, Bench, Verdict, address

from ryu_haslb.configuration.model import Drain
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session_tag import tag_of

PDSN, FLOODER, OTHER = "15.1.1.51", "15.6.6.6", "15.7.7.7"


def bench_of(*weights: int, limit: int = 1000, **real: object) -> Bench:
    bench = Bench(*weights, server={"idle": 3600}, **real)
    bench.configuration = replace(bench.configuration, max_sessions=limit)
    bench.balancer.configure(bench.configuration)
    return bench


def flood(bench: Bench, count: int, client: str = FLOODER) -> list[Verdict]:
    return [bench.request(f"made-up-{bench.identification}", client=client) for _ in range(count)]


def confirm_all(bench: Bench) -> None:
    """No session can make room any more."""
    for session in list(bench.balancer.sessions):
        bench.balancer.sessions.limit.remove(session)


def test_a_request_that_is_dropped_at_the_limit_does_not_cost_its_mobile_the_place() -> None:
    bench = bench_of(1, 1, limit=4)
    real = bench.request("anna").real
    flood(bench, 4, PDSN)
    assert bench.session("anna") is None
    confirm_all(bench)
    for _ in range(3):
        bench.now += 1
        assert bench.request("anna").drop is DropReason.SESSION_LIMIT
    bench.balancer.ending.close(next(iter(bench.balancer.sessions)))
    assert bench.request("anna").real is real
    assert bench.session("anna") is not None


def test_a_request_that_no_real_server_can_take_does_not_end_the_count_of_retries() -> None:
    """The phone has abandoned an attempt; while its home agent cannot be reached, its next one is dropped."""
    bench = Bench(1, reassign=3)
    bench.attempt("anna")
    bench.wait(20)
    bench.reals[0].reachable_from.clear()
    assert bench.request("anna").drop is not None
    bench.reals[0].reachable_from.add(1)
    bench.now += 2
    bench.request("anna")
    session = bench.session("anna")
    assert session is not None
    assert session.retries == 3


def test_the_mobile_of_a_recovered_session_that_made_room_comes_back_to_its_home_agent() -> None:
    """Before its first request it is known by its tag only."""
    bench = bench_of(1, 1, limit=3)
    bench.balancer.sessions.limit.limit = 0  # so that no further one counts as confirmed
    mobiles = ("anna", "bert", "carl")
    for mobile in mobiles:
        tag = tag_of(bench.server.packed_address, b"\x01" + mobile.encode())
        bench.balancer.recover(bench.server, tag, bench.reals[1], bench.now)
    bench.balancer.configure(bench.configuration)
    flood(bench, 10)
    assert bench.reals[1].sessions <= 3
    assert [bench.request(mobile).real for mobile in mobiles] == [bench.reals[1]] * 3
    assert all(key[1][:1] == b"\x01" for key in bench.balancer._abandoned.attempts), "each place is that of a mobile"
    bench.wait(7300)
    assert not bench.balancer._abandoned.attempts
    assert not bench.balancer._abandoned.may_have_unclaimed


@pytest.mark.parametrize("change", ["weight 0", "drain", "no inservice"])
def test_the_mobile_of_a_session_that_made_room_stays_where_the_session_would_have_stayed(change: str) -> None:
    bench = bench_of(1, 1, limit=4)
    real = bench.request("anna").real
    assert real is not None
    flood(bench, 4, PDSN)
    if change == "weight 0":
        real.set_dfp_weight(0)
    elif change == "drain":
        real.configure(replace(real.configuration, drain=Drain.STAY))
    else:
        real.configure(replace(real.configuration, in_service=False))
    assert bench.session("anna") is None
    assert bench.request("anna").real is real


def test_what_one_client_fills_another_one_gets_a_part_of() -> None:
    """``maxconns`` of both real servers is reached by made-up mobiles of one address. No client exceeds it."""
    bench = bench_of(1, 1, maxconns=100)
    assert sum(each.drop is None for each in flood(bench, 1000)) == 200
    honest = [f"user{number}" for number in range(30)]
    assert [each for each in honest if bench.request(each, client=PDSN).drop] == []
    flood(bench, 1000)
    assert all(bench.session(each) for each in honest), "who floods gets no place back"
    assert [real.sessions for real in bench.reals] == [100, 100]
    statistics = bench.balancer.statistics
    assert statistics.evictions == 30
    assert statistics.requests == statistics.dispatched + statistics.dropped


def test_a_full_farm_refuses_new_mobiles_of_the_client_that_has_filled_it() -> None:
    """``maxconns`` is there to protect home agents, as on IOS."""
    bench = bench_of(1, maxconns=10)
    flood(bench, 10)
    assert flood(bench, 1)[0].drop is DropReason.NO_REAL_AVAILABLE


def test_two_clients_do_not_take_places_from_each_other_for_ever() -> None:
    bench = bench_of(1, 1, maxconns=32)
    for _ in range(1000):
        flood(bench, 1, PDSN)
        flood(bench, 1, OTHER)
    assert bench.balancer.statistics.evictions == 0
    flood(bench, 1000, FLOODER)
    flood(bench, 1000, PDSN)
    flood(bench, 1000, OTHER)
    assert bench.balancer.statistics.evictions < 64


def test_a_mobile_that_has_lost_its_session_in_a_full_farm_is_served_by_its_home_agent() -> None:
    """It may be bound there: it is neither refused nor moved, as long as its session would have lasted."""
    bench = bench_of(1, 1, maxconns=2)
    mobiles = ("anna", "bert", "carl", "dora")
    reals = {mobile: bench.request(mobile, client=PDSN).real for mobile in mobiles}
    flood(bench, 1)
    lost = [mobile for mobile in mobiles if bench.session(mobile) is None]
    assert len(lost) == 1
    for _ in range(5):
        bench.now += 3000
        for mobile in set(mobiles) - set(lost):
            bench.request(mobile, client=PDSN)
        bench.request("made-up-4", client=FLOODER)
        while bench.balancer.advance(bench.now, 500):
            pass
        verdict = bench.request(lost[0], client=PDSN)
        assert verdict.real is reals[lost[0]]
        assert verdict.session is None
    assert [real.sessions for real in bench.reals] == [2, 2]


def test_a_mobile_without_a_session_is_moved_from_a_home_agent_that_does_not_answer() -> None:
    """As one with a session: when it has had ``reassign`` retries."""
    bench = bench_of(1, 1, maxconns=2, reassign=3)
    mobiles = ("anna", "bert", "carl", "dora")
    for mobile in mobiles:
        bench.request(mobile, client=PDSN)
    flood(bench, 1)
    (lost,) = (mobile for mobile in mobiles if bench.session(mobile) is None)
    place = bench.request(lost, client=PDSN).real
    (other,) = set(bench.reals) - {place}
    bench.balancer.ending.close(next(each for each in bench.balancer.sessions if each.real is other))
    reals = []
    for _ in range(2):
        bench.now += 20
        for _ in range(3):
            reals.append(bench.request(lost, client=PDSN).real)
            bench.now += 2
    assert reals[0] is place and reals[-1] is other
    assert bench.session(lost) is not None


@pytest.mark.parametrize("first", ["anna", "bert"])
def test_a_mobile_without_a_session_stays_at_its_port_of_an_address(first: str) -> None:
    """Its renewal names the address, at which there are two home agents."""
    bench = bench_of(1, 1, maxconns=1)
    farm = bench.configuration.farms["HAFARM"]
    reals = tuple(replace(each, address=address(1), port=port) for each, port in zip(farm.reals, (434, 1434)))
    bench.configuration = replace(bench.configuration, farms={"HAFARM": replace(farm, reals=reals)})
    bench.balancer.configure(bench.configuration)
    bench.reals = bench.server.farm.reals
    for real in bench.reals:
        real.reachable_from.add(SWITCH)
    places = {mobile: bench.request(mobile, client=PDSN).real for mobile in (first, "carl")}
    assert set(places.values()) == set(bench.reals)
    flood(bench, 1)
    (lost,) = (mobile for mobile in places if bench.session(mobile) is None)
    bench.now += 20
    assert bench.request(lost, client=PDSN, home_agent=address(1).packed).real is places[lost]


@pytest.mark.parametrize("maxconns", [2, 100], ids=["full", "with room"])
def test_a_deregistration_of_a_mobile_that_has_lost_its_session_goes_to_its_home_agent(maxconns: int) -> None:
    """RFC 5944 section 3.6: it ends the binding there. It may be forged: it takes no place, and its place is kept."""
    bench = bench_of(1, 1, limit=4, maxconns=maxconns)
    mobiles = ("anna", "bert", "carl", "dora")
    places = {mobile: bench.request(mobile, client=PDSN).real for mobile in mobiles}
    flood(bench, 1)
    (lost,) = (mobile for mobile in mobiles if bench.session(mobile) is None)
    before = dict(bench.balancer._abandoned.attempts)
    verdict = bench.request(lost, lifetime=0, client=FLOODER)
    assert verdict == (places[lost], None, None)
    (other,) = set(bench.reals) - {places[lost]}
    assert bench.request(lost, other.packed_address, lifetime=0, client=FLOODER) == (other, None, None)
    assert bench.balancer._abandoned.attempts == before
    assert bench.balancer.statistics.deregistrations == 2
    places[lost].reachable_from.clear()  # type: ignore[union-attr]
    assert bench.request(lost, lifetime=0).drop is DropReason.REAL_UNREACHABLE


def test_a_deregistration_after_an_attempt_without_an_answer_goes_where_that_went() -> None:
    """The reply may have been lost: if the mobile has a binding, it is there."""
    bench = Bench(1, 1)
    assert bench.attempt("anna") == "AAA"
    bench.wait(20)
    assert bench.session("anna") is None
    assert bench.letter(bench.request("anna", lifetime=0)) == "A"
    bench.wait(120)
    assert bench.request("anna", lifetime=0).drop is DropReason.DEREGISTRATION_WITHOUT_SESSION


def test_sessions_of_bound_mobiles_make_no_room_in_a_full_farm() -> None:
    bench = bench_of(1, 1, maxconns=2)
    mobiles = ("anna", "bert", "carl", "dora")
    for _ in range(2):
        sessions = [bench.request(mobile, client=PDSN).session for mobile in mobiles]
        bench.now += 1800
    assert all(each.drop is DropReason.NO_REAL_AVAILABLE for each in flood(bench, 10))
    assert [bench.session(mobile) for mobile in mobiles] == sessions


def test_who_names_a_full_home_agent_is_delivered_there_and_takes_no_place() -> None:
    """It may have the mobile's binding. But everyone may name one, and must not take more than ``maxconns`` so."""
    bench = bench_of(1, 1, maxconns=5)
    named = [bench.request(f"liar-{number}", address(1).packed, client=FLOODER) for number in range(50)]
    assert {each.real for each in named} == {bench.reals[0]}
    assert bench.reals[0].sessions == 5
    assert bench.request("anna", ANY, client=PDSN).real is bench.reals[1]


def test_sessions_that_give_no_place_hide_none_that_do() -> None:
    """Clients have sessions at another farm, and at a home agent out of reach; then one of them fills the other."""
    bench = Bench(1, 1, maxconns=200, server={"idle": 3600})
    farm, server = bench.configuration.farms["HAFARM"], bench.configuration.virtual_servers["MIPSLB"]
    elsewhere = replace(farm, name="OTHER", reals=(replace(farm.reals[0], maxconns=None),))
    other = replace(server, name="MIPSLB2", address=address(100), farm="OTHER")
    bench.configuration = replace(
        bench.configuration,
        farms={"HAFARM": farm, "OTHER": elsewhere},
        virtual_servers={"MIPSLB": server, "MIPSLB2": other},
        max_sessions=5000,
    )
    bench.balancer.configure(bench.configuration)
    here, there = bench.balancer.virtual_servers["MIPSLB"], bench.balancer.virtual_servers["MIPSLB2"]
    there.farm.reals[0].reachable_from.add(SWITCH)
    bench.reals = here.farm.reals
    flooders = [f"15.6.6.{number}" for number in range(1, 21)]
    bench.server = there
    for client in flooders:
        flood(bench, 100, client)
    bench.server = here
    bench.reals[1].in_service = False
    for client in flooders:
        flood(bench, 10, client)
    bench.reals[1].in_service = True
    bench.reals[0].reachable_from.clear()
    flood(bench, 200, flooders[-1])
    assert [real.sessions for real in bench.reals] == [200, 200]
    assert [bench.request(f"user{number}", client=PDSN).drop for number in range(30)] == [None] * 30


def test_a_session_that_has_moved_gives_the_place_that_it_has_now() -> None:
    bench = bench_of(1, 1, maxconns=4)
    bench.reals[1].in_service = False
    flood(bench, 4)
    bench.reals[1].in_service = True
    bench.reals[0].set_dfp_weight(0)
    bench.reals[0].configure(replace(bench.reals[0].configuration, drain=Drain.MOVE))
    bench.server.farm.configure(
        replace(bench.configuration.farms["HAFARM"], reals=tuple(each.configuration for each in bench.reals))
    )
    bench.now += 1
    for number in range(4):
        assert bench.request(f"made-up-{number}", client=FLOODER).real is bench.reals[1]
    assert [real.sessions for real in bench.reals] == [0, 4]
    assert bench.request("anna", client=PDSN).real is bench.reals[1]
    assert bench.session("anna") is not None


def test_only_sessions_of_the_farm_make_room_in_it() -> None:
    bench = bench_of(1, 1, maxconns=4)
    flood(bench, 8)
    bench.reals[0].reachable_from.clear()
    assert bench.request("anna", client=PDSN).real is bench.reals[1]
    bench.reals[1].set_dfp_weight(0)
    assert bench.request("bert", client=PDSN).drop is DropReason.NO_REAL_AVAILABLE
    assert bench.balancer.statistics.evictions == 1
