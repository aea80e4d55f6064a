"""Events of a debug: those that look like the chapter's are found among all that came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from haslb_lab.scenarios.chapter_block import Line
from haslb_lab.scenarios.comparison import agree, lay_beside
from haslb_lab.scenarios.debugging import events_like


def timeout(real: str, key: str, stamp: str = "Nov 23 08:26:03.123") -> list[str]:
    return [
        f"*{stamp}: SLB_SESSION_IPMOBILE: event= IPMOBILE_TIMEOUT, state= IPMOBILE_ESTAB",
        "-> IPMOBILE_INIT",
        f"*{stamp}: SLB_SESSION: v_ip= 15.1.1.10:434 ( 7), real= {real}, NAT= S",
        f"*{stamp}: SLB_SESSION: client= 15.1.1.51:434 session_key= {key}",
    ]


def request(user: int, real: str, stamp: str = "Apr 21 15:26:03") -> list[str]:
    return [
        f"*{stamp}: SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI:",
        f"mwts-mip-np-user{user}@ispxyz.com, length: 28",
        f"*{stamp}: SLB_SESSION_IPMOBILE: event= IPMOBILE_REQ_REQUEST, state= IPMOBILE_INIT",
        "-> IPMOBILE_ESTAB",
        f"*{stamp}: SLB_SESSION: v_ip= 10.1.1.10:434 ( 7), real= {real}, NAT= S",
        f"*{stamp}: SLB_SESSION: client= 15.1.1.51:434 session_key= 47E2FD1B00000000",
    ]


CHAPTER = timeout("10.99.11.12", "A984DF0A00000000", "Jul 1 05:25:25.513") + timeout("10.99.11.11", "2BDEE91100000000")


def test_events_are_found_in_any_order_and_among_others() -> None:
    """Stamps and session keys are those of the run."""
    first, second = timeout("10.99.11.11", "EADAF5D49D3751B7"), timeout("10.99.11.12", "AE23D3532E2A51B7")
    found, complete = events_like(CHAPTER, request(1, "10.99.11.11") + first + second)
    assert (found, complete) == (second + first, True)
    assert agree(lay_beside(list(map(Line.unchanged, CHAPTER)), found))


def test_one_event_does_not_stand_for_two() -> None:
    once = timeout("10.1.1.51", "EADAF5D49D3751B7")
    assert events_like(once + once, once) == (once, False)


def test_another_event_is_shown_in_the_place_of_a_missing_one() -> None:
    """The second user at another real server than in the chapter."""
    wanted, here = request(1, "10.1.1.51") + request(2, "10.1.1.51"), request(1, "10.1.1.51") + request(2, "10.1.1.52")
    found, complete = events_like(wanted, here)
    assert (found, complete) == (here, False)
    (pair,) = (pair for pair in lay_beside(list(map(Line.unchanged, wanted)), found) if not pair.same)
    assert pair.here is not None and "real= 10.1.1.52" in pair.here


def test_half_an_event_is_not_there_yet() -> None:
    assert not events_like(request(1, "10.1.1.51"), request(1, "10.1.1.51")[:4])[1]


@given(st.lists(st.sampled_from([*CHAPTER, *request(1, "10.1.1.51"), "", "1 events lost"]), max_size=20))
def test_no_line_is_invented(lines: list[str]) -> None:
    found, complete = events_like(CHAPTER, lines)
    assert all(line in lines for line in found)
    assert agree(lay_beside(list(map(Line.unchanged, CHAPTER)), found)) == complete
