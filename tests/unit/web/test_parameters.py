"""The parameters of the API: filters, pages, and what is refused."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from web_bench import TOKEN, WebBench
from webob import Request

from ryu_haslb.web.parameters import MAX_PAGE
from ryu_haslb.web.route import Api
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.site import Site

HOSTILE = r"<script>alert(1)</script>\xff\x00\n@isp.com"


@pytest.fixture(name="site")
def with_four_sessions() -> Site:
    """Of Anna, Bert, a hostile NAI, and one that was recovered; all from 15.1.1.51."""
    bench = WebBench()
    bench.fill()
    return Site(Api(bench), TOKEN, is_local=False)


def get(site: Site, path: str, query: str = "", **parameters: object) -> Any:
    """The answer; a string is an error, in front of which is its status."""
    answer = Request.blank(f"/api/v1/{path}?{query or urlencode(parameters)}").get_response(site)
    value = json.loads(answer.body)
    return value if answer.status_code == 200 else f"{answer.status_code} {value['error']}"


def identities(site: Site, **parameters: str) -> list[str]:
    return sorted(str(row["identity"]).partition("@")[0] for row in get(site, "sessions", **parameters))


@pytest.mark.parametrize(
    ("parameters", "selected"),
    [
        ({"nai": "anna@isp.com"}, ["anna"]),
        ({"nai": "carl@isp.com"}, []),
        ({"nai": HOSTILE}, [HOSTILE.partition("@")[0]]),
        ({"real": "10.1.1.52", "nai": "anna@isp.com"}, ["anna"]),
        ({"real": "10.1.1.52:434", "vserver": "MIPSLB", "nai": "anna@isp.com"}, ["anna"]),
        ({"real": "10.1.1.51:435"}, []),
        ({"client": "15.1.1.51", "nai": "bert@isp.com"}, ["bert"]),
        ({"client": "15.1.0.0/16", "nai": "bert@isp.com"}, ["bert"]),
        ({"client": "16.1.0.0/16"}, []),
        ({"serverfarm": "HAFARM", "nai": "bert@isp.com"}, ["bert"]),
    ],
)
def test_the_filters_are_those_of_the_commands(site: Site, parameters: dict[str, str], selected: list[str]) -> None:
    assert identities(site, **parameters) == selected


def test_rows_are_selected_by_name(site: Site) -> None:
    assert [row["vserver"] for row in get(site, "vservers", name="MIPSLB")] == ["MIPSLB"]
    assert [row["farm"] for row in get(site, "serverfarms", name="HAFARM")] == ["HAFARM"]
    assert {row["farm"] for row in get(site, "reals", serverfarm="HAFARM")} == {"HAFARM"}


@pytest.mark.parametrize(
    ("path", "query", "complaint"),
    [
        (
            "sessions",
            "vservr=A",
            "unknown parameter 'vservr'; expected after, client, limit, nai, real, serverfarm or ",
        ),
        ("sessions", "vservr=A", "; did you mean 'vserver'?"),
        ("reals", "real=10.1.1.51", "unknown parameter 'real'; expected serverfarm"),
        ("overview", "x=1", "unknown parameter 'x'; this path has none"),
        ("sessions", "nai=a&nai=b", "parameter nai is given twice"),
        ("sessions", "nai=%ff", "malformed parameters: "),
        ("sessions", "nai=", "wrong value of nai: ''"),
        ("sessions", "nai", "malformed parameters: "),
        ("sessions", "&".join(f"a{number}=1" for number in range(30)), "malformed parameters: "),
        ("sessions", "limit=0", "wrong value of limit: '0'; expected a number from 1 to 10000"),
        ("sessions", f"limit={MAX_PAGE + 1}", "wrong value of limit"),
        ("sessions", "after=1", "wrong value of after: '1'; expected, for example, AE23D3532E2A51B7"),
        ("sessions", "client=10.1.1.0/33", "wrong value of client"),
        ("sessions", "client=10.1.1", "wrong value of client"),
        ("sessions", "real=10.1.1.51:65536", "wrong value of real"),
        ("clients", "order=foo", "wrong value of order: 'foo'; expected drops, requests or sessions"),
        ("sessions", "vserver=MIPS%20LB", "wrong value of vserver"),
    ],
)
def test_a_mistake_is_refused_with_what_was_expected(site: Site, path: str, query: str, complaint: str) -> None:
    answer = get(site, path, query)
    assert answer.startswith("400 ")
    assert complaint in answer


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_route_ignores_a_parameter(site: Site, route: Any) -> None:
    request = Request.blank(f"{route.path}?frobnicate=1", method=route.method)
    request.headers["Authorization"] = f"Bearer {TOKEN}"
    if route.body is not None:
        request.content_type = route.body.media_type
        request.environ["wsgi.input"] = BytesIO(b"{}")
        request.content_length = 2
    assert request.get_response(site).status_code == 400


@pytest.mark.parametrize(
    ("path", "parameter"),
    [("sessions", "vserver"), ("sessions", "serverfarm"), ("reals", "serverfarm"), ("vservers", "name")],
)
def test_an_unknown_name_is_not_found(site: Site, path: str, parameter: str) -> None:
    assert get(site, path, **{parameter: "NONE"}).startswith("404 no such ")


def test_pages_have_all_rows_once(site: Site) -> None:
    rows = get(site, "sessions", limit=1)
    while page := get(site, "sessions", limit=2, after=rows[-1]["nai_hash"]):
        assert len(page) <= 2
        rows += page
    assert sorted(row["nai_hash"] for row in rows) == sorted(row["nai_hash"] for row in get(site, "sessions"))
    assert len(rows) == 4


def test_a_page_of_a_filter_has_its_rows_alone(site: Site) -> None:
    (row,) = get(site, "sessions", limit=1, nai="anna@isp.com")
    assert row["identity"] == "anna@isp.com"
    assert get(site, "sessions", limit=1, nai="anna@isp.com", after=row["nai_hash"]) == []


def clear(site: Site, body: object) -> tuple[int, Any]:
    request = Request.blank("/api/v1/clear/sessions", method="POST", content_type="application/json")
    request.body = json.dumps(body).encode()
    request.headers["Authorization"] = f"Bearer {TOKEN}"
    answer = request.get_response(site)
    return answer.status_code, json.loads(answer.body)


def test_clearing_takes_the_same_filters(site: Site) -> None:
    assert clear(site, {"nai": "anna@isp.com", "client": "15.1.1.0/24"}) == (200, {"cleared": 1})
    assert "anna" not in identities(site)
    assert clear(site, {"client": "16.1.1.0/24"}) == (200, {"cleared": 0})
    assert clear(site, {}) == (200, {"cleared": 3})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"nei": "anna@isp.com"}, 400),
        ({"nai": 5}, 400),
        ({"nai": None}, 400),
        ({"client": "everywhere"}, 400),
        ({"limit": 1}, 400),
        ([], 400),
        ({"vserver": "NONE"}, 404),
        ({"serverfarm": "NONE", "nai": "anna@isp.com"}, 404),
    ],
)
def test_a_mistake_clears_nothing(site: Site, body: object, status: int) -> None:
    """A filter that were left out because of a mistake would end all sessions."""
    assert clear(site, body)[0] == status
    assert len(identities(site)) == 4


def test_an_nai_with_any_characters_can_be_asked_for(site: Site) -> None:
    assert get(site, "sessions", f"nai={quote(HOSTILE)}")[0]["identity"] == HOSTILE
    assert get(site, "sessions", "nai=%F0%9F%98%80@isp.com") == []
