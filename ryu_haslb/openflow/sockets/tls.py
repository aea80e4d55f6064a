"""TLS of the OpenFlow port: its settings, checked once at the start, and the certificate that a switch has proved."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.regular_file import open_regular


class TlsSettingError(HaslbError):
    """A key, certificate or list of authorities cannot be used; the message names the file and the option."""


def context_of_options(
    key: Optional[str], certificate: Optional[str], authorities: Optional[str]
) -> Optional[ssl.SSLContext]:
    """TLS as ``--ctl-privkey``, ``--ctl-cert`` and ``--ca-certs`` ask for it; None if none of them is given.

    Raises:
        TlsSettingError: one of them is missing, or cannot be used.
    """
    if key is None and certificate is None and authorities is None:
        return None
    if key is None or certificate is None:
        missing = "--ctl-privkey" if key is None else "--ctl-cert"
        raise TlsSettingError(
            f"{missing} is missing; TLS needs --ctl-privkey and --ctl-cert, and takes --ca-certs as well"
        )
    return server_context(key, certificate, authorities)


def server_context(key: str, certificate: str, authorities: Optional[str]) -> ssl.SSLContext:
    """What the OpenFlow port offers: TLS 1.2 or later, with a certificate, and its key, in PEM files.

    With ``authorities`` a switch must prove that it holds a certificate of one of them.

    Raises:
        TlsSettingError: a file is missing, unreadable, no PEM file, or does not fit the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0) | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.num_tickets = 0  # no session is resumed by a ticket; by its number, in TLS 1.2: :class:`.OpenFlowServer`
    trusted = None if authorities is None else TlsFile("--ca-certs", authorities)
    load_files(context, TlsFile("--ctl-privkey", key), TlsFile("--ctl-cert", certificate), trusted)
    if trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class TlsFile(NamedTuple):
    """A file, and the option or variable that names it."""

    option: str
    path: str

    def __str__(self) -> str:
        return f"{self.option} {self.path}"


def load_files(context: ssl.SSLContext, key: TlsFile, certificate: TlsFile, authorities: Optional[TlsFile]) -> None:
    """Load a key, its certificate and, if there are any, the certificates of authorities into ``context``.

    Raises:
        TlsSettingError: a file is missing, unreadable, no PEM file, or does not fit the others.
    """
    for file in (key, certificate, authorities):
        if file is not None:
            _require_readable(file)
    _load_certificate(context, key, certificate)
    if authorities is not None:
        try:
            context.load_verify_locations(authorities.path)
        except ssl.SSLError as error:
            raise TlsSettingError(f"{authorities}: no certificates in PEM form ({reason(error)})") from error


def _require_readable(file: TlsFile) -> None:
    try:
        with open_regular(file.path) as opened:
            opened.read(1)
    except OSError as error:
        raise TlsSettingError(f"{file}: cannot be read: {error.strerror}") from error


def _load_certificate(context: ssl.SSLContext, key: TlsFile, certificate: TlsFile) -> None:
    has_asked = False

    def no_password() -> str:
        """OpenSSL would ask at the terminal."""
        nonlocal has_asked
        has_asked = True
        return ""

    try:
        context.load_cert_chain(certificate.path, key.path, no_password)
    except ssl.SSLError as error:
        if has_asked:
            raise TlsSettingError(
                f"{key}: the key is encrypted; expected one without a passphrase, mode 0600"
            ) from error
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsSettingError(f"{key} is not the key of the certificate {certificate}") from error
        raise TlsSettingError(
            f"{certificate} and {key}: expected a certificate and its key in PEM form ({reason(error)})"
        ) from error


def reason(error: OSError) -> str:
    """Why a handshake or a file failed, in a few words."""
    verification = getattr(error, "verify_message", None)
    if verification:
        return f"certificate rejected: {verification}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error)


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
