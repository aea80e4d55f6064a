"""How the PDSN registers its mobiles (RFC 5944 sections 3.6 and 3.7; chapter: steps 1, 4 and 5 of the call flow)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haslb_lab.agents.batches import Batch, Purpose
from haslb_lab.agents.bindings import BindingTable
from haslb_lab.agents.foreign_agent import ForeignAgent, Outgoing, Policy
from haslb_lab.agents.home_agent_registrations import HomeAgentAddresses, Registrations, Request
from ryu_haslb.mobile_ip.authentication import SecurityAssociation, append_authentication, verify_authentication
from ryu_haslb.mobile_ip.extensions import nai_extension
from ryu_haslb.mobile_ip.registration import Flags, RegistrationReply, RegistrationRequest, ReplyCode

PDSN, VIRTUAL, REAL = IPv4Address("15.1.1.51"), IPv4Address("10.1.1.10"), IPv4Address("10.1.1.51")
KEY = SecurityAssociation(256, b"secret")
CLOCK_OFFSET = 1_700_000_000.0
NOW = 1000.0
POLICY = Policy(care_of_address=PDSN, home_agent=VIRTUAL, association=KEY)


def register(first: int = 1, count: int = 1) -> Batch:
    return Batch(Purpose.REGISTER, first, count)


def deregister(first: int = 1, count: int = 1) -> Batch:
    return Batch(Purpose.DEREGISTER, first, count)


def begin(batch: Batch, policy: Policy = POLICY) -> tuple[ForeignAgent, list[Outgoing]]:
    agent = ForeignAgent(policy, CLOCK_OFFSET)
    agent.start(batch)
    return agent, agent.advance(NOW)


def accept(sent: Outgoing, **changes: object) -> bytes:
    """The reply of a home agent that accepts, but for the changes."""
    request = RegistrationRequest.decode(sent.payload)
    reply = RegistrationReply(
        code=ReplyCode.ACCEPTED,
        home_address=IPv4Address("10.200.0.1"),
        home_agent=REAL,
        identification=request.identification,
        lifetime=request.lifetime,
        extensions=() if request.nai is None else (nai_extension(request.nai),),
    )
    return append_authentication(replace(reply, **changes).encode(), KEY)  # type: ignore[arg-type]


def identification(sent: Outgoing) -> int:
    return RegistrationRequest.decode(sent.payload).identification


def test_an_initial_request_goes_to_the_virtual_server_and_leaves_the_home_agent_open() -> None:
    """Chapter: step 1; requests with home agent 0.0.0.0 are the ones that are balanced."""
    _, (sent,) = begin(register(7))
    request = RegistrationRequest.decode(sent.payload)
    assert sent.destination == VIRTUAL
    assert (request.home_agent, request.home_address) == (IPv4Address(0), IPv4Address(0))
    assert (request.care_of_address, request.lifetime) == (PDSN, 600)
    assert request.nai == b"mwts-mip-np-user7@ispxyz.com"
    assert verify_authentication(sent.payload, KEY)


def test_with_reverse_tunnels_every_request_asks_for_one() -> None:
    """RFC 3024 section 3.2: the T flag."""
    agent, (sent,) = begin(register(), replace(POLICY, flags=Flags.REVERSE_TUNNELING))
    agent.received(accept(sent), NOW)
    agent.start(deregister())
    (closing,) = agent.advance(NOW)
    flags = [RegistrationRequest.decode(each.payload).flags for each in (sent, closing)]
    assert flags == [Flags.REVERSE_TUNNELING] * 2


def test_the_watch_is_called_when_visitors_come_and_go() -> None:
    """What follows from a visitor, such as its tunnel, ends with it: deregistration, expiry, clear."""
    seen: list[tuple[int, bool]] = []
    agent = ForeignAgent(POLICY, CLOCK_OFFSET, lambda user, visitor: seen.append((user, visitor is not None)))
    agent.start(register(1, 3))
    for sent in agent.advance(NOW):
        agent.received(accept(sent), NOW)
    assert seen == [(1, True), (2, True), (3, True)]
    agent.start(deregister(2))
    (closing,) = agent.advance(NOW)
    agent.received(accept(closing), NOW)
    assert seen[3:] == [(2, False)]
    agent.advance(NOW + 600)
    assert seen[4:] == [(1, False), (3, False)]
    agent.start(register(4))
    (sent,) = agent.advance(NOW + 600)
    agent.received(accept(sent), NOW + 600)
    assert (agent.visitors.clear(), agent.visitors.clear()) == (1, 0)
    assert seen[6:] == [(4, True), (4, False)]
    assert agent.next_event() is None


def test_an_accepted_mobile_becomes_a_visitor_of_the_home_agent_that_the_reply_names() -> None:
    """Chapter: step 4."""
    batch = register()
    agent, (sent,) = begin(batch)
    agent.received(accept(sent, lifetime=300), NOW + 0.25)
    (visitor,) = agent.visitors
    assert (visitor.nai, visitor.home_address) == ("mwts-mip-np-user1@ispxyz.com", IPv4Address("10.200.0.1"))
    assert (visitor.home_agent, visitor.lifetime, visitor.expires) == (REAL, 300, NOW + 300.25)
    assert (visitor.retransmissions, visitor.time_to_register) == (0, 0.25)
    assert batch.complete
    assert batch.result(0.25)["home_agents"] == {"10.1.1.51": 1}
    assert agent.next_event() == NOW + 300.25
    agent.advance(NOW + 300.25)
    assert len(agent.visitors) == 0


def test_a_deregistration_goes_straight_to_the_real_home_agent_with_lifetime_0() -> None:
    """Chapter: step 5, "the packet is not sent to virtual IP address"."""
    agent, (sent,) = begin(register())
    agent.received(accept(sent), NOW)
    closing = deregister()
    agent.start(closing)
    (sent,) = agent.advance(NOW + 1)
    request = RegistrationRequest.decode(sent.payload)
    assert sent.destination == request.home_agent == REAL
    assert (request.lifetime, request.home_address) == (0, IPv4Address("10.200.0.1"))
    agent.received(accept(sent), NOW + 1)
    assert len(agent.visitors) == 0
    assert closing.progress() == {"deregistered": 1, "failed": 0, "of": 1}


def test_a_user_that_is_not_registered_cannot_be_deregistered() -> None:
    batch = deregister(1, 3)
    _, sent = begin(batch)
    assert sent == []
    assert batch.failures == {"not registered": 3}


def test_retransmissions_back_off_exponentially_each_with_a_new_identification() -> None:
    """RFC 5944 section 3.6.3."""
    batch = register()
    agent, sent = begin(batch, replace(POLICY, retransmit=1.0, retries=3))
    identifications, times, now = [identification(sent[0])], [], NOW
    while (event := agent.next_event()) is not None:
        assert agent.advance(event - 0.001) == []
        times.append(event - NOW)
        identifications.extend(map(identification, agent.advance(event)))
        now = event
    assert times == [1.0, 3.0, 7.0, 15.0]
    assert now == NOW + 15
    assert len(identifications) == 4
    assert identifications == sorted(set(identifications))
    assert batch.failures == {"no reply": 1}
    assert agent.traffic.retransmitted == batch.retransmissions == 3


@pytest.mark.parametrize("answered", [0, 1])
def test_a_reply_to_any_of_the_requests_will_do_and_a_second_one_is_ignored(answered: int) -> None:
    agent, sent = begin(register())
    sent += agent.advance(NOW + 1)
    agent.received(accept(sent[answered]), NOW + 1.5)
    (visitor,) = agent.visitors
    assert (visitor.retransmissions, visitor.time_to_register) == (1, 1.5)
    agent.received(accept(sent[1 - answered]), NOW + 1.6)
    assert agent.traffic.unmatched == 1
    assert agent.advance(NOW + 100) == []


@pytest.mark.parametrize(
    ("change", "counter"),
    [
        ({"identification": 5}, "unmatched"),
        ({"extensions": (nai_extension(b"somebody@else"),)}, "unmatched"),
        ({"home_agent": IPv4Address("0.0.0.0")}, "malformed"),
        ({"home_agent": IPv4Address("255.255.255.255")}, "malformed"),
        ({"home_address": IPv4Address("0.0.0.0")}, "malformed"),
    ],
)
def test_a_reply_that_cannot_be_the_answer_is_counted_and_ignored(change: dict[str, object], counter: str) -> None:
    agent, (sent,) = begin(register())
    agent.received(accept(sent, **change), NOW)
    assert getattr(agent.traffic, counter) == 1
    assert len(agent.visitors) == 0
    agent.received(accept(sent), NOW)
    assert len(agent.visitors) == 1


def test_a_reply_with_a_wrong_signature_is_counted_and_ignored() -> None:
    agent, (sent,) = begin(register())
    forged = bytearray(accept(sent))
    forged[-1] ^= 1
    agent.received(bytes(forged), NOW)
    assert agent.traffic.failed_authentication == 1
    assert len(agent.visitors) == 0
    agent.received(accept(sent), NOW)
    assert len(agent.visitors) == 1


def test_a_denial_ends_the_registration_with_its_reason() -> None:
    batch = register()
    agent, (sent,) = begin(batch)
    agent.received(accept(sent, code=130), NOW)
    assert batch.failures == {"130 insufficient resources": 1}
    assert agent.next_event() is None


def test_after_133_the_clock_of_the_home_agent_is_taken_over_and_the_request_sent_again() -> None:
    """RFC 5944 sections 3.6.2.3 and 5.7.1: here both clocks are an hour apart, either way."""
    for error in (3600, -3600):
        batch = register(1, 2)
        agent = ForeignAgent(POLICY, CLOCK_OFFSET + error)
        home_agent = Registrations(
            HomeAgentAddresses(REAL, dynamic=REAL), BindingTable(IPv4Network("10.200.0.0/16")), KEY, CLOCK_OFFSET
        )
        agent.start(batch)
        for _ in range(2):
            for sent in agent.advance(NOW):
                answer = home_agent.answer(Request(sent.payload, PDSN, VIRTUAL), NOW)
                assert answer is not None
                agent.received(answer.payload, NOW)
        assert batch.succeeded == 2
        assert home_agent.traffic.denied == {133: 2}


def test_a_home_agent_that_always_finds_a_mismatch_is_given_up_on() -> None:
    batch = register()
    agent, sent = begin(batch, replace(POLICY, retries=2))
    for _ in range(3):
        agent.received(accept(sent[0], code=133), NOW)
        sent = agent.advance(NOW)
    assert sent == []
    assert batch.failures == {"133 identification mismatch": 1}


def test_no_more_than_the_window_are_under_way() -> None:
    agent, sent = begin(register(1, 100), replace(POLICY, window=8))
    assert len(sent) == 8
    agent.received(accept(sent[3]), NOW)
    agent.received(accept(sent[5]), NOW)
    assert len(agent.advance(NOW)) == 2


def test_the_rate_bounds_how_many_start_in_a_second() -> None:
    batch = register(1, 100)
    agent, sent = begin(batch, replace(POLICY, rate=10.0, retransmit=1000.0))
    now = NOW
    while now < NOW + 3:
        event = agent.next_event()
        assert event is not None
        assert event > now
        now = event
        sent += agent.advance(now)
    assert 30 <= len(sent) <= 33


def test_a_late_timer_catches_up_but_never_bursts() -> None:
    agent, _ = begin(register(1, 100), replace(POLICY, rate=100.0, retransmit=1000.0))
    assert len(agent.advance(NOW + 60)) <= 12


def test_a_user_under_way_is_not_started_twice_and_other_batches_are_not_held_up() -> None:
    agent, first = begin(register(1, 1))
    again, others = register(1, 1), register(2, 2)
    agent.start(again)
    agent.start(others)
    sent = agent.advance(NOW)
    assert [RegistrationRequest.decode(each.payload).nai for each in sent] == [
        b"mwts-mip-np-user2@ispxyz.com",
        b"mwts-mip-np-user3@ispxyz.com",
    ]
    agent.received(accept(first[0]), NOW)
    assert len(agent.advance(NOW)) == 1


def test_a_cancelled_batch_starts_no_more() -> None:
    batch = register(1, 100)
    agent, sent = begin(batch, replace(POLICY, window=8))
    agent.cancel(batch)
    for each in sent:
        agent.received(accept(each), NOW)
    assert agent.advance(NOW) == []
    assert batch.succeeded == 8


def test_low_halves_of_identifications_under_way_are_all_different() -> None:
    """A reply with code 133 brings back nothing else to recognise it by (RFC 5944 section 5.7.1)."""
    agent, sent = begin(register(1, 64))
    sent += agent.advance(NOW + 2**-20)
    assert len({identification(each) & 0xFFFFFFFF for each in sent}) == len(sent) == 64


@given(st.binary(max_size=120), st.booleans(), st.booleans())
def test_hostile_bytes_are_counted_and_change_nothing(wire: bytes, prefixed: bool, signed: bool) -> None:
    agent, (sent,) = begin(register())
    payload = RegistrationReply.decode(accept(sent)).encode()[:20] + wire if prefixed else wire
    if signed and not prefixed:
        payload = append_authentication(payload, KEY)
    agent.received(payload, NOW)
    traffic = agent.traffic
    assert traffic.malformed + traffic.unmatched + traffic.failed_authentication == traffic.received == 1
    assert len(agent.visitors) == 0
