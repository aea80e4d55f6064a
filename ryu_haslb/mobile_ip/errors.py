"""The error of the Mobile IP codecs."""

from __future__ import annotations

from ryu_haslb.errors import HaslbError


class MalformedMessage(HaslbError, ValueError):  # noqa: N818 - the message is what is malformed
    """Bytes that are no well-formed Mobile IP message.

    ``offset`` counts from the first byte of the UDP payload and points at the first byte that breaks the rule.
    ``expected`` says what should stand there.
    """

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(f"malformed at offset {offset}: expected {expected}")
        self.offset = offset
        self.expected = expected
