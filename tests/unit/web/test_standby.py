"""HTTP at a member of a cluster that stands by: it answers and says so, and refuses what only the leader can do."""

from __future__ import annotations

import pytest
from cluster_member import standing_by_member
from web_bench import TOKEN, WebBench
from webob import Request, Response

from ryu_haslb.web.route import Api
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.site import STANDBY_HEADER, Site


def ask(bench: WebBench, path: str, method: str = "GET") -> Response:
    request = Request.blank(path, method=method, headers={"Authorization": f"Bearer {TOKEN}"})
    return request.get_response(Site(Api(bench), TOKEN, is_local=False))


def standby() -> WebBench:
    bench = WebBench()
    bench.member = standing_by_member()
    return bench


@pytest.mark.parametrize("path", ["/api/v1/reals", "/metrics", "/nowhere"])
def test_every_answer_says_that_it_stands_by(path: str) -> None:
    answer = ask(standby(), path)
    assert answer.headers[STANDBY_HEADER] == "member-b stands by; no member leads"
    assert STANDBY_HEADER not in ask(WebBench(), path).headers


def test_every_route_that_changes_something_but_the_configuration_is_the_leaders() -> None:
    """The configuration is changed at any member, for all of them (docs/cluster.md)."""
    assert [route.path for route in ROUTES if route.needs_token and not route.needs_leader] == ["/api/v1/config"]
