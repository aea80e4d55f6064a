"""Log lines for an overload and for the limit of sessions: at once, then once a minute, and when it is over."""

from __future__ import annotations

from ryu_haslb.show.overload_log import CALM_INTERVAL, REPORT_INTERVAL, OverloadLog
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.statistics import Statistics

#: 2026-11-29T05:13:44Z, in seconds of the wall clock.
BEGAN = 1795929224.0
#: Seconds between two looks, not less than the log wants.
LOOK = 0.25


class Watched:
    """Counters, looked at on a virtual clock."""

    def __init__(self) -> None:
        self.statistics = Statistics()
        self.requests: dict[bytes, int] = {}
        self.now = 0.0
        self.log = OverloadLog(self.statistics, self.now)

    def look(self, seconds: float = LOOK) -> list[str]:
        self.now += seconds
        return list(self.log.lines(self.statistics, self.requests, self.now, BEGAN + self.now))

    def drop(self, reason: DropReason, count: int) -> None:
        self.statistics.count_dropped(reason, count)


def test_nothing_is_logged_while_nothing_is_too_much() -> None:
    watched = Watched()
    watched.drop(DropReason.TRUNCATED, 3)
    watched.drop(DropReason.NO_REAL_AVAILABLE, 3)
    assert watched.look() == []


def test_an_overload_is_logged_at_once_then_once_a_minute_and_when_it_is_over() -> None:
    watched = Watched()
    watched.look(3600.0)
    watched.drop(DropReason.OVERLOAD_NEW_MOBILE, 12)
    (line,) = watched.look()
    assert line.startswith("%SLB-4-OVERLOAD: state=overloaded since=2026-11-29T06:13:44Z overload_new_mobile=12 (")
    lines = []
    for _ in range(int(REPORT_INTERVAL / LOOK)):
        watched.drop(DropReason.CLIENT_METERED, 1)
        lines += watched.look()
    (line,) = lines
    assert " since=2026-11-29T06:13:44Z client_metered=" in line
    assert " overload_new_mobile=12 (" in line
    assert watched.look(CALM_INTERVAL / 2) == []
    (line,) = watched.look(CALM_INTERVAL)
    assert line.startswith("%SLB-6-OVERLOAD: state=over since=2026-11-29T06:13:44Z client_metered=240 ")
    assert watched.look(CALM_INTERVAL) == []


def test_the_limit_of_sessions_is_logged_with_those_that_made_room() -> None:
    watched = Watched()
    watched.statistics.evictions += 7
    watched.drop(DropReason.SESSION_LIMIT, 2)
    (line,) = watched.look()
    assert line.startswith("%SLB-4-LIMIT: state=reached since=2026-11-29T05:13:44Z evictions=7 session_limit=2 (")


def test_counters_that_are_cleared_meanwhile_are_counted_from_zero() -> None:
    watched = Watched()
    watched.drop(DropReason.OVERLOAD, 100)
    watched.look()
    watched.statistics = Statistics()
    watched.drop(DropReason.OVERLOAD, 5)
    (line,) = watched.look(REPORT_INTERVAL)
    assert " overload=105 (" in line


def test_a_drop_that_comes_and_goes_makes_two_lines_a_minute_at_most() -> None:
    watched, lines = Watched(), 0
    for _ in range(3600):
        watched.drop(DropReason.METERED, 1)
        lines += len(watched.look(1.0))
    assert lines <= 61
    for _ in range(60):
        watched.drop(DropReason.METERED, 1)
        lines += len(watched.look(CALM_INTERVAL)) + len(watched.look(CALM_INTERVAL))
    assert lines <= 61 + 120 + 1


def test_what_was_dropped_within_the_minute_is_told_by_the_line_that_it_is_over() -> None:
    """No line comes behind that one until something is dropped again, whenever the looks are."""
    watched = Watched()
    for _ in range(2):
        watched.drop(DropReason.METERED, 1)
        watched.look()
    (line,) = watched.look(CALM_INTERVAL)
    assert line.startswith("%SLB-6-OVERLOAD: state=over ")
    assert line.endswith(" metered=2")
    assert [watched.look(), watched.look(REPORT_INTERVAL)] == [[], []]


def test_there_are_two_lines_a_minute_at_most_when_drops_end_before_a_report() -> None:
    watched, times = Watched(), []
    for _ in range(20):
        watched.drop(DropReason.METERED, 1)
        for look in range(int(CALM_INTERVAL / LOOK) + 2):
            if look == 1:
                watched.drop(DropReason.METERED, 1)
            times += [watched.now] * len(watched.look())
    assert len(times) == 40
    assert all(third - first >= CALM_INTERVAL for first, third in zip(times, times[2:]))


def test_the_client_with_the_most_requests_since_it_began_is_named() -> None:
    """A PDSN that has sent more before is not the cause."""
    watched = Watched()
    pdsn, flood = bytes((10, 1, 1, 101)), bytes((10, 1, 1, 200))
    watched.requests.update({pdsn: 1_000_000, flood: 10})
    watched.look()
    watched.requests.update({pdsn: 1_000_005, flood: 90})
    watched.drop(DropReason.OVERLOAD, 3)
    (line,) = watched.look()
    assert " overload=3 client=10.1.1.200 requests=80 (" in line
    watched.requests[flood] = 5010
    (line,) = watched.look(CALM_INTERVAL)
    assert line.endswith(" overload=3 client=10.1.1.200 requests=5000")


def test_a_busiest_client_whose_count_was_cleared_is_not_named() -> None:
    watched = Watched()
    watched.requests[bytes((10, 1, 1, 101))] = 100
    watched.look()
    watched.requests.clear()
    watched.drop(DropReason.METERED, 3)
    (line,) = watched.look()
    assert " metered=3 (" in line
