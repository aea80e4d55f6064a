"""What a switch keeps, and what it forgets, when its configuration or its balancer changes."""

from __future__ import annotations

from wired_switch import Wired

from ryu_haslb.openflow.wire import wire


def test_a_new_configuration_keeps_probing_the_vlans_in_which_reals_were_found() -> None:
    wired = Wired()
    wired.replug(0, port=9, vlan=15)
    wired.switch.configure(wired.configuration)
    wired.sent.clear()
    wired.switch.on_port_changed(9, False)
    wired.switch.tick(wired.now + 6.0)
    assert any(wire.push_vlan(15) in message for message in wired.sent)


def test_a_switch_of_another_balancer_takes_no_session_whose_rule_is_on_its_way_to_this_one() -> None:
    """A new leader becomes MASTER of one switch after the other, and serves the first of them meanwhile."""
    first = Wired()
    second = Wired(beside=first)
    first.switch.fleet = second.switch.fleet = {1: first.switch, 2: second.switch}
    first.request("waits@isp.com")
    second.switch.disconnect()
    second.switch.forget(second.now)
    (session,) = first.balancer.sessions
    first.settle()
    assert first.has_rule(session)
    first.request("outstanding@isp.com")
    first.flush()
    second.switch.forget(second.now)
    first.confirm()
    assert len(first.balancer.sessions) == 2
    assert all(map(first.has_rule, first.balancer.sessions))


def test_sessions_without_a_rule_are_forgotten_with_the_switch_that_had_to_install_it() -> None:
    first = Wired()
    second = Wired(beside=first)
    first.switch.fleet = second.switch.fleet = {1: first.switch, 2: second.switch}
    first.request("here@isp.com")
    second.request("there@isp.com")
    first.switch.disconnect()
    first.switch.forget(first.now)
    (kept,) = first.balancer.sessions
    second.settle()
    assert second.has_rule(kept)
