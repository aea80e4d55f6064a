"""Splits IOS text into lines of words, and corrects the known scanning mistakes of the chapter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

#: The chapter was scanned, and twice a name got a space. Only these words are corrected.
SCANNING_MISTAKES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("ip", "slb", "vserver", "MIPS", "LB"): ("ip", "slb", "vserver", "MIPSLB"),
}
#: A heading of the page that the scan has among the commands of the fifth example.
SCANNED_HEADING = ("Configuration", "on", "SLB:")
#: Remarks of the chapter at the end of some commands. Only these are removed.
_REMARK = re.compile(
    r"[ \t]+\(((inside|outside) port of the IPSEC module|The crypto mode is configured as transport )\)[ \t]*$"
)

#: Lines that `show running-config` prints around the commands.
_SURROUNDINGS = re.compile(r"[ \t]*(Building configuration\.\.\.|Current configuration *:.*)")
_WORD = re.compile(r"[^ \t]+")
_GLUED_INTERFACE = re.compile(r"(?P<type>[A-Za-z][A-Za-z-]*)(?P<number>[0-9].*)")


@dataclass(frozen=True)
class Line:
    """A line with a command: its number, from 1, its words, and the column of each word in ``text``, from 0."""

    number: int
    text: str
    words: tuple[str, ...]
    columns: tuple[int, ...]

    def beginning(self, words: int) -> str:
        """The text of the first ``words`` words, as it was written."""
        end = self.columns[words] if words < len(self.columns) else len(self.text)
        return self.text[self.columns[0] : end].rstrip()


def read_lines(text: str) -> Iterator[Line]:
    """The lines that have commands. ``!`` begins a comment; indentation and the kind of line end do not matter."""
    for number, line in enumerate(re.split("\r\n|\r|\n", text.lstrip("\ufeff")), 1):
        if line.lstrip(" \t")[:1] not in ("", "!") and not _SURROUNDINGS.match(line):
            yield split_line(_REMARK.sub("", line), number)


def split_line(text: str, number: int = 1) -> Line:
    """Split one line into words. As on IOS ``interface Vlan15`` is ``interface Vlan 15``."""
    words: list[str] = []
    columns: list[int] = []
    for found in _WORD.finditer(text):
        glued = _GLUED_INTERFACE.fullmatch(found[0]) if _is_interface(words) else None
        words += [glued["type"], glued["number"]] if glued else [found[0]]
        columns += [found.start(), found.start() + glued.start("number")] if glued else [found.start()]
    return Line(number, text, tuple(words), tuple(columns))


def line_of(words: Sequence[str], number: int) -> Line:
    """Make a line of words; unlike those of a text they may contain spaces."""
    columns = accumulate((len(word) + 1 for word in words[:-1]), initial=0)
    return Line(number, " ".join(words), tuple(words), tuple(columns))


def _is_interface(words: list[str]) -> bool:
    """Whether these words are ``interface`` or ``no interface``: the next one is the name of an interface."""
    if len(words) == 2 and words[0].lower() == "no":
        words = words[1:]
    return len(words) == 1 and len(words[0]) > 1 and "interface".startswith(words[0].lower())
