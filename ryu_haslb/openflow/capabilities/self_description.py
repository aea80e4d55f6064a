"""What a switch reports of itself: who made it, the size of its tables, how many meters and groups.

All is asked for at once when a switch has connected, and nothing waits for it: a switch that rejects a request, or does
not reply, is served as one that is not known. Nothing here is proof: a switch may report what it does not have.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Callable, Optional

from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire.description import Description, description_request, read_description
from ryu_haslb.openflow.wire.features import (
    OFPMP_GROUP_FEATURES,
    OFPMP_METER_FEATURES,
    OFPMP_TABLE_FEATURES,
    features_request,
    max_groups,
    max_meters,
    table_features,
)
from ryu_haslb.openflow.wire.multipart import has_more
from ryu_haslb.openflow.wire.wire import MalformedMessage

LOG = logging.getLogger(__name__)


@dataclass
class Reported:
    """``table_sizes`` are the entries that each table has room for, by its number; None is what is not reported."""

    description: Description = field(default_factory=Description)
    table_sizes: dict[int, int] = field(default_factory=dict)
    max_meters: Optional[int] = None
    max_groups: Optional[int] = None


class SelfDescription:
    """Asks one switch over one connection. ``on_reported`` is called with each reply that is complete."""

    def __init__(self, channel: Channel, datapath_id: int, on_reported: Callable[[Reported], None]) -> None:
        self.reported = Reported()
        self._datapath_id = datapath_id
        self._on_reported = on_reported
        self._readers: dict[int, Callable[[SelfDescription, bytes], None]] = {}
        requests = b""
        for request, read in (
            (description_request, SelfDescription._read_description),
            (lambda xid: features_request(xid, OFPMP_TABLE_FEATURES), SelfDescription._read_tables),
            (lambda xid: features_request(xid, OFPMP_METER_FEATURES), SelfDescription._read_meters),
            (lambda xid: features_request(xid, OFPMP_GROUP_FEATURES), SelfDescription._read_groups),
        ):
            xid = channel.next_xid()
            self._readers[xid] = read
            requests += request(xid)
        channel.transmit(requests)

    def on_reply(self, xid: int, message: bytes) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        read = self._readers.get(xid)
        if read is None:
            return False
        try:
            is_last = not has_more(message)
            read(self, message)
        except MalformedMessage as error:
            LOG.warning("Switch %016x: malformed description or features reply (%s); ignored", self._datapath_id, error)
            del self._readers[xid]
            return True
        if is_last:
            del self._readers[xid]
            self._on_reported(self.reported)
        return True

    def on_error(self, xid: int) -> bool:
        """The switch rejects a request. False when it is another one."""
        return self._readers.pop(xid, None) is not None

    def _read_description(self, message: bytes) -> None:
        self.reported.description = read_description(message)

    def _read_tables(self, message: bytes) -> None:
        self.reported.table_sizes.update(table_features(message))

    def _read_meters(self, message: bytes) -> None:
        self.reported.max_meters = max_meters(message)

    def _read_groups(self, message: bytes) -> None:
        self.reported.max_groups = max_groups(message)
