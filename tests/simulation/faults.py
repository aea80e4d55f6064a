"""What goes wrong in a simulated world, as data: a history is a list of faults, and a seed makes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from simulation.dfp import SimulatedLink
from simulation.flow_table import Match
from simulation.home_agent import Mood
from simulation.mobile_ip import Registration, reply, request
from simulation.packet import arp_frame, checksum, udp_frame
from simulation.strangers import MESSAGE_INTERVAL, STAY, Stranger
from simulation.world import FIRST_TRUNK, VIRTUAL, Parameters, World, mac_of

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
    controller = world.controllers[number]
    if not controller.is_running:
        world.note_restart(controller)
    controller.start()


def _cut_control(world: World, number: int = 0, switch: int = 0) -> None:
    world.disturb()
    world.controllers[number].cut(world.switches[switch])


def _mend_control(world: World, number: int = 0, switch: int = 0) -> None:
    world.disturb()
    world.controllers[number].mend(world.switches[switch])


def _restart_switch(world: World, switch: int = 0) -> None:
    world.disturb()
    world.plundered_at = world.clock.now
    restarted = world.switches[switch]
    for controller in world.controllers:
        if restarted.datapath_id in controller.transports:
            controller.transports[restarted.datapath_id].close()
    restarted.restart()


def _delete_flows(world: World, what: str, switch: int = 0) -> None:
    """An operator deletes rules as ``ovs-ofctl del-flows`` does: all, a table, or every second session rule."""
    world.plundered_at = world.clock.now
    for number, table in enumerate(world.switches[switch].datapath.tables):
        flows = table.select(Match((), b""), 0, 0)
        if what == "session rules":
            flows = [flow for flow in flows if flow.cookie >> 32][::2]
        elif what not in ("all", f"table {number}"):
            continue
        for flow in flows:
            world.switches[switch].remove(number, flow, 2)


def _add_ghosts(world: World, count: int, switch: int = 0, first: int = 0) -> None:
    """Session rules with our mark that no session has, as a balancer of another version might leave them.

    ``first`` is the number of the first one's tag: rules that come back after they were removed are another balancer's.
    """
    world.ghosts_at = world.clock.now
    table = world.switches[switch].datapath.tables[1]
    ours = [flow for flow in table if flow.cookie >> 32]
    for number in range(count if ours else 0):
        fields = {each[0]: each for each in ours[0].match.fields}
        tag = 0x02AA00000000 + first + number
        fields[4] = (4, tag, None)
        oxms = ours[0].match.oxms.replace((ours[0].cookie >> 16).to_bytes(6, "big"), tag.to_bytes(6, "big"))
        match = Match(tuple(sorted(fields.values(), key=lambda each: each[0])), oxms)
        table.put(replace(ours[0], match=match, cookie=tag << 16 | _COOKIE_MARK, idle_timeout=0, flags=0))


def _change_actions(world: World, switch: int = 0) -> None:
    """An operator takes the actions of every rule of ours away, as ``ovs-ofctl mod-flows ... actions=drop`` does."""
    world.plundered_at = world.clock.now
    for table in world.switches[switch].datapath.tables:
        for flow in table:
            if flow.cookie & _COOKIE_MASK == _COOKIE_MARK:
                flow.instructions, flow.actions, flow.goto, flow.meter = b"", (), None, None


def _delete_meters(world: World, switch: int = 0) -> None:
    """An operator deletes the meters; the switch deletes the rules that use them (OpenFlow 1.3.5, section 6.5)."""
    world.plundered_at = world.clock.now
    plundered = world.switches[switch]
    meters = list(plundered.datapath.meters)
    for each in meters:
        del plundered.datapath.meters[each]
        for number, table in enumerate(plundered.datapath.tables):
            for flow in [flow for flow in table if flow.meter == each]:
                plundered.remove(number, flow, 2)


def _change_meters(world: World, rate: int, switch: int = 0) -> None:
    """An operator sets every meter to another rate, as ``ovs-ofctl mod-meter`` does; 0 lets nothing pass."""
    world.plundered_at = world.clock.now
    for meter in world.switches[switch].datapath.meters.values():
        meter.rate, meter.burst, meter.tokens = rate, max(rate, 1), 0.0


def _weather(world: World, loss: float, repeat: float, jitter: float) -> None:
    world.weather.loss, world.weather.repeat, world.weather.jitter = loss, repeat, jitter
    world.weather_changed_at = world.clock.now
    world.interrupt()


def _configure(world: World, weights: tuple[int, ...], out_of_service: frozenset[int]) -> None:
    world.interrupt()
    world.parameters = replace(world.parameters, weights=weights, out_of_service=out_of_service)
    for controller in world.controllers:
        controller.configure(world.parameters.configuration())


def _clear_sessions(world: World) -> None:
    if world.controller.is_running:
        world.controller.balancer.clear_sessions()
        world.interrupt()
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
    world.interrupt()
    random = Random(seed)
    for number in range(count):
        nai = f"nobody{random.randrange(max(1, count // 4))}@example.org".encode()
        source = bytes([10, 1, 1, 200 + random.randrange(3)])
        payload = request(Registration(nai, 600, bytes(4), source, number))
        world.inject(port, _to_virtual(world, source, payload))


def _storm(world: World, port: int, seconds: float, crowd: tuple[int, int], seed: int) -> None:
    """A stranger who knows no key plays so many mobiles, from so many addresses, that retransmit without an end."""
    random = Random(seed)
    mobiles, clients = crowd
    world.stormed_until = max(world.stormed_until, world.clock.now + seconds)
    world.clock.after(0.0, _keep_interrupted, world, world.clock.now + seconds + 60.0)
    for number in range(mobiles):
        nai = f"storm{seed}-{number}@example.org".encode()
        _storm_request(world, random, (port, nai, clients, world.clock.now + seconds), 0.0)


def _storm_request(world: World, random: Random, stormer: tuple[int, bytes, int, float], pause: float) -> None:
    """One request of a made-up mobile, and the next one after a second or more."""
    port, nai, clients, end = stormer
    if world.clock.now >= end:
        return
    if pause:
        source = bytes([10, 7, 0, random.randrange(clients)])
        registration = Registration(nai, 600, bytes(4), source, random.getrandbits(64))
        world.inject(port, _to_virtual(world, source, request(registration, is_forged=True)))
    pause = random.uniform(1.0, 3.0)
    world.clock.after(pause, _storm_request, world, random, stormer, pause)


def _forge_replies(world: World, port: int, number: int, count: int, seed: int) -> None:
    """A stranger sends replies in the name of a home agent, from its address or with its Ethernet address as well."""
    random, agent = Random(seed), world.home_agents[number]
    for _ in range(count):
        source = random.choice((agent.address, VIRTUAL.packed))
        mobile = random.choice(world.mobiles)
        answer = reply(Registration(mobile.nai, 600, bytes(4), source, random.getrandbits(64)), 0, agent.address)
        pdsn = mobile.pdsn
        world.inject(port, udp_frame(pdsn.mac + mac_of(b"\x0a\x07\0\x01"), source, pdsn.address, (434, 434), answer))


def _forge(world: World, port: int, number: int, home_agent: int, lifetime: int) -> None:
    """A stranger sends four copies of a request in the name of a mobile, for a home agent of its choice."""
    world.interrupt()
    mobile = world.mobiles[number]
    source = mobile.pdsn.address
    named = world.home_agents[home_agent].address if lifetime else bytes(4)
    registration = Registration(mobile.nai, lifetime, named, source, int(world.clock.now * 1000) | 1 << 63)
    for _ in range(4):
        world.inject(port, _to_virtual(world, source, request(registration, is_forged=True)))


def _garbage(world: World, port: int, count: int, seed: int) -> None:
    """A stranger sends bytes that are nothing, and requests of real mobiles in packets that no client sends."""
    random = Random(seed)
    for _ in range(count):
        payload = random.randbytes(random.randrange(1, 80))
        world.inject(port, _to_virtual(world, bytes([10, 1, 1, 210]), payload))
    random = Random(seed + 1)  # the bytes above stay what they were
    for _ in range(count):
        world.inject(port, _impossible(world, random))


def _impossible(world: World, random: Random) -> bytes:
    """A request of a mobile that would move it, in a packet that no client sends (docs/security.md)."""
    mobile = random.choice(world.mobiles)
    client = bytes([10, 7, 0, 1])
    source = random.choice((VIRTUAL.packed, b"\0\0\0\7", b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xff" * 4, client))
    registration = Registration(mobile.nai, 600, bytes(4), client, random.getrandbits(63))
    frame = bytearray(_to_virtual(world, source, request(registration, is_forged=True)))
    if source != client:
        return bytes(frame)
    kind = random.choice(("ttl", "IP checksum", "UDP checksum", "source port", "group source"))
    if kind == "ttl":  # its checksum is made right
        frame[22] = 0
        frame[24:26] = checksum(bytes(frame[14:24]) + bytes(2) + bytes(frame[26:34])).to_bytes(2, "big")
    elif kind == "source port":
        return udp_frame(bytes(frame[:12]), source, VIRTUAL.packed, (0, 434), bytes(frame[42:]))
    else:
        frame[{"IP checksum": 25, "UDP checksum": 41, "group source": 6}[kind]] ^= 1
    return bytes(frame)


def _spoof_storm(world: World, port: int, seconds: float, crowd: tuple[int, int], seed: int) -> None:
    """A stranger plays phones that get no answer: made-up mobiles behind made-up clients retransmit and begin anew."""
    random = Random(seed)
    mobiles, clients = crowd
    world.stormed_until = max(world.stormed_until, world.clock.now + seconds)
    for number in range(mobiles):
        nai = f"ghost{seed}.{number}@example.org".encode()
        source = bytes([10, 1, 1, 200 + number % clients])
        at = random.uniform(0.0, 5.0)
        while at < seconds:
            for pause in (1.0, 2.0, random.uniform(20.0, 60.0)):
                registration = Registration(nai, 600, bytes(4), source, random.randrange(1 << 60))
                world.clock.after(at, world.inject, port, _to_virtual(world, source, request(registration)))
                at += pause
    world.clock.after(0.0, _keep_interrupted, world, world.clock.now + seconds + 60.0)


def _keep_interrupted(world: World, until: float) -> None:
    """Requests of strangers look like answers to the balancer as long as they come."""
    world.interrupt()
    if world.clock.now < until:
        world.clock.after(1.0, _keep_interrupted, world, until)


def _stranger(world: World, number: int, datapath_id: int, count: int, seed: int) -> None:
    """A stranger connects to the OpenFlow port of a balancer, as a switch with this datapath id, and sends messages.

    With an odd seed it behaves as a switch beside that.
    """
    controller = world.controllers[number]
    if not controller.is_running:
        return
    if datapath_id <= len(world.switches):
        world.disturb()
    stranger = Stranger(world.clock, Random(seed), controller.accept_stranger(is_polite=seed % 2 == 1), datapath_id)
    stranger.begin(count)
    _keep_interrupted(world, world.clock.now + count * 2 * MESSAGE_INTERVAL + STAY)


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
    "meters are changed": _change_meters,
    "weather": _weather,
    "configuration": _configure,
    "sessions are cleared": _clear_sessions,
    "power cycle": _power_cycle,
    "power off": _power_off,
    "power on": _power_on,
    "move": _move,
    "spoofed requests": _spoof,
    "forged storm": _storm,
    "forged replies": _forge_replies,
    "forged requests": _forge,
    "garbage": _garbage,
    "spoofed storm": _spoof_storm,
    "stranger at the OpenFlow port": _stranger,
    "address is claimed": _claim_address,
}

#: The faults of a single mobile; its number is their first argument.
MOBILE_FAULTS = ("power cycle", "power off", "power on", "move")


def random_parameters(random: Random) -> Parameters:
    """A world of a random shape."""
    home_agents = random.randint(2, 4)
    controllers = random.choice((1, 1, 2))
    switches = random.choice((1, 1, 2, 3)) if controllers == 1 else 1  # several balancers might each serve another
    return Parameters(
        seed=random.randrange(1 << 30),
        home_agents=home_agents,
        controllers=controllers,
        switches=switches,
        names_datapaths=random.random() < 0.5,
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
        stay=random.choice((0.0, 0.0, 60.0, 300.0)),
        max_flows=random.choice((40, 1_000_000, 1_000_000, 1_000_000)),
        stats_delay=random.choice((0.0, 0.0, 0.0, 1.0)),
        dfp=random.random() < 0.4 and controllers == 1,  # a simulated agent has one manager
        dfp_timeout=random.choice((0, 10, 60)),
        dfp_punctual=random.random() < 0.3,
        bundles=random.random() < 0.8,
        meters=random.random() < 0.8,
        denies=random.random() < 0.6,
        tables=random.choice((2, 3, 3, 254)),
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
    hours = max(1.0, seconds / 3600.0)
    for _ in range(int(random.randint(0, 8) * hours)):
        at = round(random.uniform(5.0, max(6.0, seconds - 60.0)), 3)
        history += random.choice(_MAKERS)(parameters, at, random)
    for _ in range(int(random.randint(0, parameters.mobiles) * hours)):
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
    if random.random() < 0.2:
        return [Fault(at, "home agent answers no ARP", (number, random.choice((2.0, 10.0, 60.0))))]
    kind = random.choice(("home agent hangs", "home agent dies"))
    forget = kind == "home agent dies" and random.random() < 0.5
    return [Fault(at, kind, (number,)), Fault(_later(at, random), "home agent returns", (number, forget))]


def _dfp_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.home_agents)
    return [Fault(at, "DFP agent", (number, False)), Fault(_later(at, random), "DFP agent", (number, True))]


def _link_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    port = random.randint(1, parameters.home_agents + parameters.pdsns + parameters.switches - 1)
    if port > parameters.home_agents + parameters.pdsns:
        port = FIRST_TRUNK + 2 * (port - parameters.home_agents - parameters.pdsns - 1)
    return [Fault(at, "link", (port, False)), Fault(_later(at, random), "link", (port, True))]


def _controller_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    how = random.choice(("controller is killed", "controller is stopped", "controller is retired"))
    number = (random.randrange(parameters.controllers),)
    return [Fault(at, how, number), Fault(_later(at, random), "controller starts", number)]


def _control_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = (random.randrange(parameters.controllers), random.randrange(parameters.switches))
    return [
        Fault(at, "control connection breaks", number),
        Fault(_later(at, random), "control connection mends", number),
    ]


def _switch_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """Others change what a switch holds, up to five times in quick succession; or it restarts."""
    switch = random.randrange(parameters.switches)
    if random.random() < 0.2:
        return [Fault(at, "switch restarts", (switch,))]
    history = []
    for _ in range(random.choice((1, 1, 2, 5))):
        what = random.choice(("all", "table 0", "table 1", "session rules"))
        history.append(
            random.choice(
                (
                    Fault(at, "flows are deleted", (what, switch)),
                    Fault(at, "meters are deleted", (switch,)),
                    Fault(at, "meters are changed", (random.choice((0, 10, 1000)), switch)),
                    Fault(at, "ghosts", (random.choice((1, 7, 60)), switch, random.randrange(1 << 24) << 8)),
                    Fault(at, "actions are changed", (switch,)),
                )
            )
        )
        at = round(at + random.choice((0.0, 0.1, 3.0, 12.0, 70.0)) * random.uniform(0.5, 1.5), 3)
    return history


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
    if random.random() < 0.4:
        seconds = random.choice((10.0, 60.0, 300.0))
        kind = random.choice(("spoofed storm", "forged storm"))
        crowd = random.choice((3, 12, 65)), random.choice((1, 3, 200 if kind == "forged storm" else 50))
        return [Fault(at, kind, (port, seconds, crowd, seed))]
    if random.random() < 0.1:
        return [Fault(at, "forged replies", (port, random.randrange(parameters.home_agents), 20, seed))]
    return [Fault(at, random.choice(("spoofed requests", "garbage")), (port, random.choice((3, 65, 300)), seed))]


def _intruder_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """Strangers at the OpenFlow port: with the datapath id of a switch, with an unknown one, with bad framing."""
    datapath_id = random.choice((random.randint(1, parameters.switches), 0x99, 0x1000000000001))
    number = random.randrange(parameters.controllers)
    history = []
    for _ in range(random.choice((1, 1, 3))):
        rest = (random.choice((0, 20, 200)), random.randrange(1 << 30))
        history.append(Fault(at, "stranger at the OpenFlow port", (number, datapath_id, *rest)))
        at = round(at + random.uniform(0.0, 10.0), 3)
    return history


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
    _intruder_faults,
)
