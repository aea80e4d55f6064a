"""Transactions are confirmed by the barrier behind them (OpenFlow 1.3.5, section 7.3.8; bundles: ONF EXT-230)."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import Optional

import pytest
from fake_switch import FakeTransport, message, messages_of

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.delivery.transactions import LATE_REJECTION_TIMEOUT, Transactions
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import (
    ONF_BCT_COMMIT_REPLY,
    ONF_ET_BUNDLE_CONTROL,
    ONF_EXPERIMENTER_ID,
    FlowMod,
    bundle,
)


class Sent(FakeTransport):
    """A connection, and the results of the transactions over it."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Optional[wire.Error]] = []
        self.transactions = Transactions(self)

    def submit(self, count: int) -> int:
        return self.transactions.submit(lambda xid: rules(xid, count), self.results.append)

    def commit(self, xid: int) -> None:
        """The switch replies to the commit request of a bundle (ONF EXT-230)."""
        body = struct.pack("!IIIHH", ONF_EXPERIMENTER_ID, ONF_ET_BUNDLE_CONTROL, xid, ONF_BCT_COMMIT_REPLY, 3)
        assert self.transactions.on_experimenter(xid, message(wire.OFPT_EXPERIMENTER, xid, body))

    def written(self) -> bytes:
        """What was sent since the last call."""
        written = b"".join(self.sent)
        self.sent.clear()
        return written


def rules(xid: int, count: int) -> list[bytes]:
    return [FlowMod(wire.OFPFC_ADD, 0, cookie).pack(xid) for cookie in range(count)]


def error(kind: int, code: int) -> wire.Error:
    return wire.Error(kind, code, b"")


TABLE_FULL = error(ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)


def test_several_messages_are_one_bundle_with_a_barrier_behind_it() -> None:
    sent = Sent()
    xid = sent.submit(2)
    assert sent.written() == bundle(xid, xid, rules(xid, 2)) + wire.barrier_request(xid)


def test_a_single_message_needs_no_bundle() -> None:
    sent = Sent()
    xid = sent.submit(1)
    assert sent.written() == rules(xid, 1)[0] + wire.barrier_request(xid)


def test_a_transaction_succeeds_with_its_barrier_reply_and_only_once() -> None:
    sent = Sent()
    xid = sent.submit(2)
    assert sent.results == []
    sent.commit(xid)
    assert not sent.transactions.on_barrier_reply(xid + 1)
    assert sent.transactions.on_barrier_reply(xid)
    assert not sent.transactions.on_barrier_reply(xid)
    assert sent.results == [None]


def test_an_error_makes_a_transaction_fail() -> None:
    sent = Sent()
    xid = sent.submit(2)
    assert not sent.transactions.on_error(xid + 1, TABLE_FULL)
    assert sent.transactions.on_error(xid, TABLE_FULL)
    assert sent.results == [], "the switch may still be busy with it"
    sent.transactions.on_barrier_reply(xid)
    assert sent.results == [TABLE_FULL]


@pytest.mark.parametrize(
    "code",
    [
        ofproto_v1_3.OFPBRC_BAD_TYPE,
        ofproto_v1_3.OFPBRC_BAD_MULTIPART,
        ofproto_v1_3.OFPBRC_BAD_EXPERIMENTER,
        ofproto_v1_3.OFPBRC_BAD_EXP_TYPE,
        ofproto_v1_3.OFPBRC_BAD_LEN,
    ],
)
def test_a_switch_without_bundles_gets_the_messages_one_by_one(code: int) -> None:
    sent = Sent()
    first = sent.submit(2)
    assert sent.written() == bundle(first, first, rules(first, 2)) + wire.barrier_request(first)
    sent.transactions.on_error(first, error(ofproto_v1_3.OFPET_BAD_REQUEST, code))
    sent.transactions.on_barrier_reply(first)
    assert sent.results == []
    again = first + 1
    assert sent.written() == b"".join(rules(again, 2)) + wire.barrier_request(again)
    sent.transactions.on_barrier_reply(again)
    assert sent.results == [None]
    later = sent.submit(2)
    assert sent.written() == b"".join(rules(later, 2)) + wire.barrier_request(later)


def test_a_switch_that_ignores_bundles_gets_the_messages_one_by_one() -> None:
    """It replies to the barrier, and has not carried out what was before it."""
    sent = Sent()
    xids = [sent.submit(2), sent.submit(3)]
    sent.written()
    for xid in xids:
        assert sent.transactions.on_barrier_reply(xid)
    assert sent.results == []
    assert sent.transactions.has_bundles is False
    assert sent.written() == b"".join(
        b"".join(rules(xids[-1] + number, count)) + wire.barrier_request(xids[-1] + number)
        for number, count in ((1, 2), (2, 3))
    )


def test_a_switch_that_has_carried_out_one_bundle_has_bundles() -> None:
    sent = Sent()
    first = sent.submit(2)
    sent.commit(first)
    sent.transactions.on_barrier_reply(first)
    second = sent.submit(2)
    sent.transactions.on_barrier_reply(second)
    assert sent.transactions.has_bundles
    assert sent.results == [None, None]


def test_a_switch_that_has_carried_out_one_bundle_keeps_them_whatever_it_rejects_later() -> None:
    """Open vSwitch, say, rejects a flow-mod for a table that it does not have with OFPBRC_BAD_TABLE_ID."""
    sent = Sent()
    xids = [sent.submit(2), sent.submit(2)]
    sent.commit(xids[0])
    sent.transactions.on_barrier_reply(xids[0])
    xids.append(sent.submit(2))
    rejection = error(wire.OFPET_BAD_REQUEST, ofproto_v1_3.OFPBRC_BAD_TABLE_ID)
    for xid in xids[1:]:
        sent.transactions.on_error(xid, rejection)
        sent.transactions.on_barrier_reply(xid)
    assert sent.results == [None, rejection, rejection]
    sent.written()
    later = sent.submit(2)
    assert sent.written() == bundle(later, later, rules(later, 2)) + wire.barrier_request(later)


def test_bundles_that_were_sent_before_the_first_was_rejected_are_repeated_as_well() -> None:
    """None of them was rejected for what it contains (ONF EXT-230)."""
    sent = Sent()
    xids = [sent.submit(2), sent.submit(3)]
    sent.written()
    for xid in xids:
        assert sent.transactions.on_error(xid, error(wire.OFPET_BAD_REQUEST, wire.OFPBRC_BAD_EXPERIMENTER))
    for xid in xids:
        sent.transactions.on_barrier_reply(xid)
    assert sent.results == []
    assert sent.written() == b"".join(
        b"".join(rules(xids[-1] + number, count)) + wire.barrier_request(xids[-1] + number)
        for number, count in ((1, 2), (2, 3))
    )


def test_a_rejected_message_that_is_no_bundle_says_nothing_about_bundles() -> None:
    """A switch without meters may reject a meter-mod as one without bundles rejects those (OFPBRC_BAD_TYPE)."""
    sent = Sent()
    single = sent.submit(1)
    rejection = error(ofproto_v1_3.OFPET_BAD_REQUEST, ofproto_v1_3.OFPBRC_BAD_TYPE)
    sent.transactions.on_error(single, rejection)
    sent.transactions.on_barrier_reply(single)
    assert sent.results == [rejection]
    sent.written()
    later = sent.submit(2)
    assert sent.written() == bundle(later, later, rules(later, 2)) + wire.barrier_request(later)


def test_the_time_that_a_switch_takes_is_between_the_replies_to_two_barriers() -> None:
    sent, took = Sent(), list[float]()
    sent.transactions.submit(lambda xid: rules(xid, 1), lambda _: None, took.append)
    first, _, second = messages_of(sent.written())
    assert (first[1], second[1]) == (wire.OFPT_BARRIER_REQUEST, wire.OFPT_BARRIER_REQUEST)
    assert sent.transactions.on_barrier_reply(int.from_bytes(first[4:8], "big"), 10.0)
    assert took == []
    assert sent.transactions.on_barrier_reply(int.from_bytes(second[4:8], "big"), 10.25)
    assert took == [0.25]


def test_the_transactions_of_a_lost_connection_are_never_concluded() -> None:
    sent = Sent()
    xid = sent.submit(2)
    sent.transactions.abandon()
    assert not sent.transactions.on_barrier_reply(xid)
    assert sent.results == []


def test_a_switch_that_replies_to_the_second_barrier_only_costs_no_memory() -> None:
    """What a transaction has sent, a thousand sessions for example, must not stay for as long as the connection."""
    sent = Sent()
    measure = MeasureOfNothing()
    xid = sent.transactions.submit(lambda xid: rules(xid, 2), sent.results.append, measure)
    gone = weakref.ref(measure)
    del measure
    assert gone() is not None
    sent.commit(xid)
    assert sent.transactions.on_barrier_reply(xid, 1.0)
    gc.collect()
    assert gone() is None


class MeasureOfNothing:
    def __call__(self, _: float) -> None:
        raise AssertionError("the beginning is not known")


def test_a_confirmed_transaction_is_forgotten_when_no_error_of_it_can_come_any_more() -> None:
    """Each holds the sessions whose rules it had: after a storm a million."""
    sent = Sent()
    revoke = RevocationOfNothing()
    xid = sent.transactions.submit(lambda xid: rules(xid, 2), sent.results.append, revoke=revoke)
    gone = weakref.ref(revoke)
    del revoke
    sent.commit(xid)
    assert sent.transactions.on_barrier_reply(xid, 1.0)
    sent.transactions.tick(1.0 + LATE_REJECTION_TIMEOUT)
    gc.collect()
    assert gone() is not None
    sent.transactions.tick(1.1 + LATE_REJECTION_TIMEOUT)
    gc.collect()
    assert gone() is None


class RevocationOfNothing:
    def __call__(self, _: wire.Error) -> bool:
        raise AssertionError("no error came")
