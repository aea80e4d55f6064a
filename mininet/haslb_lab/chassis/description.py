"""A chassis and what is around it, as plain, immutable data: what a description file says.

Names are those of the chapter: the keys of ``chassis``, ``pdsns`` and ``home_agents`` are IOS prompts (``SLB-7600``),
and home agents, PDSNs, mobiles and hosts are Mininet hosts of that name. Everything has the ``line`` of the file that
describes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import NamedTuple, Optional, Union

#: The node that the balancer runs in.
CONTROLLER = "controller"

#: The network between the daemon of the switches and the balancer's node. Its link is not a port of a switch.
CONTROLLER_NETWORK = IPv4Network("169.254.219.0/30")


class PortName(NamedTuple):
    """An IOS interface name such as FastEthernet3/15."""

    kind: str
    slot: int
    port: int

    def __str__(self) -> str:
        return f"{self.kind}{self.slot}/{self.port}"

    @property
    def short(self) -> str:
        """As Linux interfaces spell it, where names are short: fa3-15."""
        return f"{self.kind[:2].lower()}{self.slot}-{self.port}"


@dataclass(frozen=True)
class Attachment:
    """Where a cable ends: a port of a chassis' line cards, written ``SLB-7600 FastEthernet3/15``."""

    chassis: str
    port: PortName
    line: int

    def __str__(self) -> str:
        return f"{self.chassis} {self.port}"


@dataclass(frozen=True)
class Balancer:
    """HA-SLB itself. ``configuration`` is its file.

    ``vlan`` and ``address`` are its own in a VLAN of the home agents, from which its DFP manager connects (None: no
    DFP).
    """

    configuration: Path
    vlan: Optional[int]
    address: Optional[IPv4Interface]
    line: int


@dataclass(frozen=True)
class Vlan:
    """A VLAN of a chassis; ``interface`` is the MSFC's address in it (None: the VLAN is only bridged)."""

    number: int
    interface: Optional[IPv4Interface]
    line: int


@dataclass(frozen=True)
class LineCardPort:
    """A port of a line card: an access port of ``vlan``, or a trunk of ``trunk``'s VLANs.

    ``crypto_connect_vlan`` is the VLAN of the interface whose crypto map protects the traffic of this port.
    """

    name: PortName
    vlan: Optional[int]
    trunk: tuple[int, ...]
    crypto_connect_vlan: Optional[int]
    line: int


@dataclass(frozen=True)
class ModulePort:
    """One of the two trunk ports that an IPsec module sits between."""

    name: PortName
    allowed_vlans: tuple[int, ...]
    line: int


@dataclass(frozen=True)
class IpsecModule:
    """The IPsec module: clear text at its inside port, encrypted at its outside port."""

    node: str
    inside: ModulePort
    outside: ModulePort
    line: int


@dataclass(frozen=True)
class HomeAgent:
    """A home agent on a processor of a SAMI; ``number`` counts from 1 in its slot."""

    name: str
    slot: int
    number: int
    vlan: int
    address: IPv4Interface
    home_network: IPv4Network
    configuration: Optional[Path]
    line: int


@dataclass(frozen=True)
class Route:
    """A static route of the MSFC."""

    network: IPv4Network
    next_hop: IPv4Address
    line: int


@dataclass(frozen=True)
class Chassis:
    """A 7600: its supervisor's switch, VLANs, cards. ``msfc`` is the node that routes between its VLANs.

    A supervisor without ``datapath_id`` is an ordinary switch: no balancer serves it.
    """

    name: str
    switch: str
    datapath_id: Optional[int]
    msfc: str
    vlans: dict[int, Vlan]
    line_cards: dict[PortName, LineCardPort]
    ipsec_module: Optional[IpsecModule]
    home_agents: tuple[HomeAgent, ...]
    routes: tuple[Route, ...]
    line: int

    @property
    def interfaces(self) -> dict[int, IPv4Interface]:
        """The MSFC's addresses by VLAN."""
        return {number: vlan.interface for number, vlan in self.vlans.items() if vlan.interface is not None}

    @property
    def slots(self) -> dict[int, tuple[HomeAgent, ...]]:
        """The home agents by the SAMI's slot."""
        slots = sorted({each.slot for each in self.home_agents})
        return {slot: tuple(each for each in self.home_agents if each.slot == slot) for slot in slots}

    def switch_port(self, end: str) -> str:
        """The name in Linux of the switch's port for ``fa3-15``, ``vlan15``, ``sami5-1`` …"""
        return f"{self.switch}-{end}"


@dataclass(frozen=True)
class Link:
    """A cable between two chassis."""

    ends: tuple[Attachment, Attachment]
    line: int


@dataclass(frozen=True)
class Pdsn:
    """A PDSN beyond the chassis. ``interface`` is its own name for the port that its configuration speaks of.

    ``gateway`` is the router that it uses (None: the MSFC of its VLAN); ``mobiles`` are the nodes behind it, and which
    user of the PDSN each is.
    """

    name: str
    attachment: Attachment
    interface: str
    address: IPv4Interface
    home_agent: IPv4Address
    configuration: Optional[Path]
    gateway: Optional[IPv4Address]
    mobiles: dict[str, int]
    reverse_tunnel: bool
    line: int


@dataclass(frozen=True)
class Host:
    """A correspondent host."""

    name: str
    attachment: Attachment
    address: IPv4Interface
    gateway: Optional[IPv4Address]
    line: int


@dataclass(frozen=True)
class Description:
    """All of a description file; ``source`` is its path, and the order is that of the file."""

    source: Path
    balancer: Balancer
    chassis: dict[str, Chassis]
    links: tuple[Link, ...]
    pdsns: tuple[Pdsn, ...]
    hosts: tuple[Host, ...]

    @property
    def supervisors(self) -> tuple[Chassis, ...]:
        """The chassis that the balancer serves."""
        return tuple(each for each in self.chassis.values() if each.datapath_id is not None)

    @property
    def home_agents(self) -> tuple[HomeAgent, ...]:
        """The home agents of all chassis."""
        return tuple(agent for each in self.chassis.values() for agent in each.home_agents)

    @property
    def ipsec_modules(self) -> tuple[IpsecModule, ...]:
        """The IPsec modules of all chassis."""
        return tuple(each.ipsec_module for each in self.chassis.values() if each.ipsec_module is not None)

    @property
    def attached(self) -> tuple[Union[Pdsn, Host], ...]:
        """What is cabled to the line cards, other chassis left out."""
        return (*self.pdsns, *self.hosts)

    @property
    def mobiles(self) -> tuple[str, ...]:
        """The nodes of all mobiles."""
        return tuple(mobile for pdsn in self.pdsns for mobile in pdsn.mobiles)

    @property
    def tunnels(self) -> bool:
        """Whether home agents and PDSNs carry the traffic of mobiles: where there are mobiles."""
        return any(pdsn.mobiles or pdsn.reverse_tunnel for pdsn in self.pdsns)

    @property
    def prompts(self) -> dict[str, str]:
        """The prompt of each node that takes commands. The balancer has that of its first supervisor."""
        return {
            CONTROLLER: self.supervisors[0].name,
            **{each.name: each.name for each in self.home_agents},
            **{each.name: each.name for each in self.pdsns},
            **{each.node: each.node for each in self.ipsec_modules},
            **{mobile: mobile for mobile in self.mobiles},
        }

    def has_port(self, attachment: Attachment) -> bool:
        """Whether there is a line-card port where a cable ends. A checked description has them all."""
        return attachment.chassis in self.chassis and attachment.port in self.chassis[attachment.chassis].line_cards

    def port_at(self, attachment: Attachment) -> LineCardPort:
        """The line-card port where a cable ends."""
        return self.chassis[attachment.chassis].line_cards[attachment.port]

    def attachments(self) -> Iterator[Attachment]:
        """The ends of all cables."""
        for link in self.links:
            yield from link.ends
        for node in self.attached:
            yield node.attachment
