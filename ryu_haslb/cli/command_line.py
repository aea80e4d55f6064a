"""The command ``haslb``: which module carries out its words, and its exit status.

An operator waits for every import. So a command imports what it needs itself, and ``haslb show`` neither argparse nor
the readers of configurations.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Optional

from ryu_haslb.cli.client import ControlError, control_path
from ryu_haslb.cli.deferred import deferred
from ryu_haslb.cli.operator import Operator
from ryu_haslb.cli.standard_error import print_error, redirect_to_null
from ryu_haslb.control.command_table import Executor
from ryu_haslb.language.grammar import CommandError

_parser, _run_balancer, _complete = deferred("parsers", "parser"), deferred("run", "run"), deferred("completion", "run")
#: The commands that need no balancer.
_LOCAL = {
    Executor.CHECK: deferred("check", "run"),
    Executor.CLUSTER: deferred("cluster", "run"),
    Executor.SCHEMA: deferred("schema", "run"),
    Executor.SWITCH_TEST: deferred("switch_test", "run"),
}


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run ``haslb`` and return its exit status."""
    control, words = _parse(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(control, words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the program that reads our output has ended, as head does
        redirect_to_null(sys.stdout)
        return 0
    except OSError as error:
        redirect_to_null(sys.stdout)
        print_error(f"haslb: cannot write: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parse(arguments: Sequence[str]) -> tuple[Optional[str], Sequence[str]]:
    """The path behind ``--control``, and the words of the command: all that follows its first word belongs to it."""
    if not arguments or not arguments[0].startswith("-"):
        return None, arguments
    options = _parser().parse_args(arguments)
    return options.control, options.words


def _run(control: Optional[str], words: Sequence[str]) -> int:
    if words[:1] == ["run"]:
        _run_balancer(words[1:])
    path = control or control_path()
    operator = Operator(path, {**_LOCAL, Executor.COMPLETION: lambda words: _complete(words, path)})
    try:
        return operator.run(words) if words else operator.prompt()
    except CommandError as error:
        print_error(f"haslb: {error}; see haslb --help")
        return 2
    except ControlError as error:
        print_error(f"haslb: {error}")
        return 1
