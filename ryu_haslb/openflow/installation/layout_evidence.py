"""The evidence of one connection that decides which layout its switch gets (:mod:`.layout_choice`)::

    description          requested when the switch has connected, with the sizes of its tables, meters and groups
    switch-test          on record, if the description is that of the switch that was tested
    port counters        read while the switch is served and nothing else shows whether NORMAL forwards
    error                for a packet-out to FLOOD: the switch has no such port

The standing rules that it rejects are evidence as well (:mod:`.standing_rejections`).
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.language.wording import printable, quoted
from ryu_haslb.openflow.capabilities.layout_choice import LayoutChoice
from ryu_haslb.openflow.capabilities.normal_check import NormalCheck
from ryu_haslb.openflow.capabilities.self_description import Reported, SelfDescription
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecord
from ryu_haslb.openflow.installation.weak_method import weak_method
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description

LOG = logging.getLogger(__name__)


class LayoutEvidence:
    """Collects the evidence in ``choice``. ``on_found()`` is called when another layout may fit."""

    def __init__(self, transport: SwitchChannel, switch: Switch, on_found: Callable[[], None]) -> None:
        self.choice = LayoutChoice(transport.tables, switch.record)
        self._transport = transport
        self._switch = switch
        self._on_found = on_found
        self._normal_check = NormalCheck(
            transport, transport.id, lambda: switch.admission.backlog.all_requests, weak_method(self._on_normal_seen)
        )
        self._description: Optional[SelfDescription] = None
        #: The record of another make or version that the log has named.
        self._unsuitable_record: Optional[SwitchRecord] = None

    def ask(self) -> None:
        """Ask the switch who made it, and what its tables, meters and groups have room for."""
        self._description = SelfDescription(self._transport, self._transport.id, weak_method(self._on_reported))

    def tick(self, now: float) -> None:
        """The switch is served: look at its counters, unless something else shows whether NORMAL forwards."""
        if self.choice.must_check_normal:
            self._normal_check.tick(now)

    def take_record(self) -> None:
        """The switch-test record of the switch was replaced or removed."""
        self.choice.record = self._switch.record
        self._switch.switching_source = self.choice.decision.source
        self._warn_of_unsuitable_record()
        self._on_found()

    def on_multipart_reply(self, xid: int, message: bytes) -> bool:
        """Handle a reply with counters, or with the description. False: another reply."""
        return self._normal_check.on_reply(xid, message) or (
            self._description is not None and self._description.on_reply(xid, message)
        )

    def on_error(self, xid: int, error: wire.Error) -> bool:
        """Handle an error about a packet-out to FLOOD, or a request of ours. False: another error."""
        return (
            self._on_flood_rejected(error)
            or self._normal_check.on_error(xid)
            or (self._description is not None and self._description.on_error(xid))
        )

    def _on_reported(self, reported: Reported) -> None:
        """The switch has reported something of itself; all of it before it is served, if it replies in order."""
        self._switch.on_reported(reported)
        self.choice.on_description(reported.description)
        self._warn_of_unsuitable_record()
        self._on_found()

    def _on_normal_seen(self, forwards: bool) -> None:
        """The counters of the switch's ports show whether it forwards what is output to NORMAL."""
        self._switch.normal_seen = self.choice.record_counters(forwards)
        self._switch.switching_source = self.choice.decision.source
        if not forwards:
            LOG.warning(
                "Switch %016x accepts output to NORMAL and drops the packets, as the counters of its ports show; it "
                "forwards by rules of ours from now on. 'ip slb datapath %016x switching learn' has it do so at once",
                *(self._transport.id, self._transport.id),
            )
        self._on_found()

    def _warn_of_unsuitable_record(self) -> None:
        record, found = self.choice.record, self._switch.reported.description
        is_described = found != Description()
        if record is not None and is_described and not record.is_of(found) and record is not self._unsuitable_record:
            self._unsuitable_record = record
            LOG.warning(
                "Switch %016x: the switch-test record %s is of another make or version (%s %s %s) and is ignored; test "
                "the switch again",
                *(self._transport.id, quoted(record.file), *map(printable, record[2:5])),
            )

    def _on_flood_rejected(self, error: wire.Error) -> bool:
        """The switch has no port FLOOD: flood to each port by itself. What was sent before is rejected as well."""
        was_unknown = self.choice.support.has_flood
        if not self.choice.rejects_flood(error):
            return False
        if was_unknown:
            self._on_found()
        return True
