"""The IPsec module's crypto port: a tun device, and behind it the kernel's routing and charon, which do the work.

What the program writes into the device the kernel routes: IKE and ESP to charon or to its own ESP, packets that are to
be encrypted into charon's tun device. What has been encrypted or decrypted is routed back into the device. Nothing is
forwarded but between the two: a frame that comes in by a trunk is the program's alone.
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

#: The routing table that leads into charon's tun device what is to be encrypted; also the preference of its rule.
TABLE = 219

#: Where charon puts such routes: behind the main table, which has one for every address that they are about.
CHARON_ROUTING = Routing(table=222, preference=40000)


@contextlib.contextmanager
def crypto_port(local: IPv4Address, protected: ProtectedTraffic) -> Iterator[int]:
    """The device's file descriptor; ``local`` is the address at which peers speak to the module.

    Raises OSError with a text for people.
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
    """Let charon see local addresses among those that it protects. kernel-libipsec takes an association only from a
    host that has one, and a route into its device only with that source; the kernel still finds them elsewhere."""
    for each in protected:
        if local in each.local:
            continue
        address = f"{each.local.network_address}/32"
        ip("address", "replace", address, "dev", CRYPTO)
        try_ip("route", "delete", "local", address, "dev", CRYPTO, "table", "local")
        ip("route", "replace", "local", address, "dev", CRYPTO, "table", CHARON_ROUTING.table)


def route_into_charon(protected: ProtectedTraffic) -> None:
    """Lead what is to be encrypted into charon's tun device, which a new charon makes anew."""
    set_ipv4(TUN, forwarding=1)
    for each in protected:
        ip("route", "replace", each.remote, "dev", TUN, "table", TABLE)


@contextlib.contextmanager
def _rules() -> Iterator[None]:
    """What charon has decrypted goes to the main table only, all else but charon's own first to ours."""
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
