"""Two members of a cluster at one switch: the standby takes over with every session, and reads nothing."""

from __future__ import annotations

from cluster_switch import PORTS, FurtherConnection, Led, Network

from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH
from ryu_haslb.openflow.overload.backlog import MAX_UNCONFIRMED_BYTES, Load
from ryu_haslb.openflow.recovery.follower import POLL_INTERVAL
from ryu_haslb.openflow.recovery.follower_states import FollowerState
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.slb.session_ending import FORGOTTEN_PER_STEP


def test_a_standby_follows_the_sessions_of_the_leader() -> None:
    led = Led()
    follower = led.standby.switch.follower
    assert follower is not None
    assert (led.leader.switch.role, led.standby.switch.role) == (Role.MASTER, Role.WAITING)
    assert (follower.sessions, follower.state) == (60, FollowerState.FOLLOWING)
    led.leader.request("another@isp.com")
    led.run(0.2)
    assert follower.sessions == 61
    led.leader.balancer.clear_sessions()
    led.run(0.2)
    assert follower.sessions == 0


def test_at_takeover_every_mobile_keeps_its_home_agent_and_nothing_is_read() -> None:
    led = Led()
    led.kill_leader()
    standby = led.standby
    assert standby.switch.role is Role.MASTER
    assert {mobile: standby.request(mobile) for mobile in reversed(list(led.homes))} == led.homes
    assert standby.request("new@isp.com") in PORTS
    assert standby.balancer.statistics.assignments == 1, "only the new mobile's"
    led.run(1)
    assert not standby.read_sessions()
    assert {session.rule_at for session in standby.balancer.sessions} == {1}


def test_a_session_that_no_mobile_asks_for_is_taken_over_as_well() -> None:
    led = Led()
    led.kill_leader()
    led.run(0.1)
    assert len(led.standby.balancer.sessions) == 60
    assert led.standby.switch.unrecovered.recovery.is_over
    assert sum(real.sessions for real in led.standby.balancer.reals()) == 60


def test_where_the_switch_has_no_flow_monitor_the_new_leader_reads_the_rules_once_more() -> None:
    led = Led(flow_monitor=False)
    led.run(POLL_INTERVAL)
    follower = led.standby.switch.follower
    assert follower is not None
    assert (follower.sessions, follower.state) == (60, FollowerState.POLLING)
    late = led.leader.request("late@isp.com")
    led.run(0.2)
    led.kill_leader()
    assert {mobile: led.standby.request(mobile) for mobile in reversed(list(led.homes))} == led.homes
    led.run(1)
    assert led.standby.read_sessions()
    led.standby.switch.path.table_output.is_usable = False
    assert led.standby.request("late@isp.com") == late


def test_a_former_leader_stands_by_and_follows() -> None:
    led = Led()
    led.leader.leadership.is_leading, led.leader.leadership.generation = False, 2
    led.standby.lead(2)
    led.run(2.5)
    follower = led.leader.switch.follower
    assert follower is not None
    assert (led.leader.switch.role, follower.sessions, follower.is_current) == (Role.WAITING, 60, True)
    assert led.standby.switch.follower is not None
    assert led.standby.switch.follower.state is FollowerState.OFF


def test_the_lead_may_change_again_and_again() -> None:
    led = Led()
    members = [led.leader, led.standby]
    for generation in range(2, 5):
        members.reverse()
        members[0].sent.clear()
        members[1].leadership.is_leading, members[1].leadership.generation = False, generation
        members[0].lead(generation)
        led.settle()
        assert {mobile: members[0].request(mobile) for mobile in reversed(list(led.homes))} == led.homes
        led.run(2.5)
        assert not members[0].read_sessions()
        for member in members:
            member.sent.clear()


def test_a_member_that_leads_again_drops_no_request_for_what_it_sent_when_it_led_before() -> None:
    """The switch has long done that, although no barrier of this mastership has confirmed it yet."""
    led = Led()
    again, other = led.leader, led.standby
    again.leadership.is_leading, again.leadership.generation = False, 2
    other.lead(2)
    led.run(2.5)
    again.bytes_sent = 10 * MAX_UNCONFIRMED_BYTES
    again.lead(3)
    while again.switch.role is not Role.MASTER:
        again.deliver(again.received.pop(0))
    again.fleet.flush(led.clock.now)
    assert again.switch.admission.load is Load.NORMAL
    assert {mobile: again.request(mobile) for mobile in led.homes} == led.homes


def test_the_second_switch_is_served_at_once_however_many_sessions_of_the_first_are_recovered_by_then() -> None:
    """To look through them for sessions of the second one would take long, and it has none: this member stood by."""
    led = Led()
    other = Network(datapath_id=2)
    other.clock = led.clock
    at_second = FurtherConnection(led.standby, other)
    other.run(2.5)
    led.kill_leader()
    standby = led.standby.balancer
    (server,) = standby.virtual_servers.values()
    real = next(standby.reals())
    for tag in range(2 * FORGOTTEN_PER_STEP):
        standby.recover(server, tag, real, led.clock.now).rule_at = 1
    other.settle()
    assert at_second.switch.role is Role.MASTER
    assert at_second.request("new@isp.com") in PORTS


def test_a_switch_without_a_session_table_is_not_followed() -> None:
    network = Network()
    standby = network.join(b"1st secret"[:KEY_LENGTH])
    standby.tables = 1
    network.run(2)
    assert standby.switch.follower is not None
    assert (standby.switch.role, standby.switch.follower.state) == (Role.WAITING, FollowerState.OFF)
