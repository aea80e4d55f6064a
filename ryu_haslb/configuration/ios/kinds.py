"""The parameters that only configuration commands have: names with IOS's limits, keys, transform sets, networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ryu_haslb.language import kinds, values
from ryu_haslb.language.kinds import KINDS, Kind

#: Characters of the name of a farm or a virtual server. A longer one is refused; the columns of ``show`` rely on it.
MAX_NAME_LENGTH = 15
#: Characters of the name of a crypto map or a transform set. IOS accepts longer ones.
MAX_LABEL_LENGTH = 64
#: Characters of a pre-shared key, as on IOS.
MAX_KEY_LENGTH = 128
#: Transform sets of one entry of a crypto map, as on IOS.
MAX_TRANSFORM_SETS = 6


def _key(text: str) -> str:
    if len(text) > MAX_KEY_LENGTH:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a key consists of printable ASCII characters without spaces")
    return text


def _labels(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(values.name(word, MAX_LABEL_LENGTH) for word in text.split()))
    if len(names) > MAX_TRANSFORM_SETS:
        raise ValueError(f"there are {len(names)}")
    return names


#: The kinds of the parameters of configuration commands that are not numbers.
CONFIGURATION_KINDS: Mapping[str, Kind] = {
    **KINDS,
    "NAME": kinds.name(MAX_NAME_LENGTH),
    "LABEL": kinds.name(MAX_LABEL_LENGTH),
    "LABELS": Kind("WORD", f"at most {MAX_TRANSFORM_SETS} names of transform sets", _labels, rest_of_line=True),
    "KEY": Kind("WORD", "a pre-shared key", _key, secret=True),
    "NEXT-HOP": kinds.HOST,
    "PROTOCOL": kinds.WORD,
    "SOURCE-HOST": kinds.ADDRESS,
    "SOURCE": kinds.ADDRESS,
    "SOURCE-WILDCARD": kinds.WILDCARD,
    "DESTINATION-HOST": kinds.ADDRESS,
    "DESTINATION": kinds.ADDRESS,
    "DESTINATION-WILDCARD": kinds.WILDCARD,
}
