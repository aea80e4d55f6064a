"""A change that rolls back unless it is confirmed."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest
from control_process import Application

from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.control import configuring, reloading
from ryu_haslb.control.execution import execute
from ryu_haslb.control.rollback import MAX_MINUTES, RETRY_INTERVAL, NotArmedError, Rollback, RollingBackError
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic

WEIGHT = "ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3"


def run(application: Application, command: str) -> list[str]:
    return [line for line in execute(application, command.split()).lines if line is not None]


def armed() -> Application:
    application = Application(4)
    run(application, "configure confirm 5")
    configuring.apply_commands(application, WEIGHT, "command")
    return application


def test_what_is_not_confirmed_rolls_back_when_the_time_is_over(caplog: pytest.LogCaptureFixture) -> None:
    application = Application(4)
    before = write_configuration(application.configuration)
    application.rollback.arm(before, 5, 1000.0)
    configuring.apply_commands(application, WEIGHT, "command")
    assert not application.rollback.is_due(1299.9)
    assert application.rollback.is_due(1300.0)
    reloading.roll_back(application)
    assert write_configuration(application.configuration) == before
    assert not application.rollback.is_due(1e9)
    assert "the change was not confirmed in time" in caplog.text
    assert application.bench.reals[0].sessions == 2


def test_what_is_confirmed_stays() -> None:
    application = armed()
    assert run(application, "configure confirm") == [
        "confirmed: the configuration in force stays; 'write memory' keeps it in the file"
    ]
    assert not application.rollback.is_due(1e12)
    assert "real 10.1.1.51" in write_configuration(application.configuration)
    assert "weight 3" in write_configuration(application.configuration)


def test_an_operator_rolls_back_at_once() -> None:
    application = armed()
    assert run(application, "configure revert now") == [
        "- ip slb serverfarm HAFARM / real 10.1.1.51 / weight 3",
        "+ ip slb serverfarm HAFARM / real 10.1.1.51 / weight 1",
    ]
    assert run(application, "configure revert now")[0].startswith("% no change waits to be confirmed")


def test_show_and_the_log_say_how_long_is_left(caplog: pytest.LogCaptureFixture) -> None:
    rollback = Rollback()
    assert rollback.remark(0.0) is None
    rollback.arm("", 2, 0.0)
    assert rollback.remark(13.0) == "the configuration rolls back in 1 min 47 s unless 'configure confirm'"
    assert not rollback.is_due(60.0)
    assert caplog.messages[-1] == "the configuration rolls back in 60 s unless 'configure confirm'"
    application = armed()
    assert run(application, "show ip slb reals")[0].startswith("[the configuration rolls back in ")
    assert run(application, "show archive config rollback timer")[0].startswith("the configuration rolls back in ")


def test_a_roll_back_that_fails_is_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a cluster the database may be away."""
    application = armed()

    def refuse(*_: Any, **__: Any) -> None:
        raise ConfigurationError([Diagnostic("rollback", 0, "the database is not connected")])

    monkeypatch.setattr(application, "commit_configuration", refuse)
    with monkeypatch.context() as context:
        context.setattr(time, "monotonic", lambda: 5000.0)
        reloading.roll_back(application)
    assert "rollback: failed, next attempt in" in caplog.text
    assert not application.rollback.is_due(5000.0)
    assert application.rollback.is_due(5000.0 + RETRY_INTERVAL)


def test_it_is_too_late_to_confirm_while_it_rolls_back() -> None:
    rollback = Rollback()
    rollback.arm("text", 1, 0.0)
    assert rollback.begin() == "text"
    with pytest.raises(RollingBackError):
        rollback.confirm()
    with pytest.raises(RollingBackError):
        rollback.arm("other", 1, 0.0)
    assert rollback.remark(0.0) == "the configuration rolls back now"
    rollback.end(True, 1.0)
    with pytest.raises(NotArmedError):
        rollback.confirm()


def test_a_second_timer_keeps_the_configuration_to_go_back_to() -> None:
    rollback = Rollback()
    rollback.arm("first", 1, 0.0)
    rollback.arm("second", 2, 30.0)
    assert not rollback.is_due(149.0)
    assert rollback.is_due(150.0)
    assert rollback.begin() == "first"


def test_a_stop_says_that_nothing_rolls_back_any_more(caplog: pytest.LogCaptureFixture) -> None:
    rollback = Rollback()
    rollback.on_stop("haslb.ios")
    assert caplog.text == ""
    rollback.arm("text", MAX_MINUTES, 0.0)
    rollback.on_stop("haslb.ios")
    assert caplog.messages[-1].endswith("no longer rolls back: the next start reads haslb.ios")


def test_members_see_until_when_a_change_is_to_be_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application()
    sources: list[str] = []

    def commit(_: str, source: str, basis: Basis) -> Callable[[], tuple[str, ...]]:
        sources.append(source)
        return tuple

    monkeypatch.setattr(application, "commit_configuration", commit)
    configuring.apply_commands(application, WEIGHT, "command")
    run(application, "configure confirm 5")
    configuring.apply_commands(application, WEIGHT, "command")
    assert sources[0] == "command"
    assert sources[1].startswith("command, rolls back at ") and sources[1].endswith("Z unless confirmed")


def test_the_file_is_not_written_before_the_change_is_confirmed() -> None:
    lines = run(armed(), "write memory")
    assert lines[0].startswith("% the configuration rolls back in ")
    assert lines[1] == "% nothing was written"
