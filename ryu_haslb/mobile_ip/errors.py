"""What a codec says when bytes are not a Mobile IP message."""

from __future__ import annotations


class MalformedMessage(ValueError):  # noqa: N818 - the message is what is malformed
    """Bytes that are no well-formed message.

    ``offset`` counts from the first byte of the UDP payload and points at the first byte that breaks the rule;
    ``expected`` says what should have been there.
    """

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(f"malformed at offset {offset}: expected {expected}")
        self.offset = offset
        self.expected = expected
