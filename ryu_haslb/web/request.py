"""Reads the head of an HTTP/1.1 request strictly (RFC 9112). Pure: bytes in, values out.

What two programs could read in two ways is refused, so that a proxy in front of the balancer and the balancer always
agree where a request ends (request smuggling, RFC 9112 section 11.2).
"""

from __future__ import annotations

import re
from http.client import HTTPMessage
from typing import NamedTuple, Optional

from ryu_haslb.errors import HaslbError

#: Bytes of the head of a request: its first line and its header fields.
MAX_HEAD_SIZE = 32 * 1024
#: Header fields of a request.
MAX_FIELDS = 100

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~\x80-\xff]{1,8000}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
#: RFC 9110 section 7.2: a host, and a port.
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?"
_HOST_FIELD = re.compile(_HOST, re.ASCII)
#: RFC 9112 section 3.2.2: a target with scheme and authority, as clients send it to a proxy.
_ABSOLUTE_TARGET = re.compile(rf"http://({_HOST})(/.*)?", re.ASCII | re.IGNORECASE)


class BadRequestError(HaslbError):
    """A request that is refused before it is carried out: the HTTP status, and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Head(NamedTuple):
    """The head of a request: method, target, minor version of HTTP/1, and header fields.

    A target with scheme and authority is a path here, and the authority is the field Host (RFC 9112 section 3.2.2).
    """

    method: str
    target: str
    minor: int
    fields: HTTPMessage

    @property
    def keeps_alive(self) -> bool:
        """Whether the client lets the connection stay open (RFC 9112 section 9.3)."""
        options = {each.strip().lower() for each in ",".join(self.fields.get_all("Connection", [])).split(",")}
        return "close" not in options and (self.minor == 1 or "keep-alive" in options)


def parse_head(lines: list[bytes]) -> Head:
    """The head that these lines are, without the empty line at its end.

    Raises: BadRequestError.
    """
    first = _REQUEST_LINE.fullmatch(_without_line_end(lines[0]))
    if first is None:
        raise BadRequestError(400, "malformed request line; expected METHOD TARGET HTTP/1.1")
    if len(lines) > 1 + MAX_FIELDS:
        raise BadRequestError(431, f"too many header fields; expected at most {MAX_FIELDS}")
    fields = HTTPMessage()
    for line in lines[1:]:
        found = _FIELD.fullmatch(_without_line_end(line))
        if found is None:
            raise BadRequestError(400, "malformed header field; expected NAME: VALUE in one line")
        fields[found[1].decode("ascii")] = found[2].decode("latin-1")
    head = Head(first[1].decode("ascii"), first[2].decode("latin-1"), int(first[3]), fields)
    _require_one_host(head)
    _require_one_length(head)
    return head._replace(target=_path_of(head))


def body_length(head: Head) -> Optional[int]:
    """Bytes of the body; None if it comes in chunks. :func:`parse_head` has checked it."""
    if head.fields.get("Transfer-Encoding") is not None:
        return None
    return int(head.fields.get("Content-Length", "0"))


def _without_line_end(line: bytes) -> bytes:
    """A line feed alone ends a line for some programs, and not for others (RFC 9112 section 2.2)."""
    if not line.endswith(b"\r\n"):
        raise BadRequestError(400, "a line feed alone; expected carriage return and line feed")
    return line[:-2]


def _path_of(head: Head) -> str:
    """The target as a path and a query; an authority in it replaces the field Host."""
    if head.target.startswith("/") or head.target == "*":
        return head.target
    found = _ABSOLUTE_TARGET.fullmatch(head.target)
    if found is None or not found[1]:
        raise BadRequestError(400, "malformed request target; expected a path")
    del head.fields["Host"]
    head.fields["Host"] = found[1]
    return found[2] or "/"


def _require_one_host(head: Head) -> None:
    """RFC 9112 section 3.2."""
    hosts = len(head.fields.get_all("Host", []))
    if hosts > 1 or (head.minor == 1 and hosts == 0):
        raise BadRequestError(400, f"{hosts or 'no'} Host header fields; expected one")
    if not _HOST_FIELD.fullmatch(head.fields.get("Host", "")):
        raise BadRequestError(400, "malformed Host; expected a name or address, and a port")


def _require_one_length(head: Head) -> None:
    """RFC 9112 section 6.3. A repeated length is refused even if the values are equal."""
    lengths = head.fields.get_all("Content-Length", [])
    encodings = head.fields.get_all("Transfer-Encoding", [])
    if encodings:
        if lengths:
            raise BadRequestError(400, "Content-Length and Transfer-Encoding; expected one of them")
        if len(encodings) > 1 or encodings[0].lower() != "chunked":
            raise BadRequestError(501, "unknown Transfer-Encoding; expected chunked")
        if head.minor == 0:
            raise BadRequestError(400, "Transfer-Encoding in HTTP/1.0; expected Content-Length")
    elif len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise BadRequestError(400, "malformed Content-Length; expected one decimal number")
