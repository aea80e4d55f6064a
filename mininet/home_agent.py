"""A Mobile IP home agent for the lab: answers registrations on UDP port 434 and keeps the bindings.

    python mininet/home_agent.py --address 10.1.1.51 --dynamic-address 10.1.1.51 --virtual-address 10.1.1.10 \\
        --control /tmp/sami1.control
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Network
from typing import Optional

import home_agent_show
import node
from bindings import BindingTable
from commands import Commands, in_lines
from node_control import Answer
from registrations import HomeAgentAddresses, Registrations, Request
from udp import ANY_ADDRESS, Datagram, UdpSocket, check_assigned

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

DEFAULT_HOME_NETWORK = IPv4Network("10.200.0.0/16")


class HomeAgent:
    """Joins the decisions of :class:`Registrations` to a socket and the event loop's clock."""

    def __init__(self, registrations: Registrations, listen_port: int) -> None:
        self._registrations = registrations
        self._bindings = registrations.bindings
        self._alarm = node.Alarm(self._expire)
        self._socket = UdpSocket(ANY_ADDRESS, listen_port, self._received)
        self.commands = Commands(
            {
                "show ip mobile binding": self._show_binding,
                "show ip mobile binding summary": self._show_summary,
                "show ip mobile traffic": self._show_traffic,
                "clear ip mobile binding": self._clear,
            }
        )

    def close(self) -> None:
        """Give the port back."""
        self._alarm.set(None)
        self._socket.close()

    def _received(self, datagram: Datagram) -> None:
        request = Request(datagram.payload, datagram.source, datagram.local)
        answer = self._registrations.answer(request, self._now())
        if answer is not None:
            self._socket.send(answer.payload, datagram.source, datagram.source_port, answer.home_agent)
        self._alarm.set(self._bindings.next_expiry())

    def _expire(self) -> None:
        self._bindings.expire(self._now())
        self._alarm.set(self._bindings.next_expiry())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _show_binding(self, _: list[str], as_json: bool) -> Answer:
        bindings = list(self._bindings)
        view = home_agent_show.bindings_json if as_json else home_agent_show.bindings_text
        return in_lines(view(bindings, self._now()))

    def _show_summary(self, _: list[str], as_json: bool) -> Answer:
        view = home_agent_show.summary_json if as_json else home_agent_show.summary_text
        return in_lines(view(len(self._bindings)))

    def _show_traffic(self, _: list[str], as_json: bool) -> Answer:
        view = home_agent_show.traffic_json if as_json else home_agent_show.traffic_text
        return in_lines(view(self._registrations.traffic, self._socket.send_errors))

    def _clear(self, _: list[str], as_json: bool) -> Answer:
        cleared = self._bindings.clear()
        self._alarm.set(None)
        return in_lines(home_agent_show.cleared(cleared, as_json))


@contextlib.asynccontextmanager
async def open_home_agent(arguments: argparse.Namespace) -> AsyncIterator[Commands]:
    """The home agent that the options describe, while the context lasts. Raises OSError with a text for people."""
    check_assigned(arguments.address)
    if arguments.dynamic_address is not None:
        check_assigned(arguments.dynamic_address)
    registrations = Registrations(
        HomeAgentAddresses(arguments.address, arguments.dynamic_address, arguments.virtual_address),
        BindingTable(arguments.home_network, arguments.max_bindings),
        node.association(arguments),
        node.clock_offset(),
    )
    home_agent = HomeAgent(registrations, arguments.listen_port)
    try:
        yield home_agent.commands
    finally:
        home_agent.close()


def options() -> argparse.ArgumentParser:
    """The command line of this program."""
    parser = argparse.ArgumentParser(
        description="A Mobile IP home agent for the lab.",
        epilog="example (dispatched mode): home_agent.py --address 10.1.1.51 --dynamic-address 10.1.1.51 "
        "--virtual-address 10.1.1.10 --control /tmp/sami1.control",
    )
    node.add_common_options(parser)
    parser.add_argument("--address", type=node.address, required=True, help="this home agent's own address")
    parser.add_argument(
        "--dynamic-address", type=node.address, help="source and home agent field of replies (default: where asked)"
    )
    parser.add_argument("--virtual-address", type=node.address, help="the balancer's virtual server address")
    parser.add_argument("--listen-port", type=node.port, default=MOBILE_IP_PORT, help="default %(default)s")
    parser.add_argument(
        "--max-bindings", type=lambda text: node.whole_number(text, 1, 10**7), metavar="N", help="default: no limit"
    )
    parser.add_argument(
        "--home-network",
        type=_network,
        default=DEFAULT_HOME_NETWORK,
        help="mobiles get their home addresses from it (default %(default)s)",
    )
    return parser


def _network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; expected a network such as {DEFAULT_HOME_NETWORK}") from None
    if network.prefixlen > 30:
        raise argparse.ArgumentTypeError(f"{network} has no room for mobiles; use a prefix length of at most 30")
    return network


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    parser = options()
    arguments = parser.parse_args(argv)
    return node.run(parser.prog, arguments.control, open_home_agent(arguments))


if __name__ == "__main__":
    sys.exit(main())
