"""The parameters of requests: how each is read, checked and described. Pure: text in, values out.

A parameter that a route does not have is refused: a filter with a mistake in its name would select everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Callable, Optional
from urllib.parse import parse_qsl

from ryu_haslb.errors import HaslbError
from ryu_haslb.language import values
from ryu_haslb.language.wording import did_you_mean, listed, quoted
from ryu_haslb.mobile_ip.identity import identities_of_text
from ryu_haslb.show.clients import Order
from ryu_haslb.slb.session_filter import Page, SessionFilter
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

Schema = dict[str, Any]

#: Rows of one page.
MAX_PAGE = 10_000
#: Parameters of one request.
_MAX_PARAMETERS = 20
_NAME = "[!-~]{1,255}"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = rf"({_OCTET}\.){{3}}{_OCTET}"
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"


class ParameterError(HaslbError):
    """A parameter that the route does not have, or whose value is malformed."""


@dataclass(frozen=True)
class Parameter:
    """A parameter: the pattern of its text, an example, its meaning, and the value that its text stands for."""

    name: str
    pattern: str
    example: str
    meaning: str
    parse: Callable[[str], Any] = str

    @property
    def schema(self) -> Schema:
        """Its JSON Schema."""
        return {"type": "string", "pattern": f"^{self.pattern}$"}

    @property
    def expected(self) -> str:
        """What the error about another text says."""
        return f"expected, for example, {self.example}"

    def read(self, text: str) -> Any:
        """The value of a text. Raises: ParameterError if it is none."""
        if not re.fullmatch(self.pattern, text):
            raise ParameterError(f"wrong value of {self.name}: {quoted(text)}; {self.expected}")
        return self.parse(text)


@dataclass(frozen=True)
class Limit(Parameter):
    """A number of rows."""

    minimum: int = 1

    @property
    def schema(self) -> Schema:
        """Its JSON Schema."""
        return {"type": "integer", "minimum": self.minimum, "maximum": MAX_PAGE}

    @property
    def expected(self) -> str:
        """The range."""
        return f"expected a number from {self.minimum} to {MAX_PAGE}"


@dataclass(frozen=True)
class Choice(Parameter):
    """One of some words."""

    words: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """Its JSON Schema."""
        return {"type": "string", "enum": list(self.words)}

    @property
    def expected(self) -> str:
        """All words."""
        return f"expected {listed(self.words)}"


NAME = Parameter("name", _NAME, "HAFARM", "Name of the only row.")
VSERVER = Parameter("vserver", _NAME, "MIPSLB", "Name of a virtual server.")
SERVERFARM = Parameter("serverfarm", _NAME, "HAFARM", "Name of a server farm.")
REAL = Parameter(
    "real",
    f"{_ADDRESS}(:{_PORT})?",
    "10.1.1.51",
    "Address of a real server, or ADDRESS:PORT if it has several ports.",
    values.address_and_port,
)
CLIENT = Parameter(
    "client",
    f"{_ADDRESS}(/(3[0-2]|[12]?[0-9]))?",
    "10.1.1.0/24",
    "Address, or network, that the last request came from.",
    lambda text: IPv4Network(text, strict=False),
)
NAI = Parameter(
    "nai",
    r"[\s\S]+",
    "user@example.com",
    "NAI of the mobile, or its home address; as the column identity has it.",
    lambda text: [each.key for each in identities_of_text(text)],
)
#: The filters of sessions.
OF_SESSIONS = (VSERVER, SERVERFARM, REAL, CLIENT, NAI)
LIMIT = Limit("limit", f"([1-9][0-9]{{0,3}}|{MAX_PAGE})", "1000", "The most rows that the answer may have.", int)
AFTER = Parameter(
    "after",
    "[0-9A-F]{16}",
    "AE23D3532E2A51B7",
    "The column nai_hash of the last row of the page before. The next page begins behind it.",
    lambda text: int(text, 16) >> COOKIE_MARK_BITS,
)


_ORDERS = tuple(order.value for order in Order)
ORDER = Choice(
    "order", f"({'|'.join(_ORDERS)})", Order.SESSIONS.value, "What the first rows have most of.", Order, words=_ORDERS
)
OFFSET = Limit(
    "offset", f"(0|[1-9][0-9]{{0,3}}|{MAX_PAGE})", "100", "Rows that are left out before the first one.", int, minimum=0
)


def read_parameters(query: str, known: Sequence[Parameter]) -> dict[str, Any]:
    """The values of the parameters in the query of a URL, as the server has received it. Raises: ParameterError."""
    expected = f"expected {listed(each.name for each in known)}" if known else "this path has none"
    try:
        texts = parse_qsl(
            query.encode("latin-1").decode(),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError as error:
        raise ParameterError(
            f"malformed parameters: {error}; expected NAME=VALUE in UTF-8, with & between them"
        ) from None
    by_name = {each.name: each for each in known}
    found: dict[str, Any] = {}
    for name, text in texts:
        if name not in by_name:
            raise ParameterError(f"unknown parameter {quoted(name)}; {expected}{did_you_mean(name, by_name)}")
        if name in found:
            raise ParameterError(f"parameter {name} is given twice; expected it once")
        found[name] = by_name[name].read(text)
    return found


def session_filter(given: Mapping[str, Any]) -> SessionFilter:
    """The filter that the values of :data:`OF_SESSIONS` make."""
    return SessionFilter(*(given.get(each.name) for each in OF_SESSIONS))


def page(given: Mapping[str, Any]) -> Optional[Page]:
    """The page that the values of :data:`LIMIT` and :data:`AFTER` ask for; None if all rows are asked for."""
    return Page(given.get(AFTER.name)) if given.keys() & {LIMIT.name, AFTER.name} else None
