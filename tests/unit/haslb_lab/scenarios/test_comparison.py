"""Outputs laid beside the chapter's: what has to be the same, and what only has to look alike."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haslb_lab.scenarios.chapter_block import Line
from haslb_lab.scenarios.comparison import Tally, agree, lay_beside, shape

TABLE = """\
vserver         NAI hash         client          real            state
-----------------------------------------------------------------------
MIPSLB          A984DF0A00000000 15.1.1.51       10.1.1.52       IPMOBILE_ESTAB
MIPSLB          2BDEE91100000000 15.1.1.51       10.1.1.51       IPMOBILE_ESTAB
""".splitlines()


def printed(lines: Iterable[str]) -> list[Line]:
    return list(map(Line.unchanged, lines))


def beside(chapter: Iterable[str], here: list[str]) -> list[tuple[Optional[str], Optional[str], bool]]:
    return [(pair.printed, pair.here, pair.same) for pair in lay_beside(printed(chapter), here)]


def different(chapter: list[str], here: list[str]) -> list[tuple[Optional[str], Optional[str], bool]]:
    return [pair for pair in beside(chapter, here) if not pair[2]]


@pytest.mark.parametrize(
    ("chapter", "here"),
    [
        ("  Total 2", "Total    2 "),
        (
            "Set by Agent 10.1.1.51:500 at 14:59:23 UTC 04/21/03",
            "Set by Agent 10.1.1.51:500 at 07:00:00 UTC 11/23/26",
        ),
        ("MIPSLB A984DF0A00000000 IPMOBILE_ESTAB", "MIPSLB EADAF5D49D3751B7 IPMOBILE_ESTAB"),
        ("spi: 0xD3D5F08B(3554013323)", "spi: 0x5F9A83(6265475)"),
        ("current outbound spi: 1A274E9D", "current outbound spi: C0FFEE"),
        ("slot: 0, conn id: 2002, flow_id: 1, crypto map: m", "slot: 0, conn id: 11027, flow_id: 63, crypto map: m"),
        (
            "sa timing: remaining key lifetime (k/sec): (4608000/3026)",
            "sa timing: remaining key lifetime (k/sec): (4607999/12)",
        ),
        ("--------------", "-" * 70),
    ],
)
def test_spacing_and_what_differs_every_time_do_not_count(chapter: str, here: str) -> None:
    """Times, SPIs and NAI hashes are compared by shape; the scan lost the chapter's spacing."""
    assert different([chapter], [here]) == []


@pytest.mark.parametrize(
    ("chapter", "here"),
    [
        ("Total 2", "Total 3"),
        ("Real IP Address: 10.1.1.51 Weight: 25", "Real IP Address: 10.1.1.51 Weight: 24"),
        ("at 14:59:23 UTC", "at 14:59 UTC"),
        ("MIPSLB A984DF0A00000000 IPMOBILE_ESTAB", "MIPSLB A984DF0A IPMOBILE_ESTAB"),
        ("spi: 0xD3D5F08B(3554013323)", "spi: 0xD3D5F08B"),
        ("slot: 0, conn id: 2002", "slot: 1, conn id: 2002"),
        ("in use settings ={Tunnel, }", "in use settings ={Transport, }"),
        ("#pkts encaps: 4, #pkts encrypt: 4", "#pkts encaps: 4, #pkts encrypt: 3"),
    ],
)
def test_everything_else_counts(chapter: str, here: str) -> None:
    assert different([chapter], [here]) == [(chapter, here, False)]


def test_rows_of_a_table_may_come_in_any_order() -> None:
    heading, _, first, second = TABLE
    assert agree(lay_beside(printed(TABLE), [heading, "----------", second, first]))


def test_as_many_rows_alike_are_needed_as_the_chapter_has() -> None:
    """Hashes are alike, so two sessions at one home agent must not stand for one at each."""
    heading, rule, first, second = TABLE
    assert different(TABLE, [heading, rule, first, first]) == [(second, first, False)]
    assert different(TABLE, [heading, rule, first]) == [(second, None, False)]
    assert different(TABLE, [*TABLE, second]) == [(None, second, False)]


def test_a_missing_line_is_set_against_nothing_and_the_rest_is_the_same() -> None:
    assert beside(["one", "", "two", "three"], ["one", "three"]) == [
        ("one", "one", True),
        ("two", None, False),
        ("three", "three", True),
    ]


def test_what_is_printed_and_what_is_expected_instead_are_counted_apart() -> None:
    """The manual contradicts itself in places; the reader sees what it prints, and that something else is expected."""
    chapter = [Line("one", "one"), Line("20.1.1.51", "10.1.1.51"), Line("left out", None), Line(None, "another row")]
    pairs = lay_beside(chapter, ["one", "10.1.1.51", "another row"])
    assert [(pair.printed, pair.here, pair.is_adapted) for pair in pairs] == [
        ("one", "one", False),
        ("20.1.1.51", "10.1.1.51", True),
        ("left out", None, True),
        (None, "another row", False),
    ]
    tally = Tally()
    tally.add(pairs)
    assert tally == Tally(outputs=1, printed=1, adapted=2, more=1)


def test_what_is_printed_is_a_difference_where_something_else_is_expected() -> None:
    pairs = lay_beside([Line("20.1.1.51", "10.1.1.51"), Line(None, "row")], ["20.1.1.51"])
    assert [(pair.printed, pair.here, pair.same) for pair in pairs] == [
        ("20.1.1.51", "20.1.1.51", False),
        ("row", None, False),
    ]


def test_an_error_of_the_node_is_a_difference() -> None:
    assert not agree(lay_beside(printed(TABLE), ["% the balancer's log says how"]))
    assert not agree(lay_beside(printed(TABLE), []))


lines = st.lists(st.text(alphabet="ab -0", max_size=8) | st.sampled_from([*TABLE, "-----"]), max_size=8)


@given(lines, lines)
def test_two_texts_agree_only_if_their_lines_have_the_same_shapes(chapter: list[str], here: list[str]) -> None:
    pairs = lay_beside(printed(chapter), here)
    shapes = [sorted(shape(line) for line in side if line.strip()) for side in (chapter, here)]
    assert not agree(pairs) or shapes[0] == shapes[1]
    for sides, text in (([pair.printed for pair in pairs], chapter), ([pair.here for pair in pairs], here)):
        shown = [side for side in sides if side is not None]
        assert sorted(map(str, shown)) == sorted(line for line in text if line.strip()), "every line is shown, once"


@given(lines, st.randoms(use_true_random=False))
def test_every_text_agrees_with_itself_in_other_spacing(text: list[str], chance: random.Random) -> None:
    spaced = ["   ".join([*line.split(), ""]) if chance.random() < 0.5 else f"  {line}" for line in text]
    assert agree(lay_beside(printed(text), spaced))
