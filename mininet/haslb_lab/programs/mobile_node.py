"""A mobile for the lab: a host that has its home address while its PDSN keeps it registered.

    python -m haslb_lab.programs.mobile_node --interface mobile1-eth0 --network 20.1.1.0/24 \\
        --control /tmp/mobile1.control

Its PDSN registers it (``pdsn.py --mobile 1=INTERFACE``, then ``register 1 1``) and sends it the address.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from haslb_lab.node import program
from haslb_lab.node.commands import Commands, Handler, in_json, in_lines
from haslb_lab.node.control import Answer
from haslb_lab.node.interfaces import ip
from haslb_lab.tunnels.reverse_arp import NO_ADDRESS, REPLY, REQUEST, ReverseArp, ReverseArpSocket
from ryu_haslb.language.grammar import Command, Match


class Mobile:
    """Holds the home address that the PDSN sends, and uses the PDSN as its router (RFC 5944 section 4.2.1).

    The PDSN is its router for ``networks`` only: no namespace of a lab has a default route.
    """

    def __init__(self, interface: str, networks: Sequence[IPv4Network]) -> None:
        self._interface = interface
        self._networks = networks
        self._home_address = NO_ADDRESS
        self._router = NO_ADDRESS
        self._socket = ReverseArpSocket(interface, self._on_message)
        self.commands = Commands([Command("show ip interface", self._show, "The interface and its home address")])

    def ask(self) -> None:
        """Request the address. If none comes, the PDSN sends it when it registers this mobile. Raises: OSError."""
        self._socket.send(ReverseArp(REQUEST))

    def close(self) -> None:
        """Close the socket and remove the address."""
        self._socket.close()
        self._use(NO_ADDRESS, NO_ADDRESS)

    def _on_message(self, message: ReverseArp) -> None:
        if message.operation == REPLY:
            self._use(message.target, message.sender)

    def _use(self, home_address: IPv4Address, router: IPv4Address) -> None:
        if (home_address, router) == (self._home_address, self._router):
            return
        try:
            if self._home_address != NO_ADDRESS:
                earlier, self._home_address = self._home_address, NO_ADDRESS
                ip("address", "delete", f"{earlier}/32", "dev", self._interface)
            if home_address != NO_ADDRESS:
                ip("address", "replace", f"{home_address}/32", "dev", self._interface)
                self._home_address = home_address
                ip("route", "replace", f"{router}/32", "dev", self._interface)
                way = ("via", str(router), "dev", self._interface, "src", str(home_address))
                for network in self._networks:
                    ip("route", "replace", network, *way)
            self._router = router
        except OSError as error:  # not a valid host address, or the interface is gone: continue without an address
            print(f"mobile_node.py: {error}", file=sys.stderr)

    def _show(self, _: Match[Handler], as_json: bool) -> Answer:
        has_one = self._home_address != NO_ADDRESS
        if as_json:
            return in_json({"interface": self._interface, "address": str(self._home_address) if has_one else None})
        address = f"Internet address is {self._home_address}/32" if has_one else "Internet protocol processing disabled"
        return in_lines([self._interface, f"  {address}"])


@contextlib.asynccontextmanager
async def open_mobile(arguments: argparse.Namespace) -> AsyncIterator[Commands]:
    """Run the mobile that the options describe while the context lasts; the value is its commands.

    Raises: OSError, with a message for the operator.
    """
    with contextlib.closing(Mobile(arguments.interface, arguments.network)) as mobile:
        mobile.ask()
        yield mobile.commands


def options() -> argparse.ArgumentParser:
    """The command line of this program."""
    parser = argparse.ArgumentParser(
        description="A mobile for the lab: takes the home address that its PDSN has registered for it.",
        epilog="example: mobile_node.py --interface mobile1-eth0 --network 20.1.1.0/24 --control /tmp/mobile1.control",
    )
    parser.add_argument("--interface", required=True, help="the link to the PDSN")
    parser.add_argument(
        "--network",
        type=program.network,
        action="append",
        default=[],
        help="a network that is reached through the PDSN, such as 20.1.1.0/24; may be given again",
    )
    parser.add_argument("--control", required=True, metavar="PATH", help="Unix socket for commands")
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    parser = options()
    arguments = parser.parse_args(argv)
    return program.run(parser.prog, arguments.control, open_mobile(arguments))


if __name__ == "__main__":
    sys.exit(main())
