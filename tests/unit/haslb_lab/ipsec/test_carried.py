"""Packet counters that do not fall when a security association ends: ``show crypto ipsec sa`` counts what an access
list protects, by whichever association it went."""

from __future__ import annotations

from haslb_lab.ipsec.carried import Carried
from ryu_haslb.ipsec.associations import IkeAssociation, read_associations


def association(number: int, sent: int, received: int) -> IkeAssociation:
    """What charon lists of a pair that has carried so many packets."""
    child = {"name": "map-10-1", "uniqueid": str(number), "state": "INSTALLED", "protocol": "ESP"}
    child.update({"packets-out": str(sent), "packets-in": str(received)})
    (listed,) = read_associations([{"map-10": {"uniqueid": "1", "child-sas": {f"map-10-1-{number}": child}}}])
    return listed


def counts(carried: Carried) -> tuple[int, int]:
    return carried.encaps, carried.decaps


def test_what_is_there_counts_for_itself() -> None:
    """Only what is gone is added to it."""
    carried = Carried()
    carried.on_list([association(1, 5, 7)])
    assert counts(carried) == (0, 0)


def test_what_is_gone_counts_with_what_was_last_known_of_it() -> None:
    """Rekeyed, expired or cleared: the sum goes on."""
    carried = Carried()
    carried.on_list([association(1, 5, 7)])
    carried.on_list([association(1, 6, 8), association(2, 1, 0)])
    carried.on_list([association(2, 3, 0)])
    assert counts(carried) == (6, 8)
    carried.on_list([])
    assert counts(carried) == (9, 8)


def test_charons_last_word_counts() -> None:
    """An event carries the counters at the end, which a list some time before does not."""
    carried = Carried()
    carried.on_list([association(1, 5, 7)])
    carried.on_event([association(1, 10, 20)])
    carried.on_list([])
    assert counts(carried) == (10, 20)


def test_one_that_came_and_went_unseen_counts() -> None:
    """Only the event of its end arrived."""
    carried = Carried()
    carried.on_event([association(1, 10, 20)])
    carried.on_list([])
    assert counts(carried) == (10, 20)


def test_a_late_word_is_not_counted_again() -> None:
    """Events and lists come by two ways."""
    carried = Carried()
    carried.on_list([association(1, 5, 7)])
    carried.on_list([])
    carried.on_event([association(1, 5, 7)])
    carried.on_list([])
    assert counts(carried) == (5, 7)


def test_a_new_charon_numbers_from_one_again() -> None:
    """What the dead one carried is kept."""
    carried = Carried()
    carried.on_list([association(3, 5, 7)])
    carried.on_charon_ended()
    carried.on_event([association(1, 1, 1)])
    carried.on_list([])
    assert counts(carried) == (6, 8)


def test_cleared_counters_start_at_zero() -> None:
    """``clear crypto counters``."""
    carried = Carried()
    carried.on_list([association(1, 5, 7)])
    carried.on_list([])
    carried.clear()
    assert counts(carried) == (0, 0)
