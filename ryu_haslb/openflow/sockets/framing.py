"""Where a multipart reply ends whose sender has put more into it than its length field can say. Pure.

The length of an OpenFlow message has 16 bits, and a reply with more rows than fit is sent in parts (OpenFlow 1.3.5,
section 7.3.5). CPqD's switch (BOFUSS) sends the statistics of all its flows in one message instead: the length field
has the lowest 16 bits of the length, from some 400 session rules on. A reader that goes by it takes the rest for
further messages, and closes the connection.

The rows show the end: each has its own length. The declared end is wrong if a row reaches beyond it, and what follows
it is no OpenFlow header; the true end is a multiple of 64 kB behind it::

    header  row  row  row  ro|w  row  row  row
                             '-- declared end: in the middle of a row
                                                '-- 64 kB behind it: between two rows
"""

from __future__ import annotations

from struct import Struct

from ryu_haslb.openflow.wire import HEADER, OFP_VERSION, OFPMP_FLOW, OFPT_METER_MOD

#: Bytes of a reply at most: 100,000 session rules.
MAX_REPLY = 1 << 24
#: What the length field leaves out.
_WRAP = 1 << 16
_MULTIPART = Struct("!8xHH4x")
_ROW_LENGTH = Struct("!H")
#: Bytes of a row without match fields and instructions (OpenFlow 1.3.5, section 7.3.5.2).
_MIN_ROW = 56


class ReplyFraming:
    """Finds the ends of the multipart replies of one connection.

    A reply that has arrived in part is asked for again with more bytes: the rows before are not read again.
    """

    def __init__(self) -> None:
        #: How far the rows of the reply that has arrived in part were read, and where it may end; 0 if there is none.
        self._place = self._end = 0

    def length(self, data: bytes, offset: int, declared: int) -> int:
        """Bytes of the reply at ``offset``; more than there are in ``data`` means that the rest must be awaited.

        ``declared`` is the length in its header. It stands for every reply whose rows fit.
        """
        available = len(data) - offset
        if not self._end:
            if available < max(declared, _MULTIPART.size):
                return declared
            kind, flags = _MULTIPART.unpack_from(data, offset)
            if kind != OFPMP_FLOW or flags:
                return declared
            self._place, self._end = _MULTIPART.size, declared
        length = self._read_rows(data, offset, declared)
        if length <= available:
            self._place = self._end = 0
        return length

    def _read_rows(self, data: bytes, offset: int, declared: int) -> int:
        """Read the rows that have arrived, and return the length."""
        place, end = self._place, self._end
        try:
            while place != end or _is_row(data, offset + place):
                if place >= end:
                    if place > end == declared and len(data) < offset + end + HEADER.size:
                        return end + HEADER.size  # what follows shows whether the row or the length is wrong
                    if place > end == declared and _is_header(data, offset + end):
                        return declared  # a row with a wrong length, and the next message behind it
                    end += _WRAP
                if end > MAX_REPLY:
                    return declared
                if offset + place + _ROW_LENGTH.size > len(data):
                    break
                (row,) = _ROW_LENGTH.unpack_from(data, offset + place)
                if row < _MIN_ROW or row % 8:
                    return declared  # its reader finds that out
                place += row
            return end
        finally:
            self._place, self._end = place, end


def _is_row(data: bytes, place: int) -> bool:
    """Whether a row follows, and not a message: no version of OpenFlow is 0."""
    return data[place : place + 1] == b"\0"


def _is_header(data: bytes, place: int) -> bool:
    """Whether a message may begin here."""
    version, kind, length, _ = HEADER.unpack_from(data, place)
    return bool(version == OFP_VERSION and kind <= OFPT_METER_MOD and length >= HEADER.size)
