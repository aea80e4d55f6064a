"""What the home agent answers (RFC 5944 section 3.8.2; chapter: steps 3 and 6 of the call flow, dynamic-address)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haslb_lab.agents.bindings import BindingTable
from haslb_lab.agents.home_agent_registrations import Answer, HomeAgentAddresses, Registrations, Request
from ryu_haslb.mobile_ip.authentication import SecurityAssociation, append_authentication, verify_authentication
from ryu_haslb.mobile_ip.extensions import Extension, nai_extension
from ryu_haslb.mobile_ip.identification import timestamp
from ryu_haslb.mobile_ip.registration import Flags, RegistrationReply, RegistrationRequest, ReplyCode

OWN, VIRTUAL, PDSN = IPv4Address("10.1.1.51"), IPv4Address("10.1.1.10"), IPv4Address("15.1.1.51")
ANY = IPv4Address(0)
KEY = SecurityAssociation(256, b"secret")
CLOCK_OFFSET = 1_700_000_000.0
NOW = 1000.0
DISPATCHED = HomeAgentAddresses(OWN, dynamic=OWN, virtual=(VIRTUAL,))


def home_agent(
    addresses: HomeAgentAddresses = DISPATCHED, room: Optional[int] = None, tunnels: bool = False
) -> Registrations:
    return Registrations(addresses, BindingTable(IPv4Network("10.200.0.0/16"), room), KEY, CLOCK_OFFSET, tunnels)


def request(nai: Optional[bytes] = b"user1@isp", now: float = NOW) -> RegistrationRequest:
    return RegistrationRequest(
        home_address=ANY,
        home_agent=ANY,
        care_of_address=PDSN,
        identification=timestamp(now + CLOCK_OFFSET),
        lifetime=600,
        extensions=() if nai is None else (nai_extension(nai),),
    )


def ask(
    agent: Registrations, message: RegistrationRequest, now: float = NOW, local: IPv4Address = VIRTUAL
) -> tuple[RegistrationReply, IPv4Address]:
    """Sign and send; the reply must be signed too. Also returns the address that it is sent from."""
    answer = agent.answer(Request(append_authentication(message.encode(), KEY), PDSN, local), now)
    assert answer is not None
    return read(answer), answer.home_agent


def read(answer: Answer) -> RegistrationReply:
    assert verify_authentication(answer.payload, KEY)
    return RegistrationReply.decode(answer.payload)


def test_an_accepted_request_opens_a_binding_and_the_reply_names_the_real_home_agent() -> None:
    agent = home_agent()
    reply, source = ask(agent, request())
    assert (reply.code, reply.lifetime) == (0, 600)
    assert reply.identification == request().identification
    assert (reply.home_agent, source) == (OWN, OWN)
    assert reply.nai == b"user1@isp"
    (binding,) = agent.bindings
    assert binding.home_address == reply.home_address == IPv4Address("10.200.0.1")
    assert (binding.care_of_address, binding.source) == (PDSN, PDSN)
    assert binding.expires == NOW + 600


def test_without_dynamic_address_replies_come_from_where_the_request_went() -> None:
    """Chapter: dynamic-address is needed in dispatched mode only; in direct mode requests reach the real's address."""
    agent = home_agent(HomeAgentAddresses(OWN))
    reply, source = ask(agent, request(), local=OWN)
    assert (reply.home_agent, source) == (OWN, OWN)
    unlucky, source = ask(agent, request(b"user2@isp"), local=VIRTUAL)
    assert (unlucky.home_agent, source) == (VIRTUAL, VIRTUAL)


@pytest.mark.parametrize("field", ["0.0.0.0", "255.255.255.255", "10.1.1.51", "10.1.1.10"])
def test_these_home_agent_fields_are_for_us(field: str) -> None:
    reply, _ = ask(home_agent(), replace(request(), home_agent=IPv4Address(field)))
    assert reply.code == ReplyCode.ACCEPTED


def test_another_home_agent_in_the_field_is_denied_with_136_and_our_address() -> None:
    """RFC 5944 section 3.8.3.2."""
    agent = home_agent()
    reply, _ = ask(agent, replace(request(), home_agent=IPv4Address("10.1.1.52")))
    assert (reply.code, reply.home_agent) == (136, OWN)
    assert len(agent.bindings) == 0
    assert agent.traffic.denied == {136: 1}


def test_lifetime_0_closes_the_binding() -> None:
    """Chapter: steps 5 and 6."""
    agent = home_agent()
    opened, _ = ask(agent, request())
    closing = replace(request(now=NOW + 1), lifetime=0, home_address=opened.home_address, home_agent=OWN)
    reply, _ = ask(agent, closing, NOW + 1)
    assert (reply.code, reply.lifetime, reply.home_address) == (0, 0, opened.home_address)
    assert len(agent.bindings) == 0
    assert (agent.traffic.registered, agent.traffic.deregistered) == (1, 1)


def test_a_binding_remembers_which_of_our_addresses_the_tunnel_begins_at() -> None:
    """Chapter: step 3; the tunnel's end is the home agent that the reply names."""
    agent = home_agent()
    ask(agent, request())
    direct = home_agent(HomeAgentAddresses(OWN))
    ask(direct, request(), local=OWN)
    assert [binding.home_agent for each in (agent, direct) for binding in each.bindings] == [OWN, OWN]


@pytest.mark.parametrize(
    ("flags", "without", "with_tunnels"),
    [
        (Flags.REVERSE_TUNNELING, 137, 0),
        (Flags.GRE, 139, 139),
        (Flags.MINIMAL_ENCAPSULATION, 139, 139),
        (Flags.REVERSE_TUNNELING | Flags.GRE, 137, 139),
        (Flags.SIMULTANEOUS_BINDINGS | Flags.DECAPSULATION, 0, 0),
    ],
)
def test_a_tunnel_that_there_is_not_is_denied(flags: Flags, without: int, with_tunnels: int) -> None:
    """RFC 3024 section 3.4: 137 requested reverse tunnel unavailable, 139 requested encapsulation unavailable."""
    for tunnels, code in ((False, without), (True, with_tunnels)):
        agent = home_agent(tunnels=tunnels)
        reply, _ = ask(agent, replace(request(), flags=flags))
        assert reply.code == code
        assert len(agent.bindings) == (code == 0)


def test_a_deregistration_is_accepted_with_any_tunnel_flags() -> None:
    reply, _ = ask(home_agent(), replace(request(), lifetime=0, flags=Flags.REVERSE_TUNNELING))
    assert reply.code == ReplyCode.ACCEPTED


def test_closing_a_binding_that_is_not_there_is_accepted() -> None:
    """RFC 5944 section 3.8.2.1: a deregistration that was retransmitted must find peace as well."""
    reply, _ = ask(home_agent(), replace(request(), lifetime=0))
    assert reply.code == ReplyCode.ACCEPTED


def test_a_retransmission_with_a_new_identification_gets_the_same_home_address() -> None:
    agent = home_agent()
    first, _ = ask(agent, request())
    second, _ = ask(agent, request(now=NOW + 1), NOW + 1)
    assert (second.code, second.home_address) == (0, first.home_address)
    assert len(agent.bindings) == 1


def test_a_replayed_request_is_denied_with_133_and_the_low_half_of_its_identification() -> None:
    """RFC 5944 section 5.7.1."""
    agent = home_agent()
    ask(agent, request())
    reply, _ = ask(agent, request(), NOW + 2)
    assert reply.code == ReplyCode.IDENTIFICATION_MISMATCH
    assert reply.identification & 0xFFFFFFFF == request().identification & 0xFFFFFFFF
    assert reply.identification >> 32 == timestamp(NOW + 2 + CLOCK_OFFSET) >> 32


def test_a_replay_of_a_registration_does_not_reopen_a_closed_binding() -> None:
    agent = home_agent()
    ask(agent, request())
    ask(agent, replace(request(now=NOW + 1), lifetime=0), NOW + 1)
    reply, _ = ask(agent, request(), NOW + 2)
    assert reply.code == ReplyCode.IDENTIFICATION_MISMATCH
    assert len(agent.bindings) == 0


@pytest.mark.parametrize("key", [SecurityAssociation(256, b"guess"), SecurityAssociation(300, b"secret")])
def test_a_request_signed_with_another_key_or_spi_is_denied_with_131(key: SecurityAssociation) -> None:
    agent = home_agent()
    answer = agent.answer(Request(append_authentication(request().encode(), key), PDSN, VIRTUAL), NOW)
    assert answer is not None
    assert read(answer).code == ReplyCode.MOBILE_NODE_FAILED_AUTHENTICATION
    assert len(agent.bindings) == 0


def test_an_unsigned_request_is_denied_with_131_and_does_not_move_the_replay_check() -> None:
    agent = home_agent()
    answer = agent.answer(Request(request().encode(), PDSN, VIRTUAL), NOW)
    assert answer is not None
    assert read(answer).code == ReplyCode.MOBILE_NODE_FAILED_AUTHENTICATION
    assert ask(agent, request())[0].code == ReplyCode.ACCEPTED


def test_a_request_with_broken_extensions_is_denied_with_134() -> None:
    agent = home_agent()
    answer = agent.answer(Request(request(None).encode() + b"\x83\0", PDSN, VIRTUAL), NOW)
    assert answer is not None
    assert read(answer).code == ReplyCode.POORLY_FORMED_REQUEST
    assert agent.traffic.denied == {134: 1}


def test_a_request_without_an_identity_is_denied_with_134() -> None:
    assert ask(home_agent(), request(None))[0].code == ReplyCode.POORLY_FORMED_REQUEST


def test_a_full_home_agent_denies_new_mobiles_with_130() -> None:
    agent = home_agent(room=1)
    ask(agent, request())
    assert ask(agent, request(b"user2@isp"))[0].code == ReplyCode.INSUFFICIENT_RESOURCES
    assert ask(agent, request(now=NOW + 1), NOW + 1)[0].code == ReplyCode.ACCEPTED


def test_a_home_address_of_another_mobile_is_denied_with_129() -> None:
    agent = home_agent()
    taken = ask(agent, request())[0].home_address
    reply, _ = ask(agent, replace(request(b"user2@isp"), home_address=taken))
    assert reply.code == ReplyCode.ADMINISTRATIVELY_PROHIBITED


def test_a_mobile_without_nai_is_known_by_its_home_address() -> None:
    agent = home_agent()
    mine = IPv4Address("10.200.5.5")
    assert ask(agent, replace(request(None), home_address=mine))[0].home_address == mine
    assert ask(agent, replace(request(None, NOW + 1), home_address=mine, lifetime=0), NOW + 1)[0].code == 0
    assert len(agent.bindings) == 0


def test_room_is_made_by_lifetimes_that_are_over_before_a_request_is_decided() -> None:
    agent = home_agent(room=1)
    ask(agent, request())
    later = NOW + 600
    assert ask(agent, request(b"user2@isp", later), later)[0].code == ReplyCode.ACCEPTED


def test_an_unknown_extension_below_128_gets_the_request_discarded_and_one_above_is_skipped() -> None:
    """RFC 5944 section 1.8."""
    agent = home_agent()
    strange = replace(request(), extensions=(Extension(99, b"?"), *request().extensions))
    assert agent.answer(Request(append_authentication(strange.encode(), KEY), PDSN, VIRTUAL), NOW) is None
    assert agent.traffic.unrecognised == 1
    skippable = replace(request(), extensions=(Extension(199, b"?"), *request().extensions))
    assert ask(agent, skippable)[0].code == ReplyCode.ACCEPTED


def test_a_reply_is_never_answered() -> None:
    """Two home agents that answered each other's replies would never stop."""
    agent = home_agent()
    reply = RegistrationReply(0, ANY, OWN, 1).encode()
    assert agent.answer(Request(append_authentication(reply, KEY), PDSN, OWN), NOW) is None
    assert agent.traffic.malformed == 1


@given(st.binary(max_size=120), st.booleans(), st.booleans())
def test_hostile_bytes_are_denied_or_dropped_and_always_counted(wire: bytes, prefixed: bool, signed: bool) -> None:
    agent = home_agent()
    payload = request(None).encode() + wire if prefixed else wire
    if signed:
        payload = append_authentication(payload, KEY)
    answer = agent.answer(Request(payload, PDSN, VIRTUAL), NOW)
    if answer is not None:
        read(answer)
    traffic = agent.traffic
    decided = traffic.registered + traffic.deregistered + sum(traffic.denied.values())
    assert decided == (answer is not None)
    assert decided + traffic.malformed + traffic.unrecognised == traffic.received == 1
