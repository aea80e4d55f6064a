"""The IPsec module's crypto port: a tun device, with the kernel's routing and charon behind it.

The kernel routes what the program writes into the device: IKE and ESP to charon or to the kernel's own ESP, packets to
be encrypted into charon's tun device. Encrypted and decrypted packets are routed back into the device. The kernel
forwards between these two devices only: frames that arrive at a trunk are handled by the program alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from ipaddress import IPv4Address

from haslb_lab.ipsec.charon import MARK, TUN, Routing
from haslb_lab.ipsec.protected_traffic import ProtectedTraffic
from haslb_lab.node.interfaces import disable_ipv6, ip, open_tun, set_ipv4, try_ip

CRYPTO = "crypto0"

#: The routing table that leads packets to be encrypted into charon's tun device; also the preference of its rule.
TABLE = 219

#: Where charon puts its own routes: behind the main table, which has a route for each of their destinations.
CHARON_ROUTING = Routing(table=222, preference=40000)


@contextlib.contextmanager
def crypto_port(local: IPv4Address, protected: ProtectedTraffic) -> Iterator[int]:
    """Make the device while the context lasts; the value is its file descriptor.

    ``local`` is the address at which the module answers IKE. Raises: OSError.
    """
    disable_ipv6()
    for scope in ("all", "default"):
        set_ipv4(scope, forwarding=0, rp_filter=0, send_redirects=0)
    descriptor = open_tun(CRYPTO)
    try:
        set_ipv4(CRYPTO, forwarding=1)
        ip("address", "add", f"{local}/32", "dev", CRYPTO)
        ip("link", "set", CRYPTO, "up")
        for each in protected:
            for network in (each.peer, each.local, each.remote):
                ip("route", "replace", network, "dev", CRYPTO)
        with _rules():
            yield descriptor
    finally:
        os.close(descriptor)


def appear_to_hold(local: IPv4Address, protected: ProtectedTraffic) -> None:
    """Give the device an address of each protected local network, without receiving packets for it.

    kernel-libipsec accepts an association, and the source of a route into its device, only on a host that has such an
    address. The local routes are moved to another table, so that packets for it are still routed to the real host.
    """
    for each in protected:
        if local in each.local:
            continue
        address = f"{each.local.network_address}/32"
        ip("address", "replace", address, "dev", CRYPTO)
        try_ip("route", "delete", "local", address, "dev", CRYPTO, "table", "local")
        ip("route", "replace", "local", address, "dev", CRYPTO, "table", CHARON_ROUTING.table)


def route_into_charon(protected: ProtectedTraffic) -> None:
    """Route packets to be encrypted into charon's tun device. Needed after each start of charon."""
    set_ipv4(TUN, forwarding=1)
    for each in protected:
        ip("route", "replace", each.remote, "dev", TUN, "table", TABLE)


@contextlib.contextmanager
def _rules() -> Iterator[None]:
    """Rules: decrypted packets use the main table only; all others except charon's own use our table first."""
    _remove_rules()
    ip("rule", "add", "iif", TUN, "lookup", "main", "preference", TABLE - 1)
    ip("rule", "add", "not", "fwmark", MARK, "lookup", TABLE, "preference", TABLE)
    try:
        yield
    finally:
        _remove_rules()


def _remove_rules() -> None:
    for preference in (TABLE - 1, TABLE):
        try_ip("rule", "delete", "preference", preference)
