"""What the log says about the neighbours of one switch: moves, refused claims, and hosts that send too much ARP.

Every host can cause these lines, so lines about the same address or port have a pause of :data:`LOG_INTERVAL`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from socket import inet_ntoa

from ryu_haslb.openflow.neighbours.arp_probing import HOLD_DOWN_INTERVAL
from ryu_haslb.openflow.neighbours.arp_storm_limit import MAX_HOST_RATE, MAX_PORT_RATE, MUTE_INTERVAL, Storm
from ryu_haslb.openflow.neighbours.places import Event, Finding

LOG = logging.getLogger(__name__)

#: Seconds between two log lines about refused claims to one address, or about too much ARP from one port.
LOG_INTERVAL = 60.0
_TEXTS = {
    Finding.CLAIM_REFUSED: (
        logging.WARNING,
        "Switch %016x: %s, a real server or the router to it, is %s and answers there; the claim of %s is refused. "
        "Find the machine that must not have the address",
    ),
    Finding.HELD_DOWN: (
        logging.WARNING,
        "Switch %016x: %s, a real server or the router to it, flaps between %s and %s; held down at the first for "
        "%d s. Two machines may have the address, or its links change",
    ),
    Finding.RELEASED: (logging.INFO, "Switch %016x: %s, %s, is no longer held down"),
}


class NeighbourLog:
    """Logs for one switch."""

    def __init__(self, datapath_id: int) -> None:
        self._datapath_id = datapath_id
        self._claims_logged_at: dict[bytes, float] = {}
        self._storms_logged_at: dict[tuple[int, bool], float] = {}

    def on_events(self, events: Iterable[Event], now: float) -> None:
        """These things were found out about neighbours."""
        for event in events:
            if event.finding is Finding.CLAIM_REFUSED:
                if now < self._claims_logged_at.get(event.address, -LOG_INTERVAL) + LOG_INTERVAL:
                    continue
                self._claims_logged_at[event.address] = now
            if event.finding in _TEXTS:
                level, text = _TEXTS[event.finding]
                LOG.log(level, text, self._datapath_id, inet_ntoa(event.address), *_words(event))

    def on_storm(self, storm: Storm, now: float) -> None:
        """A host, or the hosts at a port, are muted."""
        kind = storm.port, storm.mac is None
        if now < self._storms_logged_at.get(kind, -LOG_INTERVAL) + LOG_INTERVAL:
            return
        self._storms_logged_at[kind] = now
        who = "hosts" if storm.mac is None else f"host {storm.mac.hex(':')}"
        LOG.warning(
            "Switch %016x: %s at port %d sent more than %d ARP packets in a second; their ARP does not reach "
            "the controller for %d s, and for as long as this goes on",
            *(self._datapath_id, who, storm.port),
            *(MAX_PORT_RATE if storm.mac is None else MAX_HOST_RATE, MUTE_INTERVAL),
        )


def _words(event: Event) -> tuple[object, ...]:
    if event.finding is Finding.RELEASED:
        return (event.location or "not located",)
    words = event.location, event.rival or "another machine"
    return (*words, HOLD_DOWN_INTERVAL) if event.finding is Finding.HELD_DOWN else words
