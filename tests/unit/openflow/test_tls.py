"""The certificate of a switch, and the TLS settings of the OpenFlow port."""

from __future__ import annotations

from ryu_haslb.openflow.tls import PeerCertificate, peer_certificate

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
