"""Which lost requests were in flight when a switch got another master."""

from __future__ import annotations

from haslb_lab.cluster.hand_overs import Losses
from haslb_lab.cluster.ledger import Arrival, Ledger
from haslb_lab.cluster.rule_record import NewMaster
from haslb_lab.cluster.traffic import MAX_MOBILES

FIRST = MAX_MOBILES
#: The switch gets its new master between these times.
MASTER = NewMaster(100, 110, 2)
#: The time that a request takes.
WAY = 4


def ledger(*lost: int, served: tuple[int, ...] = (), late: tuple[int, ...] = ()) -> Ledger:
    """Requests that were sent at these times. The ``late`` ones arrive late, the ``served`` ones in time."""
    arrivals = [Arrival(sent + WAY, sent, FIRST + sent, "sami1") for sent in served]
    arrivals += [Arrival(sent + 10 * WAY, sent, FIRST + sent, "sami1") for sent in late]
    sent = sorted((each, FIRST + each) for each in (*lost, *served, *late))
    return Ledger(sent, sorted(arrivals), {1: [MASTER]})


def in_flight(ledger: Ledger) -> list[int]:
    return list(Losses(ledger).hand_over(1, MASTER).lost)


def test_what_was_on_its_way_when_the_switch_got_its_new_master_was_in_flight() -> None:
    came = ledger(98, 101, 103, served=(90, 95, 106, 112))
    assert in_flight(came) == [98, 101, 103]
    assert Losses(came).hand_over(1, MASTER).seconds == (110 - 98) / 1e9, "the moment may have been the last one"


def test_a_request_that_was_sent_to_the_new_master_was_not_in_flight() -> None:
    assert in_flight(ledger(98, 115, served=(90, 95, 120))) == [98]


def test_a_request_that_a_later_one_has_overtaken_was_not_in_flight() -> None:
    assert in_flight(ledger(80, 98, served=(70, 90, 95, 120))) == [98]


def test_the_moment_that_explains_most_losses_counts() -> None:
    """The request of 97 arrived at 101: by the former leader, since those after it are lost."""
    assert in_flight(ledger(99, 102, served=(90, 97, 106))) == [99, 102]
    assert in_flight(ledger(92, 94, served=(90, 99, 106))) == [92, 94], "here it came by the new one"


def test_without_service_before_nothing_was_in_flight() -> None:
    assert in_flight(ledger(98, served=(120,))) == []
    assert in_flight(ledger(98)) == []


def test_a_phase_counts_what_was_sent_in_it() -> None:
    came = ledger(50, 98, 101, 115, served=(40, 90, 95, 106, 120), late=(60,))
    phase = Losses(came).phase(50, 118)
    assert (phase.requests, phase.lost, phase.in_flight, phase.lost_otherwise) == (8, 4, 2, 2)
    assert (phase.longest_in_flight, phase.slowest) == ((110 - 98) / 1e9, 10 * WAY / 1e9)
    before = Losses(came).phase(0, 50)
    assert (before.requests, before.lost, before.in_flight, before.longest_in_flight) == (1, 0, 0, 0.0)
