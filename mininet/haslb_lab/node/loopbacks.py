"""Loopback interfaces of a home agent: addresses that it has and that nobody learns of by ARP (dispatched mode)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from haslb_lab.node.ip_command import ip
from haslb_lab.node.udp import is_assigned

#: Answer for an address only where it belongs, and speak for none but the interface's own.
_ARP = {"arp_ignore": 1, "arp_announce": 2}


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
            ip("address", "add", f"{address}/32", "dev", "lo")
            stack.callback(ip, "address", "delete", f"{address}/32", "dev", "lo")
        yield
