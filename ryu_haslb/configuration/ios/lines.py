"""Splits IOS text into lines of words, and corrects the known scanning mistakes of the chapter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ryu_haslb.errors import HaslbError
from ryu_haslb.language.wording import quoted

#: The chapter was scanned, and twice a name got a space. Only these words are corrected.
SCANNING_MISTAKES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("ip", "slb", "vserver", "MIPS", "LB"): ("ip", "slb", "vserver", "MIPSLB"),
}
#: A heading of the page that the scan has among the commands of the fifth example.
SCANNED_HEADING = ("Configuration", "on", "SLB:")
#: Remarks of the chapter at the end of some commands. Only these are removed.
_REMARK = re.compile(
    r"(?<![ \t])[ \t]+\("
    r"((inside|outside) port of the IPSEC module|The crypto mode is configured as transport )\)[ \t]*$"
)

#: Lines that a terminal has around the commands: what `show running-config` and `show startup-config` print, these
#: commands themselves, and prompts, empty or with a command that changes nothing.
_SURROUNDINGS = re.compile(
    r"[ \t]*(Building configuration\.\.\.|Current configuration *:.*|Using \d+ out of \d+ bytes.*"
    r"|([\w.:/@-]+[#>][ \t]*)?sho?w?[ \t]+(run|start|conf).*"
    r"|[\w.:/@-]+[#>][ \t]*((disable|enable|exit|logout|more|quit|term\w*|write[ \t]+term\w*)([ \t].*)?)?$)",
    re.IGNORECASE,
)
#: What a terminal shows of the pager, with the backspaces and blanks that remove it again, or without.
_PAGER = re.compile(r"^[ \t]*--More--[ ]?(\x08+[ ]*\x08*|[ ]{8})?", re.IGNORECASE)
_BANNERS = "(exec|incoming|login|motd|prompt-timeout|slip-ppp)"
#: A banner or another command with a text: the command, and what follows from the first delimiter on. ``banner`` alone
#: is that of the day, or that of the clients of an IPsec group.
_BANNER = re.compile(
    rf"(?P<command>[ \t]*(banner[ \t]+{_BANNERS}|banner(?![ \t]+{_BANNERS}([ \t]|$))"
    r"|ip[ \t]+(admission|auth-proxy)[ \t]+auth-proxy-banner[ \t]+(ftp|http|telnet)"
    r"|aaa[ \t]+authentication[ \t]+(banner|fail-message)"
    r"|menu[ \t]+\S+[ \t]+(title|prompt)"
    r"|busy-message[ \t]+\S+|refuse-message|vacant-message))[ \t]+(?P<text>\S.*)",
    re.IGNORECASE,
)
#: A macro: its commands, which are not of this configuration, end with a line of ``@`` alone.
_MACRO = re.compile(r"[ \t]*macro[ \t]+name[ \t]+\S", re.IGNORECASE)
_MACRO_END = "@"
#: Commands that lines of hexadecimal digits follow.
_CERTIFICATE = re.compile(r"[ \t]*(certificate[ \t]+\S|key-string[ \t]*$)", re.IGNORECASE)
_DIGITS = re.compile(r"[ \t]*[0-9A-Fa-f]{2,8}([ \t]+[0-9A-Fa-f]{2,8})*[ \t]*$")
_WORD = re.compile(r"[^ \t]+")
_GLUED_INTERFACE = re.compile(r"(?P<type>[A-Za-z][A-Za-z-]*)(?P<number>[0-9].*)")


@dataclass(frozen=True)
class Line:
    """A line with a command: its number, from 1, its words, and the column of each word in ``text``, from 0."""

    number: int
    text: str
    words: tuple[str, ...]
    columns: tuple[int, ...]

    @property
    def indentation(self) -> int:
        """Columns before the first word; a tab goes on to the next multiple of 8."""
        return len(self.text[: self.columns[0]].expandtabs())

    def beginning(self, words: int) -> str:
        """The text of the first ``words`` words, as it was written."""
        end = self.columns[words] if words < len(self.columns) else len(self.text)
        return self.text[self.columns[0] : end].rstrip()


class OpenTextError(HaslbError):
    """A banner, another text or a macro without its end: on IOS all that follows belongs to it."""

    def __init__(self, line: int, delimiter: str) -> None:
        super().__init__(f"the text that begins here has no end; expected {quoted(delimiter)} after it")
        self.line = line


def read_lines(text: str) -> Iterator[Line]:
    """The lines that have commands. ``!`` begins a comment; the kind of line end does not matter.

    The text of a banner and the commands of a macro, which may be of many lines, and the digits of a certificate are
    left out.

    Raises: OpenTextError.
    """
    digits = False  # whether the digits of a certificate may come
    texts = (_PAGER.sub("", line) for line in re.split("\r\n|\r|\n", text.lstrip("\ufeff")))
    lines = enumerate(texts, 1)
    for number, line in lines:
        if digits and (_DIGITS.match(line) or line.strip() == "quit"):
            digits = line.strip() != "quit"
            continue
        digits = _CERTIFICATE.match(line) is not None
        banner = _BANNER.match(line)
        if banner is not None:
            yield split_line(banner["command"], number)
            _skip_banner(banner["text"], number, lines)
        elif not _SURROUNDINGS.match(line) and _is_command(command := _REMARK.sub("", line)):
            yield split_line(command, number)
            if _MACRO.match(command):
                _skip_macro(number, lines)


def _is_command(text: str) -> bool:
    return text.lstrip(" \t")[:1] not in ("", "!")


def _skip_banner(text: str, number: int, lines: Iterator[tuple[int, str]]) -> None:
    """Skip the lines up to the second delimiter: any character, or ``^C`` as `show running-config` prints it."""
    delimiter = text[:2] if text.upper().startswith("^C") else text[:1]
    rest = text[len(delimiter) :]
    while delimiter not in rest:
        following = next(lines, None)
        if following is None:
            raise OpenTextError(number, delimiter)
        rest = following[1]


def _skip_macro(number: int, lines: Iterator[tuple[int, str]]) -> None:
    """Skip the commands of a macro, and the line that ends it."""
    if not any(line.strip() == _MACRO_END for _, line in lines):
        raise OpenTextError(number, _MACRO_END)


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
    """Whether these words are ``interface``, also after ``no`` or ``default``: the next one is an interface's name."""
    if len(words) == 2 and words[0].lower() in ("no", "default"):
        words = words[1:]
    return len(words) == 1 and len(words[0]) > 1 and "interface".startswith(words[0].lower())
