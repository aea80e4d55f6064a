"""What a member that stands by keeps of session rules: a switch may report any number of them, which lead anywhere."""

from __future__ import annotations

import pytest
from statistics_replies import FlowRow, flow_stats_reply

from ryu_haslb.openflow.recovery import session_view
from ryu_haslb.openflow.recovery.session_view import Budget, SessionView
from ryu_haslb.openflow.wire import flow_mod, wire
from ryu_haslb.openflow.wire.multipart import flow_stats
from ryu_haslb.slb.session_tag import cookie_of

MATCH = flow_mod.match({"eth_type": 0x0800, "ipv4_dst": "10.1.1.10"})


def put(view: SessionView, targets: int, rules: int = 1, first: int = 1) -> None:
    """Rules that lead to so many ports."""
    for port in range(first, first + targets):
        actions = flow_mod.apply_actions(wire.output(port))
        rows = [FlowRow(cookie_of(port << 16 | number), MATCH, actions) for number in range(rules)]
        for row in flow_stats(flow_stats_reply(*rows)):
            view.put(row)


def test_the_switch_with_most_targets_gives_up_its_rules_when_all_have_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_view, "MAX_TARGETS_OF_ALL", 100)
    budget = Budget(10_000)
    honest, *liars = views = [SessionView(budget) for _ in range(6)]
    put(honest, 10, rules=20)
    for number, liar in enumerate(liars):
        put(liar, 60 + number)
        assert budget.targets == sum(len(view.targets) for view in views) <= 100
    assert [view.is_exceeded for view in views] == [False, True, True, True, True, False]
    assert (len(honest.rules), len(honest.targets)) == (200, 10)
    for view in views:
        view.end()
    assert (budget.used, budget.targets, budget.views) == (0, 0, set())


def test_targets_without_rules_are_forgotten_before_a_switch_has_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_view, "MAX_TARGETS", 50)
    budget = Budget(10_000)
    view = SessionView(budget)
    for first in (1, 101, 201):
        put(view, 30, first=first)
        assert len(view.targets) <= 50
        for row in flow_stats(flow_stats_reply(*(FlowRow(cookie_of(first + port << 16), MATCH) for port in range(30)))):
            view.remove(row)
        assert not view.rules
    put(view, 25)
    assert (view.is_exceeded, budget.targets, len(view.rules)) == (False, len(view.targets), 25)
