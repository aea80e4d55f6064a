"""ONF's flow monitor for OpenFlow 1.3 (EXT-187): a switch reports the changes of a flow table as they happen.

The numbers are those of Open vSwitch 3.1; the tests have its bytes. A request opens a monitor. Its reply has the rules
that are there, if that was asked for, and further replies, with the transaction id 0, have the changes. When the switch
has too much to send, it reports no more additions and modifications, and says so (*paused*); it then reports what has
been added or modified meanwhile, and says that it goes on (*resumed*).

The id of a monitor must be new on its connection: Open vSwitch 3.1 answers an id that is in use with bytes that are no
OpenFlow message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from ryu_haslb.openflow.wire.flow_mod import MATCH_ALL, ONF_EXPERIMENTER_ID
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.wire import (
    OFP_VERSION,
    OFPMP_EXPERIMENTER,
    OFPP_ANY,
    OFPT_EXPERIMENTER,
    OFPT_MULTIPART_REQUEST,
    MalformedMessage,
)

ONFMP_FLOW_MONITOR = 1870
ONF_ET_FLOW_MONITOR_CANCEL = 1870
ONF_ET_FLOW_MONITOR_PAUSED = 1871
ONF_ET_FLOW_MONITOR_RESUMED = 1872
ONFFMF_INITIAL = 1 << 0
ONFFMF_ADD = 1 << 1
ONFFMF_DELETE = 1 << 2
ONFFMF_MODIFY = 1 << 3
ONFFMF_ACTIONS = 1 << 4
ONFFME_ADDED = 0
ONFFME_DELETED = 1
ONFFME_MODIFIED = 2
ONFFME_ABBREV = 3

_REQUEST = Struct("!BBHIHH4xIIIHHIB3x")
_REPLY = Struct("!8xH6xII")
_UPDATE = Struct("!HH2xH4xHBxQ")
_HEAD = Struct("!HH")
_ABBREV_LENGTH = 8
_CANCEL = Struct("!BBHIIII")
_NOTICE = Struct("!8xII")
_MATCH_HEADER = 4
_LENGTH = Struct("!2xH")


class FlowUpdate(NamedTuple):
    """A change of one rule: ``event`` is ONFFME_ADDED, ONFFME_DELETED or ONFFME_MODIFIED."""

    event: int
    rule: FlowStats


def flow_monitor_request(xid: int, monitor: int, table: int, flags: int) -> bytes:
    """Ask for the changes of all rules of a table; ``flags`` are ONFFMF_…."""
    length = _REQUEST.size + len(MATCH_ALL)
    match_length = len(MATCH_ALL) - 4  # without padding
    return (
        _REQUEST.pack(
            *(OFP_VERSION, OFPT_MULTIPART_REQUEST, length, xid, OFPMP_EXPERIMENTER, 0),
            *(ONF_EXPERIMENTER_ID, ONFMP_FLOW_MONITOR, monitor, flags, match_length, OFPP_ANY, table),
        )
        + MATCH_ALL
    )


def flow_monitor_cancel(xid: int, monitor: int) -> bytes:
    """End a monitor."""
    kind = ONF_ET_FLOW_MONITOR_CANCEL
    return _CANCEL.pack(OFP_VERSION, OFPT_EXPERIMENTER, _CANCEL.size, xid, ONF_EXPERIMENTER_ID, kind, monitor)


def is_flow_monitor_reply(message: bytes) -> bool:
    """Whether a multipart reply is one of a flow monitor."""
    if len(message) < _REPLY.size:
        return False
    return bool(_REPLY.unpack_from(message) == (OFPMP_EXPERIMENTER, ONF_EXPERIMENTER_ID, ONFMP_FLOW_MONITOR))


def flow_updates(message: bytes) -> Iterator[FlowUpdate]:
    """The changes in one reply of a flow monitor.

    Abbreviated updates are left out: they stand for changes that were made over this connection.

    Raises:
        MalformedMessage: a length inside of the message does not fit, or an event is unknown.
    """
    offset, end = _REPLY.size, len(message)
    while offset < end:
        if end - offset < _ABBREV_LENGTH:
            raise MalformedMessage(f"flow update at byte {offset}: {end - offset} bytes are left, expected 8 or more")
        length, event = _HEAD.unpack_from(message, offset)
        if length % 8 or not _ABBREV_LENGTH <= length <= end - offset:
            raise MalformedMessage(f"flow update at byte {offset}: a length of {length} does not fit")
        if event == ONFFME_ABBREV:
            if length != _ABBREV_LENGTH:
                raise MalformedMessage(f"flow update at byte {offset}: a length of {length}, expected 8")
        elif event > ONFFME_ABBREV:
            raise MalformedMessage(f"flow update at byte {offset}: event {event}, expected 0 to 3")
        else:
            yield _full_update(message, offset, length, event)
        offset += length


def _full_update(message: bytes, offset: int, length: int, event: int) -> FlowUpdate:
    fields = offset + _UPDATE.size + _MATCH_HEADER
    end = offset + length
    if fields > end:
        raise MalformedMessage(f"flow update at byte {offset}: a length of {length}, expected 28 or more")
    _, _, priority, match_length, table, cookie = _UPDATE.unpack_from(message, offset)
    instructions = fields - _MATCH_HEADER + (match_length + 7 & ~7)
    (inner_length,) = _LENGTH.unpack_from(message, fields - _MATCH_HEADER)
    if match_length < _MATCH_HEADER or instructions > end or inner_length != match_length:
        raise MalformedMessage(f"flow update at byte {offset}: a match of {match_length} bytes does not fit")
    match = message[fields : fields + match_length - _MATCH_HEADER]
    return FlowUpdate(event, FlowStats(table, priority, cookie, match, message[instructions:end]))


def read_monitor_notice(message: bytes) -> int:
    """ONF_ET_FLOW_MONITOR_PAUSED or …_RESUMED if an experimenter message is one of them, else 0."""
    try:
        experimenter, kind = _NOTICE.unpack_from(message)
    except struct.error:
        return 0
    is_notice = kind in (ONF_ET_FLOW_MONITOR_PAUSED, ONF_ET_FLOW_MONITOR_RESUMED)
    return int(kind) if experimenter == ONF_EXPERIMENTER_ID and is_notice else 0
