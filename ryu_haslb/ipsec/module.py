"""The counters of the IPsec module's own program, read at its control socket. charon does not count these events."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from ryu_haslb.errors import HaslbError
from ryu_haslb.ipsec.channel import Channel

#: The environment variable with the path of the module's control socket. Without it only charon's counters are shown.
COUNTERS_VARIABLE = "HASLB_VICI_COUNTERS"
SHOW_COUNTERS = "show crypto counters --json"
CLEAR_COUNTERS = "clear crypto counters"
_MAX_ANSWER_LENGTH = 64 * 1024
_MAX_COUNT = (1 << 64) - 1


class ModuleError(HaslbError):
    """The module does not answer, or not with counters; the text says why and what to do."""


@dataclass(frozen=True)
class Counters:
    """What the present associations do not count, for one interface.

    ``send_errors``: packets to be protected that were dropped, since there was no association. ``recv_errors``: packets
    that arrived unprotected and should not have, or failed their verification. ``encaps`` and ``decaps``: packets of
    associations that have ended.
    """

    send_errors: int = 0
    recv_errors: int = 0
    encaps: int = 0
    decaps: int = 0


def read_counters(path: str) -> dict[str, Counters]:
    """The module's counters by the name of the interface that it serves.

    :raises ModuleError: the module does not answer, or not with counters.
    """
    return counters_of(_request(path, SHOW_COUNTERS))


def clear_counters(path: str) -> None:
    """Set the module's counters to zero.

    :raises ModuleError: the module does not answer.
    """
    _request(path, CLEAR_COUNTERS)


def _request(path: str, command: str) -> bytes:
    """The module's answer to a command."""
    answer = b""
    try:
        with Channel(path) as channel:
            channel.sendall(f"{command}\n".encode())
            while piece := channel.recv(_MAX_ANSWER_LENGTH):
                answer += piece
                if len(answer) > _MAX_ANSWER_LENGTH:
                    raise ModuleError(
                        f"the answer at {path} exceeds {_MAX_ANSWER_LENGTH} bytes; set {COUNTERS_VARIABLE} to the "
                        "control socket of the IPsec module"
                    )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer in time"
        raise ModuleError(
            f"request to the IPsec module at {path} failed: {reason}; start it, or set {COUNTERS_VARIABLE} to its "
            "control socket"
        ) from None
    return answer


def counters_of(answer: bytes) -> dict[str, Counters]:
    """The counters in an answer, by interface; one that is missing or no count is 0.

    :raises ModuleError: the answer is no JSON object of objects.
    """
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(counted, dict) for counted in found.values()):
        raise ModuleError("the IPsec module sent no counters; expected its counters by interface, as JSON")
    names = [field.name for field in fields(Counters)]
    return {
        interface: Counters(**{name: _count(counted.get(name)) for name in names})
        for interface, counted in found.items()
    }


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else 0
