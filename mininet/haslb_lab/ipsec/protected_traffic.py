"""Which traffic the crypto map of an interface protects, and by which security association."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple, Optional

from haslb_lab.errors import ProgramError
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.translation import Translation, TranslationError, translate
from ryu_haslb.language.diagnostics import ConfigurationError


def read_crypto(path: Path, interface: str) -> tuple[Configuration, Translation]:
    """Read an IOS configuration file and translate the crypto map of an interface such as ``Vlan15``.

    Warnings go to standard error. Raises: ProgramError.
    """
    try:
        loaded = load(path)
        translation = translate(loaded.configuration, interface)
    except (ConfigurationError, TranslationError) as error:
        raise ProgramError(str(error)) from None
    for text in (*loaded.warnings, *(f"interface {interface}: {note}" for note in translation.notes)):
        print(text, file=sys.stderr, flush=True)
    return loaded.configuration, translation


class Protection(NamedTuple):
    """Traffic between two networks that the security association named ``association`` must carry to ``peer``."""

    association: str
    peer: IPv4Address
    local: IPv4Network
    remote: IPv4Network


class ProtectedTraffic:
    """All traffic that a translation protects."""

    def __init__(self, translation: Translation) -> None:
        self.peers = frozenset(tunnel.peer for tunnel in translation.tunnels)
        self._protections = tuple(
            Protection(pair.name, tunnel.peer, pair.local, pair.remote)
            for tunnel in translation.tunnels
            for pair in tunnel.protected
        )

    def __iter__(self) -> Iterator[Protection]:
        return iter(self._protections)

    def leaving(self, source: IPv4Address, destination: IPv4Address) -> Optional[Protection]:
        """The protection of an outgoing packet; None if it may leave in clear."""
        return self._between(source, destination)

    def arriving(self, source: IPv4Address, destination: IPv4Address) -> Optional[Protection]:
        """The protection that an incoming packet must have had; None if it may arrive in clear."""
        return self._between(destination, source)

    def holds(self, destination: IPv4Address) -> bool:
        """Whether an address is on the local side of an access list, for any remote address."""
        return any(destination in each.local for each in self._protections)

    def _between(self, local: IPv4Address, remote: IPv4Address) -> Optional[Protection]:
        return next((each for each in self._protections if local in each.local and remote in each.remote), None)
