"""What goes wrong in a simulated world, as data: a history is a list of faults.

:mod:`simulation.random_history` draws those of a random world, :mod:`simulation.random_cluster` those of a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from ryu_haslb.configuration.model import Drain
from simulation.cluster_faults import CLUSTER_FAULTS
from simulation.dfp import SimulatedLink
from simulation.home_agent import Mood
from simulation.mobiles import State
from simulation.odd_faults import ODD_FAULTS, without
from simulation.parameters import Parameters
from simulation.stranger_faults import STRANGER_FAULTS
from simulation.switch_faults import SWITCH_FAULTS
from simulation.world import World


class Fault(NamedTuple):
    """Something that happens ``at`` so many seconds after the start. ``kind`` is a key of :data:`FAULTS`."""

    at: float
    kind: str
    arguments: tuple[Any, ...] = ()

    def strike(self, world: World) -> None:
        """Let it happen."""
        if not (world.members and (self.kind in CLUSTER_FAULTS or self.kind.startswith("control"))):
            world.restarts.faults.append(self.kind)
            if self.kind not in MOBILE_FAULTS:
                world.note_upset()
        world.faulted_at = world.clock.now
        if world.members:
            world.excuse_under_way()
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
    world.note_stop(world.controllers[number])
    world.controllers[number].stop()


def _retire_controller(world: World, number: int = 0) -> None:
    world.disturb()
    world.controllers[number].retire()


def _start_controller(world: World, number: int = 0) -> None:
    world.disturb()
    controller = world.controllers[number]
    if world.plundered_at > world.served_until:
        world.await_normal()
    if not controller.is_running:
        world.note_restart(controller)
    controller.start()


def _cut_control(world: World, number: int = 0, switch: int = 0) -> None:
    world.disturb()
    world.controllers[number].cut(world.switches[switch])


def _mend_control(world: World, number: int = 0, switch: int = 0) -> None:
    world.disturb()
    world.controllers[number].mend(world.switches[switch])


def _weather(world: World, loss: float, repeat: float, jitter: float) -> None:
    world.weather.loss, world.weather.repeat, world.weather.jitter = loss, repeat, jitter
    world.weather_changed_at = world.clock.now
    world.interrupt()


def _configure(world: World, weights: tuple[int, ...], out_of_service: frozenset[int]) -> None:
    change(world, replace(world.parameters, weights=weights, out_of_service=out_of_service))


def _drain(world: World, number: int, how: Optional[str]) -> None:
    """An operator drains a home agent: ``how`` is what its sessions do; None: it is drained no more."""
    drained = dict(world.parameters.drained)
    drained.pop(number, None)
    if how is not None:
        drained[number] = Drain(how)
    agent = world.home_agents[number]
    for mobile in world.mobiles:
        if agent.is_bound(mobile.nai) and mobile.state is not State.BOUND:
            mobile.excuse = "its home agent is drained, and its reply may be lost"
        elif how == Drain.MOVE.value and agent.is_bound(mobile.nai):
            mobile.excuse = "its session moves"
    change(world, replace(world.parameters, drained=tuple(drained.items())))


def _remove(world: World, number: int, is_removed: bool) -> None:
    """An operator takes a real server out of the configuration, or adds it again."""
    world.home_agents[number].disturbed_at = world.clock.now
    for mobile in world.mobiles:
        if world.home_agents[number].is_bound(mobile.nai):
            mobile.excuse = "its home agent was removed"
    change(world, without(world.parameters, number, is_removed))


def change(world: World, parameters: Parameters) -> None:
    """An operator changes the configuration; in a cluster, at any member that runs.

    That may refuse the change, or fail to commit it, and tells the operator. The world has the parameters that its
    leader has applied (``World.on_leadership_changed``).
    """
    world.interrupt()
    if not world.parameters.bundles:
        world.plundered_at = world.clock.now  # changes of the standing rules are not atomic (docs/switches.md)
    if world.members:
        running = [each for each in world.members if each.is_running and not each.is_hung]
        if running:
            world.random.choice(running).shared.commit(world.texts.text_of(parameters))
        return
    world.parameters = parameters
    if any(each.is_retired for each in world.controllers):
        world.disturb()  # it serves the switches again, and restores what they have lost meanwhile
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
    world.excuse_move(world.mobiles[number])
    world.mobiles[number].move_to(world.pdsns[pdsn])


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
    "weather": _weather,
    "configuration": _configure,
    "home agent is drained": _drain,
    "real server is removed": _remove,
    "sessions are cleared": _clear_sessions,
    "power cycle": _power_cycle,
    "power off": _power_off,
    "power on": _power_on,
    "move": _move,
    **CLUSTER_FAULTS,
    **SWITCH_FAULTS,
    **STRANGER_FAULTS,
    **ODD_FAULTS,
}

#: The faults of a single mobile; its number is their first argument.
MOBILE_FAULTS = ("power cycle", "power off", "power on", "move")
