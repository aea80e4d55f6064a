"""Worlds and histories of a random shape: a seed makes one of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from ryu_haslb.configuration.model import ProbeKind
from simulation.faults import MOBILE_FAULTS, Fault
from simulation.parameters import FIRST_TRUNK, Parameters


def random_parameters(random: Random) -> Parameters:
    """A world of a random shape."""
    return _with_probe(_with_tables(_random_parameters(random)))


def _with_probe(parameters: Parameters) -> Parameters:
    """The world with a probe, in every second one."""
    random = Random(f"{parameters.seed} probe")
    return replace(
        parameters,
        probe=random.choice((None, None, ProbeKind.PING, ProbeKind.IPMOBILE)),
        probe_interval=random.choice((1, 2, 5, 10)),
        probe_faildetect=random.choice((3, 5, 10)),
    )


def _with_tables(parameters: Parameters) -> Parameters:
    """The world with switches whose tables are small or slow, or that report nothing of themselves."""
    random = Random(f"{parameters.seed} tables")
    return replace(
        parameters,
        flow_mod_rate=random.choice((0.0, 0.0, 0.0, 200.0, 300.0, 1000.0)),
        max_rules=random.choice((None, None, None, 10, 50)),
        reports_features=random.random() < 0.7,
    )


def _random_parameters(random: Random) -> Parameters:
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
        dfp=random.random() < 0.4 and controllers == 1,  # of the two that are drawn here one waits
        dfp_timeout=random.choice((0, 10, 60)),
        dfp_punctual=random.random() < 0.3,
        bundles=random.random() < 0.8,
        meters=random.random() < 0.8,
        denies=random.random() < 0.6,
        tables=random.choice((2, 3, 3, 254)),
        output_to_table=random.random() < 0.8,
        ignores_table=random.random() < 0.1,
    )


def random_crowd(parameters: Parameters, random: Random) -> Parameters:
    """The same world with many mobiles, that come to the virtual address all the time: what goes wrong meets requests.

    The faults of mobiles concern the first ones.
    """
    return replace(
        parameters,
        mobiles=random.choice((2000, 4000, 8000)),
        arrivals=20.0,
        stay=300.0,
        refresh=15.0,
        idle=60,
        lifetime=max(600, parameters.lifetime),
        stats_delay=min(0.1, parameters.stats_delay),  # else thousands of rules are read for minutes
        stats_part=60_000,
    )


def random_history(parameters: Parameters, seconds: float, random: Random) -> list[Fault]:
    """Faults within a time, each followed by its mending where it has one.

    In some worlds nothing goes wrong but that a home agent falls silent: where faults follow each other no mobile has
    ever waited for long enough.
    """
    if random.random() < 0.25:
        history = _silence(parameters, round(random.uniform(1.0, seconds / 2), 3), random)
        resets = random.randint(0, min(300, parameters.mobiles))
        history += [Fault(round(random.uniform(5.0, seconds), 3), "power cycle", (number,)) for number in range(resets)]
        return sorted(history)
    history = []
    hours = max(1.0, seconds / 3600.0)
    for _ in range(int(random.randint(0, 8) * hours)):
        at = round(random.uniform(5.0, max(6.0, seconds - 60.0)), 3)
        history += random.choice(_MAKERS)(parameters, at, random)
    for _ in range(int(random.randint(0, min(300, parameters.mobiles)) * hours)):
        history.append(_mobile_fault(parameters, round(random.uniform(5.0, seconds), 3), random))
    return sorted(history)


def _mobile_fault(parameters: Parameters, at: float, random: Random) -> Fault:
    number = random.randrange(parameters.mobiles)
    kind = random.choice(MOBILE_FAULTS)
    return Fault(at, kind, (number, random.randrange(parameters.pdsns)) if kind == "move" else (number,))


def later(at: float, random: Random) -> float:
    """When a fault ends that began at a time."""
    return round(at + random.choice((0.5, 3.0, 20.0, 90.0, 400.0, 1200.0)) * random.uniform(0.5, 1.5), 3)


def _agent_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.home_agents)
    if random.random() < 0.2:
        return [Fault(at, "home agent answers no ARP", (number, random.choice((2.0, 10.0, 60.0))))]
    kind = random.choice(("home agent hangs", "home agent dies"))
    forget = kind == "home agent dies" and random.random() < 0.5
    return [Fault(at, kind, (number,)), Fault(later(at, random), "home agent returns", (number, forget))]


def _dfp_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.home_agents)
    return [Fault(at, "DFP agent", (number, False)), Fault(later(at, random), "DFP agent", (number, True))]


def _link_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    port = random.randint(1, parameters.home_agents + parameters.pdsns + parameters.switches - 1)
    if port > parameters.home_agents + parameters.pdsns:
        port = FIRST_TRUNK + 2 * (port - parameters.home_agents - parameters.pdsns - 1)
    return [Fault(at, "link", (port, False)), Fault(later(at, random), "link", (port, True))]


def _controller_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    how = random.choice(("controller is killed", "controller is stopped", "controller is retired"))
    number = (random.randrange(parameters.controllers),)
    return [Fault(at, how, number), Fault(later(at, random), "controller starts", number)]


def _control_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = (random.randrange(parameters.controllers), random.randrange(parameters.switches))
    return [
        Fault(at, "control connection breaks", number),
        Fault(later(at, random), "control connection mends", number),
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
                    Fault(at, "orphaned rules", (random.choice((1, 7, 60)), switch, random.randrange(1 << 24) << 8)),
                    Fault(at, "actions are changed", (switch,)),
                )
            )
        )
        at = round(at + random.choice((0.0, 0.1, 3.0, 12.0, 70.0)) * random.uniform(0.5, 1.5), 3)
    return history


def _weather_faults(_: Parameters, at: float, random: Random) -> list[Fault]:
    loss, repeat, jitter = random.choice(((0.03, 0.0, 0.0), (0.3, 0.0, 0.0), (0.0, 0.1, 0.0), (0.01, 0.01, 0.05)))
    return [Fault(at, "weather", (loss, repeat, jitter)), Fault(later(at, random), "weather", (0.0, 0.0, 0.0))]


def _operator_faults(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    if random.random() < 0.2:
        return [Fault(at, "sessions are cleared")]
    if random.random() < 0.3:
        number, how = random.randrange(parameters.home_agents), random.choice(("stay", "move"))
        drain = "home agent is drained"
        return [Fault(at, drain, (number, how)), Fault(later(at, random), drain, (number, None))]
    weights = tuple(random.choice((1, 2, 4, 8)) for _ in range(parameters.home_agents))
    out = frozenset({random.randrange(parameters.home_agents)} if random.random() < 0.4 else ())
    return [
        Fault(at, "configuration", (weights, out)),
        Fault(later(at, random), "configuration", (weights, frozenset())),
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
