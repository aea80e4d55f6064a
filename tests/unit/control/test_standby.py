"""Commands at a member of a cluster that stands by, over its control socket and HTTP."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, Optional

import pytest
from cluster_member import leading_member, standing_by_member
from command_words import spellings
from control_process import Application
from web_bench import TOKEN, WebBench
from webob import Request

from ryu_haslb.cluster.database import Database
from ryu_haslb.cluster.election import View
from ryu_haslb.control.command_table import BALANCER_COMMANDS
from ryu_haslb.control.execution import execute
from ryu_haslb.web.route import Api
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.site import Site

#: The first words of commands that change nothing, and of those that each member carries out for all, or for itself.
READING = ("show", "debug", "undebug")
OF_ANY_MEMBER = ("configure", "config", "copy", "write")


def by_socket(template: str) -> str:
    application = Application(2)
    application.member = standing_by_member()
    (line,) = execute(application, spellings(template)).lines
    assert line is not None
    assert len(application.bench.balancer.sessions) == 2
    assert line.startswith("% ")
    return line[2:]


def by_http(path: str) -> str:
    bench = WebBench()
    bench.member = standing_by_member()
    request = Request.blank(path, method="POST", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = request.get_response(Site(Api(bench), TOKEN, is_local=False))
    assert answer.status_code == 409
    return str(answer.json["error"])


CHANGES: list[tuple[Callable[[str], str], str]] = [
    *((by_socket, each.template) for each in BALANCER_COMMANDS.commands if not each.template.startswith(READING)),
    *((by_http, route.path) for route in ROUTES if route.needs_token),
]
REFUSED = [(ask, what) for ask, what in CHANGES if not what.startswith(OF_ANY_MEMBER) and what != "/api/v1/config"]


@pytest.mark.parametrize(("ask", "what"), REFUSED, ids=[what for _, what in REFUSED])
def test_a_command_that_changes_something_is_refused_with_the_leaders_name(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[str], str], what: str
) -> None:
    """The configuration alone is changed at any member, for all of them (docs/cluster.md)."""
    monkeypatch.setattr(Database, "view", View(True, False, 3, "member-a"))
    if what.startswith("redundancy"):
        assert ask(what) == "this member does not lead; member-a does"
    else:
        assert ask(what) == "member-b stands by; member-a leads; give the command there"


def test_there_are_such_commands_over_both_ways() -> None:
    assert {what for ask, what in REFUSED if ask is by_http} == {"/api/v1/clear/sessions", "/api/v1/clear/counters"}
    first_words = {what.split()[0] for ask, what in REFUSED if ask is by_socket}
    assert first_words == {"clear", "retire", "redundancy"}


@pytest.mark.parametrize(("ask", "what"), [(by_socket, "retire"), (by_http, "/api/v1/clear/counters")])
def test_where_no_member_leads_the_refusal_says_so(ask: Callable[[str], str], what: str) -> None:
    assert ask(what) == "member-b stands by; no member leads; try again when one does"


@pytest.mark.parametrize(
    ("is_connected", "switches", "answer"),
    [
        (True, 2, "this member leads until another one does; see show redundancy"),
        (True, None, "% no other member is there; see show redundancy members; stop this member"),
        (True, 1, "% member-b reaches 1 of the 2 switches that this member reaches; try again"),
        (False, 2, "% the database is not connected, so no other member can take over; stop this member"),
    ],
)
def test_a_hand_over_is_refused_where_no_member_would_serve_as_many_switches(
    monkeypatch: pytest.MonkeyPatch, is_connected: bool, switches: Optional[int], answer: str
) -> None:
    """As IOS refuses a switchover to a standby that is not ready: it would interrupt the service for seconds."""
    monkeypatch.setattr(Database, "is_connected", is_connected)
    application = Application(2)
    application.member = member = leading_member()
    own, other = member.members.all()
    present = [own] if switches is None else [own, replace(other, switches=switches)]
    member.members.on_rows([each.row() for each in present], time.monotonic())
    (line,) = execute(application, ["redundancy", "switch-activity"]).lines
    assert line is not None
    assert line.startswith(answer)
    assert member.leadership.is_resigning is (not line.startswith("%"))


@pytest.mark.parametrize(
    ("view", "state"),
    [
        (View(True, True, 2, "member-a"), "former_leader"),
        (View(True, False, 1, "member-b"), "leader"),
        (View(True, False, 0, ""), "leader"),
        (View(True, False, (1 << 63) - 1, "x"), "leader"),
    ],
)
def test_a_leader_that_was_killed_is_shown_as_former_leader(
    monkeypatch: pytest.MonkeyPatch, view: View, state: str
) -> None:
    """Its row stays as it was, and counts as that of a member that is there for 16 s."""
    monkeypatch.setattr(Database, "view", view)
    application = Application()
    application.member = member = leading_member()
    own, other = member.members.all()
    member.members.on_rows([own.row(), replace(other, state="leader").row()], time.monotonic())
    lines = [line.split() for line in execute(application, ["show", "redundancy", "members"]).lines if line]
    assert [line[0] for line in lines if state in line][-1] == other.name
