"""A switch that lies, is silent or closes its connection: the test ends, says so, and removes what it can."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from typing import Callable

import pytest
from tested_switch import CABLE, DELAY, TestedSwitch

from ryu_haslb.openflow.capabilities.capabilities import Capability
from ryu_haslb.openflow.wire import wire
from ryu_haslb.switch_test import exchange
from ryu_haslb.switch_test.examination import MAX_RECONNECTIONS, Findings
from ryu_haslb.switch_test.trial import Result
from ryu_haslb.switch_test.verdicts import Verdict, judge, serves

C = Capability
#: The transaction id of the first exchange.
XID = 0x7E570001
#: Bytes of messages that are sent together by measurements alone.
MUCH = 6000


def examined(answers: Callable[[bytes], Iterable[bytes]], **options: bool) -> tuple[TestedSwitch, Findings]:
    tested = TestedSwitch(CABLE, **options)
    tested.answers = answers
    findings = tested.examine()
    assert findings.outcomes.keys() == set(C)
    return tested, findings


def is_kind(message: bytes, *kinds: int) -> bool:
    return message[1] in kinds


def rules(tested: TestedSwitch) -> int:
    return sum(len(table) for table in tested.switch.datapath.tables)


def test_a_switch_that_never_replies_cannot_serve() -> None:
    _, findings = examined(lambda _: [])
    assert "no barrier reply" in findings.failure
    assert {each.verdict for each in judge(findings)} == {Verdict.CANNOT_SERVE}
    assert findings.left is None


def test_a_switch_that_falls_silent_ends_the_test_in_that_trial() -> None:
    messages = iter(range(10**6))
    tested, findings = examined(lambda message: [message] if next(messages) < 60 else [])
    assert "no barrier reply" in findings.failure
    assert Result.NOT_TRIED in {outcome.result for outcome in findings.outcomes.values()}
    assert not serves(findings)
    assert not rules(tested), "it is told to remove them all the same"


class Closing:
    """Closes the connection when it is about to answer the first bundle, and those behind it."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, message: bytes) -> Iterable[bytes]:
        if is_kind(message, wire.OFPT_EXPERIMENTER) and self.left:
            self.left -= 1
            raise ConnectionError("it has crashed")
        return [message]


def test_a_switch_that_closes_during_a_trial_is_waited_for_and_the_test_goes_on() -> None:
    tested, findings = examined(Closing(times=1))
    assert findings.outcomes[C.BUNDLES] == (Result.CLOSED, "the connection ended: it has crashed")
    assert (findings.reconnections, findings.failure, findings.left) == (1, "", 0)
    others = {outcome.result for each, outcome in findings.outcomes.items() if each is not C.BUNDLES}
    assert others == {Result.WORKS}
    assert {each.mode.token: each.verdict for each in judge(findings)}["dispatched"] is Verdict.WORKS_WITHOUT
    assert not rules(tested)


def test_a_switch_that_closes_at_once_is_waited_for() -> None:
    replies = iter(range(10**6))

    def close(message: bytes) -> Iterable[bytes]:
        if next(replies) == 0:
            raise ConnectionError("closed")
        return [message]

    _, findings = examined(close)
    assert (findings.reconnections, findings.failure, findings.left) == (1, "", 0)
    assert {outcome.result for outcome in findings.outcomes.values()} == {Result.WORKS}


def test_a_switch_that_does_not_come_back_leaves_the_test_incomplete() -> None:
    tested = TestedSwitch(CABLE)
    tested.answers = Closing(times=1)
    tested.connects_again = False
    findings = tested.examine()
    assert findings.failure == "the connection ended: it has crashed; once the switch is back, test again"
    assert findings.left is None
    assert findings.outcomes[C.METERS].result is Result.NOT_TRIED
    assert not serves(findings)


def test_a_switch_that_closes_again_and_again_is_given_up() -> None:
    def close(message: bytes) -> Iterable[bytes]:
        if is_kind(message, wire.OFPT_PACKET_IN, wire.OFPT_MULTIPART_REPLY):
            raise ConnectionError("closed")
        return [message]

    tested, findings = examined(close)
    assert findings.failure
    assert tested.connections <= MAX_RECONNECTIONS + 1


@pytest.mark.parametrize("size", [8, 12, 41])
def test_messages_that_are_cut_short_are_malformed(size: int) -> None:
    def cut(message: bytes) -> Iterable[bytes]:
        if is_kind(message, wire.OFPT_BARRIER_REPLY):
            return [message]
        return [message[:2] + struct.pack("!H", min(size, len(message))) + message[4:size]]

    tested, findings = examined(cut)
    assert not serves(findings)
    assert not findings.failure
    assert not rules(tested)


def test_a_reply_without_an_end_is_cut() -> None:
    def endless(message: bytes) -> Iterable[bytes]:
        if is_kind(message, wire.OFPT_MULTIPART_REPLY):
            return [message[:10] + b"\0\1" + message[12:]] * 50
        return [message]

    tested, findings = examined(endless)
    assert findings.outcomes[C.FLOW_STATISTICS].result is Result.MALFORMED
    assert not rules(tested)
    assert findings.left is None


def test_replies_without_an_end_take_a_limited_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_FOUND", 10_000)
    wanted = exchange.Exchange(wanted=lambda _: True, enough=lambda _: False)
    answers: list[exchange.Answer] = []

    def script() -> exchange.Script[None]:
        answers.append((yield wanted))

    conversation = exchange.Conversation(script())
    conversation.start(0.0)
    for _ in range(1000):
        conversation.on_message(wire.OFPT_MULTIPART_REPLY, 1, bytes(1000), 1.0)
    conversation.on_message(wire.OFPT_BARRIER_REPLY, XID, bytes(8), 2.0)
    conversation.tick(100.0)
    assert conversation.is_done
    assert len(answers[0].found) == 10


def test_replies_that_have_arrived_are_found_behind_others_however_late_the_test_comes_to_read_them() -> None:
    """It had no processor for longer than a reply may take."""
    conversation = exchange.Conversation(one_exchange(exchange.Exchange(wanted=lambda each: each.xid == 7)))
    conversation.start(0.0)
    conversation.on_message(wire.OFPT_PACKET_IN, 0, bytes(8), 1000.0)
    conversation.on_message(wire.OFPT_BARRIER_REPLY, XID, bytes(8), 1000.0)
    conversation.tick(1000.0)
    conversation.on_message(wire.OFPT_PACKET_IN, 0, bytes(8), 2000.0)
    conversation.on_message(wire.OFPT_PACKET_IN, 7, bytes(8), 2000.0)
    assert conversation.is_done
    assert conversation.result is not None
    assert len(conversation.result.found) == 1


def one_exchange(wanted: exchange.Exchange) -> exchange.Script[exchange.Answer]:
    return (yield wanted)


def test_a_switch_that_falls_silent_under_a_measurement_keeps_its_verdicts_and_the_test_is_not_complete() -> None:
    tested = TestedSwitch(CABLE)

    def seconds_for(outgoing: bytes) -> float:
        if len(outgoing) > MUCH:
            tested.answers = lambda _: []
        return DELAY

    tested.seconds_for = seconds_for
    findings = tested.examine()
    assert findings.failure == (
        "packets a second: no barrier reply within 60 s; restart the switch or its OpenFlow agent, and test again "
        "while it and this machine are idle"
    )
    assert {each.verdict for each in judge(findings)} == {Verdict.WORKS}
    assert not serves(findings)


def test_errors_with_another_transaction_id_are_a_remark() -> None:
    def renumber(message: bytes) -> Iterable[bytes]:
        if is_kind(message, wire.OFPT_ERROR):
            return [message[:4] + bytes(4) + message[8:]]
        return [message]

    tested = TestedSwitch(CABLE, bundles=False)
    tested.answers = renumber
    findings = tested.examine()
    assert findings.outcomes[C.BUNDLES].result.lacks
    assert [each for each in tested.remarks if "transaction id" in each]


def damaged(chance: random.Random, message: bytes) -> list[bytes]:
    """A message as a liar sends it."""
    body = bytearray(message[8:])
    way = chance.randrange(7)
    if way == 0:
        return []
    if way == 1:
        return [message] * 20
    if way == 2:
        body = body[: chance.randrange(len(body) + 1)]
    elif way == 3:
        body += chance.randbytes(chance.randrange(40))
    elif way == 4:
        return [bytes([4, chance.choice((1, 10, 11, 12, 19, 21, 25))]) + message[2:]]
    elif way == 5:
        return [message[:4] + chance.randbytes(4) + message[8:]]
    elif body:
        body[chance.randrange(len(body))] = chance.randrange(256)
    return [message[:2] + struct.pack("!H", 8 + len(body)) + message[4:8] + bytes(body)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_a_liar_gets_a_report_and_keeps_no_rule(seed: int, share: float) -> None:
    """The test ends also where replies are damaged. What it has left is removed once the switch is honest again."""
    chance = random.Random(seed)
    tested, findings = examined(lambda message: damaged(chance, message) if chance.random() < share else [message])
    assert judge(findings)
    tested.answers = lambda message: [message]
    tested.examine()
    assert not rules(tested)
    assert not tested.switch.datapath.meters


def test_a_switch_that_rejects_barrier_requests_cannot_be_served_and_its_error_is_named() -> None:
    findings = TestedSwitch(rejects_barriers=True).examine()
    assert "no barrier reply within 60 s (OFPBRC_BAD_TYPE)" in findings.failure
    assert {each.verdict for each in judge(findings)} == {Verdict.CANNOT_SERVE}
