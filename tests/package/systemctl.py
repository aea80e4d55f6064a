"""What systemd does with the service haslb, on a machine that systemd does not run: start, stop, restart, reload.

It reads the unit that is installed: its user, environment, command and folders. Privileges are taken away and memory is
protected as the unit says. A start lasts until the balancer has sent READY=1 and a heartbeat.
"""

from __future__ import annotations

import configparser
import ctypes
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

UNIT = Path("/lib/systemd/system/haslb.service")
PROCESS_ID = Path("/run/haslb.pid")
NOTIFY_SOCKET = "/run/haslb.notify"
#: Seconds that a start or a stop may take, however busy the machine is.
TIMEOUT = 60.0
_PR_SET_MDWE = 65


def service() -> Mapping[str, str]:
    """The section [Service] of the unit; of a setting that is there twice the first is dropped."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    return unit["Service"]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of the service."""
    lines = [settings["Environment"], *Path(settings["EnvironmentFile"].lstrip("-")).read_text().splitlines()]
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: value.strip('"') for name, _, value in pairs}


def start() -> None:
    """Start the service, and return when it is ready."""
    settings = service()
    user = pwd.getpwnam(settings["User"])
    for folder in (Path("/run") / settings["RuntimeDirectory"], Path("/var/lib") / settings["StateDirectory"]):
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, user.pw_uid, user.pw_gid)
    variables = {"PATH": "/usr/bin:/bin", **environment(settings), "NOTIFY_SOCKET": NOTIFY_SOCKET}
    variables["WATCHDOG_USEC"] = f"{int(settings['WatchdogSec'])}000000"
    words = [word for each in settings["ExecStart"].split() for word in _expanded(each, variables)]
    privileges = ["--reuid", settings["User"], "--regid", settings["Group"], "--clear-groups"]
    privileges += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    Path(NOTIFY_SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, Path("/run/haslb.log").open("ab") as log:
        notified.bind(NOTIFY_SOCKET)
        os.chmod(NOTIFY_SOCKET, 0o666)
        notified.settimeout(TIMEOUT)
        _protect_memory()
        process = subprocess.Popen(["setpriv", *privileges, *words], env=variables, stdout=log, stderr=log)
        PROCESS_ID.write_text(str(process.pid))
        for expected in (b"READY=1", b"WATCHDOG=1"):
            while notified.recv(4096) != expected:
                pass


def _expanded(word: str, variables: Mapping[str, str]) -> list[str]:
    return variables.get(word[1:], "").split() if word.startswith("$") else [word]


def _protect_memory() -> None:
    """MemoryDenyWriteExecute=, for what this process starts, where the kernel has it (6.3 or later)."""
    ctypes.CDLL(None).prctl(_PR_SET_MDWE, 1, 0, 0, 0)


def stop() -> None:
    """Stop the service, and return when it has ended."""
    descriptor = os.pidfd_open(int(PROCESS_ID.read_text()))
    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    if not select.select([descriptor], [], [], TIMEOUT)[0]:
        raise SystemExit("haslb has not ended")
    shutil.rmtree(Path("/run") / service()["RuntimeDirectory"])


def reload() -> None:
    """Have the service read its configuration again."""
    assert service()["ExecReload"] == "/bin/kill -HUP $MAINPID"
    os.kill(int(PROCESS_ID.read_text()), signal.SIGHUP)


def main(words: list[str]) -> None:
    """``systemctl start|stop|restart|reload haslb``."""
    action, name = words
    assert name == "haslb"
    for each in ("stop", "start") if action == "restart" else (action,):
        {"start": start, "stop": stop, "reload": reload}[each]()


if __name__ == "__main__":
    main(sys.argv[1:])
