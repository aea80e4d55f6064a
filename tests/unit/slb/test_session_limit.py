"""The limit of sessions: who makes room when it is reached (docs/states.md, "The limit of sessions")."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from budget import examples
from farm_builder import Bench, address
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_haslb.configuration.model import MAX_SESSIONS, Configuration
from ryu_haslb.configuration.model import RealServer as Configured
from ryu_haslb.slb import session_limit
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_limit import (
    MAX_CONFIRMED_PART,
    MAX_MEMORY_PART,
    MIN_LIMIT_OF_MAXCONNS,
    SESSION_BYTES,
    SessionLimit,
    limit_of,
)
from ryu_haslb.slb.session_table import _MAX_STALE_DEADLINES

PDSN, FLOODER, OTHER = "15.1.1.51", "15.6.6.6", "15.7.7.7"


def limited(limit: int, weights: tuple[int, ...] = (1, 1), **server: object) -> Bench:
    bench = Bench(*weights, server={"idle": 3600, **server}.items())
    bench.configuration = replace(bench.configuration, max_sessions=limit)
    bench.balancer.configure(bench.configuration)
    for real in bench.reals:
        real.reachable_from.add(1)
    return bench


def flood(bench: Bench, count: int, client: str = FLOODER) -> None:
    for _ in range(count):
        bench.request(f"made-up-{bench.identification}", client=client)


def confirm(bench: Bench, *mobiles: str, client: str = PDSN) -> None:
    """The mobiles register, and register anew half an hour later."""
    for _ in range(2):
        for mobile in mobiles:
            bench.request(mobile, client=client)
        bench.now += 1800


def test_a_flood_takes_no_more_than_the_limit() -> None:
    bench = limited(100)
    flood(bench, 1000)
    assert len(bench.balancer.sessions) == 100
    assert sum(real.sessions for real in bench.reals) == 100
    assert bench.balancer.statistics.evictions == 900
    assert bench.balancer.statistics.dropped == 0


def test_a_flood_of_made_up_mobiles_leaves_confirmed_ones_alone() -> None:
    """They keep session and real server, wherever the flood comes from: also from their own PDSN's address."""
    bench = limited(200)
    bound = [f"bound-{number}" for number in range(100)]
    confirm(bench, *bound)
    sessions = {mobile: bench.session(mobile) for mobile in bound}
    reals = {mobile: session.real for mobile, session in sessions.items() if session is not None}
    for client in (FLOODER, PDSN):
        flood(bench, 1000, client)
    flood_of_clients(bench, 5000)
    assert {mobile: bench.session(mobile) for mobile in bound} == sessions
    bench.now += 100
    assert {mobile: bench.request(mobile, client=PDSN).real for mobile in bound} == reals


def flood_of_clients(bench: Bench, count: int) -> None:
    for number in range(count):
        bench.request(f"sybil-{number}", client=str(IPv4Address("20.0.0.1") + number))


def test_who_floods_displaces_his_own_sessions() -> None:
    """A client with fewer unconfirmed sessions than the one with the most loses none."""
    bench = limited(100)
    few = [f"new-{number}" for number in range(20)]
    for mobile in few:
        bench.request(mobile, client=PDSN)
    flood(bench, 1000)
    assert all(bench.session(mobile) for mobile in few)
    late = [f"late-{number}" for number in range(10)]
    for mobile in late:
        bench.request(mobile, client=OTHER)
    flood(bench, 1000)
    assert all(bench.session(mobile) for mobile in (*few, *late)), "at the limit new mobiles of others find room"


def test_the_oldest_session_of_a_client_goes_first() -> None:
    bench = limited(10)
    flood(bench, 10)
    bench.request("newest", client=FLOODER)
    assert bench.session("made-up-0") is None
    assert bench.session("made-up-1") is not None
    assert bench.session("newest") is not None


def test_a_lone_pdsn_may_fill_the_whole_table() -> None:
    """All its mobiles have its address. None has to go before the limit is reached."""
    bench = limited(2000)
    mobiles = [f"honest-{number}" for number in range(2000)]
    for mobile in mobiles:
        bench.request(mobile, client=PDSN)
    assert all(bench.session(mobile) for mobile in mobiles)
    assert bench.balancer.statistics.evictions == 0
    bench.now += 600
    for mobile in mobiles:
        bench.request(mobile, client=PDSN)
    assert bench.balancer.sessions.limit.unconfirmed == 2000 * (1 - MAX_CONFIRMED_PART)


def test_forged_clients_share_what_one_client_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses cost nothing. Beyond MAX_CLIENTS they are one client; a PDSN with half of the table loses nothing."""
    monkeypatch.setattr(session_limit, "MAX_CLIENTS", 8)
    bench = limited(1000)
    honest = [f"honest-{number}" for number in range(250)]
    for mobile in honest:
        bench.request(mobile, client=PDSN)
    flood_of_clients(bench, 5000)
    assert all(bench.session(mobile) for mobile in honest)
    assert len(dict(bench.balancer.sessions.limit.clients())) <= 9


def test_retransmissions_and_copies_confirm_nothing() -> None:
    """RFC 5944 section 3.6.3: they show that there was no reply. More than ``reassign`` confirm all the same."""
    bench = limited(10)
    for pause in (0.0, 0.5, 1.0, 2.0):
        bench.now += pause
        bench.request("retrying")
    bench.now += 60
    bench.copy("retrying")
    session = bench.session("retrying")
    assert session is not None and session.unconfirmed_in is not None
    bench.now += 60
    bench.request("retrying")
    assert session.unconfirmed_in is None


def test_what_begins_an_attempt_after_an_answered_one_confirms() -> None:
    bench = limited(10)
    bench.request("anna@example.org")
    bench.now += 5.1
    bench.request("anna@example.org")
    session = bench.session("anna@example.org")
    assert session is not None and session.unconfirmed_in is None
    flood(bench, 100)
    assert bench.session("anna@example.org") is session


def test_an_accepted_reply_confirms() -> None:
    """Replies are seen while a home agent is in doubt; a stranger cannot write one (docs/states.md)."""
    bench = limited(10)
    session = bench.request("anna@example.org").session
    assert session is not None and session.unconfirmed_in is not None
    bench.balancer.record_reply(session.real, None, bench.now)
    assert session.unconfirmed_in is not None
    bench.balancer.record_reply(session.real, session, bench.now)
    assert session.unconfirmed_in is None


def test_an_abandoned_attempt_confirms_nothing() -> None:
    """The mobile has had no reply: it may be one that does not exist."""
    bench = limited(10)
    for pause in (0.0, 1.0, 2.0, 30.0):
        bench.now += pause
        bench.request("anna@example.org")
    session = bench.session("anna@example.org")
    assert session is not None and session.unconfirmed_in is not None


def test_confirmed_sessions_leave_room_for_new_mobiles() -> None:
    """Who sends everything twice confirms his sessions as well; he gets no more than a part of the table."""
    bench = limited(80)
    confirm(bench, *(f"twice-{number}" for number in range(80)), client=FLOODER)
    assert len(bench.balancer.sessions) - bench.balancer.sessions.limit.unconfirmed == 70
    assert bench.request("honest").drop is None
    assert bench.session("honest") is not None


def test_without_an_unconfirmed_session_new_mobiles_are_dropped_by_name() -> None:
    """Recovered sessions count as confirmed: their rules do not show more."""
    bench = limited(5)
    for tag in range(1, 6):
        bench.balancer.recover(bench.server, 0x02 << 40 | tag, bench.reals[0], bench.now)
    assert bench.request("late").drop is DropReason.SESSION_LIMIT
    assert bench.request("late", home_agent=address(1).packed).drop is DropReason.SESSION_LIMIT
    assert len(bench.balancer.sessions) == 5
    statistics = bench.balancer.statistics
    assert statistics.requests == statistics.dispatched + statistics.dropped == 2


def test_known_mobiles_are_served_at_the_limit() -> None:
    bench = limited(3)
    before = bench.letters("a", "b", "c")
    bench.now += 10
    assert bench.letters("a", "b", "c") == before


def test_a_lowered_limit_is_reached_step_by_step() -> None:
    """Each new session ends two others, so no request waits for thousands of them."""
    bench = limited(100)
    flood(bench, 100)
    bench.balancer.configure(replace(bench.configuration, max_sessions=50))
    flood(bench, 10)
    assert len(bench.balancer.sessions) == 90
    flood(bench, 100)
    assert len(bench.balancer.sessions) == 50


def test_the_retries_of_a_session_that_made_room_count_on() -> None:
    """As those of a session that ended by its idle time."""
    bench = limited(4)
    for pause in (0.0, 1.0, 2.0):
        bench.now += pause
        bench.request("retrying", client=FLOODER)
    flood(bench, 10)
    assert bench.session("retrying") is None
    bench.now += 20
    bench.request("retrying", client=FLOODER)
    session = bench.session("retrying")
    assert session is not None and session.retries == 3


def test_memory_and_maxconns_give_the_limit_by_default() -> None:
    bench = Bench(1, 1)
    assert limit_of(bench.configuration, None) == MAX_SESSIONS
    memory = 1 << 30
    assert limit_of(bench.configuration, memory) == int(memory * MAX_MEMORY_PART) // SESSION_BYTES
    full = Bench(1, 1, maxconns=30_000).configuration
    assert limit_of(full, memory) == 60_000
    assert limit_of(Bench(1, 1, maxconns=2).configuration, memory) == MIN_LIMIT_OF_MAXCONNS
    assert limit_of(replace(full, max_sessions=70_000), memory) == 70_000
    assert limit_of(Configuration(), 0) == 1


def test_a_session_costs_no_more_memory_than_is_stated() -> None:
    """With an NAI of 30 bytes; the queue of its client included."""
    bench = limited(MAX_SESSIONS)
    bench.request("first")
    tracemalloc.start()
    for number in range(20_000):
        bench.request(f"user{number:05}@some-operator.example.org")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / 20_000 < SESSION_BYTES


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["open", "open", "end", "move"])),
        max_size=120,
    ),
    st.sampled_from("abcd"),
)
def test_counts_and_order_are_right_after_any_history(steps: list[tuple[str, int, str]], asking: str) -> None:
    """At the limit a client with at least half of the most sessions loses an old one; in a full farm, one with more
    than twice as many as the one that asks loses its oldest one there (docs/states.md, "The limit of sessions")."""
    reals = [real_of(farm, number) for farm in ("FARM", "OTHER") for number in (1, 2)]
    server = Bench(1).server
    limit = SessionLimit()
    opened: dict[str, list[Session]] = {"a": [], "b": [], "c": []}
    for now, (client, place, step) in enumerate(steps):
        sessions = opened[client]
        if step == "open" or not sessions:
            sessions.append(Session(server, b"", now, reals[place], now))
            limit.add(sessions[-1], client.encode())
        elif step == "end":
            limit.remove(sessions.pop(now % len(sessions)))
        elif sessions[now % len(sessions)].real is not reals[place]:
            session = sessions.pop(now % len(sessions))
            session.real = reals[place]
            limit.on_moved(session)
            sessions.append(session)
        counts = {client: len(sessions) for client, sessions in opened.items() if sessions}
        assert {name.decode(): count for name, count in limit.clients()} == counts
        assert limit.unconfirmed == sum(counts.values())
        first = limit.first_to_go()
        owner = next((client for client, sessions in opened.items() if first in sessions), None)
        assert owner is None if not counts else 2 * counts[owner or ""] > max(counts.values())
    owned = {client: [each for each in sessions if each.real in reals[:2]] for client, sessions in opened.items()}
    allowed = {
        client: len(sessions).bit_length() >= len(owned.get(asking, ())).bit_length() + 2
        for client, sessions in owned.items()
    }
    found = limit.yielding_to(asking.encode(), reals[:2])
    at_real = {real: {c: [each for each in owned[c] if each.real is real] for c in owned} for real in reals[:2]}
    if found is not None:
        heads = [sessions[0] for c, sessions in at_real[found.real].items() if sessions and allowed[c]]
        assert found in sorted(heads, key=lambda each: each.tag)
    else:
        for of_clients in at_real.values():
            most = max(map(len, of_clients.values()))
            assert not most or not all(allowed[c] for c in owned if 2 * len(of_clients[c]) > most)


def real_of(farm: str, number: int) -> RealServer:
    return RealServer(farm, Configured(address(number)))


def test_the_oldest_session_goes_first_at_whichever_of_many_home_agents_it_is() -> None:
    """Within the sessions of one client."""
    bench = limited(400, weights=(1,) * 40)
    for number in range(400):
        bench.now += 1
        bench.request(f"made-up-{number}", client=FLOODER)
    for number in range(200):
        bench.now += 1
        bench.request(f"later-{number}", client=FLOODER)
    gone = [number for number in range(400) if bench.session(f"made-up-{number}") is None]
    assert len(gone) == 200
    assert max(gone) < 300, "a session that began in the last quarter of the time went before half of the others"


def test_queues_of_clients_are_limited_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 1.5 kB, and addresses can be forged in any number. Counts stay right beyond the limit."""
    monkeypatch.setattr(session_limit, "MAX_QUEUES", 50)
    bench = limited(1000, weights=(1,) * 20)
    flood_of_clients(bench, 500)
    flood(bench, 1000)
    limit = bench.balancer.sessions.limit
    assert limit._queues <= 50 + 20
    assert limit.unconfirmed == sum(dict(limit.clients()).values()) == 1000
    bench.balancer.clear_sessions()
    assert (limit.unconfirmed, limit._queues, limit._at_real, limit._shares) == (0, 0, {}, {})


def test_a_mobile_whose_session_made_room_comes_back_to_its_home_agent() -> None:
    """A flood must not move mobiles by ending their sessions: the place is remembered for their idle time."""
    bench = limited(100, idle=900)
    honest = [f"honest-{number}" for number in range(60)]
    homes = {mobile: bench.request(mobile, client=PDSN).real for mobile in honest}
    flood_of_clients(bench, 500)
    assert sum(bench.session(mobile) is None for mobile in honest) > 40
    bench.now += 600
    assert {mobile: bench.request(mobile, client=PDSN).real for mobile in honest} == homes
    bench.now += 1000
    assert bench.balancer.advance(bench.now, 10_000) is False
    assert not bench.balancer._abandoned.attempts


def test_a_forged_request_that_names_a_home_agent_does_not_take_the_place_of_a_session_that_made_room() -> None:
    bench = limited(100, idle=900)
    home = bench.request("anna@example.org", client=PDSN).real
    for _ in range(20):
        bench.request(f"other-{bench.identification}", client=PDSN)
    flood_of_clients(bench, 500)
    assert bench.session("anna@example.org") is None
    other = next(real for real in bench.reals if real is not home)
    forged = bench.request("anna@example.org", home_agent=other.configuration.address.packed, client=FLOODER)
    assert (forged.real, forged.session) == (other, None)
    assert bench.request("anna@example.org", client=PDSN).real is home


def test_a_mobile_under_whose_name_others_send_without_a_pause_is_not_moved() -> None:
    """Such a mobile seems to retransmit, and is not confirmed. Its session ends, and begins anew where it was."""
    bench = limited(200, idle=900)
    honest = [f"honest-{number}" for number in range(60)]
    homes = {mobile: bench.request(mobile, client=PDSN).real for mobile in honest}
    for real in bench.reals:
        real.configuration = replace(real.configuration, reassign=4000)
    for _ in range(30):
        bench.now += 2
        for number in range(50):
            flood(bench, 1, client=f"20.0.0.{number}")
        for mobile in honest:
            assert bench.request(mobile, client=PDSN).real is homes[mobile]
    assert bench.balancer.statistics.evictions > 1000


def test_sessions_that_made_room_leave_no_memory_behind() -> None:
    """Their deadlines held them for the idle time: 18 hours of a flood."""
    bench = limited(1000, idle=65535)
    flood(bench, 1000)
    sessions = bench.balancer.sessions
    for _ in range(20):
        flood(bench, 1000)
        bench.now += 1
        while bench.balancer.advance(bench.now, 500):
            pass
        scheduled = sum(map(len, sessions._deadlines._slots.values()))
        assert scheduled <= 2 * len(sessions) + _MAX_STALE_DEADLINES + 1000
    bench.now += 70_000
    while bench.balancer.advance(bench.now, 500):
        pass
    assert not len(sessions)
