"""The links from a PDSN to mobiles: which mobile has which address there, and the routes that follow from it."""

from __future__ import annotations

import contextlib
import sys
from ipaddress import IPv4Address

from haslb_lab.node.interfaces import ip, set_ipv4, try_ip
from haslb_lab.tunnels.endpoint import DEVICE
from haslb_lab.tunnels.reverse_arp import NO_ADDRESS, REPLY, REQUEST, ReverseArp, ReverseArpSocket

#: The routing table, and the priority of the rule, that leads what mobiles send into the tunnels.
REVERSE_TABLE = "2003"


class MobileLink:
    """The link to one mobile. Only packets from the mobile's own home address are let in by it (strict reverse path),
    and with ``reverse`` they all go into the tunnels. Raises OSError with a text for people."""

    def __init__(self, interface: str, address: IPv4Address, reverse: bool) -> None:
        self.home_address = NO_ADDRESS
        self._interface = interface
        self._address = address
        with contextlib.ExitStack() as stack:
            self._socket = ReverseArpSocket(interface, self._asked)
            stack.callback(self._socket.close)
            set_ipv4(interface, rp_filter=1)
            if reverse:
                ip("route", "replace", "default", "dev", DEVICE, "table", REVERSE_TABLE)
                rule = ("iif", interface, "priority", REVERSE_TABLE, "lookup", REVERSE_TABLE)
                try_ip("rule", "delete", *rule)  # of a PDSN that was killed here
                ip("rule", "add", *rule)
                stack.callback(try_ip, "rule", "delete", *rule)
            stack.callback(self.assign, NO_ADDRESS)
            self._resources = stack.pop_all()

    def close(self) -> None:
        """Take the mobile's address back and leave the link."""
        self._resources.close()

    def assign(self, home_address: IPv4Address) -> None:
        """Give the mobile this address; NO_ADDRESS takes back the one it has."""
        if home_address == self.home_address:
            return
        try:
            if self.home_address != NO_ADDRESS:
                ip("route", "flush", "exact", f"{self.home_address}/32", "dev", self._interface)
            self.home_address = home_address
            if home_address != NO_ADDRESS:
                ip("route", "replace", f"{home_address}/32", "dev", self._interface)
            self._tell()
        except OSError as error:  # somebody took the link away; registrations go on without it
            print(f"pdsn.py: the mobile at {self._interface}: {error}", file=sys.stderr)

    def _asked(self, message: ReverseArp) -> None:
        if message.operation == REQUEST and self.home_address != NO_ADDRESS:
            with contextlib.suppress(OSError):
                self._tell()

    def _tell(self) -> None:
        self._socket.send(ReverseArp(REPLY, sender=self._address, target=self.home_address))
