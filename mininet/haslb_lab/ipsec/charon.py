"""strongSwan's charon, one for each node that uses IPsec. It ends with its node and shares nothing with other charons.

The kernel does ESP if it can. Otherwise charon's kernel-libipsec plugin does: ESP in UDP through a tun device
``ipsec0``. Everything else is the same; ``docs/ipsec.md`` has the table.
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
#: The device of kernel-libipsec: packets routed into it are encrypted, packets that come out of it were decrypted.
TUN = "ipsec0"

#: Firewall mark of charon's own packets. Routing rules that protect traffic exclude them.
MARK = 0x42

#: Seconds that charon may take to start, or to end.
CHARON_TIMEOUT = 60.0

_PLUGINS = "random nonce aes sha1 sha2 md5 hmac gmp openssl kdf {esp} kernel-netlink socket-default vici"
_LAST_LINE_OF_START = "worker threads"

# A tmpfs over /run separates the files of one charon from those of others; the node's own directory stays in place.
# setpriv has the kernel kill charon when its node ends for any reason.
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
    """charon's strongswan.conf.

    Only kernel-libipsec needs charon's routes: they lead into its device and vanish with it. Routes for the kernel's
    ESP would remain after charon is killed, and lead traffic past it.
    """
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
    """One charon in this namespace. ``vici`` is its control socket; ``heard`` is called with each line of its log."""

    def __init__(self, vici: Path, heard: Callable[[str], None], routing: Routing = OWN_ROUTING) -> None:
        self.vici = vici
        self.kernel_esp = has_kernel_esp()
        self._routing = routing
        self._heard = heard
        self._process: Optional[asyncio.subprocess.Process] = None
        self._listening: Optional[asyncio.Task[None]] = None

    async def start(self) -> None:
        """Start it and wait until it serves its socket. Raises: ProgramError."""
        self.vici.unlink(missing_ok=True)
        if self.kernel_esp:
            for what in ("state", "policy"):  # of a charon that was killed
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
            raise ProgramError(f"{PROGRAM} does not start: {said or 'its log is empty'}")
        self._listening = asyncio.create_task(self._hear_all())

    async def wait(self) -> int:
        """Wait for its end. Returns the exit status, negative if a signal ended it."""
        assert self._process is not None, "charon was not started"
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop it; kill it if it does not end in time."""
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
        """Read the log until charon serves its socket. Returns the last line if it ended instead, else None."""
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
        except ValueError:  # too long for the stream's buffer
            return ""
        if not data:
            return None
        line = data.decode(errors="replace").rstrip()
        self._heard(line)
        return line
