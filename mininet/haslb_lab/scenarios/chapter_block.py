"""A block of output as the chapter prints it, and what it would be for another number of sessions."""

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
    """What ``prompt#command`` answers. ``prompt`` is that of a node, ``lines`` are without those of prompts."""

    prompt: str
    command: str
    lines: tuple[str, ...]

    def for_sessions(self, sessions: int, printed: int) -> Optional[Block]:
        """The block for so many sessions in the place of those that were open when it was printed.

        Counts grow in proportion, and sessions have a row each. Requests that were lost because there was no security
        association are the chapter's, which clears them first; that is not done for another number. None where the
        proportion is not a whole number: home agents do not get equal shares then, and the chapter does not show what
        they get.
        """
        if sessions % printed:
            return None
        times = sessions // printed
        lines = [grown for line in self.lines for grown in _grow(line, times)]
        return replace(self, lines=tuple(lines))


def read_block(path: Path) -> Block:
    """Read a block: a line with prompt and command, then the output; lines with nothing but a prompt are left out.

    Raises :class:`LabError` for a file that cannot be read or does not begin with a prompt.
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
