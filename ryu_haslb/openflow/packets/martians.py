"""Source addresses that no client has. Pure.

A packet with such a source is forged or damaged. Four kinds of addresses are recognized:

* those that no single host has: 0/8, 127/8, multicast, reserved, the limited broadcast (RFC 1122, section 3.2.1.3);
* the virtual addresses, so also a packet whose source is its destination ("land"), the balancer's addresses in
  VLANs (``interface Vlan``), and the sources of probes;
* the addresses of those VLANs' networks that mean all hosts: the first and the last one;
* the address of a real server, unless the packet comes from where that was found (:mod:`.switch`).
"""

from __future__ import annotations

from ryu_haslb.configuration.model import Configuration

#: By the first byte of an IPv4 address: 1 if a single host may have it.
IS_UNICAST = bytes(0 < first < 224 and first != 127 for first in range(256))
#: In networks with a longer prefix the first and the last address are those of hosts (RFC 3021).
_MAX_PREFIX_WITH_BROADCAST = 30


def is_unicast(address: bytes) -> bool:
    """Whether a single host may send from this packed IPv4 address (RFC 1122, section 3.2.1.3)."""
    return bool(IS_UNICAST[address[0]])


def own_addresses(configuration: Configuration) -> frozenset[bytes]:
    """The packed addresses that are the balancer's, and those of all hosts of its networks: never a client's."""
    addresses = {server.address.packed for server in configuration.virtual_servers.values()}
    addresses.update(source.packed for source in configuration.probe_sources)
    for interface in configuration.vlan_interfaces:
        addresses.add(interface.address.packed)
        addresses.update(each.ip.packed for each in interface.secondaries)
        for network in interface.networks:
            if network.prefixlen <= _MAX_PREFIX_WITH_BROADCAST:
                addresses.update((network.network_address.packed, network.broadcast_address.packed))
    return frozenset(addresses)
