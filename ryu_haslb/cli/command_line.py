"""The command ``haslb``: its options, ``haslb check``, and its exit status."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Optional, TextIO

from ryu_haslb import product
from ryu_haslb.cli import cluster, completion
from ryu_haslb.cli.client import ControlError, control_path
from ryu_haslb.cli.operator import Operator
from ryu_haslb.cli.run import parser as run_parser
from ryu_haslb.cli.run import run
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import Loaded, load, load_stream
from ryu_haslb.control.command_table import Executor
from ryu_haslb.control.protocol import CONTROL_VARIABLE, DEFAULT_CONTROL, SERVICE_CONTROL
from ryu_haslb.ipsec.translation import secured_interfaces, translate
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic
from ryu_haslb.language.grammar import CommandError

_EXAMPLES = f"""\
examples:
  haslb                                       a prompt, with history, completion and ?
  haslb show ip slb reals                     words may be abbreviated: haslb sh ip sl rea
  haslb show ip slb sessions ipmobile --json
  haslb show ip slb sessions '|' include 10.1.1.51
  haslb show ip slb --help                    the words that may come next; at the prompt: ?
  haslb debug ip slb sessions ipmobile        until Ctrl-C
  haslb clear ip slb counters
  haslb run farm.ios --listen 192.0.2.1       start a balancer: haslb run --help
  haslb switch-test --listen 192.0.2.1        what a switch is able to do: haslb switch-test --help
  haslb check new.ios && haslb configure new.ios
  haslb config 'ip slb serverfarm HAFARM' 'real 10.1.1.51' 'no inservice'
  haslb schema > haslb.schema.json           for editors of configurations in YAML

Without --control, the environment variable {CONTROL_VARIABLE} names the balancer's control socket;
the default is that of the service, {SERVICE_CONTROL}, if it runs, else {DEFAULT_CONTROL}.

exit status: 0 success, 1 the balancer refused or cannot be reached, 2 the command line is wrong
"""
_CHECK_EXAMPLES = """\
examples:
  haslb check haslb.ios             the balancer's configuration in the language of IOS
  haslb check haslb.yaml            the same in YAML
  haslb check --secrets haslb.yaml > haslb.ios
  haslb check new.ios && haslb configure new.ios
  ssh 7600 show running-config | haslb check -

exit status: 0 the configuration is valid, 1 it has errors, 2 the command line is wrong
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run ``haslb`` and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        status = _run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the program that reads our output has ended, as head does
        _redirect_to_null(sys.stdout)
        return 0
    except OSError as error:
        _redirect_to_null(sys.stdout)
        _print_error(f"haslb: cannot write: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _run(options: argparse.Namespace) -> int:
    if options.words[:1] == ["run"]:
        run(options.words[1:])
    path = options.control or control_path()
    local = {
        **{Executor.CHECK: _check, Executor.CLUSTER: cluster.run},
        **{Executor.SCHEMA: _schema, Executor.SWITCH_TEST: _switch_test},
        Executor.COMPLETION: lambda words: completion.run(words, path, PARSERS),
    }
    operator = Operator(path, local)
    try:
        return operator.run(options.words) if options.words else operator.prompt()
    except CommandError as error:
        _print_error(f"haslb: {error}; see haslb --help")
        return 2
    except ControlError as error:
        _print_error(f"haslb: {error}")
        return 1


def _switch_test(words: Sequence[str]) -> int:
    """Imported when it is needed: all other commands are quicker without its OpenFlow."""
    from ryu_haslb.cli import switch_test  # noqa: PLC0415

    return switch_test.run(words)


def _switch_test_parser() -> argparse.ArgumentParser:
    from ryu_haslb.cli import switch_test  # noqa: PLC0415

    return switch_test.parser()


def _redirect_to_null(stream: TextIO) -> None:
    """Redirect a broken stream to nowhere: Python flushes it at exit, and would fail again with exit status 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_error(about: object) -> None:
    """Print to standard error, if it is open and can be written."""
    if sys.stderr is not None:
        try:
            print(about, file=sys.stderr)
        except OSError:
            _redirect_to_null(sys.stderr)


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb``."""
    command_line = argparse.ArgumentParser(
        prog="haslb",
        usage="haslb [--control PATH] [COMMAND ...]",
        description="Operate a running balancer: home agent server load balancing (HA-SLB) on OpenFlow switches.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command_line.add_argument("--version", action="version", version=product())
    command_line.add_argument("--control", metavar="PATH", help="the balancer's control socket")
    command_line.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="such as: show ip slb reals")
    return command_line


def check_parser() -> argparse.ArgumentParser:
    """The command line of ``haslb check``."""
    command_line = argparse.ArgumentParser(
        prog="haslb check",
        description="Check a configuration file. Standard output gets the whole configuration in the language of "
        "IOS, with masked keys and passwords. Standard error gets warnings and errors, one a line, each with file and "
        "line, and notes on IPsec algorithms that are replaced because current packages no longer support them.",
        epilog=_CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command_line.add_argument("--version", action="version", version=product())
    command_line.add_argument("--secrets", action="store_true", help="print keys and passwords as well")
    command_line.add_argument("file", metavar="FILE", help=".yaml and .yml are YAML, all else IOS; - is standard input")
    return command_line


#: The parsers of the commands that argparse reads, by their first word; "" is that of ``haslb`` itself.
PARSERS = {
    "": parser,
    "check": check_parser,
    "cluster": cluster.parser,
    "completion": completion.parser,
    "run": run_parser,
    "switch-test": _switch_test_parser,
}


def _check(words: Sequence[str]) -> int:
    options = check_parser().parse_args(words)
    file = options.file
    try:
        loaded = _load_standard_input() if file == "-" else load(file)
    except ConfigurationError as error:
        _print_error(error)
        return 1
    for warning in loaded.warnings:
        _print_error(warning)
    for interface in secured_interfaces(loaded.configuration):
        for note in translate(loaded.configuration, interface).notes:
            _print_error(f"note: {interface}: {note}")
    print(write_configuration(loaded.configuration, with_secrets=options.secrets), end="")
    return 0


def _schema(_: Sequence[str]) -> int:
    from ryu_haslb.configuration.yaml.schema import schema  # noqa: PLC0415

    print(json.dumps(schema(), indent=2))
    return 0


def _load_standard_input() -> Loaded:
    try:
        with open(0, "rb", closefd=False) as stream:
            return load_stream(stream, "<stdin>")
    except OSError as error:
        raise ConfigurationError([Diagnostic("<stdin>", 0, f"cannot be read: {error.strerror}")]) from error
