"""The ports of one switch as it reports them (OpenFlow 1.3.5, sections 7.2.1, 7.3.5.7 and 7.4.3), read by hand. Pure.

Only number and name of a port are kept, and whether it is down. A peer may report as many ports as it likes, and often:
the engine's own record of a port takes twenty times as much memory and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.openflow.wire.multipart import MULTIPART_HEADER_LENGTH, has_more
from ryu_haslb.openflow.wire.wire import OFPPC_PORT_DOWN, OFPPR_DELETE, OFPPS_LINK_DOWN

#: Ports that one switch may have. Each takes some 150 bytes, also of a peer that only passes for a switch.
MAX_PORTS = 8192

_OFPPR_MODIFY = 2
_PORT = Struct("!I12x16sII24x")
_STATUS = Struct("!8xB7x")
#: Bytes of one port in a description of all ports, and of a port status.
PORT_LENGTH = _PORT.size
PORT_STATUS_LENGTH = _STATUS.size + _PORT.size


class PortChange(NamedTuple):
    """A port came up, went down or was removed."""

    port: int
    is_usable: bool


class Ports:
    """The names of a switch's ports by their numbers, and which of them are down."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._down: set[int] = set()

    @property
    def names(self) -> Mapping[int, str]:
        """The names by numbers, at this moment; not to be changed."""
        return self._names

    def is_usable(self, port: int) -> bool:
        """Whether the switch has this port, and it is up. One that reports no ports may have any."""
        return port not in self._down and (port in self._names or not self._names)

    def read_description(self, message: bytes) -> bool:
        """Read a part of the description of all ports. False: another part follows.

        The lengths must have been checked (:mod:`.screening`).

        Raises:
            ProtocolError: the switch has more ports than :data:`MAX_PORTS`.
        """
        for number, name, config, state in _PORT.iter_unpack(message[MULTIPART_HEADER_LENGTH:]):
            self._set(number, name, _is_down(config, state))
        return not has_more(message)

    def read_status(self, message: bytes) -> Optional[PortChange]:
        """Read a port status; None if its reason is unknown. The length must have been checked.

        Raises:
            ProtocolError: the switch has more ports than :data:`MAX_PORTS`.
        """
        (reason,) = _STATUS.unpack_from(message)
        number, name, config, state = _PORT.unpack_from(message, _STATUS.size)
        if reason > _OFPPR_MODIFY:
            return None
        if reason == OFPPR_DELETE:
            self._names.pop(number, None)
            self._down.discard(number)
        else:
            self._set(number, name, _is_down(config, state))
        return PortChange(number, reason != OFPPR_DELETE and self.is_usable(number))

    def _set(self, number: int, name: bytes, is_down: bool) -> None:
        self._names[number] = name.partition(b"\0")[0].decode("ascii", "replace")
        (self._down.add if is_down else self._down.discard)(number)
        if len(self._names) > MAX_PORTS:
            raise ProtocolError(f"more than {MAX_PORTS} ports")


def _is_down(config: int, state: int) -> bool:
    """Whether an operator has taken a port down, or it has no link."""
    return bool(config & OFPPC_PORT_DOWN or state & OFPPS_LINK_DOWN)
