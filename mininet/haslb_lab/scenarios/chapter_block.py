"""A block of output as the chapter prints it, what is expected here, and the same for another number of sessions.

Where the lab cannot show what is printed, the file of the block has both: ``< `` before the printed line, ``> `` before
the one that is expected instead. docs/lab/scenarios.md has the reasons.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from haslb_lab.errors import LabError

_PROMPT = re.compile(r"(?P<prompt>[\w.-]+)#(?P<command>.*)")
_COUNT = re.compile(r"(^Total |#pkts \w+:? |\s(?:OPERATIONAL|MAXCONNS|DFP_THROTTLED)\s+)(\d+)")
_LOST = re.compile(r"(?<=#send errors )\d+")
_SESSION = re.compile(r"\s(?:IPMOBILE_ESTAB|IPMOBILE_INIT)\s*$")


_PRINTED, _EXPECTED = "< ", "> "


@dataclass(frozen=True)
class Line:
    """A line of the chapter, and what is expected here in its place; None if one of them has no such line."""

    printed: Optional[str]
    expected: Optional[str]

    @classmethod
    def unchanged(cls, printed: str) -> Line:
        """A line that is expected as it is printed."""
        return cls(printed, printed)

    @property
    def is_adapted(self) -> bool:
        """Whether something else is expected than what is printed. Spacing does not count: the scan lost it."""
        return self.printed is None or self.expected is None or self.printed.split() != self.expected.split()


@dataclass(frozen=True)
class Block:
    """The answer to ``prompt#command``. ``prompt`` is a node's; ``lines`` are without lines that are only a prompt."""

    prompt: str
    command: str
    lines: tuple[Line, ...]

    @property
    def expected(self) -> list[str]:
        """The lines that are expected here."""
        return [line.expected for line in self.lines if line.expected is not None]

    def for_sessions(self, sessions: int, printed: int) -> Optional[Block]:
        """The block for ``sessions`` sessions instead of the ``printed`` ones of the chapter.

        Counts grow in proportion, and each session has a row, of which the chapter prints the first ones. It clears the
        security associations first and so loses requests; that is not done for another number of sessions, so that no
        request is lost. None if the proportion is not a whole number: the home agents then get unequal shares, which
        the chapter does not show.
        """
        if sessions % printed:
            return None
        times = sessions // printed
        rows = [Line(None, line.expected) for line in self.lines if _SESSION.search(line.expected or "")]
        return replace(self, lines=(*(_grow(line, times) for line in self.lines), *rows * (times - 1)))


def read_block(path: Path) -> Block:
    """Read a block: a line with prompt and command, then the output. Lines that are only a prompt are left out.

    Raises: LabError for a file that cannot be read or does not begin with a prompt.
    """
    try:
        first, *rest = path.read_text("utf-8").splitlines() or [""]
    except (OSError, ValueError) as error:
        raise LabError(f"{path}: cannot be read: {error}; expected a block of output of the chapter") from None
    found = _PROMPT.fullmatch(first)
    if found is None or not found["command"].strip():
        raise LabError(f"{path}:1: expected a prompt and a command, such as: SLB-7600#show ip slb reals")
    lines = tuple(_lines(line.rstrip() for line in rest if not _is_bare_prompt(line)))
    return Block(found["prompt"], found["command"].strip(), lines)


def _lines(written: Iterable[str]) -> Iterator[Line]:
    """The lines of a file: each printed line with the expected one below it."""
    printed: deque[str] = deque()
    for line in written:
        if line.startswith(_PRINTED):
            printed.append(line.removeprefix(_PRINTED))
        elif line.startswith(_EXPECTED):
            yield Line(printed.popleft() if printed else None, line.removeprefix(_EXPECTED))
        else:
            yield from (Line(each, None) for each in printed)
            printed.clear()
            yield Line.unchanged(line)
    yield from (Line(each, None) for each in printed)


def _is_bare_prompt(line: str) -> bool:
    found = _PROMPT.fullmatch(line.strip())
    return found is not None and not found["command"]


def _grow(line: Line, times: int) -> Line:
    if line.expected is None:
        return line
    lost = _LOST.sub("0" if times > 1 else r"\g<0>", line.expected)
    return replace(line, expected=_COUNT.sub(lambda count: f"{count[1]}{int(count[2]) * times}", lost))
