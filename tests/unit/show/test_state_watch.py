"""Log lines for state changes: every change is told, whatever flaps is told once a second, the end state always."""

from __future__ import annotations

from control_process import Application

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.show.state_watch import MOST_LINES, StateWatch


class Watched:
    """An application of so many real servers, looked at every quarter of a second."""

    def __init__(self, reals: int = 2) -> None:
        self.application = Application(weights=(1,) * reals)
        self.reals = self.application.bench.reals
        self.now = 0.0
        self.watch = StateWatch(self.application.sources, self.now)

    def look(self, seconds: float = 0.25) -> list[str]:
        self.now += seconds
        return list(self.watch.changes(self.application.sources, self.now))


def test_what_stays_is_not_told() -> None:
    assert Watched().look() == []


def test_a_change_is_told_with_its_tag() -> None:
    watched = Watched()
    watched.reals[0].in_service = False
    assert watched.look() == ["%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=OUTOFSERVICE was=OPERATIONAL"]
    assert watched.look() == []


def test_looks_in_quick_succession_cost_nothing() -> None:
    watched = Watched()
    watched.reals[0].in_service = False
    assert watched.look(0.03) == []
    assert len(watched.look(0.2)) == 1


def test_what_flaps_is_told_once_a_second_and_in_its_last_state() -> None:
    watched = Watched()
    lines = []
    for _ in range(40):
        watched.reals[0].in_service = not watched.reals[0].in_service
        lines += watched.look()
    watched.reals[0].in_service = False
    lines += watched.look(2.0)
    assert len(lines) <= 12
    assert "state=OUTOFSERVICE" in lines[-1]


def test_many_changes_at_once_are_told_bit_by_bit_and_all_of_them() -> None:
    watched = Watched(3 * MOST_LINES)
    for real in watched.reals:
        real.in_service = False
    assert len(watched.look()) == MOST_LINES
    lines = [line for _ in range(12) for line in watched.look()]
    assert len(set(lines)) == len(lines) == 2 * MOST_LINES


def test_a_configuration_that_is_applied_is_told_with_what_came_and_went() -> None:
    watched = Watched()
    watched.application.configure(Configuration())
    assert watched.look() == [
        "%SLB-5-CONFIG: applied farms=0 reals=0 vservers=0",
        "%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=removed was=OPERATIONAL",
        "%SLB-6-REAL: farm=HAFARM real=10.1.1.52 state=removed was=OPERATIONAL",
    ]


def test_a_switch_is_told_when_it_connects_and_when_it_is_lost() -> None:
    from types import SimpleNamespace  # noqa: PLC0415

    watched = Watched()
    switch = SimpleNamespace(channel=object())
    watched.application.switches = {1: switch}  # type: ignore[dict-item]
    assert watched.look() == ["%SLB-6-SWITCH: datapath=0000000000000001 state=connected was=none"]
    switch.channel = None
    assert watched.look(1.0) == ["%SLB-6-SWITCH: datapath=0000000000000001 state=lost was=connected"]
