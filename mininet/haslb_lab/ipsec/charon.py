"""strongSwan's charon, one for each node that speaks IPsec: it ends with its node and shares nothing with another.

ESP is the kernel's where the kernel has it, else that of charon's own kernel-libipsec plugin: ESP in UDP through a tun
device ``ipsec0``. Everything else is the same; ``docs/ipsec.md`` has the table.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Optional

from haslb_lab.errors import ProgramError
from haslb_lab.node.interfaces import ip

PROGRAM = "/usr/lib/ipsec/charon"
#: The device of kernel-libipsec: what is routed into it leaves encrypted, what comes out of it was decrypted.
TUN = "ipsec0"

#: Firewall mark of charon's own packets; rules of routing that protect traffic leave them alone.
MARK = 0x42

#: Seconds within which charon has to start, or to end.
CHARON_TIMEOUT = 10.0

_PLUGINS = "random nonce aes sha1 sha2 md5 hmac gmp openssl kdf {esp} kernel-netlink socket-default vici"
_LAST_LINE_OF_START = "worker threads"

# A tmpfs over /run keeps one charon's files from another's; the node's own directory stays where it is. setpriv asks
# the kernel to kill charon when its node ends, however that happens.
_LAUNCH = """
set -e
exec 3< "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$1"
mount --no-canonicalize --bind /proc/self/fd/3 "$1"
exec setpriv --pdeathsig KILL "$2" 3<&-
"""


class Routing(NamedTuple):
    """The table where charon puts its routes into its tun device, and the preference of the rule that leads there."""

    table: int
    preference: int


OWN_ROUTING = Routing(table=220, preference=220)


def settings(vici: Path, kernel_esp: bool, routing: Routing) -> str:
    """charon's strongswan.conf. Only kernel-libipsec needs routes, into its device, and these go with it. What charon
    would add for the kernel's ESP stays behind when it is killed, and would lead around it."""
    plugins = _PLUGINS.format(esp="" if kernel_esp else "kernel-libipsec")
    return f"""\
charon {{
  load = {plugins}
  install_routes = {"no" if kernel_esp else "yes"}
  routing_table = {routing.table}
  routing_table_prio = {routing.preference}
  retransmit_timeout = 1.0
  retransmit_base = 1.5
  filelog {{
    stderr {{
      default = 1
      enc = 0
      net = 0
      flush_line = yes
    }}
  }}
  plugins {{
    vici {{
      socket = unix://{vici}
    }}
    kernel-libipsec {{
      allow_peer_ts = yes
    }}
    kernel-netlink {{
      fwmark = !{MARK:#x}
    }}
    socket-default {{
      fwmark = {MARK:#x}
    }}
  }}
}}
"""


def has_kernel_esp() -> bool:
    """Whether the kernel accepts a security association for ESP, tried in this namespace."""
    state = ["src", "127.0.0.1", "dst", "127.0.0.1", "proto", "esp", "spi", "0x100"]
    keys = ["mode", "tunnel", "enc", "cbc(aes)", f"0x{bytes(16).hex()}", "auth", "hmac(sha1)", f"0x{bytes(20).hex()}"]
    try:
        ip("xfrm", "state", "add", *state, *keys)
        ip("xfrm", "state", "delete", *state)
    except OSError:
        return False
    return True


class Charon:
    """One charon in this namespace. ``vici`` is its control socket, ``heard`` gets each line of its log."""

    def __init__(self, vici: Path, heard: Callable[[str], None], routing: Routing = OWN_ROUTING) -> None:
        self.vici = vici
        self.kernel_esp = has_kernel_esp()
        self._routing = routing
        self._heard = heard
        self._process: Optional[asyncio.subprocess.Process] = None
        self._listening: Optional[asyncio.Task[None]] = None

    async def start(self) -> None:
        """Start it and wait until it serves its socket. Raises OSError with a text for people."""
        self.vici.unlink(missing_ok=True)
        if self.kernel_esp:
            for what in ("state", "policy"):  # of one that was killed
                ip("xfrm", what, "flush")
        configuration = self.vici.with_suffix(".strongswan.conf")
        configuration.write_text(settings(self.vici, self.kernel_esp, self._routing))
        directory = self.vici.parent.resolve()
        self._process = await asyncio.create_subprocess_exec(
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _LAUNCH, "sh", str(directory), PROGRAM),
            env={**os.environ, "STRONGSWAN_CONF": str(configuration)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            said = await asyncio.wait_for(self._hear_until_started(), CHARON_TIMEOUT)
        except asyncio.TimeoutError:
            await self.stop()
            raise ProgramError(f"{PROGRAM} does not start within {CHARON_TIMEOUT:g} seconds") from None
        if said is not None:
            await self._process.wait()
            raise ProgramError(f"{PROGRAM} does not start: {said or 'it says nothing'}")
        self._listening = asyncio.create_task(self._hear_all())

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative when a signal ended it."""
        assert self._process is not None, "charon was not started"
        return await self._process.wait()

    async def stop(self) -> None:
        """End it, by force if need be."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), CHARON_TIMEOUT)
            except asyncio.TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        self.vici.unlink(missing_ok=True)

    async def _hear_until_started(self) -> Optional[str]:
        """Read the log until charon serves; what it said last if it ended instead."""
        last = ""
        while (line := await self._line()) is not None:
            last = line
            if _LAST_LINE_OF_START in line:
                return None
        return last

    async def _hear_all(self) -> None:
        while await self._line() is not None:
            pass

    async def _line(self) -> Optional[str]:
        """The next line of the log, None at its end."""
        assert self._process is not None and self._process.stdout is not None
        try:
            data = await self._process.stdout.readline()
        except ValueError:  # longer than any line of charon's
            return ""
        if not data:
            return None
        line = data.decode(errors="replace").rstrip()
        self._heard(line)
        return line
