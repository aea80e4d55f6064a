"""A Registration Request as the balancer sees it, and the balancer's decision about it."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.virtual_server import VirtualServer


class Request(NamedTuple):
    """What the decision depends on; addresses are four bytes in network order.

    ``identity`` is the mobile's NAI or home address (the key of :class:`ryu_haslb.mobile_ip.identity.Identity`).
    ``client`` and ``client_port`` are the packet's source, ``home_agent``, ``lifetime`` (seconds) and
    ``identification`` fields of the request (RFC 5944 section 3.3). ``datapath_id`` is the switch that received it.
    """

    virtual_server: VirtualServer
    identity: bytes
    client: bytes
    client_port: int
    home_agent: bytes
    lifetime: int
    datapath_id: int
    identification: int


class Verdict(NamedTuple):
    """What to do with one request: dispatch it to ``real``, or drop it because of ``drop``.

    ``session`` is the session whose flow is to carry the mobile's next requests; None when there is to be none.
    """

    real: Optional[RealServer]
    session: Optional[Session]
    drop: Optional[DropReason]
