"""The configuration as plain, immutable data.

Every reader (IOS text, YAML) produces a :class:`Configuration`, every consumer takes one; nobody else knows where it
came from. Defaults are those of IOS SLB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Optional

from ryu_haslb.configuration.crypto_model import Crypto
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

DFP_PASSWORD_TIMEOUT = 180


class Predictor(Enum):
    """How a farm chooses the real server of a new session."""

    ROUND_ROBIN = "roundrobin"
    LEAST_CONNECTIONS = "leastconns"


@dataclass(frozen=True)
class StaticLocation:
    """Where a real server is, told instead of found by ARP (YAML only).

    ``mac`` is the next hop's address as six bytes. ``port`` is the OpenFlow port number, ``vlan`` the tag that frames
    carry there (None: untagged), ``datapath`` the switch it holds for (None: every switch).
    """

    mac: bytes
    port: int
    vlan: Optional[int] = None
    datapath: Optional[int] = None


@dataclass(frozen=True)
class RealServer:
    """``real A.B.C.D [port]`` and its sub-commands."""

    address: IPv4Address
    port: Optional[int] = None
    weight: int = 8
    maxconns: Optional[int] = None
    faildetect_numconns: int = 8
    faildetect_numclients: int = 2
    reassign: int = 3
    retry: int = 60
    in_service: bool = False
    locations: tuple[StaticLocation, ...] = ()


@dataclass(frozen=True)
class ServerFarm:
    """``ip slb serverfarm NAME``. ``nat_server`` is direct mode; without it the farm is dispatched."""

    name: str
    nat_server: bool = False
    predictor: Predictor = Predictor.ROUND_ROBIN
    reals: tuple[RealServer, ...] = ()


@dataclass(frozen=True)
class ClientRule:
    """``client A.B.C.D MASK [exclude]``: which clients may use a virtual server, or may not."""

    network: IPv4Network
    exclude: bool = False


@dataclass(frozen=True)
class VirtualServer:
    """``ip slb vserver NAME``. ``idle`` is the life of a session since its last request, in seconds."""

    name: str
    address: IPv4Address
    farm: str
    port: int = MOBILE_IP_PORT
    idle: int = 10
    clients: tuple[ClientRule, ...] = ()
    in_service: bool = False


@dataclass(frozen=True)
class DfpAgent:
    """``agent A.B.C.D PORT [TIMEOUT [RETRY-COUNT [RETRY-INTERVAL]]]``; times in seconds, a count of 0 is for ever."""

    address: IPv4Address
    port: int
    timeout: int = 0
    retry_count: int = 0
    retry_interval: int = 180


@dataclass(frozen=True)
class DfpManager:
    """``ip slb dfp [password [0|7] TEXT [TIMEOUT]]`` and its agents."""

    password: Optional[str] = None
    password_timeout: int = DFP_PASSWORD_TIMEOUT
    agents: tuple[DfpAgent, ...] = ()


@dataclass(frozen=True)
class VlanInterface:
    """``interface VlanN`` / ``ip address A.B.C.D MASK``: the network that a VLAN carries.

    ``crypto_map`` names the crypto map that protects its traffic.
    """

    vlan: int
    address: IPv4Address
    network: IPv4Network
    crypto_map: Optional[str] = None


@dataclass(frozen=True)
class Port:
    """``interface FastEthernet3/15``: a port of a line card, of the IPsec module, or of a router such as the PDSN.

    ``kind`` and ``number`` are its name. ``crypto_connect_vlan`` is the inside VLAN that it is connected to through the
    IPsec module. ``allowed_vlans`` are those of a trunk; None where they are not limited.
    """

    kind: str
    number: str
    address: Optional[IPv4Interface] = None
    crypto_map: Optional[str] = None
    crypto_connect_vlan: Optional[int] = None
    allowed_vlans: Optional[frozenset[int]] = None

    @property
    def name(self) -> str:
        """The name in full."""
        return self.kind + self.number


@dataclass(frozen=True)
class Route:
    """``ip route PREFIX MASK NEXT-HOP``: how a real server that is not adjacent is reached."""

    network: IPv4Network
    next_hop: IPv4Address


@dataclass(frozen=True)
class Configuration:
    """All of it. Farms and virtual servers are keyed by name, in the order they were configured.

    ``datapaths`` lists the switches to serve by their 64-bit ids; empty means every switch that connects.
    """

    farms: dict[str, ServerFarm] = field(default_factory=dict)
    virtual_servers: dict[str, VirtualServer] = field(default_factory=dict)
    dfp: Optional[DfpManager] = None
    vlan_interfaces: tuple[VlanInterface, ...] = ()
    routes: tuple[Route, ...] = ()
    datapaths: tuple[int, ...] = ()
    ports: tuple[Port, ...] = ()
    crypto: Crypto = field(default_factory=Crypto)
