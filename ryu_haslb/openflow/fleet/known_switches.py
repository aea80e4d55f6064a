"""The switches that were served and are not forgotten, and when one that is gone is forgotten.

A switch outlives its connections. One that the configuration does not name is forgotten some time after its last
connection has ended, since every host that reaches the OpenFlow port can connect with a new datapath id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Optional

from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.switch import Switch

#: Seconds without a connection after which a switch is forgotten that the configuration does not name. A chassis
#: reboots within some minutes. Its sessions stay here until their idle time, and its rules on the switch: when it
#: connects after all, it is served as after a restart of the balancer.
FORGET_TIMEOUT = 600.0
#: Switches without a connection that the configuration does not name and that are remembered; beyond it the one that
#: has been gone longest is forgotten. Each has some 15 kB, and series in the metrics.
MAX_GONE_SWITCHES = 64
#: Seconds between two looks at the switches that are gone.
_FORGET_INTERVAL = 1.0


class KnownSwitches:
    """The switches, ``by_id``: their datapath ids."""

    def __init__(self) -> None:
        self.by_id: dict[int, Switch] = {}
        self._by_chassis_address: dict[bytes, int] = {}  # the switch that was served last with each
        self._gone: dict[int, float] = {}  # the one that is gone longest is the first
        self._looked_at_gone = -_FORGET_INTERVAL

    def twin_of(self, datapath_id: int) -> Optional[int]:
        """Another switch that was served with the same chassis address, if there is one."""
        twin = self._by_chassis_address.get(chassis_address(datapath_id), datapath_id)
        return None if twin == datapath_id else twin

    def on_served(self, datapath_id: int, make: Callable[[], Switch]) -> Switch:
        """A switch is served from now on; it is made if it is not known."""
        if datapath_id not in self.by_id:
            self.by_id[datapath_id] = make()
        self._gone.pop(datapath_id, None)
        self._by_chassis_address[chassis_address(datapath_id)] = datapath_id
        return self.by_id[datapath_id]

    def on_gone(self, datapath_id: int, now: float) -> None:
        """The connection of a switch has ended."""
        if datapath_id in self.by_id:
            self._gone.pop(datapath_id, None)
            self._gone[datapath_id] = now

    def gone_for(self, datapath_id: int, now: float) -> float:
        """Seconds since the connection of a switch has ended; 0 while it is connected."""
        return now - self._gone.get(datapath_id, now)

    def tick(self, now: float, configured: Collection[int]) -> None:
        """Forget switches that have been gone for long, but those that are configured."""
        if now - self._looked_at_gone < _FORGET_INTERVAL:
            return
        self._looked_at_gone = now
        gone = [each for each in self._gone if each not in configured]
        for number, datapath_id in enumerate(gone, MAX_GONE_SWITCHES - len(gone)):
            if number < 0 or now - self._gone[datapath_id] >= FORGET_TIMEOUT:
                self._forget(datapath_id)

    def _forget(self, datapath_id: int) -> None:
        del self._gone[datapath_id]
        switch = self.by_id.pop(datapath_id)
        switch.adjacencies.end()
        switch.unrecovered.end()
        address = chassis_address(datapath_id)
        if self._by_chassis_address.get(address) == datapath_id:
            del self._by_chassis_address[address]
