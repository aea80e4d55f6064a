"""The model of a home agent's configuration. The lab's home agents have one; the balancer has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Optional


@dataclass(frozen=True)
class LoopbackInterface:
    """``interface LoopbackN`` / ``ip address A.B.C.D MASK``. In dispatched mode it has the virtual address."""

    number: int
    address: IPv4Address
    network: IPv4Network


@dataclass(frozen=True)
class DfpAgentService:
    """``ip dfp agent ipmobile``: the DFP agent of a home agent.

    It listens on TCP ``port`` and reports its weight at most ``interval`` seconds apart. For ``password_timeout``
    seconds after a change it accepts the previous password too.
    """

    port: Optional[int] = None
    interval: int = 10
    password: Optional[str] = field(default=None, repr=False)
    password_timeout: int = 180
    in_service: bool = False


@dataclass(frozen=True)
class HomeAgentConfiguration:
    """The configuration of a home agent. ``dynamic_address`` is the home agent address in its replies."""

    loopbacks: tuple[LoopbackInterface, ...] = ()
    dynamic_address: Optional[IPv4Address] = None
    dfp_agent: Optional[DfpAgentService] = None
