"""Which layout one switch gets over one connection: by configuration, by its make, or by what it rejects. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.layout import Layout, flood_to
from ryu_haslb.openflow.pipeline import Table
from ryu_haslb.openflow.wire_description import Description

#: Words in the descriptions of switches that accept rules with output to NORMAL and drop the packets: CPqD's software
#: switch (BOFUSS, ofsoftswitch13), whose description also stands in switches made from it, and Lagopus.
IGNORES_NORMAL = ("cpqd", "bofuss", "ofsoftswitch", "openflow 1.3 reference userspace switch", "lagopus")

_FLOOD = wire.OFPP_FLOOD.to_bytes(4, "big")
_BAD_OUT_PORT = (wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT)
_BAD_TABLE = (
    (wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_BAD_TABLE_ID),
    (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_BAD_TABLE_ID),
)


class LayoutChoice:
    """What is known for it. ``configured`` is the mode of the configuration, ``tables`` the number of tables."""

    def __init__(self, tables: int, configured: Optional[Switching]) -> None:
        self.configured = configured
        self.tables = tables
        self.floods_by_ports = False
        self.lacks_normal = False

    def on_description(self, description: Description) -> None:
        """The switch has said who made it."""
        words = " ".join(description).lower()
        if any(make in words for make in IGNORES_NORMAL):
            self.lacks_normal = True

    def on_rejected(self, error: wire.Error) -> bool:
        """The switch has rejected the standing rules. True when it may accept those of another layout."""
        code = error.type, error.code
        if code == _BAD_OUT_PORT and self.switching is Switching.NORMAL and self.configured is None:
            self.lacks_normal = True
            return True
        if code == _BAD_OUT_PORT and self.switching is Switching.LEARN and not self.floods_by_ports:
            self.floods_by_ports = True
            return True
        if code in _BAD_TABLE and self.tables > 1:
            self.tables = Table.DESTINATIONS.value if self.tables > Table.DESTINATIONS else 1
            return True
        return False

    def rejects_flood(self, error: wire.Error) -> bool:
        """Whether the switch rejects a packet-out because it has no port FLOOD."""
        is_flood = _FLOOD in error.data[24:]
        if (
            (error.type, error.code) != _BAD_OUT_PORT
            or error.data[1:2] != bytes([wire.OFPT_PACKET_OUT])
            or not is_flood
        ):
            return False
        self.floods_by_ports = True
        return True

    @property
    def switching(self) -> Switching:
        """How the switch is to forward what is not ours."""
        return self.configured or (Switching.LEARN if self.lacks_normal else Switching.NORMAL)

    def layout(self, ports: Collection[int]) -> Layout:
        """The layout of a switch that has these ports."""
        if self.floods_by_ports:
            return Layout(self.switching, self.tables, flood_to(ports))
        return Layout(self.switching, self.tables)
