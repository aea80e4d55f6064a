"""A Registration Request as the balancer sees it, and the balancer's decision about it."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.virtual_server import VirtualServer


class Request:
    """What the decision depends on; addresses are four bytes in network order.

    ``identity`` is the mobile's NAI or home address (the key of :class:`ryu_haslb.mobile_ip.identity.Identity`).
    ``client`` and ``client_port`` are the packet's source, ``home_agent``, ``lifetime`` (seconds) and
    ``identification`` (64 bits as a signed number) fields of the request (RFC 5944 section 3.3). ``datapath_id`` is
    the switch that received it, and ``sender`` the Ethernet address that it came from (no decision depends on it).

    For each switch there is one request, whose fields the next packet overwrites: what is to be kept of it must be
    copied.
    """

    __slots__ = (
        "client",
        "client_port",
        "datapath_id",
        "home_agent",
        "identification",
        "identity",
        "lifetime",
        "sender",
        "virtual_server",
    )

    virtual_server: VirtualServer
    identity: bytes
    client: bytes
    client_port: int
    home_agent: bytes
    lifetime: int
    datapath_id: int
    identification: int
    sender: bytes


def make_request(  # noqa: PLR0913, PLR0917 - the fields
    virtual_server: VirtualServer,
    identity: bytes,
    client: bytes,
    client_port: int,
    home_agent: bytes,
    lifetime: int,
    datapath_id: int,
    identification: int,
) -> Request:
    """A request with these fields."""
    request = Request()
    request.virtual_server, request.identity = virtual_server, identity
    request.client, request.client_port = client, client_port
    request.home_agent, request.lifetime = home_agent, lifetime
    request.datapath_id, request.identification = datapath_id, identification
    return request


#: What to do with one request: dispatch it to a real server, or drop it for a reason. The session is the one whose rule
#: is to carry the mobile's next requests; None when there is to be none.
Verdict = tuple[Optional[RealServer], Optional[Session], Optional[DropReason]]
