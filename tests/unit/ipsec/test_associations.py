"""Reading charon's list of associations: real answers, and hostile ones."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ipsec_samples import PAIR
from vici_peer import CHILD, IKE

from ryu_haslb.ipsec.associations import IkeAssociation, read_associations
from ryu_haslb.show.crypto import isakmp_lines, isakmp_rows


def listed(ike: Any = None, **child: Any) -> list[dict[str, Any]]:
    return [{"l2tpmap-10": {**IKE, "child-sas": {"x": {**CHILD, **child}}, **(ike or {})}}]


def test_what_charon_lists_becomes_values() -> None:
    (ike,) = read_associations(listed())
    assert ike == IkeAssociation("l2tpmap-10", 1, "ESTABLISHED", "15.1.1.51", "15.1.1.15", True, (PAIR,))
    assert ike.is_established and PAIR.is_installed


def test_a_responder_is_listed_without_the_initiator_key() -> None:
    without = {key: value for key, value in IKE.items() if key != "initiator"}
    assert not read_associations([{"l2tpmap-10": without}])[0].initiator


def test_associations_come_in_the_order_in_which_they_were_made() -> None:
    found = read_associations([{"a": {**IKE, "uniqueid": b"10"}}, {"b": {**IKE, "uniqueid": b"9"}}])
    assert [each.number for each in found] == [9, 10]


def test_one_association_is_read_of_each_message() -> None:
    """charon sends no more; half a megabyte of them in one message took a second."""
    assert [each.name for each in read_associations([{"a": IKE, "b": IKE}])] == ["a"]


def test_a_malformed_number_is_read_as_zero() -> None:
    numbers: tuple[object, ...] = (b"-1", b"0x", b"1_0", b"99999999999999999999999999", b"", [b"1"], None, {})
    for nonsense in numbers:
        (ike,) = read_associations(listed(**{"packets-in": nonsense}))
        assert ike.children[0].packets_in == 0


def test_unprintable_characters_are_removed_from_text() -> None:
    (ike,) = read_associations(listed({"local-host": b"\x1b[2J\r\n15.1.1.51" + b"x" * 1000}))
    assert ike.local.isprintable() and len(ike.local) <= 128


VALUES = st.recursive(
    st.none() | st.binary(max_size=20) | st.text(max_size=20) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*CHILD, *IKE]) | st.text(max_size=5) | st.binary(max_size=3), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=3))
def test_any_data_makes_associations_or_none_and_never_an_error(data: list[Any]) -> None:
    for ike in read_associations(data):
        assert isinstance(ike, IkeAssociation)
    for line in isakmp_lines(isakmp_rows(read_associations(data))):
        assert line.isprintable()


@given(
    st.dictionaries(st.sampled_from(list(CHILD)), VALUES, max_size=4),
    st.dictionaries(st.sampled_from(list(IKE)), VALUES),
)
def test_a_list_with_some_values_replaced_is_still_read(child: dict[str, Any], ike: dict[str, Any]) -> None:
    (found,) = read_associations(listed(ike, **child))
    assert found.number >= 0 and all(each.packets_in >= 0 for each in found.children)
