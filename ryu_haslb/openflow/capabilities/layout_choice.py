"""Which layout one switch gets over one connection. Pure.

The first of these that is known decides how the switch forwards traffic that is not ours::

    configured    the configuration
    rejected      the switch rejects rules with output to NORMAL, alone or after one to CONTROLLER: learn
    switch_test   a test of the same switch is on record (:mod:`.switch_records`)
    make          its description names one that is known to ignore NORMAL: learn
    counters      the counters of its ports have shown it (:mod:`.normal_check`), while it had the same description
    default       normal
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from enum import Enum
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.capabilities.known_makes import (
    FORWARDS_NORMAL,
    IGNORES_NORMAL,
    MISCOUNTS_METERS,
    MISREADS_METADATA,
    is_of,
)
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecord
from ryu_haslb.openflow.flow_tables.layout import Layout, PipelineSupport, flood_to
from ryu_haslb.openflow.flow_tables.pipeline import PIPELINE, Action, Purpose, Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.packet import is_flood_packet_out

_BAD_OUT_PORT = (wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT)
_BAD_FLAGS = (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_BAD_FLAGS)
#: Errors that do not say what is rejected.
_UNSPECIFIC = (
    (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_UNKNOWN),
    (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_EPERM),
)
#: No such table, or none that rules continue in.
_BAD_TABLE = (
    (wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_BAD_TABLE_ID),
    (wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_UNKNOWN_INST),
    (wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_UNSUP_INST),
    (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_BAD_TABLE_ID),
)
#: The cookies of rules that have output to NORMAL, and of those that match the ingress port CONTROLLER.
_PASSING_COOKIES = frozenset(
    purpose.cookie for purpose, entry in PIPELINE.items() if entry.action in (Action.PASS, Action.PUNT_AND_PASS)
)
_RETURN_COOKIES = (Purpose.RETURN_TO_SESSION.cookie, Purpose.PUNT_SESSION_MISS.cookie)


class SwitchingSource(Enum):
    """What has decided how a switch forwards. The value is the token of ``show`` and JSON."""

    CONFIGURED = "configured"
    REJECTED = "rejected"
    SWITCH_TEST = "switch_test"
    MAKE = "make"
    COUNTERS = "counters"
    DEFAULT = "default"

    @property
    def text(self) -> str:
        """The reason as operators read it."""
        return _SOURCE_TEXTS[self]


_SOURCE_TEXTS = {
    SwitchingSource.CONFIGURED: "configured",
    SwitchingSource.REJECTED: "it rejects NORMAL",
    SwitchingSource.SWITCH_TEST: "switch-test on record",
    SwitchingSource.MAKE: "its make ignores NORMAL",
    SwitchingSource.COUNTERS: "counters of its ports",
    SwitchingSource.DEFAULT: "default",
}


class SwitchingDecision(NamedTuple):
    """How a switch is to forward, and what has decided it.

    ``forwards_normal``: whether output to NORMAL forwards; None if nothing shows it.
    """

    switching: Switching
    source: SwitchingSource
    forwards_normal: Optional[bool]


class NormalSeen(NamedTuple):
    """What the counters of a switch's ports have shown: whether NORMAL forwards. ``description`` is its digest."""

    description: int
    forwards: bool


class LayoutChoice:
    """What is known of one switch, as far as its layout follows from it.

    ``configured`` is the mode of the configuration, ``record`` what a test has found out, ``support`` what the switch
    supports as far as its rejections show, ``has_accepted`` whether it has accepted standing rules, and ``seen`` what
    counters have shown.
    """

    def __init__(self, tables: int, record: Optional[SwitchRecord] = None) -> None:
        self.configured: Optional[Switching] = None
        self.record = record
        self.seen: Optional[NormalSeen] = None
        self.support = PipelineSupport(tables)
        self.has_accepted = False
        self._rejects_normal = False
        self._description = Description()

    def on_description(self, description: Description) -> None:
        """The switch has said who made it."""
        self._description = description
        if is_of(description, MISREADS_METADATA):
            self.support = replace(self.support, has_metadata=False)

    @property
    def decision(self) -> SwitchingDecision:
        """How the switch is to forward, and what has decided it."""
        source, forwards_normal = self._evidence()
        if self.configured is not None:
            return SwitchingDecision(self.configured, SwitchingSource.CONFIGURED, forwards_normal)
        switching = Switching.LEARN if forwards_normal is False else Switching.NORMAL
        return SwitchingDecision(switching, source, forwards_normal)

    def _evidence(self) -> tuple[SwitchingSource, Optional[bool]]:
        """What shows whether output to NORMAL forwards, and whether it does; None if nothing shows it."""
        if self._rejects_normal:
            return SwitchingSource.REJECTED, False
        record = self._valid_record
        if record is not None and record.forwards_normal is not None:
            return SwitchingSource.SWITCH_TEST, record.forwards_normal
        if is_of(self._description, IGNORES_NORMAL):
            return SwitchingSource.MAKE, False
        if self.seen is not None and self.seen.description == self._description.digest:
            return SwitchingSource.COUNTERS, self.seen.forwards
        return SwitchingSource.DEFAULT, None

    @property
    def _valid_record(self) -> Optional[SwitchRecord]:
        """The test on record, if it is of a switch with this description."""
        return self.record if self.record is not None and self.record.is_of(self._description) else None

    @property
    def uses_meters(self) -> bool:
        """Whether meters are better than none, by a test on record, or else by the make."""
        record = self._valid_record
        if record is not None and record.has_meters is not None:
            return record.has_meters
        return not is_of(self._description, MISCOUNTS_METERS)

    @property
    def to_remember(self) -> Optional[int]:
        """The digest of the description of a switch that learns because its counters have shown that it ignores NORMAL.

        The next run is to know it.
        """
        is_seen = self.decision.source is SwitchingSource.COUNTERS and self.decision.switching is Switching.LEARN
        return self._description.digest if is_seen else None

    @property
    def must_check_normal(self) -> bool:
        """Whether nothing shows what becomes of packets that are output to NORMAL."""
        is_default = self.configured is None and self.decision.source is SwitchingSource.DEFAULT
        return is_default and not is_of(self._description, FORWARDS_NORMAL)

    def record_counters(self, forwards: bool) -> NormalSeen:
        """The counters of the ports show whether NORMAL forwards."""
        self.seen = NormalSeen(self._description.digest, forwards)
        return self.seen

    def on_rejected(self, error: wire.Error) -> bool:
        """The switch has rejected the standing rules. True when it may accept those of another layout."""
        switching = self.decision.switching
        if self._may_reject_normal(error) and switching is Switching.NORMAL and self.configured is None:
            self._rejects_normal = True
            return True
        if error.type == wire.OFPET_BAD_ACTION and switching is Switching.LEARN and self.support.has_flood:
            self.support = replace(self.support, has_flood=False)
            return True
        return self._on_other_rejected(error)

    def _on_other_rejected(self, error: wire.Error) -> bool:
        """The rejection was not for an action. True when the switch may accept the rules of another layout."""
        support = self.support
        if self._may_reject_return(error) and support.returns_to_sessions:
            self.support = replace(support, returns_to_sessions=False)
        elif (error.type, error.code) == _BAD_FLAGS and support.has_flags:
            self.support = replace(support, has_flags=False)
        elif error.table == Table.SESSIONS and support.has_session_table and not error.is_table_full:
            self.support = replace(support, has_session_table=False)
        elif (error.type, error.code) in _BAD_TABLE and support.tables > 1:
            fewer = Table.DESTINATIONS.value if support.tables > Table.DESTINATIONS else 1
            self.support = replace(support, tables=fewer)
        else:
            return False
        return True

    def _may_reject_normal(self, error: wire.Error) -> bool:
        """Whether rules may be rejected because of output to NORMAL, alone or behind output to CONTROLLER.

        Output to CONTROLLER cannot be the reason: no layout does without. Some switches do not say what they reject.
        """
        if error.type == wire.OFPET_BAD_ACTION:
            return True
        is_unspecific = (error.type, error.code) in _UNSPECIFIC
        return is_unspecific and not self.has_accepted and error.cookie in (*_PASSING_COOKIES, None)

    def _may_reject_return(self, error: wire.Error) -> bool:
        """Whether rules may be rejected because they match the ingress port CONTROLLER. Some errors name no rule."""
        return error.type == wire.OFPET_BAD_MATCH and error.cookie in (*_RETURN_COOKIES, None)

    def rejects_metadata(self, error: wire.Error) -> bool:
        """Whether the switch may reject the rule for everything else because it alone matches metadata.

        An error that does not name the reason counts only if other rules with output to NORMAL were accepted.
        """
        is_unspecific = (error.type, error.code) in _UNSPECIFIC and self.has_accepted
        if error.type != wire.OFPET_BAD_MATCH and not is_unspecific:
            return False
        self.support = replace(self.support, has_metadata=False)
        return True

    def rejects_flood(self, error: wire.Error) -> bool:
        """Whether the switch rejects a packet-out because it has no port FLOOD."""
        if (error.type, error.code) != _BAD_OUT_PORT or not is_flood_packet_out(error.data):
            return False
        self.support = replace(self.support, has_flood=False)
        return True

    def layout(self, ports: Collection[int]) -> Layout:
        """The layout of a switch that has these ports."""
        layout = Layout(self.decision.switching, self.support)
        return layout if self.support.has_flood else replace(layout, flood=flood_to(ports))
