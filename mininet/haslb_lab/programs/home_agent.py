"""A Mobile IP home agent for the lab: answers registrations on UDP port 434 and keeps mobility bindings.

    python -m haslb_lab.programs.home_agent --address 10.1.1.51 --dynamic-address 10.1.1.51 \\
        --virtual-address 10.1.1.10 --control /tmp/sami1.control
    python -m haslb_lab.programs.home_agent --address 10.1.1.51 --config sami1.ios --control /tmp/sami1.control
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Optional

from haslb_lab.agents import home_agent_show
from haslb_lab.agents.bindings import BindingTable, Watch, unwatched
from haslb_lab.agents.home_agent_registrations import HomeAgentAddresses, Registrations, Request
from haslb_lab.node import program
from haslb_lab.node.commands import Commands, Handler, in_lines
from haslb_lab.node.control import Answer
from haslb_lab.node.interfaces import loopbacks
from haslb_lab.node.udp import ANY_ADDRESS, Datagram, LossySocket, check_assigned
from haslb_lab.tunnels.show import tunnels_json, tunnels_text
from haslb_lab.tunnels.tunnel import Side, Tunnels
from haslb_lab.tunnels.users import binding_tunnels
from ryu_haslb.configuration.home_agent_model import DfpAgentService, HomeAgentConfiguration
from ryu_haslb.dfp.weight import DEFAULT_MAX_WEIGHT
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.language.grammar import Command, Match
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

DEFAULT_HOME_NETWORK = IPv4Network("10.200.0.0/16")


class HomeAgent:
    """Connects the decisions of :class:`Registrations` with a socket and the event loop's clock."""

    def __init__(self, registrations: Registrations, tunnels: Tunnels, arguments: argparse.Namespace) -> None:
        self._registrations = registrations
        self._tunnels = tunnels
        self._bindings = registrations.bindings
        self._alarm = program.Alarm(self._expire)
        self._socket = LossySocket(
            ANY_ADDRESS, arguments.listen_port, self._received, arguments.request_loss, arguments.reply_loss
        )
        self.commands = Commands(
            [
                Command("show ip mobile binding", self._show_binding, "Mobility bindings"),
                Command("show ip mobile binding summary", self._show_summary, "Number of mobility bindings"),
                Command("show ip mobile traffic", self._show_traffic, "Counters of requests and replies"),
                Command("show ip mobile tunnel", self._show_tunnel, "IP-in-IP tunnels"),
                Command("clear ip mobile binding", self._clear, "Close all mobility bindings"),
            ]
        )

    def close(self) -> None:
        """Close the socket."""
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

    def _show_binding(self, _: Match[Handler], as_json: bool) -> Answer:
        bindings = list(self._bindings)
        view = home_agent_show.bindings_json if as_json else home_agent_show.bindings_text
        return in_lines(view(bindings, self._now()))

    def _show_summary(self, _: Match[Handler], as_json: bool) -> Answer:
        view = home_agent_show.summary_json if as_json else home_agent_show.summary_text
        return in_lines(view(len(self._bindings)))

    def _show_traffic(self, _: Match[Handler], as_json: bool) -> Answer:
        view = home_agent_show.traffic_json if as_json else home_agent_show.traffic_text
        return in_lines(view(self._registrations.traffic, self._socket.send_errors))

    def _show_tunnel(self, _: Match[Handler], as_json: bool) -> Answer:
        return in_lines(tunnels_json(self._tunnels) if as_json else tunnels_text(self._tunnels))

    def _clear(self, _: Match[Handler], as_json: bool) -> Answer:
        cleared = self._bindings.clear()
        self._alarm.set(None)
        return in_lines(home_agent_show.cleared(cleared, as_json))


@contextlib.asynccontextmanager
async def open_home_agent(arguments: argparse.Namespace) -> AsyncIterator[Commands]:
    """Run the home agent that the options describe while the context lasts; the value is its commands.

    Raises: OSError, with a message for the operator.
    """
    configuration: HomeAgentConfiguration = arguments.config
    dynamic_address = arguments.dynamic_address or configuration.dynamic_address
    held = [loopback.address for loopback in configuration.loopbacks]
    virtual = held if arguments.virtual_address is None else [*held, arguments.virtual_address]
    check_assigned(arguments.address)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(loopbacks(held))
        if dynamic_address is not None:
            check_assigned(dynamic_address)
        tunnels = Tunnels(Side.HOME_AGENT)
        watch: Watch = unwatched
        if arguments.tunnels:
            watch = stack.enter_context(binding_tunnels(tunnels, arguments.address, arguments.home_network))
        registrations = Registrations(
            HomeAgentAddresses(arguments.address, dynamic_address, tuple(virtual)),
            BindingTable(arguments.home_network, arguments.max_bindings, watch),
            program.association(arguments),
            program.clock_offset(),
            arguments.tunnels,
        )
        home_agent = HomeAgent(registrations, tunnels, arguments)
        stack.callback(home_agent.close)
        if configuration.dfp_agent is not None:
            await stack.enter_async_context(_dfp_agent(configuration.dfp_agent, registrations, arguments))
        yield home_agent.commands


def _dfp_agent(
    service: DfpAgentService, registrations: Registrations, arguments: argparse.Namespace
) -> contextlib.AbstractAsyncContextManager[None]:
    """The DFP agent, with the maxima of its weight. The home network limits the number of bindings as well."""
    # A fifth of the start of a program of which a lab starts several; few of them have a DFP agent.
    from haslb_lab.agents.home_agent_dfp import Capacity, NodeWeight, dfp_agent  # noqa: PLC0415

    usable = arguments.home_network.num_addresses - 2
    capacity = Capacity(
        usable if arguments.max_bindings is None else min(usable, arguments.max_bindings),
        arguments.available_cps,
        arguments.max_weight,
    )
    return dfp_agent(service, NodeWeight(registrations, capacity), arguments.address)


def options() -> argparse.ArgumentParser:
    """The command line of this program."""
    parser = argparse.ArgumentParser(
        description="A Mobile IP home agent for the lab.",
        epilog="example (dispatched mode): home_agent.py --address 10.1.1.51 --dynamic-address 10.1.1.51 "
        "--virtual-address 10.1.1.10 --control /tmp/sami1.control",
    )
    program.add_common_options(parser)
    _add_address_options(parser)
    _add_load_options(parser)
    return parser


def _add_address_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--address", type=program.address, required=True, help="this home agent's own address")
    parser.add_argument(
        "--dynamic-address", type=program.address, help="source and home agent field of replies (default: where asked)"
    )
    parser.add_argument("--virtual-address", type=program.address, help="the balancer's virtual server address")
    parser.add_argument(
        "--config",
        type=_configuration,
        default=HomeAgentConfiguration(),
        metavar="FILE",
        help="the chapter's commands: interface Loopback, ip mobile home-agent dynamic-address, ip dfp agent ipmobile",
    )
    parser.add_argument(
        "--tunnels", action="store_true", help="an IP-in-IP tunnel for each binding, reverse if asked for; needs root"
    )
    parser.add_argument("--listen-port", type=program.port, default=MOBILE_IP_PORT, help="default %(default)s")
    parser.add_argument(
        "--home-network",
        type=_network,
        default=DEFAULT_HOME_NETWORK,
        help="mobiles get their home addresses from it (default %(default)s)",
    )


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-bindings", type=_count, metavar="N", help="default: as many as there are home addresses")
    parser.add_argument(
        "--available-cps", type=_count, metavar="N", help="calls per second at which the DFP weight is 0 (default: any)"
    )
    parser.add_argument(
        "--max-weight",
        type=lambda text: program.whole_number(text, 0, 65535),
        default=DEFAULT_MAX_WEIGHT,
        metavar="N",
        help="DFP weight of an idle home agent (default %(default)s)",
    )
    for what in ("request", "reply"):
        parser.add_argument(
            f"--{what}-loss", type=_share, default=0.0, metavar="SHARE", help=f"share of {what} datagrams to lose: 0.1"
        )


def _configuration(path: str) -> HomeAgentConfiguration:
    # Few home agents of the lab have a configuration. All others start sooner without its reader.
    from ryu_haslb.configuration.ios.home_agent import read_home_agent  # noqa: PLC0415

    try:
        configuration, warnings = read_home_agent(Path(path).read_text("utf-8"), path)
    except (OSError, UnicodeDecodeError, ConfigurationError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    for warning in warnings:
        print(warning, file=sys.stderr)
    return configuration


def _count(text: str) -> int:
    return program.whole_number(text, 1, 10**7)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a share from 0 to 1")
    return share


def _network(text: str) -> IPv4Network:
    network = program.network(text)
    if network.prefixlen > 30:
        raise argparse.ArgumentTypeError(f"{network} has no room for mobiles; use a prefix length of at most 30")
    return network


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    parser = options()
    arguments = parser.parse_args(argv)
    return program.run(parser.prog, arguments.control, open_home_agent(arguments))


if __name__ == "__main__":
    sys.exit(main())
