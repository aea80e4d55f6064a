"""Controller roles of the simulated switch beside Open vSwitch: two connections to each (OpenFlow 1.3.5, 6.3.6)."""

from __future__ import annotations

import struct

import pytest
from played_messages import (
    PROTOCOL,
    classifier,
    flow_stats,
    message,
    ofp,
    packet_out,
    parser,
    role,
    session_rule,
    to_controller,
)
from twin_switches import ROLE_STATUS, Twins

pytestmark = pytest.mark.lab

MASTER, SLAVE, EQUAL, NOCHANGE = (
    ofp.OFPCR_ROLE_MASTER,
    ofp.OFPCR_ROLE_SLAVE,
    ofp.OFPCR_ROLE_EQUAL,
    ofp.OFPCR_ROLE_NOCHANGE,
)
#: What is far behind a generation in a comparison that wraps around.
HALF = 1 << 63
LAST = (1 << 64) - 1


def test_a_new_master_makes_the_old_one_a_slave_and_reports_it(twins: Twins) -> None:
    twins.play(0, role(MASTER, 5))
    assert twins.play(1, role(MASTER, 6))[0][2] == MASTER
    (status,) = twins.play(0)
    assert status == ("notice", 0, 0x4F4E4600, ROLE_STATUS, SLAVE, 0, 6)
    assert twins.play(0, session_rule())[0][2:] == (ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_IS_SLAVE)
    assert twins.play(1, session_rule()) == []
    assert twins.play(0, role(NOCHANGE, 0))[0][2:] == (SLAVE, 6)


def test_a_deposed_master_gets_its_role_back_by_a_newer_generation_only(twins: Twins) -> None:
    twins.play(0, role(MASTER, 5))
    twins.play(1, role(MASTER, 6))
    stale = twins.play(0, role(MASTER, 5))[-1]
    assert stale[2:] == (ofp.OFPET_ROLE_REQUEST_FAILED, ofp.OFPRRFC_STALE)
    assert twins.play(0, role(MASTER, 6))[-1][2:] == (MASTER, 6), "an equal generation is not stale"
    assert twins.play(1)[0][4] == SLAVE


def test_an_equal_controller_may_write_and_is_left_alone_by_a_master(twins: Twins) -> None:
    twins.play(0, role(MASTER, 5))
    assert twins.play(1, session_rule()) == []
    twins.play(0, role(SLAVE, 6))
    assert twins.play(0, role(EQUAL, 0), session_rule(cookie=7))[0][2:] == (EQUAL, 6)
    assert twins.play(1) == []


@pytest.mark.parametrize(
    ("first", "second", "is_stale"),
    [
        (5, 4, True),
        (5, 5, False),
        (LAST, 0, False),
        (0, LAST, True),
        (1, HALF, False),
        (0, HALF, True),
        (1, HALF + 1, True),
        (HALF, 0, True),
        (HALF + 1, 0, False),
    ],
)
def test_generations_wrap_around(twins: Twins, first: int, second: int, is_stale: bool) -> None:
    """A generation is older when the difference, as a signed number of 64 bits, is negative."""
    twins.play(0, role(SLAVE, first))
    (answer,) = twins.play(1, role(MASTER, second))
    assert (answer[0] == "error") is is_stale


def test_a_slave_reads_and_its_barriers_are_answered(twins: Twins) -> None:
    twins.play(0, role(SLAVE, 5))
    twins.play(1, classifier(), session_rule())
    assert len(twins.play(0, flow_stats())[0][-1]) == 2
    meters = message(parser.OFPMeterStatsRequest(PROTOCOL, 0, ofp.OFPM_ALL), 31)
    assert twins.play(0, meters)[0][0] == "multipart"


def test_packets_and_removed_rules_are_reported_to_the_master_and_not_to_a_slave(twins: Twins) -> None:
    twins.play(0, role(MASTER, 5))
    twins.play(1, role(SLAVE, 5))
    assert [each[0] for each in twins.play(0, packet_out(to_controller()))] == ["packet-in"]
    assert twins.play(1) == []


def test_asynchronous_messages_are_set_for_each_role(twins: Twins) -> None:
    """OFPT_SET_ASYNC (section 7.3.10): a slave may ask for packet-ins, and a master for none."""

    def masks(*words: int) -> bytes:
        return struct.pack("!BBHI6I", 4, ofp.OFPT_SET_ASYNC, 32, 60, *words)

    ask = struct.pack("!BBHI", 4, ofp.OFPT_GET_ASYNC_REQUEST, 8, 61)
    assert twins.play(1, masks(7, 7, 7, 7, 15, 0), ask)[0][2:] == (7, 7, 7, 7, 15, 0)
    twins.play(0, role(MASTER, 5))
    twins.play(1, role(SLAVE, 5))
    twins.play(0, packet_out(to_controller()))
    assert [each[0] for each in twins.play(1)] == ["packet-in"]
