"""``haslb-lab``: the chapter's six examples for real, and whatever chassis anybody describes.

Exit status: 0 all is as in the chapter, or done; 1 something differs or cannot be done, with a line that says why;
2 the command line is wrong; 130 after an interrupt.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Optional

import holder
import prompts
from display import Display
from errors import LabError
from node_control import ControlError
from play import Play
from rich.console import Console
from scenario import Scenario, find, scenarios
from state import running

from ryu_haslb.configuration.diagnostics import ConfigurationError

MOST_SESSIONS = 1000

_EXAMPLES = """\
examples:
  haslb-lab list
  haslb-lab run dispatched-static             the chapter's first example, and all gone afterwards
  haslb-lab run direct-dfp --keep             leave it up
  haslb-lab prompt SLB-7600                   a prompt, with history, completion and ?
  haslb-lab prompt HA1-7600 show ip mobile binding summary
  haslb-lab stop
  haslb-lab run my-chassis.yaml --sessions 30
  haslb-lab draw my-chassis.yaml -o my-chassis.svg

exit status: 0 done, and all as in the chapter; 1 something differs or cannot be done; 2 the command line is wrong
"""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command and return its exit status."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _end)
    try:
        status: int = arguments.action(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        if arguments.action is _run:
            print("haslb-lab: interrupted, and cleaned up", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (LabError, ControlError, ConfigurationError) as error:
        print(f"haslb-lab: {error}", file=sys.stderr)
        return 1
    return status


def _end(number: int, _: object) -> None:
    """Clean up, and be known to have ended by this signal."""
    sys.exit(128 + number)


def _list(_: argparse.Namespace) -> int:
    """The scenarios, and which one is up."""
    up = running()
    for scenario in scenarios():
        here = "  (up)" if up is not None and scenario.name == up.scenario else ""
        print(f"{scenario.name:24} {scenario.title}, {scenario.sessions} sessions{here}")
    if up is not None and up.scenario not in {scenario.name for scenario in scenarios()}:
        print(f"{up.scenario:24} (up)")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    """Bring a scenario up, play it, and take it down or hand it over."""
    return run(find(arguments.scenario), arguments.sessions, arguments.keep)


def run(scenario: Scenario, sessions: Optional[int] = None, keep: bool = False) -> int:
    """Play a scenario; 0 if all is as in the chapter."""
    display = Display(Console(highlight=False, soft_wrap=True))
    play = Play(scenario, sessions, display)
    lab = play.bring_up()
    try:
        play.run(lab, keep)
        if keep:
            holder.hand_over(lab)
    except BaseException:
        lab.close()
        raise
    if keep:
        display.say(f"{scenario.name} is up, its sessions open. Ask its nodes, and end it:")
        for prompt in play.prompts:
            display.say(f"    haslb-lab prompt {prompt}")
        display.say("    haslb-lab stop")
    else:
        lab.close()
        display.say("The lab is gone without trace.")
    return 1 if play.differences else 0


def _stop(_: argparse.Namespace) -> int:
    ended = holder.stop()
    print(f"{ended} is gone without trace." if ended else "No scenario was up.")
    return 0


def _prompt(arguments: argparse.Namespace) -> int:
    return prompts.ask(arguments.node, arguments.words)


def _draw(arguments: argparse.Namespace) -> int:
    """Draw a chassis as SVG."""
    import graphviz  # noqa: PLC0415 - nothing else needs it

    from topologies.drawing import draw  # noqa: PLC0415

    scenario = find(arguments.scenario)
    output = Path(arguments.output or f"{Path(scenario.name).stem}.svg")
    try:
        output.write_bytes(draw(scenario.chassis()).pipe(format="svg"))
    except graphviz.ExecutableNotFound:
        raise LabError("graphviz draws, and is not installed; try: make machine") from None
    except OSError as error:
        raise LabError(f"cannot write {output}: {error.strerror}") from None
    print(output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="haslb-lab",
        description="The chapter's examples, and any chassis, played for real in network namespaces (root).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        return added

    command("list", _list, "List the scenarios and say which one is up.")
    play = command("run", _run, "Bring a scenario up, play the chapter's call flow, compare, clean up.")
    play.add_argument("scenario", metavar="NAME|FILE", help="a scenario, or the YAML file of a chassis description")
    play.add_argument("--keep", action="store_true", help="leave it up, in a process of its own")
    play.add_argument("--sessions", type=_sessions, metavar="N", help=f"1 to {MOST_SESSIONS}; default: the chapter's")
    command("stop", _stop, "End the scenario that is up.")
    ask = command("prompt", _prompt, "Ask a node of the scenario that is up.")
    ask.add_argument("node", metavar="NODE", help="such as SLB-7600; any other name tells which there are")
    ask.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="without one: a prompt")
    drawing = command("draw", _draw, "Draw a chassis.")
    drawing.add_argument("scenario", metavar="NAME|FILE", help="a scenario, or the YAML file of a chassis description")
    drawing.add_argument("-o", "--output", metavar="FILE", help="where the SVG goes (default: the name and .svg)")
    return parser


def _sessions(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_SESSIONS):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number from 1 to {MOST_SESSIONS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
