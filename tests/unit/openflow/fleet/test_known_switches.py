"""Switches that are gone: how long they are known, and what becomes of their sessions."""

from __future__ import annotations

from dataclasses import replace

from fake_switch import FakeSwitch, FakeTransport
from served_switch import CONFIGURATION, Served, configured

from ryu_haslb.configuration.model import Datapath
from ryu_haslb.openflow.fleet.known_switches import FORGET_TIMEOUT, MAX_GONE_SWITCHES
from ryu_haslb.slb.session_filter import EVERY_SESSION


def away(served: Served, seconds: float) -> None:
    """The connection is lost, and time passes."""
    served.fleet.on_disconnected(served.transport)
    served.now += seconds
    served.fleet.tick(served.now)


def test_a_switch_that_is_gone_is_forgotten_unless_the_configuration_names_it() -> None:
    """A host that connects once with each of many ids would occupy memory, metrics and show for ever."""
    served = Served()
    real = served.find_real()
    assert real.reachable_from == {1}
    away(served, FORGET_TIMEOUT - 2)
    assert set(served.fleet.switches) == {1}
    served.now += 3
    served.fleet.tick(served.now)
    assert (served.fleet.switches, real.reachable_from) == ({}, set())
    named = Served(configuration=configured(Datapath(1)))
    away(named, FORGET_TIMEOUT + 1)
    assert set(named.fleet.switches) == {1}


def test_a_switch_that_returns_in_time_counts_as_gone_from_its_last_connection_on() -> None:
    served = Served()
    away(served, FORGET_TIMEOUT - 2)
    served.transport = served.connect()
    away(served, FORGET_TIMEOUT - 2)
    assert set(served.fleet.switches) == {1}
    served.transport = served.connect()
    served.wait(3)
    served.transport.answer()
    assert served.is_connected


def test_the_switches_that_are_gone_longest_are_forgotten_when_there_are_many() -> None:
    served = Served()
    for number in range(2, MAX_GONE_SWITCHES + 12):
        transport = FakeTransport(FakeSwitch(number))
        served.fleet.on_connected(transport)
        served.fleet.on_disconnected(transport)
    served.wait(2)
    assert set(served.fleet.switches) == {1, *range(12, MAX_GONE_SWITCHES + 12)}


def test_the_sessions_of_a_forgotten_switch_go_on_when_it_returns() -> None:
    """Its rules are gone, as after a reboot; the session's real server is that of before."""
    long = replace(CONFIGURATION.virtual_servers["MIPSLB"], idle=3600)
    served = Served(configuration=replace(CONFIGURATION, virtual_servers={"MIPSLB": long}))
    served.find_real()
    served.request()
    (session,) = served.balancer.sessions
    away(served, FORGET_TIMEOUT + 1)
    assert served.fleet.switches == {}
    served.transport = served.connect()
    served.find_real()
    served.request()
    assert list(served.balancer.sessions) == [session]


def test_a_session_of_a_forgotten_switch_that_ends_changes_nothing_there() -> None:
    served = Served()
    served.find_real()
    served.request()
    away(served, FORGET_TIMEOUT + 1)
    for _ in served.balancer.clear_in_slices(EVERY_SESSION, 10):
        pass
    served.wait(1)
    assert served.fleet.switches == {}
