"""OpenFlow meters on the rules that punt (OpenFlow 1.3.5, sections 5.7 and 7.3.4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport
from hypothesis import given
from hypothesis import strategies as st
from served_switch import CONFIGURATION
from statistics_replies import meter_stats_reply

from ryu_haslb.configuration.model import (
    ProbeKind,
    default_probe,
)
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.pipeline import ARP_METER, FIRST_METER, Purpose
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.overload.admission import Admission
from ryu_haslb.openflow.overload.clients import MAX_REQUEST_RATE
from ryu_haslb.openflow.overload.meters import (
    MAX_ARP_QUESTION_RATE,
    METER_STATS_TIMEOUT,
    UPDATE_INTERVAL,
    Meters,
    delete_all,
)
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import meter
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import Request

ADD, MODIFY, DELETE = wire.OFPMC_ADD, wire.OFPMC_MODIFY, wire.OFPMC_DELETE
FLOOD, QUIET = b"\x0a\x01\x01\x65", b"\x0a\x01\x01\x66"


class Metered:
    """A switch and the meters on it; ``is_restart`` leaves the meter of a previous run there."""

    def __init__(self, has_meters: bool = True, is_restart: bool = False) -> None:
        self.now = 1000.0
        self.reported: Optional[dict[int, int]] = None  # in the place of the meters that it has
        self.ready: list[bool] = []
        self.fake = FakeSwitch(meters=has_meters)
        if is_restart:
            self.fake.add_meter(FIRST_METER, 1)
        self.transport = FakeTransport(self.fake)
        self.transport.handler = self._on_message
        self.balancer = Balancer(CONFIGURATION)
        self.admission = Admission(self.balancer, Request(), lambda _, __: DropReason.TRUNCATED)
        self.transactions = Transactions(self.transport)
        self.meters = Meters(1, self.transactions, self.admission, self.balancer, CONFIGURATION)

    def _on_message(self, kind: int, xid: int, message: bytes) -> None:
        if kind == wire.OFPT_BARRIER_REPLY:
            assert self.transactions.on_barrier_reply(xid)
        elif kind == wire.OFPT_ERROR:
            error = wire.read_error(message)
            assert self.transactions.on_error(xid, error) or error.data[1] == wire.OFPT_METER_MOD
        elif kind == wire.OFPT_EXPERIMENTER:
            self.transactions.on_experimenter(xid, message)
        elif kind != wire.OFPT_FLOW_REMOVED:  # that is the connection's
            reply = message if self.reported is None else stats(xid, self.reported)
            assert self.meters.on_meter_stats(xid, reply, self.now)

    @property
    def sent(self) -> list[bytes]:
        return self.transport.sent

    def install(self) -> None:
        self.meters.install(lambda: self.ready.append(self.meters.are_supported))
        self.transport.answer()
        self.meters.tick(self.now)

    def update(self, flood: int, quiet: int, capacity: int, dropped: dict[int, int]) -> list[bytes]:
        """One interval in which so many requests came; the messages that follow from it."""
        if capacity:
            self.admission.clients.on_overload(self.now)
        for client, count in ((FLOOD, flood), (QUIET, quiet)):
            for _ in range(count):
                self.admission.clients.record_request(client)
        self.admission.clients.admitted, self.admission.clients.dropped = capacity, max(0, flood + quiet - capacity)
        self.now += UPDATE_INTERVAL
        self.fake.count_dropped(dropped)
        self.meters.tick(self.now)
        self.sent.clear()
        self.transport.answer()
        return list(self.sent)

    def meter_mods(self) -> list[tuple[int, int, int]]:
        """Command, meter and rate (0: none) of each."""
        return [
            (
                int.from_bytes(message[8:10], "big"),
                int.from_bytes(message[12:16], "big"),
                int.from_bytes(message[20:24], "big"),
            )
            for message in self.sent
            if message[1] == wire.OFPT_METER_MOD
        ]


def stats(xid: int, dropped: dict[int, int]) -> bytes:
    return meter_stats_reply(*((meter, [count]) for meter, count in dropped.items()), xid=xid)


def test_all_rules_that_send_requests_to_the_controller_have_the_meter() -> None:
    rules = {rule.purpose: rule.meter for rule in standing_rules(CONFIGURATION, 1)}
    metered = {purpose for purpose, meter in rules.items() if meter == FIRST_METER}
    assert metered == {
        Purpose.PUNT_REQUEST,
        Purpose.PUNT_REQUEST_TO_CHASSIS,
        Purpose.PUNT_FRAGMENT,
        Purpose.PUNT_ECHO,
        Purpose.PUNT_OTHER_TO_CHASSIS,
    }


def test_a_switch_without_meters_is_served() -> None:
    switch = Metered(has_meters=False)
    switch.install()
    assert switch.ready == [False]
    rules = list(standing_rules(CONFIGURATION, 1))
    instruction = meter(FIRST_METER)
    assert instruction not in b"".join(rule_messages.replacement(rules, False, 1))
    assert instruction in b"".join(rule_messages.replacement(rules, True, 1))


def test_the_meter_of_a_previous_run_is_modified() -> None:
    """To delete it would delete the rules that use it, and they protect the home agents (section 6.5)."""
    switch = Metered(is_restart=True)
    switch.install()
    assert switch.ready == [True]
    assert switch.meter_mods() == [
        *((command, FIRST_METER, MAX_REQUEST_RATE) for command in (ADD, MODIFY)),
        (ADD, ARP_METER, MAX_ARP_QUESTION_RATE),
    ]
    assert switch.fake.meters == {FIRST_METER: MAX_REQUEST_RATE, ARP_METER: MAX_ARP_QUESTION_RATE}


def test_packets_that_a_meter_dropped_are_counted_once() -> None:
    switch = Metered()
    switch.install()
    switch.fake.add_meter(3, 1000)  # another controller's
    for total in (5, 5, 12):
        switch.update(0, 0, 0, {FIRST_METER: total, 3: 1000})
    assert switch.balancer.statistics.drops[DropReason.METERED] == 12
    assert switch.balancer.statistics.requests == 12


def test_a_client_above_its_fair_share_gets_a_meter_and_rules_of_its_own_for_a_while() -> None:
    switch = Metered()
    switch.install()
    sent = switch.update(3000, 50, 1000, {FIRST_METER: 0})
    assert [each[:2] for each in switch.meter_mods()] == [
        (MODIFY, FIRST_METER),
        (DELETE, FIRST_METER + 1),
        (ADD, FIRST_METER + 1),
    ]
    rate = switch.meter_mods()[-1][2]
    assert 800 < rate < 900
    rules = b"".join(sent)
    assert wire.oxm("ipv4_src", FLOOD) in rules, "matches its address"
    assert meter(FIRST_METER + 1) in rules
    switch.update(0, 0, 0, {FIRST_METER + 1: 400})
    assert switch.balancer.statistics.drops[DropReason.CLIENT_METERED] == 400
    assert (MODIFY, FIRST_METER + 1, int(rate * 1.25)) in switch.meter_mods()
    for _ in range(10):
        switch.update(0, 0, 0, {FIRST_METER + 1: 400})
    assert (DELETE, FIRST_METER + 1, 0) in switch.meter_mods()


NO_ROOM_FOR_RULES = wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL
#: OFPET_METER_MOD_FAILED: OFPMMFC_OUT_OF_METERS, and OFPMMFC_UNKNOWN_METER for the rules that use it.
NO_ROOM_FOR_METER, NO_SUCH_METER = (12, 12), (12, 3)


def rejection(lacks_meters: bool, sent: bytes) -> Optional[tuple[int, int]]:
    """How a switch rejects what a client needs that has no room for its rules, or for its meter."""
    if sent[1] == wire.OFPT_METER_MOD and sent[8:10] == ADD.to_bytes(2, "big") and lacks_meters:
        return NO_ROOM_FOR_METER
    if sent[1] == wire.OFPT_FLOW_MOD and wire.oxm("ipv4_src", FLOOD) in sent:
        return NO_SUCH_METER if lacks_meters else NO_ROOM_FOR_RULES
    return None


@pytest.mark.parametrize("lacks_meters", [False, True], ids=["no room for its rules", "no room for its meter"])
def test_the_rules_of_a_client_that_a_switch_rejects_are_sent_again_after_a_pause(
    lacks_meters: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What the switch has rejected others have not deleted."""
    switch = Metered()
    switch.install()
    switch.fake.rejects = lambda sent: rejection(lacks_meters, sent)
    switch.update(3000, 50, 1000, {})
    attempts = 0
    for _ in range(8):
        switch.update(3000, 50, 1000, {})
        attempts += sum(each[:2] == (ADD, FIRST_METER + 1) for each in switch.meter_mods())
    assert 2 <= attempts <= 3, "after 1, 2 and 4 s"
    assert switch.meters.take_restored() == 0
    assert caplog.text.count("rejected the rules that rate-limit client 10.1.1.101") == 1
    assert not switch.meters.of_clients.is_settled
    switch.fake.rejects = lambda _: None
    for _ in range(9):
        switch.update(3000, 50, 1000, {})
    assert switch.meters.of_clients.is_settled
    assert any(meter(FIRST_METER + 1) in rule.instructions for rule in switch.meters.of_clients.sent)


def test_a_new_configuration_lifts_the_rate_limits_whose_rules_it_replaces() -> None:
    switch = Metered()
    switch.install()
    switch.update(3000, 50, 1000, {})
    switch.meters.configure(CONFIGURATION, Sides())
    assert not switch.admission.clients.is_crowded_out(QUIET)
    switch.update(3000, 50, 1000, {})
    assert [each[:2] for each in switch.meter_mods()][-2:] == [(DELETE, FIRST_METER + 1), (ADD, FIRST_METER + 1)]


def test_at_the_end_every_meter_is_deleted() -> None:
    switch = Metered()
    switch.install()
    switch.sent.clear()
    delete_all(switch.transport)
    assert {(command, meter) for command, meter, _ in switch.meter_mods()} >= {
        (DELETE, FIRST_METER),
        (DELETE, FIRST_METER + 1),
    }
    assert switch.fake.meters == {}


def test_without_meters_the_controller_still_admits_clients_that_are_crowded_out() -> None:
    switch = Metered(has_meters=False)
    switch.install()
    switch.admission.clients.on_overload(switch.now)
    for client, count in ((FLOOD, 3000), (QUIET, 50)):
        for _ in range(count):
            switch.admission.clients.record_request(client)
    switch.admission.clients.admitted, switch.admission.clients.dropped = 1000, 2050
    switch.sent.clear()
    switch.meters.tick(switch.now + UPDATE_INTERVAL)
    assert switch.sent == []
    assert switch.admission.clients.is_crowded_out(QUIET)


@given(st.integers(8, 71), st.integers(0, 0xFFFF))
def test_a_damaged_reply_counts_nothing(end: int, length: int) -> None:
    """It is cut short, or the length of its row is wrong; a length of 0 must not lead to an endless loop."""
    switch = Metered()
    switch.install()
    switch.meters.tick(switch.now + UPDATE_INTERVAL)
    xid, now = switch.transport.xid, switch.now + UPDATE_INTERVAL
    whole = stats(xid, {FIRST_METER: 5})
    damaged = [whole[:end] if end != 16 else whole[:15]]
    if length != 56:
        damaged.append(whole[:20] + length.to_bytes(2, "big") + whole[22:])
    for reply in damaged:
        assert switch.meters.on_meter_stats(xid, reply, now), "it is not left to the engine, which would loop"
        assert switch.balancer.statistics.drops[DropReason.METERED] == 0
    assert switch.meters.on_meter_stats(xid, whole, now), "it is still waited for"
    assert switch.balancer.statistics.drops[DropReason.METERED] == 5


def test_clients_are_rate_limited_without_meter_stats_replies_too() -> None:
    """A switch may have meters without statistics, or send malformed replies."""
    switch = Metered()
    switch.install()
    switch.admission.clients.on_overload(switch.now)
    for client, count in ((FLOOD, 3000), (QUIET, 50)):
        for _ in range(count):
            switch.admission.clients.record_request(client)
    switch.admission.clients.admitted, switch.admission.clients.dropped = 1000, 2050
    switch.meters.tick(switch.now + UPDATE_INTERVAL)
    assert switch.meters.on_meter_stats(switch.transport.xid, b"", switch.now + UPDATE_INTERVAL)
    switch.meters.tick(switch.now + METER_STATS_TIMEOUT)
    assert (ADD, FIRST_METER + 1) in [each[:2] for each in switch.meter_mods()]
    for second in range(12 * int(METER_STATS_TIMEOUT)):
        switch.meters.tick(switch.now + METER_STATS_TIMEOUT + second)
    assert switch.meter_mods()[-1][:2] == (DELETE, FIRST_METER + 1), "and lets go of them again"


def restorations(reported: list[dict[int, int]]) -> int:
    """How often the meter of all requests is added again, when the switch reports these meters one after the other."""
    metered = Metered()
    count = 0

    def restore() -> None:
        nonlocal count
        count += 1
        metered.meters.install(lambda: None)
        metered.transport.answer()

    metered.meters.on_deleted = restore
    metered.install()
    for meters in reported:
        metered.now += UPDATE_INTERVAL
        metered.reported = meters
        metered.meters.tick(metered.now)
        metered.transport.answer()
    return count


def test_a_switch_that_accepts_meters_but_never_reports_them_is_not_given_them_for_ever() -> None:
    """OFPMP_METER (OpenFlow 1.3.5, section 7.3.5.8) may be empty on a switch that has meters all the same."""
    assert restorations([{}] * 20) == 3


def test_meters_that_were_reported_once_are_restored_whenever_they_are_deleted() -> None:
    assert restorations([{FIRST_METER: 0, ARP_METER: 0}] + [{}] * 20) == 20
    assert restorations([{FIRST_METER: 0, ARP_METER: 0}, {FIRST_METER: 0}, {FIRST_METER: 0, ARP_METER: 0}]) == 1


def test_the_meter_of_the_first_probe_is_no_restored_one() -> None:
    """An operator who adds a probe to a farm is not told that another one has deleted a meter."""
    metered = Metered()
    metered.install()
    farm = replace(CONFIGURATION.farms["HAFARM"], probes=("ALIVE",))
    probed = replace(CONFIGURATION, farms={"HAFARM": farm}, probes={"ALIVE": default_probe("ALIVE", ProbeKind.PING)})
    metered.meters.configure(probed, Sides())
    metered.transport.answer()
    assert (metered.meters.has_probe_meter, metered.meters.take_restored()) == (True, 0)


def test_dropped_arp_requests_are_counted_and_are_no_requests_of_mobiles() -> None:
    metered = Metered()
    metered.install()
    for dropped in (0, 7, 9):
        metered.now += UPDATE_INTERVAL
        metered.reported = {FIRST_METER: 0, ARP_METER: dropped}
        metered.meters.tick(metered.now)
        metered.transport.answer()
    assert metered.meters.take_arp_dropped() == 9
    assert metered.balancer.statistics.dropped == 0


def test_arp_requests_have_a_meter_of_their_own() -> None:
    """A storm of them must not use up the rate of the requests of mobiles, nor the other way round."""
    metered = {rule.purpose for rule in standing_rules(CONFIGURATION, 1) if rule.meter == ARP_METER}
    assert metered == {Purpose.PUNT_ARP_REQUEST}
