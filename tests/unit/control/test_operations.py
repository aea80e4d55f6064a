"""The operations of an operator: what they change, what they return, and that an error changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import pytest
from control_process import Application

from ryu_haslb.control import operations
from ryu_haslb.control.operations import Applied, UnconfirmedError, UnknownVirtualServerError
from ryu_haslb.language.diagnostics import ConfigurationError

FARM = "ip slb serverfarm HAFARM"


def test_a_file_replaces_the_configuration(tmp_path: Path) -> None:
    application = Application()
    path = tmp_path / "new.ios"
    path.write_text(f"{FARM}\n real 10.1.1.99\n")
    applied = operations.apply_file(application, str(path))
    assert f"+ {FARM} / real 10.1.1.99" in applied.changes
    assert f"- {FARM} / real 10.1.1.51" in applied.changes
    assert list(application.configuration.virtual_servers) == []


def test_commands_change_the_configuration_and_leave_the_rest() -> None:
    application = Application(4)
    applied = operations.apply_commands(application, f"{FARM}\nreal 10.1.1.51\nweight 3", "command")
    assert applied == Applied(
        (f"- {FARM} / real 10.1.1.51 / weight 1", f"+ {FARM} / real 10.1.1.51 / weight 3"), (), ()
    )
    assert application.bench.reals[0].sessions == 2


def test_every_error_is_returned_and_nothing_is_changed(tmp_path: Path) -> None:
    application = Application()
    before = application.configuration
    path = tmp_path / "new.ios"
    path.write_text(f"{FARM}\n real 10.1.1.51\n  weight 300\n  frobnicate\n")
    with pytest.raises(ConfigurationError) as caught:
        operations.apply_file(application, str(path))
    assert [(each.source, each.line) for each in caught.value.errors] == [(str(path), 3), (str(path), 4)]
    with pytest.raises(ConfigurationError):
        operations.apply_commands(application, "frobnicate", "command")
    assert application.configuration is before


def test_warnings_are_returned_beside_the_changes() -> None:
    applied = operations.apply_commands(Application(), "ip slb vserver MIPS LB\nidle ipmobile request 77", "command")
    assert [each.line for each in applied.warnings] == [1]


def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        operations.apply_file(Application(), str(pipe))


def test_clearing_ends_sessions_and_returns_their_number() -> None:
    application = Application(4)
    assert operations.clear_sessions(application, "MIPSLB") == 4
    assert operations.clear_sessions(application) == 0
    with pytest.raises(UnknownVirtualServerError, match="no such virtual server: OTHER"):
        operations.clear_sessions(application, "OTHER")


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


def test_the_dfp_password_is_masked_in_the_changes() -> None:
    """They are logged, and anyone can reverse a password of type 7."""
    applied = operations.apply_commands(Application(), "ip slb dfp password cisco 60", "command")
    assert applied.changes == ("+ ip slb dfp password 7 **** 60",)
