"""What strangers do: they send requests, replies and ARP that are forged, and connect to the OpenFlow port."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from simulation.mobile_ip import Registration, reply, request
from simulation.packet import arp_frame, checksum, udp_frame
from simulation.parameters import VIRTUAL
from simulation.strangers import MESSAGE_INTERVAL, STAY, Stranger
from simulation.theft import Theft
from simulation.world import World, mac_of

#: The Ethernet address of a machine that claims another one's address.
FALSE_MAC = b"\x02\xba\xdb\xad\xba\xad"


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
    agent.claimed_at = world.clock.now
    world.inject(port, arp_frame(1, FALSE_MAC, agent.address, bytes(6), agent.address))


def _take_address(world: World, port: int, number: int, seconds: float) -> None:
    """A machine behind the port of another node has the address of a home agent for so long, and answers ARP."""
    Theft(world, port, number).begin(seconds)


def _to_virtual(world: World, source: bytes, payload: bytes) -> bytes:
    chassis = b"\x02\x51\xb7\0\0\x01"
    return udp_frame(chassis + mac_of(source), source, VIRTUAL.packed, (434, 434), payload)


#: What each kind of fault does.
STRANGER_FAULTS: dict[str, Callable[..., None]] = {
    "spoofed requests": _spoof,
    "forged storm": _storm,
    "forged replies": _forge_replies,
    "forged requests": _forge,
    "garbage": _garbage,
    "spoofed storm": _spoof_storm,
    "stranger at the OpenFlow port": _stranger,
    "address is claimed": _claim_address,
    "address is taken": _take_address,
}
