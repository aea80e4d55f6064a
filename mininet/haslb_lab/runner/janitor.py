"""What a lab leaves behind, found by its marks and removed.

Everything that a lab makes bears a mark: processes carry :data:`MARK` in their environment, bridges have it as a key in
their ``external_ids``, interfaces of the machine's own namespace have it as their alias, and files lie in one
directory. Hosts' namespaces, and the veth pairs that end there, die with their processes. Only one lab runs at a time
(see ``claim.py``), so the holder of the claim may remove everything that bears the mark, and nothing else.

As a program this is the lab's janitor. It waits until its standard input closes, which the kernel does even when the
lab's own process is killed, and then removes everything.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: The mark: an environment variable, a key of a bridge's ``external_ids``, an interface's alias.
MARK = "HASLB_LAB"

#: Control sockets, logs and the balancer's configuration while a lab runs.
DIRECTORY = Path("/run/haslb-lab")

#: Seconds that one command, or the end of a killed process, may take.
COMMAND_TIMEOUT = 60


def sweep() -> list[str]:
    """Remove everything that a lab made. The caller holds the claim. Returns a line for each thing that remains."""
    complaints = _kill_processes()
    complaints += [error for name in bridges() if (error := _run("ovs-vsctl", "--if-exists", "del-br", name))]
    complaints += [error for name in interfaces() if (error := _run("ip", "link", "delete", name))]
    if DIRECTORY.exists():
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        if DIRECTORY.exists():
            complaints.append(f"{DIRECTORY} cannot be removed")
    return complaints


def processes() -> Iterator[int]:
    """Ids of the lab's processes. Those in another PID namespace are of a lab in a container, with another claim."""
    candidates = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return (process for process in candidates if process != os.getpid() and _is_marked(process))


def interfaces() -> list[str]:
    """The lab's interfaces in the machine's own namespace."""
    names = []
    for alias in Path("/sys/class/net").glob("*/ifalias"):
        with suppress(OSError):
            if alias.read_text().strip() == MARK:
                names.append(alias.parent.name)
    return names


def bridges() -> list[str]:
    """The lab's bridges. If Open vSwitch does not answer there are none: bridges are entries of its database."""
    if shutil.which("ovs-vsctl") is None:
        return []
    find = ["ovs-vsctl", f"--timeout={COMMAND_TIMEOUT}", "--bare", "--columns=name", "find", "Bridge"]
    answer = subprocess.run(
        [*find, f"external_ids:{MARK}=yes"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return answer.stdout.decode().split()


def _is_marked(process: int) -> bool:
    try:
        environment = Path(f"/proc/{process}/environ").read_bytes()
        is_here = os.path.samefile(f"/proc/{process}/ns/pid", "/proc/self/ns/pid")
    except OSError:
        return False
    return is_here and any(variable.startswith(f"{MARK}=".encode()) for variable in environment.split(b"\0"))


def _kill_processes() -> list[str]:
    """Kill the lab's processes until there are none; a process may have started another one meanwhile."""
    while victims := list(processes()):
        for process in victims:
            if not _kill(process):
                return [f"process {process} does not end"]
    return []


def _kill(process: int) -> bool:
    """Kill a process and wait for its end. Checks the mark again: the id may belong to another process by now."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        if not _is_marked(process):
            return True
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return bool(select.select([descriptor], [], [], COMMAND_TIMEOUT)[0])
    finally:
        os.close(descriptor)


def _run(*command: str) -> str:
    """Run a command that removes something. Returns its error in one line, empty if it succeeded."""
    try:
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)}: no answer for {COMMAND_TIMEOUT} seconds"
    if ran.returncode == 0 or b"Cannot find device" in ran.stdout:
        return ""
    return f"{' '.join(command)}: {' '.join(ran.stdout.decode(errors='replace').split())}"


def main() -> int:
    """Wait for the end of standard input, then sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    complaints = sweep()
    for complaint in complaints:
        print(f"lab: left behind: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
