"""Log lines for state changes: an object that flaps is logged once a second, and always with the state it stays in."""

from __future__ import annotations

from types import SimpleNamespace

from control_process import Application

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.dfp.agent_connection import State
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.show.state_log import MAX_LINES_PER_SECOND, SETTLING_TIMEOUT, StateLog

#: The end of a line about a real server that no switch finds.
NOWHERE = " (no switch has its answer to ARP; see 'show ip slb reals detail')"


class Watched:
    """An application of so many real servers, compared every quarter of a second."""

    def __init__(self, reals: int = 2) -> None:
        self.application = Application(weights=(1,) * reals)
        self.reals = self.application.bench.reals
        self.now = 0.0
        self.watch = StateLog(self.application.sources, self.now)

    def look(self, seconds: float = 0.25) -> list[str]:
        self.now += seconds
        return list(self.watch.changes(self.application.sources, self.now))


def test_a_state_that_stays_is_not_logged() -> None:
    assert Watched().look() == []


def test_a_change_is_logged_with_its_tag() -> None:
    watched = Watched()
    watched.reals[0].in_service = False
    assert watched.look() == ["%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=OUTOFSERVICE was=OPERATIONAL"]
    assert watched.look() == []


def test_states_are_compared_at_the_interval_only() -> None:
    watched = Watched()
    watched.reals[0].in_service = False
    assert watched.look(0.03) == []
    assert len(watched.look(0.2)) == 1


def test_a_state_that_flaps_is_logged_once_a_second_and_with_its_last_value() -> None:
    watched = Watched()
    lines = []
    for _ in range(40):
        watched.reals[0].in_service = not watched.reals[0].in_service
        lines += watched.look()
    watched.reals[0].in_service = False
    lines += watched.look(2.0)
    assert len(lines) <= 12
    assert "state=OUTOFSERVICE" in lines[-1]


def test_many_changes_at_once_are_logged_over_several_seconds_and_none_is_lost() -> None:
    watched = Watched(3 * MAX_LINES_PER_SECOND)
    for real in watched.reals:
        real.in_service = False
    assert len(watched.look()) == MAX_LINES_PER_SECOND
    lines = [line for _ in range(12) for line in watched.look()]
    assert len(set(lines)) == len(lines) == 2 * MAX_LINES_PER_SECOND + 1, "one line is about the farm"


def test_the_objects_that_a_configuration_removes_are_logged() -> None:
    watched = Watched()
    watched.application.configure(Configuration())
    assert watched.look() == [
        "%SLB-6-FARM: farm=HAFARM state=removed was=OPERATIONAL",
        "%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=removed was=OPERATIONAL",
        "%SLB-6-REAL: farm=HAFARM real=10.1.1.52 state=removed was=OPERATIONAL",
    ]


def test_a_switch_is_logged_when_it_connects_and_when_it_disconnects_and_when_another_balancer_serves_it() -> None:
    watched = Watched()
    switch = SimpleNamespace(channel=object(), role=Role.MASTER, lost_because="")
    watched.application.switches = {1: switch}  # type: ignore[dict-item]
    assert watched.look() == ["%SLB-6-SWITCH: datapath=0000000000000001 state=connected was=none"]
    switch.channel, switch.lost_because = None, "connection lost"
    assert watched.look(1.0) == [
        "%SLB-3-SWITCH: datapath=0000000000000001 state=disconnected was=connected (connection lost)"
    ]
    switch.role = Role.WAITING
    assert watched.look(1.0) == ["%SLB-6-SWITCH: datapath=0000000000000001 state=waiting was=disconnected"]


def test_a_real_server_that_no_switch_reaches_any_more_is_logged() -> None:
    watched = Watched()
    reachable_from = set(watched.reals[0].reachable_from)
    watched.reals[0].reachable_from.clear()
    assert watched.look() == [f"%SLB-3-REACH: farm=HAFARM real=10.1.1.51 state=unreachable was=reachable{NOWHERE}"]
    watched.reals[0].reachable_from.update(reachable_from)
    assert watched.look(1.0) == ["%SLB-6-REACH: farm=HAFARM real=10.1.1.51 state=reachable was=unreachable"]


def test_a_farm_that_takes_no_new_mobile_is_logged_as_a_warning_though_its_home_agents_run() -> None:
    watched = Watched()
    for real in watched.reals:
        real.dfp_weight = 0
    lines = watched.look()
    assert lines[0].startswith("%SLB-4-FARM: farm=HAFARM state=DFP_THROTTLED was=OPERATIONAL (new mobiles get no ans")
    assert {line[:12] for line in lines[1:]} == {"%SLB-6-REAL:"}


def test_a_lost_agent_is_logged_with_the_reason() -> None:
    watched = Watched()
    link = SimpleNamespace(connection=SimpleNamespace(name="10.1.1.51:500", state=State.CONNECTED), lost_because="")
    watched.application.dfp.links.append(link)  # type: ignore[arg-type]
    assert watched.look() == ["%SLB-6-DFP: agent=10.1.1.51:500 state=connected was=none"]
    link.connection.state, link.lost_because = State.WAITING, "no message for the keep-alive time"
    assert watched.look(1.0) == [
        "%SLB-4-DFP: agent=10.1.1.51:500 state=disconnected was=connected (no message for the keep-alive time)"
    ]


def test_what_is_wrong_since_the_start_is_logged_when_switches_had_time_to_connect() -> None:
    watched = Watched()
    for real in watched.reals:
        real.reachable_from.clear()
    watched.watch = StateLog(watched.application.sources, watched.now)
    assert watched.look(SETTLING_TIMEOUT - 1.0) == []
    lines = watched.look(1.0)
    assert "no switch is connected" in lines[0]
    assert [line.partition(" (")[0] for line in lines] == [
        "%SLB-2-FARM: farm=HAFARM state=FAILED was=unknown",
        "%SLB-3-REACH: farm=HAFARM real=10.1.1.51 state=unreachable was=unknown",
        "%SLB-3-REACH: farm=HAFARM real=10.1.1.52 state=unreachable was=unknown",
    ]
    assert watched.look(SETTLING_TIMEOUT) == [], "once"


def test_a_farm_whose_home_agents_are_found_after_the_start_was_not_failed() -> None:
    """No line has said that it is FAILED, and nothing was: no switch had been asked."""
    watched = Watched()
    found = [set(real.reachable_from) for real in watched.reals]
    for real in watched.reals:
        real.reachable_from.clear()
    watched.watch = StateLog(watched.application.sources, watched.now)
    for real, switches in zip(watched.reals, found):
        real.reachable_from.update(switches)
    assert "%SLB-6-FARM: farm=HAFARM state=OPERATIONAL was=unknown" in watched.look()


def test_what_becomes_well_meanwhile_is_logged_as_a_change_only() -> None:
    watched = Watched()
    found = set(watched.reals[0].reachable_from)
    watched.reals[0].reachable_from.clear()
    watched.watch = StateLog(watched.application.sources, watched.now)
    watched.reals[0].reachable_from.update(found)
    assert watched.look() == ["%SLB-6-REACH: farm=HAFARM real=10.1.1.51 state=reachable was=unknown"]
    assert watched.look(2 * SETTLING_TIMEOUT) == []


def test_a_real_server_that_comes_and_is_not_found_is_logged() -> None:
    watched = Watched()
    with_both = watched.application.configuration
    text = write_configuration(with_both)
    watched.application.configure(read_configuration(f"{text}ip slb serverfarm HAFARM\nno real 10.1.1.52\n", "x")[0])
    watched.look()
    watched.application.configure(with_both)
    watched.application.bench.reals[1].reachable_from.clear()
    lines = watched.look(1.0)
    assert not any("REACH" in line for line in lines)
    assert watched.look(SETTLING_TIMEOUT) == [
        f"%SLB-3-REACH: farm=HAFARM real=10.1.1.52 state=unreachable was=unknown{NOWHERE}"
    ]


def test_a_balancer_that_waits_for_another_one_does_not_complain_that_it_finds_no_home_agent() -> None:
    watched = Watched()
    for real in watched.reals:
        real.reachable_from.clear()
    switch = SimpleNamespace(channel=None, role=Role.WAITING, lost_because="")
    watched.application.switches = {1: switch}  # type: ignore[dict-item]
    watched.watch = StateLog(watched.application.sources, watched.now)
    assert watched.look(2 * SETTLING_TIMEOUT) == []
    switch.channel, switch.role = object(), Role.MASTER
    assert watched.look() == ["%SLB-6-SWITCH: datapath=0000000000000001 state=connected was=waiting"]
    assert len(watched.look(SETTLING_TIMEOUT)) == 3


def test_a_switch_that_is_about_to_be_served_is_not_logged_as_lost() -> None:
    """It exists as soon as it connects, and is served when it has accepted the standing rules."""
    watched = Watched()
    switch = SimpleNamespace(channel=None, role=Role.NONE, lost_because="")
    watched.application.switches = {1: switch}  # type: ignore[dict-item]
    assert watched.look() == []
    switch.channel = object()
    assert watched.look(1.0) == ["%SLB-6-SWITCH: datapath=0000000000000001 state=connected was=unknown"]
    other = SimpleNamespace(channel=None, role=Role.NONE, lost_because="")
    watched.application.switches = {1: switch, 2: other}  # type: ignore[dict-item]
    assert watched.look(1.0) == []
    assert watched.look(SETTLING_TIMEOUT) == ["%SLB-3-SWITCH: datapath=0000000000000002 state=disconnected was=unknown"]
