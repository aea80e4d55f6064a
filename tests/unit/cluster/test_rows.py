"""A table gets the rows that it should have, and no other row is touched (RFC 7047, section 5.2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.rows import Columns, Kind, difference

KIND = Kind("Thing", ("name",), ("size", "tags"))


def row(name: str, size: int) -> Columns:
    return {"name": name, "size": size, "tags": ()}


tables = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2))


@given(tables, tables, st.integers(1, 9))
def test_a_table_has_the_wanted_rows_after_the_changes_also_in_parts(
    present: dict[str, int], wanted: dict[str, int], number: int
) -> None:
    rows = {f"id-{name}": dict(row(name, size)) for name, size in present.items()}
    target = [row(name, size) for name, size in wanted.items()]
    for _ in range(20):
        changes = difference(KIND, rows, target).first(number)
        assert len(changes) <= number
        for identifier in changes.delete:
            del rows[identifier]
        for identifier, columns in changes.update.items():
            rows[identifier].update(columns)
        for each in changes.insert:
            rows[f"id-{each['name']}"] = dict(each)
    assert {str(each["name"]): each["size"] for each in rows.values()} == wanted
    assert not len(difference(KIND, rows, target))


def test_a_row_of_another_owner_is_left_alone() -> None:
    changes = difference(
        KIND, {1: row("a", 1), 2: row("b", 1)}, [row("a", 2), row("c", 3)], lambda each: each["name"] != "a"
    )
    assert (changes.insert, changes.update, changes.delete) == ([row("c", 3)], {}, [2])
