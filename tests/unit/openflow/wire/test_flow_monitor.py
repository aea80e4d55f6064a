"""ONF's flow monitor for OpenFlow 1.3, held against the bytes of Open vSwitch 3.1; a switch may lie about lengths."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_monitor import (
    ONF_ET_FLOW_MONITOR_PAUSED,
    ONF_ET_FLOW_MONITOR_RESUMED,
    ONFFME_ADDED,
    ONFFME_DELETED,
    ONFFME_MODIFIED,
    ONFFMF_ACTIONS,
    ONFFMF_ADD,
    ONFFMF_DELETE,
    ONFFMF_INITIAL,
    ONFFMF_MODIFY,
    flow_monitor_cancel,
    flow_monitor_request,
    flow_updates,
    is_flow_monitor_reply,
    read_monitor_notice,
)
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

#: What Open vSwitch 3.1 sent to a slave: what was there, an addition, a modification, a deletion, an abbreviation.
INITIAL = bytes.fromhex(
    "041300900000004dffff0000000000004f4e46000000074e"
    "007800000000c350012c00000027010002009e3779b151b7"
    "000100278000080602009e3779b180000a020800800018040a01010a80001401118000200201b200"
    "000400380000000000190010800008060251b70000010000001900108000060602000000005100000000001000000003ffff000000000000"
)
ADDED = bytes.fromhex(
    "0413010800000000ffff0000000000004f4e46000000074e"
    "007800000000c350012c00000027010002003c6ef36251b7"
    "000100278000080602003c6ef36280000a020800800018040a01010a80001401118000200201b200"
    "000400380000000000190010800008060251b70000010000001900108000060602000000005000000000001000000003ffff000000000000"
    "007800000000c350012c0000002701000200daa66d1351b7"
    "00010027800008060200daa66d1380000a020800800018040a01010a80001401118000200201b200"
    "000400380000000000190010800008060251b70000010000001900108000060602000000005100000000001000000003ffff000000000000"
)
MODIFIED = bytes.fromhex(
    "0413007000000000ffff0000000000004f4e46000000074e"
    "005800020000c350012c00000027010002009e3779b151b7"
    "000100278000080602009e3779b180000a020800800018040a01010a80001401118000200201b200"
    "00040018000000000000001000000009ffff000000000000"
)
DELETED = bytes.fromhex(
    "0413007000000000ffff0000000000004f4e46000000074e"
    "005800010002c350012c0000002701000200daa66d1351b7"
    "00010027800008060200daa66d1380000a020800800018040a01010a80001401118000200201b200"
    "00040018000000000000001000000009ffff000000000000"
)
ABBREVIATED = bytes.fromhex("0413002000000000ffff0000000000004f4e46000000074e0008000300000005")
PAUSED = bytes.fromhex("04040010000000004f4e46000000074f")
RESUMED = bytes.fromhex("04040010000000004f4e460000000750")
#: The request that brought about INITIAL, as it was sent to Open vSwitch.
REQUEST = bytes.fromhex(
    "041200300000004dffff0000000000004f4e46000000074e00000001001f0004ffffffff010000000001000400000000"
)

EVERY_FLAG = ONFFMF_INITIAL | ONFFMF_ADD | ONFFMF_DELETE | ONFFMF_MODIFY | ONFFMF_ACTIONS
REPLIES = (INITIAL, ADDED, MODIFIED, DELETED, ABBREVIATED)


def test_the_request_is_the_one_that_open_vswitch_accepts() -> None:
    assert flow_monitor_request(77, 1, Table.SESSIONS, EVERY_FLAG) == REQUEST


def test_a_monitor_is_cancelled_by_its_id() -> None:
    assert flow_monitor_cancel(79, 1) == bytes.fromhex("040400140000004f4f4e46000000074e00000001")


def test_what_is_there_is_reported_as_added() -> None:
    (update,) = flow_updates(INITIAL)
    tag = 0x02009E3779B1
    assert update.event == ONFFME_ADDED
    assert update.rule[:3] == (Table.SESSIONS, SESSION_PRIORITY, tag << COOKIE_MARK_BITS | COOKIE_MARK)
    assert update.rule.field("eth_src") == tag.to_bytes(6, "big")
    assert update.rule.field("ipv4_dst") == bytes([10, 1, 1, 10])
    assert update.rule.field("udp_dst") == (434).to_bytes(2, "big")
    assert update.rule.actions().endswith(wire.output(3)[:8] + b"\xff\xff" + bytes(6))


def test_one_reply_has_several_changes() -> None:
    assert [update.rule.cookie >> COOKIE_MARK_BITS for update in flow_updates(ADDED)] == [
        0x02003C6EF362,
        0x0200DAA66D13,
    ]
    assert {update.event for update in flow_updates(ADDED)} == {ONFFME_ADDED}


def test_a_modification_has_the_new_actions_and_a_deletion_those_that_were_there() -> None:
    (modified,), (deleted,) = flow_updates(MODIFIED), flow_updates(DELETED)
    assert (modified.event, deleted.event) == (ONFFME_MODIFIED, ONFFME_DELETED)
    assert modified.rule.actions() == deleted.rule.actions() == wire.output(9)


def test_changes_of_the_same_connection_are_left_out() -> None:
    assert list(flow_updates(ABBREVIATED)) == []


def test_a_reply_of_a_flow_monitor_is_told_from_others() -> None:
    assert all(map(is_flow_monitor_reply, REPLIES))
    assert not is_flow_monitor_reply(INITIAL[:23])
    for at in (8, 16, 23):
        other = bytearray(INITIAL)
        other[at] ^= 1
        assert not is_flow_monitor_reply(bytes(other))


def test_a_monitor_pauses_and_resumes() -> None:
    assert read_monitor_notice(PAUSED) == ONF_ET_FLOW_MONITOR_PAUSED
    assert read_monitor_notice(RESUMED) == ONF_ET_FLOW_MONITOR_RESUMED
    role_status = bytes.fromhex("04040020000000004f4e46000000077700000003000000000000000000000002")
    assert [read_monitor_notice(each) for each in (role_status, PAUSED[:15], bytes(16))] == [0, 0, 0]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        pytest.param(24, 0x0000, id="no length"),
        pytest.param(24, 0x0079, id="a length that is no multiple of 8"),
        pytest.param(24, 0x0080, id="longer than the message"),
        pytest.param(24, 0x0018, id="no room for a match"),
        pytest.param(26, 0x0003, id="an abbreviation that is too long"),
        pytest.param(26, 0x0004, id="an unknown event"),
        pytest.param(36, 0x0003, id="a match that is too short"),
        pytest.param(36, 0x0026, id="two lengths of the match"),
        pytest.param(36, 0xFFFF, id="a match that is too long"),
    ],
)
def test_a_length_or_an_event_that_does_not_fit_is_refused(at: int, value: int) -> None:
    message = bytearray(INITIAL)
    struct.pack_into("!H", message, at, value)
    with pytest.raises(MalformedMessage):
        list(flow_updates(bytes(message)))


@given(st.sampled_from(REPLIES), st.data())
def test_no_reply_of_a_switch_does_harm(reply: bytes, data: st.DataObject) -> None:
    message = bytearray(reply)
    for _ in range(data.draw(st.integers(0, 4))):
        message[data.draw(st.integers(24, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(message[: data.draw(st.integers(24, len(message)))])
    try:
        updates = list(flow_updates(cut))
    except MalformedMessage:
        return
    assert sum(28 + len(each.rule.match) + len(each.rule.instructions) for each in updates) <= len(cut) - 24
