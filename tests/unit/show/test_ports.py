"""A real server is shown by its address, and by its port where that is not 434 (IOS: ``real A.B.C.D [port]``)."""

from __future__ import annotations

import re

from web_bench import WebBench

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.show.reals import REALS, REALS_DETAIL, reals
from ryu_haslb.show.sessions import SESSIONS, conns
from ryu_haslb.show.state_log import StateLog
from ryu_haslb.slb.health import Health
from ryu_haslb.web.load_history import SAMPLE_INTERVAL, History
from ryu_haslb.web.metrics import BalancerCollector, exposition

CONFIGURATION = """ip slb serverfarm HAFARM
 nat server
 real 10.1.1.51 434
  weight 3
  inservice
 real 10.1.1.51 5434
  weight 1
  inservice
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 idle ipmobile request 300
 inservice
"""


def two_ports() -> WebBench:
    """Four sessions at one address, three of them at port 434."""
    bench = WebBench()
    bench.balancer.clear_sessions()
    bench.configure(read_configuration(CONFIGURATION, "slb.ios")[0])
    for real in bench.balancer.reals():
        real.reachable_from.add(1)
    for number in range(4):
        bench.request(b"user%d@example.org" % number)
    return bench


def test_show_tells_them_apart() -> None:
    sources = two_ports().sources
    lines = [line.split() for line in filter(None, REALS.text(REALS.rows(sources)))][2:]
    assert [(line[0], line[-1]) for line in lines] == [("10.1.1.51", "3"), ("10.1.1.51:5434", "1")]
    assert any(
        line.startswith("10.1.1.51:5434, HAFARM")
        for line in filter(None, REALS_DETAIL.text(REALS_DETAIL.rows(sources)))
    )
    printed = sorted(line.split()[-2] for line in list(filter(None, SESSIONS.text(SESSIONS.rows(sources))))[2:])
    assert printed == ["10.1.1.51"] * 3 + ["10.1.1.51:5434"]
    assert sorted(row["real"] for row in filter(None, conns(sources))) == ["10.1.1.51:434"] * 3 + ["10.1.1.51:5434"]
    assert [(row["real"], row["port"]) for row in reals(sources)] == [("10.1.1.51", 434), ("10.1.1.51", 5434)]


def test_each_has_series_of_its_own_in_the_metrics() -> None:
    bench = two_ports()
    text = exposition(BalancerCollector(lambda: bench.sources)).decode()
    samples = re.findall(r'haslb_real_sessions\{farm="HAFARM",real="([^"]*)"\} (\d)', text)
    assert samples == [("10.1.1.51", "3"), ("10.1.1.51:5434", "1")]


def test_each_has_a_history_of_its_own() -> None:
    bench, history = two_ports(), History()
    for number in range(2):
        history.tick(bench.balancer.reals(), number * SAMPLE_INTERVAL)
    rows = list(history.rows(bench.balancer.reals()))
    assert [(row["port"], row["sessions"]) for row in rows] == [(434, [3, 3]), (5434, [1, 1])]


def test_the_log_says_which_one_has_failed_and_why_a_failed_one_serves() -> None:
    bench = two_ports()
    log = StateLog(bench.sources, 0.0)
    first, second = bench.balancer.reals()
    second.fail(0.0, is_last=False)
    assert list(log.changes(bench.sources, 1.0)) == [
        "%SLB-3-REAL: farm=HAFARM real=10.1.1.51:5434 state=FAILED was=OPERATIONAL "
        "(its mobiles get no replies; see 'show ip slb reals detail')"
    ]
    first.fail(0.0, is_last=True)
    assert first.health is Health.DEMOTED
    (line,) = log.changes(bench.sources, 2.0)
    assert line.startswith("%SLB-3-REAL: farm=HAFARM real=10.1.1.51 state=DEMOTED was=OPERATIONAL (")
    assert "no other real server of the farm can" in line


def test_show_tells_how_many_clients_are_enough_where_fewer_send_requests() -> None:
    """``faildetect numclients`` is 2 by default, and here is one PDSN."""
    detail = list(REALS_DETAIL.text(REALS_DETAIL.rows(two_ports().sources)))
    assert "  failclient threshold in force = 1, clients of the farm = 1" in detail
    assert "  failclient threshold = 2, failclient count = 0" in detail
