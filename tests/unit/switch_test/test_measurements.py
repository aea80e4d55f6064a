"""How fast a switch is, and how many rules it takes, as ``haslb switch-test`` measures it."""

from __future__ import annotations

import pytest
from fake_switch import messages_of
from tested_switch import CABLE, DELAY, SPEED, TestedSwitch, assert_nothing_is_left

from ryu_haslb.switch_test.verdicts import serves


@pytest.mark.parametrize("room", [1, 700, 1500])
def test_the_table_is_filled_until_it_is_full(room: int) -> None:
    tested = TestedSwitch(max_flows=room)
    findings = tested.examine(fill=10_000)
    (found,) = [each for each in findings.measured if each.token == "table_capacity"]
    assert (found.value, found.note) == (room, "then OFPFMFC_TABLE_FULL")
    assert_nothing_is_left(tested)


def test_a_table_may_take_more_than_is_tried() -> None:
    (found,) = [each for each in TestedSwitch().examine(fill=1200).measured if each.token == "table_capacity"]
    assert (found.value, found.note) == (1200, "the limit of --fill; the table may take more")


def test_a_small_table_is_measured_as_far_as_it_goes() -> None:
    measured = {each.token: each for each in TestedSwitch(max_flows=50).examine().measured}
    assert measured["flow_mods"].value is not None
    assert measured["flow_mods"].note == "80 at once: OFPFMFC_TABLE_FULL"


def test_a_switch_that_takes_a_hundred_messages_at_once_and_further_ones_slowly_is_measured() -> None:
    """It processes further ones at 10 a second: ten times as many at once would take longer than a reply may."""
    tested = TestedSwitch(CABLE)
    tested.seconds_for = lambda outgoing: DELAY + max(0, sum(1 for _ in messages_of(outgoing)) - 100) / 10
    findings = tested.examine()
    assert (findings.failure, findings.left) == ("", 0)
    rate = {each.token: each.value for each in findings.measured}["flow_mods"]
    assert rate == pytest.approx(160 / 6.1, rel=0.01), "160, with their barrier"


def test_a_full_table_may_take_more_than_a_minute_to_be_emptied() -> None:
    """It deletes 16 rules a second."""
    tested = TestedSwitch(CABLE)
    sizes = [0]

    def seconds_for(outgoing: bytes) -> float:
        sizes.append(len(tested.switch.datapath.tables[1]))
        return DELAY + len(outgoing) / SPEED + max(0, sizes[-2] - sizes[-1]) / 16

    tested.seconds_for = seconds_for
    findings = tested.examine(fill=1000)
    assert (findings.failure, findings.left, max(sizes) >= 1000) == ("", 0, True)
    assert serves(findings)
