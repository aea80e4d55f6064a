"""A registration request as the balancer sees it."""

from __future__ import annotations

from typing import NamedTuple

from ryu_haslb.slb.virtual_server import VirtualServer


class Request(NamedTuple):
    """What the decision depends on; addresses are four bytes in network order.

    ``identity`` is the mobile's NAI or home address (the key of :class:`ryu_haslb.mobile_ip.identity.Identity`).
    ``client`` and ``client_port`` are the packet's source, ``home_agent`` and ``lifetime`` (seconds) fields of the
    request (RFC 5944, section 3.3), ``datapath_id`` the switch that it came in at.
    """

    virtual_server: VirtualServer
    identity: bytes
    client: bytes
    client_port: int
    home_agent: bytes
    lifetime: int
    datapath_id: int
