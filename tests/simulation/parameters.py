"""What a simulated world is made of: its shape, its habits, and the configuration that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Optional

from ryu_haslb.configuration.model import (
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    Drain,
    Port,
    Predictor,
    Probe,
    ProbeKind,
    RealServer,
    ServerFarm,
    Switching,
    VirtualServer,
    VlanInterface,
)
from simulation.capabilities import Capabilities
from simulation.dfp import DFP_PORT

VIRTUAL = IPv4Address("10.1.1.10")
#: The addresses of virtual servers; the first is VIRTUAL.
VIRTUALS = (VIRTUAL, IPv4Address("10.1.1.11"))
FIRST_HOME_AGENT = IPv4Address("10.1.1.51")
FIRST_PDSN = IPv4Address("10.1.1.101")
#: Where probes come from in dispatched mode.
PROBE_SOURCE = IPv4Address("10.1.1.9")
#: The type of the request for a switch's description.
OFPMP_DESC = 0
#: The lower port of the first trunk; the next port is its other end.
FIRST_TRUNK = 201
#: The ports of the two bystanders.
BYSTANDERS = (101, 102)
#: The VLAN of PDSNs and bystanders in worlds of VLANs, with the network of all that is in no VLAN elsewhere. Another
#: VLAN has the network 10.1.VLAN.0/24.
CLIENT_VLAN = 10
_CLIENT_NETWORK = 1


@dataclass(frozen=True)
class Parameters:
    """Everything about a world but what goes wrong in it. ``nat``: direct mode; ``idle`` is seconds."""

    seed: int = 1
    home_agents: int = 2
    #: Virtual servers of the one farm; mobiles are dealt out to them in turn.
    virtual_servers: int = 1
    #: Switches in a row, each joined to the next by a trunk. With several switches there should be one balancer: of
    #: several, each might serve another switch, with sessions of its own.
    switches: int = 1
    #: Whether the configuration names the datapath ids of the switches, so that no other is served.
    names_datapaths: bool = False
    #: Balancers at the switch. They start one second after the other.
    controllers: int = 1
    #: Whether the balancers are the members of a cluster, with a database of three servers.
    is_cluster: bool = False
    #: Whether the switches have controller roles, and ONF's flow monitor.
    roles: bool = True
    flow_monitor: bool = True
    weights: tuple[int, ...] = ()
    pdsns: int = 1
    mobiles: int = 50
    nat: bool = False
    idle: int = 10
    reassign: int = 3
    numconns: int = 8
    numclients: int = 2
    retry: int = 60
    maxconns: Optional[int] = None
    leastconns: bool = False
    #: Whether home agents deny forged requests, or discard them in silence.
    denies: bool = True
    retransmissions: int = 2
    lifetime: int = 1800
    #: Real servers, by number, that are not in service.
    out_of_service: frozenset[int] = frozenset()
    #: Real servers, by number, that the configuration does not have.
    removed: frozenset[int] = frozenset()
    #: What the sessions of drained real servers do, by number of the real server.
    drained: tuple[tuple[int, Drain], ...] = ()
    #: Seconds within which all mobiles are switched on.
    arrivals: float = 30.0
    #: Seconds that a mobile stays switched on, and then off, on average; 0: for ever.
    stay: float = 0.0
    #: Seconds between two registrations of a bound mobile at the virtual address, on average; 0: it renews at its home
    #: agent. Less than 15 seconds would look as if it retransmitted. Every second mobile names its home agent then.
    refresh: float = 0.0
    #: Whether home agents have DFP agents, the keep-alive time in seconds, and whether the agents use all of it.
    dfp: bool = False
    dfp_timeout: int = 0
    dfp_punctual: bool = False
    max_flows: int = 1_000_000
    #: The limit of session rules that the configuration has for each switch.
    max_rules: Optional[int] = None
    #: Flow-mods that a switch carries out in a second; 0: any number.
    flow_mod_rate: float = 0.0
    #: Whether a switch answers a request for its features.
    reports_features: bool = True
    #: Seconds that the switch takes for each part of an answer about its flows, bytes of rows in each part (0: as many
    #: as fit), and every how many parts one has a wrong length (0: none).
    stats_delay: float = 0.0
    stats_part: int = 0
    bad_stats: int = 0
    #: Seconds between two looks of the switch at the time-outs of its rules.
    timeout_step: float = 1.0
    bundles: bool = True
    meters: bool = True
    output_to_table: bool = True
    #: Flow tables of the switch; with two it cannot copy replies.
    tables: int = 3
    #: The switch accepts output to TABLE and does nothing.
    ignores_table: bool = False
    #: What the switch does with output to NORMAL: "works", "ignored" or "refused"; and who made it.
    normal: str = "works"
    make: str = "simulation"
    flood: bool = True
    #: Further capabilities of the switches, by the names of :class:`~simulation.capabilities.Capabilities`.
    habits: tuple[tuple[str, Any], ...] = ()
    #: Whether every second mobile uses nonces, so that it retransmits unchanged, and whether each request comes from
    #: another UDP port of the PDSN.
    nonces: bool = False
    #: Whether every third mobile deregisters at the virtual address.
    virtual_deregistrations: bool = False
    changes_ports: bool = False
    #: A probe of the farm, its interval in seconds, and the failures after which a home agent has failed.
    probe: Optional[ProbeKind] = None
    probe_interval: int = 5
    probe_faildetect: int = 3
    #: The VLANs of the home agents; empty: there are no VLANs. PDSNs are in CLIENT_VLAN, and a router is in all.
    vlans: tuple[int, ...] = ()
    #: The ports of nodes that are trunks, whose frames are tagged; the other nodes are at access ports.
    trunks: frozenset[int] = frozenset()
    #: Whether the configuration has an ``interface Vlan`` for each VLAN, the VLANs of ports, and ``client vlan``.
    has_vlan_interfaces: bool = True
    names_ports: bool = False
    names_client_vlan: bool = False

    @property
    def all_vlans(self) -> tuple[int, ...]:
        """The VLANs of this world, if there are any."""
        return tuple(sorted({CLIENT_VLAN, *self.vlans})) if self.vlans else ()

    def vlan_of(self, port: int) -> int:
        """The VLAN of the node at a port; 0 where that is in none, or in all."""
        if not self.vlans or port not in self.node_ports:
            return 0
        return self.vlans[port - 1] if port <= self.home_agents else CLIENT_VLAN

    @property
    def node_ports(self) -> tuple[int, ...]:
        """The ports of home agents, PDSNs and bystanders."""
        return (*range(1, self.home_agents + self.pdsns + 1), *BYSTANDERS)

    def may_claim(self, port: int, of: int) -> bool:
        """Whether ARP from a port can show where the node of another port is: else that is known to be in a VLAN."""
        return not self.has_vlan_interfaces or self.vlan_of(port) == self.vlan_of(of)

    def port_name(self, port: int) -> Optional[str]:
        """What a switch calls a port that the configuration may name; None: any name will do."""
        return f"fa3-{port}" if self.vlans and port in self.node_ports else None

    def home_agent_address(self, number: int) -> IPv4Address:
        """The address of a home agent, in the network of its VLAN."""
        vlan = self.vlan_of(number + 1)
        return FIRST_HOME_AGENT + number + (network_of(vlan) - _CLIENT_NETWORK) * 256

    @property
    def has_room(self) -> bool:
        """Whether switches have room for the rules of all sessions."""
        return self.max_rules is None and self.max_flows > 2 * self.mobiles

    @property
    def shows_replies(self) -> bool:
        """Whether a switch copies the replies of home agents in doubt at once: it has the time for that.

        With two tables, and where it learns, it copies all of them, and not those alone that have a table.
        """
        return not (self.flow_mod_rate or self.stats_delay)

    @property
    def hides_normal(self) -> bool:
        """Whether switches ignore NORMAL and do not say who made them, so that the balancer has to find it out."""
        return self.normal == "ignored" and OFPMP_DESC in dict(self.habits).get("silent_multiparts", ())

    @property
    def is_told_to_learn(self) -> bool:
        """Whether an operator has to say that switches ignore NORMAL, since no counters of theirs show it."""
        shown = ("counts", "port_statistics", "flow_statistics")
        habits = dict(self.habits)
        return self.hides_normal and (bool(self.bad_stats) or not all(habits.get(each, True) for each in shown))

    @property
    def reports_rules(self) -> bool:
        """Whether switches report all their rules. Without that sessions are lost with their balancer, their rules stay
        for longer, and what others do to rules is found late or not at all (docs/switches.md)."""
        return not self.bad_stats and dict(self.habits).get("flow_statistics", True)

    def capabilities(self) -> Capabilities:
        """What the switches of this world can do."""
        return Capabilities(
            max_flows=self.max_flows,
            flow_mod_rate=self.flow_mod_rate,
            reports_features=self.reports_features,
            bundles=self.bundles,
            meters=self.meters,
            output_to_table=self.output_to_table,
            ignores_table=self.ignores_table,
            stats_delay=self.stats_delay,
            stats_part=self.stats_part,
            bad_stats=self.bad_stats,
            timeout_step=self.timeout_step,
            tables=self.tables,
            normal=self.normal,
            make=self.make,
            flood=self.flood,
            roles=self.roles,
            flow_monitor=self.flow_monitor,
            **dict(self.habits),
        )

    def configuration(self) -> Configuration:
        """The balancer's configuration for this world."""
        weights = self.weights or (8,) * self.home_agents
        reals = tuple(
            RealServer(
                self.home_agent_address(number),
                weight=weights[number],
                maxconns=self.maxconns,
                reassign=self.reassign,
                faildetect_numconns=self.numconns,
                faildetect_numclients=self.numclients,
                retry=self.retry,
                in_service=number not in self.out_of_service,
                drain=dict(self.drained).get(number),
            )
            for number in range(self.home_agents)
            if number not in self.removed
        )
        predictor = Predictor.LEAST_CONNECTIONS if self.leastconns else Predictor.ROUND_ROBIN
        probes = {} if self.probe is None else {"PROBE": self._probe(self.probe)}
        farm = ServerFarm("HAFARM", self.nat, predictor, reals, tuple(probes))
        agents = tuple(DfpAgent(real.address, DFP_PORT, self.dfp_timeout, 0, 5) for real in reals if self.dfp)
        return Configuration(
            dfp=DfpManager(agents=agents) if self.dfp else None,
            farms={"HAFARM": farm},
            virtual_servers=dict(map(self._virtual_server, range(self.virtual_servers))),
            datapaths={
                each: Datapath(
                    each, max_rules=self.max_rules, switching=Switching.LEARN if self.is_told_to_learn else None
                )
                for each in range(1, self.switches + 1)
                if self.names_datapaths or self.max_rules is not None or self.is_told_to_learn
            },
            probes=probes,
            vlan_interfaces=tuple(map(_interface, self.all_vlans)) if self.has_vlan_interfaces else (),
            ports=tuple(map(self._port, self.node_ports)) if self.vlans and self.names_ports else (),
        )

    def _port(self, port: int) -> Port:
        vlan, number = self.vlan_of(port), f"3/{port}"
        if port in self.trunks:
            return Port("FastEthernet", number, allowed_vlans=frozenset({vlan}))
        return Port("FastEthernet", number, access_vlan=vlan)

    def _virtual_server(self, number: int) -> tuple[str, VirtualServer]:
        name = f"MIPSLB{number + 1}" if number else "MIPSLB"
        vlans = frozenset({CLIENT_VLAN}) if self.vlans and self.names_client_vlan else None
        return name, VirtualServer(name, VIRTUALS[number], "HAFARM", idle=self.idle, in_service=True, vlans=vlans)

    def _probe(self, kind: ProbeKind) -> Probe:
        source = None if self.nat else PROBE_SOURCE
        return Probe("PROBE", kind, self.probe_interval, self.probe_faildetect, source)


def network_of(vlan: int) -> int:
    """The third byte of the addresses in a VLAN, or in none."""
    return _CLIENT_NETWORK if vlan in (0, CLIENT_VLAN) else vlan


def _interface(vlan: int) -> VlanInterface:
    network = IPv4Network(f"10.1.{network_of(vlan)}.0/24")
    return VlanInterface(vlan, network[1], network)
