"""``/readyz``, and what the page says at its top."""

from __future__ import annotations

from cluster_member import standing_by_member
from web_bench import WebBench

from ryu_haslb.web.health import not_ready, notices


def test_a_balancer_with_a_switch_and_home_agents_is_ready() -> None:
    assert list(not_ready(WebBench().sources)) == []
    assert notices(WebBench()) == []


def test_without_a_switch_it_is_not_ready() -> None:
    bench = WebBench()
    del bench.switches[1]
    assert list(not_ready(bench.sources)) == notices(bench) == ["no switch is connected and served"]


def test_a_farm_without_a_home_agent_is_named() -> None:
    bench = WebBench()
    for real in bench.balancer.reals():
        real.reachable_from.clear()
    sentence = "virtual server MIPSLB is FAILED: farm HAFARM has no home agent for new sessions"
    assert list(not_ready(bench.sources)) == notices(bench) == [sentence]
    bench.configuration.virtual_servers.clear()
    bench.configure(bench.configuration)
    assert list(not_ready(bench.sources)) == []


def test_a_member_that_stands_by_is_not_ready() -> None:
    bench = WebBench()
    bench.member = standing_by_member()
    (text,) = not_ready(bench.sources)
    assert "stands by" in text
    assert notices(bench) == [text]


def test_a_change_that_waits_to_be_confirmed_is_a_notice() -> None:
    bench = WebBench()
    bench.rollback.arm("", 5, 0.0)
    (text,) = notices(bench)
    assert text.startswith("the configuration rolls back in ")
