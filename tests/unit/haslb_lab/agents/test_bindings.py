"""The mobility binding table (RFC 5944 section 3.8.1) and the home addresses that mobiles get (RFC 2794)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Optional

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from haslb_lab.agents.bindings import Binding, BindingTable, HomeAddresses, HomeAddressRefusedError, NoRoomError, expiry
from ryu_haslb.mobile_ip.identity import Identity, nai_identity
from ryu_haslb.mobile_ip.registration import INFINITE_LIFETIME, NO_FLAGS

NETWORK = IPv4Network("10.200.0.0/29")
ANY = IPv4Address(0)
HOME_AGENT = IPv4Address("10.1.1.51")
ALICE, BOB = nai_identity(b"alice@isp"), nai_identity(b"bob@isp")


def bind(table: BindingTable, who: Identity, wanted: IPv4Address = ANY, expires: Optional[float] = None) -> IPv4Address:
    home_address = table.home_address(who, wanted)
    care_of = IPv4Address("15.1.1.51")
    table.put(Binding(who, home_address, HOME_AGENT, care_of, care_of, NO_FLAGS, 1, 600, expires))
    return home_address


def test_every_mobile_gets_a_home_address_of_its_own() -> None:
    table = BindingTable(NETWORK)
    assert bind(table, ALICE) == IPv4Address("10.200.0.1")
    assert bind(table, BOB) == IPv4Address("10.200.0.2")
    assert len(table) == 2


def test_a_registration_again_keeps_the_home_address_and_opens_no_second_binding() -> None:
    table = BindingTable(NETWORK)
    first = bind(table, ALICE)
    assert bind(table, ALICE) == first
    assert bind(table, ALICE, first) == first
    assert len(table) == 1


def test_a_mobile_may_ask_for_a_free_home_address_and_leaves_its_old_one() -> None:
    table = BindingTable(NETWORK)
    bind(table, ALICE)
    assert bind(table, ALICE, IPv4Address("10.200.0.5")) == IPv4Address("10.200.0.5")
    assert bind(table, BOB, IPv4Address("10.200.0.1")) == IPv4Address("10.200.0.1")


@pytest.mark.parametrize("wanted", ["10.200.0.1", "10.200.0.0", "10.200.0.7", "10.200.0.8", "255.255.255.255"])
def test_a_home_address_that_is_taken_or_no_host_of_the_home_network_is_refused(wanted: str) -> None:
    table = BindingTable(NETWORK)
    bind(table, ALICE)
    with pytest.raises(HomeAddressRefusedError):
        table.home_address(BOB, IPv4Address(wanted))
    assert [binding.identity for binding in table] == [ALICE]


def test_no_room_is_for_new_mobiles_only() -> None:
    table = BindingTable(NETWORK, room=1)
    bind(table, ALICE)
    with pytest.raises(NoRoomError):
        table.home_address(BOB, ANY)
    bind(table, ALICE)
    table.close(ALICE)
    bind(table, BOB)


def test_the_home_network_may_run_out_and_recovers() -> None:
    table = BindingTable(NETWORK)
    for number in range(6):
        bind(table, nai_identity(b"%d" % number))
    with pytest.raises(NoRoomError):
        table.home_address(ALICE, ANY)
    closed = table.close(nai_identity(b"3"))
    assert closed is not None
    assert bind(table, ALICE) == closed.home_address


def test_bindings_end_when_their_lifetime_does() -> None:
    table = BindingTable(NETWORK)
    bind(table, ALICE, expires=10.0)
    bind(table, BOB, expires=20.0)
    assert table.next_expiry() == 10.0
    table.expire(9.9)
    assert len(table) == 2
    table.expire(10.0)
    assert [binding.identity for binding in table] == [BOB]
    assert table.next_expiry() == 20.0


def test_a_refreshed_binding_lives_on() -> None:
    table = BindingTable(NETWORK)
    bind(table, ALICE, expires=10.0)
    bind(table, ALICE, expires=30.0)
    table.expire(20.0)
    assert len(table) == 1
    bind(table, ALICE, expires=None)
    table.expire(1e9)
    assert len(table) == 1
    assert table.next_expiry() is None


def test_an_infinite_lifetime_has_no_end() -> None:
    """RFC 5944 section 3.3: 0xffff means infinity."""
    assert expiry(INFINITE_LIFETIME, 5.0) is None
    assert expiry(65534, 5.0) == 65539.0


def test_clearing_closes_everything() -> None:
    table = BindingTable(NETWORK)
    bind(table, ALICE, expires=5.0)
    bind(table, BOB)
    assert table.clear() == 2
    assert (len(table), table.next_expiry()) == (0, None)
    assert table.close(ALICE) is None


def test_the_watch_is_called_at_every_opening_and_every_end() -> None:
    """What follows from a binding, such as its tunnel, ends with it: deregistration, expiry, clear."""
    seen: list[tuple[Identity, Optional[IPv4Address]]] = []
    table = BindingTable(
        NETWORK, watch=lambda who, binding: seen.append((who, None if binding is None else binding.home_address))
    )
    first, second = (NETWORK.network_address + offset for offset in (1, 2))
    bind(table, ALICE, expires=10.0)
    bind(table, BOB)
    bind(table, ALICE, expires=20.0)
    assert seen == [(ALICE, first), (BOB, second), (ALICE, first)]
    del seen[:]
    table.close(BOB)
    table.close(BOB)
    table.expire(20.0)
    assert seen == [(BOB, None), (ALICE, None)]
    bind(table, BOB)
    del seen[:]
    table.clear()
    assert seen == [(BOB, None)]


class HomeAddressLife(RuleBasedStateMachine):
    """After any sequence of claims, assignments and releases no address has two mobiles, and none is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses = HomeAddresses(NETWORK)
        self.hosts = set(NETWORK.hosts())
        self.held: set[IPv4Address] = set()

    @rule()
    def assign(self) -> None:
        if self.held == self.hosts:
            with pytest.raises(NoRoomError):
                self.addresses.assign()
            return
        address = self.addresses.assign()
        assert address in self.hosts - self.held
        self.held.add(address)

    @rule(offset=st.integers(0, 9))
    def claim(self, offset: int) -> None:
        address = NETWORK.network_address + offset
        if address in self.hosts - self.held:
            self.addresses.claim(address)
            self.held.add(address)
        else:
            with pytest.raises(HomeAddressRefusedError):
                self.addresses.claim(address)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(address)
        self.addresses.release(address)

    @invariant()
    def what_is_given_back_is_bounded(self) -> None:
        assert len(self.addresses._given_back) <= len(self.hosts)


TestHomeAddressLife = HomeAddressLife.TestCase
