"""How one switch forwards requests: the actions that lead to each real server that it can reach.

Session rules and packet-outs use the same actions. In dispatched mode only the Ethernet addresses are rewritten; in
direct mode (``nat server``) the IPv4 destination is rewritten as well.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Callable, Optional

from ryu_haslb.configuration.model import RealServer as RealServerConfiguration
from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions, session_rewrites
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import RealServer

LOG = logging.getLogger(__name__)

#: The location of a real server's next hop, or None while it is unknown.
Locate = Callable[[RealServerConfiguration], Optional[Location]]


class Forwarding:
    """The real servers that can be reached through one switch.

    ``actions`` holds the packed OpenFlow actions that lead to each of them, ``dispatched_macs`` the Ethernet addresses
    of those that requests are dispatched to. ``rule_actions`` also has those of real servers that were lost: to where
    each of them was. So the rules of their sessions stay as they are, and show where a mobile was after a restart.
    ``source`` is the Ethernet source of what is forwarded. :meth:`update` also maintains ``reachable_from`` of each
    real server.
    """

    def __init__(self, datapath_id: int) -> None:
        self.actions: dict[RealServer, bytes] = {}
        self.rule_actions: dict[RealServer, bytes] = {}
        self.dispatched_macs: frozenset[bytes] = frozenset()
        self._datapath_id = datapath_id
        self.source = chassis_address(datapath_id)
        self._macs: dict[RealServer, bytes] = {}
        #: What the actions were made of: the location, the Ethernet source, and whether the farm is in direct mode.
        self._made_of: dict[RealServer, tuple[Location, bytes, bool]] = {}

    def update(self, farms: Iterable[ServerFarm], locate: Locate, locate_last: Locate) -> set[RealServer]:
        """Derive the actions from the locations, and from the last ones of real servers that were lost.

        Returns the real servers whose ``rule_actions`` have changed.
        """
        farm_of = {real: farm for farm in farms for real in farm.reals}
        changed = self.rule_actions.keys() - farm_of.keys()
        for real in changed:
            self._set_reachable(real, None)
            del self.rule_actions[real], self._made_of[real]
        dispatched_macs = set()
        for real, farm in farm_of.items():
            nat_server = farm.configuration.nat_server
            location, last = locate(real.configuration), locate_last(real.configuration)
            if location is not None and not nat_server:
                dispatched_macs.add(location.mac)
            made_of = None if last is None else (last, self.source, nat_server)
            is_changed, was_reachable = made_of != self._made_of.get(real), real in self.actions
            if is_changed:
                changed.add(real)
                self._set_rule_actions(real, made_of)
            if was_reachable if location is None else is_changed or not was_reachable:
                self._set_reachable(real, location)
                self._log(real, location)
        self.dispatched_macs = frozenset(dispatched_macs)
        return changed

    def is_at(self, real: RealServer, mac: bytes) -> bool:
        """Whether a real server can be reached, and its next hop has this Ethernet address."""
        return self._macs.get(real) == mac

    def has_host(self, address: bytes, mac: bytes) -> bool:
        """Whether a real server with this address can be reached, and its next hop has this Ethernet address."""
        return any(found == mac and real.packed_address == address for real, found in self._macs.items())

    def _set_rule_actions(self, real: RealServer, made_of: Optional[tuple[Location, bytes, bool]]) -> None:
        if made_of is None:
            del self.rule_actions[real], self._made_of[real]
            return
        location, source, nat_server = self._made_of[real] = made_of
        rewrites = session_rewrites(source, location.mac, real.configuration if nat_server else None)
        self.rule_actions[real] = delivery_actions(rewrites, location.port, location.vlan)

    def _set_reachable(self, real: RealServer, location: Optional[Location]) -> None:
        """A real server is at this location, to which its ``rule_actions`` lead, or was lost."""
        if location is None:
            self.actions.pop(real, None)
            self._macs.pop(real, None)
            real.reachable_from.discard(self._datapath_id)
            return
        self.actions[real] = self.rule_actions[real]
        self._macs[real] = location.mac
        real.reachable_from.add(self._datapath_id)

    def _log(self, real: RealServer, location: Optional[Location]) -> None:
        """The loss of the last switch that reaches it is logged by :mod:`ryu_haslb.show.state_log`."""
        where = "is unreachable"
        if location is None and not real.reachable_from:
            return
        if location is not None:
            vlan = location.vlan or "untagged"
            where = f"is at {location.mac.hex(':')}, port {location.port}, VLAN {vlan}"
        LOG.info("Switch %016x: real server %s (%s) %s", self._datapath_id, real.name, real.farm_name, where)
