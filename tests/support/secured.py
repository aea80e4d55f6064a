"""A running balancer whose OpenFlow port has TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from attacked import Controller, opening, started
from balancer_process import free_port
from certificates import Authority, Certificate


@dataclass(frozen=True)
class Secured:
    """A balancer whose OpenFlow port has TLS, and what a switch needs to connect."""

    controller: Controller
    authority: Authority

    def connect(self, certificate: Optional[Certificate]) -> ssl.SSLSocket:
        """A TLS connection. With TLS 1.3 it is there before the balancer has seen the certificate."""
        return self.context(certificate).wrap_socket(self.controller.connect())

    def context(self, certificate: Optional[Certificate]) -> ssl.SSLContext:
        """What a peer with a certificate, or without, connects with."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate.path))
        context.check_hostname = False
        if certificate is not None:
            context.load_cert_chain(certificate.path, certificate.key)
        return context

    def require_served(self, certificate: Certificate, datapath_id: int = 1) -> None:
        with self.connect(certificate) as switch:
            switch.sendall(opening(datapath_id))
            self.controller.require_served(switch)

    def require_refused(self, certificate: Optional[Certificate], reason: str) -> None:
        with suppress(ssl.SSLError, ConnectionError), self.connect(certificate) as stranger:
            stranger.sendall(opening(1))
            assert not stranger.recv(1), "nothing is said to a stranger"
        self.controller.await_line(f"OpenFlow peer 127.0.0.1: TLS handshake failed: {reason}")


@contextmanager
def secured_with(tmp_path: Path, configuration: str) -> Iterator[Secured]:
    authority = Authority(tmp_path / "authority")
    own, port = authority.issue("controller"), free_port()
    options = ["--ofp-listen-host", "127.0.0.1", "--ofp-ssl-listen-port", str(port)]
    options += ["--ctl-privkey", str(own.key), "--ctl-cert", str(own.path)]
    options += ["--ca-certs", str(authority.certificate.path)]
    with started(tmp_path, configuration, port=port, options=options) as controller:
        yield Secured(controller, authority)
