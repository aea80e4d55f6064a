"""A PDSN (foreign agent) for the lab: registers mobiles, all from one address and one UDP port.

python -m haslb_lab.programs.pdsn --address 15.1.1.51 --home-agent 10.1.1.10 --control /tmp/pdsn1.control
python -m haslb_lab.node.control /tmp/pdsn1.control register 1 100
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Optional

from haslb_lab.agents import pdsn_show
from haslb_lab.agents.batches import Batch, Purpose
from haslb_lab.agents.foreign_agent import ForeignAgent, Policy
from haslb_lab.agents.visitors import Watch, unwatched
from haslb_lab.node import program
from haslb_lab.node.commands import Commands, Handler, in_lines
from haslb_lab.node.control import Answer
from haslb_lab.node.udp import Datagram, UdpSocket, check_assigned
from haslb_lab.tunnels.show import tunnels_json, tunnels_text
from haslb_lab.tunnels.tunnel import Side, Tunnels
from haslb_lab.tunnels.users import visitor_tunnels
from ryu_haslb.language.grammar import Command, Match
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT, NO_FLAGS, Flags

#: Numbers of users: the part of an NAI that tells mobiles from each other.
MAX_USER = 10**9
#: Users of one `register` or `deregister`.
MAX_BATCH_SIZE = 10**6
#: Seconds between two looks at the progress of a batch.
PROGRESS_INTERVAL = 0.1
#: Progress is reported when there is some, and after so many intervals even if there is none.
MAX_SILENT_INTERVALS = 10
_USERS = f"FIRST<0-{MAX_USER}> COUNT<1-{MAX_BATCH_SIZE}>"


class Pdsn:
    """Connects the decisions of :class:`ForeignAgent` with a socket and the event loop's clock."""

    def __init__(self, policy: Policy, tunnels: Tunnels, watch: Watch, arguments: argparse.Namespace) -> None:
        self._agent = ForeignAgent(policy, program.clock_offset(), watch)
        self._tunnels = tunnels
        self._home_agent_port = arguments.home_agent_port
        self._alarm = program.Alarm(self._advance)
        self._running: dict[Batch, asyncio.Future[None]] = {}
        self._socket = UdpSocket(policy.care_of_address, arguments.port, self._received)
        self.commands = Commands(
            [
                Command(f"register {_USERS}", self._register, "Register COUNT users from FIRST on"),
                Command(f"deregister {_USERS}", self._deregister, "Deregister COUNT users from FIRST on"),
                Command("show ip mobile visitor", self._show_visitor, "Registered mobiles"),
                Command("show ip mobile visitor summary", self._show_summary, "Number of registered mobiles"),
                Command("show ip mobile traffic", self._show_traffic, "Counters of requests and replies"),
                Command("show ip mobile tunnel", self._show_tunnel, "IP-in-IP tunnels"),
                Command("clear ip mobile visitor", self._clear, "Forget all visitors without deregistration"),
            ]
        )

    def close(self) -> None:
        """Close the socket."""
        self._alarm.set(None)
        self._socket.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _received(self, datagram: Datagram) -> None:
        self._agent.received(datagram.payload, self._now())
        self._advance()

    def _advance(self) -> None:
        for payload, destination in self._agent.advance(self._now()):
            self._socket.send(payload, destination, self._home_agent_port)
        for batch, completed in self._running.items():
            if batch.complete and not completed.done():
                completed.set_result(None)
        self._alarm.set(self._agent.next_event())

    def _register(self, command: Match[Handler], _: bool) -> Answer:
        return self._run(Batch(Purpose.REGISTER, command["FIRST"], command["COUNT"]))

    def _deregister(self, command: Match[Handler], _: bool) -> Answer:
        return self._run(Batch(Purpose.DEREGISTER, command["FIRST"], command["COUNT"]))

    async def _run(self, batch: Batch) -> Answer:
        """JSON lines of progress; the last one is the result. If the client leaves, no more registrations start."""
        began = self._now()
        completed = self._running[batch] = asyncio.get_running_loop().create_future()
        self._agent.start(batch)
        self._advance()
        try:
            reported: Optional[dict[str, object]] = None
            intervals = 0
            while not completed.done():
                await asyncio.wait({completed}, timeout=PROGRESS_INTERVAL)
                intervals += 1
                if batch.progress() != reported or intervals % MAX_SILENT_INTERVALS == 0:
                    reported = batch.progress()
                    yield json.dumps(reported)
            yield json.dumps(batch.result(self._now() - began))
        finally:
            del self._running[batch]
            self._agent.cancel(batch)

    def _show_visitor(self, _: Match[Handler], as_json: bool) -> Answer:
        view = pdsn_show.visitors_json if as_json else pdsn_show.visitors_text
        return in_lines(view(list(self._agent.visitors), self._now()))

    def _show_summary(self, _: Match[Handler], as_json: bool) -> Answer:
        view = pdsn_show.summary_json if as_json else pdsn_show.summary_text
        return in_lines(view(len(self._agent.visitors)))

    def _show_traffic(self, _: Match[Handler], as_json: bool) -> Answer:
        view = pdsn_show.traffic_json if as_json else pdsn_show.traffic_text
        return in_lines(view(self._agent.traffic, self._socket.send_errors))

    def _show_tunnel(self, _: Match[Handler], as_json: bool) -> Answer:
        return in_lines(tunnels_json(self._tunnels) if as_json else tunnels_text(self._tunnels))

    def _clear(self, _: Match[Handler], as_json: bool) -> Answer:
        cleared = self._agent.visitors.clear()
        self._alarm.set(self._agent.next_event())
        return in_lines(pdsn_show.cleared(cleared, as_json))


@contextlib.asynccontextmanager
async def open_pdsn(arguments: argparse.Namespace) -> AsyncIterator[Commands]:
    """Run the PDSN that the options describe while the context lasts; the value is its commands.

    Raises: OSError, with a message for the operator.
    """
    check_assigned(arguments.address)
    policy = Policy(
        care_of_address=arguments.address,
        home_agent=arguments.home_agent,
        association=program.association(arguments),
        home_agent_field=arguments.home_agent_field,
        nai_format=arguments.nai_format,
        lifetime=arguments.lifetime,
        retransmit=arguments.retransmit,
        retries=arguments.retries,
        window=arguments.window,
        rate=arguments.rate,
        flags=Flags.REVERSE_TUNNELING if arguments.reverse_tunnel else NO_FLAGS,
    )
    tunnels = Tunnels(Side.FOREIGN_AGENT)
    async with contextlib.AsyncExitStack() as stack:
        crypto: Iterable[Command[Handler]] = ()
        if arguments.config is not None:
            # Few PDSNs have a crypto map. All others start in half the time without the readers of configurations.
            from haslb_lab.ipsec.protected_interface import protected_interface  # noqa: PLC0415

            crypto = await stack.enter_async_context(
                protected_interface(arguments.config, arguments.interface, Path(arguments.control))
            )
        watch: Watch = unwatched
        if arguments.tunnels:
            mobiles = dict(arguments.mobile)
            watch = stack.enter_context(visitor_tunnels(tunnels, arguments.address, arguments.reverse_tunnel, mobiles))
        pdsn = stack.enter_context(contextlib.closing(Pdsn(policy, tunnels, watch, arguments)))
        pdsn.commands.add(crypto)
        yield pdsn.commands


def options() -> argparse.ArgumentParser:
    """The command line of this program."""
    parser = argparse.ArgumentParser(
        description="A PDSN (foreign agent) for the lab.",
        epilog="example: pdsn.py --address 15.1.1.51 --home-agent 10.1.1.10 --control /tmp/pdsn1.control",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    program.add_common_options(parser)
    add = parser.add_argument
    add("--address", type=program.address, required=True, help="own address: source and care-of address of requests")
    add("--home-agent", type=program.address, required=True, help="where requests go: the virtual server address")
    add(
        "--home-agent-field", type=program.address, default=Policy.home_agent_field, help="home agent field of requests"
    )
    add("--port", type=program.port, default=MOBILE_IP_PORT, help="own UDP port, shared by all mobiles")
    add("--home-agent-port", type=program.port, default=MOBILE_IP_PORT, help="UDP port of the home agents")
    add("--nai-format", type=_nai_format, default=Policy.nai_format, help="{} stands for the user's number")
    add(
        "--lifetime", type=_lifetime, default=Policy.lifetime, help="lifetime to request, in seconds; 65535 is infinite"
    )
    add(
        "--retransmit", type=program.positive, default=Policy.retransmit, help="seconds before the first retransmission"
    )
    add("--retries", type=_retries, default=Policy.retries, help="retransmissions before giving up")
    add("--window", type=_window, default=Policy.window, help="registrations in progress at the same time")
    add("--rate", type=program.positive, metavar="N", help="registrations started per second; None is no limit")
    add("--config", type=Path, metavar="FILE", help="IOS configuration, for the crypto map of --interface; needs root")
    add("--interface", metavar="NAME", help="the interface that has the crypto map, such as FastEthernet1/0")
    add("--tunnels", action="store_true", help="an IP-in-IP tunnel for each visitor; needs root")
    add("--reverse-tunnel", action="store_true", help="request reverse tunneling (T flag)")
    add(
        "--mobile",
        type=_mobile,
        action="append",
        default=[],
        metavar="USER=INTERFACE",
        help="the interface towards the mobile of a user: 1=pdsn1-eth1",
    )
    return parser


def _mobile(text: str) -> tuple[int, str]:
    user, _, interface = text.partition("=")
    if not 0 < len(interface) < 16:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a user and an interface such as 1=pdsn1-eth1")
    return program.whole_number(user, 0, MAX_USER), interface


def _nai_format(text: str) -> str:
    if text.count("{}") != 1 or len(text.replace("{}", str(MAX_USER)).encode("utf-8", "replace")) > 255:
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is not an NAI with one {{}} in it, such as user{{}}@example.com"
        )
    return text


def _lifetime(text: str) -> int:
    return program.whole_number(text, 1, 65535)


def _retries(text: str) -> int:
    return program.whole_number(text, 0, 16)


def _window(text: str) -> int:
    return program.whole_number(text, 1, 65536)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    parser = options()
    arguments = parser.parse_args(argv)
    if (arguments.reverse_tunnel or arguments.mobile) and not arguments.tunnels:
        parser.error("--reverse-tunnel and --mobile need --tunnels")
    if (arguments.config is None) != (arguments.interface is None):
        parser.error("--config and --interface need each other")
    return program.run(parser.prog, arguments.control, open_pdsn(arguments))


if __name__ == "__main__":
    sys.exit(main())
