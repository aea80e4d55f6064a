"""Loopback interfaces of a home agent: addresses that it has and that nobody learns of by ARP (dispatched mode)."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from udp import is_assigned

_ARP = {"arp_ignore": 1, "arp_announce": 2}
"""Answer for an address only where it belongs, and speak for none but the interface's own."""


@contextlib.contextmanager
def loopbacks(addresses: Iterable[IPv4Address]) -> Iterator[None]:
    """Hold the addresses that are not there yet while the context lasts. Raises OSError with a text for people.

    As hosts: to Linux the whole network of a longer loopback would be local.
    """
    with contextlib.ExitStack() as stack:
        for address in addresses:
            if is_assigned(address):
                continue
            for name, value in _ARP.items():
                Path(f"/proc/sys/net/ipv4/conf/all/{name}").write_text(str(value))
            _ip_address("add", address)
            stack.callback(_ip_address, "delete", address)
        yield


def _ip_address(action: str, address: IPv4Address) -> None:
    command = ["ip", "address", action, f"{address}/32", "dev", "lo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
