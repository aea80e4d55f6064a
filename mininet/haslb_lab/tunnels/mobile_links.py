"""The links from a PDSN to its mobiles: the mobiles' home addresses and the routes to them."""

from __future__ import annotations

import contextlib
import sys
from ipaddress import IPv4Address

from haslb_lab.node.interfaces import ip, set_ipv4, try_ip
from haslb_lab.tunnels.endpoint import DEVICE
from haslb_lab.tunnels.reverse_arp import NO_ADDRESS, REPLY, REQUEST, ReverseArp, ReverseArpSocket

#: The routing table that leads packets of mobiles into the tunnels; also the priority of its rule.
REVERSE_TABLE = "2003"


class MobileLink:
    """The link to one mobile.

    It accepts packets from the mobile's own home address only (strict reverse path check). With ``reverse`` they all go
    into the tunnels. Raises: OSError, with a message for the operator.
    """

    def __init__(self, interface: str, address: IPv4Address, reverse: bool) -> None:
        self.home_address = NO_ADDRESS
        self._interface = interface
        self._address = address
        with contextlib.ExitStack() as stack:
            self._socket = ReverseArpSocket(interface, self._on_message)
            stack.callback(self._socket.close)
            set_ipv4(interface, rp_filter=1)
            if reverse:
                ip("route", "replace", "default", "dev", DEVICE, "table", REVERSE_TABLE)
                rule = ("iif", interface, "priority", REVERSE_TABLE, "lookup", REVERSE_TABLE)
                try_ip("rule", "delete", *rule)  # of a PDSN that was killed
                ip("rule", "add", *rule)
                stack.callback(try_ip, "rule", "delete", *rule)
            stack.callback(self.assign, NO_ADDRESS)
            self._resources = stack.pop_all()

    def close(self) -> None:
        """Withdraw the mobile's address and close the link."""
        self._resources.close()

    def assign(self, home_address: IPv4Address) -> None:
        """Assign the mobile this address; NO_ADDRESS withdraws its current one."""
        if home_address == self.home_address:
            return
        try:
            if self.home_address != NO_ADDRESS:
                ip("route", "flush", "exact", f"{self.home_address}/32", "dev", self._interface)
            self.home_address = home_address
            if home_address != NO_ADDRESS:
                ip("route", "replace", f"{home_address}/32", "dev", self._interface)
            self._send_address()
        except OSError as error:  # the link is gone; registrations continue without it
            print(f"pdsn.py: the mobile at {self._interface}: {error}", file=sys.stderr)

    def _on_message(self, message: ReverseArp) -> None:
        if message.operation == REQUEST and self.home_address != NO_ADDRESS:
            with contextlib.suppress(OSError):
                self._send_address()

    def _send_address(self) -> None:
        self._socket.send(ReverseArp(REPLY, sender=self._address, target=self.home_address))
