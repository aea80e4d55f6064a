"""Makes metric families of the client library from samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

#: The values of the labels of each sample, and the value of the sample.
Samples = Iterable[tuple[list[str], float]]


def counter(name: str, meaning: str, labels: list[str], samples: Samples) -> Metric:
    """A counter with its samples."""
    return _filled(CounterMetricFamily(name, meaning, labels=labels), samples)


def gauge(name: str, meaning: str, labels: list[str], samples: Samples) -> Metric:
    """A gauge with its samples."""
    return _filled(GaugeMetricFamily(name, meaning, labels=labels), samples)


def _filled(family: Any, samples: Samples) -> Metric:
    for values, value in samples:
        family.add_metric(values, float(value))
    metric: Metric = family
    return metric
