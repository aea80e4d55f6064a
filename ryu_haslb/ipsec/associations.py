"""Security associations as charon lists them (vici's ``list-sas``), made into values.

The data comes from another process: whatever is not as it should be is left out, and never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

LARGEST_NUMBER = (1 << 64) - 1


@dataclass(frozen=True)
class ChildAssociation:
    """A pair of security associations of IPsec, one each way; ``name`` is that of the pair of networks.

    ``number`` is charon's own and never used twice. ``life_time`` is the seconds that are left. ``cipher`` is in
    strongSwan's words, ``AES_CBC``, and ``key_bits`` 0 where there is only one size.
    """

    name: str
    number: int
    state: str
    inbound_spi: int
    outbound_spi: int
    cipher: str
    key_bits: int
    integrity: str
    bytes_in: int
    packets_in: int
    bytes_out: int
    packets_out: int
    life_time: int

    @property
    def carries(self) -> bool:
        """Whether packets can pass by it."""
        return self.state in ("INSTALLED", "REKEYING", "REKEYED")


@dataclass(frozen=True)
class IkeAssociation:
    """The association by which two peers agree on the others; ``initiator`` tells whether we began."""

    name: str
    number: int
    state: str
    local: str
    remote: str
    initiator: bool
    children: tuple[ChildAssociation, ...]

    @property
    def established(self) -> bool:
        """Whether the peers know each other and may agree on more."""
        return self.state in ("ESTABLISHED", "REKEYING", "REKEYED")


def read_associations(listed: Iterable[object]) -> list[IkeAssociation]:
    """What ``list-sas`` has streamed, oldest first."""
    found = [_ike(name, entry) for each in listed for name, entry in _sections(each)]
    return sorted(found, key=lambda each: each.number)


def _ike(name: str, entry: Mapping[Any, Any]) -> IkeAssociation:
    children = [_child(child) for _, child in _sections(entry.get("child-sas"))]
    return IkeAssociation(
        name,
        _number(entry, "uniqueid"),
        _text(entry, "state"),
        _text(entry, "local-host"),
        _text(entry, "remote-host"),
        _text(entry, "initiator") == "yes",
        tuple(sorted((child for child in children if child is not None), key=lambda child: child.number)),
    )


def _child(entry: Mapping[Any, Any]) -> Optional[ChildAssociation]:
    """One pair; None if it is not of the one protocol that we have it use."""
    if _text(entry, "protocol") != "ESP":
        return None
    return ChildAssociation(
        _text(entry, "name"),
        _number(entry, "uniqueid"),
        _text(entry, "state"),
        _number(entry, "spi-in", 16),
        _number(entry, "spi-out", 16),
        _text(entry, "encr-alg"),
        _number(entry, "encr-keysize"),
        _text(entry, "integ-alg"),
        _number(entry, "bytes-in"),
        _number(entry, "packets-in"),
        _number(entry, "bytes-out"),
        _number(entry, "packets-out"),
        _number(entry, "life-time"),
    )


def _sections(value: object) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The sections in a message, each with its name."""
    if isinstance(value, Mapping):
        for name, section in value.items():
            if isinstance(section, Mapping):
                yield _printable(name), section


def _text(entry: Mapping[Any, Any], key: str) -> str:
    return _printable(entry.get(key, b""))


def _printable(value: object) -> str:
    """Text of at most a line's length, without what would upset a terminal."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return "".join(char for char in text[:128] if char.isprintable())


def _number(entry: Mapping[Any, Any], key: str, base: int = 10) -> int:
    """A number that is not negative; 0 for whatever else there is."""
    text = _text(entry, key)
    try:
        value = int(text, base) if text.isascii() and text.isalnum() else 0
    except ValueError:
        return 0
    return value if value <= LARGEST_NUMBER else 0
