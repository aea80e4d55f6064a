"""Which switches may connect: by datapath id, address and certificate."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from served_switch import CONFIGURATION, STRANGER, Served, configured

from ryu_haslb.configuration.model import Datapath
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.sockets.tls import PeerCertificate

SWITCH_1 = PeerCertificate("switch-1", ("s1.example.net",))


def test_a_switch_that_is_not_configured_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(configuration=replace(CONFIGURATION, datapaths={2: Datapath(2)}))
    assert served.transport.sent == []
    assert served.transport.handler is None
    assert served.transport.is_closed
    assert served.fleet.switches == {}
    assert "0000000000000001 from 192.0.2.1 (port 40000): closing the connection: no 'ip slb datapath'" in caplog.text


def test_a_switch_may_connect_from_its_configured_addresses_only(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(configuration=configured(Datapath(1, (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")))))
    assert served.is_connected
    stranger = served.connect(STRANGER)
    assert (stranger.is_closed, stranger.sent, served.transport.is_closed) == (True, [], False)
    assert not served.transport.sent_of(ofproto_v1_3.OFPT_ECHO_REQUEST), "the switch is not troubled"
    assert f"from {STRANGER} (port 40000): closing the connection: 'ip slb datapath' permits it from" in caplog.text
    for host in ("2001:db8::1", "::ffff:192.0.2.1"):
        served.fleet.on_disconnected(served.transport)
        served.transport = served.connect(host)
        assert served.is_connected


def test_a_connection_whose_address_is_no_longer_permitted_is_closed() -> None:
    served = Served(configuration=configured(Datapath(1)))
    waiting = served.connect("192.0.2.2")
    served.fleet.configure(configured(Datapath(1, (IPv4Address("192.0.2.3"),))))
    assert (served.transport.is_closed, waiting.is_closed) == (True, True)
    served.fleet.on_disconnected(served.transport)
    assert "'ip slb datapath' permits it from" in served.fleet.switches[1].lost_because


@pytest.mark.parametrize("name", ["switch-1", "s1.example.net"])
def test_a_switch_must_prove_its_certificate_and_then_replaces_its_older_connection_at_once(name: str) -> None:
    """RFC 5280, sections 4.1.2.6 and 4.2.1.6: the common name of the subject, or subjectAltName."""
    served = Served(configuration=configured(Datapath(1, certificate=name)))
    assert served.transport.is_closed, "it has no certificate"
    older = served.connect(certificate=SWITCH_1)
    assert served.is_connected
    other = served.connect(certificate=PeerCertificate("switch-2", ("SWITCH-1",)))
    assert (other.is_closed, older.is_closed) == (True, False)
    newer = served.connect(certificate=SWITCH_1)
    assert (older.is_closed, newer.is_closed, newer.handler is None) == (True, False, False)


def test_the_log_names_the_certificate_that_was_expected_and_that_of_the_peer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(configuration=configured(Datapath(1, certificate="switch-1")))
    served.connect(certificate=PeerCertificate("switch-2"))
    texts = [each.getMessage() for each in caplog.records]
    assert "demands the certificate 'switch-1', and the connection has none" in texts[0]
    assert "demands the certificate 'switch-1', and its certificate names 'switch-2'" in texts[1]
