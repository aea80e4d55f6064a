"""Attacks on the OpenFlow port with TLS: a switch with a certificate is served all the same."""

from __future__ import annotations

import ssl
import struct
from _socket import socket as kernel_socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from attacked import CONFIGURATION, HARD_LIMIT, HELLO, ROLE_REQUEST, kinds, opening, received_by
from certificates import Authority
from secured import Secured, secured_with

#: A TLS record of application data that no key has made (RFC 8446, section 5.2).
DAMAGED_RECORD = b"\x17\x03\x03" + struct.pack("!H", 64) + bytes(64)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with secured_with(tmp_path, CONFIGURATION) as secured:
        yield secured


def test_switches_are_served_again_and_again_after_a_port_scan(secured: Secured) -> None:
    for _ in range(20):
        with secured.controller.connect():
            pass
    first, second = secured.authority.issue("switch-1"), secured.authority.issue("switch-2")
    for _ in range(3):
        secured.require_served(first, 1)
        secured.require_served(second, 2)
    secured.controller.require_running()


def test_without_a_certificate_of_the_authority_no_one_is_served(secured: Secured, tmp_path: Path) -> None:
    switch = secured.authority.issue("switch")
    stranger = Authority(tmp_path / "other", "Other CA").issue("switch")
    forger = Authority(tmp_path / "forged").issue("switch")
    secured.require_refused(None, "peer did not return a certificate")
    secured.require_served(switch)
    secured.require_refused(stranger, "certificate rejected: unable to get local issuer certificate")
    secured.require_served(switch)
    secured.require_refused(forger, "certificate rejected: certificate signature failure")
    secured.require_served(switch)
    secured.require_refused(secured.authority.issue("late", days=-1), "certificate rejected: certificate has expired")
    secured.require_served(switch)
    secured.controller.require_running()


@pytest.mark.parametrize("data", [HELLO, b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff", bytes(1000)])
def test_what_is_no_tls_harms_no_one(secured: Secured, data: bytes) -> None:
    with secured.controller.connect(data), secured.controller.connect(data):
        secured.require_served(secured.authority.issue("switch"))
    secured.controller.require_running()


def test_handshakes_that_stop_half_way_keep_no_switch_out(secured: Secured) -> None:
    hello = client_hello()
    switch = secured.authority.issue("switch")
    with ExitStack() as stack:
        for number in range(300):
            stack.enter_context(secured.controller.connect(hello[: None if number % 2 else 40]))
        secured.require_served(switch)
    secured.controller.require_running()


def client_hello() -> bytes:
    """The first message of a TLS client (RFC 8446, section 4.1.2)."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="controller")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("says", [b"", HELLO], ids=["before the hello", "after the hello"])
def test_a_record_that_is_damaged_closes_its_connection_alone(secured: Secured, says: bytes) -> None:
    """RFC 8446, section 6.2: the connection ends with the first fatal error."""
    switch = secured.authority.issue("switch")
    with secured.connect(switch) as attacker:
        attacker.sendall(says)
        assert attacker.recv(1), "it is accepted"
        kernel_socket.sendall(attacker, DAMAGED_RECORD)
        secured.require_served(switch)
        attacker.settimeout(HARD_LIMIT)
        with suppress(ssl.SSLError, ConnectionError):
            while attacker.recv(1 << 16):
                pass
    secured.controller.require_running()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_old_versions_of_tls_are_refused(secured: Secured) -> None:
    """RFC 8996."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with secured.controller.connect() as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(plain)
    secured.require_served(secured.authority.issue("switch"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_switch_proves_its_certificate_in_every_connection(secured: Secured, version: ssl.TLSVersion) -> None:
    """No session is resumed: the certificate may have expired since (RFC 8446, section 4.6.1)."""
    context = secured.context(secured.authority.issue("switch"))
    context.maximum_version = version
    session = None
    for number in (1, 2):
        with context.wrap_socket(secured.controller.connect(), session=session) as switch:
            switch.sendall(opening(number))
            secured.controller.require_served(switch)
            assert not switch.session_reused
            session = switch.session


def test_a_tls_session_that_a_switch_resumes_beside_its_connection_is_not_served(secured: Secured) -> None:
    """The end of a connection without a close alert would end its session as well (RFC 5246, section 7.2.1)."""
    context = secured.context(secured.authority.issue("switch"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with context.wrap_socket(secured.controller.connect()) as first:
        first.sendall(opening(1))
        secured.controller.require_served(first)
        with context.wrap_socket(secured.controller.connect(), session=first.session) as resumed:
            assert resumed.session_reused
            with suppress(ssl.SSLError, ConnectionError):
                resumed.sendall(opening(2))
                assert not resumed.recv(1)
        secured.controller.await_line("OpenFlow peer 127.0.0.1: it has resumed a TLS session")
        with context.wrap_socket(secured.controller.connect(), session=first.session) as anew:
            assert not anew.session_reused
            anew.sendall(opening(2))
            secured.controller.require_served(anew)


def test_a_switch_cannot_connect_as_another_one_with_its_own_certificate(tmp_path: Path) -> None:
    """`ip slb datapath` binds an id to a name in a certificate. The holder of it replaces an older connection."""
    bound = "ip slb datapath 1 certificate switch-1\nip slb datapath 2 certificate switch-2\n"
    with secured_with(tmp_path, CONFIGURATION + bound) as secured:
        first, second = secured.authority.issue("switch-1"), secured.authority.issue("switch-2")
        with secured.connect(first) as older:
            older.sendall(opening(1))
            secured.controller.require_served(older)
            with secured.connect(second) as stranger:
                stranger.sendall(opening(1))
                assert ROLE_REQUEST not in kinds(received_by(stranger))
            reason = "demands the certificate 'switch-1', and its certificate names 'switch-2'"
            line = secured.controller.await_line(reason)
            assert "Switch 0000000000000001 from 127.0.0.1 (port" in line
            secured.require_served(first, 1)
            received_by(older)
        secured.require_served(second, 2)
        secured.controller.require_running()
