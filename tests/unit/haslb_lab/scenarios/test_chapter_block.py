"""The chapter's blocks of output, and what they say about other numbers of sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from haslb_lab.errors import LabError
from haslb_lab.scenarios.chapter_block import Block, Line, read_block
from haslb_lab.scenarios.comparison import agree, lay_beside
from haslb_lab.scenarios.scenario import scenarios

SUMMARY = Block(
    "HA1-7600", "show ip mobile binding summary", (Line.unchanged("Mobility Binding List:"), Line.unchanged("Total 2"))
)


def test_prompts_are_no_part_of_the_output(tmp_path: Path) -> None:
    file = tmp_path / "block.txt"
    file.write_text("HA1-7600#show ip mobile binding summary\nMobility Binding List:\nTotal 2\nHA1-7600#\n")
    assert read_block(file) == SUMMARY


def test_a_line_that_is_adapted_stands_below_the_printed_one(tmp_path: Path) -> None:
    file = tmp_path / "block.txt"
    file.write_text("SLB#show\n< 20.1.1.51\n< 20.1.1.52\n> 10.1.1.51\nrest\n> added\n< only printed\nSLB#\n")
    block = read_block(file)
    assert block.lines == (
        Line("20.1.1.51", "10.1.1.51"),
        Line("20.1.1.52", None),
        Line("rest", "rest"),
        Line(None, "added"),
        Line("only printed", None),
    )
    assert block.expected == ["10.1.1.51", "rest", "added"]
    assert [line.is_adapted for line in block.lines] == [True, True, False, True, True]


@pytest.mark.parametrize("text", ["", "\n", "HA1-7600#\nTotal 2\n", "Total 2\n"])
def test_a_file_without_prompt_and_command_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "block.txt"
    file.write_text(text)
    with pytest.raises(LabError, match=r"block\.txt:1: expected a prompt and a command"):
        read_block(file)


@pytest.mark.parametrize(
    ("line", "grown"),
    [
        ("Total 2", "Total 50"),
        ("10.1.1.51  HAFARM   1   OPERATIONAL    2", "10.1.1.51  HAFARM   1   OPERATIONAL    50"),
        (
            "#pkts encaps: 4, #pkts encrypt: 4, #pkts digest 4",
            "#pkts encaps: 100, #pkts encrypt: 100, #pkts digest 100",
        ),
        ("#send errors 4, #recv errors 0", "#send errors 0, #recv errors 0"),
        ("path mtu 1500, media mtu 1500", "path mtu 1500, media mtu 1500"),
        (
            "Real IP Address: 10.1.1.51 Bind_ID: 65535 Weight: 25",
            "Real IP Address: 10.1.1.51 Bind_ID: 65535 Weight: 25",
        ),
        ("slot: 0, conn id: 2002, flow_id: 1", "slot: 0, conn id: 2002, flow_id: 1"),
    ],
)
def test_counts_grow_with_the_sessions_and_nothing_else_does(line: str, grown: str) -> None:
    """4 and 100 sessions give the chapter's counts; the chapter prints each block for one of these numbers."""
    block = Block("N", "show", (Line.unchanged(line),)).for_sessions(100, printed=4)
    assert block is not None and block.lines == (Line(line, grown),)


def test_a_session_is_a_row_and_the_chapter_prints_the_first_ones() -> None:
    row = "MIPSLB  A984DF0A00000000 15.1.1.51  10.1.1.52  IPMOBILE_ESTAB"
    block = Block("N", "show", (Line.unchanged("heading"), Line.unchanged(row))).for_sessions(12, printed=4)
    assert block is not None and block.lines == (
        Line.unchanged("heading"),
        Line.unchanged(row),
        Line(None, row),
        Line(None, row),
    )


@pytest.mark.parametrize(("sessions", "printed"), [(4, 100), (6, 4), (1, 4)])
def test_the_chapter_says_nothing_about_parts_of_its_number(sessions: int, printed: int) -> None:
    """A hundred sessions by turns of 25 are 50 at each home agent; four of them are one home agent's."""
    assert SUMMARY.for_sessions(sessions, printed) is None


def test_the_number_of_the_chapter_changes_nothing() -> None:
    """All blocks of all scenarios, and each agrees with itself."""
    for scenario in scenarios():
        for block in (*scenario.shown_before, *scenario.shown):
            assert block.for_sessions(scenario.sessions, scenario.sessions) == block
            assert agree(lay_beside(block.lines, block.expected))
