"""Metrics of probes: what they have shown of each real server."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Callable

from prometheus_client.core import Metric

from ryu_haslb.show.probes import ProbeRow
from ryu_haslb.slb.probing import TargetState
from ryu_haslb.slb.real import real_name
from ryu_haslb.web.metric_builders import Samples, counter, gauge


def of_probes(rows: list[ProbeRow]) -> Iterator[Metric]:
    """The metrics of what probes have shown."""
    labels = ["farm", "real", "probe"]

    def of_each(value: Callable[[ProbeRow], float]) -> Samples:
        return (([row["farm"], real_name(row["real"], row["port"]), row["probe"]], value(row)) for row in rows)

    states = (
        ([*values, state.value], float(row["state"] == state.value))
        for row, (values, _) in zip(rows, of_each(lambda _: 0.0))
        for state in TargetState
    )
    meaning = "1 for what the probe has shown of the real server."
    yield gauge("haslb_probe_state", meaning, [*labels, "state"], states)
    meaning = "Questions that the probe has sent to the real server."
    yield counter("haslb_probe_questions", meaning, labels, of_each(lambda row: row["questions"]))
    meaning = "Answers of the real server that came in time."
    yield counter("haslb_probe_answers", meaning, labels, of_each(lambda row: row["answers"]))
    trips = of_each(lambda row: nan if row["round_trip"] is None else row["round_trip"])
    yield gauge("haslb_probe_round_trip_seconds", "Time that the last answer took; NaN before it.", labels, trips)
