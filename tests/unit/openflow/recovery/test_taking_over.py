"""A member of a cluster that takes over recovers the sessions that it has followed."""

from __future__ import annotations

from farm_builder import Bench
from recovery_bench import TABLE_XID, TO_A, TO_B, XID, Restarted, reply, tag
from statistics_replies import table_stats_reply

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.recovery import Recovery, Status
from ryu_haslb.openflow.recovery.session_view import Budget, SessionView
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.multipart import flow_stats
from ryu_haslb.slb.session import Session


def followed(*rules: tuple[int, bytes], is_current: bool = True) -> Followed:
    """What a member that stood by has followed."""
    view = SessionView(Budget(10_000))
    for row in flow_stats(reply(*rules)):
        view.put(row)
    return Followed(view.rules, view.targets, [], is_current)


class TakenOver(Restarted):
    """A member that takes over with what it has followed. Nothing has been read."""

    def __init__(self, *reachable: int, taken: Followed) -> None:
        self.bench = Bench(1, 1)
        self.recovered: list[tuple[Session, bytes]] = []
        self.lost: list[int] = []
        self.recovery = Recovery(
            1, self.bench.balancer, lambda *each: self.recovered.append(each), lambda tag, _: self.lost.append(tag)
        )
        self.find(*reachable)
        self.recovery.take_over(taken, self.bench.now)


def test_what_was_followed_is_recovered_without_reading() -> None:
    taken = TakenOver(0, 1, taken=followed((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A)))
    assert taken.recovery.is_complete
    taken.recovery.tick(taken.bench.now)
    assert taken.recovery.is_over
    assert taken.bench.letters("anna@example.org", "bert@example.org") == "BA"
    assert taken.bench.balancer.statistics.assignments == 0


def test_the_session_of_a_mobile_that_asks_is_recovered_at_once() -> None:
    anna = tag("anna@example.org")
    taken = TakenOver(0, 1, taken=followed((anna, TO_B)))
    assert taken.recovery.status(anna) is Status.PENDING
    assert taken.recovery.status(tag("new@example.org")) is Status.READ, "it begins a session at once"
    assert taken.recovery.recover_if_found(anna, taken.bench.now)
    assert taken.bench.letters("anna@example.org") == "B"


def test_many_followed_rules_are_recovered_some_at_a_time() -> None:
    """The event loop has other work: one tick may take a few milliseconds."""
    view = SessionView(Budget(10_000))
    for first in range(0, 6000, 300):
        for row in flow_stats(reply(*((1 << 41 | first + number, TO_A) for number in range(300)))):
            view.put(row)
    taken = TakenOver(0, taken=Followed(view.rules, view.targets, [], True))
    taken.recovery.tick(taken.bench.now)
    assert taken.sessions() == 1000
    for _ in range(5):
        taken.recovery.tick(taken.bench.now)
    assert (taken.sessions(), taken.recovery.is_over) == (6000, True)


def test_a_followed_rule_whose_real_server_is_not_found_is_lost_after_the_idle_time() -> None:
    anna = tag("anna@example.org")
    taken = TakenOver(0, taken=followed((anna, TO_B)))
    end = taken.bench.now + taken.bench.server.idle
    taken.recovery.tick(end - 0.1)
    assert taken.recovery.status(anna) is Status.PENDING
    taken.recovery.tick(end)
    assert taken.lost == [anna]


def test_what_was_followed_and_is_not_current_serves_until_the_switch_is_read() -> None:
    anna, bert, carl = (tag(f"{name}@example.org") for name in ("anna", "bert", "carl"))
    taken = TakenOver(0, 1, taken=followed((anna, TO_B), (bert, TO_A), (carl, TO_A), is_current=False))
    taken.recovery.request(TABLE_XID, 0.0)
    taken.recovery.reading.on_reply(TABLE_XID, table_stats_reply({Table.SESSIONS: 2}, xid=TABLE_XID), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.recovery.tick(taken.bench.now)
    assert [taken.recovery.status(each) for each in (anna, carl)] == [Status.PENDING] * 2
    assert taken.recovery.status(tag("dora@example.org")) is Status.UNREAD
    assert taken.recovery.recover_if_found(anna, taken.bench.now)
    taken.read((anna, TO_B), (bert, TO_B))
    taken.recovery.tick(taken.bench.now)
    assert taken.recovery.is_over
    assert taken.bench.letters("anna@example.org", "bert@example.org") == "BB"
    assert taken.recovery.status(carl) is Status.READ, "the switch has its rule no more"
    assert taken.lost == []


def test_what_was_followed_is_kept_when_the_switch_cannot_be_read() -> None:
    taken = TakenOver(0, 1, taken=followed((tag("anna@example.org"), TO_B), is_current=False))
    taken.recovery.request(XID, 0.0)
    taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0)
    taken.recovery.request(XID, 0.0)
    assert taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0) is False
    taken.recovery.tick(taken.bench.now)
    assert taken.bench.letters("anna@example.org") == "B"


def test_what_was_followed_waits_for_its_real_server_when_the_switch_cannot_be_read() -> None:
    """The rule is still on the switch: it is not removed before its session could have ended."""
    anna = tag("anna@example.org")
    taken = TakenOver(0, taken=followed((anna, TO_B), is_current=False))
    taken.recovery.request(XID, 0.0)
    taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0)
    taken.recovery.tick(taken.bench.now)
    assert (taken.recovery.status(anna), taken.lost) == (Status.PENDING, [])
    taken.find(0, 1)
    taken.recovery.tick(taken.bench.now)
    assert taken.bench.letters("anna@example.org") == "B"


def test_what_was_followed_is_forgotten_when_the_switch_has_no_rule_that_leads_there() -> None:
    anna = tag("anna@example.org")
    taken = TakenOver(0, 1, taken=followed((anna, TO_B), is_current=False))
    taken.recovery.request(TABLE_XID, 0.0)
    taken.recovery.reading.on_reply(TABLE_XID, table_stats_reply({Table.SESSIONS: 0}, xid=TABLE_XID), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.read()
    taken.recovery.tick(taken.bench.now)
    assert (taken.recovery.status(anna), taken.sessions(), taken.lost) == (Status.READ, 0, [])


def test_a_followed_rule_that_is_read_and_contested_waits_once() -> None:
    """The mobile has come to another switch before this one was read."""
    anna = tag("anna@example.org")
    taken = TakenOver(0, 1, taken=followed((anna, TO_B), is_current=False))
    bench = taken.bench
    bench.balancer.recover(bench.server, anna, bench.reals[0], bench.now).rule_at = 2
    taken.recovery.request(TABLE_XID, 0.0)
    taken.recovery.reading.on_reply(TABLE_XID, table_stats_reply({Table.SESSIONS: 1}, xid=TABLE_XID), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.read((anna, TO_B), more=True)
    assert taken.recovery.has_contested
    assert (taken.recovery.pending, bench.balancer.sessions.recovery_room.pending) == (1, 1)
