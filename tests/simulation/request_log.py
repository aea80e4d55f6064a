"""What became of each request of a mobile: when it came, which home agent it was sent to, and whether that answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Optional

from simulation.clock import Clock

#: Requests that are remembered until they are judged.
MAX_LOG = 200_000
_NAI, _NAI_LENGTH = 26, 25
_ANY = (bytes(4), b"\xff" * 4)


class Entry:
    """One request at the virtual address. ``home_agent`` is the address of the one that it was sent to, if to any, and
    ``mac`` the Ethernet address there.

    ``named`` is the home agent that it names (None: any), ``lifetime`` is 0 in a deregistration.
    """

    __slots__ = ("at", "datapath_id", "home_agent", "identification", "is_answered", "lifetime", "mac", "nai", "named")

    def __init__(self, at: float, datapath_id: int, payload: bytes) -> None:
        self.at = at
        self.datapath_id = datapath_id
        self.nai = payload[_NAI : _NAI + payload[_NAI_LENGTH]]
        self.lifetime = int.from_bytes(payload[2:4], "big")
        self.named = None if payload[8:12] in _ANY else payload[8:12]
        self.identification = payload[16:24]
        self.home_agent: Optional[bytes] = None
        self.mac = b""
        self.is_answered = False


class RequestLog:
    """Remembers authentic requests until they are judged (:mod:`simulation.request_invariants`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque()
        #: By mobile: the requests that have not been sent to a home agent, and the last one that was.
        self._open: dict[bytes, list[Entry]] = {}
        self._sent: dict[bytes, Entry] = {}

    def on_request(self, datapath_id: int, payload: bytes) -> None:
        """A request comes to a switch."""
        entry = Entry(self._clock.now, datapath_id, payload)
        if len(self._entries) >= MAX_LOG:
            self._forget(self._entries.popleft())
        self._entries.append(entry)
        self._open.setdefault(entry.nai, []).append(entry)

    def on_dispatched(self, payload: bytes, mac: bytes) -> None:
        """A switch sends a request to a home agent: of several that are the same, the last one that came."""
        nai, identification = payload[_NAI : _NAI + payload[_NAI_LENGTH]], payload[16:24]
        for entry in reversed(self._open.get(nai, ())):
            if entry.identification == identification:
                entry.home_agent, entry.mac = mac[2:], mac
                self._sent[nai] = entry
                self._forget(entry)
                return

    def on_answer(self, nai: bytes) -> None:
        """A mobile has accepted the reply to its last request."""
        if nai in self._sent:
            self._sent[nai].is_answered = True

    def take(self, until: float) -> Iterator[Entry]:
        """The requests that came before a time, oldest first; they are forgotten."""
        while self._entries and self._entries[0].at < until:
            entry = self._entries.popleft()
            self._forget(entry)
            yield entry

    def _forget(self, entry: Entry) -> None:
        waiting = self._open.get(entry.nai)
        if waiting and entry in waiting:
            waiting.remove(entry)
            if not waiting:
                del self._open[entry.nai]
