"""The simulated switch beside Open vSwitch: the same OpenFlow messages to both, and the same answers from both.

No frame leaves the switches: packets come by packet-out and go by packet-in.
"""

from __future__ import annotations

from typing import Any

import pytest
from played_messages import (
    MARK,
    PROTOCOL,
    REQUEST,
    SESSION,
    TAG,
    aggregate_stats,
    bundle,
    classifier,
    flow_mod,
    flow_stats,
    message,
    ofp,
    packet_out,
    parser,
    return_to_session,
    role,
    session_rule,
    table_stats,
    to_controller,
    to_table,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from twin_switches import ARP_FRAME, FLOW_LIMIT, OpenVSwitch, Simulated, answer

from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

pytestmark = pytest.mark.lab


def test_a_returned_request_runs_through_the_tables_and_is_rewritten_with_right_checksums(play: Any) -> None:
    (packet_in,) = play(classifier(), session_rule(), return_to_session())
    frame = Ether(packet_in[-1])
    assert (frame.src, frame.dst, frame[IP].dst) == (TAG, "02:00:0a:01:01:33", "10.1.1.51")
    assert bytes(frame) == bytes(rebuilt(frame)), "checksums are those that Scapy computes"


def rebuilt(frame: Any) -> Any:
    copy = frame.copy()
    del copy[IP].chksum, copy[UDP].chksum
    return copy


def test_counters_and_flow_statistics(play: Any) -> None:
    play(classifier(), session_rule(), return_to_session(), return_to_session())
    (statistics,) = play(flow_stats())
    assert [each[6] for each in statistics[-1]] == [2, 2]
    assert play(flow_stats(table=1, cookie=MARK, mask=0xFFFF))[0][-1]
    assert not play(flow_stats(cookie=0xFFFF, mask=0xFFFF))[0][-1]
    assert play(flow_stats(match=REQUEST))[0][-1]
    for selected, rules in (({}, 2), ({"table": 1, "cookie": MARK, "mask": 0xFFFF}, 1), ({"match": REQUEST}, 2)):
        ((_, _, _, (packets, octets, count)),) = play(aggregate_stats(**selected))
        assert (packets, count) == (2 * rules, rules) and octets > 0


def test_table_statistics_have_the_number_of_rules_that_aggregate_statistics_count(play: Any) -> None:
    """Also right behind a change: the audit of rules of others compares these two numbers."""
    others = flow_mod(ofp.OFPFC_ADD, table=1, priority=7, cookie=7, actions=[to_controller()])
    gone = flow_mod(ofp.OFPFC_DELETE, table=1, cookie=7, cookie_mask=0xFFFFFFFFFFFFFFFF)
    for messages, rules in (((session_rule(),), 1), ((others,), 2), ((gone,), 1)):
        (_, _, _, in_tables), (_, _, _, (_, _, count)) = play(*messages, table_stats(), aggregate_stats(table=1))
        assert (in_tables, count) == ({1: rules}, rules)


def test_a_packet_without_a_matching_rule_is_dropped(play: Any) -> None:
    assert play(classifier(), return_to_session()) == []


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({}, True),
        ({"eth_src": "02:00:00:00:00:01"}, True),
        ({"eth_src": ("02:00:00:00:00:00", "ff:ff:ff:00:00:00")}, True),
        ({"eth_src": ("02:51:b7:00:00:00", "ff:ff:ff:00:00:00")}, False),
        ({"eth_dst": "02:51:b7:00:00:01"}, True),
        ({"metadata": 0}, True),
        ({"in_port": ofp.OFPP_CONTROLLER}, True),
        ({"in_port": 3}, False),
        ({"eth_type": 0x0806}, False),
        ({"eth_type": 0x0800, "ipv4_src": ("15.1.0.0", "255.255.0.0")}, True),
        ({"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 434}, True),
        ({"eth_type": 0x0800, "ip_proto": 17, "udp_src": 435}, False),
        ({"vlan_vid": 0}, True),
        ({"vlan_vid": 0x1000 | 5}, False),
    ],
)
def test_matches(play: Any, match: dict[str, Any], hit: bool) -> None:
    answers = play(flow_mod(0, priority=7, match=match, actions=[to_controller()]), packet_out(to_table()))
    assert bool(answers) is hit


@pytest.mark.parametrize(
    ("match", "hit"),
    [({"arp_op": 1}, True), ({"arp_op": 2}, False), ({"arp_tpa": "10.1.1.10"}, True), ({"arp_spa": "1.1.1.1"}, False)],
)
def test_matches_of_arp(play: Any, match: dict[str, Any], hit: bool) -> None:
    rule = flow_mod(0, priority=7, match={"eth_type": 0x0806, **match}, actions=[to_controller()])
    assert bool(play(rule, packet_out(to_table(), frame=ARP_FRAME))) is hit


def test_the_higher_priority_wins_and_an_equal_rule_is_replaced(play: Any) -> None:
    low = flow_mod(0, priority=5, cookie=1, match=REQUEST, actions=[to_controller()])
    high = flow_mod(0, priority=6, cookie=2, actions=[to_controller()])
    assert [each[3] for each in play(low, high, packet_out(to_table()))] == [2]
    replaced = flow_mod(0, priority=6, cookie=3, actions=[to_controller()])
    assert [each[3] for each in play(replaced, packet_out(to_table()))] == [3]
    assert len(play(flow_stats())[0][-1]) == 2


def test_a_rule_with_check_overlap_is_refused_beside_one_of_its_priority(play: Any) -> None:
    first = flow_mod(0, priority=5, match=REQUEST)
    overlapping = flow_mod(0, priority=5, match={"eth_src": TAG}, flags=ofp.OFPFF_CHECK_OVERLAP)
    apart = flow_mod(0, priority=5, match={"eth_type": 0x0806}, flags=ofp.OFPFF_CHECK_OVERLAP)
    assert [each[0] for each in play(first, overlapping, apart)] == ["error"]


def test_deletion_strict_and_not(play: Any) -> None:
    rules = [session_rule(match={**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"}) for number in range(4)]
    play(classifier(), *rules)
    play(session_rule(ofp.OFPFC_DELETE_STRICT, match={**SESSION, "eth_src": "02:00:00:00:00:01"}))
    play(session_rule(ofp.OFPFC_DELETE_STRICT, match={**SESSION, "eth_src": "02:00:00:00:00:02"}, priority=1))
    assert len(play(flow_stats(table=1))[0][-1]) == 3
    play(flow_mod(ofp.OFPFC_DELETE, table=ofp.OFPTT_ALL, cookie=3 << COOKIE_MARK_BITS | MARK, cookie_mask=0xFFFFFFFF))
    assert len(play(flow_stats())[0][-1]) == 3
    play(flow_mod(ofp.OFPFC_DELETE, table=1, match={"eth_type": 0x0800}))
    assert play(flow_stats())[0][-1] == []


def test_a_deleted_rule_is_reported_where_it_asks_for_that(bridge: int) -> None:
    """Open vSwitch reports when its threads have let go of the rule, perhaps behind later answers."""
    real, simulated = OpenVSwitch(bridge), Simulated()
    rule, deletion = session_rule(flags=ofp.OFPFF_SEND_FLOW_REM), session_rule(ofp.OFPFC_DELETE_STRICT)
    (expected,) = simulated.play(rule + deletion)
    assert (real.play(rule + deletion) or [answer(real.receive())]) == [expected]
    real.close()


def test_modification_keeps_counters_and_cookie(play: Any) -> None:
    play(classifier(), session_rule(), return_to_session())
    play(flow_mod(ofp.OFPFC_MODIFY_STRICT, table=1, priority=50000, match=SESSION, actions=[to_controller()]))
    (packet_in,) = play(return_to_session())
    assert Ether(packet_in[-1])[IP].dst == "10.1.1.10"
    (statistics,) = play(flow_stats(table=1))
    assert statistics[-1][0][6] == 2


def test_a_full_table_refuses_rules_but_takes_equal_ones(play: Any) -> None:
    rules = [session_rule(match={**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"}) for number in range(FLOW_LIMIT)]
    assert play(*rules) == []
    (refusal,) = play(session_rule(match={**SESSION, "eth_src": "02:00:00:00:00:aa"}))
    assert refusal[2:] == (ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
    assert play(rules[0]) == []


def test_a_bundle_is_carried_out_whole(play: Any) -> None:
    play(classifier())
    answers = play(bundle(20, [session_rule(xid=20), classifier_with(20)]))
    assert [each[0] for each in answers] == ["bundle", "bundle"]
    assert len(play(flow_stats())[0][-1]) == 2


def classifier_with(xid: int) -> bytes:
    return flow_mod(
        0,
        xid=xid,
        priority=50040,
        cookie=3 << COOKIE_MARK_BITS | MARK,
        match={**REQUEST, "in_port": ofp.OFPP_CONTROLLER},
        goto=1,
    )


def test_a_bundle_with_a_refused_message_changes_nothing(play: Any) -> None:
    rules = [
        session_rule(xid=21, match={**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"})
        for number in range(FLOW_LIMIT + 1)
    ]
    play(session_rule(match={**SESSION, "eth_src": "02:00:00:00:00:ee"}))
    deletion = session_rule(ofp.OFPFC_DELETE_STRICT, xid=21, match={**SESSION, "eth_src": "02:00:00:00:00:ee"})
    answers = play(bundle(21, [deletion, *rules]))
    assert answers[0][0] == "bundle"
    assert answers[1] == ("error", 21, ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
    assert len(play(flow_stats(table=1))[0][-1]) == 1


@pytest.mark.parametrize("output", [ofp.OFPP_FLOOD, ofp.OFPP_NORMAL, 77])
def test_rules_with_these_outputs_are_accepted(play: Any, output: int) -> None:
    assert play(flow_mod(0, priority=3, actions=[parser.OFPActionOutput(output)])) == []


def test_meters(play: Any) -> None:
    def meter_mod(command: int, rate: int = 10) -> bytes:
        bands = [parser.OFPMeterBandDrop(rate=rate, burst_size=rate)]
        return message(parser.OFPMeterMod(PROTOCOL, command, ofp.OFPMF_PKTPS | ofp.OFPMF_BURST, MARK, bands), 30)

    unknown = play(flow_mod(0, priority=3, meter=MARK, actions=[to_controller()]))
    assert unknown[0][0] == "error"
    assert play(meter_mod(ofp.OFPMC_MODIFY))[0][0] == "error"
    assert play(meter_mod(ofp.OFPMC_ADD)) == []
    assert play(meter_mod(ofp.OFPMC_ADD))[0][0] == "error"
    assert play(meter_mod(ofp.OFPMC_MODIFY, 20)) == []
    play(flow_mod(0, priority=3, meter=MARK, actions=[to_controller()]))
    assert len(play(packet_out(to_table()))) == 1
    statistics = play(message(parser.OFPMeterStatsRequest(PROTOCOL, 0, ofp.OFPM_ALL), 31))
    assert statistics[0][-1] == [(MARK, [0])]
    play(meter_mod(ofp.OFPMC_DELETE))
    assert play(flow_stats())[0][-1] == [], "its rules go with a meter (OpenFlow 1.3.5, section 6.5)"


def test_a_slave_changes_nothing_and_an_old_generation_is_refused(play: Any) -> None:
    play(role(ofp.OFPCR_ROLE_MASTER, 7))
    assert play(role(ofp.OFPCR_ROLE_SLAVE, 6))[0][2:] == (ofp.OFPET_ROLE_REQUEST_FAILED, ofp.OFPRRFC_STALE)
    assert play(role(ofp.OFPCR_ROLE_SLAVE, 8))[0][2] == ofp.OFPCR_ROLE_SLAVE
    assert play(session_rule())[0][2:] == (ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_IS_SLAVE)
    assert play(role(ofp.OFPCR_ROLE_NOCHANGE, 0))[0][2] == ofp.OFPCR_ROLE_SLAVE
    assert play(role(ofp.OFPCR_ROLE_MASTER, 9))[0][2] == ofp.OFPCR_ROLE_MASTER


def test_idle_rules_run_out_and_say_so(bridge: int) -> None:
    """Each switch on its own clock; the reports are the same."""
    rule = session_rule(idle_timeout=1, flags=ofp.OFPFF_SEND_FLOW_REM)
    real, simulated = OpenVSwitch(bridge), Simulated()
    assert real.play(rule) == simulated.play(rule) == []
    simulated.clock.run_until(simulated.clock.now + 2)
    simulated.switch.expire()
    assert answer(real.receive()) == answer(simulated.receive())
    real.close()
