"""The wires of a simulated world: from each port of a switch to a node, or to another switch (a trunk)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from ryu_haslb.openflow.flow_tables.pipeline import Purpose, dispatch_address
from ryu_haslb.slb.session_tag import UNKEYED
from simulation.clock import Clock
from simulation.network import Weather, Wire
from simulation.packet import ETH_SRC, PROTOCOL_UDP, tag_of, tagged, untagged
from simulation.parameters import FIRST_TRUNK, PROBE_SOURCE, VIRTUALS, Parameters
from simulation.switch import SimulatedSwitch
from simulation.thief import Thief, is_for_thief
from simulation.witness import Witness, is_dispatched

_VIRTUALS = frozenset(each.packed for each in VIRTUALS)
_SOURCES_OF_PROBES = _VIRTUALS | {PROBE_SOURCE.packed}


class Cabling:
    """Which switch has which port, and what is plugged in there. The witness sees what passes."""

    def __init__(self, parameters: Parameters, clock: Clock, weather: Weather, witness: Witness) -> None:
        self._parameters = parameters
        self._clock = clock
        self._weather = weather
        self._witness = witness
        self._inward: dict[int, Wire] = {}
        self._outward: dict[int, Wire] = {}
        self._switch_at: dict[int, SimulatedSwitch] = {}
        self._other_end: dict[int, int] = {}
        #: By the ports that they share with nodes.
        self._thieves: dict[int, list[Thief]] = {}
        #: The VLAN of each node that is behind a trunk; the ports whose nodes are in all VLANs.
        self._tags: dict[int, int] = {}
        self._all_vlans: set[int] = set()

    def attach(self, port: int, name: str, switch: SimulatedSwitch, deliver: Callable[[bytes], None]) -> None:
        """Plug a node into a port; ``deliver`` is called with the frames that leave there, without their tags.

        In a world of VLANs the switch has names and VLANs of ports as the configuration knows them.
        """
        vlan = self._parameters.vlan_of(port)
        if port in self._parameters.trunks:
            self._tags[port] = vlan
        elif vlan:
            switch.datapath.access_vlans[port] = vlan
        switch.datapath.ports[port] = self._parameters.port_name(port) or name
        self._switch_at[port] = switch
        random = Random(f"{self._parameters.seed} port {port}")
        self._inward[port] = Wire(self._clock, random, self._weather, partial(self.enter, port), self._witness.excuse)
        arrive = partial(self._arrive, port, deliver)
        self._outward[port] = Wire(self._clock, random, self._weather, arrive, self._witness.excuse)

    def _arrive(self, port: int, deliver: Callable[[bytes], None], frame: bytes) -> None:
        """A frame has come to a node, and to the thieves at its port."""
        deliver(frame)
        for thief in self._thieves.get(port, ()):
            thief.receive(frame)

    def add_trunk(self, one: int, switches: tuple[SimulatedSwitch, SimulatedSwitch]) -> None:
        """Join two switches, from port ``one`` of the first to the next port of the second."""
        self._other_end |= {one: one + 1, one + 1: one}
        self._all_vlans |= {one, one + 1}
        for port, switch in zip((one, one + 1), switches):
            self.attach(port, f"trunk{port}", switch, partial(self._cross, port))

    def add_router(self, port: int, switch: SimulatedSwitch, deliver: Callable[[bytes], None]) -> None:
        """Plug in a node that is in all VLANs: it gets frames with their tags."""
        self._all_vlans.add(port)
        self.attach(port, "msfc", switch, deliver)

    def add_thief(self, port: int, thief: Thief) -> None:
        """Plug in a machine that has stolen an address, beside the node at a port."""
        self._thieves.setdefault(port, []).append(thief)

    def _cross(self, port: int, frame: bytes) -> None:
        """A frame has come through a trunk."""
        port = self._other_end[port]
        switch, plain = self._switch_at[port], untagged(frame)
        has_been_dispatched = is_dispatched(plain) and _is_request(plain)
        if has_been_dispatched and self._may_balance_again(switch, plain) and _balances_again(switch, port, frame):
            self._witness.on_returned(plain[42:])
        switch.receive(port, frame)

    def _may_balance_again(self, switch: SimulatedSwitch, frame: bytes) -> bool:
        """Whether a switch may have no rule that passes a dispatched request on (docs/flows.md, "pass dispatched")."""
        return not self._parameters.bundles or not _knows_key_of(switch, frame)

    def inlet(self, port: int) -> Callable[[bytes], None]:
        """A function that sends a frame of the node at a port."""
        return self._inward[port].send

    def set_link(self, port: int, up: bool) -> None:
        """The link at a port goes up or down."""
        for each in (port, self._other_end.get(port, port)):
            self._inward[each].is_up = self._outward[each].is_up = up
            self._switch_at[each].set_port(each, up)

    def set_direction(self, port: int, is_outward: bool, up: bool) -> None:
        """A link begins or ends to lose all frames of one direction, without a sign to either end."""
        (self._outward if is_outward else self._inward)[port].is_up = up

    def is_trunk(self, port: int) -> bool:
        """Whether a port leads to another switch."""
        return port in self._other_end

    def is_link_up(self, port: int) -> bool:
        """Whether a link is up, in both directions; home agents have the ports from 1 on, PDSNs those behind them."""
        return self._inward[port].is_up and self._outward[port].is_up

    def switch_at(self, port: int) -> SimulatedSwitch:
        """The switch that has a port."""
        return self._switch_at[port]

    def is_joined(self, one: int, other: int) -> bool:
        """Whether every trunk between the switches of two ports is up."""
        low, high = sorted(self._switch_at[port].datapath_id for port in (one, other))
        return all(self.is_link_up(FIRST_TRUNK + 2 * (number - 1)) for number in range(low, high))

    def enter(self, port: int, frame: bytes) -> None:
        """A frame comes in at a port; a node behind a trunk sends it with the tag of its VLAN."""
        if _is_request(frame):
            self._witness.on_request(frame[42:], self._switch_at[port].datapath_id)
        self._switch_at[port].receive(port, tagged(frame, self._tags.get(port, 0)))

    def leave(self, datapath_id: int, port: int, frame: bytes) -> None:
        """A switch sends a frame out of a port. A node takes no notice of frames that have not the tag of its VLAN."""
        plain = untagged(frame)
        if port not in self._all_vlans:
            if tag_of(frame) != self._tags.get(port, 0):
                return
            frame = plain
        is_to_home_agent = port <= self._parameters.home_agents or port in self._other_end
        is_to_home_agent |= port in self._thieves and is_for_thief(plain)
        is_own = is_dispatched(plain) and plain[11] in _last_bytes(datapath_id)
        if is_own and plain[12:14] == b"\x08\0" and is_to_home_agent and plain[26:30] not in _SOURCES_OF_PROBES:
            self._witness.on_dispatched(plain[42:], plain[:6])
        self._outward[port].send(frame)


def _is_request(frame: bytes) -> bool:
    """Whether a frame is a request to a virtual address."""
    return frame[30:34] in _VIRTUALS and frame[36:38] == b"\x01\xb2" and frame[23] == PROTOCOL_UDP


def _balances_again(switch: SimulatedSwitch, port: int, frame: bytes) -> bool:
    """Whether a switch punts a request that another one has dispatched, instead of passing it on.

    Without bundles its standing rules are replaced one by one (docs/switches.md), and one may be rejected. The rule
    that the packet meets decides: the switch may report others already.
    """
    flow = switch.datapath.tables[0].find(frame, port)
    return flow is not None and flow.cookie == Purpose.PUNT_REQUEST.cookie


def _knows_key_of(switch: SimulatedSwitch, frame: bytes) -> bool:
    """Whether a switch has a rule that passes on what is dispatched with the key of the source of a frame."""
    source = int.from_bytes(frame[6:12], "big")
    return any(
        number == ETH_SRC and mask is not None and source & mask == value
        for flow in switch.datapath.tables[0]
        if flow.cookie == Purpose.PASS_DISPATCHED.cookie
        for number, value, mask in flow.match.fields
    )


def _last_bytes(datapath_id: int) -> set[int]:
    """The last bytes of the Ethernet addresses from which a switch dispatches, with a key for tags and without."""
    if datapath_id not in _LAST_BYTES:
        _LAST_BYTES[datapath_id] = {dispatch_address(datapath_id, key)[5] for key in (b"any key", UNKEYED)}
    return _LAST_BYTES[datapath_id]


_LAST_BYTES: dict[int, set[int]] = {}
