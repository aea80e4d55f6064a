"""``make run``: the chapter's first example for real, from nothing to its tables and back to nothing.

Brings up the lab, opens 100 Mobile IP sessions through the balancer, prints the chapter's tables and compares what the
balancer counts with what the home agents have bound. The exit status is 0 only if they agree; it is 1 with a line that
says why not, 130 after an interrupt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from errors import LabError
from lab import CONTROLLER, Lab
from node_control import ControlError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from topologies.chassis import PDSN, Chassis

CONFIGURATION = Path(__file__).resolve().parent.parent / "topologies" / "chassis.ios"

SESSIONS = 100
ROWS_SHOWN = 12


def main() -> int:
    """Run the scenario and say how it went."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        run(console)
    except KeyboardInterrupt:
        print("lab: interrupted, and cleaned up", file=sys.stderr)
        return 130
    except (LabError, ControlError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    console.print(f"The balancer and the home agents agree about {SESSIONS} sessions. The lab is gone without trace.")
    return 0


def run(console: Console) -> None:
    """Bring up the lab, open the sessions, show and compare. Raises :class:`LabError` where they disagree."""
    with console.status("") as status:

        def report(activity: str) -> None:
            if console.is_terminal:
                status.update(f"{activity} …")
            else:
                console.print(activity)

        with Lab(Chassis(), CONFIGURATION.read_text(), report=report) as lab:
            status.stop()
            open_sessions(console, lab)
            show(console, lab, CONTROLLER, "SLB", "show ip slb reals")
            show(console, lab, CONTROLLER, "SLB", "show ip slb sessions ipmobile")
            for home_agent in home_agents(lab):
                show(console, lab, home_agent, home_agent, "show ip mobile binding summary")
            compare(lab)
            status.start()


def open_sessions(console: Console, lab: Lab) -> None:
    """Have the PDSN register its users, and show how far it is."""
    columns = (TextColumn("Mobile IP sessions"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=SESSIONS)
        step = {"registered": 0}
        for line in lab.stream(PDSN, f"register 1 {SESSIONS}"):
            try:
                step = json.loads(line)
            except ValueError:
                raise LabError(f"the PDSN refuses to register: {line}") from None
            progress.update(bar, completed=step["registered"])
    if step["registered"] != SESSIONS:
        raise LabError(f"only {step['registered']} of {SESSIONS} sessions came up: {line}")


def show(console: Console, lab: Lab, node: str, prompt: str, command: str) -> None:
    """Print a command and its answer as they look on a terminal; a long table is cut."""
    lines = lab.command(node, command).rstrip().splitlines()
    console.print(f"\n[bold]{prompt}#{command}[/bold]")
    console.print("\n".join(lines[:ROWS_SHOWN]), markup=False)
    if len(lines) > ROWS_SHOWN:
        console.print(f"… {len(lines) - ROWS_SHOWN} more", style="dim")


def home_agents(lab: Lab) -> dict[str, str]:
    """The home agents' nodes and addresses: the real servers that the balancer knows."""
    addresses = {real["real"] for real in lab.query(CONTROLLER, "show ip slb reals")}
    return {node: lab.node(node).IP() for node in lab.hosts if lab.node(node).IP() in addresses}


def compare(lab: Lab) -> None:
    """Raise :class:`LabError` unless every home agent has as many bindings as the balancer gave it sessions."""
    sessions = {real["real"]: real["conns"] for real in lab.query(CONTROLLER, "show ip slb reals")}
    bindings = {
        address: lab.query(node, "show ip mobile binding summary")["total"]
        for node, address in home_agents(lab).items()
    }
    if sessions != bindings:
        raise LabError(f"the balancer counts sessions {sessions}, the home agents have bindings {bindings}")
    if sum(bindings.values()) != SESSIONS:
        raise LabError(f"{SESSIONS} sessions were opened, but the home agents have {sum(bindings.values())} bindings")


if __name__ == "__main__":
    sys.exit(main())
