"""The output of the chapter's commands, block by block: the same words, and every column under its heading."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime, timezone
from ipaddress import IPv4Address

import chapter_blocks as chapter
import pytest
from control_process import Application

from ryu_haslb.control.execution import execute
from ryu_haslb.dfp.weight_table import AgentAddress, Server
from ryu_haslb.show.session_events import SessionEventRow, as_text, event_row
from ryu_haslb.slb.session import Session, SessionEvent, SessionState

HASH = re.compile(r"\b[0-9A-F]{16}\b")


def shown(application: Application, command: str) -> list[str]:
    return [line for line in execute(application, command.split()).lines if line is not None]


def words(text: str) -> list[str]:
    """The lines without what may differ: the width of gaps, the length of rules, and hashes."""
    lines = (" ".join(HASH.sub("HASH", line).split()) for line in text.splitlines())
    return [re.sub("-{5,}", "---", line) for line in lines]


def assert_under_headings(lines: list[str]) -> None:
    """Every value of a table begins in the column of its heading; headings may contain single spaces."""
    starts = [found.start() for found in re.finditer(r"\S+(?: \S+)*", lines[0])]
    for line in lines[2:]:
        assert [found.start() for found in re.finditer(r"\S+", line)] == starts


def test_reals_with_static_weights_after_four_sessions() -> None:
    lines = shown(Application(4), "show ip slb reals")
    assert words("\n".join(lines)) == words(chapter.REALS_STATIC)
    assert_under_headings(lines)
    assert lines[0] == chapter.REALS_STATIC.splitlines()[0]


def test_reals_with_dfp_weights_after_a_hundred_sessions() -> None:
    application = Application(100)
    for real in application.bench.reals:
        real.set_dfp_weight(24)
    assert words("\n".join(shown(application, "show ip slb reals"))) == words(chapter.REALS_DFP)


@pytest.mark.parametrize("command", ["show ip slb sessions ipmobile", "sh ip slb sessions ipmobile"])
def test_sessions(command: str) -> None:
    lines = shown(Application(4), command)
    heading, rule, *rows = words("\n".join(lines))
    chapter_heading, chapter_rule, *chapter_rows = words(chapter.SESSIONS)
    assert (heading, rule, sorted(rows)) == (chapter_heading, chapter_rule, sorted(chapter_rows))
    assert_under_headings(lines)


def test_a_hash_is_shown_only_once() -> None:
    assert len(set(HASH.findall("\n".join(shown(Application(100), "show ip slb sessions"))))) == 100


def test_dfp_weights() -> None:
    application = Application()
    for host, second in ((51, 23), (52, 15)):
        address = IPv4Address("10.1.1.0") + host
        moment = datetime(2003, 4, 21, 14, 59, second, 500_000, timezone.utc).timestamp()
        set_at = moment - time.time() + time.monotonic()
        application.dfp.weights.set(Server(address, 434, 17, 65535), 25, AgentAddress(address, 500), set_at)
    assert shown(application, "show ip slb dfp weights") == chapter.DFP_WEIGHTS.splitlines()


def direct_event(
    event: SessionEvent, before: SessionState, after: SessionState, moment: datetime
) -> tuple[SessionEventRow, Session]:
    application = Application(1, address=IPv4Address("15.1.1.10"))
    farm = application.bench.server.farm
    farm.configure(replace(farm.configuration, nat_server=True))
    (session,) = application.bench.balancer.sessions
    return event_row(event, before, after, session, moment.timestamp()), session


def test_debug_of_a_first_request() -> None:
    row, _ = direct_event(
        SessionEvent.REQUEST, SessionState.INIT, SessionState.ESTABLISHED, datetime(2003, 4, 21, 15, 26, 3)
    )
    assert words("\n".join(as_text(row)).replace("03.000", "03")) == words(chapter.DEBUG_REQUEST)


def test_debug_of_a_time_out() -> None:
    moment = datetime(2004, 7, 1, 5, 25, 25, 513_000)
    row, _ = direct_event(SessionEvent.TIMEOUT, SessionState.ESTABLISHED, SessionState.INIT, moment)
    assert words("\n".join(as_text(row))) == words(chapter.DEBUG_TIMEOUT)


def test_the_session_key_of_debug_is_the_nai_hash_of_show() -> None:
    """Reference, section Output: the same 16 hexadecimal digits."""
    application = Application(1)
    (session,) = application.bench.balancer.sessions
    row = event_row(SessionEvent.REQUEST, SessionState.INIT, SessionState.ESTABLISHED, session, 0.0)
    assert row["session_key"] in shown(application, "show ip slb sessions ipmobile")[2].split()
