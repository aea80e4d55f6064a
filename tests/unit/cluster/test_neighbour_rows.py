"""Neighbours in the database: every member may have written them, so what cannot be true is ignored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.neighbour_rows import MAX_NEIGHBOURS, NEIGHBOUR, places_of, places_to_publish, rows_of
from ryu_haslb.openflow.neighbours.places import Location

PLACES = {
    1: {b"\x0a\1\1\x33": Location(b"\2\0\0\0\0\x33", 3, None), b"\x0a\1\1\x34": Location(b"\2\0\0\0\0\x34", 4, 15)},
    (1 << 64) - 1: {b"\x0a\1\1\x33": Location(b"\2\0\0\0\0\x33", 9, None)},
}
ROW: dict[str, Any] = {
    "datapath": "00000000000000ab",
    "address": "10.1.1.51",
    "mac": "02:00:00:00:00:51",
    "port": 3,
    "vlan": (15,),
}


def test_what_is_published_is_read_back() -> None:
    assert places_of(rows_of(PLACES)) == PLACES


def test_a_row_has_the_columns_of_the_schema() -> None:
    for row in rows_of(PLACES):
        assert set(row) == set(NEIGHBOUR.columns)
    assert places_of([ROW]) == {0xAB: {b"\x0a\1\1\x33": Location(b"\2\0\0\0\0\x51", 3, 15)}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"datapath": "ab"},
        {"datapath": ""},
        {"datapath": "-0000000000000ab"},
        {"datapath": "00000000000000AB"},
        {"datapath": "1" * 4000},
        {"address": "10.1.1"},
        {"address": "fe80::1"},
        {"address": "x" * 100_000},
        {"mac": "01:00:5e:00:00:01"},
        {"mac": "ff:ff:ff:ff:ff:ff"},
        {"mac": "00:00:00:00:00:00"},
        {"mac": "02:51:b7:00:00:01"},
        {"mac": "02:00:00:00:00"},
        {"mac": "zz"},
        {"port": 0},
        {"port": 0xFFFFFFFA},
        {"port": -1},
        {"vlan": (0,)},
        {"vlan": (4095,)},
        {"vlan": (1, 2)},
    ],
)
def test_a_row_that_cannot_be_true_is_ignored(wrong: dict[str, Any]) -> None:
    assert places_of([{**ROW, **wrong}]) == {}


@given(st.fixed_dictionaries({"datapath": st.text(), "address": st.text(), "mac": st.text(), "port": st.integers()}))
def test_nonsense_is_ignored(row: dict[str, Any]) -> None:
    assert places_of([{**row, "vlan": ()}]) == {}


def test_rows_beyond_the_limit_are_neither_read_nor_published() -> None:
    place = Location(b"\2\0\0\0\0\x51", 3, None)
    found = {1: {number.to_bytes(4, "big"): place for number in range(MAX_NEIGHBOURS)}, 2: {b"\x0a\1\1\1": place}}
    assert list(places_to_publish(found, {}, set())) == [1]
    assert list(places_of(list(rows_of(found)))) == [1]


def test_what_is_published_of_a_switch_that_the_leader_has_not_met_is_left_for_a_while() -> None:
    place = {b"\x0a\1\1\1": Location(b"\2\0\0\0\0\x51", 3, None)}
    assert places_to_publish({1: {}}, {1: place, 2: place, 3: place}, {1, 2}) == {1: {}, 2: place}
