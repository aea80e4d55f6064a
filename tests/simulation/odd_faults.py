"""What happens seldom and looks like something else: half a home agent, half a link, a real server that is added again.

A switch that confirms what it has not carried out breaks OpenFlow (section 6.3.8, barriers); some do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from simulation.flow_table import OFPFF_SEND_FLOW_REM
from simulation.packet import arp_frame
from simulation.parameters import BYSTANDERS, Parameters
from simulation.world import World

#: A fault: its time, its kind, and its arguments.
OddFault = tuple[float, str, tuple[Any, ...]]


def _answer_seldom(world: World, number: int, every: int) -> None:
    """A home agent answers each request that is a multiple of ``every``, and discards the others; 1: it is well."""
    agent = world.home_agents[number]
    agent.answers_every = every
    agent.disturbed_at = world.clock.now
    world.interrupt()


def _ignore_mobiles(world: World, number: int, every: int) -> None:
    """A home agent discards the requests of each mobile whose number is a multiple of ``every``; 0: of none."""
    agent = world.home_agents[number]
    agent.ignore(frozenset(each.nai for each in world.mobiles[::every]) if every else frozenset())


def _change_mac(world: World, number: int) -> None:
    """A home agent gets another Ethernet address, as a spare one has, and says so by gratuitous ARP."""
    agent = world.home_agents[number]
    agent.mac = b"\2\x10" + agent.address
    agent.disturbed_at = world.clock.now
    agent.send(arp_frame(1, agent.mac, agent.address, bytes(6), agent.address))


def _set_direction(world: World, number: int, is_outward: bool, up: bool) -> None:
    """The link of a home agent begins or ends to lose what goes there (``is_outward``), or what comes from there."""
    world.set_direction(number + 1, is_outward, up)


def _lose_flow_removed(world: World, switch: int) -> None:
    """A switch reports no removed rules from now on."""
    plundered = world.switches[switch]
    plundered.capabilities.flow_removed = False
    for table in plundered.datapath.used.values():
        for flow in table:
            flow.flags &= ~OFPFF_SEND_FLOW_REM


def _lag(world: World, switch: int, seconds: float) -> None:
    """A switch replies to barriers at once, and carries out flow-mods and bundles so many seconds later; 0: no more."""
    world.disturb()
    world.switches[switch].work.lag = seconds


#: What each kind of fault does.
ODD_FAULTS: dict[str, Callable[..., None]] = {
    "home agent answers seldom": _answer_seldom,
    "home agent gets another Ethernet address": _change_mac,
    "home agent ignores mobiles": _ignore_mobiles,
    "link loses one direction": _set_direction,
    "removed rules are not reported": _lose_flow_removed,
    "flow-mods lag behind barriers": _lag,
}


#: The kinds that are drawn together.
_DRAWN = (
    "home agent answers seldom",
    "link loses one direction",
    "removed rules are not reported",
    "flow-mods lag behind barriers",
    "real server is removed",
)


def random_odd_faults(parameters: Parameters, seconds: float) -> list[OddFault]:
    """Some of these within a time, in every second world; drawn apart, so that all other faults stay what they were."""
    random = Random(f"{parameters.seed} odd")
    history = _ignorance(parameters, seconds)
    for _ in range(random.choice((0, 1, 2, 4)) * random.randrange(2)):
        at = round(random.uniform(5.0, max(6.0, seconds - 60.0)), 3)
        history += _odd_fault(parameters, at, random)
    return history


def random_rivals(parameters: Parameters, seconds: float) -> list[OddFault]:
    """Another controller adds rules to our tables, or replaces session rules."""
    random = Random(f"{parameters.seed} rivals")
    history: list[OddFault] = []
    for _ in range(random.choice((0, 1, 2, 4))):
        at = round(random.uniform(5.0, max(6.0, seconds - 60.0)), 3)
        kind = random.choice(("rules of others are added", "session rules are replaced"))
        history.append((at, kind, (random.randrange(parameters.switches),)))
    return history


def random_thefts(parameters: Parameters, seconds: float) -> list[OddFault]:
    """Machines behind other ports steal the addresses of home agents, some of which fall silent about then."""
    random = Random(f"{parameters.seed} thefts")
    history: list[OddFault] = []
    for _ in range(random.choice((0, 0, 1, 3))):
        number = random.randrange(parameters.home_agents)
        at = round(random.uniform(15.0, max(16.0, seconds - 60.0)), 3)
        ports = [port for port in parameters.node_ports if port not in (number + 1, *BYSTANDERS)]
        beside = [port for port in ports if parameters.may_claim(port, number + 1)]
        port = random.choice(beside if beside and random.random() < 0.7 else ports)
        history.append((at, "address is taken", (port, number, random.choice((20.0, 60.0, 300.0)))))
        begin = round(at + random.uniform(-10.0, 30.0), 3)
        end = round(begin + random.choice((3.0, 20.0, 90.0)), 3)
        how = random.choice(("nothing", "link", "home agent dies", "home agent answers no ARP"))
        if how == "link":
            history += [(begin, how, (number + 1, False)), (end, how, (number + 1, True))]
        elif how == "home agent dies":
            history += [(begin, how, (number,)), (end, "home agent returns", (number, False))]
        elif how == "home agent answers no ARP":
            history.append((begin, how, (number, end - begin)))
    return history


def _ignorance(parameters: Parameters, seconds: float) -> list[OddFault]:
    """In every fifth world a home agent does not know some mobiles for a while."""
    random = Random(f"{parameters.seed} ignorance")
    if random.random() > 0.2:
        return []
    kind, number = "home agent ignores mobiles", random.randrange(parameters.home_agents)
    at = round(random.uniform(5.0, max(6.0, seconds - 60.0)), 3)
    end = round(at + random.choice((60.0, 400.0)) * random.uniform(0.5, 1.5), 3)
    return [(at, kind, (number, random.choice((5, 20)))), (end, kind, (number, 0))]


def _odd_fault(parameters: Parameters, at: float, random: Random) -> list[OddFault]:
    kind = random.choice(_DRAWN)
    end = round(at + random.choice((0.5, 5.0, 60.0, 400.0)) * random.uniform(0.5, 1.5), 3)
    number, switch = random.randrange(parameters.home_agents), random.randrange(parameters.switches)
    if kind == "home agent answers seldom":
        return [(at, kind, (number, random.choice((2, 3)))), (end, kind, (number, 1))]
    if kind == "link loses one direction":
        is_outward = random.random() < 0.5
        return [(at, kind, (number, is_outward, False)), (end, kind, (number, is_outward, True))]
    if kind == "removed rules are not reported":
        return [(at, kind, (switch,))]
    if kind == "real server is removed":
        end = round(at + random.choice((0.0, 0.3, 0.9, 20.0)), 3)
        return [(at, kind, (number, True)), (end, kind, (number, False))]
    return [(at, kind, (switch, random.choice((0.02, 0.2)))), (end, kind, (switch, 0.0))]


def without(parameters: Parameters, number: int, is_removed: bool) -> Parameters:
    """The world whose configuration does not have a real server, or has it again."""
    removed = parameters.removed | {number} if is_removed else parameters.removed - {number}
    return replace(parameters, removed=frozenset(removed))
