"""The requests at one switch: which packets are requests to one of our virtual servers, from a credible sender.

Checked are the addresses, the VLAN, and that no home agent has returned the request (:func:`.frame.read_request` checks
the packet itself). A sender with an address of ours is a martian, unless a real server with that address is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.neighbours.discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.forwarding import Forwarding
from ryu_haslb.openflow.packets.frame import ETH_SRC, ETHERTYPE, IPV4_DST, IPV4_SRC, UDP_HEADER, read_request
from ryu_haslb.openflow.packets.martians import own_addresses
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.virtual_server import VirtualServer


class RequestChecks:
    """Reads and checks the requests at one switch.

    ``virtual_servers`` are those in service by their addresses. ``request`` is the one that was read last.
    ``answered_addresses`` are those for which ARP requests are answered: the virtual addresses, and the sources of
    probes.
    """

    def __init__(
        self, datapath_id: int, balancer: Balancer, discovery: NeighbourDiscovery, forwarding: Forwarding
    ) -> None:
        self.virtual_servers: Mapping[bytes, VirtualServer] = {}
        self.answered_addresses: frozenset[bytes] = frozenset()
        self._own_addresses: frozenset[bytes] = frozenset()
        self._not_clients: frozenset[bytes] = frozenset()
        self.request = Request()
        self.request.datapath_id = datapath_id
        self.request.client_port = 0
        self._balancer = balancer
        self._discovery = discovery
        self._forwarding = forwarding

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before."""
        self.virtual_servers = {
            server.packed_address: server
            for server in self._balancer.virtual_servers.values()
            if server.configuration.in_service
        }
        self.answered_addresses = frozenset(self.virtual_servers).union(
            source.packed for source in configuration.probe_sources
        )
        self._own_addresses = own_addresses(configuration)
        self._not_clients = self._own_addresses.union(real.packed_address for real in self._balancer.reals())

    def read(self, frame: bytes, vlan: Optional[int]) -> Optional[DropReason]:
        """Read the request in an untagged frame into ``request``; or return why the balancer cannot decide about it."""
        fault = read_request(self.request, frame, self.virtual_servers, self._not_clients)
        if fault is not None:
            address, mac = frame[IPV4_SRC:IPV4_DST], frame[ETH_SRC:ETHERTYPE]
            if fault is DropReason.MARTIAN_SOURCE and self._forwarding.has_host(address, mac):
                fault = self.read_again(frame)
            if fault is not None:
                return fault
        request = self.request
        if (vlan or self._discovery.served_vlans) and not self._is_in_vlan_of(request.virtual_server, vlan):
            return DropReason.WRONG_VLAN
        if request.sender in self._forwarding.dispatched_macs and self._is_returned(request):
            return DropReason.RETURNED_BY_HOME_AGENT
        return None

    def read_again(self, frame: bytes) -> Optional[DropReason]:
        """Read the request in an untagged frame whose sender is known to be credible."""
        return read_request(self.request, frame, self.virtual_servers, self._own_addresses)

    def is_for_us(self, frame: bytes) -> bool:
        """Whether an untagged packet goes to a virtual address, from no address of ours."""
        return (
            frame[IPV4_DST:UDP_HEADER] in self.virtual_servers and frame[IPV4_SRC:IPV4_DST] not in self._own_addresses
        )

    def _is_in_vlan_of(self, server: VirtualServer, vlan: Optional[int]) -> bool:
        """Whether the virtual server is served in the VLAN that a request came from."""
        if vlan:
            self._discovery.on_request_from(vlan)
        return not self._discovery.served_vlans or self._discovery.serves(server.packed_address, vlan)

    def _is_returned(self, request: Request) -> bool:
        """Whether the sender is the home agent that the request would be dispatched to."""
        named = request.virtual_server.farm.at(request.home_agent)
        session = self._balancer.sessions.find(request)
        reals = named if session is None else (session.real, *named)
        return any(self._forwarding.is_at(real, request.sender) for real in reals)
