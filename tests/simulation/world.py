"""The simulated world: switches, home agents, PDSNs with mobiles, and balancers, wired up from a few parameters.

Home agents and PDSNs are dealt out to the switches in turn. Each has a port number that no other node has at any
switch: home agents the numbers from 1 on, PDSNs those behind them. Between two switches is one trunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from random import Random
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import (
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    Predictor,
    RealServer,
    ServerFarm,
    VirtualServer,
)
from ryu_haslb.openflow.pipeline import dispatch_address
from ryu_haslb.slb.session import UNKEYED
from simulation.clock import Clock
from simulation.controller import Controller
from simulation.datapath import OFPAT_SET_FIELD, Capabilities
from simulation.dfp import DFP_PORT, SimulatedDfpAgent
from simulation.home_agent import HomeAgent
from simulation.mobiles import Habits, Mobile, Pdsn, State
from simulation.network import Weather, Wire
from simulation.packet import ETH_DST, arp_frame
from simulation.switch import SimulatedSwitch

VIRTUAL = IPv4Address("10.1.1.10")
FIRST_HOME_AGENT = IPv4Address("10.1.1.51")
FIRST_PDSN = IPv4Address("10.1.1.101")
#: Seconds between two looks of the switch at the time-outs of its rules.
EXPIRY_INTERVAL = 1.0
#: Seconds for which a request that the balancer has not dispatched is remembered, at least.
FORGET_INTERVAL = 60.0
#: Seconds within which a second request of a mobile retransmits the first one: less than its pause between attempts.
MAX_RETRANSMISSION_PAUSE = 5.0
#: Seconds between two ARP requests of a PDSN for a home agent; a switch remembers what it learns from them for longer.
ARP_INTERVAL = 60.0
#: Seconds between two frames of a bystander, and the ports of the two.
BYSTANDER_INTERVAL = 1.0
BYSTANDERS = (101, 102)
#: The lower port of the first trunk; the next port is its other end.
FIRST_TRUNK = 201
_NODE_PREFIX = b"\x02\0"


@dataclass(frozen=True)
class Parameters:
    """Everything about a world but what goes wrong in it. ``nat``: direct mode; ``idle`` is seconds."""

    seed: int = 1
    home_agents: int = 2
    #: Switches in a row, each joined to the next by a trunk. With several switches there should be one balancer: of
    #: several, each might serve another switch, with sessions of its own.
    switches: int = 1
    #: Whether the configuration names the datapath ids of the switches, so that no other is served.
    names_datapaths: bool = False
    #: Balancers at the switch. They start one second after the other.
    controllers: int = 1
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
    #: Seconds within which all mobiles are switched on.
    arrivals: float = 30.0
    #: Seconds that a mobile stays switched on, and then off, on average; 0: for ever.
    stay: float = 0.0
    #: Whether home agents have DFP agents, the keep-alive time in seconds, and whether the agents use all of it.
    dfp: bool = False
    dfp_timeout: int = 0
    dfp_punctual: bool = False
    max_flows: int = 1_000_000
    #: Seconds that the switch takes for each part of an answer about its flows.
    stats_delay: float = 0.0
    bundles: bool = True
    meters: bool = True
    output_to_table: bool = True
    #: Flow tables of the switch; with two it cannot copy replies.
    tables: int = 3
    #: The switch accepts output to TABLE and does nothing.
    ignores_table: bool = False

    def configuration(self) -> Configuration:
        """The balancer's configuration for this world."""
        weights = self.weights or (8,) * self.home_agents
        reals = tuple(
            RealServer(
                FIRST_HOME_AGENT + number,
                weight=weights[number],
                maxconns=self.maxconns,
                reassign=self.reassign,
                faildetect_numconns=self.numconns,
                faildetect_numclients=self.numclients,
                retry=self.retry,
                in_service=number not in self.out_of_service,
            )
            for number in range(self.home_agents)
        )
        predictor = Predictor.LEAST_CONNECTIONS if self.leastconns else Predictor.ROUND_ROBIN
        agents = tuple(DfpAgent(real.address, DFP_PORT, self.dfp_timeout, 0, 5) for real in reals if self.dfp)
        return Configuration(
            dfp=DfpManager(agents=agents) if self.dfp else None,
            farms={"HAFARM": ServerFarm("HAFARM", nat_server=self.nat, predictor=predictor, reals=reals)},
            virtual_servers={"MIPSLB": VirtualServer("MIPSLB", VIRTUAL, "HAFARM", idle=self.idle, in_service=True)},
            datapaths={each: Datapath(each) for each in range(1, self.switches + 1) if self.names_datapaths},
        )


def mac_of(address: bytes) -> bytes:
    """The Ethernet address of a node."""
    return _NODE_PREFIX + address


def is_dispatched(frame: bytes) -> bool:
    """Whether the balancer has dispatched a frame: then its source is secret, and no node's (docs/flows.md)."""
    return frame[6:8] != _NODE_PREFIX


@dataclass
class Counts:
    """What was seen on the wires. ``dispatched`` are requests that the switch sent to home agents for the balancer."""

    requests: int = 0
    dispatched: int = 0
    #: Requests that the switch sent to home agents more often than they came.
    repeated: int = 0
    #: Frames that bystanders have sent to each other, and those that arrived.
    bystanders_sent: int = 0
    bystanders_received: int = 0


class Vote(NamedTuple):
    """A mobile has given up on a home agent, with its last requests since ``began_at``; ``client`` is its PDSN."""

    at: float
    began_at: float
    home_agent: int
    nai: bytes
    client: str


@dataclass
class World:
    """A running world."""

    parameters: Parameters
    clock: Clock = field(default_factory=Clock)
    weather: Weather = field(default_factory=Weather)
    home_agents: list[HomeAgent] = field(default_factory=list)
    pdsns: list[Pdsn] = field(default_factory=list)
    mobiles: list[Mobile] = field(default_factory=list)
    #: When rules were last taken off the switch by a fault, not by the balancer.
    plundered_at: float = 0.0
    #: When rules without a session were last added.
    ghosts_at: float = 0.0
    #: When a balancer last served the switch undisturbed.
    served_until: float = 0.0
    #: When the balancer was last started again, the Ethernet address to which each session rule led then (by tag), and
    #: what has gone wrong since.
    restarted_at: float = 0.0
    rules_at_restart: dict[int, bytes] = field(default_factory=dict)
    faults_since_restart: list[str] = field(default_factory=list)
    #: When the link between two switches last went down or came up.
    trunk_changed_at: float = 0.0
    #: When the weather last changed.
    weather_changed_at: float = 0.0
    #: When something happened last that the balancer cannot tell from an answer of a silent home agent: a mobile that
    #: registered was switched off, a stranger has sent requests, sessions were cleared.
    interrupted_at: float = 0.0
    #: Until when a stranger floods the virtual address with forged requests.
    stormed_until: float = 0.0
    #: When something that all mobiles depend on was last disturbed: balancer, switch, or the network between them.
    disturbed_at: float = 0.0
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        parameters = self.parameters
        self.random = Random(f"{parameters.seed} world")
        self._undispatched: dict[bytes, int] = {}
        self._undispatched_before: dict[bytes, int] = {}
        self._mobile_of: dict[bytes, Mobile] = {}
        self.votes: list[Vote] = []
        #: By home agent: the last request that it received and that was sent again in vain, and the retransmission.
        self.asked_in_vain: dict[int, tuple[float, float]] = {}
        self._inward: dict[int, Wire] = {}
        self._outward: dict[int, Wire] = {}
        capabilities = Capabilities(
            max_flows=parameters.max_flows,
            bundles=parameters.bundles,
            meters=parameters.meters,
            output_to_table=parameters.output_to_table,
            ignores_table=parameters.ignores_table,
            stats_delay=parameters.stats_delay,
            tables=parameters.tables,
        )
        self._switch_at: dict[int, SimulatedSwitch] = {}
        self._other_end: dict[int, int] = {}
        self.switches = [self._make_switch(number, capabilities) for number in range(1, parameters.switches + 1)]
        for number in range(parameters.home_agents):
            self._add_home_agent(number)
        for number in range(parameters.pdsns):
            self._add_pdsn(number)
        self._add_bystanders()
        for number in range(parameters.switches - 1):
            self._add_trunk(number)
        punctual = parameters.dfp_punctual
        self.dfp_agents = [SimulatedDfpAgent(each, self.clock, punctual) for each in self.home_agents]
        is_old = parameters.controllers == 1 and parameters.seed % 3 == 0
        self.controllers = [
            Controller(self.clock, parameters.configuration(), self.dfp_agent, f"balancer{number + 1}", is_old)
            for number in range(parameters.controllers)
        ]
        for controller in self.controllers:
            for switch in self.switches:
                controller.add_switch(switch)
        for number in range(parameters.mobiles):
            self._add_mobile(number)

    @property
    def switch(self) -> SimulatedSwitch:
        """The first switch."""
        return self.switches[0]

    @property
    def controller(self) -> Controller:
        """The balancer that serves the first switch; where none does, one that runs, else the first."""
        for controller in self.controllers:
            if controller.is_running and controller.serves(self.switch):
                return controller
        return next((each for each in self.controllers if each.is_running), self.controllers[0])

    def dfp_agent(self, address: IPv4Address) -> SimulatedDfpAgent:
        """The DFP agent of the home agent with this address."""
        return self.dfp_agents[int(address) - int(FIRST_HOME_AGENT)]

    def start(self) -> None:
        """Start the balancer and switch on the mobiles, one after the other."""
        self.controllers[0].start()
        for number, controller in enumerate(self.controllers[1:], 1):
            self.clock.after(float(number), controller.start)
        self.clock.after(EXPIRY_INTERVAL, self._expire)
        self.clock.after(FORGET_INTERVAL, self._forget_dropped)
        self.clock.after(1.5, self._pdsns_resolve)
        self.clock.after(2.5, self._bystanders_talk)
        for mobile in self.mobiles:
            self.clock.after(2.0 + self.random.uniform(0, self.parameters.arrivals), mobile.power_on)

    def set_link(self, port: int, up: bool) -> None:
        """A node's link goes up or down."""
        for each in (port, self._other_end.get(port, port)):
            self._inward[each].is_up = self._outward[each].is_up = up
            self._switch_at[each].set_port(each, up)
        if port <= len(self.home_agents):
            self.home_agents[port - 1].disturbed_at = self.clock.now
            return
        self.disturb()
        if port in self._other_end:
            self.trunk_changed_at = self.clock.now
        for mobile in self.mobiles:
            if mobile.state is State.REGISTERING:
                mobile.excuse = "a link between switches changed while it registered"

    def session_rules(self) -> dict[int, bytes]:
        """The tags of the session rules on all switches, and the Ethernet address to which each leads."""
        return {
            flow.cookie >> 16: mac
            for switch in self.switches
            for flow in switch.datapath.tables[1]
            if flow.cookie & 0xFFFF == 0x51B7 and flow.cookie >> 32
            for kind, argument in flow.actions
            if kind == OFPAT_SET_FIELD and isinstance(argument, tuple)
            for number, mac in [argument]
            if number == ETH_DST
        }

    def note_restart(self, started: Controller) -> None:
        """Note what the switches hold when a balancer starts again.

        A balancer that starts beside another one restarts nothing: the other one goes on to serve sessions and to end
        them as usual.
        """
        if any(other.has_sessions for other in self.controllers if other is not started):
            return
        self.restarted_at = self.clock.now
        self.rules_at_restart = self.session_rules()
        self.faults_since_restart.clear()
        for switch in self.switches:
            switch.expired.clear()

    def disturb(self) -> None:
        """Note that something which all mobiles depend on was disturbed."""
        self.disturbed_at = self.clock.now
        self.interrupt()

    def _make_switch(self, datapath_id: int, capabilities: Capabilities) -> SimulatedSwitch:
        ports: dict[int, str] = {}
        last_bytes = {dispatch_address(datapath_id, key)[5] for key in (b"any key", UNKEYED)}
        leave = partial(self._leave_switch, last_bytes)
        switch = SimulatedSwitch(datapath_id, ports, self.clock, leave, capabilities)
        switch.datapath.lost = self._excuse
        return switch

    def _attach(self, port: int, name: str, switch: SimulatedSwitch) -> None:
        switch.datapath.ports[port] = name
        self._switch_at[port] = switch

    def _add_trunk(self, number: int) -> None:
        """A link from one switch to the next."""
        one = FIRST_TRUNK + 2 * number
        for port, switch in zip((one, one + 1), self.switches[number:]):
            self._attach(port, f"trunk{port}", switch)
        self._other_end |= {one: one + 1, one + 1: one}
        for port in (one, one + 1):
            self._wire(port, self._arrive_at(self._other_end[port]))

    def _arrive_at(self, port: int) -> Callable[[bytes], None]:
        return lambda frame: self._switch_at[port].receive(port, frame)

    def _add_bystanders(self) -> None:
        """Two hosts that have nothing to do with Mobile IP, and talk to each other."""
        for port, switch in zip(BYSTANDERS, (self.switches[0], self.switches[-1])):
            self._attach(port, f"host{port}", switch)
            self._wire(port, self._bystander_receives)

    def _pdsns_resolve(self) -> None:
        """PDSNs ask for the Ethernet addresses of home agents, by which the switches learn their own (NORMAL)."""
        for pdsn in self.pdsns:
            for agent in self.home_agents[:1]:
                pdsn.transmit(arp_frame(1, pdsn.mac, pdsn.address, bytes(6), agent.address))
        self.clock.after(ARP_INTERVAL, self._pdsns_resolve)

    def _bystander_receives(self, frame: bytes) -> None:
        self.counts.bystanders_received += frame[12:14] == b"\x88\xb5"

    def _bystanders_talk(self) -> None:
        for here, there in (BYSTANDERS, BYSTANDERS[::-1]):
            self.counts.bystanders_sent += 1
            frame = mac_of(there.to_bytes(4, "big")) + mac_of(here.to_bytes(4, "big")) + b"\x88\xb5" + bytes(46)
            self._inward[here].send(frame)
        self.clock.after(BYSTANDER_INTERVAL, self._bystanders_talk)

    def is_link_up(self, port: int) -> bool:
        """Whether a node's link is up; home agents have the ports from 1 on, PDSNs those behind them."""
        return self._inward[port].is_up

    def switch_at(self, port: int) -> SimulatedSwitch:
        """The switch that has a port."""
        return self._switch_at[port]

    def is_joined(self, one: int, other: int) -> bool:
        """Whether every trunk between the switches of two ports is up."""
        low, high = sorted(self._switch_at[port].datapath_id for port in (one, other))
        return all(self.is_link_up(FIRST_TRUNK + 2 * (number - 1)) for number in range(low, high))

    def port_of(self, pdsn: Pdsn) -> int:
        """The port at which a PDSN is."""
        return len(self.home_agents) + self.pdsns.index(pdsn) + 1

    def inject(self, port: int, frame: bytes) -> None:
        """Send a frame into a port, as a stranger there would."""
        self._enter_switch(port, frame)

    def _add_home_agent(self, number: int) -> None:
        port, address = number + 1, (FIRST_HOME_AGENT + number).packed
        self._attach(port, f"sami{port}", self.switches[number % len(self.switches)])
        self._wire(port, lambda frame, number=number: self.home_agents[number].receive(frame))
        agent = HomeAgent(
            f"HA{port}",
            address,
            mac_of(address),
            self.clock,
            self._inward[port].send,
            mac_of,
            VIRTUAL.packed,
            denies=self.parameters.denies,
            ignored=lambda frame: self._on_ignored(number, frame),
        )
        self.home_agents.append(agent)

    def _add_pdsn(self, number: int) -> None:
        port, address = len(self.home_agents) + number + 1, (FIRST_PDSN + number).packed
        self._attach(port, f"pdsn{number + 1}", self.switches[number % len(self.switches)])
        self._wire(port, lambda frame, number=number: self.pdsns[number].receive(frame))
        self.pdsns.append(
            Pdsn(
                f"PDSN{number + 1}",
                address,
                mac_of(address),
                self.clock,
                self._inward[port].send,
                mac_of,
                VIRTUAL.packed,
            )
        )

    def _wire(self, port: int, deliver: object) -> None:
        assert callable(deliver)
        random = Random(f"{self.parameters.seed} port {port}")
        enter = partial(self._enter_switch, port)
        self._inward[port] = Wire(self.clock, random, self.weather, enter, self._excuse)
        self._outward[port] = Wire(self.clock, random, self.weather, deliver, self._excuse)

    def _add_mobile(self, number: int) -> None:
        pdsn = self.pdsns[number % len(self.pdsns)]
        nai = f"user{number}@example.org".encode()
        habits = Habits(self.parameters.retransmissions, self.parameters.lifetime, self.parameters.stay)
        mobile = Mobile(nai, habits, pdsn, self.clock, Random(f"{self.parameters.seed} mobile {number}"))
        mobile.transmitted, mobile.interrupted = self._on_transmitted, self.interrupt
        pdsn.mobiles[nai] = self._mobile_of[nai] = mobile
        self.mobiles.append(mobile)

    def _enter_switch(self, port: int, frame: bytes) -> None:
        if frame[30:34] == VIRTUAL.packed and frame[36:38] == b"\x01\xb2":
            self.counts.requests += 1
            self._undispatched[frame[42:]] = self._undispatched.get(frame[42:], 0) + 1
        self._switch_at[port].receive(port, frame)

    def _leave_switch(self, last_bytes: set[int], port: int, frame: bytes) -> None:
        is_to_home_agent = port <= len(self.home_agents) or port in self._other_end
        is_own = is_dispatched(frame) and frame[11] in last_bytes
        if is_own and frame[12:14] == b"\x08\0" and is_to_home_agent:
            self.counts.dispatched += 1
            self._note_dispatched(frame[42:])
        self._outward[port].send(frame)

    def _note_dispatched(self, payload: bytes) -> None:
        """A request leaves for a home agent. Requests that were dropped are forgotten after a while."""
        for requests in (self._undispatched, self._undispatched_before):
            left = requests.get(payload, 0)
            if left == 1:
                del requests[payload]
            elif left:
                requests[payload] = left - 1
            if left:
                return
        self.counts.repeated += 1

    def _forget_dropped(self) -> None:
        self._undispatched_before, self._undispatched = self._undispatched, {}
        self.clock.after(FORGET_INTERVAL, self._forget_dropped)

    def _on_ignored(self, number: int, frame: bytes) -> None:
        """A home agent has received a message and did not read it."""
        mobile = self._excuse(frame)
        if mobile is None or not is_dispatched(frame):
            return
        now = self.clock.now
        before, at = mobile.ignored[-1] if mobile.ignored else (number, now)
        if before == number and 0 < now - at < MAX_RETRANSMISSION_PAUSE:
            self.asked_in_vain[number] = at, now
        mobile.ignored.append((number, now))

    def _on_transmitted(self, mobile: Mobile) -> None:
        """A mobile asks again. After more unanswered requests than ``reassign`` that is a vote (docs/states.md)."""
        needed = self.parameters.reassign + 1
        last = mobile.ignored[-needed:]
        if len(last) == needed and len({number for number, _ in last}) == 1 and last[0][1] > self.interrupted_at:
            self.votes.append(Vote(self.clock.now, last[0][1], last[0][0], mobile.nai, mobile.pdsn.name))
            mobile.ignored.clear()

    def interrupt(self) -> None:
        """Something has happened that the balancer cannot tell from an answer: votes may be forgotten."""
        self.interrupted_at = self.clock.now
        self.votes.clear()

    def _excuse(self, frame: bytes) -> Optional[Mobile]:
        """A message is lost: its mobile may end up with two bindings (docs/states.md). Returns the mobile."""
        start = {b"\x01": 66, b"\x03": 62}.get(frame[42:43])
        if frame[12:14] != b"\x08\0" or start is None or len(frame) < start + 2:
            return None
        nai = frame[start + 2 : start + 2 + frame[start + 1]]
        mobile = self._mobile_of.get(nai)
        if mobile is not None:
            mobile.excuse = "a message was lost"
        return mobile

    def _expire(self) -> None:
        for switch in self.switches:
            switch.expire()
        self.clock.after(EXPIRY_INTERVAL, self._expire)
