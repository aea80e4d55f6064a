"""What is shown of a run, on a wide terminal, on a narrow one and in a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Union

import pytest
from rich.console import Console

from haslb_lab.scenarios.call_flow import Step
from haslb_lab.scenarios.chapter_block import Line
from haslb_lab.scenarios.comparison import Tally, lay_beside
from haslb_lab.scenarios.display import ROWS_SHOWN, Display

CHAPTER = ["real        conns", "-----------------", "10.1.1.51   2", "10.1.1.52   2"]


def shown(
    width: int, chapter: Sequence[Union[str, Line]], here: list[str], terminal: bool = True, styled: bool = False
) -> str:
    lines = [line if isinstance(line, Line) else Line.unchanged(line) for line in chapter]
    output = io.StringIO()
    colours: Any = {} if styled else {"no_color": True, "color_system": None}
    console = Console(file=output, width=width, soft_wrap=True, highlight=False, force_terminal=terminal, **colours)
    Display(console).beside("SLB-7600", "show ip slb reals", lay_beside(lines, here))
    return output.getvalue()


def test_outputs_lie_beside_each_other_where_there_is_room() -> None:
    assert shown(80, CHAPTER, CHAPTER).splitlines() == [
        "",
        "SLB-7600#show ip slb reals   (as in the chapter)",
        "the chapter       │ here",
        "real        conns │ real        conns",
        "----------------- │ -----------------",
        "10.1.1.51   2     │ 10.1.1.51   2",
        "10.1.1.52   2     │ 10.1.1.52   2",
    ]


def test_and_one_below_the_other_where_there_is_none() -> None:
    lines = shown(30, CHAPTER, CHAPTER).splitlines()
    assert lines[2:] == ["the chapter:", *CHAPTER, "here:", *CHAPTER]


def test_in_a_file_they_always_lie_beside_each_other() -> None:
    """Thirty equal lines would hide the ones that differ."""
    assert shown(30, CHAPTER, CHAPTER, terminal=False) == shown(80, CHAPTER, CHAPTER)


def test_a_difference_is_marked() -> None:
    here = [*CHAPTER[:3], "10.1.1.52   1"]
    assert "(NOT as in the chapter)" in shown(80, CHAPTER, here)
    marked = [line for line in shown(80, CHAPTER, here, terminal=False).splitlines() if "≠" in line]
    assert marked == ["10.1.1.52   2     ≠ 10.1.1.52   1"], "also where there are no colours"
    marked = [line for line in shown(30, CHAPTER, here).splitlines() if "≠" in line]
    assert marked == ["≠ 10.1.1.52   2", "≠ 10.1.1.52   1"]
    (line,) = (line for line in shown(80, CHAPTER, here, styled=True).splitlines() if "10.1.1.52" in line)
    assert line == "\x1b[1;31m10.1.1.52   2     ≠ 10.1.1.52   1\x1b[0m"


def test_what_is_printed_is_shown_with_a_mark_where_something_else_is_expected() -> None:
    chapter: list[Union[str, Line]] = [*CHAPTER[:3], Line("20.1.1.52   2", "10.1.1.52   2"), Line("left out", None)]
    wide = shown(80, chapter, CHAPTER).splitlines()
    assert wide[1] == "SLB-7600#show ip slb reals   (as in the chapter, 2 adapted)"
    assert wide[-2:] == ["20.1.1.52   2     ~ 10.1.1.52   2", "left out          ~"]
    narrow = shown(30, chapter, CHAPTER).splitlines()
    assert [line for line in narrow if "~" in line] == ["~ 20.1.1.52   2", "~ left out", "~ 10.1.1.52   2"]


def test_a_long_table_is_cut_but_not_its_differences() -> None:
    rows = [f"10.1.1.{number}  2" for number in range(100)]
    lines = shown(80, [*CHAPTER[:2], *rows], [*CHAPTER[:2], *rows[:-1], "10.1.1.99  3"]).splitlines()
    assert lines[-2:] == ["10.1.1.99  2      ≠ 10.1.1.99  3", f"… {len(rows) + 1 - ROWS_SHOWN} more"]


def test_what_is_no_table_is_shown_whole() -> None:
    text = [f"line {number}" for number in range(40)]
    assert len(shown(80, text, text).splitlines()) == 43


@pytest.mark.parametrize(
    ("tally", "closing"),
    [
        (Tally(7, 0, printed=40), "All 7 outputs are as in the chapter: 40 lines as printed, 0 adapted.\n"),
        (
            Tally(7, 0, printed=22, adapted=3, more=96),
            "All 7 outputs are as in the chapter: 22 lines as printed, 3 adapted, 96 more rows of the same form"
            " (~ marks them; docs/lab/scenarios.md has the reasons).\n",
        ),
        (Tally(7, 5), "5 of 7 outputs are NOT as in the chapter; ≠ marks the lines.\n"),
    ],
)
def test_the_last_line_counts_what_is_as_printed_and_what_differs(tally: Tally, closing: str) -> None:
    output = io.StringIO()
    Display(Console(file=output, width=200, soft_wrap=True)).verdict(tally)
    assert output.getvalue() == closing


def test_brackets_are_no_markup() -> None:
    """An output may have any."""
    assert "[red]10.1.1.51" in shown(80, ["[red]10.1.1.51"], ["[red]10.1.1.51"])
    output = io.StringIO()
    Display(Console(file=output, width=20, soft_wrap=True)).step(Step(1, "PDSN[bold] sent [/]", "captured [x]"))
    assert output.getvalue() == "Step 1  PDSN[bold] sent [/]\n        captured [x]\n"
