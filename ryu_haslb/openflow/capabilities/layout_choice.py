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
from enum import Enum
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.capabilities.known_makes import (
    FORWARDS_NORMAL,
    IGNORES_NORMAL,
    MISREADS_METADATA,
    is_of,
)
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecord
from ryu_haslb.openflow.flow_tables.layout import Layout, flood_to
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.packet import is_flood_packet_out

_BAD_OUT_PORT = (wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT)
#: Errors about actions that the switch takes one by one, but not together: some hardware takes one output in a rule.
_BAD_COMBINATION = (
    (wire.OFPET_BAD_ACTION, wire.OFPBAC_TOO_MANY),
    (wire.OFPET_BAD_ACTION, wire.OFPBAC_UNSUPPORTED_ORDER),
)
_BAD_TABLE = (
    (wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_BAD_TABLE_ID),
    (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_BAD_TABLE_ID),
)


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
        """The same for the operator."""
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
    """What is known for it.

    ``configured`` is the mode of the configuration, ``tables`` the number of tables, ``record`` what a test has found
    out, ``has_session_table`` whether table 1 takes rules, ``has_metadata`` whether rules may match metadata, and
    ``seen`` what counters have shown.
    """

    def __init__(self, tables: int, record: Optional[SwitchRecord] = None) -> None:
        self.configured: Optional[Switching] = None
        self.record = record
        self.seen: Optional[NormalSeen] = None
        self.tables = tables
        self.floods_by_ports = False
        self.has_session_table = True
        self.has_metadata = True
        self._rejects_normal = False
        self._description = Description()

    def on_description(self, description: Description) -> None:
        """The switch has said who made it."""
        self._description = description
        self.has_metadata = self.has_metadata and not is_of(description, MISREADS_METADATA)

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
        record = self.record
        if record is not None and record.is_of(self._description) and record.forwards_normal is not None:
            return SwitchingSource.SWITCH_TEST, record.forwards_normal
        if is_of(self._description, IGNORES_NORMAL):
            return SwitchingSource.MAKE, False
        if self.seen is not None and self.seen.description == self._description.digest:
            return SwitchingSource.COUNTERS, self.seen.forwards
        return SwitchingSource.DEFAULT, None

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

    def see(self, forwards: bool) -> NormalSeen:
        """The counters of the ports show whether NORMAL forwards."""
        self.seen = NormalSeen(self._description.digest, forwards)
        return self.seen

    def on_rejected(self, error: wire.Error) -> bool:
        """The switch has rejected the standing rules. True when it may accept those of another layout."""
        code, switching = (error.type, error.code), self.decision.switching
        may_be_normal = code == _BAD_OUT_PORT or code in _BAD_COMBINATION
        if may_be_normal and switching is Switching.NORMAL and self.configured is None:
            self._rejects_normal = True
            return True
        if code == _BAD_OUT_PORT and switching is Switching.LEARN and not self.floods_by_ports:
            self.floods_by_ports = True
            return True
        if error.table == Table.SESSIONS and self.has_session_table and not error.is_table_full:
            self.has_session_table = False
            return True
        if code in _BAD_TABLE and self.tables > 1:
            self.tables = Table.DESTINATIONS.value if self.tables > Table.DESTINATIONS else 1
            return True
        return False

    def rejects_metadata(self, error: wire.Error) -> bool:
        """Whether the switch rejects the rule for everything else, the only one with metadata, for its match."""
        if error.type != wire.OFPET_BAD_MATCH:
            return False
        self.has_metadata = False
        return True

    def rejects_flood(self, error: wire.Error) -> bool:
        """Whether the switch rejects a packet-out because it has no port FLOOD."""
        if (error.type, error.code) != _BAD_OUT_PORT or not is_flood_packet_out(error.data):
            return False
        self.floods_by_ports = True
        return True

    def layout(self, ports: Collection[int]) -> Layout:
        """The layout of a switch that has these ports."""
        switching = self.decision.switching
        flood = flood_to(ports) if self.floods_by_ports else Layout().flood
        return Layout(switching, self.tables, flood, self.has_session_table, self.has_metadata)
