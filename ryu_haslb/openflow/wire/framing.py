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

Such a reply is made one in parts as it arrives (OFPMPF_REPLY_MORE): a peer may go on for ever, and to read the rows of
16 MB in one piece takes seconds::

    header, more  row  row  row |  header, more  row  row |  header  row
"""

from __future__ import annotations

from struct import Struct

from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.openflow.wire.wire import HEADER, OFP_VERSION, OFPMP_FLOW, OFPMPF_REPLY_MORE, OFPT_METER_MOD

#: What the length field leaves out.
_WRAP = 1 << 16
#: Bytes of rows after which a further part begins.
_MAX_PART = 1 << 15
_MULTIPART = Struct("!8xHH4x")
_FLAGS = slice(10, 12)
_ROW_LENGTH = Struct("!H")
#: Bytes of a row without match fields and instructions (OpenFlow 1.3.5, section 7.3.5.2).
_MIN_ROW = 56


class ReplyFraming:
    """Finds the ends of the multipart replies of one connection.

    A reply that has arrived in part is asked for again with more bytes: the rows before are not read again.
    """

    def __init__(self) -> None:
        #: How far the rows of the reply that has arrived in part were read, where the last one begins, and where the
        #: reply may end; 0 if there is none. Within a reply they count from its last part.
        self._place = self._row = self._end = 0
        #: The header of the reply of which further parts follow.
        self._head = b""

    @property
    def is_within(self) -> bool:
        """Whether the rest of a reply follows, without a header."""
        return bool(self._head)

    def next(self, data: bytes, offset: int, declared: int) -> tuple[bytes, int]:
        """A part of a reply at ``offset``, and the number of its bytes there; more than there are must be awaited.

        The part is empty for a reply that comes as a whole. ``declared`` is the length in its header. It stands for
        every reply whose rows fit.

        Raises:
            ProtocolError: a row has a length that none has.
        """
        return self._further(data, offset) if self._head else self._first(data, offset, declared)

    def _first(self, data: bytes, offset: int, declared: int) -> tuple[bytes, int]:
        length = self._length(data, offset, declared)
        if offset + length > len(data):
            return b"", length
        self._place = self._row = 0
        if not self._head:
            self._end = 0
            return b"", length
        self._end -= length
        return self._head + data[offset + len(self._head) : offset + length], length

    def _further(self, data: bytes, offset: int) -> tuple[bytes, int]:
        self._place = 0
        while self._place < _MAX_PART and not self._is_end(data, offset):
            if self._place >= self._end:
                self._end += _WRAP
            length = _row_length(data, offset + self._place)
            if not length:
                raise ProtocolError(
                    f"a flow-stats reply with a row at byte {self._place} of a length that does not fit"
                )
            if offset + self._place + length > len(data):
                break
            self._place += length
        length, is_last = self._place, self._is_end(data, offset)
        if not length:
            return b"", len(data) - offset + 1
        head = self._head
        self._end -= length
        if is_last:
            self._place = self._end = 0
            self._head, head = b"", head[: _FLAGS.start] + bytes(2) + head[_FLAGS.stop :]
        return head + data[offset : offset + length], length

    def _is_end(self, data: bytes, offset: int) -> bool:
        return self._place == self._end and not _is_row(data, offset + self._place)

    def _length(self, data: bytes, offset: int, declared: int) -> int:
        """The bytes of the reply at ``offset``, or of its first part."""
        available = len(data) - offset
        if not self._end:
            if available < max(declared, _MULTIPART.size):
                return declared
            kind, flags = _MULTIPART.unpack_from(data, offset)
            if kind != OFPMP_FLOW or flags:
                return declared
            self._place, self._end = _MULTIPART.size, declared
        while not self._is_end(data, offset):
            if self._place >= self._end:
                return self._length_of_wrapped(data, offset, declared)
            length = _row_length(data, offset + self._place)
            if not length or offset + self._place + _ROW_LENGTH.size > len(data):
                return declared  # its reader finds that out
            self._row, self._place = self._place, self._place + length
        return declared

    def _length_of_wrapped(self, data: bytes, offset: int, declared: int) -> int:
        """A row begins at the declared end, or reaches beyond it."""
        if self._place == declared:
            self._row = self._place
        elif len(data) < offset + declared + HEADER.size:
            return declared + HEADER.size  # what follows shows whether the row or the length is wrong
        elif _is_header(data, offset + declared):
            return declared  # a row with a wrong length, and the next message behind it
        begin = max(self._row, _MULTIPART.size)
        self._end += _WRAP
        head = data[offset : offset + _MULTIPART.size]
        self._head = head[: _FLAGS.start] + OFPMPF_REPLY_MORE.to_bytes(2, "big") + head[_FLAGS.stop :]
        return begin


def _row_length(data: bytes, place: int) -> int:
    """The length of a row that begins here; 0 if no row has it. More than there is of it must be awaited."""
    if place + _ROW_LENGTH.size > len(data):
        return _ROW_LENGTH.size
    length = int(_ROW_LENGTH.unpack_from(data, place)[0])
    return 0 if length < _MIN_ROW or length % 8 else length


def _is_row(data: bytes, place: int) -> bool:
    """Whether a row follows, and not a message: no version of OpenFlow is 0."""
    return data[place : place + 1] == b"\0"


def _is_header(data: bytes, place: int) -> bool:
    """Whether a message may begin here."""
    version, kind, length, _ = HEADER.unpack_from(data, place)
    return bool(version == OFP_VERSION and kind <= OFPT_METER_MOD and length >= HEADER.size)
