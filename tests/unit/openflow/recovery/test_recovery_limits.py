"""What switches report is bounded: it fills neither memory nor the session table."""

from __future__ import annotations

import tracemalloc

import pytest
from recovery_bench import MACS, TO_A, TO_B, Restarted

from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions, session_rewrites
from ryu_haslb.slb import recovery_room
from ryu_haslb.slb.drop_reason import DropReason


def test_a_switch_that_reports_any_number_of_rules_fills_neither_memory_nor_the_session_table() -> None:
    """At the limit nothing more is recovered, and new mobiles still find room: docs/security.md."""
    restarted = Restarted(0)
    table = restarted.bench.balancer.sessions
    table.limit.limit = 40
    restarted.read(*((1 << 41 | number, TO_A) for number in range(30)), more=True)
    restarted.read(*((1 << 41 | number, TO_B) for number in range(30, 90)), more=True)
    assert (restarted.sessions(), restarted.recovery.pending) == (30, 10)
    restarted.read(*((1 << 41 | number, TO_A) for number in range(90, 200)))
    assert (restarted.sessions(), restarted.recovery.pending) == (30, 10)
    restarted.find(0, 1)
    restarted.recovery.tick(restarted.bench.now)
    assert restarted.sessions() == 40
    confirmed = restarted.sessions() - table.limit.unconfirmed
    assert confirmed == 35, "seven eighths"
    for number in range(20):
        restarted.bench.request(f"new-{number}")
    assert restarted.sessions() == 40
    assert restarted.bench.balancer.statistics.drops[DropReason.SESSION_LIMIT] == 0


def test_a_switch_that_reports_any_number_of_places_fills_no_memory() -> None:
    restarted = Restarted()
    for begin in range(0, 5000, 250):
        places = [delivery_actions(session_rewrites(chassis_address(1), MACS[0]), port, None) for port in range(250)]
        rules = ((1 << 41 | begin + port, places[port] + begin.to_bytes(8, "big")) for port in range(250))
        restarted.read(*rules, more=True)
    assert restarted.recovery.pending == 4096


def test_the_rules_that_wait_at_all_switches_stay_within_the_limit_of_sessions() -> None:
    """A host may pass for many switches. What one of them reports leaves room for the rules of another."""
    liar = Restarted()
    liar.bench.balancer.sessions.limit.limit = 100
    other = Restarted(bench=liar.bench)
    liar.read(*((1 << 41 | number, TO_A) for number in range(300)), more=True)
    assert (liar.recovery.pending, other.recovery.pending) == (100, 0)
    other.read(*((1 << 42 | number, TO_A) for number in range(30)), more=True)
    assert other.recovery.pending == 30
    liar.read(*((1 << 43 | number, TO_A) for number in range(300)), more=True)
    other.read(*((1 << 44 | number, TO_A) for number in range(300)), more=True)
    assert liar.recovery.pending + other.recovery.pending == 100
    assert other.recovery.pending >= 49
    other.find(0)
    other.recovery.tick(other.bench.now)
    assert other.sessions() >= 49


def test_a_switch_that_is_forgotten_leaves_its_room_to_others() -> None:
    gone = Restarted()
    gone.bench.balancer.sessions.limit.limit = 100
    gone.read(*((1 << 41 | number, TO_A) for number in range(100)), more=True)
    gone.recovery.end()
    room = gone.bench.balancer.sessions.recovery_room
    assert (room.pending, room.targets) == (0, 0)
    other = Restarted(bench=gone.bench)
    other.read(*((1 << 42 | number, TO_A) for number in range(100)), more=True)
    assert other.recovery.pending == 100


def test_places_of_all_switches_are_limited_and_each_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_room, "MAX_TARGETS_OF_ALL", 200)
    liar = Restarted()
    other = Restarted(bench=liar.bench)
    for restarted, begin, pending in ((liar, 0, 200), (other, 1000, recovery_room.MIN_TARGETS)):
        numbers = range(begin, begin + 250)
        restarted.read(*((1 << 41 | each, TO_A + each.to_bytes(8, "big")) for each in numbers), more=True)
        assert restarted.recovery.pending == pending


@pytest.mark.parametrize("actions", [(TO_A,), (TO_A, TO_B)])
def test_a_rule_that_is_reported_again_and_again_takes_no_memory(actions: tuple[bytes, ...]) -> None:
    restarted = Restarted()
    tracemalloc.start()
    restarted.read(*((1 << 41, each) for each in actions), more=True)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(40):
        restarted.read(*((1 << 41, each) for _ in range(100) for each in actions), more=True)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert restarted.recovery.pending == 1
    assert after - before < 20_000  # bytes, after 4,000 or 8,000 reports
