"""The ``ip`` command of this namespace, and the settings that it does not cover."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from haslb_lab.errors import ProgramError


def ip(*words: object) -> str:
    """What ``ip`` prints with these words. Raises OSError with the command and what it complains about."""
    command = ["ip", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProgramError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout


def try_ip(*words: object) -> None:
    """The same, to remove what may not be there."""
    with contextlib.suppress(OSError):
        ip(*words)


def set_ipv4(interface: str, **values: int) -> None:
    """Set values of ``net.ipv4.conf`` for an interface, or for ``all`` or ``default``. Raises OSError."""
    for name, value in values.items():
        Path(f"/proc/sys/net/ipv4/conf/{interface}/{name}").write_text(str(value))


def disable_ipv6() -> None:
    """Have interfaces that are made from here on say nothing in IPv6, where the kernel has it at all."""
    setting = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if setting.exists():
        setting.write_text("1")
