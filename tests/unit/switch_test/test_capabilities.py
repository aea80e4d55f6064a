"""``haslb switch-test`` finds out what a switch lacks, each capability by itself, and says what that means."""

from __future__ import annotations

from typing import Any

import pytest
from budget import some
from statistics_replies import flow_stats_reply
from tested_switch import CABLE, TestedSwitch, assert_nothing_is_left

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Datapath, Switching
from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES, Capability
from ryu_haslb.openflow.wire import wire
from ryu_haslb.switch_test.examination import TRIALS, Findings
from ryu_haslb.switch_test.trial import Result
from ryu_haslb.switch_test.verdicts import Verdict, advice, judge, sentence, serves
from simulation.flow_table import Flow, read_match
from simulation.openflow import EXPERIMENTER, METER_MOD, ROLE_REQUEST
from simulation.packet import ARP_OP, ETH_DST, ETH_SRC, IPV4_DST, METADATA, UDP_DST, VLAN_VID

C = Capability


def verdicts(findings: Findings) -> dict[str, Verdict]:
    return {each.mode.token: each.verdict for each in judge(findings)}


def lacking(findings: Findings) -> set[Capability]:
    return {each for each, outcome in findings.outcomes.items() if outcome.result.lacks}


def test_every_capability_has_a_trial() -> None:
    assert TRIALS.keys() == CAPABILITIES.keys()


def test_a_switch_that_lacks_nothing_works_in_every_mode() -> None:
    findings = TestedSwitch(CABLE).examine()
    assert {each for each, outcome in findings.outcomes.items() if outcome.result is Result.WORKS} == set(C)
    assert set(verdicts(findings).values()) == {Verdict.WORKS}
    assert serves(findings)
    assert (findings.left, findings.failure, findings.reconnections) == (0, "", 0)


def test_without_a_cable_the_counters_of_ports_show_normal_and_flood() -> None:
    findings = TestedSwitch().examine()
    assert not lacking(findings)
    assert findings.outcomes[C.OUTPUT].result is Result.NOT_TRIED
    assert "counters" in findings.outcomes[C.NORMAL].detail
    assert set(verdicts(findings).values()) == {Verdict.WORKS}


LACKS: list[tuple[dict[str, Any], Capability]] = [
    ({"output_to_table": False}, C.TABLE_OUTPUT),
    ({"ignores_table": True}, C.TABLE_OUTPUT),
    ({"bundles": False}, C.BUNDLES),
    ({"meters": False}, C.METERS),
    ({"roles": False}, C.ROLES),
    ({"flow_monitor": False}, C.FLOW_MONITOR),
    ({"flood": False}, C.FLOOD),
    ({"normal": "refused"}, C.NORMAL),
    ({"normal": "ignored"}, C.NORMAL),
    ({"max_outputs": 1}, C.NORMAL),
    ({"tables": 4}, C.LEARNING_TABLES),
    ({"rejected_sets": frozenset({ETH_DST})}, C.SET_ETH_DST),
    ({"ignored_sets": frozenset({ETH_DST})}, C.SET_ETH_DST),
    ({"rejected_sets": frozenset({IPV4_DST})}, C.SET_IPV4_DST),
    ({"ignored_sets": frozenset({IPV4_DST})}, C.SET_IPV4_DST),
    ({"rejected_sets": frozenset({UDP_DST})}, C.SET_UDP_DST),
    ({"ignored_sets": frozenset({UDP_DST})}, C.SET_UDP_DST),
    ({"ignored_sets": frozenset({VLAN_VID})}, C.PUSH_VLAN),
    ({"push_vlan": False}, C.PUSH_VLAN),
    ({"rejected_matches": frozenset({VLAN_VID})}, C.VLAN_MATCH),
    ({"ignored_matches": frozenset({VLAN_VID})}, C.VLAN_MATCH),
    ({"ignored_matches": frozenset({UDP_DST})}, C.MATCHES),
    ({"idle_timeouts": False}, C.IDLE_TIMEOUT),
    ({"flow_removed": False}, C.FLOW_REMOVED),
    ({"cookie_deletion": False}, C.COOKIE_DELETION),
    ({"flow_statistics": False}, C.FLOW_STATISTICS),
    ({"max_packet_in": 128}, C.PACKET_IN),
    ({"checks_generation": False}, C.ROLES),
    ({"repeats_generation": True}, C.ROLES),
    ({"rejects_generations": True}, C.ROLES),
    ({"flow_mod_lag": 2.0}, C.BARRIERS),
    ({"silent": frozenset({EXPERIMENTER})}, C.BUNDLES),
    ({"silent": frozenset({METER_MOD})}, C.METERS),
    ({"silent": frozenset({ROLE_REQUEST})}, C.ROLES),
    ({"meter_instruction": False}, C.METERS),
    ({"stepping_meters": True}, C.METERS),
    ({"matches_reserved_ports": False}, C.TABLE_OUTPUT),
    ({"normal": "refused", "normal_error": (5, 0)}, C.NORMAL),
    ({"tables": 4, "reported_tables": 254}, C.LEARNING_TABLES),
    ({"accepts_timeouts": False}, C.IDLE_TIMEOUT),
]
#: The modes that cannot be used without a capability, and those that are used with less.
NEEDED = {
    C.PACKET_IN: {"dispatched", "direct"},
    C.MATCHES: {"dispatched", "direct", "learn"},
    C.SET_ETH_DST: {"dispatched", "direct"},
    C.COOKIE_DELETION: {"dispatched", "direct"},
    C.SET_IPV4_DST: {"direct"},
    C.PUSH_VLAN: {"vlan"},
    C.NORMAL: {"normal"},
    C.VLAN_MATCH: {"learn"},
    C.ROLES: {"cluster"},
}
USED = {
    C.BARRIERS: {"dispatched", "direct", "learn"},
    C.TABLE_OUTPUT: {"dispatched", "direct"},
    C.BUNDLES: {"dispatched", "direct"},
    C.METERS: {"dispatched", "direct"},
    C.IDLE_TIMEOUT: {"dispatched", "direct", "learn"},
    C.FLOW_REMOVED: {"dispatched", "direct", "learn"},
    C.SET_UDP_DST: {"direct"},
    C.FLOOD: {"learn"},
    C.LEARNING_TABLES: {"learn"},
    C.FLOW_STATISTICS: {"dispatched", "direct", "cluster"},
    C.FLOW_MONITOR: {"cluster"},
}


@pytest.mark.parametrize("cable", [CABLE, None], ids=["cable", "no-cable"])
@pytest.mark.parametrize(("capabilities", "capability"), some(LACKS), ids=[str(each[0]) for each in some(LACKS)])
def test_what_a_switch_lacks_is_found_out_alone_and_the_verdict_is_right(
    capabilities: dict[str, Any], capability: Capability, cable: Any
) -> None:
    tested = TestedSwitch(cable, **capabilities)
    findings = tested.examine()
    assert lacking(findings) == {capability}, findings.outcomes
    for mode, verdict in verdicts(findings).items():
        if mode in NEEDED.get(capability, ()):
            assert verdict is Verdict.CANNOT_SERVE
        elif mode in USED.get(capability, ()):
            assert verdict is Verdict.WORKS_WITHOUT
        elif mode == "normal" and capability is C.TABLE_OUTPUT and cable is None:
            assert verdict is Verdict.NOT_KNOWN
        else:
            assert verdict is Verdict.WORKS
    assert serves(findings) is (capability not in NEEDED or "dispatched" not in NEEDED[capability])
    assert_nothing_is_left(tested)


@pytest.mark.parametrize("cookie", [0, 0xFFFFFFFFFFFFFFFF], ids=hex)
@pytest.mark.parametrize("cable", [CABLE, None], ids=["cable", "no-cable"])
def test_a_switch_whose_packet_ins_have_no_cookie_cannot_be_served(cable: Any, cookie: int) -> None:
    """xDPd is known to do it (OpenFlow 1.3.5, section 7.4.1). By what it does not show nothing else is judged."""

    def without_cookie(message: bytes) -> list[bytes]:
        is_packet_in = message[1] == wire.OFPT_PACKET_IN
        return [message[:16] + cookie.to_bytes(8, "big") + message[24:] if is_packet_in else message]

    tested = TestedSwitch(cable)
    tested.answers = without_cookie
    findings = tested.examine()
    assert lacking(findings) == {C.PACKET_IN, C.TABLE_OUTPUT}
    assert verdicts(findings)["dispatched"] is verdicts(findings)["direct"] is Verdict.CANNOT_SERVE
    assert_nothing_is_left(tested)


HABITS: list[dict[str, Any]] = [
    {"flow_statistics_by_cookie": False},
    {"masks_cover": False},
    {"masks_cover": False, "flow_statistics_by_cookie": False},
    {"wraps_statistics": True},
    {"overlaps_itself": True},
    {"keeps_replaced": True},
    {"buffers": True},
    {"buffers": True, "obeys_miss_send_len": True},
    {"error_data": 8},
    {"error_data": 0},
    {"timeout_step": 10.0},
    {"full_meters": False},
    {"flow_mod_lag": 0.02},
    {"flow_mod_lag": 0.4},
]


@pytest.mark.parametrize("cable", [CABLE, None], ids=["cable", "no-cable"])
@pytest.mark.parametrize("habits", some(HABITS), ids=str)
def test_what_the_balancer_can_serve_is_no_lack(habits: dict[str, Any], cable: Any) -> None:
    """What CPqD's switch, Lagopus, older Open vSwitch and hardware are known to do (docs/switches.md)."""
    tested = TestedSwitch(cable, **habits)
    findings = tested.examine(fill=600)
    assert not lacking(findings), findings.outcomes
    assert set(verdicts(findings).values()) == {Verdict.WORKS}
    assert findings.left == 0
    assert_nothing_is_left(tested)


def test_over_a_cable_no_meter_drops_a_packet_out() -> None:
    """Open vSwitch 2.15.0 crashes then, with the userspace datapath."""
    tested = TestedSwitch(CABLE)
    metered: set[int] = set()
    run = tested.switch.datapath._run

    def watched(frame: bytes, in_port: int, now: float) -> None:
        if tested.switch.datapath.meters:
            metered.add(in_port)
        run(frame, in_port, now)

    tested.switch.datapath._run = watched  # type: ignore[method-assign]
    assert tested.examine().outcomes[C.METERS].result is Result.WORKS
    assert metered == {CABLE[1]}


def test_statistics_that_ignore_the_cookie_are_remarked() -> None:
    findings = TestedSwitch(flow_statistics_by_cookie=False).examine()
    assert "the cookie of the request is ignored" in findings.outcomes[C.FLOW_STATISTICS].detail


def test_checksums_that_are_not_corrected_leave_dispatched_mode_alone() -> None:
    """Dispatched mode rewrites Ethernet addresses only."""
    findings = TestedSwitch(CABLE, corrects_checksums=False).examine()
    assert lacking(findings) == {C.SET_IPV4_DST, C.SET_UDP_DST}
    assert findings.outcomes[C.SET_IPV4_DST].detail == "in a rule: a checksum of the packet is wrong"
    assert verdicts(findings)["dispatched"] is Verdict.WORKS
    assert verdicts(findings)["direct"] is Verdict.CANNOT_SERVE


@pytest.mark.parametrize("cable", [CABLE, None])
def test_a_switch_that_spoils_missing_checksums_is_usable_and_it_is_said(cable: Any) -> None:
    """CPqD's does. Few senders leave the UDP checksum out (RFC 768)."""
    findings = TestedSwitch(cable, spoils_missing_checksums=True).examine()
    assert not lacking(findings)
    assert "a UDP checksum of zero" in findings.outcomes[C.SET_IPV4_DST].detail
    assert not TestedSwitch(cable).examine().outcomes[C.SET_IPV4_DST].detail


def test_a_switch_that_takes_no_packet_from_the_controller_cannot_be_served() -> None:
    findings = TestedSwitch(CABLE, accepts_in_port_controller=False).examine()
    assert findings.outcomes[C.PACKET_OUT].result is Result.REJECTED
    assert not serves(findings)


def test_with_one_table_there_is_no_table_of_sessions_and_none_that_learns() -> None:
    findings = TestedSwitch(CABLE, tables=1).examine()
    assert lacking(findings) == {C.SESSION_TABLE, C.LEARNING_TABLES}
    assert verdicts(findings)["dispatched"] is Verdict.WORKS_WITHOUT


def test_a_field_that_cannot_be_matched_is_named() -> None:
    findings = TestedSwitch(rejected_matches=frozenset({ARP_OP})).examine()
    assert findings.outcomes[C.MATCHES].detail == "arp_op: OFPBMC_BAD_FIELD"
    assert not serves(findings)


def test_packets_may_begin_with_other_metadata_than_0() -> None:
    findings = TestedSwitch(CABLE, metadata=0xFFFFFFFFFFFFFFFF).examine()
    assert lacking(findings) == {C.METADATA}


@pytest.mark.parametrize("habit", ["rejected_matches", "ignored_matches"])
def test_metadata_may_be_rejected_or_ignored(habit: str) -> None:
    """It is 0 in table 0: the one rule that matches it is to match every packet."""
    findings = TestedSwitch(CABLE, **{habit: frozenset({METADATA})}).examine()
    assert lacking(findings) == {C.METADATA}
    assert verdicts(findings)["dispatched"] is Verdict.WORKS_WITHOUT


def test_a_switch_without_eth_src_can_neither_use_table_nor_be_served() -> None:
    findings = TestedSwitch(CABLE, rejected_sets=frozenset({ETH_SRC})).examine()
    assert lacking(findings) == {C.TABLE_OUTPUT, C.SET_ETH_SRC}
    assert not serves(findings)


def test_all_that_may_be_missing_is_missing_at_once() -> None:
    """One table, no bundles, no meters, no packet-out to TABLE, no FLOOD, no flow monitor, no roles, no NORMAL."""
    findings = TestedSwitch(
        CABLE,
        **{"tables": 1, "bundles": False, "meters": False, "output_to_table": False, "flood": False, "roles": False},
        **{"flow_monitor": False, "normal": "refused"},
    ).examine()
    assert verdicts(findings) == {
        "dispatched": Verdict.WORKS_WITHOUT,
        "direct": Verdict.WORKS_WITHOUT,
        "vlan": Verdict.WORKS,
        "normal": Verdict.CANNOT_SERVE,
        "learn": Verdict.WORKS_WITHOUT,
        "cluster": Verdict.CANNOT_SERVE,
    }


def test_a_make_that_is_known_to_ignore_normal_is_believed_no_further() -> None:
    """Without a cable, and without output to TABLE, nothing shows it."""
    findings = TestedSwitch(make="CPqD", output_to_table=False).examine()
    assert findings.outcomes[C.NORMAL].result is Result.IGNORED
    assert "make" in findings.outcomes[C.NORMAL].detail


def test_a_packet_out_to_the_controller_is_not_needed() -> None:
    findings = TestedSwitch(reflects=False).examine()
    assert not lacking(findings)
    assert "not to CONTROLLER" in findings.outcomes[C.PACKET_OUT].detail


def test_a_switch_that_answers_no_features_is_served_all_the_same() -> None:
    findings = TestedSwitch(CABLE, reports_features=False).examine()
    assert lacking(findings) == {C.TABLE_FEATURES, C.METER_FEATURES, C.GROUP_FEATURES}
    assert set(verdicts(findings).values()) == {Verdict.WORKS}


def test_without_a_port_that_is_up_nothing_is_said_about_normal() -> None:
    """A rule with NORMAL is accepted; that it drops the packets would be a guess."""
    for normal in ("works", "ignored"):
        tested = TestedSwitch(normal=normal)
        tested.switch.datapath.down.update(tested.switch.datapath.ports)
        findings = tested.examine()
        assert findings.outcomes[C.NORMAL].result is Result.ACCEPTED
        assert verdicts(findings)["normal"] is Verdict.NOT_KNOWN


def test_a_port_with_much_traffic_of_others_does_not_pass_for_normal() -> None:
    tested = TestedSwitch(normal="ignored")

    def send_more(message: bytes) -> list[bytes]:
        tested.switch.datapath.sent[1] = tested.switch.datapath.sent.get(1, 0) + 1000
        return [message]

    tested.answers = send_more
    assert tested.examine().outcomes[C.NORMAL].result is Result.IGNORED


def test_port_statistics_are_not_needed() -> None:
    findings = TestedSwitch(port_statistics=False).examine()
    assert findings.outcomes[C.NORMAL].result is Result.ACCEPTED
    assert findings.outcomes[C.FLOOD].result is Result.ACCEPTED


def test_a_loop_that_is_not_named_makes_no_storm() -> None:
    """Without --ports, NORMAL and FLOOD are tried all the same; the packets must not go round."""
    tested = TestedSwitch(CABLE)
    tested.bench.cable = None
    findings = tested.examine()
    assert not lacking(findings)
    assert max(tested.switch.datapath.sent.values()) < 500


@pytest.mark.parametrize("cable", [(7, 65279), None])
def test_port_numbers_may_have_gaps(cable: Any) -> None:
    findings = TestedSwitch(cable, {7: "te1/7", 4000: "ch40", 65279: "po255"}).examine()
    assert not lacking(findings)
    assert set(verdicts(findings).values()) == {Verdict.WORKS}


def test_an_unplugged_cable_is_said() -> None:
    tested = TestedSwitch()
    tested.bench.cable = CABLE
    findings = tested.examine()
    assert findings.outcomes[C.OUTPUT].result is Result.IGNORED
    assert "check the cable" in findings.outcomes[C.OUTPUT].detail


def test_the_rules_of_others_are_not_touched() -> None:
    """Also on a switch that ignores cookies, and with the same cookie."""
    for cookie in (0x151B7, 0x7E57):
        tested = TestedSwitch(CABLE, cookie_deletion=False)
        match, _ = read_match(b"\0\1\0\x0e\x80\0\x08\x06\x02\0\0\0\0\x07\0\0", 0)
        rule = Flow(7, match, cookie, 0, 0, 0, b"", None, None, (), 0.0, 0.0)
        tested.switch.put(0, rule)
        tested.switch.put(1, rule)
        tested.examine(fill=2000)
        assert [list(table) for table in tested.switch.datapath.tables[:2]] == [[rule], [rule]]


def test_what_to_configure_follows_from_what_is_missing() -> None:
    """It is a statement that the balancer reads."""
    statement = advice(TestedSwitch(CABLE, normal="ignored", max_flows=700).examine(fill=10_000), 0x51)
    assert statement == f"ip slb datapath {0x51:016x} switching learn max-rules 700"
    configuration, warnings = read_configuration(statement, "advice")
    assert not warnings
    assert configuration.datapaths[0x51] == Datapath(0x51, switching=Switching.LEARN, max_rules=700)
    assert not advice(TestedSwitch(CABLE).examine(fill=600), 0x51)
    useless = TestedSwitch(CABLE, normal="ignored", rejected_matches=frozenset({ARP_OP})).examine()
    assert not advice(useless, 0x51), "no statement makes a switch serve that lacks a match"


@pytest.mark.parametrize("parts", [2, 500])
def test_a_reply_may_come_in_many_parts_most_of_which_are_empty(parts: int) -> None:
    def split(message: bytes) -> list[bytes]:
        if message[1] != wire.OFPT_MULTIPART_REPLY or message[9] != wire.OFPMP_FLOW:
            return [message]
        *_, xid = wire.HEADER.unpack_from(message)
        return [flow_stats_reply(xid=xid, more=True)] * (parts - 1) + [message]

    tested = TestedSwitch(CABLE)
    tested.answers = split
    findings = tested.examine(fill=600)
    assert {outcome.result for outcome in findings.outcomes.values()} == {Result.WORKS}
    assert (findings.failure, findings.left, tested.remarks) == ("", 0, [])


def test_each_verdict_is_a_sentence() -> None:
    findings = TestedSwitch(bundles=False, push_vlan=False, make="CPqD", normal="ignored").examine()
    sentences = {each.mode.token: sentence(each) for each in judge(findings)}
    assert sentences["dispatched"] == "works without bundles (ONF EXT-230)"
    assert sentences["vlan"] == "cannot serve: lacks push of a VLAN tag"
