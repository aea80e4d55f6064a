"""The configuration as plain, immutable data.

The readers of IOS text and of YAML make a :class:`Configuration`; all other code takes one and is independent of the
form. Defaults are those of IOS SLB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address
from typing import Optional, Union

from ryu_haslb.configuration.crypto_model import Crypto
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

#: The largest number of sessions that ``ip slb entries conn`` may name, as on IOS.
MAX_SESSIONS = 8_000_000
#: Seconds for which the previous DFP password is accepted after a change, by default.
DFP_PASSWORD_TIMEOUT = 180


class Predictor(Enum):
    """The algorithm by which a farm chooses the real server of a new session."""

    ROUND_ROBIN = "roundrobin"
    LEAST_CONNECTIONS = "leastconns"


#: The highest number of a physical port (OpenFlow 1.3.5, ``OFPP_MAX``).
MAX_PORT_NUMBER = 0xFFFFFF00


@dataclass(frozen=True)
class StaticLocation:
    """The location of a real server, configured instead of found by ARP.

    ``mac`` is the Ethernet address of the next hop as six bytes, ``port`` the OpenFlow port number, ``vlan`` the tag of
    frames on that port (None: untagged), ``datapath`` the switch that it is valid for (None: all switches).
    """

    mac: bytes
    port: int
    vlan: Optional[int] = None
    datapath: Optional[int] = None


class Drain(Enum):
    """What happens to the sessions of a real server that is drained (``drain [move]``); it gets no new ones."""

    STAY = "stay"
    MOVE = "move"


@dataclass(frozen=True)
class RealServer:
    """``real A.B.C.D [port]`` and its sub-commands. ``retry`` is in seconds; 0 is never.

    Without ``faildetect_inband`` (``no faildetect inband``) requests without reply never fail the real server.
    ``drain`` is None for a real server that is not drained.
    """

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
    faildetect_inband: bool = True
    drain: Optional[Drain] = None

    def __hash__(self) -> int:
        """By what distinguishes real servers: a hash of all fields would cost more than anything that uses it."""
        return hash((int(self.address), self.port))


class ProbeKind(Enum):
    """What a probe asks a real server. The value is the word of the configuration."""

    PING = "ping"
    IPMOBILE = "ipmobile"


#: The interval in seconds and the number of failures of a probe by default: those of IOS for a ping. A probe of Mobile
#: IP leaves a line in the log of some home agents, so it asks less often.
PROBE_DEFAULTS = {ProbeKind.PING: (1, 10), ProbeKind.IPMOBILE: (10, 3)}
#: The mobile that no home agent has (RFC 6761 section 6.4): an ``ipmobile`` probe asks for it.
PROBE_NAI = "haslb-probe@probe.invalid"


@dataclass(frozen=True)
class Probe:
    """``ip slb probe NAME {ping | ipmobile}``: a question to each real server of the farms that name it.

    ``interval`` is in seconds. ``faildetect`` are the questions in a row without an answer after which a real server
    has failed. ``source`` is the address that the questions come from; None: the virtual address, in direct mode only.
    ``nai`` is the mobile that an ``ipmobile`` probe asks for.
    """

    name: str
    kind: ProbeKind
    interval: int
    faildetect: int
    source: Optional[IPv4Address] = None
    nai: str = PROBE_NAI


def default_probe(name: str, kind: ProbeKind) -> Probe:
    """A probe as its command alone makes it."""
    return Probe(name, kind, *PROBE_DEFAULTS[kind])


@dataclass(frozen=True)
class ServerFarm:
    """``ip slb serverfarm NAME``. ``nat_server`` is direct mode; without it the farm is dispatched.

    ``probes`` are the names of its probes.
    """

    name: str
    nat_server: bool = False
    predictor: Predictor = Predictor.ROUND_ROBIN
    reals: tuple[RealServer, ...] = ()
    probes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClientRule:
    """``client A.B.C.D MASK [exclude]``: a network of clients that may use a virtual server, or may not."""

    network: IPv4Network
    exclude: bool = False


@dataclass(frozen=True)
class VirtualServer:
    """``ip slb vserver NAME``. ``idle``: seconds without a request before a session ends.

    ``vlans`` are those that it is served in; None: they follow from its clients (:mod:`.served_vlans`).
    """

    name: str
    address: IPv4Address
    farm: str
    port: int = MOBILE_IP_PORT
    idle: int = 10
    clients: tuple[ClientRule, ...] = ()
    in_service: bool = False
    vlans: Optional[frozenset[int]] = None


@dataclass(frozen=True)
class DfpAgent:
    """``agent A.B.C.D PORT [TIMEOUT [RETRY-COUNT [RETRY-INTERVAL]]] [real {any | A.B.C.D ...}]``.

    Times are in seconds, a count of 0 is unlimited. ``reals`` are the real servers whose weight the agent may set
    beside the one at its own address; None: any.
    """

    address: IPv4Address
    port: int
    timeout: int = 0
    retry_count: int = 0
    retry_interval: int = 180
    reals: Optional[tuple[IPv4Address, ...]] = ()

    def may_set(self, real: IPv4Address) -> bool:
        """Whether the agent may set the weight of the real server at this address."""
        return self.reals is None or real == self.address or real in self.reals


@dataclass(frozen=True)
class DfpManager:
    """``ip slb dfp [password [0|7] TEXT [TIMEOUT]]`` and its agents."""

    password: Optional[str] = field(default=None, repr=False)
    password_timeout: int = DFP_PASSWORD_TIMEOUT
    agents: tuple[DfpAgent, ...] = ()


@dataclass(frozen=True)
class VlanInterface:
    """``interface VlanN`` / ``ip address A.B.C.D MASK``: the address of the balancer in a VLAN, and its network.

    ``crypto_map`` names the crypto map that protects its traffic, ``secondaries`` are ``ip address ... secondary``.
    """

    vlan: int
    address: IPv4Address
    network: IPv4Network
    crypto_map: Optional[str] = None
    secondaries: tuple[IPv4Interface, ...] = ()

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """The networks whose hosts are adjacent in this VLAN."""
        return (self.network, *(each.network for each in self.secondaries))


@dataclass(frozen=True)
class Port:
    """``interface FastEthernet3/15``: a port of a line card, of the IPsec module, or of a router such as the PDSN.

    ``kind`` and ``number`` are its name. ``crypto_connect_vlan`` is the inside VLAN to which the IPsec module connects
    it. ``allowed_vlans`` are those of a trunk; None: all VLANs. ``access_vlan`` is the VLAN of an access port.
    """

    kind: str
    number: str
    address: Optional[IPv4Interface] = None
    crypto_map: Optional[str] = None
    crypto_connect_vlan: Optional[int] = None
    allowed_vlans: Optional[frozenset[int]] = None
    access_vlan: Optional[int] = None

    @property
    def name(self) -> str:
        """The name in full, such as ``FastEthernet3/15``."""
        return self.kind + self.number


@dataclass(frozen=True)
class Route:
    """``ip route PREFIX MASK NEXT-HOP``: a route to real servers that are not adjacent."""

    network: IPv4Network
    next_hop: IPv4Address


class Switching(Enum):
    """How a switch forwards what does not concern the balancer. The value is the word of the configuration."""

    NORMAL = "normal"
    LEARN = "learn"
    NONE = "none"


@dataclass(frozen=True)
class Datapath:
    """``ip slb datapath``: a switch that may connect, by its 64-bit id.

    ``addresses`` are those that it may connect from, any if there is none. ``certificate`` is a name that its TLS
    certificate must have, as common name of the subject or as subjectAltName. ``switching`` None is found out.
    ``max_rules`` is the limit of session rules on the switch, None if only its own limits count.
    """

    id: int
    addresses: tuple[Union[IPv4Address, IPv6Address], ...] = ()
    certificate: Optional[str] = None
    switching: Optional[Switching] = None
    max_rules: Optional[int] = None


@dataclass(frozen=True)
class StaticArp:
    """``arp A.B.C.D MAC ARPA [INTERFACE]``: the Ethernet address of a real server, or of the next hop to it.

    ``interface`` is kind and number of the port at which it is, such as ``("FastEthernet", "3/15")``, or of the
    interface of its VLAN (``("Vlan", "15")``); None: ARP finds the port.
    """

    address: IPv4Address
    mac: bytes
    interface: Optional[tuple[str, str]] = None


@dataclass(frozen=True)
class Configuration:
    """A whole configuration. Farms, virtual servers and probes are keyed by name, in the order of the file.

    ``max_sessions`` is the limit of ``ip slb entries conn`` (None: it follows from farms and memory).
    ``datapaths`` are the switches to serve by their ids; if it is empty, every switch that connects is served.
    """

    farms: dict[str, ServerFarm] = field(default_factory=dict)
    virtual_servers: dict[str, VirtualServer] = field(default_factory=dict)
    dfp: Optional[DfpManager] = None
    vlan_interfaces: tuple[VlanInterface, ...] = ()
    routes: tuple[Route, ...] = ()
    datapaths: dict[int, Datapath] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    crypto: Crypto = field(default_factory=Crypto)
    max_sessions: Optional[int] = None
    arp: tuple[StaticArp, ...] = ()
    probes: dict[str, Probe] = field(default_factory=dict)

    @property
    def has_probes(self) -> bool:
        """Whether a farm has a probe."""
        return any(farm.probes for farm in self.farms.values())

    @property
    def probe_sources(self) -> list[IPv4Address]:
        """The addresses that the configuration gives to probes of farms, each once."""
        used = {name for farm in self.farms.values() for name in farm.probes}
        return sorted({each.source for name, each in self.probes.items() if name in used and each.source is not None})


def next_hop_of(interfaces: Iterable[VlanInterface], routes: Iterable[Route], address: IPv4Address) -> IPv4Address:
    """The next hop of packets to an address.

    It is the address itself if the address is in the network of a VLAN interface, else the next hop of the most
    specific route. Without a route it is the address too: its network is not configured, or a router answers ARP for
    it.
    """
    if any(address in network for interface in interfaces for network in interface.networks):
        return address
    matching = ((route.network.prefixlen, route.next_hop) for route in routes if address in route.network)
    return max(matching, key=lambda match: match[0], default=(0, address))[1]
