"""OpenFlow over TLS: each switch has an ovsdb-server and an ovs-vswitchd of its own, as on two machines.

They run in folders of the test, with a datapath that needs neither kernel nor devices.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Callable

import pytest
from attacked import Controller, started
from balancer_process import free_port
from certificates import Authority, Certificate

pytestmark = pytest.mark.lab

_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
#: Seconds in which a switch connects. It tries once a second.
HARD_LIMIT = 60.0


class TlsSwitch:
    """An Open vSwitch of its own with the bridge ``br``, which knows one controller."""

    def __init__(self, folder: Path, datapath_id: int) -> None:
        folder.mkdir()
        self._folder, self._database = folder, f"unix:{folder}/db.sock"
        self._datapath_id = f"{datapath_id:016x}"
        variables = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        self._environment = {**os.environ, **dict.fromkeys(variables, str(folder))}

    @contextmanager
    def running(self) -> Iterator[TlsSwitch]:
        self._run("ovsdb-tool", "create", str(self._folder / "conf.db"), _SCHEMA)
        with self._program("ovsdb-server", str(self._folder / "conf.db"), f"--remote=p{self._database}"):
            wait_until((self._folder / "db.sock").exists)
            self.configure("--no-wait", "init")
            with self.vswitchd():
                yield self

    @contextmanager
    def vswitchd(self) -> Iterator[None]:
        with self._program("ovs-vswitchd", self._database, "--enable-dummy"):
            yield

    def add_bridge(self) -> None:
        bridge = ["datapath_type=dummy", "protocols=OpenFlow13", "fail_mode=secure"]
        identity = f"other-config:datapath-id={self._datapath_id}"
        self.configure("add-br", "br", "--", "set", "bridge", "br", *bridge, identity)

    def connect(self, target: str) -> None:
        self.configure("set-controller", "br", target, "--", "set", "controller", "br", "max_backoff=1000")

    def disconnect(self) -> None:
        """Give the bridge a closed port as its controller, and remove the rules."""
        self.connect("ssl:127.0.0.1:1")
        wait_until(lambda: not self.configure("get", "controller", "br", "is_connected").startswith("true"))
        self._run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", f"unix:{self._folder}/br.mgmt")

    def trust(self, own: Certificate, authority: Authority) -> None:
        self.configure("set-ssl", str(own.key), str(own.path), str(authority.certificate.path))

    def is_served(self) -> bool:
        """Whether the balancer has installed its rules."""
        found = self._run("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", f"unix:{self._folder}/br.mgmt", check=False)
        return "cookie=0x" in found

    def configure(self, *words: str) -> str:
        return self._run("ovs-vsctl", f"--db={self._database}", *words)

    def _run(self, *words: str, check: bool = True) -> str:
        return subprocess.run(words, check=check, capture_output=True, text=True, env=self._environment).stdout

    @contextmanager
    def _program(self, name: str, *words: str) -> Iterator[None]:
        files = [
            f"--unixctl={self._folder}/{name}.ctl",
            f"--log-file={self._folder}/{name}.log",
            "--verbose=console:off",
        ]
        process = subprocess.Popen([name, *words, *files], env=self._environment)
        with process:
            try:
                yield
            finally:
                process.kill()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HARD_LIMIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


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
        self.switches = [stack.enter_context(TlsSwitch(folder / f"s{each}", each).running()) for each in (1, 2)]

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
