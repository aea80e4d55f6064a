"""Phones and foreign agents that do what few do: they move from a silent home agent as others do, and from no other."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from farm_builder import ANY, SWITCH, Bench, address

from ryu_haslb.slb.request import make_request

OTHER_PDSN = "15.1.1.52"
INFINITY = 0xFFFF


def silent(bench: Bench, **request: object) -> str:
    """The letters of two attempts of three requests each, without an answer."""
    letters = ""
    for _ in range(2):
        for pause in (1.0, 2.0, 4.0):
            letters += bench.letter(bench.request("anna@example.org", **request))  # type: ignore[arg-type]
            bench.wait(pause)
        bench.wait(20.0)
    return letters


@pytest.mark.parametrize("lifetime", [1, 600, INFINITY])
def test_with_any_lifetime_it_moves_in_the_second_attempt(lifetime: int) -> None:
    """RFC 5944 section 3.3: 0xffff is infinity."""
    bench = Bench(1, 1, reassign=3)
    assert silent(bench, lifetime=lifetime) == "AAAABB"


def test_a_mobile_with_an_infinite_lifetime_that_comes_back_hours_later_is_not_moved() -> None:
    """It retransmitted once each time: a lost packet. Less than ``reassign`` in a row, it loses its place never."""
    bench = Bench(1, 1, reassign=3, server={"idle": 65535})
    for _ in range(4):
        assert bench.attempt("anna@example.org", retransmissions=1) == "AA"
        bench.now += 40_000.0
    assert bench.reals[0].connection_failures == 0


def test_a_deregistration_that_is_repeated_moves_nothing() -> None:
    """Lifetime 0 (section 3.6.1.2): it goes to the home agent with the binding, however often."""
    bench = Bench(1, 1, reassign=1, server={"idle": 300})
    bench.request("anna@example.org")
    for _ in range(9):
        bench.wait(2.0)
        assert bench.letter(bench.request("anna@example.org", lifetime=0)) == "A"
    assert bench.reals[0].connection_failures == 0


def test_retries_from_another_udp_port_are_retries() -> None:
    bench = Bench(1, 1, reassign=3)
    letters = ""
    for number in range(6):
        fields = b"\x01anna@example.org", IPv4Address("15.1.1.51").packed, 1024 + number, ANY, 600, SWITCH, number
        real, *_ = bench.balancer.request(make_request(bench.server, *fields), bench.now)
        letters += "AB"[bench.reals.index(real)] if real is not None else "-"
        bench.wait(1.0)
    assert letters == "AAAABB"
    session = bench.session("anna@example.org")
    assert session is not None and session.client_port == 1029


def test_simultaneous_bindings_are_at_one_home_agent() -> None:
    """Section 3.6.1.1, the S bit: a mobile registers through two foreign agents, one right after the other."""
    bench = Bench(1, 1, reassign=3, server={"idle": 3600})
    letters = ""
    for _ in range(4):
        letters += bench.letter(bench.request("anna@example.org"))
        bench.wait(0.2)
        letters += bench.letter(bench.request("anna@example.org", client=OTHER_PDSN))
        bench.wait(300.0)
    assert letters == "A" * 8


def test_an_nai_in_other_case_is_another_mobile() -> None:
    """Home agents look for the NAI byte by byte: what is another mobile to them must be one to the balancer."""
    bench = Bench(1, 1)
    assert bench.letters("anna@example.org", "Anna@example.org") == "AB"
    assert len(bench.balancer.sessions) == 2


def test_a_retry_that_names_another_home_agent_goes_there_and_the_session_stays() -> None:
    bench = Bench(1, 1, server={"idle": 300})
    bench.request("anna@example.org")
    bench.wait(1.0)
    assert bench.letter(bench.request("anna@example.org", home_agent=address(2).packed)) == "B"
    bench.wait(1.0)
    assert bench.letter(bench.request("anna@example.org", home_agent=address(1).packed)) == "A"
    bench.wait(1.0)
    assert bench.letter(bench.request("anna@example.org")) == "A"
