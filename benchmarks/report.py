"""A record as a table for the terminal and as the generated part of docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import number
from benchmarks.labs import CONTENDERS, NULL
from benchmarks.record import SHARES, Record, ratio

BEGIN, END = "<!-- from make bench: results -->", "<!-- end -->"

CONTENDER_HEADINGS = (
    *("contender", "rate, against null", "p50, against null", "p99, against null", "p99.9, against null"),
    *("new sessions a second", "p50", "p99", "p99.9"),
)
FIGURE_HEADINGS = ("figure", "measured", "target", "reached")
VALUE_HEADINGS = ("on this machine", "measured")


def contender_rows(record: Record) -> Iterator[tuple[str, ...]]:
    """A row for each contender: ratios to the null controller, then values. Delays are at half of its own rate."""
    null = record.rate(NULL)
    for contender in CONTENDERS:
        rate = record.rate(contender)
        ratios = (number(record.delay_ratio(contender, share)) for share in SHARES)
        delays = (f"{record.delay(contender, share):.2f}" for share in SHARES)
        yield contender.title, number(ratio(rate, null)), *ratios, f"{rate:,.0f}", *delays


def print_tables(record: Record, console: Console) -> None:
    """Show the results on the terminal."""
    contenders = Table(*CONTENDER_HEADINGS, title="Through the network, wire to wire; delays in ms at half the rate")
    for row in contender_rows(record):
        contenders.add_row(*row)
    figures = Table(*FIGURE_HEADINGS, title="Figures and their targets")
    for figure in record.figures():
        figures.add_row(*figure.row(), style="red" if figure.reached is False else "")
    console.print(contenders, figures)


def markdown(record: Record) -> str:
    """The results as the document shows them: what has a target first, then what is measured on this machine."""
    figures = record.figures()
    lines = [
        ", ".join(f"{name}: {value}" for name, value in record.machine.items()),
        "",
        *markdown_table(FIGURE_HEADINGS, (figure.row() for figure in figures if figure.target is not None)),
        "",
        *markdown_table(CONTENDER_HEADINGS, contender_rows(record)),
        "",
        "![what each contender sustains, and its delays](images/performance.svg)",
        "",
        *markdown_table(VALUE_HEADINGS, (figure.row()[:2] for figure in figures if figure.target is None)),
    ]
    return "\n".join(lines)


def markdown_table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table."""
    for cells in (headings, ("---",) * len(headings), *rows):
        yield f"| {' | '.join(cells)} |"


def put_into(document: Path, results: str, marker: str = BEGIN) -> None:
    """Replace the text between ``marker`` and the next end. Raises: SystemExit if one of them is missing."""
    text = document.read_text()
    before, begin, rest = text.partition(marker)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document}: expected '{marker}' and a '{END}' after it")
    document.write_text(f"{before}{begin}\n{results}\n{end}{after}")
