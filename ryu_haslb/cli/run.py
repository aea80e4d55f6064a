"""The command ``haslb run``: starts a balancer in the place of this process.

The engines' own commands, ``ryu-manager`` and ``osken-manager``, listen on every address by default. This command
listens on loopback.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ryu_haslb import product

DEFAULT_ADDRESS = "127.0.0.1"
#: The TCP port that IANA has registered for OpenFlow.
DEFAULT_PORT = 6653
_TLS_OPTION = "--ctl-privkey"
#: The settings of a balancer: option, variable of the environment that has the same effect, value, meaning.
SETTINGS = (
    ("--control", "HASLB_CONTROL", "PATH", "control socket, which 'haslb' connects to (default /run/haslb.sock)"),
    ("--http", "HASLB_HTTP", "[ADDRESS:]PORT", "where metrics, API and page are served (default: nowhere)"),
    ("--http-token-file", "HASLB_HTTP_TOKEN_FILE", "PATH", "file with the token that changes over HTTP need"),
    (
        "--watchdog",
        "HASLB_WATCHDOG",
        "SECONDS",
        "end a balancer whose event loop hangs for so long (default 30; 0 never)",
    ),
    ("--log-format", "HASLB_LOG_FORMAT", "FORMAT", "text, json or journal (default: journal under systemd, else text)"),
    ("--cluster", "HASLB_CLUSTER", "SERVERS", "database servers of the cluster: tcp:ADDRESS:PORT,... or ssl:..."),
    ("--name", "HASLB_NAME", "NAME", "name of this member of the cluster (default: the host's name)"),
    ("--cluster-key", "HASLB_CLUSTER_KEY", "PATH", "private key for ssl: servers (PEM)"),
    ("--cluster-cert", "HASLB_CLUSTER_CERT", "PATH", "certificate for ssl: servers (PEM)"),
    ("--cluster-ca", "HASLB_CLUSTER_CA", "PATH", "certificate of the authority of ssl: servers (PEM)"),
    (
        "--switch-tests",
        "HASLB_SWITCH_TESTS",
        "PATH",
        "directory with files of 'haslb switch-test --json', which decide whether NORMAL is used (default: none)",
    ),
    ("--vici", "HASLB_VICI", "PATH", "vici socket of the IPsec module's charon (default /var/run/charon.vici)"),
    ("--vici-counters", "HASLB_VICI_COUNTERS", "PATH", "control socket of the IPsec module, for its counters"),
)
#: Options of ``haslb-manager``, which gets them as they are: option, value, meaning.
_OF_MANAGER = (
    (_TLS_OPTION, "PATH", "private key of the OpenFlow port, which has TLS then (PEM)"),
    ("--ctl-cert", "PATH", "certificate of the OpenFlow port (PEM)"),
    ("--ca-certs", "PATH", "authorities of the switches' certificates (PEM); a switch without one is refused"),
    ("--log-file", "PATH", "a file that gets the log as well, beside standard error"),
)
_EXAMPLES = """\
examples:
  haslb run farm.ios                                  switches of this machine only
  haslb run farm.ios --listen 192.0.2.1
  haslb run farm.ios --listen '[2001:db8::1]:6633'
  haslb run farm.ios --listen 192.0.2.1 --http 8080
  haslb run farm.ios --listen 192.0.2.1 --cluster tcp:192.0.2.1:6641,tcp:192.0.2.2:6641,tcp:192.0.2.3:6641
  haslb run farm.ios --listen 192.0.2.1 --ctl-privkey own.key --ctl-cert own.pem --ca-certs ca.pem

exit status: that of the balancer; 2 the command line is wrong
"""


def run(words: Sequence[str]) -> NoReturn:
    """Replace this process by the balancer. Raises: SystemExit if the words are wrong, or there is no manager."""
    options, others = parser().parse_known_args(words)
    address, port = options.listen
    manager = Path(sys.executable).with_name("haslb-manager")
    if not manager.is_file():
        print(f"haslb: {manager} is missing; install ryu-haslb with the Python that runs haslb", file=sys.stderr)
        raise SystemExit(1)
    environment = {**os.environ, **settings(options), "HASLB_CONFIG": options.file}
    words_of_manager = manager_words(address, port, [*of_manager(options), *others])
    os.execve(manager, [str(manager), *words_of_manager], environment)


def settings(options: argparse.Namespace) -> dict[str, str]:
    """The variables of the environment for the options that were given."""
    return {variable: value for _, variable, _, _ in SETTINGS if (value := getattr(options, variable)) is not None}


def of_manager(options: argparse.Namespace) -> list[str]:
    """The options for ``haslb-manager`` that were given."""
    given = ((option, getattr(options, option)) for option, _, _ in _OF_MANAGER)
    return [f"{option}={value}" for option, value in given if value is not None]


def manager_words(address: str, port: int, others: Sequence[str]) -> list[str]:
    """The arguments of ``haslb-manager``; ``others`` are given to it as they are, and may ask for TLS."""
    has_tls = any(each.partition("=")[0] == _TLS_OPTION for each in others)
    kind = "ssl" if has_tls else "tcp"
    return ["ryu_haslb.app", "--ofp-listen-host", address, f"--ofp-{kind}-listen-port", str(port), *others]


def listening_place(text: str) -> tuple[str, int]:
    """``ADDRESS[:PORT]``; an IPv6 address with a port stands in brackets. Raises: ArgumentTypeError."""
    found = re.fullmatch(r"(?:\[(?P<v6>[^\]]+)\]|(?P<plain>[^:]+))(?::(?P<port>\d{1,5}))?", text, re.ASCII)
    host, port = (found["v6"] or found["plain"], found["port"] or DEFAULT_PORT) if found else (text, DEFAULT_PORT)
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        address = ""
    if not address or not 0 < int(port) <= 65535:
        raise argparse.ArgumentTypeError(
            f"expected ADDRESS[:PORT], such as 192.0.2.1, 192.0.2.1:6633 or [2001:db8::1]:6633, not {text!r}"
        )
    return address, int(port)


def add_listen_option(command_line: argparse.ArgumentParser, meaning: str) -> None:
    """Add ``--listen``, the OpenFlow port of this command."""
    command_line.add_argument(
        "--listen",
        metavar="ADDRESS[:PORT]",
        type=listening_place,
        default=(DEFAULT_ADDRESS, DEFAULT_PORT),
        help=f"{meaning} (default {DEFAULT_ADDRESS}:{DEFAULT_PORT}); 0.0.0.0 is every address",
    )


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb run``. Options that it does not know are those of ``haslb-manager``."""
    command_line = argparse.ArgumentParser(
        prog="haslb run",
        usage="haslb run FILE [--listen ADDRESS[:PORT]] [OPTION ...]",
        description="Start a balancer with a configuration file. Further options are those of 'haslb-manager --help'.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command_line.add_argument("--version", action="version", version=product())
    command_line.add_argument("file", metavar="FILE", help="the configuration: .yaml and .yml are YAML, all else IOS")
    add_listen_option(command_line, "where switches connect to")
    group = command_line.add_argument_group("settings", "Each may be given as a variable of the environment instead.")
    for option, variable, value, meaning in SETTINGS:
        group.add_argument(option, dest=variable, metavar=value, help=f"{meaning}; {variable}")
    group = command_line.add_argument_group("TLS, and the log")
    for option, value, meaning in _OF_MANAGER:
        group.add_argument(option, dest=option, metavar=value, help=meaning)
    return command_line
