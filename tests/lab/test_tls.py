"""OpenFlow over TLS: each switch has an ovsdb-server and an ovs-vswitchd of its own, as on two machines.

They run in folders of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from attacked import Controller, started
from balancer_process import free_port
from certificates import Authority
from own_switch import OwnSwitch, wait_until

pytestmark = pytest.mark.lab


class Secured:
    """A balancer with TLS, two switches, and the authority of all certificates."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.authority = Authority(folder / "authority")
        own, port = self.authority.issue("controller"), free_port()
        options = ["--ofp-listen-host", "127.0.0.1", "--ofp-ssl-listen-port", str(port)]
        options += ["--ctl-privkey", str(own.key), "--ctl-cert", str(own.path)]
        options += ["--ca-certs", str(self.authority.certificate.path)]
        self.target = f"ssl:127.0.0.1:{port}"
        self.controller: Controller = stack.enter_context(started(folder, port=port, options=options))
        self.switches = [stack.enter_context(OwnSwitch(folder / f"s{each}", each).running()) for each in (1, 2)]

    def log_has(self, text: str) -> bool:
        return text in self.controller.log()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with ExitStack() as stack:
        yield Secured(tmp_path, stack)


def test_two_switches_are_served_over_tls_also_after_a_port_scan(secured: Secured) -> None:
    for _ in range(20):
        with secured.controller.connect():
            pass
    for number, switch in enumerate(secured.switches, 1):
        switch.trust(secured.authority.issue(f"switch-{number}"), secured.authority)
        switch.add_bridge()
        switch.connect(secured.target)
        wait_until(switch.is_served)
    for switch in secured.switches * 2:
        switch.disconnect()
        assert not switch.is_served()
        switch.connect(secured.target)
        wait_until(switch.is_served)
    secured.controller.require_running()


def test_a_switch_without_a_valid_certificate_is_refused_until_it_has_one(secured: Secured, tmp_path: Path) -> None:
    switch = secured.switches[0]
    switch.add_bridge()
    stranger = Authority(tmp_path / "other", "Other CA").issue("switch-1")
    expired = secured.authority.issue("expired", days=-1)
    for certificate, reason in (
        (stranger, "unable to get local issuer certificate"),
        (expired, "certificate has expired"),
    ):
        switch.trust(certificate, secured.authority)
        switch.connect(secured.target)
        wait_until(partial(secured.log_has, f"TLS handshake failed: certificate rejected: {reason}"))
        assert not switch.is_served()
    switch.trust(secured.authority.issue("switch-1"), secured.authority)
    wait_until(switch.is_served)
    secured.controller.require_running()
