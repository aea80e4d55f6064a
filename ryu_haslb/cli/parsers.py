"""The command line of ``haslb``, and those of its commands that have options of their own.

Each is in the module of its command, which is imported when it is asked for: no other command needs it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from ryu_haslb import product
from ryu_haslb.cli.deferred import deferred
from ryu_haslb.control.protocol import CONTROL_VARIABLE, DEFAULT_CONTROL, SERVICE_CONTROL

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


_WORDS = ("check", "cluster", "completion", "run", "switch-test")
#: What makes the parsers of the commands that argparse reads, by their first word; "" is that of ``haslb`` itself.
PARSERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "": parser,
    **{word: deferred(word.replace("-", "_"), "parser") for word in _WORDS},
}
