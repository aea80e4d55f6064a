"""A configuration during editing: mutable, possibly incomplete, each part with its line.

Both readers edit a :class:`Draft`. :func:`ryu_haslb.configuration.checks.finish` checks it and makes the immutable
:class:`~ryu_haslb.configuration.model.Configuration`. Lines count from 1; parts of an existing configuration have
line 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Optional

from ryu_haslb.configuration.crypto_draft import CryptoDraft, PortDraft, PortKey, crypto_draft_of
from ryu_haslb.configuration.model import (
    ClientRule,
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    Predictor,
    Probe,
    RealServer,
    Route,
    ServerFarm,
    StaticArp,
    VirtualServer,
    VlanInterface,
)

RealKey = tuple[IPv4Address, Optional[int]]


@dataclass
class RealDraft:
    """A real server and its line."""

    line: int
    real: RealServer


@dataclass
class FarmDraft:
    """A server farm; its reals are keyed by address and port, as on IOS."""

    line: int
    name: str
    nat_server: bool = False
    predictor: Predictor = Predictor.ROUND_ROBIN
    reals: dict[RealKey, RealDraft] = field(default_factory=dict)
    #: The lines of the ``probe`` commands by the names of the probes.
    probes: dict[str, int] = field(default_factory=dict)

    def finished(self) -> ServerFarm:
        """The farm of the model."""
        reals = tuple(real.real for real in self.reals.values())
        return ServerFarm(self.name, self.nat_server, self.predictor, reals, tuple(self.probes))


@dataclass
class ProbeDraft:
    """A probe and its line. ``probe`` is None for a kind of IOS that is not implemented."""

    line: int
    name: str
    probe: Optional[Probe] = None


@dataclass
class VirtualServerDraft:
    """A virtual server; ``address`` and ``farm`` are None until they are configured.

    ``other_service`` is what it is if it is not of Mobile IP: such a server is not part of the configuration.
    """

    line: int
    name: str
    address: Optional[IPv4Address] = None
    address_line: int = 0
    farm: Optional[str] = None
    farm_line: int = 0
    idle: int = VirtualServer.idle
    clients: dict[IPv4Network, ClientRule] = field(default_factory=dict)
    in_service: bool = False
    other_service: Optional[str] = None
    idle_line: int = 0
    vlans: Optional[frozenset[int]] = None

    def finished(self) -> VirtualServer:
        """The virtual server of the model. It must be complete."""
        assert self.address is not None and self.farm is not None
        return VirtualServer(
            self.name,
            self.address,
            self.farm,
            idle=self.idle,
            clients=tuple(self.clients.values()),
            in_service=self.in_service,
            vlans=self.vlans,
        )


@dataclass
class DfpDraft:
    """The DFP manager; its agents are keyed by address and port."""

    password: Optional[str] = field(default=None, repr=False)
    password_timeout: int = DfpManager.password_timeout
    agents: dict[tuple[IPv4Address, int], DfpAgent] = field(default_factory=dict)
    lines: dict[tuple[IPv4Address, int], int] = field(default_factory=dict)

    def finished(self) -> DfpManager:
        """The DFP manager of the model."""
        return DfpManager(self.password, self.password_timeout, tuple(self.agents.values()))


@dataclass
class VlanDraft:
    """A VLAN interface, with or without an address. ``crypto_map_line`` is the line of its crypto map.

    IOS prints secondary addresses before the primary one, so they are kept apart from ``interface``.
    """

    line: int
    vlan: int
    interface: Optional[VlanInterface] = None
    crypto_map: Optional[str] = None
    crypto_map_line: int = 0
    secondaries: tuple[IPv4Interface, ...] = ()

    def finished(self) -> Optional[VlanInterface]:
        """The interface of the model; None without an address."""
        if self.interface is None:
            return None
        return replace(self.interface, crypto_map=self.crypto_map, secondaries=self.secondaries)


class RoutesDraft:
    """The static routes, in the order of their commands, with their distances; those to a network are found at once."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._distances: dict[Route, int] = {}
        self._to: dict[IPv4Network, dict[Route, None]] = {}
        for route in routes:
            self.add(route, 1)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._distances)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RoutesDraft) and self._distances == other._distances

    __hash__ = None  # type: ignore[assignment]

    def to(self, network: IPv4Network) -> dict[Route, int]:
        """The routes to a network, and their distances."""
        return {route: self._distances[route] for route in self._to.get(network, ())}

    def add(self, route: Route, distance: int) -> None:
        """Add a route, or give it another distance."""
        self._distances[route] = distance
        self._to.setdefault(route.network, {})[route] = None

    def remove(self, route: Route) -> None:
        """Remove a route, which must be there."""
        del self._distances[route], self._to[route.network][route]


@dataclass
class Draft:
    """A whole configuration during editing."""

    farms: dict[str, FarmDraft] = field(default_factory=dict)
    virtual_servers: dict[str, VirtualServerDraft] = field(default_factory=dict)
    dfp: Optional[DfpDraft] = None
    vlans: dict[int, VlanDraft] = field(default_factory=dict)
    routes: RoutesDraft = field(default_factory=RoutesDraft)
    datapaths: dict[int, Datapath] = field(default_factory=dict)
    datapath_lines: dict[int, int] = field(default_factory=dict)
    ports: dict[PortKey, PortDraft] = field(default_factory=dict)
    crypto: CryptoDraft = field(default_factory=CryptoDraft)
    max_sessions: Optional[int] = None
    arp: dict[IPv4Address, StaticArp] = field(default_factory=dict)
    arp_lines: dict[IPv4Address, int] = field(default_factory=dict)
    probes: dict[str, ProbeDraft] = field(default_factory=dict)

    def finished(self) -> Configuration:
        """The configuration of the model. The draft must have passed the checks."""
        return Configuration(
            {name: farm.finished() for name, farm in self.farms.items()},
            {name: server.finished() for name, server in self.virtual_servers.items()},
            self.dfp.finished() if self.dfp else None,
            tuple(interface for interface in (vlan.finished() for vlan in self.vlans.values()) if interface),
            tuple(self.routes),
            dict(self.datapaths),
            tuple(draft.port for draft in self.ports.values() if draft.is_configured),
            self.crypto.finished(),
            self.max_sessions,
            tuple(self.arp.values()),
            {name: draft.probe for name, draft in self.probes.items() if draft.probe is not None},
        )


def draft_of(configuration: Configuration) -> Draft:
    """A draft of an existing configuration, for further commands."""
    dfp = configuration.dfp
    return Draft(
        {farm.name: _farm_draft(farm) for farm in configuration.farms.values()},
        {server.name: _virtual_server_draft(server) for server in configuration.virtual_servers.values()},
        None
        if dfp is None
        else DfpDraft(dfp.password, dfp.password_timeout, {(each.address, each.port): each for each in dfp.agents}),
        {
            each.vlan: VlanDraft(0, each.vlan, each, each.crypto_map, 0, each.secondaries)
            for each in configuration.vlan_interfaces
        },
        RoutesDraft(configuration.routes),
        dict(configuration.datapaths),
        dict.fromkeys(configuration.datapaths, 0),
        {(each.kind, each.number): PortDraft(0, each) for each in configuration.ports},
        crypto_draft_of(configuration.crypto),
        configuration.max_sessions,
        {each.address: each for each in configuration.arp},
        {each.address: 0 for each in configuration.arp},
        {each.name: ProbeDraft(0, each.name, each) for each in configuration.probes.values()},
    )


def _farm_draft(farm: ServerFarm) -> FarmDraft:
    reals = {(real.address, real.port): RealDraft(0, real) for real in farm.reals}
    return FarmDraft(0, farm.name, farm.nat_server, farm.predictor, reals, dict.fromkeys(farm.probes, 0))


def _virtual_server_draft(server: VirtualServer) -> VirtualServerDraft:
    return VirtualServerDraft(
        0,
        server.name,
        server.address,
        farm=server.farm,
        idle=server.idle,
        clients={rule.network: rule for rule in server.clients},
        in_service=server.in_service,
        vlans=server.vlans,
    )
