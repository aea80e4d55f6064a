"""An Open vSwitch of a test's own, with a datapath that needs neither kernel nor devices."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Callable

from certificates import Authority, Certificate

from haslb_lab.runner import waiting

_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
#: Seconds in which a switch connects. It tries once a second.
HARD_LIMIT = 60.0


class OwnSwitch:
    """An Open vSwitch of its own with the bridge ``br``, which knows one controller."""

    def __init__(self, folder: Path, datapath_id: int) -> None:
        folder.mkdir()
        self._folder, self._database = folder, f"unix:{folder}/db.sock"
        self._datapath_id = f"{datapath_id:016x}"
        variables = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        self._environment = {**os.environ, **dict.fromkeys(variables, str(folder))}

    @contextmanager
    def running(self) -> Iterator[OwnSwitch]:
        self._run("ovsdb-tool", "create", str(self._folder / "conf.db"), _SCHEMA)
        with self._program("ovsdb-server", str(self._folder / "conf.db"), f"--remote=p{self._database}"):
            wait_until(lambda: accepts(self._folder / "db.sock"))
            self.configure("--no-wait", "init")
            with ExitStack() as self._vswitchd:
                self.start()
                yield self

    def start(self) -> None:
        """Start ``ovs-vswitchd``."""
        self._vswitchd.enter_context(self._program("ovs-vswitchd", self._database, "--enable-dummy"))

    def kill(self) -> None:
        """End ``ovs-vswitchd`` by SIGKILL. Its rules are gone, and the kernel closes its connections."""
        self._vswitchd.close()

    def add_bridge(self) -> None:
        bridge = ["datapath_type=dummy", "protocols=OpenFlow13", "fail_mode=secure"]
        identity = f"other-config:datapath-id={self._datapath_id}"
        self.configure("add-br", "br", "--", "set", "bridge", "br", *bridge, identity)

    def connect_ports(self, near: str, far: str) -> None:
        """Add two ports that are connected to each other."""
        wire = self._folder / "wire.sock"
        for port, option in ((near, f"pstream=punix:{wire}"), (far, f"stream=unix:{wire}")):
            self.configure("add-port", "br", port, "--", "set", "interface", port, "type=dummy", f"options:{option}")

    def add_rules(self, *rules: str) -> None:
        for rule in rules:
            self._of("add-flow", rule)

    def rules(self) -> str:
        return self._of("dump-flows")

    def meters(self) -> str:
        return self._of("dump-meters")

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

    def _of(self, command: str, *words: str) -> str:
        """What ``ovs-ofctl`` prints."""
        return self._run("ovs-ofctl", "-O", "OpenFlow13", command, f"unix:{self._folder}/br.mgmt", *words)

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


def accepts(path: Path) -> bool:
    """Whether a socket accepts connections; its file is there a moment before."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        return True
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something that can only be asked for is so."""
    waiting.wait_until(holds, "what this test waits for", HARD_LIMIT)
