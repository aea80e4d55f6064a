"""Connections that bear the same datapath id: which is served, and which waits."""

from __future__ import annotations

import pytest
from fake_switch import FakeSwitch, packet_in
from served_switch import STRANGER, Served, sent_kinds

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.audit.audit import AUDIT_INTERVAL
from ryu_haslb.openflow.fleet.connection import BARRIER_TIMEOUT
from ryu_haslb.openflow.fleet.rivals import ECHO_TIMEOUT, MAX_WAITING
from ryu_haslb.openflow.flow_tables.pipeline import Purpose


def test_a_connection_that_answers_echo_requests_keeps_its_datapath_id(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    stranger = served.connect(STRANGER)
    served.transport.answer()
    assert (served.transport.is_closed, stranger.is_closed) == (False, True)
    assert (sent_kinds(stranger), served.is_connected) == ([ofproto_v1_3.OFPT_ECHO_REQUEST], True)
    (line,) = (each.getMessage() for each in caplog.records if "further connection" in each.getMessage())
    assert STRANGER in line
    assert "192.0.2.1" in line


def test_an_older_connection_is_not_given_up_because_the_event_loop_was_busy() -> None:
    """Its answer may wait in the socket meanwhile."""
    served = Served()
    stranger = served.connect(STRANGER)
    served.now += 10 * ECHO_TIMEOUT
    served.fleet.tick(served.now)
    assert not served.transport.is_closed
    served.transport.answer()
    assert stranger.is_closed


def test_a_connection_that_waits_has_no_influence() -> None:
    """Nothing is sent to it, no packet-in of it is handled, and no port of it counts."""
    served = Served()
    stranger = served.connect(STRANGER)
    served.transport.sent.clear()
    assert not stranger.deliver(packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(60)))
    stranger.ports[3] = "fa3-15"
    served.fleet.on_port_changed(stranger, 3, False)
    served.fleet.on_echo_reply(stranger, served.transport.xid)
    assert (sent_kinds(stranger), served.transport.sent) == ([ofproto_v1_3.OFPT_ECHO_REQUEST], [])
    served.wait(1)
    assert (sent_kinds(stranger), stranger.is_closed) == ([ofproto_v1_3.OFPT_ECHO_REQUEST], False)


def test_the_connection_that_waits_is_served_when_the_older_one_is_lost() -> None:
    served = Served()
    newer = served.connect()
    served.fleet.on_disconnected(served.transport)
    newer.answer()
    assert served.is_connected
    assert newer.handler is not None


def test_a_connection_that_waits_and_is_lost_is_forgotten() -> None:
    served = Served()
    newer = served.connect()
    served.fleet.on_disconnected(newer)
    served.wait(ECHO_TIMEOUT + 1)
    assert served.transport.handler is not None


def test_of_the_connections_that_wait_the_newest_of_the_switchs_own_host_is_served() -> None:
    served = Served()
    waiting = [served.connect(host) for host in (STRANGER, "192.0.2.1", "192.0.2.1", STRANGER)]
    assert [each.is_closed for each in waiting] == [False] * 4
    served.wait(ECHO_TIMEOUT + 0.5)
    assert [each.is_closed for each in waiting] == [True, True, False, True]
    assert waiting[2].handler is not None


def test_silent_connections_do_not_keep_out_the_switch_that_answers() -> None:
    """Even from the switch's own host: one that answers its echo request comes first, and a limited number waits."""
    served = Served()
    silent = [served.connect(answers=False) for _ in range(MAX_WAITING)]
    switch = served.connect()
    silent += [served.connect(answers=False) for _ in range(MAX_WAITING)]
    assert [each.is_closed for each in silent].count(False) == MAX_WAITING - 1
    served.wait(ECHO_TIMEOUT + 0.5)
    assert switch.handler is not None
    assert all(each.is_closed for each in silent)


def test_a_switch_gets_its_datapath_id_back_from_a_stranger_who_took_it_meanwhile() -> None:
    """A connection from the host that the switch was first served from needs no answer of the stranger."""
    served = Served()
    served.fleet.on_disconnected(served.transport)
    stranger = served.connect(STRANGER)
    assert stranger.handler is not None
    waiting = served.connect("192.0.2.67")
    newer = served.connect()
    assert (stranger.is_closed, waiting.is_closed, newer.is_closed) == (True, True, False)
    assert newer.handler is not None


def test_a_stop_closes_the_connections_that_wait_as_well() -> None:
    served = Served()
    newer = served.connect()
    served.fleet.stop(lambda: None)
    served.fleet.close()
    assert newer.is_closed


def test_a_switch_that_answers_barriers_and_no_echo_request_keeps_its_datapath_id() -> None:
    served = Served(FakeSwitch(answers_echo=False))
    stranger = served.connect(STRANGER, answers=False)
    for _ in range(int(2 * ECHO_TIMEOUT / 0.1)):
        served.now += 0.1
        served.fleet.tick(served.now)
        served.transport.answer()
    assert stranger.is_closed
    assert not served.transport.is_closed
    assert served.is_connected


@pytest.mark.parametrize("roles", [True, False])
@pytest.mark.parametrize("echo", [True, False])
def test_a_switch_that_answers_no_barrier_any_more_is_closed_be_it_with_echo_replies_or_without(
    echo: bool, roles: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps TCP open: only the missing replies show that it hangs."""
    switch = FakeSwitch(roles=roles)
    served = Served(switch)
    switch.capabilities.answers_barriers, switch.capabilities.answers_echo = False, echo
    for _ in range(int((BARRIER_TIMEOUT + AUDIT_INTERVAL + 1.0) / 0.1)):
        served.now += 0.1
        served.fleet.tick(served.now)
        served.transport.answer()
    assert served.transport.is_closed
    assert "no barrier reply for 15 s; closing the connection" in caplog.text


def test_a_switch_that_answers_barriers_and_no_echo_request_stays_served() -> None:
    switch = FakeSwitch()
    served = Served(switch)
    switch.capabilities.answers_echo = False
    for _ in range(600):
        served.now += 0.1
        served.fleet.tick(served.now)
        served.transport.answer()
    assert not served.transport.is_closed
    assert served.is_connected
