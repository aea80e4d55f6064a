"""A Debian on which the commands of a page are entered: that of ``tools/in-debian``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from haslb_lab.runner.waiting import wait_until

ROOT = Path(__file__).parents[2]
#: Seconds in which what a block shows has to be there, however busy the machine is.
TIMEOUT = 120.0


def blocks(page: Path) -> Iterator[str]:
    """The blocks of commands of a page, in order."""
    for block in re.findall(r"(?:^    .*\n)+", page.read_text(), re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


class Machine:
    """Runs commands: those that fetch packages in the machine's network, all others in one of their own."""

    def __init__(self) -> None:
        self._network = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; sleep infinity"])
        stand_in = Path("/usr/local/bin/systemctl")
        stand_in.write_text(f'#!/bin/sh\nexec /usr/bin/python3 {ROOT}/tests/package/systemctl.py "$@"\n')
        stand_in.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a block of commands."""
        enter = ["nsenter", f"--net=/proc/{self._network.pid}/ns/net"]
        shell = ["bash", "-e", "-o", "pipefail", "-c", script]
        print(f"$ {script}")
        with Path("/run/output").open("w+") as output:  # no pipe, which a service would keep open
            ran = subprocess.run(
                shell if "apt-get" in script else enter + shell, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            output.seek(0)
            text = output.read()
        print(text)
        return subprocess.CompletedProcess(shell, ran.returncode, text)

    def must(self, script: str) -> str:
        """The output of a block that has to succeed."""
        ran = self.run(script)
        log = Path("/run/haslb.log")
        assert ran.returncode == 0, ran.stdout + (log.read_text() if log.exists() else "")
        return ran.stdout

    def until(self, script: str, *shown: str) -> None:
        """Run a block until its output has what is shown in the end."""
        wait_until(lambda: all(re.search(text, self.run(script).stdout) for text in shown), script, TIMEOUT)

    def end(self) -> None:
        """End the network."""
        self._network.kill()
        self._network.wait()
