"""Kinds of parameters: how ``?`` shows one, how an error describes it, and the parser of its value.

A template (:mod:`ryu_haslb.language.template`) writes a parameter in capitals: ``ADDRESS``, ``PORT<1-65535>``. A range
in angle brackets makes it a number; else its name is looked up in the kinds of its command. :data:`KINDS` are those
that every command has. A product adds its own by a subclass of :class:`~ryu_haslb.language.grammar.Command`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ryu_haslb.language import values

#: Characters of a name whose use sets no narrower limit.
MAX_NAME_LENGTH = 255


@dataclass(frozen=True)
class Kind:
    """A kind of parameter.

    ``display`` is how ``?`` shows it, ``description`` completes the phrase "expected ...". ``parse`` returns the value
    of a word, or raises ValueError whose message, if any, says what is wrong with the word. A kind with
    ``rest_of_line`` takes all words that are left. A ``secret`` is left out of errors and logs.
    """

    display: str
    description: str
    parse: Callable[[str], Any]
    rest_of_line: bool = False
    secret: bool = False


def number(low: int, high: int) -> Kind:
    """The kind of a decimal number from ``low`` to ``high``, both included."""
    return Kind(f"<{low}-{high}>", f"a number from {low} to {high}", lambda text: values.decimal(text, low, high))


def name(max_length: int) -> Kind:
    """The kind of a name of at most ``max_length`` printable ASCII characters."""
    return Kind("WORD", f"a name of at most {max_length} characters", lambda text: values.name(text, max_length))


ADDRESS = Kind("A.B.C.D", "an IPv4 address such as 10.1.1.0", values.address)
HOST = Kind("A.B.C.D", "the IPv4 address of a host, such as 10.1.1.51", values.host_address)
MASK = Kind("A.B.C.D", "a network mask such as 255.255.255.0", values.mask)
WILDCARD = Kind("A.B.C.D", "a wildcard such as 0.0.0.255", values.wildcard)
WORD = Kind("WORD", "a word", str)
DATAPATH = Kind("ID", "a datapath id such as 0000000000000001 or 1", values.datapath_id)

#: The kinds of parameters that are not numbers, by their names in templates.
KINDS: Mapping[str, Kind] = {
    "ADDRESS": HOST,
    "PREFIX": ADDRESS,
    "MASK": MASK,
    "WILDCARD": WILDCARD,
    "NAME": name(MAX_NAME_LENGTH),
    "TEXT": WORD,
    "PASSWORD": Kind("WORD", "a password", str, secret=True),
    "PORT-NUMBER": Kind("SLOT/PORT", "a port such as 3/15", values.port_number),
    "VLANS": Kind("VLANS", "VLANs such as 1,15,1002-1005", values.vlans),
    "FILE": Kind("FILE", "the path of a file", str),
    "COMMANDS": Kind("COMMANDS", "configuration commands", str),
    "LINE": Kind("LINE", "text up to the end of the line", str, rest_of_line=True),
}
