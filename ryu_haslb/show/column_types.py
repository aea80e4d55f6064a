"""The types of the columns of rows: what a value is beyond its Python type. The rows are with their ``show`` commands.

A row is a TypedDict, and each of its columns is annotated once::

    class RealRow(TypedDict):
        '''A real server of a farm.'''

        weight: Annotated[Weight, "Weight in force: ..."]

mypy checks the rows against these types, and the JSON Schemas of the API derive from them (``web/schemas.py``): the
docstring of the row and the texts of its columns are the descriptions there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Optional

#: Any row, for code that does not need to know its columns.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Values:
    """The values that a column may have, in the words of JSON Schema, and their unit."""

    minimum: Optional[int] = None
    maximum: Optional[int] = None
    format: Optional[str] = None
    pattern: Optional[str] = None
    enum: Optional[tuple[str, ...]] = None
    unit: Optional[str] = None


Count = Annotated[int, Values(minimum=0)]
Seconds = Annotated[float, Values(minimum=0, unit="seconds")]
#: A weight of a real server, static or set by DFP.
Weight = Annotated[int, Values(minimum=0, maximum=65535)]
#: A UDP or TCP port that a program listens on.
Port = Annotated[int, Values(minimum=1, maximum=65535)]
#: A UDP or TCP port in a packet or a report, where 0 occurs too.
AnyPort = Annotated[int, Values(minimum=0, maximum=65535)]
#: An IPv4 address in dotted decimal.
Address = Annotated[str, Values(format="ipv4")]
#: An IPv4 address and a port, ``ADDRESS:PORT``.
AddressAndPort = Annotated[str, "ADDRESS:PORT."]
#: The id of an OpenFlow switch.
DatapathId = Annotated[str, Values(pattern="^[0-9a-f]{16}$")]
