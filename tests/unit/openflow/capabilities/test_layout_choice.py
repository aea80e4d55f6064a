"""Which layout a switch gets: by its make, by the configuration, and by what it rejects."""

from __future__ import annotations

from typing import Optional

import pytest

from ryu_haslb.configuration.model import Switching
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.capabilities.layout_choice import LayoutChoice
from ryu_haslb.openflow.flow_tables.layout import Layout, PipelineSupport
from ryu_haslb.openflow.flow_tables.pipeline import PIPELINE, Purpose, Rule
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.flow_mod import FlowMod

REJECTED_PORT = wire.Error(wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT, b"")
REJECTED_TABLE = wire.Error(wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_BAD_TABLE_ID, b"")
UNKNOWN = (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_UNKNOWN)


def rejection(code: tuple[int, int], purpose: Optional[Purpose]) -> wire.Error:
    """An error about the rule of a purpose; without one the switch does not say about which."""
    flow_mod = b"" if purpose is None else FlowMod(wire.OFPFC_ADD, PIPELINE[purpose].table, purpose.cookie).pack(1)
    return wire.Error(*code, flow_mod)


@pytest.mark.parametrize(
    ("description", "switching"),
    [
        (Description("Stanford University, Ericsson Research and CPqD Research"), Switching.LEARN),
        (Description("Lagopus project"), Switching.LEARN),
        (Description("Nicira, Inc.", "Open vSwitch", "3.1.0"), Switching.NORMAL),
        (Description(), Switching.NORMAL),
    ],
)
def test_switches_that_are_known_to_ignore_normal_get_the_learning_table(
    description: Description, switching: Switching
) -> None:
    choice = LayoutChoice(64)
    choice.on_description(description)
    assert choice.layout(()).switching is switching
    choice.configured = Switching.NORMAL
    assert choice.layout(()).switching is Switching.NORMAL, "the configuration decides"


def test_what_a_switch_rejects_leads_to_the_next_layout_until_none_is_left() -> None:
    choice = LayoutChoice(64)
    found = []
    while choice.on_rejected(REJECTED_PORT):
        found.append(choice.layout((1, 2, wire.OFPP_CONTROLLER)))
    flooding = Layout(Switching.LEARN, PipelineSupport(64, has_flood=False), wire.output(1) + wire.output(2))
    assert found == [Layout(Switching.LEARN, PipelineSupport(64)), flooding]
    assert choice.on_rejected(REJECTED_TABLE)
    assert not choice.layout(()).is_learning
    assert choice.on_rejected(REJECTED_TABLE)
    assert not choice.layout(()).support.has_sessions
    assert not choice.on_rejected(REJECTED_TABLE)


def test_a_rejected_match_of_metadata_leads_to_a_layout_without() -> None:
    choice = LayoutChoice(64)
    rejected = rejection((wire.OFPET_BAD_MATCH, 6), Purpose.PASS_OTHER)
    assert not choice.on_rejected(rejected), "the other rules do not match it"
    assert choice.rejects_metadata(rejected)
    assert choice.layout(()) == Layout(support=PipelineSupport(64, has_metadata=False))


def test_a_rejection_without_a_reason_is_one_of_metadata_where_output_to_normal_was_accepted() -> None:
    """OFPFMFC_UNKNOWN (OpenFlow 1.3.5, section 7.4.4): some switches say it of all that they cannot do."""
    choice = LayoutChoice(64)
    rejected = rejection(UNKNOWN, Purpose.PASS_OTHER)
    assert not choice.rejects_metadata(rejected)
    choice.has_accepted = True
    overlap = rejection((wire.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_OVERLAP), Purpose.PASS_OTHER)
    assert not choice.rejects_metadata(overlap), "others have a table-miss rule"
    assert choice.rejects_metadata(rejected)


def test_a_rejection_without_a_reason_is_one_of_normal_before_it_was_accepted() -> None:
    choice = LayoutChoice(64)
    choice.has_accepted = True
    assert not choice.on_rejected(rejection(UNKNOWN, Purpose.PASS_DISPATCHED)), "it was accepted before"
    choice.has_accepted = False
    assert not choice.on_rejected(rejection(UNKNOWN, Purpose.PUNT_REQUEST)), "it does not output to NORMAL"
    assert choice.on_rejected(rejection(UNKNOWN, Purpose.PASS_DISPATCHED))
    assert choice.layout(()).switching is Switching.LEARN


@pytest.mark.parametrize("code", [0, 4, 5, 6, 7, 11, 16])
def test_every_error_about_actions_is_one_about_normal(code: int) -> None:
    """OFPET_BAD_ACTION: beside it rules output to CONTROLLER only, which is needed anyway."""
    choice = LayoutChoice(64)
    assert choice.on_rejected(wire.Error(wire.OFPET_BAD_ACTION, code, b""))
    assert choice.layout(()).switching is Switching.LEARN


@pytest.mark.parametrize("purpose", [Purpose.RETURN_TO_SESSION, Purpose.PUNT_SESSION_MISS, None])
def test_a_switch_that_does_not_match_the_ingress_port_controller_has_session_rules_all_the_same(
    purpose: Optional[Purpose],
) -> None:
    choice = LayoutChoice(64)
    rejected = rejection((wire.OFPET_BAD_MATCH, 7), purpose)
    assert choice.on_rejected(rejected)
    layout = choice.layout(())
    assert layout.support.has_sessions
    rules = [Rule(each) for each in (Purpose.RETURN_TO_SESSION, Purpose.PUNT_SESSION_MISS, Purpose.PUNT_REQUEST)]
    assert [rule.purpose for rule in layout.fit(rules)] == [Purpose.PUNT_REQUEST]


def test_a_switch_whose_packets_may_begin_with_other_metadata_gets_a_layout_without() -> None:
    choice = LayoutChoice(64)
    choice.on_description(Description("Stanford University, Ericsson Research and CPqD Research"))
    assert not choice.layout(()).support.has_metadata


def test_a_switch_without_flood_and_with_gaps_in_its_port_numbers_is_flooded_port_by_port() -> None:
    choice = LayoutChoice(64)
    choice.configured = Switching.LEARN
    assert choice.on_rejected(REJECTED_PORT)
    flood = b"".join(map(wire.output, (7, 4000, 65279, 0xFFFFFEFF)))
    assert choice.layout([4000, 0xFFFFFEFF, 7, wire.OFPP_LOCAL, 65279]).flood == flood
