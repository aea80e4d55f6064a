"""What ``haslb-lab`` prints: its activity, the steps of the call flow, and outputs beside those of the chapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from haslb_lab.scenarios.call_flow import Step
from haslb_lab.scenarios.comparison import RULE, Pair, Tally, agree, shape

#: Lines of a table that are shown, besides those that differ. Other outputs are shown completely.
ROWS_SHOWN = 12

_GAP = " │ "
#: The marks between two lines, or before each when they are printed one below the other: of lines that differ, and of
#: those where something else than the printed line is expected.
_UNEQUAL = " ≠ "
_ADAPTED = " ~ "
_DIFFERENT = "bold red"
_CHAPTER = "the chapter"


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
        adapted = sum(pair.is_adapted for pair in pairs)
        as_printed = f"as in the chapter, {adapted} adapted" if adapted else "as in the chapter"
        self._heading(prompt, command, as_printed if agree(pairs) else "NOT as in the chapter")
        room = _room([pair.here or "" for pair in pairs])
        shown = [pair for number, pair in enumerate(pairs) if number < room or not pair.same]
        width, here_width = (max((len(side or "") for side in sides), default=0) for sides in _sides(shown))
        width = max(width, len(_CHAPTER))
        wide = width + len(_GAP) + max(here_width, len("here"))
        if wide <= self._console.width or not self._console.is_terminal:
            self.say(f"{_CHAPTER:{width}}{_GAP}here", style="dim")
            for pair in shown:
                self.say(f"{pair.printed or '':{width}}{_mark(pair) or _GAP}{pair.here or ''}".rstrip(), _style(pair))
        else:
            for title, side in zip((_CHAPTER, "here"), _sides(shown)):
                self.say(f"{title}:", style="dim")
                for pair, text in zip(shown, side):
                    if text is not None or not pair.same:
                        self.say(f"{_mark(pair).lstrip()}{text or ''}", _style(pair))
        self._count_rest(len(pairs) - len(shown))

    def verdict(self, tally: Tally) -> None:
        """Print how many outputs were compared, how many differ from the chapter, and how much of it is as printed."""
        if tally.differences:
            text = f"{tally.differences} of {tally.outputs} outputs are NOT as in the chapter; ≠ marks the lines."
            self.say(text, style=_DIFFERENT)
            return
        lines = f"{tally.printed} lines as printed, {tally.adapted} adapted"
        if tally.more:
            lines += f", {tally.more} more rows of the same form"
        marked = " (~ marks them; docs/lab/scenarios.md has the reasons)" if tally.adapted else ""
        self.say(f"All {tally.outputs} outputs are as in the chapter: {lines}{marked}.", style="green")

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
    return [pair.printed for pair in pairs], [pair.here for pair in pairs]


def _mark(pair: Pair) -> str:
    """The mark of a pair; empty if what is here is what is printed."""
    return _UNEQUAL if not pair.same else _ADAPTED if pair.is_adapted else ""


def _style(pair: Pair) -> str:
    return "" if pair.same else _DIFFERENT
