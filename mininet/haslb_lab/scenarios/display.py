"""What ``haslb-lab`` prints: its activity, the steps of the call flow, and outputs beside those of the chapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from haslb_lab.scenarios.call_flow import Step
from haslb_lab.scenarios.comparison import RULE, Pair, agree, shape

#: Lines of a table that are shown, besides those that differ. Other outputs are shown completely.
ROWS_SHOWN = 12

_GAP = " │ "
#: The mark between two lines that differ, or before each when they are printed one below the other.
_UNEQUAL = " ≠ "
_DIFFERENT = "bold red"


class Display:
    """Prints to ``console``: a terminal of any width, or a file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def activity(self) -> Iterator[Callable[[str], None]]:
        """Show the current activity: in a line that disappears on a terminal, as a line each elsewhere."""
        with self._console.status("") as status:

            def report(what: str) -> None:
                if self._console.is_terminal:
                    status.update(f"{what} …")
                else:
                    self.say(what)

            yield report

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how much of something is done."""
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task("", total=total)
            yield lambda completed: bar.update(task, completed=completed)

    def say(self, text: str, style: str = "") -> None:
        """Print a line as it is."""
        self._console.print(Text(text, style=style))

    def step(self, step: Step) -> None:
        """Print a step of the call flow, and its proof below it."""
        self._console.print(Text(f"Step {step.number}  ", style="bold") + Text(step.what, style="not bold"))
        self.say(f"        {step.proof}", style="dim")

    def answer(self, prompt: str, command: str, lines: Sequence[str]) -> None:
        """Print a command and its answer as they look on a terminal; a long answer is cut."""
        self._heading(prompt, command, "")
        shown = lines[: _room(lines)]
        for line in shown:
            self.say(line)
        self._count_rest(len(lines) - len(shown))

    def beside(self, prompt: str, command: str, pairs: Sequence[Pair]) -> None:
        """Print a command and its answer beside the chapter's, or below it if the terminal is too narrow.

        A file has no width, so both are always side by side there.
        """
        self._heading(prompt, command, "as in the chapter" if agree(pairs) else "NOT as in the chapter")
        room = _room([pair.here or "" for pair in pairs])
        shown = [pair for number, pair in enumerate(pairs) if number < room or not pair.same]
        width, here_width = (max((len(side or "") for side in sides), default=0) for sides in _sides(shown))
        width = max(width, len("the chapter"))
        wide = width + len(_GAP) + max(here_width, len("here"))
        if wide <= self._console.width or not self._console.is_terminal:
            self.say(f"{'the chapter':{width}}{_GAP}here", style="dim")
            for pair in shown:
                gap = _GAP if pair.same else _UNEQUAL
                line = f"{pair.chapter or '':{width}}{gap}{pair.here or ''}"
                self.say(line.rstrip(), style="" if pair.same else _DIFFERENT)
        else:
            for title, side in zip(("the chapter", "here"), _sides(shown)):
                self.say(f"{title}:", style="dim")
                for pair, text in zip(shown, side):
                    mark = "" if pair.same else _UNEQUAL.lstrip()
                    self.say(f"{mark}{text or ''}", style="" if pair.same else _DIFFERENT)
        self._count_rest(len(pairs) - len(shown))

    def verdict(self, compared: int, differences: int) -> None:
        """Print how many outputs were compared and how many differ from the chapter."""
        if differences:
            text = f"{differences} of {compared} outputs are NOT as in the chapter; ≠ marks the lines."
            self.say(text, style=_DIFFERENT)
        else:
            self.say(f"All {compared} outputs are as in the chapter.", style="green")

    def _heading(self, prompt: str, command: str, verdict: str) -> None:
        heading = Text(f"\n{prompt}#{command}", style="bold")
        if verdict:
            heading.append(f"   ({verdict})", style="not bold green" if verdict.startswith("as") else _DIFFERENT)
        self._console.print(heading)

    def _count_rest(self, count: int) -> None:
        if count > 0:
            self.say(f"… {count} more", style="dim")


def _room(lines: Sequence[str]) -> int:
    return ROWS_SHOWN if any(shape(line) == RULE for line in lines) else len(lines)


def _sides(pairs: Sequence[Pair]) -> tuple[list[Optional[str]], list[Optional[str]]]:
    return [pair.chapter for pair in pairs], [pair.here for pair in pairs]
