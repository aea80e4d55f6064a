"""An interface with a crypto map on a node that is its own router, the PDSN: no protected traffic leaves unencrypted.

charon routes packets that have a security association into its tun device. Packets without one are routed into another
device, ``crypto0``, where they are counted and dropped, and an association is negotiated. If this program is killed an
unreachable route remains. The same routes make the kernel's reverse path check drop packets that arrive in clear and
had to be protected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from haslb_lab.errors import ProgramError
from haslb_lab.ipsec.charon import MARK, Charon
from haslb_lab.ipsec.crypto_commands import Errors, crypto_commands
from haslb_lab.ipsec.crypto_port import CRYPTO
from haslb_lab.ipsec.esp_errors import CharonLog
from haslb_lab.ipsec.ethernet import Ipv4Packet
from haslb_lab.ipsec.on_demand import Ipsec
from haslb_lab.ipsec.protected_traffic import ProtectedTraffic, read_crypto
from haslb_lab.node.commands import Handler
from haslb_lab.node.interfaces import MAX_PACKET_SIZE, disable_ipv6, ip, open_tun, set_ipv4, try_ip
from ryu_haslb.language.grammar import Command

#: The routing table after charon's own, 220; also the preference of its rule.
TABLE = 221

#: Metric of the unreachable routes: they are used when the device is gone.
_LAST_RESORT = 4096


class Unprotected:
    """Counts and drops the packets that had to be encrypted and found no association."""

    def __init__(self, protected: ProtectedTraffic, ipsec: Ipsec) -> None:
        self.packets = 0
        self._protected = protected
        self._ipsec = ipsec
        self._crypto = open_tun(CRYPTO)
        asyncio.get_running_loop().add_reader(self._crypto, self._read)

    def close(self) -> None:
        """Remove the device."""
        asyncio.get_running_loop().remove_reader(self._crypto)
        os.close(self._crypto)

    def _read(self) -> None:
        try:
            packet = Ipv4Packet.decode(os.read(self._crypto, MAX_PACKET_SIZE))
        except OSError:
            return
        if packet is None:
            return
        if protection := self._protected.leaving(packet.source, packet.destination):
            self.packets += 1
            self._ipsec.need(protection.association)


@contextlib.contextmanager
def guarded_routes(local: IPv4Address, protected: ProtectedTraffic) -> Iterator[None]:
    """Routes that let no protected traffic leave or enter in clear, while the context lasts."""
    interface = _interface_with(local)
    _clear_routes()
    set_ipv4("all", rp_filter=0)
    set_ipv4(interface, rp_filter=1)
    ip("link", "set", CRYPTO, "up")
    for each in protected:
        ip("route", "replace", each.remote, "dev", CRYPTO, "src", local, "table", TABLE)
        ip("route", "replace", "unreachable", each.remote, "metric", _LAST_RESORT, "table", TABLE)
    ip("rule", "add", "not", "fwmark", MARK, "lookup", TABLE, "preference", TABLE)
    try:
        yield
    finally:
        _clear_routes()


def _clear_routes() -> None:
    try_ip("rule", "delete", "preference", TABLE)
    try_ip("route", "flush", "table", TABLE)


def _interface_with(address: IPv4Address) -> str:
    """The Linux interface that has an address. Raises: ProgramError if there is none."""
    listed = json.loads(ip("-json", "address", "show", "to", f"{address}/32"))
    names = [each["ifname"] for each in listed if each]
    if not names:
        raise ProgramError(
            f"no interface has the address {address}; add it first: ip address add {address}/24 dev INTERFACE"
        )
    return str(names[0])


@contextlib.asynccontextmanager
async def protected_interface(config: Path, name: str, control: Path) -> AsyncIterator[tuple[Command[Handler], ...]]:
    """Protect the interface ``name`` by its crypto map while the context lasts; the value is its commands.

    The interface is protected from the start. Negotiation starts at once and is not waited for: the network may not be
    ready when nodes start. Raises: OSError, with a message for the operator.
    """
    configuration, translation = read_crypto(config, name)
    disable_ipv6()
    protected = ProtectedTraffic(translation)
    async with contextlib.AsyncExitStack() as stack:
        log = CharonLog(control.with_suffix(".charon.log"))
        stack.callback(log.close)
        ipsec = Ipsec(translation, Charon(control.with_suffix(".vici"), log.add))
        unprotected = Unprotected(protected, ipsec)
        stack.callback(unprotected.close)
        stack.enter_context(guarded_routes(translation.local, protected))
        stack.push_async_callback(ipsec.close)
        await ipsec.open()
        ipsec.begin()
        errors = Errors(lambda: (unprotected.packets + log.send_errors, _reversed_paths() + log.recv_errors))
        yield crypto_commands(configuration, name, ipsec, errors)


def _reversed_paths() -> int:
    """Packets that the reverse path check of this namespace's kernel has dropped."""
    names, values = Path("/proc/net/netstat").read_text().splitlines()[:2]
    return int(dict(zip(names.split(), values.split()))["IPReversePathFilter"])
