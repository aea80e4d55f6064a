"""Changes of the configuration: what they change, what they return, and that an error changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from control_process import Application

from ryu_haslb.control import configuring
from ryu_haslb.control.configuring import Applied
from ryu_haslb.language.diagnostics import ConfigurationError

FARM = "ip slb serverfarm HAFARM"


def test_a_file_replaces_the_configuration(tmp_path: Path) -> None:
    application = Application()
    path = tmp_path / "new.ios"
    path.write_text(f"{FARM}\n real 10.1.1.99\n")
    applied = configuring.apply_file(application, str(path))
    assert f"+ {FARM} / real 10.1.1.99" in applied.changes
    assert f"- {FARM} / real 10.1.1.51" in applied.changes
    assert list(application.configuration.virtual_servers) == []


def test_commands_change_the_configuration_and_leave_the_rest() -> None:
    application = Application(4)
    applied = configuring.apply_commands(application, f"{FARM}\nreal 10.1.1.51\nweight 3", "command")
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
        configuring.apply_file(application, str(path))
    assert [(each.source, each.line) for each in caught.value.errors] == [(str(path), 3), (str(path), 4)]
    with pytest.raises(ConfigurationError):
        configuring.apply_commands(application, "frobnicate", "command")
    assert application.configuration is before


def test_warnings_are_returned_beside_the_changes() -> None:
    applied = configuring.apply_commands(Application(), "ip slb vserver MIPS LB\nidle ipmobile request 77", "command")
    assert [each.line for each in applied.warnings] == [1]


def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        configuring.apply_file(Application(), str(pipe))


def test_the_dfp_password_is_masked_in_the_changes() -> None:
    """They are logged, and anyone can reverse a password of type 7."""
    applied = configuring.apply_commands(Application(), "ip slb dfp password cisco 60", "command")
    assert applied.changes == ("+ ip slb dfp password 7 **** 60",)
