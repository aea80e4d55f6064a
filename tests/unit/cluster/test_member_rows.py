"""Members and switchovers in the database: who is there is seen by changes, and nonsense is ignored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ryu_haslb.cluster.member_rows import (
    ABSENCE_TIMEOUT,
    FORGET_TIMEOUT,
    MAX_MEMBERS,
    MAX_SWITCHOVERS,
    MEMBER,
    SWITCHOVER,
    MemberInfo,
    Members,
    Switchover,
    read_member,
    read_switchovers,
    switchovers_to_publish,
)
from ryu_haslb.cluster.switchover_reason import reason_of

EAST = MemberInfo("east", "1", 4, "leader", 7, "", "192.0.2.1:8080", "0.1.0", 9, 2, None, 3, "")
WEST = MemberInfo("west", "2", 9, "standby", 0, "", "", "0.1.0", 9, 2, 12, 3, "")


def names(members: Members, now: float) -> list[str]:
    return [each.name for each in members.present(now)]


def test_a_row_has_the_columns_of_the_schema_and_is_read_back() -> None:
    for info in (EAST, WEST):
        assert set(info.row()) == set(MEMBER.columns)
        assert read_member(info.row()) == info


def test_a_member_whose_row_does_not_change_is_absent_after_a_while() -> None:
    """Clocks of two machines are not compared."""
    members = Members()
    members.on_rows([EAST.row(), WEST.row()], 100.0)
    members.on_rows([EAST.row(), replace(WEST, beat=10).row()], 110.0)
    assert names(members, 100.0 + ABSENCE_TIMEOUT - 0.1) == ["east", "west"]
    assert names(members, 100.0 + ABSENCE_TIMEOUT) == ["west"]
    assert [each.name for each in members.all()] == ["east", "west"]
    members.on_rows([replace(EAST, instance="3", beat=0).row(), WEST.row()], 120.0)
    assert names(members, 121.0) == ["east", "west"]


def test_the_leader_deletes_rows_of_members_that_are_gone_for_long_or_never_were() -> None:
    members = Members()
    members.on_rows([EAST.row()], 100.0)
    assert not members.is_forgotten(EAST.row(), 100.0 + FORGET_TIMEOUT - 1)
    assert members.is_forgotten(EAST.row(), 100.0 + FORGET_TIMEOUT)
    assert members.is_forgotten({**EAST.row(), "name": "nobody\n"}, 100.0)


def test_a_rival_is_one_that_says_later_that_it_leads() -> None:
    """The row of a leader that was killed says so for a while."""
    members = Members()
    members.on_rows([EAST.row(), WEST.row()], 100.0)
    assert list(members.rivals("west", 101.0)) == []
    members.on_rows([replace(EAST, beat=5).row(), WEST.row()], 105.0)
    assert [each.name for each in members.rivals("west", 101.0)] == ["east"]
    assert list(members.rivals("east", 101.0)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "east\n\x1b[31m"},
        {"name": "x" * 65},
        {"state": "king"},
        {"beat": -1},
        {"generation": "7"},
        {"sessions": -1},
    ],
)
def test_a_row_that_cannot_be_true_is_ignored(wrong: dict[str, Any]) -> None:
    assert read_member({**EAST.row(), **wrong}) is None


def test_texts_of_others_do_no_harm() -> None:
    harmful = "\n\x1b[31m" + "x" * 10_000
    texts = dict.fromkeys(("instance", "resigning", "url", "version", "refused"), harmful)
    read = read_member({**EAST.row(), **texts})
    assert read is not None
    assert all(getattr(read, column).isprintable() and len(getattr(read, column)) < 300 for column in texts)


def test_a_member_that_says_that_it_leads_is_a_former_leader_when_another_has_a_newer_generation() -> None:
    """One that was killed or is cut off cannot change its row. The leader itself may have committed a newer one."""
    members = Members()
    members.on_rows([replace(EAST, state="isolated", generation=7).row(), WEST.row()], 100.0)
    assert members.former_leaders("west", 8) == {"east"}
    assert members.former_leaders("east", 8) == set()
    assert members.former_leaders("west", 6) == set(), "the database was made anew, or an older one was restored"


def test_members_beyond_the_limit_are_not_read() -> None:
    members = Members()
    members.on_rows([replace(EAST, name=f"m{number}").row() for number in range(1000)], 0.0)
    assert len(members.all()) == MAX_MEMBERS


def switchover(generation: int, duration: int = 51) -> Switchover:
    return Switchover(generation, "east", "west", "2026-01-02T03:04:05Z", "leader_lost", duration)


def test_a_new_leader_adds_its_switchover_and_the_oldest_goes() -> None:
    rows = [switchover(generation).row() for generation in range(1, MAX_SWITCHOVERS + 1)]
    assert set(rows[0]) == set(SWITCHOVER.columns)
    latest = switchover(MAX_SWITCHOVERS + 1)
    published = read_switchovers(list(switchovers_to_publish(rows, latest)))
    assert [each.generation for each in published] == list(range(MAX_SWITCHOVERS + 1, 1, -1))
    assert published[0] == latest


def test_without_a_switchover_of_its_own_the_leader_leaves_them_as_they_are() -> None:
    rows = [switchover(2).row(), switchover(1).row()]
    assert list(switchovers_to_publish(rows, None)) == rows


@pytest.mark.parametrize(
    ("previous", "resigning", "reason"),
    [
        ("", "", "first_leader"),
        ("east", "", "leader_restarted"),
        ("west", "", "leader_lost"),
        ("west", "sigterm", "sigterm"),
        ("west", "switch_activity", "switch_activity"),
    ],
)
def test_the_reason_is_what_the_leader_before_said_or_what_is_known_of_it(
    previous: str, resigning: str, reason: str
) -> None:
    assert reason_of("east", previous, resigning) == reason
