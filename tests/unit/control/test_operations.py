"""The operations of an operator: what they change, and what they return."""

from __future__ import annotations

from typing import Optional

import pytest
from control_process import Application

from ryu_haslb.control import operations
from ryu_haslb.control.operations import UnconfirmedError
from ryu_haslb.slb.session_filter import SessionFilter, UnknownObjectError

FARM = "ip slb serverfarm HAFARM"


def test_clearing_ends_sessions_and_returns_their_number() -> None:
    application = Application(4)
    assert operations.clear_sessions(application, SessionFilter("MIPSLB")) == 4
    assert operations.clear_sessions(application) == 0
    with pytest.raises(UnknownObjectError, match="no such virtual server: OTHER"):
        operations.clear_sessions(application, SessionFilter("OTHER"))


def test_clearing_counters_sets_them_to_zero() -> None:
    application = Application(4)
    operations.clear_counters(application)
    assert application.bench.balancer.statistics.requests == 0


def test_retire_reports_each_switch_when_it_confirms() -> None:
    application = Application()
    application.retired = {1: True, 2: None}
    lines = operations.retire(application, lambda: 0.0)
    assert next(lines) == "switch 0000000000000001: our rules are removed"
    assert next(lines) is None, "other work has its turn while the switch is waited for"
    application.retired[2] = True
    assert list(lines) == [
        "switch 0000000000000002: our rules are removed",
        None,
        "2 switches retired; none is served until 'configure' or a new start",
    ]


@pytest.mark.parametrize("outcome", [None, False], ids=["no reply", "rejected"])
def test_retire_fails_when_a_switch_does_not_confirm(outcome: Optional[bool]) -> None:
    application = Application()
    application.retired = {1: True, 0xAB: outcome}
    times = iter((0.0, 0.0, operations.RETIRE_TIMEOUT))
    lines = operations.retire(application, lambda: next(times))
    assert next(lines) == "switch 0000000000000001: our rules are removed"
    with pytest.raises(UnconfirmedError, match=r"no confirmation from 00000000000000ab; .*docs/flows\.md"):
        list(lines)
