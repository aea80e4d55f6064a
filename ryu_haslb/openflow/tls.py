"""The certificate that a switch has proved to hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class PeerCertificate:
    """The certificate of a switch, verified against the authorities of ``--ca-certs``.

    ``common_name`` is that of the subject, or empty. ``alternative_names`` are the values of subjectAltName (RFC 5280,
    section 4.2.1.6), of any type.
    """

    common_name: str
    alternative_names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names that the authority has certified, without repetition."""
        return tuple(dict.fromkeys(filter(None, (self.common_name, *self.alternative_names))))


def peer_certificate(decoded: Optional[Mapping[str, Any]]) -> Optional[PeerCertificate]:
    """The certificate that :meth:`ssl.SSLSocket.getpeercert` returned. None without one, or with an unverified one."""
    if not decoded:
        return None
    subject = {name: value for relative in decoded.get("subject", ()) for name, value in relative}
    return PeerCertificate(
        str(subject.get("commonName", "")), tuple(str(value) for _, value in decoded.get("subjectAltName", ()))
    )
