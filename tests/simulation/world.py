"""The simulated world: switches, home agents, PDSNs with mobiles, and balancers, wired up from a few parameters.

Home agents and PDSNs are dealt out to the switches in turn. Each has a port number that no other node has at any
switch: home agents the numbers from 1 on, PDSNs those behind them. Between two switches is one trunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from math import inf
from random import Random
from typing import Union

from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from simulation.cabling import Cabling
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.controller import Controller
from simulation.dfp import MIN_ROOM, SimulatedDfpAgent
from simulation.flow_table import Flow
from simulation.home_agent import HomeAgent
from simulation.member import MemberController
from simulation.mobiles import Habits, Mobile, Pdsn, State
from simulation.network import Weather
from simulation.ovsdb import SimulatedDatabase
from simulation.packet import arp_frame
from simulation.parameters import BYSTANDERS, FIRST_PDSN, FIRST_TRUNK, VIRTUALS, Parameters
from simulation.restarts import Restarts
from simulation.router import ROUTER_PORT, Router
from simulation.settling import SETTLE_TIME
from simulation.shared_configuration import SharedTexts
from simulation.switch import SimulatedSwitch
from simulation.witness import NODE_PREFIX, Counts, Witness

#: Seconds between two looks of the switch at the time-outs of its rules.
EXPIRY_INTERVAL = 1.0
#: Seconds from a request until its session rule is on the switch: 5 ms until it is sent, and the way there and back.
UNDER_WAY = 0.01
#: Seconds after a fault within which a balancer may still move sessions because of it.
UPSET_TIME = 120.0
#: Seconds until the counters of its ports have shown that a switch ignores NORMAL, at most.
NORMAL_TIME = 25.0
#: Seconds between two ARP requests of a PDSN for a home agent; a switch remembers what it learns from them for longer.
ARP_INTERVAL = 60.0
#: Seconds between two frames of a bystander.
BYSTANDER_INTERVAL = 1.0


def mac_of(address: bytes) -> bytes:
    """The Ethernet address of a node."""
    return NODE_PREFIX + address


def _deliver(nodes: Sequence[Union[HomeAgent, Pdsn]], number: int, frame: bytes) -> None:
    nodes[number].receive(frame)


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
    orphaned_at: float = 0.0
    #: When a balancer last served the switch undisturbed.
    served_until: float = 0.0
    #: When the link between two switches last went down or came up, or one restarted where no balancer serves it: until
    #: one does, it passes nothing on.
    trunk_changed_at: float = 0.0
    #: When the weather last changed.
    weather_changed_at: float = 0.0
    #: Until when a stranger floods the virtual address with forged requests.
    stormed_until: float = 0.0
    #: When something that all mobiles depend on was last disturbed: balancer, switch, or the network between them.
    disturbed_at: float = 0.0
    #: When the last fault struck.
    faulted_at: float = 0.0
    #: When a fault last struck by which a balancer may move sessions. A takeover by another member is none.
    upset_at: float = -inf
    #: Rules of another application: the switch, the rule, and when it was added.
    foreign_rules: list[tuple[SimulatedSwitch, Flow, float]] = field(default_factory=list)
    #: Session rules that a switch has removed by their idle time before their sessions can have ended.
    early_expiries: list[str] = field(default_factory=list)
    #: Mobiles whose session rules were under way when a leader failed, or another one began.
    under_way: int = 0
    #: Those of them that have not come to the virtual address since: their sessions may be lost.
    may_have_lost_session: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        parameters = self.parameters
        self.random = Random(f"{parameters.seed} world")
        self.restarts = Restarts(self.clock)
        self.witness = Witness(self.clock, parameters.reassign)
        self.cabling = Cabling(parameters, self.clock, self.weather, self.witness)
        self._virtual_addresses = frozenset(each.packed for each in VIRTUALS[: parameters.virtual_servers])
        capabilities = parameters.capabilities()
        self.switches = [self._make_switch(number, capabilities) for number in range(1, parameters.switches + 1)]
        self.router = self._make_router() if parameters.vlans else None
        for number in range(parameters.home_agents):
            self._add_home_agent(number)
        for number in range(parameters.pdsns):
            self._add_pdsn(number)
        self._add_bystanders()
        self._stopped_at = -inf
        for number in range(parameters.switches - 1):
            self.cabling.add_trunk(FIRST_TRUNK + 2 * number, (self.switches[number], self.switches[number + 1]))
        punctual, room = parameters.dfp_punctual, max(MIN_ROOM, parameters.mobiles)  # each alone could serve all
        self.dfp_agents = [SimulatedDfpAgent(each, self.clock, punctual, room) for each in self.home_agents]
        self.database = SimulatedDatabase(self.clock, Random(f"{parameters.seed} database"))
        #: The texts of the configurations that members have shared.
        self.texts = SharedTexts()
        self.texts.text_of(parameters)
        self.controllers = [self._make_controller(number) for number in range(parameters.controllers)]
        #: Those that are members of a cluster.
        self.members = [each for each in self.controllers if isinstance(each, MemberController)]
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
        leading = [each for each in self.members if each.is_running and not each.is_hung and each.member.is_leading]
        if leading:
            return max(leading, key=lambda each: each.member.election.generation)
        for controller in self.controllers:
            if controller.is_running and controller.serves(self.switch):
                return controller
        return next((each for each in self.controllers if each.is_running), self.controllers[0])

    def dfp_agent(self, address: IPv4Address) -> SimulatedDfpAgent:
        """The DFP agent of the home agent with this address."""
        return next(each for each in self.dfp_agents if each.home_agent.address == address.packed)

    def start(self) -> None:
        """Start the balancer and switch on the mobiles, one after the other."""
        self.controllers[0].start()
        self.await_normal()
        for number, controller in enumerate(self.controllers[1:], 1):
            self.clock.after(float(number), controller.start)
        if self.members:
            self.database.start()
        self.clock.after(EXPIRY_INTERVAL, self._expire)
        self.witness.start()
        self.clock.after(1.5, self._pdsns_resolve)
        self.clock.after(2.5, self._bystanders_talk)
        for mobile in self.mobiles:
            self.clock.after(2.0 + self.random.uniform(0, self.parameters.arrivals), mobile.power_on)

    def await_normal(self) -> None:
        """A switch is not known to ignore NORMAL: what is not the balancer's is lost there (docs/switches.md)."""
        if self.parameters.hides_normal and not self.parameters.is_told_to_learn:
            for number in range(1 + int(NORMAL_TIME / SETTLE_TIME)):
                self.clock.after(number * SETTLE_TIME, self._note_lost_normal)

    def _note_lost_normal(self) -> None:
        self.plundered_at = self.clock.now
        self.disturb()

    def set_link(self, port: int, up: bool) -> None:
        """A node's link goes up or down."""
        self.cabling.set_link(port, up)
        if port <= len(self.home_agents):
            self.home_agents[port - 1].disturbed_at = self.clock.now
            return
        self.disturb()
        if self.cabling.is_trunk(port):
            self.trunk_changed_at = self.clock.now
        for mobile in self.mobiles:
            if mobile.state is State.REGISTERING:
                mobile.excuse = "a link between switches changed while it registered"

    def set_direction(self, port: int, is_outward: bool, up: bool) -> None:
        """The link of a home agent begins or ends to lose what goes to it (``is_outward``), or what it sends."""
        self.cabling.set_direction(port, is_outward, up)
        self.home_agents[port - 1].disturbed_at = self.clock.now

    def note_restart(self, started: Controller) -> None:
        """Note what the switches hold when a balancer starts again.

        A balancer that starts beside another one restarts nothing: the other one goes on to serve sessions and to end
        them as usual.
        """
        self.restarts.note_end_of_stop(self.switches, self.plundered_at >= self._stopped_at)
        if any(other.has_sessions for other in self.controllers if other is not started):
            return
        self.restarts.note_restart(self.switches)

    def note_stop(self, stopped: Controller) -> None:
        """A balancer without a cluster is stopped: what the switches hold must stay there for its next start."""
        if stopped.is_running and not stopped.is_retired and not self.members and self.parameters.has_room:
            self.restarts.note_stop(self.switches, self.parameters.idle)
            self._stopped_at = self.clock.now

    def excuse_under_way(self) -> None:
        """A leader fails, or another one begins: sessions whose rules are under way may be lost (docs/cluster.md)."""
        for mobile in self.mobiles:
            if self.clock.now - mobile.sent_at < UNDER_WAY:
                mobile.excuse = "the rule of its session was under way"
                self.may_have_lost_session.add(mobile.nai)
                self.under_way += 1

    def excuse_move(self, mobile: Mobile) -> None:
        """A mobile leaves a PDSN: a new leader that has not met the switch there may not know its session."""
        switch, leader = self.cabling.switch_at(self.port_of(mobile.pdsn)), self.controller
        if isinstance(leader, MemberController) and switch.generation != leader.member.generation:
            mobile.excuse = "its session is at a switch that the leader has not met (docs/cluster.md)"

    def note_upset(self) -> None:
        """A fault strikes by which a balancer may move sessions: also those of mobiles that are registering now."""
        self.upset_at = self.clock.now
        for mobile in self.mobiles:
            if mobile.is_refreshing:
                mobile.excuse = "its session may have ended while it refreshed its binding"

    def _on_refresh(self, mobile: Mobile) -> None:
        """A mobile comes to the virtual address again: it keeps its place unless its session has ended or moved."""
        now = self.clock.now
        may_be_lost = mobile.nai in self.may_have_lost_session
        self.may_have_lost_session.discard(mobile.nai)
        has_rules = self.parameters.has_room and self.parameters.tables > 1
        is_lasting = has_rules and not self.parameters.flow_mod_rate  # a takeover loses no session
        upset_at = self.upset_at if is_lasting else self.faulted_at
        if (
            may_be_lost
            or not self.weather.is_fair
            or now - upset_at < UPSET_TIME
            or now - mobile.answered_at > self.parameters.idle / 2
            or (mobile.backoff and not self.parameters.shows_replies)
        ):
            mobile.excuse = "its session may have ended or moved since its last request"

    def _on_deregistration(self, mobile: Mobile) -> None:
        """A mobile deregisters at the virtual address, once: its session must live, and a balancer must serve it."""
        last = max(self.faulted_at, self.disturbed_at, self.stormed_until)
        has_session = self.clock.now - mobile.sent_at < self.parameters.idle / 2
        is_served = all(map(self.controller.serves, self.switches))
        if self.clock.now - last < UPSET_TIME or not has_session or not is_served:
            mobile.excuse = "its deregistration may find no session"
        else:
            self._on_refresh(mobile)

    def on_leadership_changed(self) -> None:
        """A member begins to lead, resigns, or stands by, or applies another configuration."""
        self.disturb()
        leader = self.controller
        if isinstance(leader, MemberController) and leader.is_acting:
            self.parameters = self.texts.parameters_of(leader.shared.agreement.text)
        self.excuse_under_way()

    def disturb(self) -> None:
        """Note that something which all mobiles depend on was disturbed."""
        self.disturbed_at = self.clock.now
        self.interrupt()

    def excuse(self, frame: bytes) -> None:
        """A fault loses or refuses a message: its mobile may be bound twice afterwards, as docs/states.md says."""
        self.witness.excuse(frame)

    def interrupt(self) -> None:
        """Something has happened that the balancer cannot tell from an answer: votes may be forgotten."""
        self.witness.interrupt()

    @property
    def counts(self) -> Counts:
        """What was seen on the wires."""
        return self.witness.counts

    def _make_controller(self, number: int) -> Controller:
        configuration, name = self.parameters.configuration(), f"balancer{number + 1}"
        if self.parameters.is_cluster:
            member = MemberController(self.clock, configuration, self.dfp_agent, name)
            member.join(self.database, self.texts, self.on_leadership_changed)
            return member
        is_old = self.parameters.controllers == 1 and self.parameters.seed % 3 == 0
        return Controller(self.clock, configuration, self.dfp_agent, name, is_old)

    def _make_switch(self, datapath_id: int, capabilities: Capabilities) -> SimulatedSwitch:
        leave = partial(self.cabling.leave, datapath_id)
        switch = SimulatedSwitch(datapath_id, {}, self.clock, leave, capabilities)
        switch.datapath.lost = self.witness.excuse
        switch.expired = partial(self._on_rule_expired, switch)
        if not self.parameters.has_room:
            switch.deleted = self._on_rule_deleted
        return switch

    def _on_rule_expired(self, switch: SimulatedSwitch, flow: Flow) -> None:
        if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK:
            session = self.controller.balancer.sessions.by_tag(flow.cookie >> COOKIE_MARK_BITS)
            self.restarts.note_expiry(switch, session, flow.cookie)
            if flow.cookie >> 32 and self.clock.now < flow.used + self.parameters.idle:
                self.early_expiries.append(f"that of {flow.cookie >> COOKIE_MARK_BITS:012x} at {switch.datapath_id}")

    def _on_rule_deleted(self, cookie: int) -> None:
        if cookie & COOKIE_MARK_MASK == COOKIE_MARK:
            session = self.controller.balancer.sessions.by_tag(cookie >> COOKIE_MARK_BITS)
            self.restarts.note_displacement(session, cookie)

    def _add_bystanders(self) -> None:
        """Two hosts that have nothing to do with Mobile IP, and talk to each other."""
        for port, switch in zip(BYSTANDERS, (self.switches[0], self.switches[-1])):
            self.cabling.attach(port, f"host{port}", switch, self._bystander_receives)

    def _pdsns_resolve(self) -> None:
        """PDSNs ask for the Ethernet addresses of home agents, by which the switches learn their own (NORMAL)."""
        if self.router is not None:
            self.router.announce()
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
            self.cabling.inlet(here)(frame)
        self.clock.after(BYSTANDER_INTERVAL, self._bystanders_talk)

    def port_of(self, pdsn: Pdsn) -> int:
        """The port at which a PDSN is."""
        return len(self.home_agents) + self.pdsns.index(pdsn) + 1

    def inject(self, port: int, frame: bytes) -> None:
        """Send a frame into a port, as a stranger there would."""
        if self.cabling.is_link_up(port):
            self.cabling.enter(port, frame)

    def _make_router(self) -> Router:
        """The router between the VLANs, at the first switch."""
        router = Router(self.parameters.all_vlans)
        self.cabling.add_router(ROUTER_PORT, self.switch, router.receive)
        router.send = self.cabling.inlet(ROUTER_PORT)
        return router

    def next_hop(self, vlan: int, address: bytes) -> bytes:
        """Where a node in a VLAN sends what is for an IPv4 address: to that, or to the router."""
        is_adjacent = self.router is None or self.router.vlan_of(address) == vlan
        return mac_of(address) if is_adjacent else Router.mac

    def is_path(self, one: int, other: int) -> bool:
        """Whether frames go from one port to another: through the router if the two are in different VLANs."""
        ends = {one, other}
        if len({self.parameters.vlan_of(port) for port in ends}) > 1:
            ends.add(ROUTER_PORT)
        return all(self.cabling.is_joined(one, each) for each in ends)

    def _add_home_agent(self, number: int) -> None:
        port, address = number + 1, self.parameters.home_agent_address(number).packed
        switch = self.switches[number % len(self.switches)]
        self.cabling.attach(port, f"sami{port}", switch, partial(_deliver, self.home_agents, number))
        agent = HomeAgent(
            f"HA{port}",
            address,
            mac_of(address),
            self.clock,
            self.cabling.inlet(port),
            partial(self.next_hop, self.parameters.vlan_of(port)),
            self._virtual_addresses,
            denies=self.parameters.denies,
            ignored=partial(self.witness.on_ignored, number),
        )
        self.home_agents.append(agent)

    def _add_pdsn(self, number: int) -> None:
        port, address = len(self.home_agents) + number + 1, (FIRST_PDSN + number).packed
        switch = self.switches[number % len(self.switches)]
        self.cabling.attach(port, f"pdsn{number + 1}", switch, partial(_deliver, self.pdsns, number))
        self.pdsns.append(
            Pdsn(
                f"PDSN{number + 1}",
                address,
                mac_of(address),
                self.clock,
                self.cabling.inlet(port),
                partial(self.next_hop, self.parameters.vlan_of(port)),
                self._virtual_addresses,
                changes_ports=self.parameters.changes_ports,
            )
        )

    def _add_mobile(self, number: int) -> None:
        pdsn = self.pdsns[number % len(self.pdsns)]
        nai = f"user{number}@example.org".encode()
        parameters = self.parameters
        habits = Habits(parameters.retransmissions, parameters.lifetime, parameters.stay, parameters.refresh)
        habits.names_home_agent = number % 2 == 0
        habits.uses_nonces = parameters.nonces and number % 4 < 2
        habits.deregisters_at_virtual_address = parameters.virtual_deregistrations and number % 3 == 0
        virtual_address = VIRTUALS[number % parameters.virtual_servers].packed
        random = Random(f"{self.parameters.seed} mobile {number}")
        mobile = Mobile(nai, habits, pdsn, self.clock, random, virtual_address)
        mobile.transmitted, mobile.interrupted = self.witness.on_transmitted, self.interrupt
        mobile.refreshing, mobile.deregistering = self._on_refresh, self._on_deregistration
        mobile.answered = self.witness.log.on_answer
        pdsn.mobiles[nai] = self.witness.mobiles[nai] = mobile
        self.mobiles.append(mobile)

    def _expire(self) -> None:
        for switch in self.switches:
            switch.expire()
        self.clock.after(EXPIRY_INTERVAL, self._expire)
