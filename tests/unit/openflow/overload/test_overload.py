"""A switch that is slower than its requests come: which are served, which are dropped."""

from __future__ import annotations

from wired_switch import REALS, Wired, goes_to

from ryu_haslb.openflow.overload.backlog import MAX_QUEUEING_DELAY
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.drop_reason import DropReason


def overloaded(wired: Wired, seconds: float) -> None:
    """The switch does not confirm what it was sent for this many seconds."""
    wired.request("last-before")
    wired.flush()
    wired.now += seconds
    wired.flush()


def test_at_high_load_mobiles_with_a_session_are_served_and_new_ones_are_dropped_and_counted() -> None:
    """A mobile with a session may lose its binding with the request; a new one retries."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 1.5)
    assert wired.request("bert") == []
    assert wired.drops(DropReason.OVERLOAD_NEW_MOBILE) == 1
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_at_high_load_a_mobile_is_not_known_because_it_names_a_home_agent() -> None:
    """Every sender may write one. Only a live session makes a mobile known."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 1.5)
    for real in REALS:
        assert wired.request("bert", home_agent=real.address.packed) == []
    assert wired.drops(DropReason.OVERLOAD_NEW_MOBILE) == len(REALS)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_a_switch_that_collects_its_rules_for_us_is_not_overloaded() -> None:
    """With a million rules each slice takes it some 0.3 s, in which it replies to no barrier; requests only wait."""
    wired = Wired(answers=False)
    wired.find(0)
    wired.return_probe()
    overloaded(wired, MAX_QUEUEING_DELAY * 4)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    assert wired.balancer.statistics.dropped == 0


def test_at_full_load_every_request_is_dropped_and_counted_and_arp_is_not() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 2.5)
    assert wired.request("anna") == []
    assert wired.drops(DropReason.OVERLOAD) == 1
    wired.replug(0, port=9)
    wired.settle()
    assert wire.output(9) in b"".join(wired.sent), "ARP was processed meanwhile, and the session's rule follows"


def test_all_mobiles_are_served_again_when_the_switch_has_caught_up() -> None:
    wired = Wired()
    overloaded(wired, MAX_QUEUEING_DELAY * 3)
    wired.confirm()
    wired.flush()
    assert [goes_to(message) for message in wired.request("bert")] == [8]


def test_a_request_that_is_dropped_for_overload_is_no_retry() -> None:
    """A request that reached no home agent is no failure of one (docs/states.md)."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    overloaded(wired, MAX_QUEUEING_DELAY * 2.5)
    for _ in range(20):
        wired.request("anna")
    assert wired.balancer.statistics.retries == 0
    assert (
        wired.balancer.statistics.requests == wired.balancer.statistics.dispatched + wired.balancer.statistics.dropped
    )


def test_barriers_measure_the_load_of_requests_that_install_no_rule_too() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    wired.request("anna")
    wired.sent.clear()
    wired.flush()
    assert [message[1] for message in wired.sent] == [wire.OFPT_BARRIER_REQUEST]
    wired.flush()
    assert len(wired.sent) == 1, "nothing was sent since"


def test_a_new_connection_begins_without_load() -> None:
    wired = Wired()
    overloaded(wired, MAX_QUEUEING_DELAY * 3)
    wired.switch.disconnect()
    wired.connect()
    wired.flush()
    assert [goes_to(message) for message in wired.request("bert")] == [8]
