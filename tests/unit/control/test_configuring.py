"""Changes of the configuration: what they change, what they return, and that an error changes nothing."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from budget import examples
from cluster_member import standing_by_member
from configuration_strategies import configurations
from control_process import Application
from hypothesis import given, settings

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import configuring
from ryu_haslb.control.configuring import Change
from ryu_haslb.control.plans import PlanChangedError, consequences
from ryu_haslb.control.reading import Job, read
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
    assert applied == Change((f"- {FARM} / real 10.1.1.51 / weight 1", f"+ {FARM} / real 10.1.1.51 / weight 3"), (), ())
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


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        configuring.apply_file(Application(), str(pipe))


def test_the_dfp_password_is_masked_in_the_changes() -> None:
    """They are logged, and anyone can reverse a password of type 7."""
    applied = configuring.apply_commands(Application(), "ip slb dfp password cisco 60", "command")
    assert applied.changes == ("+ ip slb dfp", "+ ip slb dfp password 7 **** 60")


def test_the_log_has_each_line_of_a_change_and_who_made_it_and_what_becomes_of_sessions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    commands = f"{FARM}\nreal 10.1.1.51\nweight 3\ndrain\nip slb dfp password cisco 60"
    configuring.apply_commands(Application(5), commands, "request", "HTTP 192.0.2.9")
    *lines, consequence, applied = [line for line in caplog.messages if line.startswith("%SLB-5-CONFIG")]
    assert sorted(lines) == [
        "%SLB-5-CONFIG: by=HTTP 192.0.2.9 + ip slb dfp",
        "%SLB-5-CONFIG: by=HTTP 192.0.2.9 + ip slb dfp password 7 **** 60",
        f"%SLB-5-CONFIG: by=HTTP 192.0.2.9 + {FARM} / real 10.1.1.51 / drain",
        f"%SLB-5-CONFIG: by=HTTP 192.0.2.9 + {FARM} / real 10.1.1.51 / weight 3",
        f"%SLB-5-CONFIG: by=HTTP 192.0.2.9 - {FARM} / real 10.1.1.51 / weight 1",
    ]
    assert consequence.startswith(
        "%SLB-5-CONFIG: by=HTTP 192.0.2.9 real server 10.1.1.51 of farm HAFARM is drained: 3 "
    )
    assert applied == "%SLB-5-CONFIG: by=HTTP 192.0.2.9 applied lines=5 farms=1 reals=2 vservers=1"


@pytest.mark.parametrize(
    ("sessions", "said"), [(1, ": 1 session stays until it ends"), (4, ": 2 sessions stay until they end")]
)
def test_a_change_says_of_one_session_what_becomes_of_it_in_the_singular(sessions: int, said: str) -> None:
    application = Application(sessions)
    change = configuring.apply_commands(application, f"{FARM}\nreal 10.1.1.51\nno inservice", "command")
    assert [each.partition(":")[1] + each.partition(":")[2] for each in change.consequences] == [said]


def test_a_change_of_nothing_is_no_event_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    configuring.apply_commands(Application(), f"{FARM}\nreal 10.1.1.51\nweight 1", "request")
    assert not [line for line in caplog.messages if line.startswith("%SLB-5-CONFIG")]


def file_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "new.ios"
    path.write_text(text)
    return str(path)


def test_a_file_that_is_merged_leaves_what_it_does_not_name(tmp_path: Path) -> None:
    """IOS: copy FILE running-config."""
    application = Application()
    change = configuring.apply_file(
        application, file_of(tmp_path, f"{FARM}\n real 10.1.1.51\n  weight 3\n"), is_merged=True
    )
    assert change.changes == (f"- {FARM} / real 10.1.1.51 / weight 1", f"+ {FARM} / real 10.1.1.51 / weight 3")


def test_a_yaml_file_is_merged_as_well(tmp_path: Path) -> None:
    application = Application()
    path = tmp_path / "new.yaml"
    path.write_text("serverfarms: {HAFARM: {reals: [{address: 10.1.1.51, weight: 3}]}}\n")
    change = configuring.apply_file(application, str(path), is_merged=True)
    assert change.changes == (f"- {FARM} / real 10.1.1.51 / weight 1", f"+ {FARM} / real 10.1.1.51 / weight 3")


@settings(max_examples=examples(25))
@given(configurations())
def test_a_configuration_merged_into_itself_changes_nothing(configuration: Configuration) -> None:
    text = write_configuration(configuration)
    assert read(Job("same", configuration, commands=text)).changes == ()


def test_a_plan_changes_nothing_and_counts_the_sessions_that_move(tmp_path: Path) -> None:
    application = Application(5)
    before = application.configuration
    plan = configuring.plan_file(application, file_of(tmp_path, f"{FARM}\n no real 10.1.1.51\n"), is_merged=True)
    assert plan.consequences == (
        "real server 10.1.1.51 of farm HAFARM is removed: 3 sessions of virtual server MIPSLB move with their next "
        "request",
    )
    assert application.configuration is before


@pytest.mark.parametrize(
    ("commands", "sentence"),
    [
        ("no ip slb vserver MIPSLB", "virtual server MIPSLB is removed: 5 sessions end"),
        (
            "ip slb vserver MIPSLB\n virtual 10.1.1.11 udp 434 service ipmobile\n",
            "virtual server MIPSLB gets another address: 5 sessions end",
        ),
        (
            "ip slb vserver MIPSLB\n no inservice\n",
            "virtual server MIPSLB goes out of service: requests of its 5 sessions are no longer balanced",
        ),
        (
            "ip slb serverfarm B\n real 10.1.1.77\n  inservice\nip slb vserver MIPSLB\n serverfarm B\n",
            "virtual server MIPSLB gets farm B: 5 sessions move there with their next request",
        ),
    ],
)
def test_a_plan_says_what_becomes_of_all_sessions_of_a_virtual_server(
    tmp_path: Path, commands: str, sentence: str
) -> None:
    plan = configuring.plan_file(Application(5), file_of(tmp_path, commands), is_merged=True)
    assert plan.consequences == (sentence,)


def test_a_plan_goes_on_when_a_virtual_server_is_removed_while_it_is_made() -> None:
    """Other green threads run while sessions are counted, and one of them may change the configuration."""
    application = Application(5)
    text = "ip slb vserver OTHER\n virtual 10.1.1.12 udp 434 service ipmobile\n serverfarm HAFARM\n inservice"
    configuring.apply_commands(application, text, "command")
    steps = consequences(application.sources, Configuration())
    assert next(steps) == "virtual server MIPSLB is removed: 5 sessions end"
    configuring.apply_commands(application, "no ip slb vserver OTHER", "command")
    assert list(filter(None, steps)) == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("drain", "real server 10.1.1.51 of farm HAFARM is drained: 3 sessions stay until they end"),
        ("drain move", "real server 10.1.1.51 of farm HAFARM is drained: 3 sessions move with their next request"),
        ("no inservice", "real server 10.1.1.51 of farm HAFARM goes out of service: 3 sessions stay until they end"),
    ],
)
def test_a_plan_says_what_becomes_of_the_sessions_of_a_real_server(command: str, sentence: str) -> None:
    application = Application(5)
    text = f"{FARM}\n real 10.1.1.51\n  {command}"
    assert configuring.apply_commands(application, text, "command").consequences == (sentence,)
    assert configuring.apply_commands(application, text, "command").consequences == (), "nothing changes any more"


def test_only_the_plan_that_was_seen_is_applied(tmp_path: Path) -> None:
    application = Application()
    path = file_of(tmp_path, f"{FARM}\n real 10.1.1.51\n  weight 3\n")
    plan = configuring.plan_file(application, path, is_merged=True).plan
    file_of(tmp_path, f"{FARM}\n real 10.1.1.51\n  weight 4\n")
    before = application.configuration
    with pytest.raises(PlanChangedError, match="has changed since"):
        configuring.apply_file(application, path, is_merged=True, plan=plan)
    assert application.configuration is before
    plan = configuring.plan_file(application, path, is_merged=True).plan
    assert configuring.apply_file(application, path, is_merged=True, plan=plan).changes


def test_a_member_that_stands_by_counts_no_sessions(tmp_path: Path) -> None:
    application = Application(5)
    application.member = standing_by_member()
    plan = configuring.plan_file(application, file_of(tmp_path, "no ip slb vserver MIPSLB\n"), is_merged=True)
    (sentence,) = plan.consequences
    assert "not counted here" in sentence
