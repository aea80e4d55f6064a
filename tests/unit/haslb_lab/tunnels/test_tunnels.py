"""Which packets go through which tunnel (RFC 2003, RFC 3024, RFC 5944 section 4; chapter: steps 3 to 6)."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any, Optional

import pytest
from budget import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Packet

from haslb_lab.tunnels.show import tunnels_json, tunnels_text
from haslb_lab.tunnels.tunnel import Drop, Ends, Side, Tunnels

HOME_AGENT, OTHER_HOME_AGENT = "10.1.1.51", "10.1.1.52"
CARE_OF, OTHER_CARE_OF = "15.1.1.51", "15.1.1.52"
MOBILE, OTHER_MOBILE, CORRESPONDENT, STRANGER = "10.201.0.1", "10.201.0.2", "10.1.1.200", "10.9.9.9"
ALICE, BOB = "alice@isp", "bob@isp"


def ends(source: str, destination: str) -> Ends:
    return Ends(IPv4Address(source), IPv4Address(destination))


def home_agent(reverse: bool = True) -> Tunnels:
    tunnels = Tunnels(Side.HOME_AGENT)
    tunnels.open(ALICE, IPv4Address(MOBILE), ends(HOME_AGENT, CARE_OF), reverse=reverse)
    return tunnels


def foreign_agent(reverse: bool = True, linked: bool = True) -> Tunnels:
    tunnels = Tunnels(Side.FOREIGN_AGENT)
    tunnels.open(1, IPv4Address(MOBILE), ends(CARE_OF, HOME_AGENT), reverse=reverse, linked=linked)
    return tunnels


def packet(source: str, destination: str, **fields: Any) -> Packet:
    return IP(src=source, dst=destination, **fields) / UDP() / b"payload"


def through(tunnels: Tunnels, inner: Packet) -> Optional[Packet]:
    """What goes onto the wire for a packet that the kernel routed into the tunnels."""
    encapsulated = tunnels.into(bytes(inner))
    if encapsulated is None:
        return None
    tunnels.sent(encapsulated)
    return IP(encapsulated.outer)


def only_drop(tunnels: Tunnels) -> Drop:
    ((drop, count),) = tunnels.drops.items()
    assert count == 1
    return drop


def test_what_is_for_a_mobile_goes_to_its_care_of_address() -> None:
    """RFC 5944 section 4.2.3."""
    inner = packet(CORRESPONDENT, MOBILE)
    outer = through(home_agent(), inner)
    assert outer is not None
    assert (outer.src, outer.dst, outer.proto) == (HOME_AGENT, CARE_OF, 4)
    assert bytes(outer.payload) == bytes(inner)


def test_what_comes_out_at_the_foreign_agent_is_what_went_in() -> None:
    """RFC 5944 section 4.2.2."""
    inner = packet(CORRESPONDENT, MOBILE, ttl=3)
    outer = through(home_agent(), inner)
    assert outer is not None
    assert foreign_agent().out_of(bytes(outer)) == bytes(inner)


def test_with_the_t_flag_a_mobiles_packets_go_back_through_the_tunnel() -> None:
    """RFC 3024: from the care-of address to the home agent."""
    inner = packet(MOBILE, CORRESPONDENT)
    outer = through(foreign_agent(), inner)
    assert outer is not None
    assert (outer.src, outer.dst) == (CARE_OF, HOME_AGENT)
    assert home_agent().out_of(bytes(outer)) == bytes(inner)


def test_without_the_t_flag_nothing_goes_back_through_the_tunnel() -> None:
    """RFC 3024: the home agent accepts reverse-tunnelled packets only if agreed; others could inject any."""
    agent = foreign_agent(reverse=False)
    assert through(agent, packet(MOBILE, CORRESPONDENT)) is None
    assert only_drop(agent) is Drop.NOT_REVERSE
    other = home_agent(reverse=False)
    assert other.out_of(bytes(IP(src=CARE_OF, dst=HOME_AGENT) / packet(MOBILE, CORRESPONDENT))) is None
    assert only_drop(other) is Drop.NOT_REVERSE
    (tunnel,) = other
    assert (tunnel.packets_in, tunnel.drops_in) == (0, 1)


@pytest.mark.parametrize(
    ("outer", "inner", "drop"),
    [
        (IP(src=CARE_OF, dst=HOME_AGENT), packet(STRANGER, CORRESPONDENT), Drop.UNKNOWN_MOBILE),
        (IP(src=STRANGER, dst=HOME_AGENT), packet(MOBILE, CORRESPONDENT), Drop.WRONG_PEER),
        (IP(src=CARE_OF, dst=OTHER_HOME_AGENT), packet(MOBILE, CORRESPONDENT), Drop.WRONG_PEER),
        (IP(src=CARE_OF, dst=HOME_AGENT), packet(MOBILE, CORRESPONDENT, ttl=0), Drop.TTL_EXPIRED),
        (IP(src=CARE_OF, dst=HOME_AGENT, ttl=0), packet(MOBILE, CORRESPONDENT), Drop.TTL_EXPIRED),
        (IP(src=CARE_OF, dst=HOME_AGENT, proto=4), b"", Drop.MALFORMED),
        (IP(src=CARE_OF, dst=HOME_AGENT, proto=4), bytes(packet(MOBILE, CORRESPONDENT))[:-1], Drop.MALFORMED),
        (IP(src=CARE_OF, dst=HOME_AGENT, proto=4), b"\x60" + bytes(60), Drop.MALFORMED),
    ],
)
def test_the_home_agent_lets_nothing_else_out_of_the_tunnel(outer: Packet, inner: Packet, drop: Drop) -> None:
    """RFC 3024: the outer source must be the care-of address of the inner source's binding."""
    agent = home_agent()
    assert agent.out_of(bytes(outer / inner)) is None
    assert only_drop(agent) is drop


@pytest.mark.parametrize(
    ("source", "destination", "mobile", "drop"),
    [
        (HOME_AGENT, CARE_OF, STRANGER, Drop.UNKNOWN_MOBILE),
        (OTHER_HOME_AGENT, CARE_OF, MOBILE, Drop.WRONG_PEER),
        (HOME_AGENT, OTHER_CARE_OF, MOBILE, Drop.WRONG_PEER),
    ],
)
def test_the_foreign_agent_lets_out_only_what_a_visitors_home_agent_sent(
    source: str, destination: str, mobile: str, drop: Drop
) -> None:
    """RFC 5944 section 4.2.2: a packet for a mobile that is not in the visitor list is dropped; it would loop."""
    agent = foreign_agent()
    assert agent.out_of(bytes(IP(src=source, dst=destination) / packet(CORRESPONDENT, mobile))) is None
    assert only_drop(agent) is drop


def test_a_visitor_without_a_link_is_the_tunnels_end() -> None:
    """Routed on by the kernel its packets would go back to the home agent."""
    agent = foreign_agent(linked=False)
    assert agent.out_of(bytes(IP(src=HOME_AGENT, dst=CARE_OF) / packet(CORRESPONDENT, MOBILE))) is None
    assert only_drop(agent) is Drop.NO_LINK


@pytest.mark.parametrize(
    "inner",
    [
        packet(CARE_OF, MOBILE),
        IP(src=CARE_OF, dst=MOBILE) / packet(CORRESPONDENT, MOBILE),
        IP(src=HOME_AGENT, dst=MOBILE) / packet(CORRESPONDENT, OTHER_MOBILE),
    ],
)
def test_what_has_been_in_the_tunnel_does_not_go_in_again(inner: Packet) -> None:
    """RFC 2003 section 3.2; RFC 5944 section 4.2.3 for the one that is encapsulated already. The last one is what we
    sent to a care-of address that is itself in the home network."""
    agent = home_agent()
    assert through(agent, inner) is None
    assert only_drop(agent) is Drop.LOOP


def test_a_foreign_tunnel_to_the_mobile_goes_through_ours() -> None:
    """RFC 5944 section 4.2.3: encapsulated again (recursive encapsulation), and one layer is taken off at the end."""
    inner = IP(src=STRANGER, dst=MOBILE) / packet(CORRESPONDENT, MOBILE)
    outer = through(home_agent(), inner)
    assert outer is not None
    assert foreign_agent().out_of(bytes(outer)) == bytes(inner)


def test_our_own_word_to_the_mobile_goes_through() -> None:
    """An echo reply of the home agent itself."""
    assert through(home_agent(), IP(src=HOME_AGENT, dst=MOBILE) / ICMP(type="echo-reply")) is not None


@pytest.mark.parametrize(
    ("inner", "drop"),
    [
        (bytes(packet(CORRESPONDENT, STRANGER)), Drop.UNKNOWN_MOBILE),
        (bytes(packet(CORRESPONDENT, MOBILE, ttl=0)), Drop.TTL_EXPIRED),
        (b"", Drop.MALFORMED),
        (bytes(packet(CORRESPONDENT, MOBILE))[:-1], Drop.MALFORMED),
        (bytes(IP(src=CORRESPONDENT, dst=MOBILE) / bytes(65500)), Drop.TOO_BIG),
    ],
)
def test_what_cannot_go_in_is_counted(inner: bytes, drop: Drop) -> None:
    agent = home_agent()
    assert agent.into(inner) is None
    assert only_drop(agent) is drop


def test_mobiles_of_one_pdsn_share_a_tunnel_which_ends_with_the_last_of_them() -> None:
    agent = home_agent()
    agent.open(BOB, IPv4Address(OTHER_MOBILE), ends(HOME_AGENT, CARE_OF), reverse=False)
    (tunnel,) = agent
    assert (tunnel.number, tunnel.users, tunnel.reverse_users) == (0, 2, 1)
    agent.close(ALICE)
    assert (len(agent), tunnel.users, tunnel.reverse_users) == (1, 1, 0)
    agent.close(ALICE)
    agent.close(BOB)
    assert len(agent) == 0
    assert through(agent, packet(CORRESPONDENT, MOBILE)) is None


def test_a_renewed_registration_keeps_the_tunnel_and_its_counters() -> None:
    agent = home_agent()
    through(agent, packet(CORRESPONDENT, MOBILE))
    agent.open(ALICE, IPv4Address(MOBILE), ends(HOME_AGENT, CARE_OF), reverse=True)
    (tunnel,) = agent
    assert (tunnel.users, tunnel.packets_out, tunnel.bytes_out) == (1, 1, 35)


def test_a_mobile_that_moves_is_reached_at_its_new_care_of_address_only() -> None:
    """RFC 5944 section 4: handoff."""
    agent = home_agent()
    agent.open(ALICE, IPv4Address(MOBILE), ends(HOME_AGENT, OTHER_CARE_OF), reverse=True)
    outer = through(agent, packet(CORRESPONDENT, MOBILE))
    assert outer is not None
    assert outer.dst == OTHER_CARE_OF
    assert agent.out_of(bytes(IP(src=CARE_OF, dst=HOME_AGENT) / packet(MOBILE, CORRESPONDENT))) is None
    assert [str(tunnel.destination) for tunnel in agent] == [OTHER_CARE_OF]


def test_two_home_agents_may_give_out_the_same_home_address() -> None:
    """RFC 5944 section 4.2.2 allows overlapping private home networks: the tunnel distinguishes the mobiles."""
    agent = foreign_agent()
    agent.open(2, IPv4Address(MOBILE), ends(CARE_OF, OTHER_HOME_AGENT), reverse=True)
    for source in (HOME_AGENT, OTHER_HOME_AGENT):
        assert agent.out_of(bytes(IP(src=source, dst=CARE_OF) / packet(CORRESPONDENT, MOBILE))) is not None
    outer = through(agent, packet(MOBILE, CORRESPONDENT))
    assert outer is not None
    assert outer.dst == OTHER_HOME_AGENT
    agent.close(2)
    outer = through(agent, packet(MOBILE, CORRESPONDENT))
    assert outer is not None
    assert outer.dst == HOME_AGENT


def test_of_two_with_one_home_address_the_later_one_is_meant_on_the_way_in() -> None:
    """Also when the later one took over an entry that was there before."""
    agent = foreign_agent()
    agent.open(2, IPv4Address(MOBILE), ends(CARE_OF, OTHER_HOME_AGENT), reverse=True)
    agent.open(3, IPv4Address(MOBILE), ends(CARE_OF, HOME_AGENT), reverse=True)
    outer = through(agent, packet(MOBILE, CORRESPONDENT))
    assert outer is not None
    assert outer.dst == HOME_AGENT


def test_a_home_address_that_went_to_another_visitor_stays_with_it() -> None:
    """The home agent was cleared and gives the address to the next one; the first visitor's entry expires later."""
    agent = foreign_agent()
    agent.open(2, IPv4Address(MOBILE), ends(CARE_OF, HOME_AGENT), reverse=True)
    agent.close(1)
    assert through(agent, packet(MOBILE, CORRESPONDENT)) is not None
    agent.close(2)
    assert len(agent) == 0


def test_tunnels_are_shown_like_on_ios() -> None:
    agent = home_agent()
    through(agent, packet(CORRESPONDENT, MOBILE))
    agent.out_of(bytes(IP(src=CARE_OF, dst=HOME_AGENT) / packet(MOBILE, CORRESPONDENT)))
    agent.out_of(bytes(IP(src=STRANGER, dst=HOME_AGENT) / packet(MOBILE, CORRESPONDENT)))
    assert list(tunnels_text(agent)) == [
        "Mobile Tunnels:",
        "Total mobile ip tunnels 1",
        "Tunnel0:",
        "    src 10.1.1.51, dest 15.1.1.51",
        "    encap IP/IP, mode reverse-allowed, tunnel-users 1",
        "    IP MTU 1480 bytes",
        "    HA created, fast switching disabled, ICMP unreachable enabled",
        "    1 packets input, 35 bytes, 0 drops",
        "    1 packets output, 35 bytes",
        "Dropped: wrong peer 1",
    ]
    shown = json.loads("".join(tunnels_json(agent)))
    assert shown["total"] == 1
    assert shown["dropped"]["wrong_peer"] == 1
    assert set(shown["dropped"]) == {drop.value for drop in Drop}
    assert shown["tunnels"][0]["destination"] == CARE_OF


@given(st.binary(max_size=120), st.sampled_from(Side))
def test_any_bytes_from_wire_or_kernel_are_taken_or_counted(data: bytes, side: Side) -> None:
    tunnels = Tunnels(side)
    assert tunnels.into(data) is None
    assert tunnels.out_of(data) is None
    assert sum(tunnels.drops.values()) == 2


@given(st.binary(max_size=120))
def test_any_bytes_within_a_right_outer_header_are_taken_or_counted(data: bytes) -> None:
    agent = foreign_agent()
    out = agent.out_of(bytes(IP(src=HOME_AGENT, dst=CARE_OF, proto=4) / data))
    assert (out is None) == (sum(agent.drops.values()) == 1)


class TunnelLife(RuleBasedStateMachine):
    """Open and close in any order: users add up, each home address leads to its latest user, numbers are not reused
    while in use, and nothing is left at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.tunnels = Tunnels(Side.FOREIGN_AGENT)
        self.open: dict[int, tuple[str, Ends, bool]] = {}

    @rule(
        owner=st.integers(0, 4),
        address=st.sampled_from([MOBILE, OTHER_MOBILE]),
        peer=st.sampled_from([HOME_AGENT, OTHER_HOME_AGENT, STRANGER]),
        reverse=st.booleans(),
    )
    def enter(self, owner: int, address: str, peer: str, reverse: bool) -> None:
        pair = ends(CARE_OF, peer)
        self.tunnels.open(owner, IPv4Address(address), pair, reverse=reverse)
        self.open[owner] = (address, pair, reverse)

    @rule(owner=st.integers(0, 4))
    def leave(self, owner: int) -> None:
        self.tunnels.close(owner)
        self.open.pop(owner, None)

    @invariant()
    def users_add_up(self) -> None:
        pairs = [pair for _, pair, _ in self.open.values()]
        shown = {Ends(tunnel.source, tunnel.destination): tunnel for tunnel in self.tunnels}
        assert set(shown) == set(pairs)
        for pair, tunnel in shown.items():
            assert tunnel.users == pairs.count(pair)
            assert tunnel.reverse_users == sum(reverse for _, each, reverse in self.open.values() if each == pair)
        numbers = [tunnel.number for tunnel in self.tunnels]
        assert len(set(numbers)) == len(numbers)
        assert all(number < 6 for number in numbers)

    @invariant()
    def no_unused_tunnel_is_left(self) -> None:
        if not self.open:
            assert not self.tunnels._users
            assert not self.tunnels._owned


TestTunnelLife = TunnelLife.TestCase
TestTunnelLife.settings = settings(max_examples=examples(50), stateful_step_count=30)
