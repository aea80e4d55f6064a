"""``show ip slb probe``, with the columns of IOS, and what the log says of a probe that shows nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from web_bench import WebBench

from ryu_haslb.show.probes import PROBES, PROBES_DETAIL
from ryu_haslb.show.state_log import StateLog
from ryu_haslb.slb.probing import Outcome, Target


class Probed:
    """A bench whose two real servers in service are asked; only the first one answers."""

    def __init__(self) -> None:
        self.bench = WebBench()
        self.now = 1000.0
        self.log = StateLog(self.bench.sources, self.now)

    @property
    def targets(self) -> list[Target]:
        return self.bench.balancer.probing.targets

    def run(self, seconds: float, *, answers: bool) -> list[str]:
        """Let time pass; the lines of the log meanwhile."""
        lines: list[str] = []
        for _ in range(round(seconds / 0.25)):
            self.now += 0.25
            self.bench.balancer.probing.advance(self.now, lambda _: Outcome.ASKED, lambda _: False)
            if answers and self.targets[0].asked_at == self.now:
                self.now += 0.05
                self.bench.balancer.probing.on_answer(self.targets[0], self.now)
            lines += self.log.changes(self.bench.sources, self.now)
        return lines

    def shown(self, report: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        return list(report.text(report.rows(self.bench.sources)))


def test_the_table_has_the_columns_of_ios(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = Probed()
    probed.run(40.0, answers=True)
    heading, rule, first, second = probed.shown(PROBES, monkeypatch)
    assert heading == "Server:Port             State        Outages  Current    Cumulative"
    assert set(rule) == {"-"}
    assert first.split() == ["10.1.1.51:434", "OPERATIONAL", "0", "never", "00:00:00"]
    assert second.split()[:3] == ["10.1.1.52:434", "FAILED", "1"]
    assert second.split()[3] == second.split()[4]


def test_the_details_name_the_question_and_count_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = Probed()
    probed.run(25.0, answers=True)
    assert probed.shown(PROBES_DETAIL, monkeypatch)[:5] == [
        "ALIVE, ipmobile, 10.1.1.51:434, farm = HAFARM, state = OPERATIONAL",
        "  interval = 10 s, faildetect = 3",
        "  source = 10.1.1.9, nai = haslb-probe@probe.invalid",
        "  questions = 3, answers = 3, round trip = 50.0 ms",
        "  unanswered = 0, outages = 0, current = never, cumulative = 00:00:00",
    ]
    rows = json.loads(json.dumps(list(PROBES.rows(probed.bench.sources))))
    assert [row["state"] for row in rows] == ["OPERATIONAL", "TESTING"]


def test_a_real_server_that_a_probe_fails_is_an_error_in_the_log() -> None:
    probed = Probed()
    lines = probed.run(40.0, answers=True)
    assert (
        "%SLB-3-REAL: farm=HAFARM real=10.1.1.52 state=PROBE_FAILED was=OPERATIONAL "
        "(it does not answer the probe; see 'show ip slb probe detail')" in lines
    )
    assert not [line for line in lines if "PROBE:" in line]


def test_a_probe_that_nothing_answers_is_a_warning_in_the_log_once() -> None:
    probed = Probed()
    lines = [line for line in probed.run(120.0, answers=False) if "PROBE" in line]
    assert lines == [
        "%SLB-4-PROBE: farm=HAFARM probe=ALIVE state=UNPROVEN was=PROVEN (no real server of the farm has ever answered "
        "it, so it fails none; check its source and the routes)"
    ]
    (line,) = [line for line in probed.run(20.0, answers=True) if "PROBE:" in line]
    assert line.startswith("%SLB-6-PROBE: farm=HAFARM probe=ALIVE state=PROVEN was=UNPROVEN")
