"""Large tables have no long steps: a dictionary in parts, and slices of what it holds."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.slb.shards import MAX_UNDIVIDED, SHARDS, Shards, in_slices


def filled(count: int) -> Shards[int, str]:
    """A table with the keys from 0 on."""
    table: Shards[int, str] = Shards()
    for key in range(count):
        table.add(key, str(key))
    return table


def test_a_small_table_keeps_the_order_of_insertion() -> None:
    table: Shards[bytes, int] = Shards()
    for number in range(MAX_UNDIVIDED):
        table.add(b"user%d" % number, number)
    assert list(table.values()) == list(range(MAX_UNDIVIDED))


def test_a_large_table_is_divided_so_that_no_dictionary_is_large() -> None:
    table = filled(100_000)
    assert len(table) == 100_000
    assert len(table.shards) == SHARDS
    assert max(map(len, table.shards)) < 2 * 100_000 / SHARDS
    assert sorted(table.values(), key=int) == [str(key) for key in range(100_000)]
    assert (table.get(99_999), 99_999 in table, table.get(100_000), 100_000 in table) == ("99999", True, None, False)


def test_an_empty_table_is_undivided_again() -> None:
    table = filled(MAX_UNDIVIDED + 1)
    for key in range(MAX_UNDIVIDED + 1):
        assert table.pop(key) == str(key)
    assert (len(table), len(table.shards)) == (0, 1)
    assert table.pop(1) is None


def test_the_memory_of_a_storm_is_given_back() -> None:
    table = filled(100_000)
    storm = sum(map(sys.getsizeof, table.shards))
    for key in range(99_000):
        table.pop(key)
    assert sum(map(sys.getsizeof, table.shards)) < storm / 8
    assert sorted(table.values(), key=int) == [str(key) for key in range(99_000, 100_000)]


def test_no_slice_is_longer_than_its_limit_however_large_the_table_is() -> None:
    slices = list(filled(100_000).slices(700))
    assert {len(each) for each in slices[:-1]} == {700}
    assert len(slices) == -(-100_000 // 700)


def test_a_table_may_change_between_two_slices() -> None:
    """What stays is visited once; what goes or comes meanwhile may be visited or not."""
    for count in (100, MAX_UNDIVIDED, 3 * MAX_UNDIVIDED):
        table = filled(count)
        seen = []
        for number, each in enumerate(table.slices(50)):
            seen += each
            table.pop(number)
            table.add(10 * count + number, "new")
        staying = [value for value in table.values() if value != "new"]
        assert len(seen) == len(set(seen) - {"new"}) + seen.count("new")
        assert set(staying) <= set(seen)


@given(st.lists(st.lists(st.integers(), max_size=20), max_size=10), st.integers(min_value=1, max_value=15))
def test_slices_are_what_the_parts_contain(parts: list[list[int]], limit: int) -> None:
    slices = list(in_slices(parts, limit))
    assert [item for each in slices for item in each] == [item for part in parts for item in part]
    assert all(len(each) == limit for each in slices[:-1])
    assert all(0 < len(each) <= limit for each in slices)


@given(st.lists(st.tuples(st.booleans(), st.integers(min_value=0, max_value=50))))
def test_it_is_a_dictionary(steps: list[tuple[bool, int]]) -> None:
    table: Shards[int, int] = Shards()
    model: dict[int, int] = {}
    for is_added, key in steps:
        if not is_added:
            assert table.pop(key) == model.pop(key, None)
        elif key not in model:
            table.add(key, key)
            model[key] = key
        assert len(table) == len(model)
        assert list(table.values()) == list(model.values())
