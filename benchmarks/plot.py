"""Draws a record: the rate that each contender sustains, and the delays of requests at half that rate."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from benchmarks.labs import CONTENDERS
from benchmarks.record import Record

SHARES = {"p50": "half of the requests", "p99": "99 %", "p999": "99.9 %"}
COLOURS = ("#9ecae1", "#4292c6", "#08519c")
HEIGHT = 0.26


def draw(record: Record, path: Path) -> None:
    """Write the picture as SVG."""
    pyplot.rcParams.update({"svg.hashsalt": "haslb", "font.size": 9})
    figure, (rates, delays) = pyplot.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    rows = range(len(CONTENDERS))
    bars = rates.barh(rows, [record.rate(each) for each in CONTENDERS], color=COLOURS[1])
    rates.bar_label(bars, fmt="{:,.0f}", padding=3)
    rates.margins(x=0.15)
    rates.set_yticks(rows, [each.name for each in CONTENDERS])
    rates.invert_yaxis()
    rates.set_title("new sessions a second without loss")
    for number, (share, label) in enumerate(SHARES.items()):
        places = [row + (number - 1) * HEIGHT for row in rows]
        bars = delays.barh(
            places, [record.delay(each, share) for each in CONTENDERS], HEIGHT, color=COLOURS[number], label=label
        )
        delays.bar_label(bars, fmt="{:.2f}", padding=3)
    delays.set_xscale("log")
    delays.margins(x=0.15)
    delays.set_title("wire to wire at half that rate, milliseconds")
    figure.legend(loc="outside lower right", ncols=len(SHARES), fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
