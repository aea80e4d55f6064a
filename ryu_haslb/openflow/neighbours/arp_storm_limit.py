"""Limits the ARP packets that reach the controller from each port and host of one switch. Pure.

A host is an Ethernet source address at a port. One that sends more than :data:`MAX_HOST_RATE` packets a second that
concern the balancer is muted for :data:`MUTE_INTERVAL`: rules on the switch (:func:`.standing_rules.mute_rules`) switch
its ARP as usual and send none to the controller. A host can change its address, so a port that sends more than
:data:`MAX_PORT_RATE` packets is muted as a whole. All others are served as before.

A meter on the switch limits the questions for virtual addresses of all ports together. This limit needs no meter.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

#: Packets a second of one host, and of all hosts at one port. A home agent answers some probes a second, and all home
#: agents behind one trunk some hundreds when a balancer starts.
MAX_HOST_RATE = 100
MAX_PORT_RATE = 500
#: Seconds for which a host or a port is muted.
MUTE_INTERVAL = 10
#: Hosts that are counted, and hosts that are muted at the same time. Beyond it the port is muted.
_MAX_COUNTED_HOSTS = 4096
MAX_MUTED_HOSTS = 32
#: Seconds for which packets are counted before the counts begin anew.
_COUNTING_INTERVAL = 1.0


class Storm(NamedTuple):
    """A host that sends too much ARP; without ``mac`` all hosts at the port."""

    port: int
    mac: Optional[bytes] = None


class ArpStormLimit:
    """Counts the packets of one switch. ``storms`` are those that have begun since they were last taken."""

    def __init__(self) -> None:
        self.storms: list[Storm] = []
        self.dropped = 0
        self._window_end = 0.0
        self._hosts: dict[Storm, int] = {}
        self._ports: dict[int, int] = {}
        self._muted: dict[Storm, float] = {}

    def admits(self, port: int, mac: bytes, now: float) -> bool:
        """Count a packet. False if it is to be dropped: its host or its port sends too many."""
        if now >= self._window_end:
            self._window_end = now + _COUNTING_INTERVAL
            self._hosts.clear()
            self._ports.clear()
            self._muted = {storm: until for storm, until in self._muted.items() if now < until}
        host, whole_port = Storm(port, mac), Storm(port)
        if host in self._muted or whole_port in self._muted:
            self.dropped += 1
            return False
        self._ports[port] = of_port = self._ports.get(port, 0) + 1
        of_host = self._hosts.get(host, 0) + 1
        if of_host > 1 or len(self._hosts) < _MAX_COUNTED_HOSTS:
            self._hosts[host] = of_host
        if of_port > MAX_PORT_RATE or (of_host > MAX_HOST_RATE and len(self._muted) >= MAX_MUTED_HOSTS):
            return self._mute(whole_port, now)
        return of_host <= MAX_HOST_RATE or self._mute(host, now)

    def take_storms(self) -> list[Storm]:
        """The storms that have begun since the last call."""
        storms, self.storms = self.storms, []
        return storms

    def _mute(self, storm: Storm, now: float) -> bool:
        self.dropped += 1
        self._muted[storm] = now + MUTE_INTERVAL
        self.storms.append(storm)
        return False
