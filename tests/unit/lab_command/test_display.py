"""What is shown of a run, on a wide terminal, on a narrow one and in a file."""

from __future__ import annotations

import io

from call_flow import Step
from comparison import lay_beside
from display import ROWS_SHOWN, Display
from rich.console import Console

CHAPTER = ["real        conns", "-----------------", "10.1.1.51   2", "10.1.1.52   2"]


def shown(width: int, chapter: list[str], here: list[str], styled: bool = False) -> str:
    output = io.StringIO()
    console = Console(file=output, width=width, soft_wrap=True, highlight=False, force_terminal=styled)
    Display(console).beside("SLB-7600", "show ip slb reals", lay_beside(chapter, here))
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


def test_a_difference_is_marked() -> None:
    here = [*CHAPTER[:3], "10.1.1.52   1"]
    assert "(NOT as in the chapter)" in shown(80, CHAPTER, here)
    (line,) = (line for line in shown(80, CHAPTER, here, styled=True).splitlines() if "10.1.1.52" in line)
    assert line == "\x1b[1;31m10.1.1.52   2     │ 10.1.1.52   1\x1b[0m"


def test_a_long_table_is_cut_but_not_its_differences() -> None:
    rows = [f"10.1.1.{number}  2" for number in range(100)]
    lines = shown(80, [*CHAPTER[:2], *rows], [*CHAPTER[:2], *rows[:-1], "10.1.1.99  3"]).splitlines()
    assert lines[-2:] == ["10.1.1.99  2      │ 10.1.1.99  3", f"… {len(rows) + 1 - ROWS_SHOWN} more"]


def test_what_is_no_table_is_shown_whole() -> None:
    text = [f"line {number}" for number in range(40)]
    assert len(shown(80, text, text).splitlines()) == 43


def test_brackets_are_no_markup() -> None:
    """An output may have any."""
    assert "[red]10.1.1.51" in shown(80, ["[red]10.1.1.51"], ["[red]10.1.1.51"])
    output = io.StringIO()
    Display(Console(file=output, width=20, soft_wrap=True)).step(Step(1, "PDSN[bold] sent [/]", "captured [x]"))
    assert output.getvalue() == "Step 1  PDSN[bold] sent [/]\n        captured [x]\n"
