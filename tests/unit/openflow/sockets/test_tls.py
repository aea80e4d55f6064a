"""The certificate of a switch, and the TLS settings of the OpenFlow port."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Optional

import pytest
from certificates import Authority, Certificate

from ryu_haslb.openflow.sockets.tls import PeerCertificate, TlsSettingError, peer_certificate, server_context

DECODED = {
    "subject": ((("countryName", "AT"),), (("commonName", "switch-1"),)),
    "issuer": ((("commonName", "OpenFlow CA"),),),
    "subjectAltName": (("DNS", "switch-1"), ("DNS", "s1.example.net"), ("URI", "urn:openflow:0000000000000001")),
}


def test_a_certificate_has_the_names_of_subject_and_alternative_names() -> None:
    """RFC 5280, sections 4.1.2.6 and 4.2.1.6."""
    certificate = peer_certificate(DECODED)
    assert certificate is not None
    assert certificate.names == ("switch-1", "s1.example.net", "urn:openflow:0000000000000001")


def test_a_certificate_without_names_has_none() -> None:
    assert peer_certificate({"notAfter": "Jan  1 00:00:00 2030 GMT"}) == PeerCertificate("")
    assert PeerCertificate("").names == ()


def test_a_peer_without_a_verified_certificate_has_none() -> None:
    """Python returns an empty certificate if it was not verified."""
    assert peer_certificate({}) is None
    assert peer_certificate(None) is None


@pytest.fixture(scope="module", name="authority")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", name="own")
def _own(authority: Authority) -> Certificate:
    return authority.issue("controller")


def context_of(own: Certificate, authorities: Optional[Path] = None, key: Optional[Path] = None) -> ssl.SSLContext:
    return server_context(str(key or own.key), str(own.path), None if authorities is None else str(authorities))


def test_with_authorities_a_switch_must_have_a_certificate(authority: Authority, own: Certificate) -> None:
    assert context_of(own, authority.certificate.path).verify_mode == ssl.CERT_REQUIRED
    assert context_of(own).verify_mode == ssl.CERT_NONE


def test_no_version_before_1_2_is_offered(own: Certificate) -> None:
    """RFC 8996: TLS 1.0 and 1.1 are not to be used."""
    assert context_of(own).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_missing_file_is_named_with_its_option(own: Certificate, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(TlsSettingError, match=f"^--ctl-privkey {missing}: cannot be read: No such file or directory$"):
        context_of(own, key=missing)
    with pytest.raises(TlsSettingError, match=f"^--ca-certs {missing}: cannot be read: No such file or directory$"):
        context_of(own, missing)
    with pytest.raises(TlsSettingError, match=f"^--ctl-cert {missing}: cannot be read: No such file or directory$"):
        context_of(Certificate(missing, own.key))


def test_the_key_of_another_certificate_is_an_error(authority: Authority, own: Certificate) -> None:
    other = authority.issue("other").key
    with pytest.raises(TlsSettingError, match=f"--ctl-privkey {other} is not the key of the certificate --ctl-cert "):
        context_of(own, key=other)


def test_a_key_with_a_passphrase_is_an_error_and_no_question(own: Certificate, tmp_path: Path) -> None:
    path = tmp_path / "encrypted.key"
    command = ["openssl", "ec", "-in", str(own.key), "-aes128", "-passout", "pass:secret", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(TlsSettingError, match="the key is encrypted; expected one without a passphrase"):
        context_of(own, key=path)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\x30\x82\x01\x01"])
def test_a_file_that_is_no_pem_file_is_an_error(own: Certificate, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.pem"
    path.write_bytes(content)
    with pytest.raises(TlsSettingError, match=f"^--ca-certs {path}: no certificates in PEM form"):
        context_of(own, path)
    with pytest.raises(TlsSettingError, match="expected a certificate and its key in PEM form"):
        context_of(own, key=path)
    with pytest.raises(TlsSettingError, match="expected a certificate and its key in PEM form"):
        context_of(Certificate(path, own.key))
