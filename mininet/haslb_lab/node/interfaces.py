"""The interfaces of a node's namespace: the ``ip`` command, kernel settings, tun devices, and loopback addresses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from haslb_lab.errors import ProgramError
from haslb_lab.node.udp import is_assigned

#: Bytes of an IP packet.
MAX_PACKET_SIZE = 65535

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
#: The part of ``struct ifreq`` that TUNSETIFF reads: name and flags.
_REQUEST = struct.Struct("16sH22x")

#: Kernel settings for loopback addresses: no ARP reply for an address that is not the interface's own (1), and no ARP
#: request with such an address as its sender (2).
_ARP_SETTINGS = {"arp_ignore": 1, "arp_announce": 2}


def ip(*words: object) -> str:
    """Run ``ip`` with these words and return what it prints. Raises: ProgramError with the command and its error."""
    command = ["ip", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProgramError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout


def try_ip(*words: object) -> None:
    """Run ``ip`` to remove something that may not exist; ignore its error."""
    with contextlib.suppress(OSError):
        ip(*words)


def set_ipv4(interface: str, **values: int) -> None:
    """Set values of ``net.ipv4.conf`` for an interface, or for ``all`` or ``default``. Raises: OSError."""
    for name, value in values.items():
        Path(f"/proc/sys/net/ipv4/conf/{interface}/{name}").write_text(str(value))


def disable_ipv6() -> None:
    """Switch IPv6 off for all interfaces that are made from now on, if the kernel has IPv6."""
    setting = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if setting.exists():
        setting.write_text("1")


def open_tun(name: str) -> int:
    """Make a tun device and return its file descriptor, which does not block.

    Each read or write is one IP packet. The device exists until the descriptor is closed. Raises: ProgramError.
    """
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ProgramError(f"cannot open /dev/net/tun: {error.strerror}; the kernel needs its module tun") from None
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        os.close(descriptor)
        raise ProgramError(f"cannot make the tun device {name}: {error.strerror}") from None
    return descriptor


@contextlib.contextmanager
def loopbacks(addresses: Iterable[IPv4Address]) -> Iterator[None]:
    """Put addresses on the loopback interface while the context lasts, except those that the node has already.

    ARP does not reveal them, as dispatched mode requires. They are added as /32: with a shorter prefix Linux would
    treat the whole network as local. Raises: OSError.
    """
    with contextlib.ExitStack() as stack:
        for address in addresses:
            if is_assigned(address):
                continue
            set_ipv4("all", **_ARP_SETTINGS)
            ip("address", "add", f"{address}/32", "dev", "lo")
            stack.callback(ip, "address", "delete", f"{address}/32", "dev", "lo")
        yield
