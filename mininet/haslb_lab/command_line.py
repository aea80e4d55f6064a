"""``haslb-lab``: plays the chapter's six examples, or any chassis description, in network namespaces.

Exit status: 0 success, and all outputs are as in the chapter; 1 an output differs or the command failed, with a line
that says why; 2 wrong command line; 130 interrupted; with ``exec`` the status of the program.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional, TypeVar

from rich.console import Console

from haslb_lab.errors import LabError
from haslb_lab.runner.claim import TakenError
from haslb_lab.runner.lab import Lab
from haslb_lab.runner.termination import end_in_order
from haslb_lab.scenarios import cluster, holder, nodes
from haslb_lab.scenarios.display import Display
from haslb_lab.scenarios.kept import invitation
from haslb_lab.scenarios.play import Play
from haslb_lab.scenarios.scenario import Scenario, find, scenarios
from haslb_lab.scenarios.state import running
from ryu_haslb import product
from ryu_haslb.cli.client import ControlError
from ryu_haslb.language.diagnostics import ConfigurationError

_Lab = TypeVar("_Lab", bound=Lab)

MAX_SESSIONS = 1000
DRAWING_FORMATS = (".svg", ".png", ".pdf")

_EXAMPLES = """\
examples:
  haslb-lab list
  haslb-lab run dispatched-static             play the chapter's first example, and remove the lab
  haslb-lab run direct-dfp --keep             leave it up
  haslb-lab prompt SLB-7600                   a prompt, with history, completion and ?
  haslb-lab prompt HA1-7600 show ip mobile binding summary
  haslb-lab exec mobile1 ping -c 3 20.1.1.200 any program in any node
  haslb-lab prompt PDSN-7600 deregister 1 100 steps 5 and 6, which --keep leaves out
  haslb-lab stop
  haslb-lab run cluster                       kill the leader of a cluster, and see what happens
  haslb-lab run my-chassis.yaml --sessions 30
  haslb-lab draw my-chassis.yaml -o my-chassis.svg

exit status: 0 success, and all outputs are as in the chapter; 1 an output differs or the command failed; 2 wrong
command line; with exec the status of the program
"""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command and return its exit status."""
    _open_standard_streams()
    arguments = _parser().parse_args(argv)
    end_in_order()
    try:
        status: int = arguments.action(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        if arguments.action is _run:
            print("haslb-lab: interrupted, and cleaned up", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output has left
        _discard_output()
        return 1
    except OSError as error:
        reason = f"{error.filename or 'output'}: {error.strerror}" if error.strerror else error
        print(f"haslb-lab: {reason}", file=sys.stderr)
        _discard_output()
        return 1
    except TakenError as error:
        up = running()
        print(f"haslb-lab: {f'{up.scenario} is up; end it: haslb-lab stop' if up else error}", file=sys.stderr)
        return 1
    except (LabError, ControlError, ConfigurationError) as error:
        print(f"haslb-lab: {error}", file=sys.stderr)
        return 1
    return status


def _open_standard_streams() -> None:
    """Open the standard streams that are closed at /dev/null, so that no other file gets their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _discard_output() -> None:
    """Send the rest of the output to /dev/null, so that Python does not try to print it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _list(_: argparse.Namespace) -> int:
    """Print the scenarios, and which one is up."""
    up = running()
    known = {scenario.name: f"{scenario.title}, {scenario.sessions} sessions" for scenario in scenarios()}
    known[cluster.NAME] = cluster.TITLE
    for name, title in known.items():
        here = f"  ({up.stage})" if up is not None and name == up.scenario else ""
        print(f"{name:24} {title}{here}")
    if up is not None and up.scenario not in known:
        print(f"{up.scenario:24} ({up.stage})")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    """Bring a scenario up, play it, and take it down or hand it over."""
    if arguments.scenario == cluster.NAME:
        return run_cluster(arguments.sessions or cluster.DEFAULT_SESSIONS, arguments.keep)
    return run(find(arguments.scenario), arguments.sessions, arguments.keep)


def run(scenario: Scenario, sessions: Optional[int] = None, keep: bool = False) -> int:
    """Play a scenario. Returns 0 if all outputs are as in the chapter."""
    display = Display(Console(highlight=False, soft_wrap=True))
    play = Play(scenario, sessions, display)
    with _up(play.bring_up(), keep) as lab:
        play.run(lab, keep)
        invited = list(invitation(lab, play.description, play.sessions)) if keep else []
    _say_what_stays(
        display, invited, f"{scenario.name} is up, where the chapter shows its outputs: steps 1 to 4 are played."
    )
    if play.tally.outputs:
        display.verdict(play.tally)
    return 1 if play.tally.differences else 0


def run_cluster(sessions: int, keep: bool) -> int:
    """Show a cluster whose leader is killed. Returns 0 if no session was lost that is promised to be kept."""
    display = Display(Console(highlight=False, soft_wrap=True))
    play = cluster.ClusterPlay(sessions, display)
    with _up(play.bring_up(), keep) as lab:
        play.run(lab, keep)
        invited = list(cluster.invitation(lab)) if keep else []
    _say_what_stays(display, invited, f"{cluster.NAME} is up.")
    return 1 if play.faults else 0


@contextmanager
def _up(lab: _Lab, keep: bool) -> Iterator[_Lab]:
    """The lab; in the end it is taken down, or left up if it is to be kept and nothing has failed."""
    try:
        yield lab
        if keep:
            holder.hand_over(lab)
    except BaseException:
        lab.close()
        raise
    if not keep:
        lab.close()


def _say_what_stays(display: Display, invited: Sequence[str], is_up: str) -> None:
    """Print how to use a lab that is left up, or that nothing of it is left."""
    if not invited:
        display.say("The lab is gone without trace.")
        return
    display.say(f"\n{is_up}")
    for line in invited:
        display.say(line)


def _stop(_: argparse.Namespace) -> int:
    ended = holder.stop()
    print(f"{ended} is gone without trace." if ended else "No scenario was up.")
    return 0


def _prompt(arguments: argparse.Namespace) -> int:
    return nodes.ask(arguments.node, arguments.words)


def _exec(arguments: argparse.Namespace) -> int:
    nodes.execute(arguments.node, [arguments.program, *arguments.words])


def _draw(arguments: argparse.Namespace) -> int:
    """Draw a chassis, in the format that the file's name says."""
    import graphviz  # noqa: PLC0415 - nothing else needs it

    from haslb_lab.chassis.drawing import draw  # noqa: PLC0415

    scenario = find(arguments.scenario)
    output = Path(arguments.output or f"{Path(scenario.name).stem}.svg")
    kind = output.suffix.lower()
    if kind not in DRAWING_FORMATS:
        raise LabError(f"{output}: expected a name that ends in {', '.join(DRAWING_FORMATS)}")
    try:
        output.write_bytes(draw(scenario.chassis()).pipe(format=kind[1:]))
    except graphviz.ExecutableNotFound:
        raise LabError("drawing needs graphviz, which is not installed; try: make machine") from None
    except OSError as error:
        raise LabError(f"cannot write {output}: {error.strerror}") from None
    print(output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="haslb-lab",
        description="Play the chapter's examples, or any chassis description, in network namespaces (needs root).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=product())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        return added

    command("list", _list, "List the scenarios and say which one is up.")
    play = command(
        "run", _run, "Bring a scenario up, play the chapter's call flow, compare the outputs, and remove the lab."
    )
    play.add_argument("scenario", metavar="NAME|FILE", help="a scenario, or the YAML file of a chassis description")
    play.add_argument(
        "--keep", action="store_true", help="leave it up after step 4, where the chapter shows its outputs"
    )
    play.add_argument("--sessions", type=_sessions, metavar="N", help=f"1 to {MAX_SESSIONS}; default: the chapter's")
    command("stop", _stop, "End the scenario that is up.")
    ask = command("prompt", _prompt, "Send commands to a node of the scenario that is up.")
    ask.add_argument("node", metavar="NODE", help="such as SLB-7600; a wrong name lists the nodes")
    ask.add_argument(
        "words", metavar="COMMAND", nargs=argparse.REMAINDER, help="one command; without it a prompt opens"
    )
    within = command("exec", _exec, "Run a program in a node of the scenario that is up, such as ping or tcpdump.")
    within.add_argument("node", metavar="NODE", help="such as mobile1 or host1; a wrong name lists the nodes")
    within.add_argument("program", metavar="PROGRAM", help="a program of this machine; its exit status is returned")
    within.add_argument("words", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="the arguments of the program")
    drawing = command("draw", _draw, "Draw a chassis.")
    drawing.add_argument("scenario", metavar="NAME|FILE", help="a scenario, or the YAML file of a chassis description")
    drawing.add_argument("-o", "--output", metavar="FILE", help="a .svg, .png or .pdf (default: the name and .svg)")
    return parser


def _sessions(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_SESSIONS):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number from 1 to {MAX_SESSIONS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
