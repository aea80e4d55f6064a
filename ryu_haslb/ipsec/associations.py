"""Security associations, from charon's answer to vici's ``list-sas``.

The data comes from another process. A malformed part of it is skipped or read as empty; it is never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Optional

#: charon's counters have 64 bits; a larger number is malformed.
MAX_NUMBER = (1 << 64) - 1
#: Characters of a name, address or algorithm; the rest is cut off.
MAX_TEXT_LENGTH = 128


@dataclass(frozen=True)
class ChildAssociation:
    """A pair of IPsec security associations, one in each direction; ``name`` is that of the pair of networks.

    ``number`` is charon's unique id, which is never reused. ``life_time`` is the remaining time in seconds. ``cipher``
    is strongSwan's name of the algorithm, such as ``AES_CBC``; ``key_bits`` is 0 if the cipher has only one key size.
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
    def is_installed(self) -> bool:
        """Whether the pair protects traffic."""
        return self.state in ("INSTALLED", "REKEYING", "REKEYED")


@dataclass(frozen=True)
class IkeAssociation:
    """An IKE security association and the IPsec associations negotiated over it; ``initiator``: this end began."""

    name: str
    number: int
    state: str
    local: str
    remote: str
    initiator: bool
    children: tuple[ChildAssociation, ...]

    @property
    def is_established(self) -> bool:
        """Whether the peers have authenticated each other and can negotiate IPsec associations."""
        return self.state in ("ESTABLISHED", "REKEYING", "REKEYED")


def read_associations(listed: Iterable[object]) -> list[IkeAssociation]:
    """The associations in the messages that ``list-sas`` has streamed, one in each, oldest first."""
    found = [_ike(*each) for message in listed for each in islice(_sections(message), 1)]
    return sorted(found, key=lambda association: association.number)


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
    """One pair; None if its protocol is not ESP, the only one that the translation proposes."""
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
    """The sections of a message, each with its name; other values are skipped."""
    if isinstance(value, Mapping):
        for name, section in value.items():
            if isinstance(section, Mapping):
                yield _printable(name), section


def _text(entry: Mapping[Any, Any], key: str) -> str:
    return _printable(entry.get(key, b""))


def _printable(value: object) -> str:
    """The text of a value, without unprintable characters and of at most MAX_TEXT_LENGTH characters."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return "".join(char for char in text[:MAX_TEXT_LENGTH] if char.isprintable())


def _number(entry: Mapping[Any, Any], key: str, base: int = 10) -> int:
    """The number of a key, 0 to MAX_NUMBER; 0 if the value is anything else."""
    text = _text(entry, key)
    try:
        value = int(text, base) if text.isascii() and text.isalnum() else 0
    except ValueError:
        return 0
    return value if value <= MAX_NUMBER else 0
