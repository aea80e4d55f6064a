"""``haslb-dfp-agent``: reports the weight of the home agent on this machine to the balancer."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address
from typing import Callable, Optional

from ryu_haslb import log_limit, product
from ryu_haslb.dfp.agent_server import DEFAULT_INTERVAL, DfpAgentServer
from ryu_haslb.dfp.measurement import HomeAgentWeight, read_path, run_command
from ryu_haslb.dfp.security import check_password
from ryu_haslb.dfp.weight import DEFAULT_MAX_WEIGHT

DEFAULT_PORT = 500
_PASSWORD_OPTION = "--password"
#: The mode bits of a file that let the group or others read or write it.
_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH

EXAMPLES = f"""\
examples:
  haslb-dfp-agent --port 500
      weight by free processor time and memory; on the balancer: ip slb dfp / agent 10.1.1.51 500
  haslb-dfp-agent --bindings-from /run/home-agent.json --password-file /etc/haslb/dfp-password
      the file holds a number of bindings, or {{"bindings": 50, "max_bindings": 1250, "calls": 71344}};
      it may also be a Unix socket that sends the same to each client and closes
  haslb-dfp-agent --bindings-command "count-bindings --total" --max-bindings 1250
      the command prints the same
  haslb-dfp-agent --bindings-from /run/home-agent.json --available-cps 100
      the weight falls with the calls per second, to 0 at 100; "calls" is a counter of all calls so far
  haslb-dfp-agent --bindings-from /run/home-agent.json --no-inservice
      print the weight that would be reported, and exit

the weight is 0 to --max-weight (default {DEFAULT_MAX_WEIGHT}):
  (max_bindings - bindings) * (cpu + memory) * (available_cps - calls per second) * max_weight
      / (max_bindings * 32 * available_cps)
  where cpu and memory are 0 (none free) to 16 (all free). While the load cannot be measured, the weight is 0.

"ready" on standard output: the port is open. SIGTERM ends the agent.
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command and return its exit status."""
    try:
        options = parser().parse_args(arguments)
        if arguments is None and options.password and os.path.isfile(sys.argv[0]):
            _start_again_without_password(options.password)
        logging.basicConfig(format="haslb-dfp-agent: %(message)s", level=logging.INFO, stream=sys.stderr)
        log_limit.install()
        password = options.password or options.password_file or ""
        weight = HomeAgentWeight(
            options.bindings, options.max_bindings, options.available_cps, max_weight=options.max_weight
        )
        if not options.inservice:
            print(weight(), flush=True)
            return 0
        server = DfpAgentServer(
            weight,
            options.port,
            password=password,
            interval=options.interval,
            address=options.address,
            managers=options.managers,
        )
        asyncio.run(_serve(server))
    except KeyboardInterrupt:
        return 0
    except (OSError, ValueError) as error:
        print(f"haslb-dfp-agent: {error}", file=sys.stderr)
        return 1
    return 0


def _start_again_without_password(password: str) -> None:
    """Replace the process by itself with the password in a file that has no name, where ``ps`` does not show it."""
    descriptor = os.memfd_create("dfp-password", 0)
    os.fchmod(descriptor, 0o600)
    os.write(descriptor, f"{password}\n".encode())
    arguments = iter(sys.argv)
    kept = []
    for argument in arguments:
        if argument == _PASSWORD_OPTION:
            next(arguments)
        elif not argument.startswith(f"{_PASSWORD_OPTION}="):
            kept.append(argument)
    os.execv(sys.executable, [sys.executable, *kept, "--password-file", f"/proc/self/fd/{descriptor}"])


async def _serve(server: DfpAgentServer) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await server.start()
    except PermissionError as error:
        raise PermissionError(
            f"{error}; a port below 1024 needs root or CAP_NET_BIND_SERVICE, or choose another with --port"
        ) from None
    print(f"ready: DFP agent on port {server.port}, weight {server.weight}", flush=True)
    await stop.wait()
    await server.stop()


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb-dfp-agent``."""
    command_line = argparse.ArgumentParser(
        prog="haslb-dfp-agent",
        description="DFP agent of a home agent: reports to the HA-SLB balancer how much load this machine can take.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command_line.add_argument("--version", action="version", version=product())
    _add_agent_options(command_line.add_argument_group("as in 'ip dfp agent ipmobile'"))
    _add_weight_options(command_line.add_argument_group("the weight"))
    return command_line


def _add_agent_options(agent: argparse._ArgumentGroup) -> None:
    agent.add_argument(
        "--port",
        type=_whole(0, 65535),
        default=DEFAULT_PORT,
        help=f"TCP port to listen on (default {DEFAULT_PORT}; 0: any free port)",
    )
    agent.add_argument(
        "--interval",
        type=_whole(1, 65535),
        default=DEFAULT_INTERVAL,
        metavar="SECONDS",
        help=f"seconds between measurements of the load (default {DEFAULT_INTERVAL:.0f})",
    )
    secret = agent.add_mutually_exclusive_group()
    secret.add_argument(
        _PASSWORD_OPTION,
        type=_password,
        help="shared key, 1 to 64 ASCII characters; other users see it until the agent has started",
    )
    secret.add_argument("--password-file", type=_password_in, metavar="FILE", help="file whose first line is the key")
    agent.add_argument(
        "--manager",
        dest="managers",
        type=_address,
        action="append",
        default=[],
        metavar="A.B.C.D",
        help="a balancer that may connect, and no other address may; give it for each balancer (default: any may)",
    )
    agent.add_argument("--no-inservice", dest="inservice", action="store_false", help="print the weight and exit")


def _add_weight_options(weight: argparse._ArgumentGroup) -> None:
    weight.add_argument(
        "--address",
        type=_address,
        metavar="A.B.C.D",
        help="home agent's address, to listen on and to report (default: the address that the balancer connects to)",
    )
    weight.add_argument("--max-weight", type=_whole(0, 65535), default=DEFAULT_MAX_WEIGHT, metavar="WEIGHT")
    source = weight.add_mutually_exclusive_group()
    source.add_argument("--bindings-from", dest="bindings", type=_reader(read_path), metavar="FILE-OR-SOCKET")
    source.add_argument("--bindings-command", dest="bindings", type=_reader(run_command), metavar="COMMAND")
    weight.add_argument("--max-bindings", type=_whole(0, 2**32 - 1), metavar="NUMBER", help="overrides max_bindings")
    weight.add_argument("--available-cps", type=_whole(1, 2**32 - 1), metavar="CALLS", help="maximum calls per second")


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and minimum <= int(text) <= maximum):
            raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number from {minimum} to {maximum}")
        return int(text)

    return convert


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; expected an IPv4 address such as 10.1.1.51") from None


def _password(text: str) -> str:
    try:
        check_password(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _password_in(path: str) -> str:
    try:
        if stat.S_IMODE(os.stat(path).st_mode) & _OTHERS:
            print(f"haslb-dfp-agent: other users may read or change {path}; chmod 600 {path}", file=sys.stderr)
        return _password(read_path(path).partition("\n")[0])
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _reader(read: Callable[[str], str]) -> Callable[[str], Callable[[], str]]:
    return lambda name: partial(read, name)
