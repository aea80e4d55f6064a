"""What goes wrong in a simulated world, as data: a history is a list of faults, and a seed makes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from simulation.dfp import SimulatedLink
from simulation.flow_table import Match
from simulation.home_agent import Mood
from simulation.mobile_ip import Registration, request
from simulation.packet import arp_frame, udp_frame
from simulation.world import VIRTUAL, Parameters, World, mac_of

_COOKIE_MARK, _COOKIE_MASK = 0x51B7, 0xFFFF


class Fault(NamedTuple):
    """Something that happens ``at`` so many seconds after the start. ``kind`` is a key of :data:`FAULTS`."""

    at: float
    kind: str
    arguments: tuple[Any, ...] = ()

    def strike(self, world: World) -> None:
        """Let it happen."""
        world.faults_since_restart.append(self.kind)
        FAULTS[self.kind](world, *self.arguments)


def _hang(world: World, number: int) -> None:
    world.home_agents[number].set_mood(Mood.HUNG)


def _die(world: World, number: int) -> None:
    world.home_agents[number].set_mood(Mood.DEAD)


def _return(world: World, number: int, forget: bool) -> None:
    agent = world.home_agents[number]
    agent.set_mood(Mood.WELL, forget)
    for mobile in world.mobiles:
        if agent.is_bound(mobile.nai):
            mobile.excuse = "its home agent has returned with an old state"


def _answer_no_arp(world: World, number: int, seconds: float) -> None:
    """A home agent is slow to answer ARP; it goes on to serve."""
    agent = world.home_agents[number]
    agent.disturbed_at = world.clock.now
    agent.deaf_until = world.clock.now + seconds
    world.clock.after(seconds, _note_heard, world, number)


def _note_heard(world: World, number: int) -> None:
    world.home_agents[number].disturbed_at = world.clock.now


def _dfp_agent(world: World, number: int, is_running: bool) -> None:
    agent = world.dfp_agents[number]
    agent.is_running = is_running
    world.home_agents[number].disturbed_at = world.clock.now
    for controller in world.controllers if not is_running else ():
        for link in controller.dfp.links if controller.is_running else ():
            if link.connection.agent.address.packed == agent.home_agent.address and isinstance(link, SimulatedLink):
                link.lose()


def _link(world: World, port: int, up: bool) -> None:
    world.set_link(port, up)


def _kill_controller(world: World, number: int = 0) -> None:
    world.disturb()
    world.controllers[number].kill()


def _stop_controller(world: World, number: int = 0) -> None:
    world.disturb()
    world.controllers[number].stop()


def _retire_controller(world: World, number: int = 0) -> None:
    world.disturb()
    world.controllers[number].retire()


def _start_controller(world: World, number: int = 0) -> None:
    world.disturb()
    if not world.controllers[number].is_running:
        world.note_restart()
    world.controllers[number].start()


def _cut_control(world: World, number: int = 0) -> None:
    world.disturb()
    world.controllers[number].cut(world.switch)


def _mend_control(world: World, number: int = 0) -> None:
    world.disturb()
    world.controllers[number].mend(world.switch)


def _restart_switch(world: World) -> None:
    world.disturb()
    world.plundered_at = world.clock.now
    for transport in [each for controller in world.controllers for each in controller.transports.values()]:
        transport.close()
    world.switch.restart()


def _delete_flows(world: World, what: str) -> None:
    """An operator deletes rules as ``ovs-ofctl del-flows`` does: all, a table, or every second session rule."""
    world.plundered_at = world.clock.now
    for number, table in enumerate(world.switch.datapath.tables):
        flows = table.select(Match((), b""), 0, 0)
        if what == "session rules":
            flows = [flow for flow in flows if flow.cookie >> 32][::2]
        elif what not in ("all", f"table {number}"):
            continue
        for flow in flows:
            world.switch.remove(number, flow, 2)


def _add_ghosts(world: World, count: int) -> None:
    """Session rules with our mark that no session has, as a balancer of another version might leave them."""
    table = world.switch.datapath.tables[1]
    ours = [flow for flow in table if flow.cookie >> 32]
    for number in range(count if ours else 0):
        fields = {each[0]: each for each in ours[0].match.fields}
        tag = 0x02AA00000000 + number
        fields[4] = (4, tag, None)
        oxms = ours[0].match.oxms.replace((ours[0].cookie >> 16).to_bytes(6, "big"), tag.to_bytes(6, "big"))
        match = Match(tuple(sorted(fields.values(), key=lambda each: each[0])), oxms)
        table.put(replace(ours[0], match=match, cookie=tag << 16 | _COOKIE_MARK, idle_timeout=0, flags=0))


def _change_actions(world: World) -> None:
    """An operator takes the actions of every rule of ours away, as ``ovs-ofctl mod-flows ... actions=drop`` does."""
    world.plundered_at = world.clock.now
    for table in world.switch.datapath.tables:
        for flow in table:
            if flow.cookie & _COOKIE_MASK == _COOKIE_MARK:
                flow.instructions, flow.actions, flow.goto, flow.meter = b"", (), None, None


def _delete_meters(world: World) -> None:
    world.plundered_at = world.clock.now
    meters = list(world.switch.datapath.meters)
    for each in meters:
        del world.switch.datapath.meters[each]
        for number, table in enumerate(world.switch.datapath.tables):
            for flow in [flow for flow in table if flow.meter == each]:
                world.switch.remove(number, flow, 2)


def _weather(world: World, loss: float, repeat: float, jitter: float) -> None:
    world.weather.loss, world.weather.repeat, world.weather.jitter = loss, repeat, jitter
    world.weather_changed_at = world.clock.now


def _configure(world: World, weights: tuple[int, ...], out_of_service: frozenset[int]) -> None:
    world.parameters = replace(world.parameters, weights=weights, out_of_service=out_of_service)
    for controller in world.controllers:
        controller.configure(world.parameters.configuration())


def _clear_sessions(world: World) -> None:
    if world.controller.is_running:
        world.controller.balancer.clear_sessions()
        for mobile in world.mobiles:
            mobile.excuse = "its session was cleared"


def _power_cycle(world: World, number: int) -> None:
    world.mobiles[number].reset()


def _power_off(world: World, number: int) -> None:
    world.mobiles[number].power_off()


def _power_on(world: World, number: int) -> None:
    world.mobiles[number].power_on()


def _move(world: World, number: int, pdsn: int) -> None:
    world.mobiles[number].move_to(world.pdsns[pdsn])


def _spoof(world: World, port: int, count: int, seed: int) -> None:
    """A stranger registers mobiles that do not exist, from addresses that are not its own, a few times each."""
    random = Random(seed)
    for number in range(count):
        nai = f"nobody{random.randrange(max(1, count // 4))}@example.org".encode()
        source = bytes([10, 1, 1, 200 + random.randrange(3)])
        payload = request(Registration(nai, 600, bytes(4), source, number))
        world.inject(port, _to_virtual(world, source, payload))


def _forge(world: World, port: int, number: int, home_agent: int, lifetime: int) -> None:
    """A stranger sends four copies of a request in the name of a mobile, for a home agent of its choice."""
    mobile = world.mobiles[number]
    source = mobile.pdsn.address
    named = world.home_agents[home_agent].address if lifetime else bytes(4)
    registration = Registration(mobile.nai, lifetime, named, source, int(world.clock.now * 1000) | 1 << 63)
    for _ in range(4):
        world.inject(port, _to_virtual(world, source, request(registration, is_forged=True)))


def _garbage(world: World, port: int, count: int, seed: int) -> None:
    """A stranger sends bytes that are nothing."""
    random = Random(seed)
    for _ in range(count):
        payload = random.randbytes(random.randrange(1, 80))
        world.inject(port, _to_virtual(world, bytes([10, 1, 1, 210]), payload))


def _claim_address(world: World, port: int, number: int) -> None:
    """A stranger claims by gratuitous ARP to be a home agent, once."""
    agent = world.home_agents[number]
    world.inject(port, arp_frame(1, b"\x02\xba\xdb\xad\xba\xad", agent.address, bytes(6), agent.address))


def _to_virtual(world: World, source: bytes, payload: bytes) -> bytes:
    chassis = b"\x02\x51\xb7\0\0\x01"
    return udp_frame(chassis + mac_of(source), source, VIRTUAL.packed, (434, 434), payload)


#: What each kind of fault does.
FAULTS: dict[str, Callable[..., None]] = {
    "home agent hangs": _hang,
    "home agent dies": _die,
    "home agent returns": _return,
    "home agent answers no ARP": _answer_no_arp,
    "DFP agent": _dfp_agent,
    "link": _link,
    "controller is killed": _kill_controller,
    "controller is stopped": _stop_controller,
    "controller is retired": _retire_controller,
    "controller starts": _start_controller,
    "control connection breaks": _cut_control,
    "control connection mends": _mend_control,
    "switch restarts": _restart_switch,
    "flows are deleted": _delete_flows,
    "ghosts": _add_ghosts,
    "actions are changed": _change_actions,
    "meters are deleted": _delete_meters,
    "weather": _weather,
    "configuration": _configure,
    "sessions are cleared": _clear_sessions,
    "power cycle": _power_cycle,
    "power off": _power_off,
    "power on": _power_on,
    "move": _move,
    "spoofed requests": _spoof,
    "forged requests": _forge,
    "garbage": _garbage,
    "address is claimed": _claim_address,
}

#: The faults of a single mobile; its number is their first argument.
MOBILE_FAULTS = ("power cycle", "power off", "power on", "move")


def random_parameters(random: Random) -> Parameters:
    """A world of a random shape."""
    home_agents = random.randint(2, 4)
    controllers = random.choice((1, 1, 2))
    return Parameters(
        seed=random.randrange(1 << 30),
        home_agents=home_agents,
        controllers=controllers,
        weights=tuple(random.choice((1, 2, 4, 8)) for _ in range(home_agents)),
        pdsns=random.randint(1, 3),
        mobiles=random.choice((5, 20, 60, 150, 300)),
        nat=random.random() < 0.5,
        idle=random.choice((10, 10, 60, 300)),
        reassign=random.choice((1, 2, 3, 3)),
        numconns=random.choice((2, 4, 8)),
        numclients=random.choice((1, 2)),
        retry=random.choice((30, 60, 0)),
        leastconns=random.random() < 0.2,
        retransmissions=random.choice((2, 2, 3)),
        lifetime=random.choice((60, 120, 600, 1800)),
        arrivals=random.choice((30.0, 600.0, 2400.0)),
        max_flows=random.choice((40, 1_000_000, 1_000_000, 1_000_000)),
        stats_delay=random.choice((0.0, 0.0, 0.0, 1.0)),
        dfp=random.random() < 0.4 and controllers == 1,  # a simulated agent has one manager
        dfp_timeout=random.choice((0, 10, 60)),
        dfp_punctual=random.random() < 0.3,
        bundles=random.random() < 0.8,
        meters=random.random() < 0.8,
        output_to_table=random.random() < 0.8,
        ignores_table=random.random() < 0.1,
    )


def random_history(parameters: Parameters, seconds: float, random: Random) -> list[Fault]:
    """Faults within a time, each followed by its mending where it has one.

    In some worlds nothing goes wrong but that a home agent falls silent: where faults follow each other no mobile has
    ever waited for long enough.
    """
    if random.random() < 0.25:
        history = _silence(parameters, round(random.uniform(1.0, seconds / 2), 3), random)
        resets = random.randint(0, parameters.mobiles)
        history += [Fault(round(random.uniform(5.0, seconds), 3), "power cycle", (number,)) for number in range(resets)]
        return sorted(history)
    history = []
    for _ in range(random.randint(0, 8)):
        at = round(random.uniform(5.0, max(6.0, seconds - 60.0)), 3)
        history += random.choice(_MAKERS)(parameters, at, random)
    for _ in range(random.randint(0, parameters.mobiles)):
        history.append(_mobile_fault(parameters, round(random.uniform(5.0, seconds), 3), random))
    return sorted(history)


def _mobile_fault(parameters: Parameters, at: float, random: Random) -> Fault:
    number = random.randrange(parameters.mobiles)
    kind = random.choice(MOBILE_FAULTS)
    return Fault(at, kind, (number, random.randrange(parameters.pdsns)) if kind == "move" else (number,))


def _later(at: float, random: Random) -> float:
    return round(at + random.choice((0.5, 3.0, 20.0, 90.0, 400.0, 1200.0)) * random.uniform(0.5, 1.5), 3)


def _agent_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.home_agents)
    kind = random.choice(("home agent hangs", "home agent dies"))
    forget = kind == "home agent dies" and random.random() < 0.5
    return [Fault(at, kind, (number,)), Fault(_later(at, random), "home agent returns", (number, forget))]


def _dfp_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.home_agents)
    return [Fault(at, "DFP agent", (number, False)), Fault(_later(at, random), "DFP agent", (number, True))]


def _link_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    port = random.randint(1, parameters.home_agents + parameters.pdsns)
    return [Fault(at, "link", (port, False)), Fault(_later(at, random), "link", (port, True))]


def _controller_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    how = random.choice(("controller is killed", "controller is stopped", "controller is retired"))
    number = (random.randrange(parameters.controllers),)
    return [Fault(at, how, number), Fault(_later(at, random), "controller starts", number)]


def _control_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = (random.randrange(parameters.controllers),)
    return [
        Fault(at, "control connection breaks", number),
        Fault(_later(at, random), "control connection mends", number),
    ]


def _switch_faults(_: Parameters, at: float, random: Random) -> list[Fault]:
    what = random.choice(("all", "table 0", "table 1", "session rules"))
    return [
        random.choice(
            (Fault(at, "switch restarts"), Fault(at, "flows are deleted", (what,)), Fault(at, "meters are deleted"))
        )
    ]


def _weather_faults(_: Parameters, at: float, random: Random) -> list[Fault]:
    loss, repeat, jitter = random.choice(((0.03, 0.0, 0.0), (0.3, 0.0, 0.0), (0.0, 0.1, 0.0), (0.01, 0.01, 0.05)))
    return [Fault(at, "weather", (loss, repeat, jitter)), Fault(_later(at, random), "weather", (0.0, 0.0, 0.0))]


def _operator_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    if random.random() < 0.2:
        return [Fault(at, "sessions are cleared")]
    weights = tuple(random.choice((1, 2, 4, 8)) for _ in range(parameters.home_agents))
    out = frozenset({random.randrange(parameters.home_agents)} if random.random() < 0.4 else ())
    return [
        Fault(at, "configuration", (weights, out)),
        Fault(_later(at, random), "configuration", (weights, frozenset())),
    ]


def _stranger_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    port = parameters.home_agents + random.randint(1, parameters.pdsns)
    seed = random.randrange(1 << 30)
    if random.random() < 0.3:
        return [Fault(at, "address is claimed", (port, random.randrange(parameters.home_agents)))]
    if random.random() < 0.3:
        return [_forgery(parameters, port, at, random) for _ in range(random.choice((1, 5, 40)))]
    return [Fault(at, random.choice(("spoofed requests", "garbage")), (port, random.choice((3, 65, 300)), seed))]


def _forgery(parameters: Parameters, port: int, at: float, random: Random) -> Fault:
    number, home_agent = random.randrange(parameters.mobiles), random.randrange(parameters.home_agents)
    when = round(at + random.uniform(0.0, 60.0), 3)
    return Fault(when, "forged requests", (port, number, home_agent, random.choice((0, 600))))


def _silence(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """A home agent falls silent for good: it hangs, dies, or loses its link. Others are left, or come back."""
    number = random.randrange(parameters.home_agents)
    return [
        random.choice(
            (
                Fault(at, "home agent hangs", (number,)),
                Fault(at, "home agent hangs", (number,)),
                Fault(at, "home agent dies", (number,)),
                Fault(at, "link", (number + 1, False)),
            )
        )
    ]


_MAKERS: tuple[Callable[[Parameters, float, Random], list[Fault]], ...] = (
    _agent_faults,
    _agent_faults,
    _dfp_faults,
    _link_faults,
    _controller_faults,
    _control_faults,
    _switch_faults,
    _weather_faults,
    _operator_faults,
    _stranger_faults,
)
