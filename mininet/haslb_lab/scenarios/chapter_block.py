"""A block of output as the chapter prints it, and the same block for another number of sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from haslb_lab.errors import LabError

_PROMPT = re.compile(r"(?P<prompt>[\w.-]+)#(?P<command>.*)")
_COUNT = re.compile(r"(^Total |#pkts \w+:? |\s(?:OPERATIONAL|MAXCONNS|DFP_THROTTLED)\s+)(\d+)")
_LOST = re.compile(r"(?<=#send errors )\d+")
_SESSION = re.compile(r"\s(?:IPMOBILE_ESTAB|IPMOBILE_INIT)\s*$")


@dataclass(frozen=True)
class Block:
    """The answer to ``prompt#command``. ``prompt`` is a node's; ``lines`` are without lines that are only a prompt."""

    prompt: str
    command: str
    lines: tuple[str, ...]

    def for_sessions(self, sessions: int, printed: int) -> Optional[Block]:
        """The block for ``sessions`` sessions instead of the ``printed`` ones of the chapter.

        Counts grow in proportion, and each session has a row. The chapter clears the security associations first and so
        loses requests; that is not done for another number of sessions, so that no request is lost. None if the
        proportion is not a whole number: the home agents then get unequal shares, which the chapter does not show.
        """
        if sessions % printed:
            return None
        times = sessions // printed
        lines = [grown for line in self.lines for grown in _grow(line, times)]
        return replace(self, lines=tuple(lines))


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
    lines = tuple(line.rstrip() for line in rest if not _is_bare_prompt(line))
    return Block(found["prompt"], found["command"].strip(), lines)


def _is_bare_prompt(line: str) -> bool:
    found = _PROMPT.fullmatch(line.strip())
    return found is not None and not found["command"]


def _grow(line: str, times: int) -> list[str]:
    if _SESSION.search(line):
        return [line] * times
    line = _LOST.sub("0" if times > 1 else r"\g<0>", line)
    return [_COUNT.sub(lambda count: f"{count[1]}{int(count[2]) * times}", line)]
