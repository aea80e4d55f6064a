"""``haslb cluster``: makes the files of the cluster's database servers, and says how to start them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from ryu_haslb import product
from ryu_haslb.cluster.servers import MEMBER_PORT, RAFT_PORT, SCHEMA, ServerFileError, create, join, start_command
from ryu_haslb.cluster.settings import TLS_VARIABLES

_FILE = Path("/var/lib/haslb/haslb.db")
_EXAMPLES = """\
examples, on three machines:
  haslb cluster create 192.0.2.1               on the first
  haslb cluster join 192.0.2.2 192.0.2.1       on the second
  haslb cluster join 192.0.2.3 192.0.2.1       on the third
  haslb cluster schema                         the file of the OVSDB schema

Each prints the command that starts the server. A balancer is a member of the cluster with
  HASLB_CLUSTER=tcp:192.0.2.1:6641,tcp:192.0.2.2:6641,tcp:192.0.2.3:6641
"""


def run(words: Sequence[str]) -> int:
    """Carry out ``haslb cluster`` and return the exit status."""
    options = parser().parse_args(words)
    if options.command == "schema":
        print(SCHEMA)
        return 0
    file: Path = options.file
    try:
        if file.exists():
            raise ServerFileError(f"{file} is there already; remove it, or name another with --file")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the database has the keys of the configuration
        if options.command == "create":
            create(file, _raft(options.address, options), f"p{options.transport}:{options.port}")
        else:
            join(file, _raft(options.address, options), [_raft(each, options) for each in options.others])
    except (ServerFileError, OSError) as error:
        print(f"haslb cluster: {error}", file=sys.stderr)
        return 1
    print(shlex.join([*start_command(file), *_tls_options(options.transport)]))
    return 0


def _raft(address: str, options: argparse.Namespace) -> str:
    return f"{options.transport}:{_in_brackets(address)}:{options.raft_port}"


def _in_brackets(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _tls_options(transport: str) -> list[str]:
    if transport == "tcp":
        return []
    names = zip(("--private-key", "--certificate", "--ca-cert"), TLS_VARIABLES)
    return [f"{option}={os.environ.get(variable) or variable}" for option, variable in names]


def _address(text: str) -> str:
    """An IP address: the servers must reach each other by it."""
    return str(ip_address(text))


def _port(text: str) -> int:
    port = int(text)
    if port not in range(1, 65536):
        raise ValueError(text)
    return port


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb cluster``."""
    command_line = argparse.ArgumentParser(
        prog="haslb cluster",
        description="Make the file of a database server for a cluster of balancers; docs/cluster.md explains the rest.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command_line.add_argument("--version", action="version", version=product())
    commands = command_line.add_subparsers(dest="command", required=True, metavar="{schema,create,join}")
    commands.add_parser("schema", help="print the path of the OVSDB schema")
    for name, about in (("create", "make the first server's file"), ("join", "make a further server's file")):
        command = commands.add_parser(name, help=about)
        command.add_argument("address", type=_address, metavar="ADDRESS", help="this machine's address")
        if name == "join":
            command.add_argument("others", type=_address, nargs="+", metavar="OTHER", help="addresses of other servers")
        command.add_argument("--file", type=Path, default=_FILE, help=f"the file to make (default {_FILE})")
        command.add_argument("--raft-port", type=_port, default=RAFT_PORT, help=f"servers' port (default {RAFT_PORT})")
        command.add_argument("--port", type=_port, default=MEMBER_PORT, help=f"members' port (default {MEMBER_PORT})")
        command.add_argument(
            "--ssl",
            dest="transport",
            action="store_const",
            const="ssl",
            default="tcp",
            help="use TLS, with the files that HASLB_CLUSTER_KEY, HASLB_CLUSTER_CERT and HASLB_CLUSTER_CA name",
        )
    return command_line
