"""``haslb switch-test``: tries what a switch is able to do, and says which modes of the balancer it can be used for."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Callable, Optional

from ryu_haslb import product
from ryu_haslb.cli.progress import ProgressBar
from ryu_haslb.cli.run import add_listen_option
from ryu_haslb.errors import HaslbError
from ryu_haslb.language.values import datapath_id
from ryu_haslb.openflow.sockets.tls import context_of_options
from ryu_haslb.switch_test.listener import Listener, StoppedError
from ryu_haslb.switch_test.report import as_json, left_behind, lines
from ryu_haslb.switch_test.runner import Ended, examine
from ryu_haslb.switch_test.verdicts import serves

FAILED, INTERRUPTED = 1, 130
#: Rules that ``--fill`` adds at most, if it names no number.
DEFAULT_FILL = 100_000
MAX_FILL = 1_000_000
_STANDARD_OUTPUT = "-"
_EXAMPLES = """\
examples:
  haslb switch-test --listen 192.0.2.1                      then: ovs-vsctl set-controller br0 tcp:192.0.2.1:6653
  haslb switch-test --listen 192.0.2.1 --json switch.json   the report also as JSON, for a bug report
  haslb switch-test --listen 192.0.2.1 --ports 7,8 --fill   ports 7 and 8 are connected by a cable
  haslb switch-test --listen 192.0.2.1 --ctl-privkey own.key --ctl-cert own.pem --ca-certs ca.pem

The switch needs no other configuration. The test adds rules for packets of its own only, with cookies that end in 7e57,
and removes them, also after Ctrl-C. Do not run it beside a balancer that serves the switch: both would be measured.

exit status: 0 the switch can be served in dispatched mode, 1 it cannot, or the test is not complete,
2 the command line is wrong, 130 interrupted
"""


def run(words: Sequence[str], listening: Callable[..., Listener] = Listener) -> int:
    """Carry out ``haslb switch-test`` and return the exit status. ``listening`` is what waits for the switch."""
    options = parser().parse_args(words)
    try:
        _check(options)
        with _counted_stops() as stops:
            return _run(options, stops, listening)
    except StoppedError:
        return INTERRUPTED
    except HaslbError as error:
        _say(f"haslb switch-test: {error}")
        return FAILED


def _check(options: argparse.Namespace) -> None:
    """What would otherwise be found out only when the test is over."""
    if options.json not in (None, _STANDARD_OUTPUT):
        folder = Path(options.json).absolute().parent
        if not folder.is_dir():
            raise HaslbError(f"--json {options.json}: there is no folder {folder}")


def _run(options: argparse.Namespace, stops: Callable[[], int], listening: Callable[..., Listener]) -> int:
    context = context_of_options(options.key, options.certificate, options.authorities)
    bar = ProgressBar(sys.stderr)

    def log(text: str) -> None:
        bar.clear()
        _say(text)

    listener = listening(options.listen, context, log, lambda: stops() > 0)
    try:
        log(f"waiting for a switch at {'ssl' if context else 'tcp'}:{options.listen[0]}:{listener.port}")
        connected = listener.await_switch(options.wait, options.datapath)
        if connected is None:
            raise HaslbError(
                f"no switch has connected within {options.wait:g} s; is its controller set to this address?"
            )
        log(f"switch {connected.identity.datapath_id:016x} connected from {connected.identity.address}")
        ended = examine(listener, connected, options.ports, options.fill, bar.show, stops)
    finally:
        bar.clear()
        listener.close()
    _report(options, ended)
    if ended.is_stopped:
        return INTERRUPTED
    return 0 if serves(ended.examination.findings) else FAILED


def _report(options: argparse.Namespace, ended: Ended) -> None:
    document = json.dumps(as_json(ended.examination, ended.remarks), indent=2)
    if options.json == _STANDARD_OUTPUT:
        print(document)
        _say(left_behind(ended.examination.findings))
        return
    for line in lines(ended.examination, ended.remarks):
        print(line)
    if options.json is not None:
        try:
            Path(options.json).write_text(document + "\n")
        except OSError as error:
            raise HaslbError(f"--json {options.json}: cannot be written: {error.strerror}") from error


@contextmanager
def _counted_stops() -> Iterator[Callable[[], int]]:
    """Count Ctrl-C and SIGTERM instead of being ended by them: what the test has made must be removed."""
    count = 0

    def on_signal(_number: int, _frame: Optional[FrameType]) -> None:
        nonlocal count
        count += 1

    before = {each: signal.signal(each, on_signal) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: count
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def _datapath_id(text: str) -> int:
    try:
        return datapath_id(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected 16 hexadecimal digits or a decimal number, not {text!r}") from None


def _two_ports(text: str) -> tuple[str, str]:
    names = text.split(",")
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise argparse.ArgumentTypeError(f"expected two ports, such as 7,8 or eth1,eth2, not {text!r}")
    return names[0], names[1]


def _fill(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MAX_FILL:
        raise argparse.ArgumentTypeError(f"expected a number of rules from 1 to {MAX_FILL}, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, such as 60, not {text!r}")
    return seconds


def parser() -> argparse.ArgumentParser:
    """The command line of ``haslb switch-test``."""
    command_line = argparse.ArgumentParser(
        prog="haslb switch-test",
        description="Wait for one OpenFlow switch, try each of its capabilities, measure it, and say which modes of "
        "the balancer it can be used for. No balancer may listen at the same address.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command_line.add_argument("--version", action="version", version=product())
    _add_test_options(command_line)
    tls = command_line.add_argument_group("TLS", "The options of 'haslb run'; with them the switch must use TLS.")
    tls.add_argument("--ctl-privkey", dest="key", metavar="FILE", help="private key (PEM)")
    tls.add_argument("--ctl-cert", dest="certificate", metavar="FILE", help="certificate (PEM)")
    tls.add_argument(
        "--ca-certs", dest="authorities", metavar="FILE", help="authorities of switches (PEM): a switch needs one then"
    )
    return command_line


def _add_test_options(command_line: argparse.ArgumentParser) -> None:
    add_listen_option(command_line, "where the switch connects to")
    command_line.add_argument(
        "--datapath",
        metavar="ID",
        type=_datapath_id,
        help="test this switch and close all others: 16 hexadecimal digits, or a decimal number (default: the first "
        "that connects)",
    )
    command_line.add_argument(
        "--ports", metavar="A,B", type=_two_ports, help="two ports, by number or name, that a cable connects"
    )
    command_line.add_argument(
        "--fill",
        metavar="RULES",
        nargs="?",
        type=_fill,
        const=DEFAULT_FILL,
        help=f"find out how many session rules the switch takes, up to RULES (default {DEFAULT_FILL})",
    )
    command_line.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const=_STANDARD_OUTPUT,
        help="write the report as JSON to FILE as well; without FILE, to standard output instead of the table",
    )
    command_line.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=float("inf"),
        help="give up if no switch has connected by then (default: never)",
    )
