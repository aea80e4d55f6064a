"""What only the program of the IPsec module counts, asked at its control socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from ryu_haslb.ipsec.channel import Channel

#: Where the balancer finds the module's control socket; without it nothing is counted but by associations.
COUNTERS_VARIABLE = "HASLB_VICI_COUNTERS"
SHOW_COUNTERS = "show crypto counters --json"
CLEAR_COUNTERS = "clear crypto counters"
_LONGEST_ANSWER = 64 * 1024
_LARGEST_COUNT = (1 << 64) - 1


class ModuleError(Exception):
    """The module cannot be asked; the text says why and what to do."""


@dataclass(frozen=True)
class Counters:
    """What the associations themselves do not count.

    ``send_errors``: packets that ought to have left protected and could not; ``recv_errors``: packets that ought to
    have come protected and did not, or were refused. ``encaps`` and ``decaps`` are of associations that are gone.
    """

    send_errors: int = 0
    recv_errors: int = 0
    encaps: int = 0
    decaps: int = 0


def read_counters(path: str) -> dict[str, Counters]:
    """The module's counters by interface: it serves one, and others may have a crypto map as well.

    ModuleError if it does not answer.
    """
    return counters_of(_ask(path, SHOW_COUNTERS))


def clear_counters(path: str) -> None:
    """Have the module count from zero; ModuleError if it does not answer."""
    _ask(path, CLEAR_COUNTERS)


def _ask(path: str, command: str) -> bytes:
    """What the module answers to a command."""
    answer = b""
    try:
        with Channel(path) as channel:
            channel.sendall(f"{command}\n".encode())
            while piece := channel.recv(_LONGEST_ANSWER):
                answer += piece
                if len(answer) > _LONGEST_ANSWER:
                    raise ModuleError(f"what answers at {path} is no IPsec module: its answer has no end")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it does not answer in time"
        raise ModuleError(
            f"the IPsec module at {path} cannot be asked for its counters: {reason}; start it, or set "
            f"{COUNTERS_VARIABLE} to its control socket"
        ) from None
    return answer


def counters_of(answer: bytes) -> dict[str, Counters]:
    """The counters in an answer, by interface; what is missing or no count is 0."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ModuleError("the IPsec module answers something else; expected its counters by interface, as JSON")
    names = [field.name for field in fields(Counters)]
    return {
        interface: Counters(**{name: _count(counted.get(name)) for name in names})
        for interface, counted in found.items()
    }


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= _LARGEST_COUNT else 0
