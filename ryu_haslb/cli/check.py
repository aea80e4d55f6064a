"""``haslb check``: checks a configuration file, without a balancer."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import BinaryIO

from ryu_haslb import product
from ryu_haslb.cli.standard_error import print_error
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import Loaded, load, load_stream
from ryu_haslb.ipsec.translation import secured_interfaces, translate
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic
from ryu_haslb.regular_file import AnyPath

_EXAMPLES = """\
examples:
  haslb check haslb.ios             the balancer's configuration in the language of IOS
  haslb check haslb.yaml            the same in YAML
  haslb check --secrets haslb.yaml > haslb.ios
  haslb check new.ios && haslb configure new.ios
  ssh 7600 show running-config | haslb check -

exit status: 0 the configuration is valid, 1 it has errors, 2 the command line is wrong
"""


def run(words: Sequence[str]) -> int:
    """Carry out ``haslb check`` and return its exit status."""
    options = parser().parse_args(words)
    file = options.file
    try:
        loaded = _load_standard_input() if file == "-" else load(file, opened=_open)
    except ConfigurationError as error:
        print_error(error)
        return 1
    for warning in loaded.warnings:
        print_error(warning)
    for interface in secured_interfaces(loaded.configuration):
        for note in translate(loaded.configuration, interface).notes:
            print_error(f"note: {interface}: {note}")
    print(write_configuration(loaded.configuration, with_secrets=options.secrets), end="")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb check``."""
    command_line = argparse.ArgumentParser(
        prog="haslb check",
        description="Check a configuration file. Standard output gets the whole configuration in the language of "
        "IOS, with masked keys and passwords. Standard error gets warnings and errors, one a line, each with file and "
        "line, and notes on IPsec algorithms that are replaced because current packages no longer support them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command_line.add_argument("--version", action="version", version=product())
    command_line.add_argument("--secrets", action="store_true", help="print keys and passwords as well")
    command_line.add_argument("file", metavar="FILE", help=".yaml and .yml are YAML, all else IOS; - is standard input")
    return command_line


def _open(path: AnyPath) -> BinaryIO:
    """Open a file, or a pipe, such as a shell makes of ``<(...)``. One that no program writes to is empty."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def _load_standard_input() -> Loaded:
    try:
        with open(0, "rb", closefd=False) as stream:
            return load_stream(stream, "<stdin>")
    except OSError as error:
        raise ConfigurationError([Diagnostic("<stdin>", 0, f"cannot be read: {error.strerror}")]) from error
