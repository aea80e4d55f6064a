"""Which sessions a filter selects, and how much is looked at for it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

import pytest
from farm_builder import VIRTUAL, Bench
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.mobile_ip.identity import identities_of_text, nai_identity
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_filter import EVERY_SESSION, Page, SessionFilter, UnknownObjectError
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.session_tag import tag_of
from ryu_haslb.slb.shards import MAX_UNDIVIDED

ANNA = b"\x01anna@isp"
#: ASCII, and bytes that occur in no character of UTF-8.
NO_UTF8 = st.lists(st.integers(0, 0x7F) | st.integers(0xF8, 0xFF), max_size=40).map(bytes)


def bench() -> Bench:
    """Anna at the first real server, Bert at the second one; Carl, from another network, at the first one."""
    made = Bench(1, 1)
    made.request("anna@isp", client="15.1.1.51")
    made.request("bert@isp", client="15.1.1.52")
    made.request("carl@isp", client="16.1.1.51")
    return made


def names(made: Bench, wanted: SessionFilter, page: Optional[Page] = None) -> list[str]:
    return [session.identity[1:5].decode() for found in made.balancer.select(wanted, 500, page) for session in found]


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        (EVERY_SESSION, ["anna", "bert", "carl"]),
        (SessionFilter(vserver="MIPSLB"), ["anna", "bert", "carl"]),
        (SessionFilter(farm="HAFARM"), ["anna", "bert", "carl"]),
        (SessionFilter(real=(IPv4Address("10.1.1.51"), None)), ["anna", "carl"]),
        (SessionFilter(real=(IPv4Address("10.1.1.52"), 434)), ["bert"]),
        (SessionFilter(real=(IPv4Address("10.1.1.52"), 435)), []),
        (SessionFilter(client=IPv4Network("15.1.1.51")), ["anna"]),
        (SessionFilter(client=IPv4Network("15.1.0.0/16")), ["anna", "bert"]),
        (SessionFilter(client=IPv4Network("0.0.0.0/0")), ["anna", "bert", "carl"]),
        (SessionFilter(mobiles=[ANNA]), ["anna"]),
        (SessionFilter(mobiles=[ANNA, b"\x01nobody@isp"]), ["anna"]),
        (SessionFilter(mobiles=[ANNA], client=IPv4Network("16.0.0.0/8")), []),
        (SessionFilter(real=(IPv4Address("10.1.1.51"), None), client=IPv4Network("16.0.0.0/8")), ["carl"]),
    ],
)
def test_a_session_is_selected_that_has_all_properties(wanted: SessionFilter, selected: list[str]) -> None:
    assert names(bench(), wanted) == selected


@pytest.mark.parametrize("wanted", [SessionFilter(vserver="OTHER"), SessionFilter(farm="OTHER")])
def test_a_name_that_the_configuration_does_not_have_is_an_error(wanted: SessionFilter) -> None:
    with pytest.raises(UnknownObjectError, match=r"^no such (virtual server|server farm): OTHER$"):
        bench().balancer.select(wanted, 500)


def test_the_session_of_a_mobile_is_looked_up_without_looking_at_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be a million."""
    made = bench()
    looked_at: list[object] = []

    def all_sessions(*_: object) -> Iterator[list[Session]]:
        looked_at.append(_)
        return iter(())

    monkeypatch.setattr(SessionTable, "slices", all_sessions)
    monkeypatch.setattr(SessionTable, "in_order", all_sessions)
    wanted = SessionFilter(mobiles=[ANNA])
    assert [len(each) for each in made.balancer.select(wanted, 500)] == [1]
    assert names(made, wanted, Page()) == ["anna"]
    assert not looked_at
    assert names(made, SessionFilter(vserver="MIPSLB")) == [], (
        "the other way to find sessions is the one that was counted"
    )
    assert looked_at


def test_a_recovered_session_is_found_by_its_nai_before_its_mobile_has_sent_a_request() -> None:
    """Its rule bears the hash of the NAI."""
    made = Bench(1)
    made.balancer.recover(made.server, tag_of(VIRTUAL.packed, ANNA), made.reals[0], made.now)
    made.balancer.recover(made.server, tag_of(VIRTUAL.packed, b"\x01bert@isp"), made.reals[0], made.now)
    wanted = SessionFilter(mobiles=[ANNA])
    (found,) = next(iter(made.balancer.select(wanted, 500)))
    assert found.is_recovered
    assert list(made.balancer.clear_in_slices(wanted, 500)) == [1]
    assert len(made.balancer.sessions) == 1


def test_one_step_of_a_clear_looks_at_few_sessions() -> None:
    made = Bench(1, 1)
    made.new_sessions(1000)
    steps = list(made.balancer.clear_in_slices(SessionFilter(real=(IPv4Address("10.1.1.51"), None)), 100))
    assert (len(steps), sum(steps)) == (10, 500)
    assert max(steps) <= 100
    assert [real.sessions for real in made.reals] == [0, 500]


@given(st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")) | NO_UTF8)
def test_a_mobile_is_found_by_its_nai_as_it_is_shown(nai: bytes) -> None:
    """An NAI comes from the network: it may have any bytes. One with a backslash of its own may be hidden."""
    identity = nai_identity(nai.replace(b"\\", b"/"))
    assert identity in identities_of_text(str(identity))


def test_a_text_that_is_an_address_may_be_a_home_address() -> None:
    assert [str(each) for each in identities_of_text("10.200.0.1")] == ["10.200.0.1", "10.200.0.1"]
    assert len(set(identities_of_text("10.200.0.1"))) == 2


@pytest.mark.parametrize("count", [300, MAX_UNDIVIDED - 20], ids=["small", "divided meanwhile"])
def test_pages_have_each_session_that_lives_all_the_time_once(count: int) -> None:
    made = Bench(1)
    made.new_sessions(count)
    staying = {session.tag for session in made.balancer.sessions if session.tag % 3}
    after: Optional[int] = None
    seen: list[int] = []
    for number in range(1000):
        page = [each for found in made.balancer.select(EVERY_SESSION, 50, Page(after)) for each in found][: count // 5]
        if not page:
            break
        seen += [session.tag for session in page]
        after = seen[-1]
        if number == 1:
            ending = [session.identity for session in (page[-1], *made.balancer.sessions) if session.tag not in staying]
            assert sum(made.balancer.clear_in_slices(SessionFilter(mobiles=set(ending)), 50)) == len(set(ending)) > 0
        made.new_sessions(40, start=count + 40 * number)
    assert len(seen) == len(set(seen))
    assert staying <= set(seen)


@pytest.mark.parametrize("wanted", [EVERY_SESSION, SessionFilter(vserver="MIPSLB")], ids=["all", "of a virtual server"])
@pytest.mark.parametrize("count", [300, MAX_UNDIVIDED + 300], ids=["small", "divided"])
def test_a_session_that_its_mobile_claims_meanwhile_is_selected_once(wanted: SessionFilter, count: int) -> None:
    """After a takeover a recovered session gets its identity with the next request; it is listed before and after."""
    made = Bench(1)
    mobiles = [f"user{number}@example.org" for number in range(count)]
    for mobile in mobiles:
        made.balancer.recover(made.server, tag_of(VIRTUAL.packed, b"\x01" + mobile.encode()), made.reals[0], made.now)
    seen: list[Session] = []
    for found in made.balancer.select(wanted, 50):
        seen += found
        for mobile in mobiles[:60]:
            made.request(mobile)
        del mobiles[:60]
    assert len(seen) == len(set(seen)) == count
